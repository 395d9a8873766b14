"""deliver.sqlite.1 and session: deliveries per second of one worker process, and of a bare loop of posts.

Both send the same bodies to the same sink, by turns, in processes of their own; each value is the median of its rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.rounds import alternate
from benchmarks.size import Size

FIGURES = ("session", "deliver.sqlite.1")
UNIT = "deliveries/s"
WARM_UP = 300


def measure(install: Install, size: Size) -> Iterator[Figure]:
    here = install()
    with here.process("sink") as sink, here.process("engine") as engine, here.process("session") as session:
        url = f"http://127.0.0.1:{sink.hear(10)}/hook"
        engine.ask("webhook", url=url)

        def deliver(count: int) -> float:
            engine.ask("queue", count=count)
            seconds: float = engine.ask("send", count=count)
            return count / seconds

        def post(count: int) -> float:
            session.ask("load", database=here.database_url.removeprefix("sqlite:///"), count=count)
            seconds: float = session.ask("send", url=url)
            return count / seconds

        # The slower one sends for as long as a round shall take, and the other one the same number.
        count = round(size.seconds * min(deliver(WARM_UP), post(WARM_UP))) + 1
        rates = alternate({"session": lambda: post(count), "deliver.sqlite.1": lambda: deliver(count)}, size.rounds)
    bare = median(rates["session"])
    yield Figure("session", bare, UNIT)
    ours = median(rates["deliver.sqlite.1"])
    yield Figure("deliver.sqlite.1", ours, UNIT, ours / bare, "session")
