"""render.*: ms to write and sign one request, for a lead with every field set and ten messages.

The dialect's own body and signature, and webhook-signature. No database, no network; medians over all turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from statistics import median

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.rounds import alternate
from benchmarks.size import Size
from webhooks.dialects import DIALECTS

FIGURES = tuple(f"render.{name}" for name in DIALECTS)


def measure(install: Install, size: Size) -> Iterator[Figure]:
    with install().process("writer") as writer:

        def player(name: str) -> Callable[[], list[float]]:
            def write() -> list[float]:
                milliseconds: list[float] = writer.ask("write", dialect=name, times=size.bodies)
                return milliseconds

            return write

        players = {name: player(name) for name in DIALECTS}
        for warm_up in players.values():
            warm_up()
        found = alternate(players, size.rounds)
    for name in DIALECTS:
        yield Figure(f"render.{name}", median(chain(*found[name])), "ms")
