"""Send again what was sent, by hand: the same bytes under the same webhook-id, as new deliveries of the same events.

History is only added to. A replay counts in messages (webhook-ids), not in rows: a delivery, those that were sent
together with it and its earlier replays are one. What still waits is sent anyway and is not added again, so that a
question that is answered twice adds once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, Case, Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from leads import jobs
from webhooks import queue, sql
from webhooks.models import OPEN, Delivery, Lane, Replay, ReplayItem, State, Status, Webhook
from webhooks.outbound.selection import Selection

JOB = "replay"
# More than that are added by the worker, so many in one transaction.
AT_ONCE = 500
# A task may take 60 s; the rest is another one's.
RUN_FOR = 20.0
# What is not a state of a webhook: it is gone.
DELETED = "deleted"

_TABLE = Delivery._meta.db_table
_OPEN = ", ".join(f"'{status}'" for status in OPEN)
# Any number that nothing else in this database locks by.
_LOCK = 7_202_611_21


@dataclass(frozen=True, slots=True)
class Line:
    """What was chosen of one webhook: messages, and those of them that the receiver has accepted already.

    state: of the webhook, or DELETED.
    """

    webhook_id: int | None
    name: str
    state: str
    deliveries: int
    succeeded: int

    @property
    def sendable(self) -> bool:
        return self.state not in (State.DISABLED, DELETED)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay of a selection would do. waiting: messages that are sent anyway; tests: rows that are no events."""

    lines: tuple[Line, ...]
    waiting: int
    tests: int

    @property
    def deliveries(self) -> int:
        return sum(line.deliveries for line in self.lines if line.sendable)

    @property
    def succeeded(self) -> int:
        return sum(line.succeeded for line in self.lines if line.sendable)

    def adds(self, again: bool) -> int:
        """How many deliveries are added; `again`: those that succeeded too."""
        return self.deliveries if again else self.deliveries - self.succeeded


@dataclass(frozen=True, slots=True)
class Started:
    """What came of it: so many were added, or the worker adds those of `replay`."""

    added: int
    replay: Replay | None = None


class Changed(Exception):
    """Since the question was asked, something was sent, or a webhook changed: it has to be asked again."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("The deliveries changed meanwhile.")
        self.plan = plan


def newest() -> int:
    """The bound that keeps a question the same: what comes later is not in it."""
    return Delivery.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def plan(selection: Selection) -> Plan:
    """Counts of a selection that has a `through`."""
    found = (
        _chosen(selection)
        .annotate(name=Case(When(webhook_id=None, then=F("webhook_name")), default=Value("")))
        .order_by()
        .values_list("webhook_id", "name", "test", "waits", "succeeded")
        .annotate(messages=Count("root", distinct=True))
    )
    waiting = tests = 0
    counts: dict[tuple[int | None, str], list[int]] = {}
    for webhook_id, name, test, waits, succeeded, messages in found:
        if test:
            tests += messages
        elif waits:
            waiting += messages
        else:
            line = counts.setdefault((webhook_id, name), [0, 0])
            line[0] += messages
            line[1] += messages * succeeded
    webhooks = Webhook.objects.only("name", "state").in_bulk([pk for pk, _ in counts if pk is not None])
    lines = [_line(webhooks.get(pk) if pk else None, name, *numbers) for (pk, name), numbers in counts.items()]
    return Plan(tuple(sorted(lines, key=lambda line: line.name.casefold())), waiting, tests)


def carry_out(selection: Selection, *, again: bool, expected: int, user_id: int | None) -> Started:
    """Add what the plan counted. Raises Changed, and adds nothing, when that is no longer `expected` deliveries."""
    with transaction.atomic():
        if sql.is_postgresql():
            # One at a time: of two that count the same, the second one finds what the first one added.
            sql.run("SELECT pg_advisory_xact_lock(%s)", _LOCK)
        now = plan(selection)
        if now.adds(again) != expected:
            raise Changed(now)
        roots = _roots(selection, again)
        if expected <= AT_ONCE:
            return Started(_add(list(roots), Lane.BULK if expected > 1 else Lane.LIVE))
        replay = Replay.objects.create(started_by_id=user_id, through=selection.through or 0, chosen=expected)
        _note(replay, roots)
        jobs.start(JOB, replay.pk)
        return Started(0, replay)


def resume(replay_id: int) -> None:
    """The job: add what is left, a batch per transaction, until it is time for somebody else."""
    until = time.monotonic() + RUN_FOR
    while _add_some(replay_id):
        if queue.stop_at() is not None:
            return
        if time.monotonic() > until:
            jobs.start(JOB, replay_id)
            return


def waiting() -> list[jobs.Ids]:
    return [(pk,) for pk in Replay.objects.filter(finished_at=None).order_by("pk").values_list("pk", flat=True)]


def _chosen(selection: Selection) -> QuerySet[Any]:
    """The rows of a selection, with what is known of their message: root, waits, succeeded.

    A message has other deliveries only by replays, which have an index of their own: few, or none, whatever is chosen.
    """
    chosen = selection.deliveries().annotate(root=Coalesce("replay_of_id", "sent_with_id", "pk"))
    first = Delivery.objects.filter(pk=OuterRef("replay_of_id"))
    replays = Delivery.objects.filter(replay_of_id=OuterRef("root"))
    noted = ReplayItem.objects.filter(root_id=OuterRef("root"))

    def any_of(condition: Q) -> Q:
        return condition | Exists(replays.filter(condition)) | Exists(first.filter(condition))

    waits = any_of(Q(status__in=OPEN)) | Exists(replays.filter(pk__gt=selection.through)) | Exists(noted)
    return chosen.annotate(
        waits=ExpressionWrapper(waits, BooleanField()),
        succeeded=ExpressionWrapper(any_of(Q(status=Status.SUCCESS)), BooleanField()),
    )


def _roots(selection: Selection, again: bool) -> QuerySet[Any, int]:
    chosen = _chosen(selection).filter(test=False, webhook__isnull=False, waits=False)
    chosen = chosen.exclude(webhook__state=State.DISABLED)
    if not again:
        chosen = chosen.filter(succeeded=False)
    return chosen.order_by().values_list("root", flat=True).distinct()


def _line(webhook: Webhook | None, name: str, deliveries: int, succeeded: int) -> Line:
    if webhook is None:
        return Line(None, name, DELETED, deliveries, succeeded)
    return Line(webhook.pk, webhook.name, webhook.state, deliveries, succeeded)


def _note(replay: Replay, roots: QuerySet[Any, int]) -> None:
    """Store what was chosen: a set that stays as it was counted, however long it takes."""
    statement, parameters = roots.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ReplayItem._meta.db_table} (replay_id, root_id) SELECT {int(replay.pk)}, chosen.* "
            f"FROM ({statement}) AS chosen",
            parameters,
        )


def _add_some(replay_id: int) -> bool:
    """One batch, its notes taken away in the same transaction; False when nothing is left."""
    items = ReplayItem._meta.db_table
    with transaction.atomic():
        taken = sql.run(
            f"""
            DELETE FROM {items} WHERE id IN (
                SELECT id FROM {items} WHERE replay_id = %s ORDER BY id LIMIT {AT_ONCE} {sql.lock_skip()}
            )
            RETURNING root_id
            """,
            replay_id,
        )
        replay = Replay.objects.filter(pk=replay_id)
        if taken:
            added = _add([root for (root,) in taken], Lane.BULK)
            replay.update(added=F("added") + added)
        elif not ReplayItem.objects.filter(replay_id=replay_id).exists():
            replay.filter(finished_at=None).update(finished_at=timezone.now())
    return bool(taken)


def _add(roots: Sequence[int], lane: Lane) -> int:
    """Add a delivery of the same bytes for each root, in their order; returns how many."""
    if not roots:
        return 0
    # Names and states are read in the statement that stores the rows: what was disabled meanwhile gets none.
    added = sql.run(
        f"""
        INSERT INTO {_TABLE} (
            event_id, account_id, webhook_id, webhook_name, dialect, sent_as, message_id, replay_of_id, test, lane,
            posted_by, posted_by_id, created_at, status, due_at, fence, tries, lost, error
        )
        SELECT root.event_id, root.account_id, webhook.id, webhook.name, root.dialect, root.sent_as, root.message_id,
            root.id, {sql.boolean(False)}, %s, root.posted_by, root.posted_by_id, {sql.now()},
            CASE webhook.state WHEN '{State.PAUSED}' THEN '{Status.HELD}' ELSE '{Status.QUEUED}' END, {sql.now()},
            0, 0, 0, ''
        FROM {sql.rows({"root_id": "integer"}, "chosen")}
        JOIN {_TABLE} root ON root.id = chosen.root_id
        JOIN {Webhook._meta.db_table} webhook ON webhook.id = root.webhook_id
        WHERE webhook.state <> '{State.DISABLED}' AND NOT EXISTS (
            SELECT 1 FROM {_TABLE} other
            WHERE other.event_id = root.event_id AND other.message_id = root.message_id AND other.status IN ({_OPEN})
        )
        ORDER BY root.id {sql.lock_keep("webhook")}
        RETURNING id
        """,
        int(lane),
        sql.encode({"root_id": root} for root in roots),
    )
    if added:
        queue.nudge()
    return len(added)
