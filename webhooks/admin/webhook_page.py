"""What stands around the form of a webhook: head, buttons, health, secret, and how the latest test went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from leads.admin.display import MISSING, ago, at, capped, duration, percent, span
from webhooks import figures, lapp
from webhooks.admin import issues, reveal, webhook_health
from webhooks.admin.exchange import Received, Sent, received, sent
from webhooks.models import Body, Delivery, Handshake, Kind, State, Status, Told, Webhook
from webhooks.outbound import filter_fields, rotation
from webhooks.outbound.address import Blocked, parse_url

if TYPE_CHECKING:
    from webhooks.admin.webhook import WebhookAdmin

PERIOD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Button:
    title: str
    icon: str
    url: str


@dataclass(frozen=True, slots=True)
class Health:
    rate: SafeString | str
    waiting: SafeString | str
    failures: SafeString | str
    last_try: SafeString | str
    last_success: SafeString | str


@dataclass(frozen=True, slots=True)
class SecretCard:
    """Tails and times only."""

    current: str
    since: datetime | None
    age: str
    next: str
    next_at: datetime | None
    lost: bool


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test went. allowed: the user may view payloads; sent and received are None without it, or without any."""

    delivery: Delivery
    strong: str
    rest: str
    link: str
    allowed: bool
    sent: Sent | None
    received: Received | None


def context(admin: WebhookAdmin, request: HttpRequest, webhook: Webhook) -> dict[str, Any]:
    """Of the change page's template; `page` says that it is there."""
    may = admin.has_change_permission(request, webhook)
    standing = figures.standings([webhook.pk])[webhook.pk]
    # A page that fetches itself must not take the secret from the one that shows it.
    reveals = may and request.headers.get("X-Requested-With") != "XMLHttpRequest"
    return {
        "page": True,
        "stored": webhook,
        "may_operate": may,
        "meta": _meta(webhook),
        "buttons": list(_buttons(admin, webhook)) if may else [],
        "is_lapp": webhook.kind == Kind.LAPP,
        "secret_buttons": list(_secret_buttons(admin, webhook)) if may else [],
        "test_url": reverse("admin:webhooks_webhook_test", args=[webhook.pk]) if may else "",
        "badge": webhook_health.state(webhook, standing),
        "since": webhook_health.since(webhook, standing),
        "condition": condition(request, webhook, standing),
        "health": health(webhook, standing),
        "issues": issues.of_webhook(webhook),
        "all_issues": issues.address(webhook=webhook.pk, every=1),
        "may_see_history": request.user.has_perm("webhooks.view_delivery"),
        "card": secret_card(webhook),
        "handshake": handshake(webhook),
        "filters": filters(webhook),
        "preview_url": reverse("admin:webhooks_webhook_preview", args=[webhook.pk]) if may else "",
        "fresh_secret": reveal.redeem(request, webhook) if reveals else "",
        "test": test_result(request, webhook),
    }


def target(webhook: Webhook) -> str:
    """The Lapp's label, or the host of its URL; the URL itself where no host can be read."""
    if webhook.kind == Kind.LAPP:
        return lapp.label(webhook.lapp)
    try:
        return parse_url(webhook.url).host
    except Blocked:
        return webhook.url


def _meta(webhook: Webhook) -> str:
    if webhook.kind == Kind.LAPP:
        return f"{webhook.wire.label} · Lapp {lapp.label(webhook.lapp)}"
    card = secret_card(webhook)
    if card.lost:
        signing = "signing secret lost"
    elif card.current:
        signing = f"signing secret {card.current}" + (f", {card.age} old" if card.age else "")
    else:
        signing = "no signing secret"
    return f"{webhook.wire.label} · {signing}"


def _buttons(admin: WebhookAdmin, webhook: Webhook) -> Any:
    now = timezone.now()
    held = rotation.keys(webhook, now)
    if held.current and not held.next and webhook.kind != Kind.LAPP:
        yield _button(admin, webhook, "rotate")
    yield from (_button(admin, webhook, name) for name in _SWITCHES[State(webhook.state)])


_SWITCHES = {
    State.ENABLED: ("pause", "disable"),
    State.PAUSED: ("resume", "disable"),
    State.DISABLED: ("enable",),
}


def _secret_buttons(admin: WebhookAdmin, webhook: Webhook) -> Any:
    held = rotation.keys(webhook, timezone.now())
    if not held.current:
        yield _button(admin, webhook, "generate")
        return
    if held.next:
        yield _button(admin, webhook, "switch_now")
    yield _button(admin, webhook, "remove")


def _button(admin: WebhookAdmin, webhook: Webhook, name: str) -> Button:
    found = admin.get_unfold_action(name)
    return Button(found.description, found.icon, reverse(f"admin:{found.action_name}", args=[webhook.pk]))


# Figures, each a link to the rows behind it


def history(webhook: Webhook, *statuses: str) -> str:
    """Webhook History of this webhook, with these states only."""
    query = [("webhook", str(webhook.pk)), *(("status", status) for status in statuses)]
    return f"{reverse('admin:webhooks_delivery_changelist')}?{urlencode(query)}"


def linked(text: str, url: str) -> SafeString:
    return format_html('<a class="lc-link" href="{}">{}</a>', url, text)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is not as usual, with links to the deliveries that it concerns: (text, address)."""

    what: webhook_health.Condition
    links: tuple[tuple[str, str], ...]


def condition(request: HttpRequest, webhook: Webhook, standing: figures.Standing) -> Condition | None:
    what = webhook_health.condition(webhook, standing)
    if what is None:
        return None
    links = []
    if request.user.has_perm("webhooks.view_delivery"):
        if what.tone == "failure":
            links.append(("View causes", issues.address(webhook=webhook.pk)))
        else:
            links.append((f"View {_SHOWN[what.status]}", history(webhook, what.status)))
        if webhook.state_reason:
            notice = webhook.notices.filter(kind=Told.PAUSED).exclude(delivery=None).order_by("-pk").first()
            if notice is not None:
                address = reverse("admin:webhooks_delivery_change", args=[notice.delivery_id])
                links.insert(0, ("View answer", address))
    return Condition(what, tuple(links))


_SHOWN: Mapping[str, str] = {Status.HELD: "held", Status.QUEUED: "waiting", Status.FAILURE: "failures"}


def health(webhook: Webhook, standing: figures.Standing) -> Health:
    rate = figures.rate(webhook.pk, timezone.now() - PERIOD)
    ended = rate.success + rate.failure
    return Health(
        rate=linked(percent(rate.success, ended), history(webhook)) if ended else MISSING,
        waiting=waiting_link(webhook, standing),
        failures=linked(capped(rate.failure, figures.SAMPLE - 1), history(webhook, "failure")),
        # In full: who asks the receiver's people for help has to say when.
        last_try=at(standing.last_try.transmitted_at) if standing.last_try else "Never",
        last_success=last_success(standing),
    )


def waiting_link(webhook: Webhook, standing: figures.Standing) -> SafeString:
    return linked(capped(standing.waiting, figures.SAMPLE - 1), history(webhook, "queued", "held"))


def last_success(standing: figures.Standing) -> SafeString | str:
    if standing.last_success is None:
        return "unknown" if standing.older else "Never"
    return ago(standing.last_success)


def secret_card(webhook: Webhook) -> SecretCard:
    now = timezone.now()
    held = rotation.keys(webhook, now)
    return SecretCard(
        current=rotation.tail(held.current) if held.current else "",
        since=held.since,
        age=span((now - held.since).total_seconds()) if held.since else "",
        next=rotation.tail(held.next) if held.next else "",
        next_at=held.next_at,
        lost=held.lost,
    )


# The handshake


@dataclass(frozen=True, slots=True)
class Shaken:
    """How the URL answered to HEAD. tone: of a dot; rest: what that means; at: None while nobody has asked."""

    tone: str
    strong: str
    rest: str
    at: datetime | None


def handshake(webhook: Webhook) -> Shaken | None:
    """None for systems without one, and for a Lapp, which has no URL."""
    if not webhook.wire.handshake or webhook.kind == Kind.LAPP:
        return None
    last = Handshake.objects.filter(pk=webhook.pk).first()
    if last is None:
        return Shaken("cancelled", "Not asked yet.", "HEAD is sent when you save another URL.", None)
    if last.asked_at is None:
        return Shaken("queued", "Asking…", "HEAD was sent when the webhook was saved, or is about to be.", None)
    if last.code is not None and 200 <= last.code < 300:
        return Shaken("success", f"HEAD answered {last.code}.", "", last.asked_at)
    ignored = f"{webhook.wire.label} wants receivers to answer it. Events are sent all the same."
    if last.code is not None:
        return Shaken("held", f"HEAD answered {last.code}.", ignored, last.asked_at)
    what, _, why = last.error.partition(". ")
    strong = f"{capfirst(what.rstrip('.'))}." if what else "No answer was noted."
    return Shaken("held", strong, f"{why} {ignored}".strip(), last.asked_at)


# Filters


@dataclass(frozen=True, slots=True)
class Filters:
    """What is stored, in words; faults: a sentence for each filter that asks for what is gone."""

    summary: str = ""
    faults: tuple[str, ...] = ()


def filters(webhook: Webhook) -> Filters:
    try:
        conditions = webhook.conditions
    except ValueError:
        return Filters(faults=("What is stored cannot be read. Remove it below, and save.",))
    if not conditions:
        return Filters()
    fields = filter_fields.fields_of(webhook.account_id)
    faults = []
    for condition in conditions:
        try:
            filter_fields.check(fields, condition)
        except filter_fields.Misfit as misfit:
            faults.append(str(misfit))
    return Filters(filter_fields.in_words(conditions, fields), tuple(faults))


# The latest test


def test_result(request: HttpRequest, webhook: Webhook) -> TestResult | None:
    """Of the test that ?test= names, None when it is none of this webhook's."""
    wanted = request.GET.get("test", "")
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
        return None
    delivery = Delivery.objects.filter(pk=int(wanted), webhook=webhook, test=True).first()
    if delivery is None:
        return None
    allowed = request.user.has_perm("webhooks.view_body")
    attempt = delivery.attempts.first()
    strong, rest = _in_words(delivery)
    shown = attempt if allowed else None
    return TestResult(
        delivery=delivery,
        strong=strong,
        rest=rest,
        link=reverse("admin:webhooks_delivery_change", args=[delivery.pk]),
        allowed=allowed,
        sent=sent(shown, bytes(Body.objects.get(pk=delivery.pk).content)) if shown else None,
        received=received(delivery, shown) if shown else None,
    )


def _in_words(delivery: Delivery) -> tuple[str, str]:
    """ "Test answered 200 in 182 ms", or "Test failed: name not found." and what to do."""
    if delivery.code is not None:
        return f"Test answered {delivery.code} in {duration(delivery.duration_ms)}.", _rest(delivery)
    if delivery.status == Status.SENDING:
        return "The test is on its way.", "Its answer stands in Webhook History in a moment."
    what, _, rest = delivery.error.partition(". ")
    return f"Test failed: {what.rstrip('.')}.", rest


def _rest(delivery: Delivery) -> str:
    """What the answer's judgement adds to its code."""
    if delivery.status == Status.SUCCESS:
        return ""
    rest = delivery.error.partition(". ")[2]
    return capfirst(rest)
