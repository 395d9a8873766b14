"""The bare loops that the engine is measured against: no signature, no history, no Django.

session: requests.Session().post; urllib3: urllib3.PoolManager().request.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import requests
import urllib3

from benchmarks.bodies import bodies
from benchmarks.process import serve

_session = requests.Session()
_pool = urllib3.PoolManager()
_bodies: list[bytes] = []


def load(database: str, count: int) -> None:
    """Take the bodies that the engine has sent; not timed."""
    _bodies[:] = bodies(database, count)


def session(url: str, body: bytes) -> int:
    return _session.post(url, data=body).status_code


def urllib3_pool(url: str, body: bytes) -> int:
    return _pool.request("POST", url, body=body).status


POSTS: dict[str, Callable[[str, bytes], int]] = {"session": session, "urllib3": urllib3_pool}


def send(url: str) -> float:
    """Seconds that it took to post them all."""
    post = POSTS[sys.argv[1]]
    began = time.perf_counter()
    for body in _bodies:
        if post(url, body) != 200:
            raise RuntimeError("the sink did not answer 200")
    return time.perf_counter() - began


if __name__ == "__main__":
    serve({"load": load, "send": send})
