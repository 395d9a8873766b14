"""The clock of one exchange, and the handle by which another thread ends it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Clock:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.began = time.monotonic()
        self.until = self.began + deadline
        self.sent_ms: float | None = None
        self.received = 0
        """Bytes of the answer."""
        self.was_cut = False
        self.sock: socket.socket | None = None
        self.woken: threading.Event | None = None
        """Ends the waiting for a name's addresses."""

    def start_over(self) -> None:
        """What came before now does not count."""
        self.began = time.monotonic()
        self.until = self.began + self.deadline

    def left(self) -> float:
        """Seconds left. Raises TimeoutError when there are none: a socket would take 0 for 'do not wait at all'."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.began) * 1000

    def hold(self, sock: socket.socket) -> None:
        """From now on a cut ends this socket."""
        self.sock = sock
        self.check()

    def check(self) -> None:
        if self.was_cut:
            raise Cut

    def cut(self) -> None:
        self.was_cut = True
        if self.woken is not None:
            self.woken.set()
        if self.sock is not None:
            # Not close: its thread may be reading, and the descriptor could be another file's a moment later. Not
            # SSLSocket's shutdown either, which takes the TLS layer away from under that thread.
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Cut(Exception):
    """The exchange was ended from outside."""
