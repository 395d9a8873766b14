"""Home: what needs somebody now. UNFOLD["DASHBOARD_CALLBACK"] fills templates/admin/index.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from leadcrm import figures
from leadcrm.links import page
from leads.admin.base import scope_of
from leads.admin.display import percent, plural, relative
from leads.models import Lead
from leads.scope import Scope
from webhooks.models import State, Status

PERIODS: Mapping[str, timedelta] = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
LATEST_LEADS = 6
ALERTS = 3
# Leads of one day are counted so far.
MOST_LEADS = 10_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the numbers at the top; link is '' where there is no list behind it that the user may open."""

    title: str
    value: str
    note: str = ""
    link: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """tone: failure or held; links: (text, address)."""

    tone: str
    lead: str
    text: str
    links: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the Webhooks table."""

    figures: figures.WebhookFigures
    link: str
    rate: str
    waiting_link: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    scope, now = scope_of(request), timezone.now()
    chosen = request.GET.get("period", "")
    name = chosen if chosen in PERIODS else "24h"
    period = figures.Period.since(now - PERIODS[name])
    may = request.user.has_perm
    webhooks = figures.webhooks(scope, period) if may("webhooks.view_webhook") else []
    alerts = list(_alerts(webhooks or []))
    return context | {
        "now": now,
        "periods": [(each, f"{each[:-1]} {each[-1]}", each == name) for each in PERIODS],
        "alerts": alerts[:ALERTS],
        "alerts_left": max(0, len(alerts) - ALERTS),
        "figures": [
            *(_lead_figures(scope, now) if may("leads.view_lead") else ()),
            *(_delivery_figures(scope, period) if may("webhooks.view_delivery") else ()),
        ],
        "webhooks_unknown": webhooks is None,
        "webhooks": [_row(each) for each in webhooks or []],
        "latest_leads": list(_latest(scope)) if may("leads.view_lead") else None,
        "pages": {
            "leads": page("leads_lead_changelist"),
            "add_lead": page("leads_lead_add") if may("leads.add_lead") else "",
            "webhooks": page("webhooks_webhook_changelist"),
            "add_webhook": page("webhooks_webhook_add") if may("webhooks.add_webhook") else "",
        },
    }


def _lead_figures(scope: Scope, now: datetime) -> Iterator[Figure]:
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    week = timedelta(days=7)
    today = _leads_between(scope, midnight, now)
    then = _leads_between(scope, midnight - week, now - week)
    weekday = f"last {midnight:%A}"
    if min(today, then) > MOST_LEADS:
        note = ""
    elif today == then:
        note = f"As many as {weekday} by this time"
    else:
        note = f"{abs(today - then):,} {'more' if today > then else 'fewer'} than {weekday} by this time"
    value = f"{MOST_LEADS:,}+" if today > MOST_LEADS else f"{today:,}"
    yield Figure("Leads today", value, note, page("leads_lead_changelist", created_at_from=f"{midnight:%Y-%m-%d}"))


def _leads_between(scope: Scope, begin: datetime, end: datetime) -> int:
    leads = scope.leads().filter(created_at__gte=begin, created_at__lte=end).order_by()
    return len(leads.values_list("pk")[: MOST_LEADS + 1])


def _delivery_figures(scope: Scope, period: figures.Period) -> Iterator[Figure]:
    rate = figures.success_rate(scope, period)
    if rate is None:
        yield Figure("Success rate", "unknown", "", _history())
    else:
        yield Figure(
            "Success rate", percent(rate.success, rate.finished.value), _of(rate.finished), _history(Status.SUCCESS)
        )
    queue = figures.queue(scope)
    if queue is None:
        yield Figure("In Queue", "unknown", "", _history(Status.QUEUED))
    else:
        note = "" if queue.oldest else "Nothing waits"
        yield Figure("In Queue", str(queue.waiting), note, _history(Status.QUEUED), queue.oldest)
    failures = figures.failures(scope, period)
    yield Figure("Failures", "unknown" if failures is None else str(failures), "", _history(Status.FAILURE))


def _of(finished: figures.Counted) -> str:
    if not finished.value:
        return "Nothing was sent"
    latest = "the latest " if finished.more else ""
    return f"of {latest}{plural(finished.value, 'delivery', 'deliveries')}"


def _history(*states: str, webhook: int | None = None) -> str:
    """Webhook History with these states, as its own filters name them: queued means Sending too."""
    query: dict[str, object] = {"status": states} if states else {}
    if webhook is not None:
        query["webhook"] = webhook
    return page("webhooks_delivery_changelist", **query)


def _alerts(webhooks: Sequence[figures.WebhookFigures]) -> Iterator[Alert]:
    """The failing ones first."""
    for each in webhooks:
        if each.failing:
            lead = f"{each.webhook} has been failing {_since(each.failing.since)}."
            # The first sentence says what; what to do about it is on the delivery's page.
            failures, latest = str(each.failing.failures), each.failing.latest.partition(". ")[0].rstrip(".")
            count = f"{failures} {'delivery' if failures == '1' else 'deliveries'}"
            text = f"{latest}, {count}." if latest else f"{count}."
            yield Alert("failure", lead, text[:1].upper() + text[1:], _links(each, Status.FAILURE, "View failures"))
    for each in webhooks:
        if each.webhook.state == State.PAUSED:
            held = each.waiting
            text = "New deliveries are held."
            if held.value:
                one = str(held) == "1"
                text = f"{held} {'delivery is' if one else 'deliveries are'} held, and so are new ones."
            lead = f"{each.webhook} has been paused {_since(each.webhook.state_since)}."
            yield Alert("held", lead, text, _links(each, Status.HELD, "View held"))


def _since(when: datetime) -> str:
    """ "for 2 hours" while that says something, then "since 21 Nov 2026"."""
    words = relative(when)
    if not words.endswith(" ago"):
        return f"since {words}"
    number, unit = words.removesuffix(" ago").split()
    long = {"s": "second", "min": "minute", "h": "hour", "d": "day"}[unit]
    return f"for {plural(int(number), long)}"


def _links(each: figures.WebhookFigures, status: str, view: str) -> list[tuple[str, str]]:
    links = [
        (view, _history(status, webhook=each.webhook.pk)),
        ("Open webhook", page("webhooks_webhook_change", each.webhook.pk)),
    ]
    return [(text, address) for text, address in links if address]


def _row(each: figures.WebhookFigures) -> Row:
    return Row(
        each,
        page("webhooks_webhook_change", each.webhook.pk),
        percent(each.rate.success, each.rate.success + each.rate.failure),
        _history(Status.QUEUED, Status.HELD, webhook=each.webhook.pk),
    )


def _latest(scope: Scope) -> Iterator[tuple[Lead, str]]:
    leads: QuerySet[Lead] = scope.leads().select_related("office").order_by("-created_at", "-pk")
    for lead in leads[:LATEST_LEADS]:
        yield lead, page("leads_lead_change", lead.pk)
