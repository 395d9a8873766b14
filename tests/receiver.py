"""A real HTTP receiver on the loopback: it keeps what arrives, byte for byte, and answers as it is told.

Not http.server: that one stops at header lines of 64 KiB, and parses what it should only record.
"""

import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HEAD_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    head: bytes
    """Request line and headers as they came, without the empty line."""
    at: float
    """time.monotonic() after the last byte."""

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    after: float = 0.0
    """Seconds to wait first."""
    raw: bytes | None = None
    """Sent instead of all the above, then the connection is closed."""
    silent: bool = False
    """Never answer; the connection stays open until the other side or the receiver closes it."""

    def wire(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} Answer"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, ("Content-Length", str(len(self.body))))]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Receiver:
    """with Receiver() as receiver: post to receiver.url, then look at receiver.received."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._usual = Answer()
        self._next: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.authority}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        # Closing alone would leave the thread in accept(); shutting down wakes it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            for connection in self._open:
                connection.close()

    def answer(self, *answers: Answer) -> None:
        """The next requests get these, one each; then the usual answer again."""
        with self._changed:
            self._next.extend(answers)

    def always(self, answer: Answer) -> None:
        """The usual answer from now on; answers still planned for single requests are dropped."""
        with self._changed:
            self._usual = answer
            self._next.clear()

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Received]:
        """All that was received, as soon as there are count requests; AssertionError when that takes too long."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= count, seconds):
                raise AssertionError(f"{len(self.received)} of {count} requests arrived in {seconds} s")
            return list(self.received)

    def clear(self) -> None:
        with self._changed:
            self.received.clear()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while (request := self._read(stream)) is not None:
                    with self._changed:
                        self.received.append(request)
                        answer = self._next.popleft() if self._next else self._usual
                        self._changed.notify_all()
                    if answer.silent:
                        connection.recv(1)
                        return
                    if answer.after and self._closing.wait(answer.after):
                        return
                    connection.sendall(answer.wire())
                    if answer.raw is not None:
                        return
        except (OSError, ValueError):
            # The other side went away, or the test is over.
            pass
        finally:
            with self._changed:
                self._open.discard(connection)

    @staticmethod
    def _read(stream) -> Received | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline(HEAD_LIMIT)
            head += line
            if not line or len(head) > HEAD_LIMIT:
                return None
        head = head[:-4]
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        named = {name.lower(): value for name, value in headers}
        if named.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(named.get("content-length", "0")))
        return Received(method, target, headers, body, head, time.monotonic())
