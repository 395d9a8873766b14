"""The menu: what the user may open, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from leadcrm import figures
from leadcrm.links import allowed, page
from leads.admin.base import scope_of
from leads.admin.display import capped

BADGE_CAP = 99
# Badges run on every page: so long a count is good for everybody who sees the same deliveries.
BADGE_SECONDS = 30


def recent_failures(request: HttpRequest) -> int:
    """Deliveries of the last 24 h that ended as Failure, as far as the user sees them."""

    def count() -> int:
        start = figures.Period.since(timezone.now() - timedelta(hours=24))
        counted = figures.failures(scope_of(request), start)
        return counted.value if counted else 0

    return _kept("failures", request, count)


def stopped_webhooks(request: HttpRequest) -> int:
    """Webhooks that fail, or that the failure policy has paused; none for who works for single offices."""
    scope = scope_of(request)
    return _kept("stopped", request, lambda: figures.stopped_webhooks(scope)) if scope.whole_account else 0


def _kept(name: str, request: HttpRequest, count: Callable[[], int]) -> int:
    """The count, as it was within BADGE_SECONDS for whoever sees the same."""
    scope = scope_of(request)
    offices = "all" if scope.office_ids is None else ",".join(map(str, sorted(scope.office_ids)))
    key = f"{name}-" + hashlib.sha256(f"{scope.account_id}:{offices}".encode()).hexdigest()
    found: int | None = cache.get(key)
    if found is None:
        found = count()
        cache.set(key, found, BADGE_SECONDS)
    return found


@dataclass(frozen=True, slots=True)
class Item:
    """permission: as links.allowed takes it; setting: a switch without which the page is not there; badge: what is
    counted beside the title."""

    title: str
    icon: str
    url: str
    permission: str = ""
    setting: str = ""
    badge: Callable[[HttpRequest], int] | None = None


MENU: Sequence[tuple[str, Sequence[Item]]] = (
    ("", (Item("Home", "home", "index"),)),
    (
        "CRM",
        (
            Item("Leads", "contacts", "leads_lead_changelist", "leads.view_lead"),
            Item("Companies", "apartment", "leads_company_changelist", "leads.view_company"),
            Item("Opportunities", "paid", "leads_opportunity_changelist", "leads.view_opportunity"),
            Item("Activities", "call", "leads_activity_changelist", "leads.view_activity"),
            Item("Tasks", "task_alt", "leads_task_changelist", "leads.view_task"),
            Item("Imports", "upload_file", "leads_leadimport_changelist", "leads.import_lead"),
            Item("Forms", "dynamic_form", "leads_form_changelist", "leads.view_form"),
            Item("Offices", "storefront", "leads_office_changelist", "leads.view_office"),
        ),
    ),
    (
        "Sales setup",
        (
            Item("Pipelines", "view_kanban", "leads_pipeline_changelist", "leads.view_pipeline"),
            Item("Products", "inventory_2", "leads_product_changelist", "leads.view_product"),
            Item("Opportunity types", "category", "leads_opportunitytype_changelist", "leads.view_opportunitytype"),
            Item("Activity types", "event_note", "leads_activitytype_changelist", "leads.view_activitytype"),
            Item("Tags", "sell", "leads_tag_changelist", "leads.view_tag"),
            Item("Lists", "list_alt", "leads_leadlist_changelist", "leads.view_leadlist"),
            Item("Campaigns", "campaign", "leads_campaign_changelist", "leads.view_campaign"),
            Item("Custom fields", "text_fields", "leads_customfield_changelist", "leads.view_customfield"),
        ),
    ),
    (
        "Integrations",
        (
            Item(
                "Webhooks",
                "webhook",
                "webhooks_webhook_changelist",
                "webhooks.view_webhook",
                badge=stopped_webhooks,
            ),
            Item(
                "Webhook History",
                "history",
                "webhooks_delivery_changelist",
                "webhooks.view_delivery",
                badge=recent_failures,
            ),
            Item(
                "Inbound webhooks",
                "call_received",
                "webhooks_inboundwebhook_changelist",
                "webhooks.view_inboundwebhook",
            ),
            Item("Receipts", "receipt_long", "webhooks_receipt_changelist", "webhooks.view_receipt"),
            Item(
                "Rules and automations",
                "bolt",
                "webhooks_automation_changelist",
                "webhooks.view_automation",
            ),
            Item("Test inbox", "inbox", "webhooks_inbox", "webhooks.view_inboxrequest", setting="WEBHOOK_INBOX"),
        ),
    ),
    ("Developers", (Item("API keys", "key", "leads_apikey_changelist", "leads.view_apikey"),)),
    (
        "Settings",
        (
            Item("People", "group", "leads_user_changelist", "leads.view_user"),
            Item("Leaves", "event_busy", "leads_leave_changelist", "leads.view_leave"),
            Item("Roles", "shield_person", "leads_role_changelist", "superuser"),
            Item("Accounts", "domain", "leads_account_changelist", "superuser"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """UNFOLD["SIDEBAR"]["navigation"]. Runs on every page, the login page aside."""
    groups: list[dict[str, Any]] = []
    for title, items in MENU:
        shown = [entry for item in items if (entry := _entry(request, item))]
        if shown:
            groups.append({"title": title, "items": shown})
    _mark_active(request.path, [entry for group in groups for entry in group["items"]])
    return groups


def may_open(request: HttpRequest, item: Item) -> str:
    """The item's address, or '' when the page is not there or not for this user."""
    if not allowed(request, item.permission) or (item.setting and not getattr(settings, item.setting)):
        return ""
    return page(item.url)


def _entry(request: HttpRequest, item: Item) -> dict[str, Any] | None:
    link = may_open(request, item)
    if not link:
        return None
    entry: dict[str, Any] = {"title": item.title, "icon": item.icon, "link": link}
    if item.badge and (count := item.badge(request)):
        entry |= {"badge": capped(count, BADGE_CAP), "badge_variant": "danger"}
    return entry


def _mark_active(path: str, entries: list[dict[str, Any]]) -> None:
    """The item whose address is the longest beginning of the path: Unfold's own test lights up every one that fits."""
    home = page("index")
    fitting = [
        entry["link"]
        for entry in entries
        if path == entry["link"] or (entry["link"] != home and path.startswith(entry["link"]))
    ]
    longest = max(fitting, key=len, default=None)
    for entry in entries:
        entry["active"] = entry["link"] == longest
