"""rules.{sqlite,postgresql}.*: what a save of an existing lead costs with 0 and 20 active rules that listen to it.

At commit a save only notes which rules listen; the worker asks their conditions and does what they say. Nobody works
meanwhile; every few saves what was noted goes, as if a worker kept up. Made by turns; statements count up to COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from statistics import median

from benchmarks.figure import Figure
from benchmarks.groups.save import DATABASES, NOWHERE, TURN
from benchmarks.installation import Install
from benchmarks.process import Process
from benchmarks.rounds import alternate
from benchmarks.size import Size

ACTIVE = (0, 20)
FIGURES = (
    *(f"rules.{database}.{number}" for database in DATABASES for number in ACTIVE),
    *(f"rules.sqlite.{number}.statements" for number in ACTIVE),
)


def measure(install: Install, size: Size) -> Iterator[Figure]:
    for database in DATABASES:
        with install(database).process("saver") as saver:
            saver.ask("webhooks", url=NOWHERE, number=0)
            saver.ask("make_rules", number=max(ACTIVE))
            yield from _saves(saver, f"rules.{database}", size)
            if database == "sqlite":
                yield from _statements(saver, f"rules.{database}")


def _saves(saver: Process, name: str, size: Size) -> Iterator[Figure]:
    def turn(number: int) -> list[float]:
        saver.ask("listening", number=number)
        milliseconds: list[float] = saver.ask("save", times=TURN, bare=False)
        return milliseconds

    players: dict[str, Callable[[], list[float]]] = {str(number): partial(turn, number) for number in ACTIVE}
    for warm_up in players.values():
        warm_up()
    turns = -(-size.rounds * size.saves // TURN)
    found = {number: median(chain(*given)) for number, given in alternate(players, turns).items()}
    yield from _figures(name, "", found, "ms")


def _statements(saver: Process, name: str) -> Iterator[Figure]:
    found: dict[str, float] = {}
    for number in ACTIVE:
        saver.ask("listening", number=number)
        found[str(number)] = saver.ask("statements", bare=False)
    yield from _figures(name, ".statements", found, "statements")


def _figures(name: str, what: str, found: dict[str, float], unit: str) -> Iterator[Figure]:
    none, *others = map(str, ACTIVE)
    against = f"{name}.{none}{what}"
    yield Figure(against, found[none], unit)
    for number in others:
        yield Figure(f"{name}.{number}{what}", found[number], unit, found[number] / found[none], against)
