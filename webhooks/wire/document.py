"""JSON on the wire: one prepared encoder for what we send, one careful reader for what strangers sent."""

import json
from collections.abc import Mapping
from typing import Any

# Text stays readable and nothing is padded. Snapshots come from JSON, so that they hold no circle to look for.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def write(document: Any) -> bytes:
    """JSON as UTF-8. ValueError for what JSON or UTF-8 cannot say (NaN, a lone surrogate)."""
    return _encode(document).encode()


def read(body: bytes) -> Mapping[str, Any]:
    """The object that a received body holds; empty when it holds no object. Never raises."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


_EXACT_INTEGERS = 2**53
"""Up to here every whole float is exactly that integer."""
_DEEP = frozenset({dict, list, tuple, float})
"""The types that need a look; most values of a record have none of them, and asking the type is cheaper than a call."""


def plain(value: Any) -> Any:
    """The same JSON value, whole numbers without a fraction at any depth: 10000 and not 10000.0."""
    if isinstance(value, dict):
        return {key: plain(item) if type(item) in _DEEP else item for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) if type(item) in _DEEP else item for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_INTEGERS:
        return int(value)
    return value
