"""How the admin writes times, numbers, states and people: for list columns, and for templates by {% load lc %}.

What is missing reads "–" everywhere. The classes are those of static/leadcrm/leadcrm.css; leadcrm.js keeps the relative
times of `ago` going and therefore words them by the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

MISSING: SafeString = mark_safe('<span class="lc-missing">–</span>')

# The look of each state, by its stored value; what is not in here is neutral. `@display(label=TONES)` takes it as is.
TONES: Mapping[str, str] = {
    # Delivery
    "queued": "state-queued",
    "grouped": "state-queued",
    "sending": "state-sending",
    "success": "state-success",
    "failure": "state-failure",
    "held": "state-held",
    "cancelled": "state-cancelled",
    # Webhook
    "enabled": "state-success",
    "paused": "state-held",
    "disabled": "state-cancelled",
    "failing": "state-failure",
    # A request in the test inbox
    "verified": "state-success",
    "wrong": "state-failure",
    "unsigned": "state-cancelled",
    # Import
    "draft": "tone-neutral",
    "checking": "state-sending",
    "checked": "tone-info",
    "running": "state-sending",
    "done": "state-success",
    "failed": "state-failure",
    # Lead
    "UNREAD": "tone-info",
    "IN_PROGRESS": "tone-primary",
    "BUSINESS": "tone-success",
    "NO_BUSINESS": "tone-neutral",
    "DUPLICATE": "tone-neutral",
    # Person
    "available": "state-success",
    "busy": "state-held",
    "away": "tone-neutral",
    "offline": "state-cancelled",
    # Opportunity
    "open": "tone-info",
    "won": "tone-success",
    "lost": "tone-neutral",
}

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# From here on a date says more than a number of days.
_RELATIVE_DAYS = 7


def badge(state: str, label: str, *, large: bool = False) -> SafeString:
    """Colour and icon by the stored value, the word as given."""
    size = " lc-badge-large" if large else ""
    return format_html('<span class="lc-badge {}{}">{}</span>', TONES.get(state, "tone-neutral"), size, label)


def dot(state: str) -> SafeString:
    """A dot in the state's colour. It says nothing by itself: a word stands beside it."""
    return format_html('<span class="lc-dot {}" aria-hidden="true"></span>', TONES.get(state, "tone-neutral"))


def person(name: str, second: str = "", *, initials: bool = True) -> SafeString:
    """A name over an e-mail address, a system or a host; both are cut where they do not fit, whole in the title."""
    circle = format_html('<span class="lc-initials" aria-hidden="true">{}</span>', _initials(name)) if initials else ""
    below = format_html('<span class="lc-second" title="{0}">{0}</span>', second) if second else ""
    return format_html(
        '<span class="lc-person">{0}<span class="lc-lines"><span class="lc-first" title="{1}">{1}</span>{2}</span>'
        "</span>",
        circle,
        name,
        below,
    )


def mono(text: str) -> SafeString:
    """Types, ids, codes."""
    return format_html('<code class="lc-code">{}</code>', text)


def clip(text: str, title: str = "") -> SafeString:
    """Text on one line, cut where its column ends; whole, or what title says, in the title."""
    return format_html('<span class="lc-clip" title="{}">{}</span>', title or text, text) if text else MISSING


def ago(when: datetime | None, *, up: bool = False) -> SafeString:
    """Relative, with the absolute time in the title: "48 s ago", "5 min ago", "in 12 s", "21 Nov 2026".

    up: rounded up to the unit, for an end that is not to be told as nearer than it is.
    """
    if when is None:
        return MISSING
    return format_html(
        '<time class="lc-time" datetime="{}" title="{}" data-ago="{}">{}</time>',
        when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        absolute(when),
        "up" if up else "",
        relative(when, up=up),
    )


def at(when: datetime | None) -> SafeString:
    """In full, for places where nobody can hover: "21 Nov 2026, 09:14:05 UTC"."""
    if when is None:
        return MISSING
    stamp = when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format_html('<time class="lc-time" datetime="{}">{}</time>', stamp, absolute(when))


def absolute(when: datetime) -> str:
    local = timezone.localtime(when)
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def day(when: date) -> str:
    """ "3 Dec 2026"."""
    return f"{when.day} {when:%b %Y}"


def relative(when: datetime, now: datetime | None = None, *, up: bool = False) -> str:
    seconds = ((now or timezone.now()) - when).total_seconds()
    if abs(seconds) >= _RELATIVE_DAYS * _DAY:
        local = timezone.localtime(when)
        return f"{local.day} {local:%b %Y}"
    return f"{span(seconds, up=up)} ago" if seconds >= 0 else f"in {span(-seconds, up=up)}"


def span(seconds: float, *, up: bool = False) -> str:
    """A length of time in its largest unit, rounded down, or up: "48 s", "5 min", "3 h", "4 d"."""
    rounded = math.ceil if up else math.floor
    for size, next_size, unit in ((1, _MINUTE, "s"), (_MINUTE, _HOUR, "min"), (_HOUR, _DAY, "h")):
        count = rounded(seconds / size)
        if count * size < next_size:
            return f"{count} {unit}"
    return f"{rounded(seconds / _DAY)} d"


def duration(milliseconds: int | None) -> str:
    """How long an exchange took: "383 ms", from 10 s on "15 s"."""
    if milliseconds is None:
        return "–"
    return f"{milliseconds} ms" if milliseconds < 10_000 else f"{milliseconds // 1000} s"


def number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def amount(value: Decimal | None) -> str:
    """ "1,200"; "1,200.50"."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == value.to_integral_value() else f"{value:,.2f}"


def capped(value: int, cap: int) -> str:
    """A count that was not taken beyond its cap: "10,000+"."""
    return f"{cap:,}+" if value > cap else f"{value:,}"


def percent(part: int, whole: int) -> str:
    """ "83.2 %"; never rounded up to 100 while something is missing, nor down to 0 while something is there."""
    if whole <= 0:
        return "–"
    tenths = round(1000 * part / whole)
    if part < whole:
        tenths = min(tenths, 999)
    if part > 0:
        tenths = max(tenths, 1)
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def size(octets: int) -> str:
    """ "546 bytes"; from 10 kB on "38 kB"."""
    if octets < 10_000:
        return "1 byte" if octets == 1 else f"{octets:,} bytes"
    return f"{octets // 1000:,} kB"


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 delivery", "2 deliveries"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _initials(name: str) -> str:
    words = [word for word in name.split() if word[0].isalnum()]
    if not words:
        return "–"
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()
