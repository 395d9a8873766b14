"""The record of functions that makes a wire format: everything the engine needs to know about one system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Headers, Request, Response
from webhooks.wire.policy import PausePolicy
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.summary import Summary
from webhooks.wire.verdict import Verdict, Verified


@dataclass(frozen=True, slots=True)
class Setting:
    """A field that a webhook of this dialect has beside the common ones; its value lives in the webhook's settings.

    One named "method" decides the request's method; all others are for the dialect's own functions to read.
    """

    name: str
    label: str
    help: str
    default: str | bool
    """A stored value of `choices`, or False for yes or no."""
    choices: tuple[tuple[str, str], ...] = ()
    """(stored value, label) of each value that is allowed; none for yes or no."""
    kind: Literal["choice", "yes_no"] = "choice"
    of_http: bool = False
    """It says how requests are written, and means nothing to a Lapp."""


def in_json(body: bytes, settings: Mapping[str, Any]) -> str:
    """The content type of a system that speaks JSON and nothing else."""
    return "application/json"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One system's wire format. All functions are pure: clock, ids and secrets are arguments."""

    name: str
    label: str
    description: str
    events: tuple[str, ...]
    """The names a webhook may subscribe to, in the order in which staff read them."""
    hears: Callable[[Event], str | None]
    """The subscription under which the event is heard, or None when this system never hears of it."""
    render: Callable[[Event, str, Mapping[str, Any]], bytes]
    """(event, the name it is heard as, the webhook's settings) to the exact body.

    ValueError when the event cannot be written.
    """
    sign: Callable[[bytes, Sequence[str], Mapping[str, Any], bool], Headers]
    """The system's own headers that prove the sender; webhook-signature is not among them.

    (body, secrets with the current one first, the webhook's settings, whether the request goes by https).
    """
    verify: Callable[[bytes, Mapping[str, str], Sequence[str]], Verified]
    """(body, headers, secrets that are good now) to what the signature proves. Never raises on what a stranger sent."""
    judge: Callable[[Response | Failure, Request, datetime], Verdict]
    """(what came, what was sent, now) to what it means."""
    retry: RetryPolicy
    deadline: float
    """Seconds for one try, from name lookup to the last byte of the answer."""
    new_secret: Callable[[], str]
    sample: Callable[[Mapping[str, Any]], bytes]
    """The webhook's settings to the body of Send Test."""
    summary: Callable[[bytes], Summary]
    """A received body in two phrases. Never raises on what a stranger sent."""
    pause: PausePolicy = field(default_factory=PausePolicy)
    """When a webhook whose tries all fail is paused."""
    settings: tuple[Setting, ...] = ()
    content_type: Callable[[bytes, Mapping[str, Any]], str] = in_json
    """(body, the webhook's settings) to its content type. A stored body may be older than the settings."""
    address: Callable[[str, str, str, str], str] | None = None
    """(the webhook's URL, who posts, its id, the name an event is heard as) to the URL that is called, where it is
    another one. Who posts: "webhook" where the webhook itself heard the event, else "rule" or "automation".

    Scheme, host and port stay as they are.
    """
    method: str = "POST"
    """What requests are sent by, unless a setting of that name says otherwise."""
    secret: Literal["always", "optional"] = "always"
    """Optional: a new webhook has none unless staff type or make one."""
    secret_headers: tuple[str, ...] = ()
    """Names of headers of `sign` whose values are the secret itself, and which history therefore masks."""
    webhook_headers: Literal["optional", "always"] = "optional"
    """Always: webhook-id, -timestamp and -signature are the format itself, and no webhook can turn them off."""
    event_labels: Mapping[str, str] = field(default_factory=dict)
    """What staff read for a name of `events`, where it is not the name in words ("lead.created", Lead created)."""
    lapps: bool = False
    """Whether functions of ours may take its deliveries in place of a URL."""
    one_event: bool = False
    """Whether a webhook of this system hears one event alone."""
    most_headers: int | None = None
    """Custom headers of one webhook at most, where the system allows fewer than we do."""
    last_header_wins: bool = False
    """Whether of custom headers of one name the last one counts; otherwise they are refused."""
    delays: bool = False
    """Whether a webhook of this system may wait for so many seconds after an event."""
    grouped: frozenset[str] = frozenset()
    """Those of `events` that are sent together with the others of one minute, as one body."""
    render_many: Callable[[Sequence[Event], Mapping[str, Any]], bytes] | None = None
    """(events of one name in `grouped`, the webhook's settings) to their one body; `render` is the same for one event.

    ValueError when one of them cannot be written.
    """
    sample_many: Callable[[str, Mapping[str, Any]], bytes] | None = None
    """(a name in `grouped`, the webhook's settings) to the body of Send Test to a webhook that hears such alone."""
    history: Literal["offices", "account"] = "offices"
    """Who reads its deliveries in Webhook History: "account", nobody who works for single offices; their lead's page
    shows them."""
    handshake: bool = False
    """Whether a webhook's URL is asked by a HEAD request when it is saved; the answer is shown to staff and no more."""
    unique_name: bool = False
    """Whether a webhook of this system shares its name with no other one of its account (trimmed, in any case)."""
    one_endpoint: bool = False
    """Whether the system itself knows one endpoint per account, so that a second webhook deserves a word of warning."""

    def in_words(self, event: str) -> str:
        """ "lead.created" as "Lead created", or as the system itself says it."""
        words = event.replace(".", " ").replace("_", " ")
        return self.event_labels.get(event) or words[:1].upper() + words[1:]
