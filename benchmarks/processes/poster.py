"""Other systems that post leads: some connections that are kept open, each of which posts one lead after the other.

Plain sockets and threads: it is to cost the machine as little as it can. Half of the leads are new, half are known.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

from benchmarks.process import serve

SAMPLE = {
    "first_name": "Lead",
    "last_name": "Engine",
    "phone": "15555555555",
    "city": "Minneapolis",
    "state": "Minnesota",
    "country": "United States",
    "date": "2024-10-02T15:28:20Z",
}
_number = count(1)
_lock = threading.Lock()


def flood(port: int, path: str, key: str, connections: int, seconds: float) -> float:
    """Posts per second of so many connections, each of which waits for nothing but its answers."""
    began = time.perf_counter()
    done = _each(connections, lambda: _posts(port, path, key, lambda: time.perf_counter() - began < seconds))
    return sum(len(answered) for answered in done) / (time.perf_counter() - began)


def pace(port: int, path: str, key: str, connections: int, per_second: float, times: int) -> list[float]:
    """Milliseconds from when each post was due to the last byte of its answer: who is late, waits as well."""
    began = time.perf_counter()
    turns = iter(range(times))
    late: list[float] = []

    def due() -> bool:
        with _lock:
            turn = next(turns, None)
        if turn is None:
            return False
        moment = began + turn / per_second
        time.sleep(max(0.0, moment - time.perf_counter()))
        local.due = moment
        return True

    local = threading.local()

    def run() -> list[float]:
        return [(moment - local_due) * 1000 for local_due, moment in _timed(port, path, key, due, lambda: local.due)]

    for found in _each(connections, run):
        late += found
    return late


def _posts(port: int, path: str, key: str, more: Callable[[], bool]) -> list[float]:
    return [moment for _, moment in _timed(port, path, key, more, time.perf_counter)]


def _timed(
    port: int, path: str, key: str, more: Callable[[], bool], since: Callable[[], float]
) -> Iterator[tuple[float, float]]:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while more():
            begun = since()
            sock.sendall(_request(path, key))
            _check(_answer(sock))
            yield begun, time.perf_counter()


def _request(path: str, key: str) -> bytes:
    with _lock:
        number = next(_number)
    # Every other one comes for the second time, with another city.
    document = SAMPLE | {"email": f"lead{(number + 1) // 2}@example.com", "city": f"City {number}"}
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _answer(sock: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _piece(sock)
    head, _, rest = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(rest) < length:
        rest += _piece(sock)
    return head


def _piece(sock: socket.socket) -> bytes:
    piece = sock.recv(65_536)
    if not piece:
        raise RuntimeError("the web server hung up")
    return piece


def _check(head: bytes) -> None:
    status = head.split(b" ", 2)[1]
    if status != b"200":
        raise RuntimeError(f"a post was answered {status.decode()}")


def _each(connections: int, run: Callable[[], list[float]]) -> list[list[float]]:
    found: list[list[float]] = []
    threads = [threading.Thread(target=lambda: found.append(run())) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) < connections:
        raise RuntimeError("a connection failed")
    return found


if __name__ == "__main__":
    serve({"flood": flood, "pace": pace})
