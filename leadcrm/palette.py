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
from leads.models import Lead, Office, Opportunity
from leads.validation import read_phone
from webhooks import dialects
from webhooks.models import Delivery, InboundWebhook, Receipt, Status, Webhook
from webhooks.outbound.selection import Selection

PER_KIND = 5
LONGEST = 100
_LEAD_COLUMNS = ("full_name", "email", "phone", "postcode", "property_reference")
_MESSAGE_ID = re.compile(r"msg_[0-9A-Za-z_-]+")
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")

# Other words for our pages: those of the systems' menus and manuals, and what people say.
WORDS: Mapping[str, Sequence[str]] = {
    "index": ("dashboard", "overview", "start"),
    "leads_lead_changelist": ("contacts", "enquiries", "people", "view leads"),
    "leads_opportunity_changelist": ("deals", "opportunities won", "forecast"),
    "leads_activity_changelist": ("calls", "phone calls", "meetings", "sales activities"),
    "leads_pipeline_changelist": ("stages", "sales process", "deal stages", "funnel"),
    "leads_opportunitytype_changelist": ("deal types", "opportunity stages", "opportunity fields"),
    "leads_activitytype_changelist": ("activity codes", "activity fields", "custom activities", "sales activity"),
    "leads_tag_changelist": ("labels", "categories"),
    "leads_leadlist_changelist": ("segments", "audiences", "contact lists"),
    "leads_campaign_changelist": ("sequences", "mailings", "outreach"),
    "leads_customfield_changelist": ("custom properties", "additional fields", "fields", "attributes"),
    "leads_form_changelist": ("web forms", "landing pages", "contact form", "lead capture", "embed"),
    "leads_leadimport_changelist": ("import leads", "upload leads", "csv", "excel", "spreadsheet"),
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
        "rate limit",
        "paused webhooks",
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
        "dead letters",
        "errors",
    ),
    "webhooks_delivery_causes": ("issues", "errors", "problems", "why webhooks fail"),
    "webhooks_inboundwebhook_changelist": (
        "receive data",
        "add action",
        "lead capture",
        "field mapping",
        "deduplication",
        "zapier",
        "settings > webhooks",
    ),
    "webhooks_receipt_changelist": ("inbound log", "inbound history", "refused posts", "process again", "errors"),
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
    "leads_task_changelist": ("to-do", "follow-up", "reminders", "my tasks"),
    "leads_leave_changelist": ("holidays", "absences", "time off", "away"),
    "leads_role_changelist": ("groups", "permissions", "rights"),
}

CAUSES = Item("Failures by cause", "error", "webhooks_delivery_causes", "webhooks.view_delivery")


def search(request: HttpRequest, words: str) -> list[SearchResult]:
    """At most PER_KIND results of each kind, within the user's scope and permissions."""
    # PostgreSQL refuses NUL; a hundred words would make a hundred conditions.
    words = " ".join(words.replace("\0", "").split())[:LONGEST]
    if not words:
        return []
    results: list[SearchResult] = list(_pages(request, words))
    for permission, find in _KINDS:
        if allowed(request, permission):
            results += find(request, words)
    return [result for result in results if result.link]


def _pages(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    wanted = words.lower()
    found = 0
    for group, items in (*MENU, *_unlisted(request)):
        for item in items:
            phrase = _phrase(item, wanted)
            if phrase is not None and found < PER_KIND and (link := may_open(request, item)):
                found += 1
                place = group or "Page"
                yield SearchResult(item.title, f"{place}, {phrase}" if phrase else place, link, item.icon)


def _unlisted(request: HttpRequest) -> Sequence[tuple[str, Sequence[Item]]]:
    """Pages that the menu has no item for."""
    sees_webhooks = scope_of(request).whole_account and allowed(request, "webhooks.view_webhook")
    return (("Integrations", (CAUSES,)),) if sees_webhooks else ()


def _phrase(item: Item, wanted: str) -> str | None:
    """The phrase by which the page is found, '' when its title is enough, None when it is not."""
    if wanted in item.title.lower():
        return ""
    return next((phrase for phrase in WORDS.get(item.url, ()) if wanted in phrase), None)


def _leads(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """Every word somewhere, or all of it a phone number, however it is written."""
    matches = Q()
    for word in words.split():
        matches &= Q(*((f"{column}__icontains", word) for column in _LEAD_COLUMNS), _connector=Q.OR)
    e164, _ = read_phone(words)
    if e164:
        matches |= Q(phone_e164=e164)
    leads: QuerySet[Lead] = scope_of(request).leads().filter(matches).order_by("-created_at", "-pk")
    for lead in leads[:PER_KIND]:
        facts = [lead.email, lead.phone, lead.postcode, lead.property_reference]
        link = page("leads_lead_change", lead.pk)
        yield SearchResult(str(lead), ", ".join(fact for fact in facts if fact) or "Lead", link, "contacts")


def _opportunities(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    seen = Opportunity.objects.filter(scope_of(request).in_offices("lead__"), name__icontains=words)
    for opportunity in seen.select_related("lead").order_by("-created_at", "-pk")[:PER_KIND]:
        link = page("leads_opportunity_change", opportunity.pk)
        yield SearchResult(opportunity.name, f"Opportunity, {opportunity.lead}", link, "paid")


def _offices(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    offices: QuerySet[Office] = scope_of(request).offices().filter(name__icontains=words).select_related("account")
    for office in offices.order_by("name")[:PER_KIND]:
        yield SearchResult(
            office.name, f"Office, {office.account}", page("leads_office_change", office.pk), "storefront"
        )


def _webhooks(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    matches = Q(name__icontains=words) | Q(url__icontains=words)
    for webhook in Webhook.objects.filter(scope_of(request).in_account(), matches).order_by("name")[:PER_KIND]:
        system = dialects.DIALECTS[webhook.dialect].label
        link = page("webhooks_webhook_change", webhook.pk)
        yield SearchResult(webhook.name, f"Webhook, {system}", link, "webhook")


def _inbound(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """By name, or by the webhook id that a sender has."""
    scope = scope_of(request)
    if not scope.whole_account:
        return
    known = InboundWebhook.objects.filter(scope.in_account(), Q(name__icontains=words) | Q(uid=words))
    for inbound in known.order_by("name")[:PER_KIND]:
        link = page("webhooks_inboundwebhook_change", inbound.pk)
        yield SearchResult(inbound.name, "Inbound webhook", link, "call_received")


def _receipts(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """By X-Request-ID, whole: it is what a sender's log shows."""
    scope = scope_of(request)
    if not (scope.whole_account and _REQUEST_ID.fullmatch(words)):
        return
    for receipt in Receipt.objects.filter(scope.in_account(), uid=words).defer("body", "claims", "headers"):
        state = receipt.get_status_display()
        yield SearchResult(
            str(receipt), f"Receipt, {state}", page("webhooks_receipt_change", receipt.pk), "receipt_long"
        )


def _deliveries(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """By webhook-id, whole: it is what a receiver's log shows."""
    if not _MESSAGE_ID.fullmatch(words):
        return
    # As in the history, tests are for those who see webhooks.
    seen = Selection.seen_by(scope_of(request), tests=allowed(request, "webhooks.view_webhook"))
    rows: QuerySet[Delivery] = seen.narrowed(words=words).deliveries()
    for delivery in rows.order_by("-pk")[:PER_KIND]:
        state = Status(delivery.status).label
        yield SearchResult(
            str(delivery), f"Delivery, {state}", page("webhooks_delivery_change", delivery.pk), "history"
        )


_KINDS: Sequence[tuple[str, Callable[[HttpRequest, str], Iterator[SearchResult]]]] = (
    ("leads.view_lead", _leads),
    ("leads.view_opportunity", _opportunities),
    ("webhooks.view_webhook", _webhooks),
    ("webhooks.view_inboundwebhook", _inbound),
    ("webhooks.view_receipt", _receipts),
    ("leads.view_office", _offices),
    ("webhooks.view_delivery", _deliveries),
)
