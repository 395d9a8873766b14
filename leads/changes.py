"""The unit of work: what changed on which records, told once, at its end, before COMMIT.

`unit()` is an atomic block. Every write of a `Record` (leads/models/record.py) opens one or joins the one that is open.
The first touch of a record within the unit reads its row ('before', locked); the exit of the outermost unit reads it
again and compares. So a savepoint that was rolled back, or a value set and set back, tells nothing, and F() values are
what the database made of them.

Outside the unit, by nature: raw SQL, QuerySet._raw_delete and loaddata.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.utils import timezone

from leads.events import ORDER
from leads.signals import SYSTEM, Actor, Fact, happened

if TYPE_CHECKING:
    from leads.models.record import Record

Row = dict[str, Any]
# Key -> (before, after).
Differences = dict[str, tuple[Any, Any]]

# SQLite takes 999 parameters in a statement by Django's reckoning.
CHUNK = 900
# Each record is looked at several times before it is told: of more at once, the processor's cache would not hold them.
TOLD_AT_ONCE = 100

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


def acting_now() -> Actor:
    return _actor.get()()


def acting_user() -> int | None:
    """The id of the person who acts, where it is one."""
    actor = acting_now()
    return actor.id if actor.kind == "user" else None


@contextmanager
def unit(using: str = DEFAULT_DB_ALIAS, savepoint: bool = True) -> Iterator[Unit]:
    """Open a unit of work, or join the open one. Either all of it is stored, facts included, or nothing."""
    units: dict[str, Unit] = _open.__dict__
    joined = units.get(using)
    if joined is not None:
        with transaction.atomic(using, savepoint=savepoint):
            yield joined
        return
    alone = connections[using].get_autocommit()  # else somebody else commits
    with transaction.atomic(using):
        opened = units[using] = Unit(using)
        try:
            yield opened
            opened.settle()
            opened.do_last(commit=alone)
        finally:
            del units[using]


def open_unit(using: str = DEFAULT_DB_ALIAS) -> Unit | None:
    return _open.__dict__.get(using)


class Unit:
    """The records touched so far, in the order of their first touch, each with its row before (or None)."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._connection = connections[using]
        # One time for all that it stamps.
        self.now = timezone.now()
        # What models note for the unit's end, by a key of theirs.
        self.marks: dict[Any, Any] = {}
        self._memo: dict[Any, Any] = {}
        self._before: dict[type[Record], dict[int, Row | None]] = {}
        self._parts: dict[type[Record], dict[int, Row]] = {}
        self._notes: dict[tuple[type[Record], int], dict[str, Mapping[str, Any]]] = {}
        self._stepped: dict[tuple[type[Record], int], bool] = {}
        self._left: tuple[str | None, type[Record], Row] | None = None
        self._last: Callable[[bool], None] | None = None

    def touch(self, model: type[Record], pks: Iterable[int]) -> list[int]:
        """Read and lock the rows that this unit is about to write; returns those that it had not touched yet."""
        self._left = None
        seen = self._before.setdefault(model, {})
        new = [pk for pk in pks if pk not in seen]
        for chunk in _chunks(new, CHUNK):
            rows = model.rows(self.using, chunk, lock=True)
            for pk in chunk:
                seen[pk] = rows.get(pk)
        return new

    def left(self, model: type[Record], row: Row) -> None:
        """Note the row as it is stored, with what this unit has written: it need not be read again.

        It counts until anything is touched again, and within the savepoint that is open now.
        """
        self._left = self._savepoint(), model, dict(row)

    def as_left(self, model: type[Record], pk: int) -> Row | None:
        """The row as it is stored, where that is known."""
        if self._left is None or self._left[0] != self._savepoint():
            return None
        _, of, row = self._left
        return row if of is model and row["id"] == pk else None

    def born(self, model: type[Record], pks: Iterable[int]) -> None:
        """Note rows that this unit has just inserted."""
        seen = self._before.setdefault(model, {})
        for pk in pks:
            seen.setdefault(pk, None)

    def doomed(self, model: type[Record], pks: Iterable[int]) -> None:
        """Touch rows that are about to be deleted: what hangs on them goes as well, and is read now."""
        pks = list(pks)
        self.touch(model, pks)
        parts = self._parts.setdefault(model, {})
        for chunk in _chunks(pks, CHUNK):
            # As they are now: messages may have come since the first touch, or since a deletion that was undone.
            parts.update(model.parts(self.using, model.rows(self.using, chunk)))

    def remember(self, *key: Any, value: Any) -> None:
        """Keep what is true until the unit ends, or the savepoint that is open now."""
        self._memo[(*key, self._savepoint())] = value

    def remembered(self, *key: Any) -> Any:
        return self._memo.get((*key, self._savepoint()))

    def forget(self, *key: Any) -> None:
        self._memo = {known: value for known, value in self._memo.items() if known[:-1] != key}

    def _savepoint(self) -> str | None:
        ids = self._connection.savepoint_ids
        return next((one for one in reversed(ids) if one), None) if ids else None

    def note(self, model: type[Record], pk: int, type_: str, context: Mapping[str, Any]) -> None:
        """Tell one thing more of a record that this unit changes; context: what belongs to the event alone.

        It is told whatever savepoint was open, and only if the record differs in the end.
        """
        try:
            json.dumps(context, ensure_ascii=False).encode()
        except ValueError:
            raise ValidationError("There is a character that cannot be stored as text.", code="text") from None
        self._notes.setdefault((model, pk), {})[type_] = context

    def step(self, model: type[Record], pk: int, judged: bool = True) -> None:
        """Count the record as another one, though all of its columns may stay: what belongs to it has changed.

        judged: its rules are asked. What is put back as it was has been right once.
        """
        self.touch(model, [pk])
        self._stepped[model, pk] = judged

    def before(self, model: type[Record], pk: int | None) -> Row | None:
        return self._before.get(model, {}).get(pk) if pk is not None else None

    def settle(self) -> None:
        """Compare, mend what is derived, check the rules and tell the facts."""
        # A receiver of the facts may write records in turn: go round until nothing new was touched.
        while self._before:
            touched, self._before = self._before, {}
            for model, befores in touched.items():
                for chunk in _chunks(list(befores), TOLD_AT_ONCE):
                    # What has been touched again is told in the next round, from its first 'before'.
                    again = self._before.get(model, {})
                    again |= {pk: befores[pk] for pk in chunk if pk in again}
                    facts = list(self._told(model, {pk: befores[pk] for pk in chunk if pk not in again}))
                    if facts:
                        happened.send(sender=Unit, facts=facts)

    def last(self, do: Callable[[bool], None]) -> None:
        """Have this done when all else is, in the unit's transaction. do(commit): whether nothing comes after it but
        COMMIT."""
        self.do_last()
        self._last = do

    def do_last(self, commit: bool = False) -> None:
        """Do now what is kept for the end."""
        do, self._last = self._last, None
        if do is not None:
            do(commit)

    def _told(self, model: type[Record], befores: Mapping[int, Row | None]) -> Iterator[Fact]:
        afters, differences = self._known(model, befores)
        if not differences:
            afters = afters or model.rows(self.using, befores)
            differences = self._mend(model, befores, afters)
        changed = [
            change
            for pk in befores
            if (change := self._change(model, pk, befores[pk], afters.get(pk), differences.get(pk, {}))) is not None
            and change.row["account_id"] is not None  # a person without an account
        ]
        model.claim([(change.before, change.after) for change in changed if change.after is not None], self.using)
        kept = {change.after["id"]: change.after for change in changed if change.after is not None}
        parts = {**self._parts.get(model, {}), **model.parts(self.using, kept)}
        for change in changed:
            row = change.row
            snapshot = model.snapshot(row, parts.get(row["id"], {}))
            changes = change.differences if change.before is not None else model.beginnings(row, snapshot)
            notes = self._notes.pop((model, row["id"]), {})
            types = {*model.event_types(change.before, change.after, changes), *notes}
            for type_ in sorted(types, key=ORDER.__getitem__):
                yield Fact(
                    type=type_,
                    occurred_at=timezone.now(),
                    account_id=row["account_id"],
                    office_id=row["office_id"],
                    record=model.record_name,
                    record_id=row["id"],
                    label=model.label(row),
                    version=change.version,
                    snapshot=snapshot,
                    changes=changes,
                    actor=acting_now(),
                    context=notes.get(type_, {}),
                )

    def _change(
        self, model: type[Record], pk: int, before: Row | None, after: Row | None, differences: Differences
    ) -> _Change | None:
        """What is to be told of it: a hidden row counts as none."""
        judged = self._stepped.pop((model, pk), None)
        was = None if before is None or model.hidden(before) else before
        if after is None or model.hidden(after):
            if was is None:
                return None
            return _Change(was, None, {}, was["version"] + 1)
        if was is not None and not differences and judged is None:
            return None
        if judged is not False:
            model.check_rules(before, after)
        return _Change(was, after, differences, after["version"])

    def _known(
        self, model: type[Record], befores: Mapping[int, Row | None]
    ) -> tuple[dict[int, Row], dict[int, Differences]]:
        """The row as `left` has it, where that is all, and what differs: what follows from that was written with it."""
        left = self.as_left(model, next(iter(befores))) if len(befores) == 1 else None
        self._left = None
        if left is None:
            return {}, {}
        before = befores[left["id"]]
        differs = model.differences(before, left) if before is not None else {}
        return {left["id"]: left}, {left["id"]: differs} if differs else {}

    def _mend(
        self, model: type[Record], befores: Mapping[int, Row | None], afters: Mapping[int, Row]
    ) -> dict[int, Differences]:
        """Columns that follow from others (the version among them), where the writes left another value.

        Usually there are none; rows that lack the same columns are mended together. Returns what differs then of the
        rows that were there before, by key.
        """
        found: dict[int, Differences] = {}
        mending: dict[tuple[str, ...], list[Row]] = {}
        for pk, after in afters.items():
            before = befores[pk]
            wanted = model.derived(before, after, self)
            if before is not None:
                found[pk] = model.differences(before, after | wanted)
            changed = before is None or bool(found[pk]) or model.hidden(before) != model.hidden(after)
            wanted |= model.stamps(before, after, changed or (model, pk) in self._stepped, self)
            wrong = {column: value for column, value in wanted.items() if after[column] != value}
            if wrong:
                after |= wrong
                mending.setdefault(tuple(wrong), []).append({"id": pk, **wrong})
        for columns, rows in mending.items():
            model.plain(self.using).bulk_update([model(**row) for row in rows], columns)
        return found


@dataclass(frozen=True, slots=True)
class _Change:
    """A record that differs at the unit's end; one of before and after is there."""

    before: Row | None
    after: Row | None
    differences: Differences
    version: int

    @property
    def row(self) -> Row:
        row = self.after if self.after is not None else self.before
        assert row is not None
        return row


def _chunks(pks: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(pks), size):
        yield pks[start : start + size]
