"""save.sqlite.*: what a save of an existing lead costs with 0, 1, 10 and 100 matching webhooks, against a bare save.

Bare is the same save of the same lead in atomic(), with change tracking and receivers disconnected. Nobody sends
meanwhile; the nudge is as shipped. Values are medians over all saves, made by turns; statements count up to COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from statistics import median

from benchmarks.figure import Figure
from benchmarks.installation import Installation
from benchmarks.rounds import alternate
from benchmarks.size import Size

BARE = "save.sqlite.bare"
MATCHING = (0, 1, 10, 100)
NAMES = (BARE, *(f"save.sqlite.{number}" for number in MATCHING))
FIGURES = (*NAMES, *(f"{name}.statements" for name in NAMES))
# Nobody listens there, and nothing is sent in this group.
NOWHERE = "http://127.0.0.1:9/hook"


def measure(install: Callable[[], Installation], size: Size) -> Iterator[Figure]:
    with install().process("saver") as saver:
        saver.ask("webhooks", url=NOWHERE, number=max(MATCHING))

        def player(matching: int, bare: bool) -> Callable[[], list[float]]:
            def save() -> list[float]:
                saver.ask("matching", number=matching)
                milliseconds: list[float] = saver.ask("save", times=size.saves, bare=bare)
                return milliseconds

            return save

        def statements(matching: int, bare: bool) -> int:
            saver.ask("matching", number=matching)
            number: int = saver.ask("statements", bare=bare)
            return number

        kinds = dict(zip(NAMES, [(0, True), *((number, False) for number in MATCHING)], strict=True))
        players = {name: player(*kind) for name, kind in kinds.items()}
        for warm_up in players.values():
            warm_up()
        found = {name: list(chain(*rounds)) for name, rounds in alternate(players, size.rounds).items()}
        counted = {name: statements(*kind) for name, kind in kinds.items()}
    bare = median(found[BARE])
    yield Figure(BARE, bare, "ms")
    for name in NAMES[1:]:
        yield Figure(name, median(found[name]), "ms", median(found[name]) / bare, BARE)
    yield Figure(f"{BARE}.statements", counted[BARE], "statements")
    for name in NAMES[1:]:
        ratio = counted[name] / counted[BARE]
        yield Figure(f"{name}.statements", counted[name], "statements", ratio, f"{BARE}.statements")
