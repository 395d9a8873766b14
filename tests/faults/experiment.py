"""An experiment and what it finds: one judge for the short form and the full one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tests.faults.stack import Stack

Size = TypeVar("Size")

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the results."""

    what: str
    bound: str
    measured: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.measured} (must be {self.bound})"


def none(what: str, found: Sequence[Any], of: int | None = None) -> Check:
    """There must be none of them; the first few are shown."""
    measured = f"{len(found):,}" + (f" of {of:,}" if of is not None else "")
    if found:
        measured += f": {', '.join(map(str, found[:SHOWN]))}" + (", ..." if len(found) > SHOWN else "")
    return Check(what, "0", measured, not found)


def at_most(what: str, measured: float, bound: float, unit: str = "") -> Check:
    return Check(what, f"≤ {_number(bound)}{unit}", f"{_number(measured)}{unit}", measured <= bound)


def at_least(what: str, measured: float, bound: float, unit: str = "") -> Check:
    """The experiment's own: was done what it is about?"""
    return Check(what, f"≥ {_number(bound)}{unit}", f"{_number(measured)}{unit}", measured >= bound)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


@dataclass(frozen=True, slots=True)
class Experiment(Generic[Size]):
    """id: as in the list of faults; run(stack, size, seed) gives the checks; stacks: by their names in stack.STACKS."""

    id: str
    title: str
    run: Callable[[Stack, Size, int], list[Check]]
    short: Size
    full: Size
    stacks: tuple[str, ...] = ("sqlite", "postgresql")
    seed: int = 20261121

    def judge(self, stack: Stack, size: Size) -> list[Check]:
        """Runs it and prints its seed and what it found."""
        print(f"{self.id} {self.title} · {stack.name} · seed {self.seed} · {size}", flush=True)
        checks = self.run(stack, size, self.seed)
        for check in checks:
            print(f"    {'ok  ' if check.holds else 'FAIL'} {check}", flush=True)
        return checks
