"""When to try again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """One wait, in seconds, for each try after the first."""

    waits: tuple[float, ...]
    jitter: float = 0.1
    """The share of a wait by which it may be longer or shorter, so that equal waits do not end together."""

    @property
    def tries(self) -> int:
        return len(self.waits) + 1

    def wait(self, tries_used: int, scale: float, spread: float, retry_after: float | None = None) -> float | None:
        """Seconds until the next try, or None when none is left.

        `tries_used` counts exchanges with a result, so it is at least 1 here. `scale` is WEBHOOK_RETRY_SCALE, `spread`
        a random number from -1 to 1. A receiver's Retry-After can lengthen the wait, up to twice; it never shortens it.
        """
        if not 1 <= tries_used <= len(self.waits):
            return None
        base = self.waits[tries_used - 1] * scale
        wait = base * (1 + self.jitter * spread)
        return wait if retry_after is None else max(wait, min(retry_after, 2 * base))


def parse_retry_after(value: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None if it says neither.

    `now` is aware. A date that has passed gives 0.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Nobody means more than ten digits, and float() of a thousand of them overflows.
        return float(value) if len(value) <= 10 else None
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
