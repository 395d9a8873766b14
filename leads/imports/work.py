"""What the worker does with an import: check the whole file without storing anything, or bring its leads in.

A batch is one transaction, and so is how far the import has come: whoever goes on after a kill -9 begins with the first
row that is not in the database. One worker has an import in hand at a time, and says so with each batch.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from leads import jobs
from leads import setup as setups
from leads.changes import acting, unit
from leads.imports import columns
from leads.imports.reading import Row, Table
from leads.intake import Policy
from leads.intake_bulk import Outcome, keys_of, rehearse, take_all
from leads.models import ImportPart, ImportRefusal, LeadImport, User
from leads.models.lead_import import AT_WORK, OPEN, ImportState
from leads.scope import Scope
from leads.sentences import sentence, sentences
from leads.signals import Actor
from leads.targets import kinds
from leads.validation import Violation

log = logging.getLogger(__name__)

JOB: Final = "imports.work"
# So many rows are one transaction, and one part of the file.
BATCH: Final = 500
# A task may take 60 s; the rest is another one's.
RUN_FOR: Final = 20.0
# Whoever has an import in hand and has not said so for that long is dead.
HELD_FOR: Final = timedelta(seconds=15)
# Different sentences that are counted.
MOST_FAULTS: Final = 50
# Who may import; a change of theirs counts from the next batch on.
NEEDED: Final = ("leads.import_lead", "leads.add_lead", "leads.change_lead")


_ANEW: Final[dict[str, Any]] = {**dict.fromkeys(("done", "created", "updated", "refused"), 0), "faults": {}}


# --- what people ask for ---------------------------------------------------------------------------------------------


def store(made: LeadImport, table: Table) -> LeadImport:
    """Store a new import with the rows of its file. Raises reading.Unreadable, and stores nothing then."""
    parts: list[bytes] = []
    rows: list[tuple[int, list[str]]] = []
    for row in table.rows:
        rows.append((row.number, row.cells))
        made.rows += 1
        if len(rows) == BATCH:
            parts.append(ImportPart.packed(rows))
            rows = []
    if rows:
        parts.append(ImportPart.packed(rows))
    made.header, made.notes = table.header, list(table.notes)
    with transaction.atomic():
        made.save()
        packed = (ImportPart(of=made, place=place, content=content) for place, content in enumerate(parts))
        ImportPart.objects.bulk_create(packed, batch_size=20)
    return made


def set_up(job: LeadImport) -> bool:
    """Store what its columns are, and its rules. False where somebody has started it meanwhile."""
    names = (
        "columns",
        "match",
        "update",
        "protected",
        "source",
        "office",
        "pipeline",
        "assign",
        "owner",
        "lists",
        "tags",
    )
    with transaction.atomic():
        changed = _only(job.pk, *OPEN).update(
            state=ImportState.DRAFT, **_ANEW, **{name: getattr(job, name) for name in names}
        )
        ImportRefusal.objects.filter(of=job, of__state=ImportState.DRAFT).delete()
    return bool(changed)


def check(job: LeadImport) -> bool:
    """Have the whole file checked. False where somebody else was quicker."""
    return _begin(job, ImportState.CHECKING)


def run(job: LeadImport) -> bool:
    """Have its leads brought in. False where somebody else was quicker."""
    return _begin(job, ImportState.RUNNING)


def cancel(job: LeadImport) -> bool:
    """Stop it after the batch that is being stored. A check leaves the import as it was set up."""
    with transaction.atomic():
        if _only(job.pk, ImportState.CHECKING).update(state=ImportState.DRAFT, held_at=None, **_ANEW):
            ImportRefusal.objects.filter(of=job).delete()
            return True
        if not _only(job.pk, ImportState.RUNNING).update(state=ImportState.CANCELLED, finished_at=timezone.now()):
            return False
        ImportPart.objects.filter(of=job).delete()
    return True


def _begin(job: LeadImport, state: ImportState) -> bool:
    with transaction.atomic():
        if not _only(job.pk, *OPEN).update(state=state, held_at=None, **_ANEW):
            return False
        ImportRefusal.objects.filter(of=job).delete()
        jobs.start(JOB, job.pk)
    return True


def _only(import_id: int, *states: ImportState) -> QuerySet[LeadImport]:
    return LeadImport.objects.filter(pk=import_id, state__in=states)


# --- the job ---------------------------------------------------------------------------------------------------------


def waiting() -> list[jobs.Ids]:
    return [(pk,) for pk in _unheld(LeadImport.objects.order_by("pk")).values_list("pk", flat=True)]


def work(import_id: int) -> None:
    """Go on with an import, a batch per transaction, until it is time for somebody else."""
    held_at = timezone.now()
    if not _unheld(LeadImport.objects.filter(pk=import_id)).update(held_at=held_at):
        return
    hand = _Hand(import_id, held_at)
    until = time.monotonic() + RUN_FOR
    while _stepped(hand):
        if jobs.stopping() or time.monotonic() > until:
            if hand.leave() and not jobs.stopping():
                jobs.start(JOB, import_id)
            return


def _stepped(hand: _Hand) -> bool:
    """hand.step(); what would go wrong again and again ends the import. A database that is away comes back."""
    try:
        return hand.step()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("import %s: a batch failed", hand.import_id)
        hand.fail("Something went wrong on our side, which our log tells. The rows that are done are in.")
        return False


def _unheld(imports: QuerySet[LeadImport]) -> QuerySet[LeadImport]:
    free = Q(held_at=None) | Q(held_at__lt=timezone.now() - HELD_FOR)
    return imports.filter(free, state__in=AT_WORK)


@dataclass(slots=True)
class _Hand:
    """Whoever has the import in hand: nobody else has, while held_at reads as they wrote it last."""

    import_id: int
    held_at: datetime
    # Rows that are stored one by one, as one of them cannot be stored with the others.
    singly: int = 0
    # Of a check: what the rows so far are known by.
    seen: set[str] | None = None

    def leave(self) -> bool:
        """Let somebody else go on. False where somebody has it already, or it has ended."""
        return bool(self._mine().update(held_at=None))

    def fail(self, reason: str) -> None:
        """End it; what it has brought in stays."""
        with transaction.atomic():
            if self._mine().update(state=ImportState.FAILED, reason=reason, finished_at=timezone.now()):
                ImportPart.objects.filter(of=self.import_id).delete()

    def step(self) -> bool:
        """One batch; False when nothing is left, or it is somebody else's."""
        job = self._mine().first()
        if job is None:
            return False
        if (scope := _scope(job)) is None:
            self.fail("Who started it may not import leads any more.")
            return False
        if job.state == ImportState.CHECKING:
            rows = _rows(job, BATCH)
            outcomes = self._judged(job, rows, scope)
            with transaction.atomic():
                return self._noted(rows, outcomes)
        held_at = self.held_at
        try:
            return self._store(job, scope)
        except (ValidationError, DataError, IntegrityError) as error:
            self.held_at = held_at  # as the database has it: the transaction is gone
            if not self.singly:
                self.singly = BATCH
                return True
            log.warning("import %s: a row cannot be stored: %s", job.pk, error)
            told = sentences(error) if isinstance(error, ValidationError) else ["The database does not take this row."]
            with transaction.atomic():
                return self._noted(_rows(job, 1), [Outcome("refused", [Violation("", "stored", told[0])])])

    def _mine(self) -> QuerySet[LeadImport]:
        return LeadImport.objects.filter(pk=self.import_id, held_at=self.held_at, state__in=AT_WORK)

    def _store(self, job: LeadImport, scope: Scope) -> bool:
        rows = _rows(job, 1 if self.singly else BATCH)
        with acting(Actor("import", job.pk, job.name)), unit():
            if _locked(self._mine()).first() is None:
                return False
            taken = _outcomes(job, rows, lambda given: take_all(job.account_id, given, policy_of(job), scope))
            goes_on = self._noted(rows, taken)
        self.singly = max(0, self.singly - len(rows))
        return goes_on

    def _judged(self, job: LeadImport, rows: Sequence[Row], scope: Scope) -> list[Outcome]:
        policy = policy_of(job)
        if self.seen is None:
            self.seen = _seen(job, policy)
        seen = self.seen
        return _outcomes(job, rows, lambda given: rehearse(job.account_id, given, policy, scope, seen))

    def _noted(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> bool:
        """Note what became of these rows, in the transaction that is open; False when nothing is left."""
        job = _locked(self._mine()).first()
        if job is None:
            return False
        counts = Counter(outcome.action for outcome in outcomes)
        refused = [(row, told(job, outcome)) for row, outcome in zip(rows, outcomes, strict=True) if outcome.violations]
        ImportRefusal.objects.bulk_create(
            ImportRefusal.made(job.pk, row.number, row.cells, why) for row, why in refused
        )
        for words in (words for _, why in refused for words in why):
            if words in job.faults or len(job.faults) < MOST_FAULTS:
                job.faults[words] = job.faults.get(words, 0) + 1
        job.done += len(rows)
        job.created += counts["created"]
        job.updated += counts["updated"]
        job.refused += counts["refused"]
        job.held_at = self.held_at = timezone.now()
        if job.done >= job.rows:
            _end(job)
        job.save()
        return job.at_work


def _locked(imports: QuerySet[LeadImport]) -> QuerySet[LeadImport]:
    return imports.select_for_update(of=("self",)) if connection.features.has_select_for_update else imports


def _end(job: LeadImport) -> None:
    job.held_at = None
    if job.state == ImportState.CHECKING:
        job.state = ImportState.CHECKED
        return
    job.state, job.finished_at = ImportState.DONE, timezone.now()
    ImportPart.objects.filter(of=job).delete()


# --- rows ------------------------------------------------------------------------------------------------------------


def policy_of(job: LeadImport) -> Policy:
    return Policy(
        match=job.match,
        update=job.update,
        protected=frozenset(job.protected),
        source=job.source or None,
        office_id=job.office_id,
        pipeline_id=job.pipeline_id,
        assign=job.assign,
        owner_id=job.owner_id,
        lists=tuple(job.lists),
        tags=tuple(job.tags),
    )


def preview(job: LeadImport, scope: Scope, most: int) -> list[tuple[Row, dict[str, Any], Outcome]]:
    """The first rows, what they bring, and what would become of them."""
    rows = _rows(job, most)
    outcomes = _outcomes(job, rows, lambda given: rehearse(job.account_id, given, policy_of(job), scope, set()))
    brought = _given(job, rows)
    return list(zip(rows, brought, outcomes, strict=True))


def samples(job: LeadImport, most: int) -> list[Row]:
    """The first rows of the file."""
    part = ImportPart.objects.filter(of=job, place=0).first()
    return [Row(number, cells) for number, cells in part.unpacked()[:most]] if part is not None else []


def told(job: LeadImport, outcome: Outcome) -> list[str]:
    """Why a row was refused, in sentences."""
    labels = {one.path: one.label for one in setups.of(job.account_id).definitions.values()}
    return [
        f"{labels[one.field]} {one.message}."
        if one.field in labels
        else (sentence(one.field, one.message) if one.field else one.message)
        for one in outcome.violations
    ]


def _rows(job: LeadImport, most: int) -> list[Row]:
    """The next rows, none beyond the part that the first of them is in."""
    place, start = divmod(job.done if job.at_work else 0, BATCH)
    part = ImportPart.objects.filter(of=job, place=place).first()
    found = part.unpacked()[start : start + most] if part is not None else []
    return [Row(number, cells) for number, cells in found]


def _given(job: LeadImport, rows: Sequence[Row]) -> list[dict[str, Any]]:
    takes = kinds(setups.of(job.account_id))
    # A custom field may have gone since.
    reading = [one for one in columns.restored(job.columns) if one.field in takes]
    return [columns.given(row, reading, takes) for row in rows]


def _outcomes(
    job: LeadImport, rows: Sequence[Row], take: Callable[[Sequence[dict[str, Any]]], list[Outcome]]
) -> list[Outcome]:
    """What `take` makes of the rows that have the shape of the file; the others are refused."""
    misshapen = {row.number: columns.shape_faults(row, len(job.header)) for row in rows}
    taken = iter(take(_given(job, [row for row in rows if not misshapen[row.number]])))
    return [Outcome("refused", faults) if (faults := misshapen[row.number]) else next(taken) for row in rows]


def _seen(job: LeadImport, policy: Policy) -> set[str]:
    """What the rows before the next one are known by; those that were refused are not there."""
    seen: set[str] = set()
    refused = set(ImportRefusal.objects.filter(of=job).values_list("number", flat=True))
    for place in range(job.done // BATCH):
        part = ImportPart.objects.get(of=job, place=place)
        rows = [Row(number, cells) for number, cells in part.unpacked() if number not in refused]
        seen |= keys_of(job.account_id, _given(job, rows), policy)
    return seen


def _scope(job: LeadImport) -> Scope | None:
    """Whose leads are found, and where new ones may go: those of who started it. None where they may not import."""
    user: User | None = job.started_by
    if user is None or not user.is_active or not user.has_perms(NEEDED):
        return None
    scope = Scope.of(user)
    if scope.every_account:
        return Scope(job.account_id, None)
    return scope if scope.account_id == job.account_id else None
