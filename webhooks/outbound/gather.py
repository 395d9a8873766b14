"""Gathers what is sent together: the deliveries of a minute to one webhook become one body under one webhook-id.

The minute begins with the first of them, and their delay comes after it: each is due when its own minute and delay are
over, and when the first one is, all that would be due within a minute of it go along. Nobody notes when a minute
begins: what a transaction commits late begins another.

Bodies are written outside of a transaction, and stored in the one that binds their deliveries together, if all of them
still wait by then. Whoever is killed between two of these leaves rows that wait, or a body that is due. The worker's
clock asks for this job each second.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.db import transaction

from leads import jobs
from webhooks import conf, queue, sql
from webhooks.models import Body, Delivery, Event, State, Status, Webhook
from webhooks.outbound import alarms, compose, switch
from webhooks.outbound.together import UNGATHERED
from webhooks.outbound.turns import complete

JOB = "webhooks.gather"
# A task may take 60 s; the rest is another one's.
RUN_FOR = 20.0
# Bytes of stored events that are read for one body. A body has fewer, as a rule; where it has more, it is divided.
MOST_READ = 2 << 20

_TABLE = Delivery._meta.db_table


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    event_id: int
    message_id: str
    size: int


@dataclass(frozen=True, slots=True)
class _Minute:
    """What is gathered: deliveries of one webhook and event that are due before this."""

    webhook: Webhook
    sent_as: str
    ends: datetime


def waiting() -> Sequence[jobs.Ids]:
    """The ids of webhooks with something that is due together."""
    return [(webhook_id,) for webhook_id, _ in complete()]


def gather(webhook_id: int) -> None:
    """The job: queue all that is due together, a body per transaction. Does nothing where somebody else is at it."""
    until = time.monotonic() + RUN_FOR
    while minute := _next_minute(webhook_id):
        while rows := _some(minute):
            # A transaction of somebody else's that ends later begins another minute, unless it is in this one.
            if queue.stop_at() is not None or time.monotonic() > until or not _queue(minute, rows):
                return


def _next_minute(webhook_id: int) -> _Minute | None:
    found = sql.run(
        f"""
        SELECT sent_as, {sql.as_text("due_at")} FROM {_TABLE}
        WHERE {UNGATHERED} AND webhook_id = %s AND due_at <= {sql.now()} ORDER BY due_at, id LIMIT 1
        """,
        webhook_id,
    )
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None or not found:
        return None
    if webhook.state != State.ENABLED:
        switch.stop_late(webhook_id)
        return None
    ((sent_as, due_at),) = found
    begun = datetime.fromisoformat(due_at).replace(tzinfo=UTC)
    return _Minute(webhook, sent_as, begun + timedelta(seconds=conf.group_window()))


def _some(minute: _Minute) -> list[_Row]:
    """As many of its first deliveries as fit into one body, in the order of their events."""
    found = sql.run(
        f"""
        SELECT delivery.id, event_id, message_id,
            (SELECT length(snapshot) + length(changes) FROM {Event._meta.db_table} event WHERE event.id = event_id)
        FROM {_TABLE} delivery
        WHERE {UNGATHERED} AND webhook_id = %s AND sent_as = %s AND due_at < {sql.as_instant("%s")}
        ORDER BY due_at, delivery.id LIMIT {conf.MOST_TOGETHER}
        """,
        minute.webhook.pk,
        minute.sent_as,
        sql.instant(minute.ends),
    )
    rows = [_Row(*values) for values in found]
    read, fitting = 0, 0
    while fitting < len(rows) and (not fitting or read + rows[fitting].size <= MOST_READ):
        read += rows[fitting].size
        fitting += 1
    return sorted(islice(rows, fitting), key=lambda row: row.event_id)


def _queue(minute: _Minute, rows: Sequence[_Row]) -> bool:
    """Store their body, or bodies, and let them be sent. False, and nothing, if one of them waits no more."""
    events = compose.read_events([row.event_id for row in rows])
    parts = list(compose.divide(minute.webhook, [events[row.event_id] for row in rows], minute.sent_as))
    with transaction.atomic():
        if not _waits(minute.webhook, rows):
            return False
        left, failed = iter(rows), []
        for number, body in parts:
            part = list(islice(left, number))
            if isinstance(body, str):
                _give_up(part[0], body)
                failed.append((minute.webhook.pk, part[0].id, body))
            else:
                _bind(part, body)
        alarms.unsent(alarms.by_webhook(failed))
        queue.nudge()
    return True


def _waits(webhook: Webhook, rows: Sequence[_Row]) -> bool:
    """Do all of them still wait, for a webhook that is enabled? Keeps both so until the transaction ends."""
    # Before its deliveries, as people's switches lock it.
    if switch.locked_state(webhook.pk) != State.ENABLED:
        return False
    known = sql.run(
        f"SELECT id FROM {_TABLE} WHERE {UNGATHERED} AND {sql.among('id')} ORDER BY id {sql.lock_skip()}",
        sql.integers(row.id for row in rows),
    )
    return len(known) == len(rows)


def _bind(rows: Sequence[_Row], body: bytes) -> None:
    first = rows[0]
    sql.run(
        f"""
        UPDATE {_TABLE} SET sent_with_id = %s, message_id = %s, due_at = (SELECT {sql.now()}),
            status = CASE id WHEN %s THEN '{Status.QUEUED}' ELSE '{Status.GROUPED}' END,
            order_key = CASE id WHEN %s THEN order_key END
        WHERE {sql.among("id")}
        """,
        *(first.id, first.message_id, first.id, first.id),
        sql.integers(row.id for row in rows),
    )
    sql.keep_bytes(Body, ("delivery_id", "content"), {first.id: body})


def _give_up(row: _Row, why: str) -> None:
    sql.run(
        f"UPDATE {_TABLE} SET status = '{Status.FAILURE}', error = %s, finished_at = {sql.now()} WHERE id = %s",
        why[:255],
        row.id,
    )
