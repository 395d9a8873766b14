"""The page of one delivery: how it stands, its tries, and the bytes of one of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leads.admin.words import label
from leads.admin.words import words as value_words
from webhooks import looks
from webhooks.admin import exchange, history, words
from webhooks.models import Automation, AutomationKind, Body, Delivery, Event, Status

# Tries, relatives: more than that of one delivery is a fault, and is cut.
MOST_TRIES = 100
MOST_RELATIVES = 20
# Of what was sent together; the list has all of it.
MOST_TOGETHER = 8


def context(request: HttpRequest, delivery: Delivery) -> dict[str, Any]:
    # What is sent together is tried as one: by the first of them.
    post = delivery if delivery.post_id == delivery.pk else Delivery.objects.get(pk=delivery.post_id)
    attempts = list(post.attempts.order_by("-pk")[:MOST_TRIES])
    tries = words.tried(post, attempts)
    chosen = _chosen(request, tries)
    may_see = request.user.has_perm("webhooks.view_body")
    history.mark_leads(request, [delivery])
    same = _same(delivery)
    shown: dict[str, Any] = {
        "delivery": delivery,
        "event": delivery.event,
        "standing": words.standing(post, delivery.webhook, attempts, _replayed(post, same)),
        "tries": tries,
        "most_tries": words.most_tries(delivery),
        "chosen": chosen,
        "system": words.system(delivery),
        "webhook_address": _webhook_address(request, delivery),
        "lead": words.lead(delivery),
        "caused_by": caused_by(delivery.event) if delivery.event else "",
        "posted_by": _posted_by(request, delivery),
        "may_see": may_see,
        "elsewhere": _elsewhere(delivery),
        "same": same,
        "together": _together(request, delivery),
        "scaled": words.scaled(),
        "refreshes": delivery.status in history.VIEWS["queued"] or delivery.status in history.VIEWS["held"],
    }
    if may_see:
        body = bytes(
            Body.objects.filter(pk=delivery.replay_of_id or post.pk).values_list("content", flat=True).first() or b""
        )
        shown["changes"] = _changes(delivery.event)
        if chosen is not None:
            shown["sent"] = exchange.sent(chosen.attempt, body)
            shown["received"] = exchange.received(post, chosen.attempt)
        elif body:
            shown["ready"] = exchange.bytes_of(body.decode(errors="backslashreplace"), len(body))
        if body or attempts or shown["changes"]:
            looks.note(request.user, delivery)
    return shown


def _chosen(request: HttpRequest, tries: list[words.Try]) -> words.Try | None:
    """The try that ?try= names, else the newest."""
    wanted = request.GET.get("try", "")
    return next((each for each in tries if str(each.place) == wanted), tries[0] if tries else None)


def _webhook_address(request: HttpRequest, delivery: Delivery) -> str:
    if delivery.webhook_id is None or not history.sees_webhooks(request):
        return ""
    return reverse("admin:webhooks_webhook_change", args=[delivery.webhook_id])


def caused_by(event: Event) -> str:
    kinds = {
        "api_key": "API key",
        "inbound": "Inbound webhook",
        "import": "Import",
        "rule": "Rule",
        "automation": "Automation",
        "lapp": "Lapp",
    }
    kind = f"{kinds[event.actor_kind]}: " if event.actor_kind in kinds else ""
    return f"{kind}{event.actor_name}"


def _posted_by(request: HttpRequest, delivery: Delivery) -> SafeString | str:
    """The rule or automation, with a link where it is there and may be seen; "" where the webhook heard by itself."""
    if not delivery.posted_by or delivery.posted_by_id is None:
        return ""
    words = f"{AutomationKind(delivery.posted_by).label} {delivery.posted_by_id}"
    rule = Automation.objects.filter(pk=delivery.posted_by_id, account_id=delivery.account_id).first()
    if rule is None:
        return f"{words}, which is gone"
    if not request.user.has_perm("webhooks.view_automation"):
        return str(rule)
    address = reverse("admin:webhooks_automation_change", args=[rule.pk])
    return format_html('<a class="lc-link" href="{}">{}</a>', address, rule)


def _changes(event: Event | None) -> list[tuple[str, str, str]]:
    """(field, before, after); a new lead's fields were all unset."""
    if event is None:
        return []
    changes = json.loads(event.changes)
    return [(label(key), value_words(key, before), value_words(key, after)) for key, (before, after) in changes.items()]


def _elsewhere(delivery: Delivery) -> list[Delivery]:
    """The same event at other webhooks: the newest delivery to each."""
    if delivery.event_id is None:
        return []
    others = Delivery.objects.filter(event=delivery.event_id).exclude(message_id=delivery.message_id).order_by("-pk")
    newest: dict[str, Delivery] = {}
    for other in others[: 5 * MOST_RELATIVES]:
        newest.setdefault(other.message_id, other)
    return sorted(newest.values(), key=lambda each: each.webhook_name.casefold())[:MOST_RELATIVES]


def _same(delivery: Delivery) -> list[Delivery]:
    """The other deliveries of the same bytes: what it replays, and its replays; not what was sent together with it."""
    others = Delivery.of_message(delivery.message_id).exclude(pk__in=(delivery.pk, delivery.post_id))
    return list(others.order_by("-pk")[:MOST_RELATIVES])


def _replayed(post: Delivery, same: list[Delivery]) -> SafeString | str:
    """Tells of the newest replay after this one that has succeeded; '' where none has."""
    done = next((each for each in same if each.pk > post.pk and each.status == Status.SUCCESS), None)
    if done is None:
        return ""
    address = reverse("admin:webhooks_delivery_change", args=[done.pk])
    return format_html('<a href="{}">A replay</a> has succeeded.', address)


@dataclass(frozen=True, slots=True)
class Together:
    """What is in the same body: others than this one, the first of them, and a list of all."""

    others: int
    some: list[Delivery]
    address: str
    replayed: bool


def _together(request: HttpRequest, delivery: Delivery) -> Together | None:
    """None where it is sent by itself. A replay has sent all that its first delivery did."""
    first = delivery.replay_of_id or delivery.sent_with_id
    if first is None:
        return None
    parts = history.visible(request).narrowed(together=first)
    rows = parts.deliveries().select_related("event").exclude(pk=delivery.pk).order_by("pk")
    number = rows.count()
    if not number:
        return None
    some = list(rows.defer("event__snapshot", "event__changes")[:MOST_TOGETHER])
    history.mark_leads(request, some)
    return Together(number, some, history.address(together=first), delivery.replay_of_id is not None)
