"""deliver.*: deliveries per second of one and of two worker processes, on SQLite and on PostgreSQL, against bare loops
of posts and against other ways to send webhooks from Django.

All send the same bodies to the same sink, by turns, in processes of their own; each value is the median of its rounds.
A player sends for about as long as a round shall take, whatever its speed. deliver.slow20: the receiver takes 20 ms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks import rival
from benchmarks.figure import Figure
from benchmarks.installation import Database, Install
from benchmarks.process import Process
from benchmarks.rounds import alternate
from benchmarks.size import Size

# What a figure is compared with.
AGAINST = {
    "session": None,
    "deliver.sqlite.1": "session",
    "deliver.postgresql.1": "session",
    "deliver.sqlite.2": "deliver.sqlite.1",
    "deliver.postgresql.2": "deliver.postgresql.1",
    "urllib3": "deliver.postgresql.1",
    "task_per_delivery": "deliver.postgresql.1",
    "django_webhook_celery": "deliver.postgresql.2",
    "deliver.slow20.postgresql.1": None,
    "deliver.slow20.postgresql.2": "deliver.slow20.postgresql.1",
}
FIGURES = tuple(AGAINST)
# Not there where their packages cannot be had.
OPTIONAL = ("django_webhook_celery",)
UNIT = "deliveries/s"
SLOW = "20"

# Sends and settles so many; how many per second.
Rate = Callable[[int], float]


def measure(install: Install, size: Size) -> Iterator[Figure]:
    # In this order: after a hundred thousand deliveries the database has to clean up, for a while.
    rates = _slow(install, size) | _instant(install, size)
    for name, against in AGAINST.items():
        if name in rates:
            ratio = rates[name] / rates[against] if against else None
            yield Figure(name, rates[name], UNIT, ratio, against)


def _instant(install: Install, size: Size) -> dict[str, float]:
    with ExitStack() as running:
        sink = running.enter_context(install().process("sink"))
        url = f"http://127.0.0.1:{sink.hear(10)}/hook"
        engines, database = _engines(install, running, "sqlite", url)
        players = {"deliver.sqlite.1": _together(engines[:1]), "deliver.sqlite.2": _together(engines)}
        # The others post what this one sent.
        players["deliver.sqlite.1"](size.warm_up)
        file = database.removeprefix("sqlite:///")
        engines, _ = _engines(install, running, "postgresql", url)
        players |= {"deliver.postgresql.1": _together(engines[:1]), "deliver.postgresql.2": _together(engines)}
        for name in ("session", "urllib3"):
            loop = running.enter_context(install().process("loop", name))
            players[name] = _posting(loop, file, url)
        opponents = {"task_per_delivery": rival.TASK_PER_DELIVERY, "django_webhook_celery": rival.DJANGO_WEBHOOK}
        if reason := rival.no_packages():
            print(f"\n*** django_webhook_celery IS NOT MEASURED: {reason}. ***\n", file=sys.stderr)
            del opponents["django_webhook_celery"]
        for name, one in opponents.items():
            players[name] = running.enter_context(rival.opponent(install, one, url, file)).rate
        return _alternate(players, size)


def _slow(install: Install, size: Size) -> dict[str, float]:
    with ExitStack() as running:
        sink = running.enter_context(install().process("sink", SLOW))
        url = f"http://127.0.0.1:{sink.hear(10)}/hook"
        engines, _ = _engines(install, running, "postgresql", url)
        name = "deliver.slow20.postgresql"
        return _alternate({f"{name}.1": _together(engines[:1]), f"{name}.2": _together(engines)}, size)


def _alternate(players: Mapping[str, Rate], size: Size) -> dict[str, float]:
    """The median rate of each."""

    def player(rate: Rate) -> Callable[[], float]:
        # Twice: the first time also opens connections.
        count = round(size.seconds * max(rate(size.warm_up), rate(size.warm_up))) + 1
        return lambda: rate(count)

    found = alternate({name: player(rate) for name, rate in players.items()}, size.rounds)
    return {name: median(rates) for name, rates in found.items()}


def _engines(install: Install, running: ExitStack, database: Database, url: str) -> tuple[list[Process], str]:
    """Two worker processes on one database, and its URL."""
    here = install(database)
    engines = [running.enter_context(here.process("engine")) for _ in range(2)]
    engines[0].ask("webhook", url=url)
    return engines, here.database_url


def _together(engines: Sequence[Process]) -> Rate:
    """All of them at once, until all is settled."""

    def rate(count: int) -> float:
        engines[0].ask("queue", count=count)
        for engine in engines:
            engine.tell("send")
        runs = [engine.hear(120) for engine in engines]
        settled, unsent = sum(run["settled"] for run in runs), engines[0].ask("unsent")
        if settled != count or unsent:
            raise RuntimeError(f"{settled} of {count} deliveries were settled, {unsent} were not a success")
        return count / (max(run["ended"] for run in runs) - min(run["began"] for run in runs))

    return rate


def _posting(loop: Process, file: str, url: str) -> Rate:
    def rate(count: int) -> float:
        loop.ask("load", database=file, count=count)
        seconds: float = loop.ask("send", url=url)
        return count / seconds

    return rate
