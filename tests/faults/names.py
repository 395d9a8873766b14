"""A name server on the loopback, and how badly it can answer. For those who may use port 53."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

HERE = "127.0.0.1"
# Of somebody else's cloud: whoever calls it tells a stranger its secrets.
METADATA = "169.254.169.254"
SERVFAIL, NXDOMAIN = 2, 3
A = 1


class NameServer:
    """with NameServer() as server: a resolver that asks server.address hears what the name says of itself.

    missing: no such name; broken: the server failed; empty: no address; silent: nothing; moving: first HERE, then
    METADATA. All of them lead to HERE when `healed`.
    """

    def __init__(self) -> None:
        self.healed = threading.Event()
        self.asked: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # An address of our own: 127.0.0.1:53 may be the machine's.
        self.address = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        self._socket.bind((self.address, 53))

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                question, peer = self._socket.recvfrom(4096)
                answer = self._answer(question)
                if answer:
                    self._socket.sendto(answer, peer)

    def _answer(self, question: bytes) -> bytes | None:
        labels, rest = _labels(question[12:])
        (kind,) = struct.unpack("!H", rest[:2])
        name = labels[0]
        asked = question[12 : len(question) - len(rest) + 4]
        code, address = 0, HERE
        if kind == A:
            self.asked[name] += 1
        if not self.healed.is_set():
            if name == "silent":
                return None
            code = {"missing": NXDOMAIN, "broken": SERVFAIL}.get(name, 0)
            if name == "moving" and self.asked[name] > 1:
                address = METADATA
        found = not code and kind == A and (self.healed.is_set() or name == "moving")
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, int(found), 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 0, 4) + socket.inet_aton(address)
        return head + asked + (record if found else b"")


def _labels(name: bytes) -> tuple[list[str], bytes]:
    labels = []
    while length := name[0]:
        labels.append(name[1 : 1 + length].decode().lower())
        name = name[1 + length :]
    return labels, name[1:]
