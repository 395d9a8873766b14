"""What Ctrl+K finds: records by what people know of them, and pages by the words of every system we speak to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from leadcrm.links import allowed, page
from leadcrm.sidebar import MENU, Item, may_open
from leads.admin.base import scope_of
from leads.models import Lead, Office
from leads.scope import Scope
from webhooks import dialects
from webhooks.models import Delivery, Status, Webhook
from webhooks.outbound.selection import Selection

PER_KIND = 5
SHORTEST_NUMBER = 4
_MESSAGE_ID = re.compile(r"msg_[0-9A-Za-z_-]+")

# Other words for our pages: those of the systems' menus and manuals, and what people say.
WORDS: Mapping[str, Sequence[str]] = {
    "index": ("dashboard", "overview", "start"),
    "leads_lead_changelist": ("contacts", "enquiries", "people", "view leads"),
    "leads_office_changelist": ("branches", "branch"),
    "leads_account_changelist": ("agencies", "tenants", "companies"),
    "webhooks_webhook_changelist": (
        "developers section",
        "webhook signing secret",
        "endpoint url",
        "designated endpoint",
        "api and webhooks",
        "settings > api and webhooks > webhooks",
        "settings > webhooks",
        "outbound webhook",
        "send data",
        "webhook url",
        "signature key",
        "secret key",
        "integrations",
        "subscriptions",
    ),
    "webhooks_delivery_changelist": (
        "webhook log",
        "view history",
        "execution history",
        "delivery history",
        "transmission date",
        "deliveries",
        "retry",
        "replay",
        "resend",
        "failed webhooks",
    ),
    "webhooks_inbox": ("test receiver", "test endpoint", "sample endpoint", "request bin", "try a webhook"),
    "leads_apikey_changelist": (
        "developers section",
        "api key",
        "access key",
        "bearer token",
        "api token",
        "x-api-key",
        "settings > api keys",
        "api and webhooks",
    ),
    "leads_user_changelist": ("users", "team", "colleagues", "agents", "members", "my account"),
    "auth_group_changelist": ("groups", "permissions", "rights"),
}


def search(request: HttpRequest, words: str) -> list[SearchResult]:
    """At most PER_KIND results of each kind, within the user's scope and permissions."""
    scope = scope_of(request)
    results: list[SearchResult] = list(_pages(request, words))
    for permission, find in _KINDS:
        if allowed(request, permission):
            results += find(scope, words)
    return [result for result in results if result.link]


def _pages(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    wanted = " ".join(words.lower().split())
    found = 0
    for group, items in MENU:
        for item in items:
            phrase = _phrase(item, wanted)
            if phrase is not None and found < PER_KIND and (link := may_open(request, item)):
                found += 1
                place = group or "Page"
                yield SearchResult(item.title, f"{place}, {phrase}" if phrase else place, link, item.icon)


def _phrase(item: Item, wanted: str) -> str | None:
    """The phrase by which the page is found, '' when its title is enough, None when it is not."""
    if wanted in item.title.lower():
        return ""
    return next((phrase for phrase in WORDS.get(item.url, ()) if wanted in phrase), None)


def _leads(scope: Scope, words: str) -> Iterator[SearchResult]:
    matches = Q()
    for column in ("full_name", "email", "phone", "postcode", "property_reference"):
        matches |= Q(**{f"{column}__icontains": words})
    digits = "".join(filter(str.isdigit, words))
    if len(digits) >= SHORTEST_NUMBER and not any(map(str.isalpha, words)):
        # 07123 456789 and +44 7123 456789 are one number.
        matches |= Q(phone_e164__contains=digits.lstrip("0"))
    for lead in _newest(scope.leads().filter(matches)):
        facts = [lead.email, lead.phone, lead.postcode, lead.property_reference]
        yield SearchResult(
            str(lead),
            ", ".join(filter(None, facts[:2])) or ", ".join(filter(None, facts)) or "Lead",
            page("leads_lead_change", lead.pk),
            "contacts",
        )


def _newest(leads: QuerySet[Lead]) -> QuerySet[Lead]:
    return leads.order_by("-created_at", "-pk")[:PER_KIND]


def _offices(scope: Scope, words: str) -> Iterator[SearchResult]:
    offices: QuerySet[Office] = scope.offices().filter(name__icontains=words).select_related("account")
    for office in offices.order_by("name")[:PER_KIND]:
        yield SearchResult(
            office.name, f"Office, {office.account}", page("leads_office_change", office.pk), "storefront"
        )


def _webhooks(scope: Scope, words: str) -> Iterator[SearchResult]:
    matches = Q(name__icontains=words) | Q(url__icontains=words)
    for webhook in Webhook.objects.filter(scope.in_account(), matches).order_by("name")[:PER_KIND]:
        system = dialects.DIALECTS[webhook.dialect].label
        link = page("webhooks_webhook_change", webhook.pk)
        yield SearchResult(webhook.name, f"Webhook, {system}", link, "webhook")


def _deliveries(scope: Scope, words: str) -> Iterator[SearchResult]:
    """By webhook-id, whole: it is what a receiver's log shows."""
    if not _MESSAGE_ID.fullmatch(words):
        return
    rows: QuerySet[Delivery] = Selection.seen_by(scope, tests=True).narrowed(words=words).deliveries()
    for delivery in rows.order_by("-pk")[:PER_KIND]:
        state = Status(delivery.status).label
        yield SearchResult(
            str(delivery), f"Delivery, {state}", page("webhooks_delivery_change", delivery.pk), "history"
        )


_KINDS: Sequence[tuple[str, Callable[[Scope, str], Iterator[SearchResult]]]] = (
    ("leads.view_lead", _leads),
    ("webhooks.view_webhook", _webhooks),
    ("leads.view_office", _offices),
    ("webhooks.view_delivery", _deliveries),
)
