"""save.{sqlite,postgresql}.*: what a save of an existing lead costs with 0, 1, 10 and 100 matching webhooks.

Against a bare save: the same change of the same lead in atomic(), by Django's own Model.save, with change tracking and
receivers disconnected. The rules of leads are judged by the unit of work, so that a bare save has none of them.

Nobody sends meanwhile; every few saves what they have queued counts as sent, as if a worker kept up. The nudge is as
shipped. Values are medians over all saves, made by turns; statements count up to COMMIT, on SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from statistics import median

from benchmarks.figure import Figure
from benchmarks.installation import Database, Install
from benchmarks.process import Process
from benchmarks.rounds import alternate
from benchmarks.size import Size

DATABASES: tuple[Database, ...] = ("sqlite", "postgresql")
MATCHING = (0, 1, 10, 100)
# By the figure's last part: how many match, and whether the save is bare.
KINDS = {"bare": (0, True)} | {str(number): (number, False) for number in MATCHING}
FIGURES = (
    *(f"save.{database}.{kind}" for database in DATABASES for kind in KINDS),
    *(f"save.sqlite.{kind}.statements" for kind in KINDS),
)
# Nobody listens there, and nothing is sent in this group.
NOWHERE = "http://127.0.0.1:9/hook"
# Saves in a turn; PostgreSQL plans a prepared statement anew the first five times.
TURN = 6


def measure(install: Install, size: Size) -> Iterator[Figure]:
    for database in DATABASES:
        with install(database).process("saver") as saver:
            saver.ask("webhooks", url=NOWHERE, number=max(MATCHING))
            yield from _saves(saver, f"save.{database}", size)
            if database == "sqlite":
                yield from _statements(saver, f"save.{database}")


def _saves(saver: Process, name: str, size: Size) -> Iterator[Figure]:
    def turn(matching: int, bare: bool) -> list[float]:
        saver.ask("matching", number=matching)
        milliseconds: list[float] = saver.ask("save", times=TURN, bare=bare)
        return milliseconds

    players: dict[str, Callable[[], list[float]]] = {kind: partial(turn, *how) for kind, how in KINDS.items()}
    for warm_up in players.values():
        warm_up()
    turns = -(-size.rounds * size.saves // TURN)
    found = {kind: median(chain(*given)) for kind, given in alternate(players, turns).items()}
    for kind in KINDS:
        yield _figure(f"{name}.{kind}", found[kind], "ms", f"{name}.bare", found["bare"])


def _statements(saver: Process, name: str) -> Iterator[Figure]:
    found: dict[str, int] = {}
    for kind, (matching, bare) in KINDS.items():
        saver.ask("matching", number=matching)
        found[kind] = saver.ask("statements", bare=bare)
    for kind in KINDS:
        yield _figure(f"{name}.{kind}.statements", found[kind], "statements", f"{name}.bare.statements", found["bare"])


def _figure(name: str, value: float, unit: str, against: str, bare: float) -> Figure:
    return Figure(name, value, unit) if name == against else Figure(name, value, unit, value / bare, against)
