"""What webhooks adds to the lead's page: its timeline, its deliveries, and what a save has set going."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leads.admin.base import scope_of
from leads.admin.display import plural
from leads.admin.slots import Panel, Step, register_history, register_note, register_panel
from leads.admin.words import label
from leads.models import Lead
from webhooks.admin import automation_page, delivery_page, history, keyset, receipt_page, words
from webhooks.admin.automation_page import RunLine
from webhooks.automation import records
from webhooks.models import Delivery, Event, Receipt, Run, RunState, State, Status, Webhook
from webhooks.outbound import hearing

# Steps of the timeline, and rows of the tab.
STEPS = 8
ROWS = 20
# One version is told by at most so many events, and heard by so many webhooks as are shown.
_EVENTS = 8 * STEPS
_RUNS = 8 * STEPS
_HEARD = 400
_NAMES = 6
_RECEIPTS = 5
# Keys that change together are one change to whoever reads of it.
_ONE_CHANGE = {
    "pipeline_stage_id": "stage",
    "stage_name": "stage",
    "stage_outcome": "stage",
    "pipeline_id": "pipeline",
    "owner_id": "owner",
    "owner_name": "owner",
    "company": "company_id",
}
# Webhooks that a message names.
_WEBHOOKS = 2


@dataclass(slots=True)
class Heard:
    """What one webhook was told of one version, oldest first: a save can fire several events."""

    deliveries: list[Delivery]

    @property
    def name(self) -> str:
        return self.deliveries[0].webhook_name

    @property
    def state(self) -> str:
        """The one that needs somebody most."""
        states = {delivery.status for delivery in self.deliveries}
        return next(state for state in _BY_NEED if state in states)

    @property
    def summary(self) -> str:
        """ "1 Failure, 5 Success" """
        counts = Counter(delivery.status for delivery in self.deliveries)
        return ", ".join(f"{counts[state]} {Status(state).label}" for state in _BY_NEED if counts[state])


_BY_NEED = (
    Status.FAILURE,
    Status.HELD,
    Status.SENDING,
    Status.QUEUED,
    Status.GROUPED,
    Status.CANCELLED,
    Status.SUCCESS,
)


@dataclass(slots=True)
class Told:
    """One version of the lead: what changed, who, when, who was told, and which rules it started.

    What happened to a record of the lead, such as a task, and started a rule has no version of the lead: 0.
    """

    version: int
    title: str
    who: str
    when: datetime
    heard: list[Heard] = field(default_factory=list)
    ran: list[RunLine] = field(default_factory=list)


@register_panel
def timeline(request: HttpRequest, lead: Lead) -> Panel | None:
    if not request.user.has_perm("webhooks.view_delivery"):
        return None
    events = list(_events(lead).order_by("-pk").defer("snapshot")[: _EVENTS + 1])
    steps = _told(events)[:STEPS]
    shown = {event.pk: event.version for event in events if event.version in {step.version for step in steps}}
    by_version: dict[int, list[Delivery]] = defaultdict(list)
    for delivery in Delivery.objects.filter(event__in=shown).order_by("-pk")[:_HEARD]:
        by_version[shown[delivery.event_id or 0]].append(delivery)
    for step in steps:
        step.heard = _heard(by_version[step.version])
    steps = _with_runs(lead, steps, shown)
    context = {"steps": steps, "silent": [] if lead.merged_into_id else _silent(lead)}
    body = render_to_string("admin/webhooks/delivery/timeline.html", context, request)
    return Panel("Timeline", SafeString(body), more=("All", history.address(lead=lead.pk)), past=True)


@register_panel
def deliveries(request: HttpRequest, lead: Lead) -> Panel | None:
    if not request.user.has_perm("webhooks.view_delivery"):
        return None
    parts = history.visible(request).narrowed(lead_id=lead.pk).parts()
    ((total, more),) = keyset.counts([parts], history.COUNT_CAP)
    rows = history.rows(request, keyset.first(parts, ROWS).ids)
    context = {
        "rows": [_row(row) for row in rows],
        "more": more or total > len(rows),
        "all": history.address(lead=lead.pk),
        "scaled": words.scaled(),
    }
    body = render_to_string("admin/webhooks/delivery/tab.html", context, request)
    count = f"{total:,}+" if more else f"{total:,}"
    return Panel(f"Deliveries {count}", SafeString(body), place="tab", slug="deliveries", past=True)


@register_panel
def receipts(request: HttpRequest, lead: Lead) -> Panel | None:
    """By which inbound webhook it came in. Whose receipts the user may not view is named without a link."""
    found = Receipt.objects.filter(lead_id=lead.pk, account_id=lead.account_id).defer(*receipt_page.HEAVY)
    rows = list(found[:_RECEIPTS])
    if not rows:
        return None
    may_open = request.user.has_perm("webhooks.view_receipt") and scope_of(request).whole_account
    body = render_to_string("admin/webhooks/receipt/panel.html", {"rows": rows, "may_open": may_open}, request)
    return Panel("Came in by", SafeString(body), past=True)


@register_note
def queued(request: HttpRequest, lead: Lead, before: int) -> SafeString | None:
    """ "1 delivery queued." """
    if not request.user.has_perm("webhooks.view_delivery"):
        return None
    events = _events(lead).filter(version__gt=before).values("pk")
    # Some may have been sent already: they were queued by this save all the same.
    statuses = list(Delivery.objects.filter(event__in=events, test=False).values_list("status", flat=True)[:_HEARD])
    held = statuses.count(Status.HELD)
    told = [plural(len(statuses) - held, "delivery", "deliveries") + " queued"] if len(statuses) > held else []
    told += [plural(held, "delivery", "deliveries") + " held"] if held else []
    if not told:
        return None
    return format_html('<a href="{}">{}.</a>', history.address(lead=lead.pk), ", ".join(told))


@register_note
def unheard(request: HttpRequest, lead: Lead, before: int) -> SafeString | None:
    """ "Not sent to LeadPro production: type missing." Said at once: nothing goes out."""
    if lead.version == before or not request.user.has_perm("webhooks.view_delivery"):
        return None
    by_field: dict[str, list[str]] = defaultdict(list)
    for webhook, missing in _silent(lead):
        by_field[missing].append(webhook)
    if not by_field:
        return None
    said = [f"Not sent to {_listed(names)}: {missing} missing." for missing, names in by_field.items()]
    page = reverse("admin:leads_lead_change", args=[lead.pk])
    return format_html('<a href="{}">{}</a>', page, " ".join(said))


@register_history
def steps_since(lead: Lead, version: int) -> list[Step]:
    merged: dict[int, Step] = {}
    for event in _events(lead).filter(version__gt=version).order_by("pk").defer("snapshot"):
        changes = {key: (was, now) for key, (was, now) in json.loads(event.changes).items()}
        if event.version not in merged:
            merged[event.version] = Step(event.version, delivery_page.caused_by(event), event.occurred_at, changes)
    return list(merged.values())


def _events(lead: Lead) -> Any:
    return Event.objects.filter(record=Lead.record_name, record_id=lead.pk)


def _told(events: list[Event]) -> list[Told]:
    """The events, newest first, as one step per version."""
    steps: dict[int, Told] = {}
    for event in events:
        if event.version not in steps:
            steps[event.version] = Told(event.version, _title(event), delivery_page.caused_by(event), event.occurred_at)
        elif event.type == "lead.created":  # and assigned
            steps[event.version].title = _title(event)
    return list(steps.values())


def _with_runs(lead: Lead, steps: list[Told], shown: Mapping[int, int]) -> list[Told]:
    """The steps with the runs that they started. shown: event -> version. What started others is put between them."""
    by_version = {step.version: step for step in steps}
    runs = Run.objects.filter(lead_id=lead.pk).exclude(state=RunState.NEW).order_by("-pk")[:_RUNS]
    others: dict[int, Told] = {}
    for line in automation_page.lines(list(runs.select_related("event").prefetch_related("mails"))[::-1]):
        event = line.run.event
        if event.pk in shown:
            by_version[shown[event.pk]].ran.append(line)
        elif event.record != Lead.record_name:
            told = Told(
                0, f"{records.label(event.type)}: {event.label}", delivery_page.caused_by(event), event.occurred_at
            )
            others.setdefault(event.pk, told).ran.append(line)
    if not others:
        return steps
    return sorted([*steps, *others.values()], key=lambda step: step.when, reverse=True)[:STEPS]


def _heard(deliveries: list[Delivery]) -> list[Heard]:
    """By webhook, in the order in which they were told; deleted ones are told apart by name."""
    by_webhook: dict[tuple[int | None, str], Heard] = {}
    for delivery in sorted(deliveries, key=lambda each: each.pk):
        key = (delivery.webhook_id, "" if delivery.webhook_id else delivery.webhook_name)
        by_webhook.setdefault(key, Heard([])).deliveries.append(delivery)
    return list(by_webhook.values())


def _title(event: Event) -> str:
    merge = json.loads(event.context).get("merge")
    if event.type == "lead.created":
        return "Back from a merge" if merge else "Created"
    if event.type == "lead.deleted":
        return f"Merged into lead {merge['master_id']}" if merge else "Deleted"
    did = "Updated"
    if merge:
        did = "Merge undone" if merge["undone"] else f"Merged with {plural(len(merge['children']), 'lead')}"
    labels = dict.fromkeys(label(_ONE_CHANGE.get(key, key)) for key in json.loads(event.changes))
    names = [each.lower() if each.isascii() else each for each in labels]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{did}: {', '.join(names[:_NAMES])}{more}" if names else did


def _listed(names: list[str]) -> str:
    """ "A", "A and B", "A, B and 3 more"."""
    shown = names[:_WEBHOOKS] + ([f"{len(names) - _WEBHOOKS} more"] if len(names) > _WEBHOOKS else [])
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "state": words.state(delivery),
        "answer": words.answer(delivery),
        "tries": words.tries(delivery),
        "transmitted": words.transmitted(delivery),
    }


def _silent(lead: Lead) -> list[tuple[str, str]]:
    """(webhook, label of the missing field): enabled webhooks that do not hear of this lead for want of a field."""
    values = lead.values()
    now = timezone.now()
    found = []
    webhooks = Webhook.objects.filter(account=lead.account_id, state=State.ENABLED).order_by("name")
    for webhook in webhooks.prefetch_related("offices"):
        offices = {office.pk for office in webhook.offices.all()}
        if offices and lead.office_id not in offices:
            continue
        key = hearing.missing(webhook.wire, lead.pk, values, now)
        if key is not None:
            found.append((webhook.name, label(key).lower()))
    return found
