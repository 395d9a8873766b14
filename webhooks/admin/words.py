"""A delivery and its tries in words, for the list, its own page and the lead's page."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from leads.admin.display import MISSING, ago, at, badge, clip, duration, plural
from webhooks import conf
from webhooks.dialects import DIALECTS
from webhooks.models import OPEN, Attempt, Delivery, Health, Outcome, State, Status, Webhook
from webhooks.wire import policy
from webhooks.wire.exchange import FailureKind, Response

NOT_SENT: SafeString = mark_safe('<span class="lc-subtle lc-small">Not sent yet</span>')
_TEST: SafeString = mark_safe('<span class="lc-badge tone-neutral">Test</span>')


def state(delivery: Delivery) -> SafeString:
    shown = badge(delivery.status, Status(delivery.status).label)
    mark = _TEST if delivery.test else _together(getattr(delivery, "others", 0))
    return format_html('<span class="lc-state">{}{}</span>', shown, mark) if mark else shown


def _together(others: int) -> SafeString | str:
    """Where a list has counted them (history.mark_together)."""
    if not others:
        return ""
    words = f"Sent together with {plural(others, 'other')}"
    return format_html('<span class="lc-badge tone-neutral" title="{0}">+{1}</span>', words, f"{others:,}")


def answer(delivery: Delivery) -> SafeString:
    """The latest answer: its code and how long it took, or why there was none."""
    if delivery.code is not None:
        return code(delivery.code, delivery.duration_ms, accepted(delivery, delivery.code))
    if delivery.error:
        return error(delivery.error)
    return MISSING


def accepted(delivery: Delivery, status: int) -> bool:
    """Was the delivery done with this code? Not with every 2xx: LeadSquared takes 200 alone for success, and a receiver
    can answer that it wants nothing more."""
    return 200 <= status < 300 and delivery.status == Status.SUCCESS


def code(status: int, milliseconds: int | None, good: bool) -> SafeString:
    return format_html(
        '<span class="lc-answer"><code class="lc-code {}">{}</code> <span class="lc-subtle lc-small">{}</span></span>',
        "good" if good else "bad",
        status,
        duration(milliseconds) if milliseconds is not None else "",
    )


def error(message: str) -> SafeString:
    """The first words say what; the rest is in the title."""
    return format_html(
        '<span class="lc-clip lc-answer-error" title="{}">{}</span>', message, message.partition(". ")[0].rstrip(".")
    )


def tries(delivery: Delivery) -> SafeString:
    """ "3"; "2 of 3 next in 48 s" while it waits for the next one."""
    of = most_tries(delivery)
    if delivery.status == Status.SENDING:
        return format_html("{} of {}", min(delivery.tries + 1, of), of)
    if delivery.status in (Status.QUEUED, Status.GROUPED) and delivery.tries:
        return format_html(
            '{} of {} <span class="lc-subtle lc-small">next {}</span>', delivery.tries, of, next_try(delivery.due_at)
        )
    return format_html("{}", delivery.tries) if delivery.tries else MISSING


def next_try(due_at: datetime) -> SafeString:
    return ago(due_at) if due_at > timezone.now() else mark_safe("now")


def transmitted(delivery: Delivery) -> SafeString:
    return ago(delivery.transmitted_at) if delivery.transmitted_at else NOT_SENT


def lead(delivery: Delivery) -> SafeString:
    """The lead's name as it was; a link where the list found the lead (history.mark_leads)."""
    if delivery.event is None:
        return MISSING
    where = getattr(delivery, "lead_address", "")
    shown = clip(delivery.event.label)
    return format_html('<a class="lc-link lc-plain" href="{}">{}</a>', where, shown) if where else shown


def most_tries(delivery: Delivery) -> int:
    dialect = DIALECTS.get(delivery.dialect)
    return 1 if delivery.test or dialect is None else dialect.retry.tries


def system(delivery: Delivery) -> str:
    dialect = DIALECTS.get(delivery.dialect)
    return dialect.label if dialect else delivery.dialect


def scaled() -> str:
    """A sentence for where waits are shown, '' when they are what the systems say."""
    scale = conf.retry_scale()
    return "" if scale == 1 else f"Waits between tries are scaled by {scale:g} (WEBHOOK_RETRY_SCALE)."


@dataclass(frozen=True, slots=True)
class Standing:
    """How a delivery stands. tone: of an alert; strong: the state; rest: what it means and what to do."""

    tone: str
    strong: str
    rest: str | SafeString = ""


def standing(
    delivery: Delivery, webhook: Webhook | None, attempts: list[Attempt], replayed: SafeString | str = ""
) -> Standing:
    """One sentence about the state, from the newest try (attempts: newest first).

    replayed: says that a later replay has succeeded, in place of what could be done; '' where none has.
    """
    told = _standing(delivery, webhook, attempts)
    return replace(told, rest=replayed) if replayed and delivery.status == Status.FAILURE else told


def _standing(delivery: Delivery, webhook: Webhook | None, attempts: list[Attempt]) -> Standing:
    last = attempts[0] if attempts else None
    match delivery.status:
        case Status.SUCCESS:
            which = "at once" if delivery.tries <= 1 else f"on try {delivery.tries}"
            return Standing("success", f"The receiver answered {delivery.code} {which}.")
        case Status.FAILURE:
            return _failure(delivery, webhook, attempts)
        case Status.HELD if webhook is not None and webhook.state == State.PAUSED:
            return Standing(
                "held",
                f"Held, because {webhook.name} is paused.",
                f"{webhook.state_reason} It is sent when the webhook is resumed.".strip(),
            )
        case Status.HELD:
            return Standing("held", "Held.", "The webhook was resumed: it is sent in a moment.")
        case Status.CANCELLED:
            return Standing("cancelled", *_cancelled(delivery, webhook))
        case Status.SENDING:
            return Standing("info", "Sending now.", _unsettled(last))
    if delivery.status == Status.GROUPED:
        return Standing("info", *_grouped(delivery))
    strong: str
    due = delivery.due_at > timezone.now()
    if due and (delivery.tries or last is not None):
        strong = format_html("In Queue: next try {}.", ago(delivery.due_at))
    elif due:
        strong = format_html("In Queue: it is sent {}.", ago(delivery.due_at))
    else:
        strong = "In Queue: due now."
    return Standing("info", strong, _joined(_held_up(delivery, webhook), _unsettled(last)))


def _grouped(delivery: Delivery) -> tuple[str, str]:
    """Of one that nobody gathered yet."""
    strong = "In Queue: it is sent in a moment."
    if delivery.due_at > timezone.now():
        # Its minute may have begun with another one.
        strong = format_html("In Queue: it is sent {} at the latest.", ago(delivery.due_at))
    return strong, f"All {delivery.sent_as} of one minute are sent together."


def _held_up(delivery: Delivery, webhook: Webhook | None) -> SafeString | str:
    """What it waits for beside its own time: its webhook's receiver, or an older delivery of the same record."""
    health = Health.objects.filter(webhook=webhook, closed_until__gt=timezone.now()).first() if webhook else None
    if health is not None:
        return format_html("Nothing is sent to {} before {}.", delivery.webhook_name, at(health.closed_until))
    if delivery.order_key is not None:
        same = Delivery.objects.filter(webhook=webhook, order_key=delivery.order_key, pk__lt=delivery.pk)
        if same.filter(status__in=OPEN).exists():
            return "Order is kept: an older delivery of the same record goes first."
    return ""


def _joined(*sentences: SafeString | str) -> SafeString:
    return format_html_join(" ", "{}", ((sentence,) for sentence in sentences if sentence))


def _failure(delivery: Delivery, webhook: Webhook | None, attempts: list[Attempt]) -> Standing:
    more = (
        "A test is tried once." if delivery.test else "No more tries are planned. Replay when the receiver works again."
    )
    used = [attempt for attempt in attempts if attempt.number]
    if not used:
        # Nothing was sent: worker lost, or a body that cannot be written.
        text = delivery.error or "Not sent"
        return Standing("failure", _sentence(text), "No more tries are planned.")
    last = used[0]
    if reason := _farewell(last):
        return Standing("failure", reason, _after_farewell(delivery, webhook) or more)
    alike = 0
    for attempt in used:
        if (attempt.code, attempt.failure) != (last.code, last.failure):
            break
        alike += 1
    if last.code is not None:
        times = f", {alike} times" if alike > 1 else ""
        extra = "" if alike == len(used) else f" at last, after {plural(len(used) - alike, 'other try', 'other tries')}"
        # Of a 2xx nobody would guess why it is no success.
        why = delivery.error.partition(". ")[2] if 200 <= last.code < 300 else ""
        return Standing("failure", f"The receiver answered {last.code}{times}{extra}.", f"{why} {more}".strip())
    if last.failure in (FailureKind.BLOCKED_ADDRESS, FailureKind.BLOCKED_URL):
        return Standing("failure", _sentence(last.error), "Nothing was sent.")
    times = f"{alike} times in a row." if alike > 1 else ""
    return Standing("failure", _sentence(last.error), f"{times} {more}".strip())


def _farewell(attempt: Attempt) -> str:
    """Why its receiver wants nothing more, '' where it has not said so."""
    if attempt.code is None:
        return ""
    headers = tuple((name, value) for name, value in json.loads(attempt.response_headers or "[]"))
    return policy.farewell(Response(attempt.code, attempt.reason, headers, b""))


def _after_farewell(delivery: Delivery, webhook: Webhook | None) -> str:
    """What to do while the webhook is stopped, as it is by such an answer; '' where it is not."""
    if delivery.test or webhook is None or webhook.state == State.ENABLED:
        return ""
    if webhook.state == State.DISABLED:
        return f"{webhook.name} is disabled. Enable it, then replay this delivery."
    return f"{webhook.name} is paused until somebody resumes it. Replay this delivery after that."


def _cancelled(delivery: Delivery, webhook: Webhook | None) -> tuple[str, str]:
    if webhook is None:
        return f"Cancelled, because {delivery.webhook_name} was deleted.", "It cannot be sent any more."
    if webhook.state == State.DISABLED:
        return f"Cancelled. {webhook.name} is disabled.", "Enable the webhook to replay it."
    return "Cancelled.", "It is not sent; it can be replayed."


def _unsettled(last: Attempt | None) -> str:
    """What the latest try left open."""
    if last is None:
        return ""
    if last.outcome == Outcome.INTERRUPTED:
        return "The last try was interrupted when the worker stopped. It used no try; the same bytes go out again."
    if last.outcome == Outcome.LOST:
        return "Whether the last request left is not known. The same bytes go out again, under the same webhook-id."
    if last.code is not None:
        return f"The receiver answered {last.code} to try {last.number}."
    return f"Try {last.number}: {last.error}"


def _sentence(text: str) -> str:
    text = upper_first(text)
    return text if text.endswith(".") else text + "."


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt in the list of tries. place: its number among all attempts, by which ?try= names it."""

    attempt: Attempt
    place: int
    tone: str
    title: str
    took: str


def tried(delivery: Delivery, attempts: list[Attempt]) -> list[Try]:
    """From the delivery's attempts, newest first."""
    return [
        Try(
            attempt,
            len(attempts) - index,
            _tone(delivery, attempt),
            f"{attempt.number}. {outcome(attempt)}" if attempt.number else _uncounted(attempt),
            duration(attempt.duration_ms) if attempt.duration_ms is not None else "",
        )
        for index, attempt in enumerate(attempts)
    ]


def _uncounted(attempt: Attempt) -> str:
    """A try that used up none; one that came to an end asked for a paused webhook whether its receiver is back."""
    asked = attempt.outcome in (Outcome.ANSWERED, Outcome.FAILED)
    return f"Probe: {outcome(attempt)}" if asked else outcome(attempt)


def outcome(attempt: Attempt) -> str:
    """ "500 Internal Server Error", "Timed out", "Interrupted", "Outcome unknown"."""
    if attempt.code is not None:
        return f"{attempt.code} {attempt.reason}".strip()
    if attempt.failure in list(FailureKind):
        return upper_first(FailureKind(attempt.failure).words)
    return Outcome(attempt.outcome).label


def _tone(delivery: Delivery, attempt: Attempt) -> str:
    if attempt.code is not None:
        return "success" if accepted(delivery, attempt.code) else "failure"
    return "failure" if attempt.outcome == Outcome.FAILED else "cancelled"
