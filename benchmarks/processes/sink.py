"""A receiver that does next to nothing: it answers 200 as soon as a request's last byte is there, or, when it is given
a number, so many milliseconds later.

One thread, plain sockets, kept connections. It says its port first. Of requests to /clocked it also says, one by one,
which record and version came and when, [webhook-record, time.monotonic_ns()]; the clock is the machine's.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections import deque
from contextlib import suppress

from benchmarks.process import say

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLOCKED = b"POST /clocked "


class Incoming:
    """The bytes of one connection that have not made a whole request yet."""

    __slots__ = ("needed", "received", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        # How many bytes the request has in all, 0 until its head is there.
        self.needed = 0

    def read(self) -> bool | None:
        """Take what has come. True when a request is whole, None when the other side is gone."""
        try:
            piece = self.sock.recv(262_144)
        except ConnectionError:
            return None
        if not piece:
            return None
        self.received += piece
        if not self.needed:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.needed = end + 4 + int(_header(self.received[:end], b"content-length") or 0)
        if len(self.received) < self.needed:
            return False
        if self.received.startswith(CLOCKED):
            now = time.monotonic_ns()
            say([_header(self.received[: self.needed], b"webhook-record").decode(), now])
        self.received, self.needed = b"", 0
        return True


class Answers:
    """What is still to be said, in the order in which it is due: every answer waits as long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: deque[tuple[float, socket.socket]] = deque()

    def add(self, sock: socket.socket) -> None:
        if self._seconds:
            self._due.append((time.monotonic() + self._seconds, sock))
        else:
            sock.sendall(ANSWER)

    def wait(self) -> float | None:
        """Seconds until the next one is due; None when there is none."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def send(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            # Who has left meanwhile hears nothing.
            with suppress(OSError):
                self._due.popleft()[1].sendall(ANSWER)


def _header(head: bytes, name: bytes) -> bytes:
    begin = head.lower().find(b"\r\n" + name + b":")
    if begin < 0:
        return b""
    begin += len(name) + 3
    end = head.find(b"\r\n", begin)
    return head[begin : end if end >= 0 else None].strip()


def main() -> None:
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    answers = Answers(float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.0)
    say(listener.getsockname()[1])
    while True:
        for key, _ in selector.select(answers.wait()):
            if key.data is not None:
                whole = key.data.read()
                if whole:
                    answers.add(key.data.sock)
                elif whole is None:
                    selector.unregister(key.data.sock)
                    key.data.sock.close()
            elif key.fileobj is listener:
                sock, _address = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(sock, selectors.EVENT_READ, Incoming(sock))
            else:
                return  # the input has ended: whoever started us is done
        answers.send()


if __name__ == "__main__":
    main()
