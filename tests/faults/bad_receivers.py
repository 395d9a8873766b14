"""Receivers that answer as nobody should, each a server of its own on the loopback, until they are healed."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REFUSAL = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
PIECE = b"x" * 65_536
# More than any try may read.
ENDLESS = 64 << 20

Manner = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class Request:
    id: str
    record: str
    healed: bool


@dataclass(slots=True)
class BadReceiver:
    """manner: what it does with a connection whose request it has read; `greet` before that, with a raw connection.

    tls: what it wraps connections with until it is healed, and good_tls from then on.
    """

    manner: Manner | None = None
    greet: Manner | None = None
    tls: ssl.SSLContext | None = None
    good_tls: ssl.SSLContext | None = None
    healed: threading.Event = field(default_factory=threading.Event)
    requests: list[Request] = field(default_factory=list)
    _server: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        healed = self.healed.is_set()
        connection.settimeout(60)
        with suppress(OSError), connection:
            context = self.good_tls if healed else self.tls
            if self.greet and not healed:
                self.greet(connection)
            elif context is None:
                self._exchange(connection, healed)
            else:
                with context.wrap_socket(connection, server_side=True) as secured:
                    self._exchange(secured, healed)

    def _exchange(self, connection: socket.socket, healed: bool) -> None:
        headers = _read(connection)
        self.requests.append(Request(headers["webhook-id"], headers["webhook-record"], healed))
        if healed or self.manner is None:
            connection.sendall(OK)
        else:
            self.manner(connection)


def _read(connection: socket.socket) -> Mapping[str, str]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    headers = {name.lower(): value.strip() for name, _, value in lines}
    left = int(headers.get("content-length", "0")) - len(body)
    while left > 0:
        left -= len(connection.recv(65_536)) or left
    return headers


# Manners


def refuses(connection: socket.socket) -> None:
    connection.sendall(REFUSAL)


def drips_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    _drip(connection)


def drips_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(connection)


def _drip(connection: socket.socket) -> None:
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.2)


def sends_giant(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
    _flood(connection)


def sends_endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\nX-Long: ")
    _flood(connection)


def _flood(connection: socket.socket) -> None:
    for _ in range(ENDLESS // len(PIECE)):
        connection.sendall(PIECE)


def sends_bomb(connection: socket.socket) -> None:
    bomb = _bomb()
    head = b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    connection.sendall(head + bomb)


@cache
def _bomb() -> bytes:
    """A megabyte that is a gigabyte: the members of a gzip file are joined by who reads it."""
    return gzip.compress(bytes(8 << 20), 9) * 128


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_in_answer(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    time.sleep(0.1)
    resets(connection)


def half_closes(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def half_closes_at_once(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def speaks_something_else(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example.com ESMTP\r\n")
    connection.recv(1)


def stays_silent(connection: socket.socket) -> None:
    connection.recv(1 << 20)
    connection.recv(1)


def answers_in_plain(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
