"""Answers that take their time, without taking the whole server: few at once, and each ends with its client."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# The web server has 16 threads; four of them may wait here.
MOST = 4
LOOK_EVERY = 0.25

_places = threading.BoundedSemaphore(MOST)


@contextmanager
def place() -> Iterator[bool]:
    """A place among those that may wait; False when all are taken."""
    taken = _places.acquire(blocking=False)
    try:
        yield taken
    finally:
        if taken:
            _places.release()


def wait(seconds: float, client: socket.socket | None) -> bool:
    """Wait, or stop early when the client hangs up. Whether it is still there; a client we cannot see always is."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(LOOK_EVERY, left))
        if client is not None and _gone(client):
            return False
    return True


def _gone(client: socket.socket) -> bool:
    try:
        readable, _, _ = select.select([client], [], [], 0)
        return bool(readable) and not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (OSError, ValueError):
        return True
