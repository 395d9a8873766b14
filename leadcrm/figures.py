"""Counts over deliveries that cost the same however long the history is.

Each looks at so many rows at one end of an index and no further; what was not looked at is said ("10,000+"), never
guessed. Tests count in no figure. None stands for a figure that could not be had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.client import responses
from typing import Self, TypeVar

from django.db import DatabaseError
from django.db.models import Count, Max, Min, Q, QuerySet

from leads.scope import Scope
from webhooks import figures as standing
from webhooks.models import FINISHED, WAITING, Delivery, Issue, State, Status, Webhook
from webhooks.outbound.selection import Selection

T = TypeVar("T")

# Rows that a figure looks at.
SAMPLE = 10_000
WEBHOOKS_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Period:
    """Deliveries created at or after a time. Their ids rise with it, nearly: first_id is below all of them."""

    begin: datetime
    first_id: int

    @classmethod
    def since(cls, begin: datetime) -> Self:
        # The oldest few, not the oldest one: two transactions may store their rows in another order than they began.
        oldest = Delivery.objects.filter(created_at__gte=begin).order_by("created_at").values_list("pk", flat=True)
        return cls(begin, min(oldest[:100], default=0))

    def q(self) -> Q:
        return Q(pk__gte=self.first_id, created_at__gte=self.begin)

    def of(self, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return rows.filter(self.q())


@dataclass(frozen=True, slots=True)
class Counted:
    """At least `value`; exactly that unless there is more that was not looked at."""

    value: int
    more: bool = False

    def __str__(self) -> str:
        if self.more:
            # None of one's own among so many of others says nothing.
            return f"{self.value:,}+" if self.value else "unknown"
        return f"{self.value:,}"


@dataclass(frozen=True, slots=True)
class Rate:
    """Of `finished` deliveries, the newest of the period, `success` succeeded."""

    success: int
    finished: Counted


@dataclass(frozen=True, slots=True)
class Queue:
    waiting: Counted
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Failing:
    """The failures of an enabled webhook since its last success: from when on, how many, and what the latest was."""

    since: datetime
    failures: Counted
    latest: str


@dataclass(frozen=True, slots=True)
class WebhookFigures:
    """One webhook: rate of the period, standing and failing of now."""

    webhook: Webhook
    rate: standing.Rate
    standing: standing.Standing
    failing: Failing | None
    # The open issue that failed last.
    cause: Issue | None

    @property
    def waiting(self) -> Counted:
        return Counted(self.standing.waiting, more=self.standing.waiting >= standing.SAMPLE)


def failures(scope: Scope, period: Period) -> Counted | None:
    def count() -> Counted:
        mine, more = _seen(scope, period.of(_newest((Status.FAILURE,))))
        return Counted(mine.count(), more)

    return _or_unknown(count)


def open_causes(scope: Scope) -> Counted | None:
    """Issues: one per webhook and cause."""

    def count() -> Counted:
        found = Issue.objects.filter(scope.in_account(), closed_at=None).order_by().values("pk")[: SAMPLE + 1].count()
        return Counted(min(found, SAMPLE), more=found > SAMPLE)

    return _or_unknown(count)


def stopped_webhooks(scope: Scope) -> int:
    """Webhooks that the failure policy has paused, or that are enabled and fail."""
    policy = Q(state=State.PAUSED) & ~Q(state_reason="")
    failing = Q(state=State.ENABLED, health__failures__gte=standing.CLOSES_AFTER)
    return Webhook.objects.filter(policy | failing, scope.in_account()).count()


def success_rate(scope: Scope, period: Period) -> Rate | None:
    def count() -> Rate:
        newest = Selection(account_id=scope.account_id, tests=False).deliveries().order_by("-pk")
        mine, more = _seen(scope, period.of(newest))
        found = mine.aggregate(
            success=Count("pk", filter=Q(status=Status.SUCCESS)), failure=Count("pk", filter=Q(status=Status.FAILURE))
        )
        return Rate(found["success"], Counted(found["success"] + found["failure"], more))

    return _or_unknown(count)


def queue(scope: Scope) -> Queue | None:
    """What waits to be sent, whenever it was created; the oldest are looked at."""

    def count() -> Queue:
        mine, more = _seen(scope, Selection(statuses=WAITING).deliveries().order_by("pk"))
        found = mine.aggregate(waiting=Count("pk"), oldest=Min("created_at"))
        return Queue(Counted(found["waiting"], more), found["oldest"])

    return _or_unknown(count)


def webhooks(scope: Scope, period: Period) -> list[WebhookFigures] | None:
    """The first webhooks by name; when there are more than are shown, the disabled ones go first."""

    def count() -> list[WebhookFigures]:
        known = Webhook.objects.filter(scope.in_account())
        shown = list(known.exclude(state=State.DISABLED).order_by("name")[:WEBHOOKS_SHOWN])
        shown += known.filter(state=State.DISABLED).order_by("name")[: WEBHOOKS_SHOWN - len(shown)]
        now = standing.standings([webhook.pk for webhook in shown])
        open_ones = Issue.objects.filter(webhook__in=shown, closed_at=None).order_by("last_at")
        causes = {issue.webhook_id: issue for issue in open_ones}
        return [
            WebhookFigures(
                webhook,
                standing.rate(webhook.pk, period.begin),
                now[webhook.pk],
                _failing(webhook, now[webhook.pk].last_success) if webhook.state == State.ENABLED else None,
                causes.get(webhook.pk),
            )
            for webhook in sorted(shown, key=lambda each: each.name.casefold())
        ]

    return _or_unknown(count)


def _failing(webhook: Webhook, last_success: datetime | None) -> Failing | None:
    finished = Selection(webhook_id=webhook.pk, tests=False, statuses=FINISHED).deliveries().order_by("-pk")
    since = _first(finished, standing.SAMPLE).filter(status=Status.FAILURE, finished_at__isnull=False)
    if last_success is not None:
        since = since.filter(finished_at__gt=last_success)
    run = since.aggregate(begin=Min("finished_at"), count=Count("pk"), latest=Max("pk"))
    if not run["count"]:
        return None
    error, code = Delivery.objects.values_list("error", "code").get(pk=run["latest"])
    more = run["count"] >= standing.SAMPLE
    return Failing(run["begin"], Counted(run["count"], more), _in_words(error, code))


def _in_words(error: str, code: int | None) -> str:
    if error:
        return error
    return f"{code} {responses.get(code, '')}".strip() if code else ""


def _newest(statuses: tuple[str, ...]) -> QuerySet[Delivery]:
    return Selection(statuses=statuses).deliveries().order_by("-pk")


def _first(rows: QuerySet[Delivery], most: int) -> QuerySet[Delivery]:
    """The first of the rows, as a query that can be filtered and counted."""
    return Delivery.objects.filter(pk__in=rows.values("pk")[:most])


def _seen(scope: Scope, rows: QuerySet[Delivery]) -> tuple[QuerySet[Delivery], bool]:
    """What somebody sees of the first SAMPLE rows, and whether there are more rows than these."""
    more = rows.values("pk")[SAMPLE : SAMPLE + 1].exists()
    seen = Selection.seen_by(scope, tests=False).deliveries()
    return seen.filter(pk__in=rows.values("pk")[:SAMPLE]), more


def _or_unknown(figure: Callable[[], T]) -> T | None:
    """A figure that the database cannot give now (busy, timed out) is unknown, and does not take the page with it."""
    try:
        return figure()
    except DatabaseError:
        return None
