"""Reads the answer to a request off a socket: http.client's parser, the try's clock, and bounds on all that comes."""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any

from webhooks.outbound.clock import Clock, Cut
from webhooks.wire.exchange import KEPT_BODY, KEPT_HEADER_LENGTH, KEPT_HEADERS, Response

READ_LIMIT = 64 * 1024
"""Bytes of body that are read. Whoever sends more is hung up on."""
RAW_LIMIT = 256 * 1024
"""Bytes read in all: a head, or chunk sizes, without end are no answer."""

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_HEADER = re.compile(r"([!-9;-~]+):")


def read(sock: socket.socket, method: str, clock: Clock, broken: ConnectionError | None) -> tuple[Response, bool]:
    """The answer on a connection, and whether that can be used again. broken: what kept the request from leaving."""
    answer = _Answer(_Reader(sock, clock), method)
    try:
        answer.begin()
    except (OSError, http.client.HTTPException):
        if broken is not None:
            raise broken from None
        raise
    try:
        body, whole = answer.body()
    finally:
        answer.close()
    if clock.was_cut and answer.will_close:
        raise Cut  # the end of the connection was the end of the body: ours, perhaps, and not the receiver's
    response = Response(
        status=answer.status,
        reason=one_line(answer.reason),
        headers=tuple((one_line(name), one_line(value)) for name, value in answer.headers[:KEPT_HEADERS]),
        body=body[:KEPT_BODY],
        size=len(body),
        truncated=not whole or len(body) > KEPT_BODY,
        duration_ms=clock.elapsed_ms(),
        sent_ms=clock.sent_ms,
    )
    sent_whole = clock.sent_ms is not None
    return response, sent_whole and whole and not answer.surplus and not answer.will_close and answer.status >= 200


def one_line(text: str) -> str:
    """Short enough to keep, and without control characters, which databases and logs do not bear."""
    if len(text) <= KEPT_HEADER_LENGTH and text.isprintable():
        return text
    return CONTROLS.sub(" ", text[:KEPT_HEADER_LENGTH])


class _Endless(http.client.HTTPException):
    """More bytes came than any answer of ours needs."""


class _Reader(io.RawIOBase):
    """The socket for http.client to read, with the try's clock before each read: a socket's own timeout is per read."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self.count = 0
        self._sock = sock
        self._clock = clock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.count >= RAW_LIMIT:
            raise _Endless
        # What has come is taken even when there is no time left to wait for more.
        self._sock.settimeout(max(self._clock.until - time.monotonic(), 0.0))
        try:
            count = self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        self.count += count
        self._clock.received += count
        return count

    def tell(self) -> int:
        return self.count


class _Answer(http.client.HTTPResponse):
    """http.client's parser over our reader; knows whether bytes came that belong to no answer."""

    headers: _Headers  # type: ignore[assignment]

    def __init__(self, reader: _Reader, method: str | None) -> None:
        super().__init__(reader, method=method)  # type: ignore[arg-type]
        self._reader = reader
        self.surplus = False

    def begin(self) -> None:
        """What http.client does here, which has the headers read by a parser of mail: that takes ten times as long."""
        status, version, reason = 100, "", ""
        while status < 200 and status != 101:  # hints before the answer
            version, status, reason = self._read_status()  # type: ignore[attr-defined]
            self.headers = _Headers(http.client._read_headers(self.fp))  # type: ignore[attr-defined]
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise http.client.UnknownProtocol(version)
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.will_close = self._check_close()  # type: ignore[attr-defined]
        self.length = None if self.chunked else _length(self.headers.get("content-length"))
        if status in (101, 204, 304) or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length = 0
        if not self.chunked and self.length is None:
            self.will_close = True

    def _close_conn(self) -> None:
        if self.fp.tell() != self._reader.count:
            self.surplus = True
        super()._close_conn()  # type: ignore[misc]

    def body(self) -> tuple[bytes, bool]:
        """At most READ_LIMIT bytes, and whether that was all. Raises IncompleteRead when it broke off."""
        pieces: list[bytes] = []
        size = 0
        while self.length != 0:
            if size >= READ_LIMIT:
                return b"".join(pieces), False
            try:
                piece = self.read1(READ_LIMIT - size)
            except _Endless:
                return b"".join(pieces), False
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        if self.length:
            raise http.client.IncompleteRead(b"", self.length)
        return b"".join(pieces), True


class _Headers(list[tuple[str, str]]):
    """Names and values in their order, as far as the lines are headers."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode("latin-1").rstrip("\r\n")
            if text[:1] in (" ", "\t") and self:
                name, value = self[-1]
                self[-1] = name, f"{value} {text.strip()}"
            elif match := _HEADER.match(text):
                self.append((match[1], text[match.end() :].strip(" \t")))
            else:
                return

    def get(self, wanted: str, default: Any = None) -> Any:
        """The first of that name, which is in small letters."""
        return next((value for name, value in self if name.lower() == wanted), default)


def _length(text: str | None) -> int | None:
    """Of a body, in bytes; what is no number says nothing."""
    try:
        length = int(text or "")
    except ValueError:
        return None
    return length if length >= 0 else None
