"""How the receivers do, kept in the database for all processes: the breaker, the rate, the drain, the failure policy.

`reserve` and `spend` stand around a claim, `learn` follows the tries; each is part of its caller's transaction. A
success of a receiver that was fine writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet

from webhooks import conf, sql
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Health, Status, Webhook
from webhooks.outbound import alarms, issues, switch
from webhooks.outbound.parcel import Claimed

Kept = TypeVar("Kept", Health, Webhook)

# So many tries in a row that the receiver failed close a webhook; each probe that fails about doubles the pause.
CLOSES_AFTER = 5
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
# What a receiver may ask for by Retry-After.
LONGEST_RETRY_AFTER = 300.0
# A rate is kept over so many seconds, or from one delivery to the next where that is longer.
BURST = 0.05


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one try taught of its receiver."""

    webhook_id: int
    delivery_id: int
    at: datetime
    success: bool
    # No answer, 5xx or 429; other failures say that the receiver is there.
    strained: bool = False
    # Asks for a pause at once: 429, 502 or 504.
    slow_down: bool = False
    # It was sent to ask whether the receiver is back.
    probe: bool = False
    retry_after: float | None = None
    # The delivery ended as Failure by it.
    final: bool = False
    # Why nothing more is to be sent, '' mostly.
    farewell: str = ""
    cause: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Learned:
    """Webhooks whose receivers are known to be fine now, and those to which nothing more is to be sent for now."""

    fine: frozenset[int] = frozenset()
    stopped: frozenset[int] = frozenset()


def reserve(webhook_ids: Collection[int]) -> dict[int, int]:
    """How many each of these may send now. Keeps their rows until the transaction ends; none for one kept elsewhere."""
    if not webhook_ids:
        return {}
    now = sql.clock()
    allowed = dict.fromkeys(webhook_ids, 0)
    rows = Health.objects.filter(pk__in=webhook_ids).select_related("webhook")
    known = set()
    for health in _in_order(rows, skip=True):
        known.add(health.pk)
        allowed[health.pk] = _allowance(health, now)
    for webhook_id in sorted(set(webhook_ids) - known):
        # Its first delivery: the row of its rate is made here.
        allowed[webhook_id] = int(bool(_created([webhook_id])))
    return allowed


def spend(claims: Sequence[Claimed], reserved: Mapping[int, int]) -> set[int]:
    """Book what was claimed of what was reserved; returns the deliveries that ask whether a receiver is back."""
    now = sql.clock()
    taken = {pk: [one.id for one in claims if one.webhook_id == pk] for pk, number in reserved.items() if number}
    probes: set[int] = set()
    for health in Health.objects.filter(pk__in=taken).select_related("webhook"):
        ids = taken[health.pk]
        if health.closed_until is not None and ids:
            # The probe: nobody sends another until it is settled, or lost.
            health.closed_until = now + timedelta(seconds=conf.lease())
            probes.update(ids)
        rate = _rate(health)
        if rate:
            health.next_at = _since(health, rate, now) + timedelta(seconds=len(ids) / rate)
        if health.drain_to is not None and max(ids, default=0) > health.drain_to and not _piled_up(health):
            health.drain_to = None
        health.save(update_fields=["closed_until", "next_at", "drain_to"])
    return probes


def ask_again(webhook_ids: Iterable[int]) -> None:
    """Let those of them that are closed be asked at once whether they are back."""
    with transaction.atomic():
        closed = _in_order(Health.objects.filter(pk__in=list(webhook_ids), closed_until__isnull=False))
        Health.objects.filter(pk__in=[health.pk for health in closed]).update(closed_until=sql.clock())


def _piled_up(health: Health) -> bool:
    """Is anything left of what a drain began with?"""
    old = Delivery.objects.filter(webhook=health.pk, status__lower=Status.QUEUED, pk__lte=health.drain_to)
    return old.filter(due_at__lte=sql.clock()).exists()


def learn(lessons: Iterable[Lesson]) -> Learned:
    """Write down what tries taught."""
    news = {pk: list(found) for pk, found in groupby(sorted(lessons, key=_order), key=attrgetter("webhook_id"))}
    if not news:
        return Learned()
    # Webhooks before their health and their deliveries, in one order: as people's switches lock them, and as rows that
    # name a webhook do at COMMIT. Saves, which only keep a webhook from going away, are not waited for.
    list(_in_order(Webhook.objects.filter(pk__in=news)))
    _created(news)
    now = sql.clock()
    fine: set[int] = set()
    stopped: set[int] = set()
    for health in _in_order(Health.objects.filter(pk__in=news).select_related("webhook")):
        found = news[health.pk]
        if pause := max(_take(health, lesson, now) for lesson in found):
            until = now + timedelta(seconds=pause)
            if health.closed_until is None or any(lesson.probe for lesson in found):
                health.closed_until = until
            else:
                # What was on its way when the webhook was closed makes that no shorter.
                health.closed_until = max(health.closed_until, until)
        health.save()
        issues.record(health.webhook, found)
        # Of a farewell people are told by the pause that follows.
        alarms.record(health.webhook, [lesson for lesson in found if not lesson.farewell])
        last = next((lesson for lesson in found if lesson.farewell), found[-1])
        if reason := last.farewell or _given_up(health, now):
            switch.pause_by_policy(health.pk, reason, last.delivery_id, probe=not last.farewell)
        if reason or pause:
            stopped.add(health.pk)
        elif health.succeeded and health.closed_until is None:
            fine.add(health.pk)
    return Learned(frozenset(fine), frozenset(stopped))


def _order(lesson: Lesson) -> tuple[int, datetime]:
    return lesson.webhook_id, lesson.at


def _created(webhook_ids: Iterable[int]) -> list[tuple[int]]:
    """Make the rows that are missing; returns their webhooks. A webhook that is gone gets none."""
    return sql.run(
        f"""
        INSERT INTO {Health._meta.db_table} (webhook_id, succeeded, failures, strained, ended)
        SELECT webhook.id, FALSE, 0, 0, 0 FROM {Webhook._meta.db_table} webhook
        WHERE webhook.id IN (SELECT id FROM {sql.rows({"id": "integer"})}) ORDER BY webhook.id
        {sql.lock_keep("webhook", skip=True)}
        ON CONFLICT (webhook_id) DO NOTHING RETURNING webhook_id
        """,
        sql.encode({"id": pk} for pk in webhook_ids),
    )


def _in_order(rows: QuerySet[Kept], skip: bool = False) -> QuerySet[Kept]:
    """Locked in one order everywhere, so that two processes do not wait for each other."""
    rows = rows.order_by("pk")
    if connection.vendor == "sqlite":
        return rows
    return rows.select_for_update(of=("self",), no_key=True, skip_locked=skip)


def _allowance(health: Health, now: datetime) -> int:
    if health.closed_until is not None:
        return int(health.closed_until <= now)
    rate = _rate(health)
    if not rate:
        return conf.CLAIM_BATCH
    return int((now - _since(health, rate, now)).total_seconds() * rate + 1e-6)


def _rate(health: Health) -> float:
    """Deliveries per second; 0 for no limit."""
    rates = [float(health.webhook.rate_limit or 0)]
    if health.drain_to is not None:
        rates.append(conf.drain_rate())
    return min((rate for rate in rates if rate), default=0.0)


def _since(health: Health, rate: float, now: datetime) -> datetime:
    """From when on nothing has been spent."""
    earliest = now - timedelta(seconds=max(BURST, 1 / rate))
    return earliest if health.next_at is None else max(earliest, health.next_at)


def _take(health: Health, lesson: Lesson, now: datetime) -> float:
    """Change the row by one try; returns for how many seconds it closes the webhook."""
    began = health.failing_since
    if lesson.success and not lesson.probe and began is not None and lesson.at < began:
        return 0.0  # it left before the receiver began to fail
    # The clock of whoever sent may be ahead of the others'.
    at = min(lesson.at, now)
    if lesson.strained:
        health.strained += 1
        health.strained_since = health.strained_since or at
    else:
        # The receiver is there.
        if health.closed_until is not None:
            # What piled up leaves at a pace: a receiver that has just come back is not to be knocked over.
            health.drain_to = Delivery.objects.order_by("-pk").values_list("pk", flat=True).first()
        health.closed_until = None
        health.strained, health.strained_since = 0, None
    health.succeeded = lesson.success
    if lesson.success:
        health.failures, health.failing_since, health.ended = 0, None, 0
        return 0.0
    health.failures += 1
    health.ended += lesson.final
    health.failing_since = health.failing_since or at
    asked_for = min(lesson.retry_after or 0.0, LONGEST_RETRY_AFTER)
    since = health.strained_since
    if since is not None and (lesson.probe or lesson.slow_down or health.strained >= CLOSES_AFTER):
        # As long again as it has been failing: each pause is about twice the one before.
        failing = (now - since).total_seconds()
        return max(asked_for, min(max(failing, FIRST_PAUSE * conf.retry_scale()), LONGEST_PAUSE * conf.retry_scale()))
    return asked_for


def _given_up(health: Health, now: datetime) -> str:
    """Why the webhook is paused by now, '' while it is not."""
    policy = DIALECTS[health.webhook.dialect].pause
    since = health.failing_since
    failed = health.failures if policy.of == "tries" else health.ended
    if since is None or failed < policy.failures or (now - since).total_seconds() < policy.seconds:
        return ""
    what = "" if policy.of == "tries" else " deliveries"
    return f"All tries have failed since {since:%d %b %Y, %H:%M} UTC: {failed:,}{what} in a row."
