"""The bare loop that the engine is measured against: requests.Session().post, no signature, no history, no Django."""

from __future__ import annotations

import sqlite3
import time
from itertools import cycle, islice

import requests

from benchmarks.process import serve

_session = requests.Session()
_bodies: list[bytes] = []


def load(database: str, count: int) -> None:
    """Take the bodies that the engine has sent; not timed."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute("SELECT content FROM webhooks_body ORDER BY delivery_id DESC LIMIT ?", [count])
        _bodies[:] = islice(cycle([bytes(content) for (content,) in found]), count)
    finally:
        connection.close()


def send(url: str) -> float:
    """Seconds that it took to post them all."""
    began = time.perf_counter()
    for body in _bodies:
        if _session.post(url, data=body).status_code != 200:
            raise RuntimeError("the sink did not answer 200")
    return time.perf_counter() - began


if __name__ == "__main__":
    serve({"load": load, "send": send})
