"""When a receiver has said, or shown, that it wants nothing more."""

from dataclasses import dataclass
from typing import Literal

from webhooks.wire.exchange import Failure, Response

FAREWELL_HEADER = "webhook-delivery"
FAREWELL = "disable"
SLOW_DOWN = frozenset({429, 502, 504})
"""Answers that ask the sender for a pause, with or without Retry-After."""


@dataclass(frozen=True, slots=True)
class PausePolicy:
    """A webhook is paused when nothing has succeeded for so many seconds, and at least so many have failed in a row."""

    seconds: float = 5 * 86_400
    failures: int = 10
    of: Literal["tries", "deliveries"] = "tries"
    """What has to fail: single tries, or deliveries that end as Failure."""
    probe_every: float | None = None
    """Seconds from one probe of a paused webhook to the next; None: people alone resume it."""


def farewell(exchange: Response | Failure) -> str:
    """Why nothing more is to be sent, in words for staff; '' where the answer says nothing of the kind."""
    if isinstance(exchange, Failure):
        return ""
    if exchange.status == 410:
        return "The receiver answered 410 Gone: it wants nothing more."
    if (exchange.header(FAREWELL_HEADER) or "").strip().lower() == FAREWELL:
        return f"The receiver answered {FAREWELL_HEADER}: {FAREWELL}: it wants nothing more."
    return ""


def is_strained(exchange: Response | Failure) -> bool:
    """Did the receiver fail, or ask for less, rather than judge this one request?"""
    return isinstance(exchange, Failure) or exchange.status >= 500 or exchange.status == 429
