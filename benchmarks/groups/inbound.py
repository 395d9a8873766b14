"""inbound.posts: leads per second that one web process takes by an inbound webhook on SQLite, by upsert: every other
one is there already. inbound.p95: ms from when a post was due to its answer, at 100 posts a second.

The web server as shipped (gunicorn, one process), API key verified, receipt stored, lead and events in one transaction.
Nobody sends meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median, quantiles

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.size import Size

POSTS, P95 = "inbound.posts", "inbound.p95"
FIGURES = (POSTS, P95)
CONNECTIONS = 4
PER_SECOND = 100


def measure(install: Install, size: Size) -> Iterator[Figure]:
    here = install(WEB_PROCESSES="1")
    with here.process("inbound") as setup:
        path, key = setup.ask("prepare")
    here.program.start_web()
    try:
        with here.process("poster") as poster:
            where = {"port": here.program.port, "path": path, "key": key, "connections": CONNECTIONS}
            poster.ask("flood", **where, seconds=size.seconds)  # what is loaded once is loaded
            rates = [poster.ask("flood", **where, seconds=size.seconds) for _ in range(size.rounds)]
            times = max(20, round(size.seconds * size.rounds * PER_SECOND))
            late = poster.ask("pace", **where, per_second=PER_SECOND, times=times)
    finally:
        here.program.stop()
    yield Figure(POSTS, median(rates), "posts/s")
    yield Figure(P95, quantiles(late, n=20, method="inclusive")[18], "ms")
