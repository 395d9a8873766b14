"""How a process and its Lapps talk: a head, which is a JSON object, and a body, each after its length."""

import json
import struct
from collections.abc import Mapping
from typing import Any

LENGTHS = struct.Struct("!II")
"""Bytes of the head and of the body; both follow."""


def frame(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body
