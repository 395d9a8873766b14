"""The record of functions that makes a wire format: everything the engine needs to know about one system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Headers, Request, Response
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.verdict import Verdict, Verified


@dataclass(frozen=True, slots=True)
class Setting:
    """A field that a webhook of this dialect has beside the common ones; its value lives in the webhook's settings."""

    name: str
    label: str
    help: str
    default: str
    choices: tuple[tuple[str, str], ...]
    """(stored value, label) of each value that is allowed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A received body in two phrases, for a list."""

    event: str
    """The system's own name of the event; empty when the body names none."""
    label: str
    """Whom it is about; empty when the body does not say."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One system's wire format. All functions are pure: clock, ids and secrets are arguments."""

    name: str
    label: str
    description: str
    events: tuple[str, ...]
    """The names a webhook may subscribe to."""
    hears: Callable[[Event], str | None]
    """The subscription under which the event is heard, or None when this system never hears of it."""
    render: Callable[[Event, str], bytes]
    """(event, the name it is heard as) to the exact body. ValueError when the event cannot be written."""
    sign: Callable[[bytes, Sequence[str], Mapping[str, Any]], Headers]
    """(body, secrets with the current one first, the webhook's settings) to the headers that prove the sender."""
    verify: Callable[[bytes, Mapping[str, str], Sequence[str]], Verified]
    """(body, headers, secrets that are good now) to what the signature proves. Never raises on what a stranger sent."""
    judge: Callable[[Response | Failure, Request, datetime], Verdict]
    """(what came, what was sent, now) to what it means."""
    retry: RetryPolicy
    deadline: float
    """Seconds for one try, from name lookup to the last byte of the answer."""
    new_secret: Callable[[], str]
    sample: Callable[[], bytes]
    """The body of Send Test."""
    summary: Callable[[bytes], Summary]
    """A received body in two phrases. Never raises on what a stranger sent."""
    settings: tuple[Setting, ...] = ()
    content_type: str = "application/json"
    method: str = "POST"
    one_endpoint: bool = False
    """Whether the system itself knows one endpoint per account, so that a second webhook deserves a word of warning."""
