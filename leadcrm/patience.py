"""gunicorn's worker with threads, but a request gets its thread when it is there, not while it trickles in.

Of gunicorn's own, each connection that has sent a byte holds a thread until its request is complete: sixteen slow
senders and nobody else is served, the health page neither. Here one loop collects what all of them send, on disk where
it is much, and cuts off who takes too long. A proxy in front that collects requests itself makes it idle.
"""

from __future__ import annotations

import errno
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from selectors import EVENT_READ
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

# Seconds from the first byte of a request to its last, and for each piece of an answer to be taken.
PATIENCE: Final = 20.0
# Bytes per second that a body of more than LARGEST must come with, beyond these.
SLOWEST: Final = 128 * 1024
LARGEST_HEAD: Final = 256 * 1024
# Bodies that are waited for, by where they go. What is larger is refused there by its head: it gets a thread at once.
LARGEST: Final = 2_500_000
LARGEST_BY_PATH: Final = ((b"/in/", 256 * 1024), (b"/admin/", 64 * 1024 * 1024))
# Seconds that a connection stays open, after the last answer, for the other side to have read it.
FAREWELL: Final = 2.0
# Bytes of a request that are kept in memory.
IN_MEMORY: Final = 32 * 1024
PIECE: Final = 64 * 1024
LOOK_EVERY: Final = 0.25

_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([^\r\n]*)")


def awaited(head: bytes) -> int | None:
    """How many bytes of a body to wait for; None where the request is answered without them, by its head alone."""
    lines = head.lower()
    if b"\r\ntransfer-encoding:" in lines:
        return None
    lengths = [length.strip(b" \t") for length in _LENGTH.findall(lines)]
    if not lengths:
        return 0
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 12:
        return None
    path = head.split(b" ", 2)[1] if head.count(b" ", 0, 4096) > 1 else b""
    largest = next((most for start, most in LARGEST_BY_PATH if path.startswith(start)), LARGEST)
    length = int(lengths[0])
    return length if length <= largest else None


class Arrival:
    """What has come of a request so far."""

    def __init__(self) -> None:
        self.until = 0.0
        self._size = 0
        self._tail = b""
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with its connection
        # Bytes that make it complete; None as long as its head is not.
        self._whole: int | None = None
        # Whether its body is among them.
        self.is_whole = False
        self.is_complete = False
        # Whether whoever sends it waits for a word before the body.
        self.expects_word = False

    @property
    def has_begun(self) -> bool:
        return self._size > 0

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        end = (self._tail + piece).find(_END) if self._whole is None else -1
        if end >= 0:
            self._read_head(self._size - len(self._tail) + end)
        self._size += len(piece)
        self._tail = (self._tail + piece)[-len(_END) + 1 :]
        if self._whole is not None and self._size >= self._whole:
            self.is_complete = True

    @property
    def is_too_long(self) -> bool:
        return self._whole is None and self._size > LARGEST_HEAD

    def taken(self) -> SpooledTemporaryFile[bytes]:
        """All of it, from its beginning."""
        self._file.seek(0)
        return self._file

    def _read_head(self, size: int) -> None:
        self._file.seek(0)
        head = self._file.read(size)
        self._file.seek(0, 2)
        length = awaited(head)
        self.is_whole = length is not None
        self._whole = size + len(_END) + (length or 0)
        self.expects_word = bool(length) and b"\r\nexpect:" in head.lower()
        if length is not None and length > LARGEST:
            self.until += (length - LARGEST) / SLOWEST


class Received(Unreader):
    """What has arrived, and then what still comes, but no longer than there is patience for it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self.sock = sock
        self.until = 0.0
        self.stored: Any = BytesIO()

    def chunk(self, size_hint: int | None = None) -> bytes:
        if piece := self.stored.read(size_hint or PIECE):
            return piece
        left = self.until - time.monotonic()
        if left > 0:
            self.sock.settimeout(left)
            try:
                return self.sock.recv(PIECE)
            except TimeoutError:
                pass
            finally:
                self.sock.settimeout(PATIENCE)
        raise ConnectionResetError(errno.ECONNRESET, "The rest of the request did not come in time.")

    def rest(self) -> bytes:
        """What has come of the next request already."""
        rest: bytes = self.take_buffered() + self.stored.read()
        self.stored.close()
        return rest


class Connection(TConn):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.data_ready = True  # when a thread looks at it
        self.received = Received(self.sock)
        self.parser = RequestParser(self.cfg, self.sock, self.client)
        self.parser.unreader = self.received
        # Whether all of the request has arrived.
        self.is_whole = False
        # Whether a byte of the next one has.
        self.has_asked = False

    def init(self) -> None:
        self.initialized = True
        self.sock.settimeout(PATIENCE)

    def take(self, arrival: Arrival) -> None:
        self.received.stored, self.received.until = arrival.taken(), arrival.until
        self.is_whole = arrival.is_whole


class PatientWorker(ThreadWorker):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Whose request arrives, or whose end is waited for, and what is done when that takes too long.
        self._waiting: dict[Connection, tuple[Arrival, Callable[[Connection], None]]] = {}
        self._looked = 0.0

    def accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self._await(Connection(self.cfg, sock, address, listener.getsockname()), PATIENCE)

    def finish_request(self, conn: Connection, future: Any) -> None:
        """A thread is through with the connection: it is kept for the next request, or closed."""
        keep = not future.cancelled() and future.exception() is None and bool(future.result())
        if not keep:
            self._take_leave(conn)
            return
        rest = conn.received.rest()
        arrival = self._await(conn, self.cfg.keepalive)
        if rest:
            self._add(conn, arrival, rest)

    def murder_pending(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        for conn, (arrival, give_up) in list(self._waiting.items()):
            if arrival.until <= now:
                self._forget(conn)
                give_up(conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        # What was not waited for is not waited for afterwards either.
        return bool(keepalive and conn.is_whole and conn.parser.finish_body())

    def _await(self, conn: Connection, seconds: float) -> Arrival:
        arrival = Arrival()
        arrival.until = time.monotonic() + seconds
        conn.has_asked = False
        conn.sock.setblocking(False)
        self._watch(conn, arrival, partial(self._readable, conn, arrival), self._cut)
        return arrival

    def _readable(self, conn: Connection, arrival: Arrival, sock: socket.socket) -> None:
        try:
            piece = sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if piece:
            self._add(conn, arrival, piece)
        else:
            self._forget(conn)
            self._close(conn)

    def _add(self, conn: Connection, arrival: Arrival, piece: bytes) -> None:
        conn.has_asked = True
        if not arrival.has_begun:
            arrival.until = time.monotonic() + PATIENCE
        arrival.add(piece)
        if arrival.is_complete:
            self._forget(conn)
            conn.take(arrival)
            self.enqueue_req(conn)
        elif arrival.is_too_long:
            self._forget(conn)
            self._refuse(conn, b"431 Request Header Fields Too Large")
        elif arrival.expects_word:
            arrival.expects_word = False
            self._say(conn, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _cut(self, conn: Connection) -> None:
        if conn.has_asked:
            self._refuse(conn, b"408 Request Timeout")
        else:
            self._close(conn)

    def _refuse(self, conn: Connection, status: bytes) -> None:
        self._say(conn, b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self._take_leave(conn)

    def _say(self, conn: Connection, words: bytes) -> None:
        with suppress(OSError):
            conn.sock.send(words)

    def _take_leave(self, conn: Connection) -> None:
        """Close it when the other side has: closed sooner, what it has not read yet of the answer would be lost."""
        farewell = Arrival()
        farewell.until = time.monotonic() + FAREWELL
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            self._close(conn)
            return
        self._watch(conn, farewell, partial(self._drain, conn), self._close)

    def _drain(self, conn: Connection, sock: socket.socket) -> None:
        try:
            if sock.recv(PIECE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._forget(conn)
        self._close(conn)

    def _watch(
        self,
        conn: Connection,
        arrival: Arrival,
        then: Callable[[socket.socket], None],
        give_up: Callable[[Connection], None],
    ) -> None:
        self._waiting[conn] = arrival, give_up
        self.poller.register(conn.sock, EVENT_READ, then)

    def _forget(self, conn: Connection) -> None:
        del self._waiting[conn]
        self.poller.unregister(conn.sock)

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.received.stored.close()
        conn.close()
