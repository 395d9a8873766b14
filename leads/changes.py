"""The unit of work: what changed on which records, told once, at its end, before COMMIT.

`unit()` is an atomic block. Every write of a `Record` (leads/models/record.py) opens one or joins the one that is open.
The first touch of a record within the unit reads its row ('before', locked); the exit of the outermost unit reads it
again and compares. So a savepoint that was rolled back, or a value set and set back, tells nothing, and F() values are
what the database made of them.

Outside the unit, by nature: raw SQL, QuerySet._raw_delete and loaddata.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import timezone

from leads.signals import SYSTEM, Actor, Fact, happened

if TYPE_CHECKING:
    from leads.models.record import Record

Row = dict[str, Any]

# SQLite takes 999 parameters in a statement by Django's reckoning.
CHUNK = 900

_actor: ContextVar[Callable[[], Actor]] = ContextVar("actor", default=lambda: SYSTEM)
_open = threading.local()


@contextmanager
def acting(actor: Actor | Callable[[], Actor]) -> Iterator[None]:
    """Name who acts within the block; a callable is asked only when something changed."""
    token = _actor.set(actor if callable(actor) else lambda: actor)
    try:
        yield
    finally:
        _actor.reset(token)


@contextmanager
def unit(using: str = DEFAULT_DB_ALIAS, savepoint: bool = True) -> Iterator[Unit]:
    """Open a unit of work, or join the open one. Either all of it is stored, facts included, or nothing."""
    units: dict[str, Unit] = _open.__dict__
    joined = units.get(using)
    if joined is not None:
        with transaction.atomic(using, savepoint=savepoint):
            yield joined
        return
    with transaction.atomic(using):
        opened = units[using] = Unit(using)
        try:
            yield opened
            opened.settle()
        finally:
            del units[using]


def open_unit(using: str = DEFAULT_DB_ALIAS) -> Unit | None:
    return _open.__dict__.get(using)


class Unit:
    """The records touched so far, in the order of their first touch, each with its row before (or None)."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._before: dict[type[Record], dict[int, Row | None]] = {}

    def touch(self, model: type[Record], pks: Iterable[int]) -> list[int]:
        """Read and lock the rows that this unit is about to write; returns those that it had not touched yet."""
        seen = self._before.setdefault(model, {})
        new = [pk for pk in pks if pk not in seen]
        for chunk in _chunks(new):
            rows = model.rows(self.using, chunk, lock=True)
            for pk in chunk:
                seen[pk] = rows.get(pk)
        return new

    def born(self, model: type[Record], pks: Iterable[int]) -> None:
        """Note rows that this unit has just inserted."""
        seen = self._before.setdefault(model, {})
        for pk in pks:
            seen.setdefault(pk, None)

    def before(self, model: type[Record], pk: int | None) -> Row | None:
        return self._before.get(model, {}).get(pk) if pk is not None else None

    def settle(self) -> None:
        """Compare, mend what is derived, check the rules and tell the facts."""
        # A receiver of the facts may write records in turn: go round until nothing new was touched.
        while self._before:
            touched, self._before = self._before, {}
            facts: list[Fact] = []
            for model, befores in touched.items():
                for chunk in _chunks(list(befores)):
                    afters = model.rows(self.using, chunk)
                    for pk in chunk:
                        facts += _facts(model, pk, befores[pk], afters.get(pk), self.using)
            if facts:
                happened.send(sender=Unit, facts=facts)


def _facts(model: type[Record], pk: int, before: Row | None, after: Row | None, using: str) -> list[Fact]:
    if after is None:
        if before is None:
            return []
        version = before["version"] + 1
        changes: dict[str, tuple[Any, Any]] = {}
    else:
        after |= _mend(model, pk, before, after, using)
        changes = model.differences(before, after)
        if before is not None and not changes:
            return []
        model.check_rules(before, after)
        version = after["version"]
    row = after if after is not None else before
    assert row is not None
    snapshot = model.snapshot(row)
    return [
        Fact(
            type=type_,
            occurred_at=timezone.now(),
            account_id=row["account_id"],
            office_id=row["office_id"],
            record=model.record_name,
            record_id=pk,
            label=model.label(row),
            version=version,
            snapshot=snapshot,
            changes=changes,
            actor=_actor.get()(),
        )
        for type_ in model.event_types(before, after, changes)
    ]


def _mend(model: type[Record], pk: int, before: Row | None, after: Row, using: str) -> Row:
    """Columns that follow from others (the version among them), where the writes left another value; usually none."""
    wanted = model.derived(before, after)
    changed = before is None or bool(model.differences(before, after | wanted))
    wanted["version"] = (before["version"] if before else 0) + changed
    wrong = {column: value for column, value in wanted.items() if after[column] != value}
    if wrong:
        model.plain(using).filter(pk=pk).update(**wrong)
    return wrong


def _chunks(pks: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(pks), CHUNK):
        yield pks[start : start + CHUNK]
