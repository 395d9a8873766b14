"""Receivers that answer the worst, by path: /body, /headers, /line, /drip, /gzip, /chunks. /plain answers 200.

It reads the request, then writes until the other side has had enough. A thread for each connection, none is kept.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat

from benchmarks.process import serve

MEGABYTE = 1_000_000
HEAD = b"HTTP/1.1 200 OK\r\n"
JUNK = b"x" * 65_536
# 200 MB that travel as 0.2: level 1, as nobody has to wait for the best.
BOMB = gzip.compress(bytes(200 * MEGABYTE), compresslevel=1)

_answered: Counter[str] = Counter()


def body() -> Iterator[bytes]:
    """10 MB."""
    yield HEAD + f"Content-Length: {10 * MEGABYTE}\r\n\r\n".encode()
    yield from repeat(JUNK, 10 * MEGABYTE // len(JUNK))


def headers() -> Iterator[bytes]:
    """One header after the other, without end."""
    yield HEAD
    for number in range(1_000_000):
        yield f"X-Header-{number}: {'v' * 500}\r\n".encode() * 20


def line() -> Iterator[bytes]:
    """One header that does not end."""
    yield HEAD + b"X-Header: "
    yield from repeat(JUNK, 10_000)


def drip() -> Iterator[bytes]:
    """A byte now and then."""
    yield HEAD + b"Content-Length: 1000000\r\n\r\n"
    while True:
        time.sleep(0.2)
        yield b"x"


def bomb() -> Iterator[bytes]:
    """200 MB once it is unpacked."""
    yield HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode() + BOMB


def chunks() -> Iterator[bytes]:
    """Chunks of 64 KiB, without end."""
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from repeat(f"{len(JUNK):x}\r\n".encode() + JUNK + b"\r\n")


def plain() -> Iterator[bytes]:
    yield HEAD + b"Content-Length: 0\r\n\r\n"


ANSWERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "/body": body,
    "/headers": headers,
    "/line": line,
    "/drip": drip,
    "/gzip": bomb,
    "/chunks": chunks,
    "/plain": plain,
}


def answered() -> dict[str, int]:
    """How often each path was answered."""
    return dict(_answered)


def _talk(sock: socket.socket) -> None:
    with sock, suppress(OSError):
        path = _read(sock)
        _answered[path] += 1
        for piece in ANSWERS[path]():
            sock.sendall(piece)


def _read(sock: socket.socket) -> str:
    """The path of a request that was read to its end."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(65_536)
    head, _, rest = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    left = next(int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")) - len(rest)
    while left > 0:
        left -= len(sock.recv(65_536))
    return lines[0].split()[1]


def _accept(listener: socket.socket) -> None:
    while True:
        threading.Thread(target=_talk, args=[listener.accept()[0]], daemon=True).start()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    threading.Thread(target=_accept, args=[listener], daemon=True).start()
    serve({"port": lambda: listener.getsockname()[1], "answered": answered})


if __name__ == "__main__":
    main()
