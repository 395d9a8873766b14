"""claim.*: ms for one claim of 200 deliveries of ten webhooks on PostgreSQL, the look at whose turn it is included.

empty: a table that has little more than these. finished: beside them 10 million deliveries that were sent. waiting: a
million are queued. The quick form: 1 million and 100,000. Each claim is rolled back; medians, the tables taking turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from statistics import median

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.process import Process
from benchmarks.rounds import alternate
from benchmarks.size import Size
from tests.program import drop_database

EMPTY = "claim.empty"
FIGURES = (EMPTY, "claim.finished", "claim.waiting")
FEW = 2_000
CLAIMS = 20
FILLED_WITHIN = 1_800.0


def measure(install: Install, size: Size) -> Iterator[Figure]:
    tables = {EMPTY: (0, FEW), "claim.finished": (size.finished, FEW), "claim.waiting": (0, size.waiting)}
    with ExitStack() as running:
        claimers = {}
        for name, (finished, waiting) in tables.items():
            here = install("postgresql")
            # Such a table is not kept for longer than it is looked at.
            running.callback(drop_database, here.database_url)
            claimers[name] = running.enter_context(here.process("claimer"))
            claimers[name].tell("fill", finished=finished, waiting=waiting)
        for claimer in claimers.values():
            claimer.hear(FILLED_WITHIN)
        players = {name: _player(claimer) for name, claimer in claimers.items()}
        for warm_up in players.values():
            warm_up()
        found = alternate(players, size.rounds)
    values = {name: median(chain(*found[name])) for name in FIGURES}
    yield Figure(EMPTY, values[EMPTY], "ms")
    for name in FIGURES[1:]:
        yield Figure(name, values[name], "ms", values[name] / values[EMPTY], EMPTY)


def _player(claimer: Process) -> Callable[[], list[float]]:
    def claim() -> list[float]:
        milliseconds: list[float] = claimer.ask("claim", times=CLAIMS)
        return milliseconds

    return claim
