"""Home: what needs somebody now. UNFOLD["DASHBOARD_CALLBACK"] fills templates/admin/index.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from leadcrm import figures
from leadcrm.links import page
from leads.admin.base import scope_of
from leads.admin.display import percent, plural
from leads.models import Lead
from leads.scope import Scope
from webhooks.admin import history, webhook_health
from webhooks.admin.webhook_health import how_long
from webhooks.models import Notice, State, Status

PERIODS: Mapping[str, timedelta] = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
LATEST_LEADS = 6
ALERTS = 3
NOTICES, NOTICES_FOR = 5, timedelta(days=7)
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
class Told:
    """A notice, and where its webhook and the delivery are that led to it; '' where they are not, or not to be seen."""

    notice: Notice
    webhook: str
    delivery: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the Webhooks table. state: of its badge, with the word."""

    figures: figures.WebhookFigures
    link: str
    state: tuple[str, str]
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
            *(_cause_figures(scope) if history.sees_webhooks(request) and may("webhooks.view_delivery") else ()),
        ],
        "notices": list(_notices(request, scope)) if history.sees_webhooks(request) else [],
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


def _cause_figures(scope: Scope) -> Iterator[Figure]:
    causes = figures.open_causes(scope)
    note = "" if causes is None else "One per webhook and cause" if causes.value else "Nothing fails"
    yield Figure("Open causes", "unknown" if causes is None else str(causes), note, page("webhooks_delivery_causes"))


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
        if each.webhook.state == State.ENABLED and (each.failing or each.standing.failing):
            yield _failing(each)
    for each in webhooks:
        if each.webhook.state == State.PAUSED:
            lead = f"{each.webhook} has been paused {how_long(each.webhook.state_since)}."
            text = f"{each.webhook.state_reason} {webhook_health.held(each.standing)}".strip()
            yield Alert("held", lead, text, _links(each, Status.HELD, "View held"))


def _failing(each: figures.WebhookFigures) -> Alert:
    """By the deliveries that were given up; before there are any, by the tries."""
    health = each.standing.health
    rest = webhook_health.next_try(each.webhook, health) if each.standing.failing and health else ""
    if each.failing:
        since, latest = each.failing.since, each.failing.latest
        failures = str(each.failing.failures)
        count = f"{failures} {'delivery' if failures == '1' else 'deliveries'}"
        links = _links(each, Status.FAILURE, "View failures")
    else:
        assert health is not None and health.failing_since is not None
        since, latest = health.failing_since, each.cause.detail if each.cause else ""
        count = f"{plural(health.failures, 'try', 'tries')} in a row"
        links = _links(each, Status.QUEUED, "View waiting")
    if causes := page("webhooks_delivery_causes", webhook=each.webhook.pk):
        links.insert(1, ("View causes", causes))
    # The first sentence says what; what to do about it is on the delivery's page.
    what = ", ".join(filter(None, (latest.partition(". ")[0].rstrip("."), count)))
    text = format_html("{}.{}", what[:1].upper() + what[1:], format_html(" {}", rest) if rest else "")
    return Alert("failure", f"{each.webhook} has been failing {how_long(since)}.", text, links)


def _links(each: figures.WebhookFigures, status: str, view: str) -> list[tuple[str, str]]:
    links = [
        (view, _history(status, webhook=each.webhook.pk)),
        ("Open webhook", page("webhooks_webhook_change", each.webhook.pk)),
    ]
    return [(text, address) for text, address in links if address]


def _notices(request: HttpRequest, scope: Scope) -> Iterator[Told]:
    """The latest of what the engine did by itself."""
    newest = Notice.objects.filter(scope.in_account(), created_at__gte=timezone.now() - NOTICES_FOR)
    for notice in newest.order_by("-pk")[:NOTICES]:
        webhook = page("webhooks_webhook_change", notice.webhook_id) if notice.webhook_id else ""
        seen = notice.delivery_id and request.user.has_perm("webhooks.view_delivery")
        yield Told(notice, webhook, page("webhooks_delivery_change", notice.delivery_id) if seen else "")


def _row(each: figures.WebhookFigures) -> Row:
    return Row(
        each,
        page("webhooks_webhook_change", each.webhook.pk),
        webhook_health.state(each.webhook, each.standing),
        percent(each.rate.success, each.rate.success + each.rate.failure),
        _history(Status.QUEUED, Status.HELD, webhook=each.webhook.pk),
    )


def _latest(scope: Scope) -> Iterator[tuple[Lead, str]]:
    leads: QuerySet[Lead] = scope.leads().select_related("office").order_by("-created_at", "-pk")
    for lead in leads[:LATEST_LEADS]:
        yield lead, page("leads_lead_change", lead.pk)
