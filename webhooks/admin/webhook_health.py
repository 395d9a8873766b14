"""How a webhook does, in words: whether it is paused or failing, why and since when, and what happens next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from leads.admin.display import ago, capped, plural, relative, span
from webhooks import conf, figures
from webhooks.models import Delivery, Health, State, Status, Webhook

# Of an enabled webhook whose tries all fail; its name among the TONES of badges.
FAILING = "failing"
PAUSED_BY_POLICY = "Paused by leadcrm"
PAUSED_BY_STAFF = "Paused by staff"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is not as usual. tone: of an alert; strong: what; rest: why, and what happens next; status: of the
    deliveries that it concerns."""

    tone: str
    strong: SafeString | str
    rest: SafeString
    status: str


def state(webhook: Webhook, standing: figures.Standing) -> tuple[str, str]:
    """(state, word) of its badge: an enabled webhook whose tries all fail is Failing."""
    if webhook.state == State.ENABLED and standing.failing:
        return FAILING, "Failing"
    return webhook.state, State(webhook.state).label


def since(webhook: Webhook, standing: figures.Standing) -> datetime:
    """Since when it is in the state that its badge says."""
    health = standing.health
    if webhook.state == State.ENABLED and standing.failing and health is not None and health.failing_since is not None:
        return health.failing_since
    return webhook.state_since


def reason(webhook: Webhook, standing: figures.Standing) -> SafeString | str:
    """Since when it is paused or failing, and why, for a list; '' where neither is so."""
    shown, _ = state(webhook, standing)
    if shown == State.PAUSED:
        why = webhook.state_reason or PAUSED_BY_STAFF
    elif shown == FAILING and standing.health is not None:
        why = f"{plural(standing.health.failures, 'try', 'tries')} in a row failed"
    else:
        return ""
    when = since(webhook, standing)
    return format_html('<span class="lc-second lc-clip" title="{0}">{1} · {0}</span>', why, ago(when))


def condition(webhook: Webhook, standing: figures.Standing) -> Condition | None:
    """None while there is nothing to say of an enabled or disabled webhook."""
    if webhook.state == State.PAUSED:
        return _paused(webhook, standing)
    health = standing.health
    if webhook.state != State.ENABLED or health is None:
        return None
    if standing.failing and health.failing_since is not None:
        return _failing(webhook, health)
    if health.closed_until is not None and health.closed_until > timezone.now():
        rest = _sentences("The receiver asked for a pause, or could not keep up.", next_try(webhook, health))
        return Condition("info", "Slowed down.", rest, Status.QUEUED)
    if health.drain_to is not None and standing.waiting:
        rest = _sentences(f"What had piled up leaves in order, {pace(webhook)}.")
        return Condition("info", "Catching up.", rest, Status.QUEUED)
    return None


def next_try(webhook: Webhook, health: Health) -> SafeString | str:
    """When the receiver is asked again, '' where it is not waited for."""
    if health.closed_until is None:
        return ""
    if Delivery.objects.filter(webhook=webhook, status=Status.SENDING, test=False).exists():
        return "One delivery is on its way, to see whether the receiver is back."
    if health.closed_until > timezone.now():
        return format_html("Nothing is sent meanwhile; the next try goes out {}.", ago(health.closed_until))
    return "The next delivery finds out whether the receiver is back."


def pace(webhook: Webhook) -> str:
    """ "at up to 20 per second": how fast what piled up leaves."""
    return f"at up to {_rate(webhook):g} per second"


def leaving(webhook: Webhook, count: int) -> str:
    """ "at up to 20 per second, about 4 min": how so many deliveries leave."""
    seconds = math.ceil(count / _rate(webhook))
    return f"{pace(webhook)}, about {span(seconds)}" if seconds > 1 else pace(webhook)


def held(standing: figures.Standing) -> str:
    """ "5 deliveries are held, and so are new ones." """
    if not standing.held:
        return "New deliveries are held."
    verb = "delivery is" if standing.held == 1 else "deliveries are"
    return f"{capped(standing.held, figures.SAMPLE - 1)} {verb} held, and so are new ones."


def how_long(when: datetime) -> str:
    """ "for 2 hours" while that says something, then "since 21 Nov 2026"."""
    words = relative(when)
    if not words.endswith(" ago"):
        return f"since {words}"
    number, unit = words.removesuffix(" ago").split()
    long = {"s": "second", "min": "minute", "h": "hour", "d": "day"}[unit]
    return f"for {plural(int(number), long)}"


def _rate(webhook: Webhook) -> float:
    return min(conf.drain_rate(), float(webhook.rate_limit or math.inf))


def _paused(webhook: Webhook, standing: figures.Standing) -> Condition:
    by = PAUSED_BY_POLICY if webhook.state_reason else PAUSED_BY_STAFF
    rest = _sentences(webhook.state_reason, held(standing), _ahead(webhook, standing))
    return Condition("held", format_html("{} {}.", by, ago(webhook.state_since)), rest, Status.HELD)


def _ahead(webhook: Webhook, standing: figures.Standing) -> SafeString | str:
    """How a webhook that leadcrm has paused comes to be resumed."""
    if not webhook.state_reason:
        return ""
    health = standing.health
    if health is None or health.probe_at is None:
        return "Resume it when the receiver is ready."
    if not standing.held:
        return "The next delivery is tried, and when that succeeds the webhook resumes by itself."
    when = ago(health.probe_at) if health.probe_at > timezone.now() else "now"
    return format_html("The oldest one is tried {}; when that succeeds, the webhook resumes by itself.", when)


def _failing(webhook: Webhook, health: Health) -> Condition:
    assert health.failing_since is not None
    policy = webhook.wire.pause
    end = health.failing_since + timedelta(seconds=policy.seconds)
    rest = _sentences(
        f"{plural(health.failures, 'try', 'tries')} in a row failed.",
        next_try(webhook, health),
        format_html("If this goes on, it is paused {}.", ago(end, up=True)) if end > timezone.now() else "",
    )
    return Condition("failure", format_html("Failing {}.", how_long(health.failing_since)), rest, Status.FAILURE)


def _sentences(*sentences: SafeString | str) -> SafeString:
    return format_html_join(" ", "{}", ((sentence,) for sentence in sentences if sentence))
