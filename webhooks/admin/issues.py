"""Failures by cause: what went wrong at which webhook, for a view of Webhook History and for the webhook's own page.

An issue is a webhook's, and webhooks are the whole account's: who works for single offices sees none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from leads.admin.base import is_key, scope_of
from webhooks.admin import history
from webhooks.admin.words import upper_first
from webhooks.models import Cause, Issue, Webhook
from webhooks.wire.exchange import FailureKind

PER_PAGE = 50
# On the webhook's page: the open ones, and the latest others beside them.
ON_PAGE = 5
COUNT_CAP = 999

# By which filter of the history the deliveries behind a cause are found.
_FILTERS: Mapping[str, Mapping[str, str]] = {
    Cause.DNS: {"error": FailureKind.DNS.words},
    Cause.REFUSED: {"error": FailureKind.REFUSED.words},
    Cause.TLS: {"error": FailureKind.TLS.words},
    Cause.TIMEOUT: {"error": FailureKind.TIMEOUT.words},
    Cause.RESET: {"error": FailureKind.RESET.words},
    Cause.PROTOCOL: {"error": FailureKind.PROTOCOL.words},
    Cause.REDIRECT: {"code": "3xx"},
    Cause.CLIENT_ERROR: {"code": "4xx"},
    Cause.SERVER_ERROR: {"code": "5xx"},
}
_BLOCKED = (FailureKind.BLOCKED_ADDRESS.words, FailureKind.BLOCKED_URL.words)


@dataclass(frozen=True, slots=True)
class Line:
    """An issue with where its webhook is, and the deliveries behind it."""

    issue: Issue
    webhook: str
    deliveries: str

    @property
    def state(self) -> tuple[str, str]:
        """Of its badge."""
        return ("failure", "Open") if self.issue.closed_at is None else ("cancelled", "Closed")

    @property
    def detail(self) -> str:
        return upper_first(self.issue.detail)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of them. older: its next page's address, '' for none."""

    lines: list[Line]
    webhook: Webhook | None
    every: bool
    older: str
    views: list[dict[str, Any]]


def visible(request: HttpRequest) -> QuerySet[Issue]:
    if not history.sees_webhooks(request):
        return Issue.objects.none()
    return Issue.objects.filter(scope_of(request).in_account())


def open_count(request: HttpRequest) -> str:
    """ "3", "999+" """
    count = visible(request).filter(closed_at=None).order_by().values("pk")[: COUNT_CAP + 1].count()
    return f"{COUNT_CAP:,}+" if count > COUNT_CAP else f"{count:,}"


def address(**query: Any) -> str:
    """The list, with webhook=, every=1 for the closed ones too, or before= an issue."""
    return reverse("admin:webhooks_delivery_causes") + (f"?{urlencode(query)}" if query else "")


def deliveries(issue: Issue) -> str:
    """Webhook History of the webhook, with what failed, or waits for another try, for this cause."""
    found: Mapping[str, str] = _FILTERS.get(issue.cause, {"status": "failure"})
    if issue.cause == Cause.BLOCKED:
        found = next(({"error": words} for words in _BLOCKED if issue.detail.startswith(words)), found)
    return history.address(webhook=issue.webhook_id, **found)


def listed(request: HttpRequest) -> Listed:
    """What the address asks for: the latest first. PermissionDenied for who may not see webhooks."""
    if not history.sees_webhooks(request):
        raise PermissionDenied
    every = request.GET.get("every") == "1"
    rows = visible(request) if every else visible(request).filter(closed_at=None)
    kept, webhook = {}, None
    wanted = request.GET.get("webhook", "")
    if is_key(wanted):
        kept = {"webhook": wanted}
        rows = rows.filter(webhook=int(wanted))
        webhook = Webhook.objects.filter(scope_of(request).in_account(), pk=int(wanted)).first()
    views = [
        {"title": "Open", "active": not every, "address": address(**kept)},
        {"title": "Open and closed", "active": every, "address": address(**kept, every=1)},
    ]
    found = list(_after(rows, request.GET.get("before", "")).select_related("webhook")[: PER_PAGE + 1])
    older = ""
    if len(found) > PER_PAGE:
        older = address(**kept, **({"every": 1} if every else {}), before=found[PER_PAGE - 1].pk)
    return Listed([_line(issue) for issue in found[:PER_PAGE]], webhook, every, older, views)


def of_webhook(webhook: Webhook) -> list[Line]:
    """The open ones, the latest first, then the closed ones that there is room for."""
    rows = Issue.objects.filter(webhook=webhook).select_related("webhook").order_by("-last_at", "-pk")
    found = list(rows.filter(closed_at=None))
    closed = rows.exclude(closed_at=None)[: max(0, ON_PAGE - len(found))]
    return [_line(issue) for issue in (*found, *closed)]


def _after(rows: QuerySet[Issue], before: str) -> QuerySet[Issue]:
    """By the latest failure; the place of the next page is an issue, so that no page is counted to."""
    place = rows.filter(pk=int(before)).first() if is_key(before) else None
    if place is not None:
        rows = rows.filter(Q(last_at__lt=place.last_at) | Q(last_at=place.last_at, pk__lt=place.pk))
    return rows.order_by("-last_at", "-pk")


def _line(issue: Issue) -> Line:
    return Line(issue, reverse("admin:webhooks_webhook_change", args=[issue.webhook_id]), deliveries(issue))
