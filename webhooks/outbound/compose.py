"""From a claimed delivery to a signed request. The dialect writes and signs; what every request carries is added here.

The body is rendered once, from the frozen event, and stored before it is sent: every later try reads those bytes.
The timestamp and the signatures are fresh on every try.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from webhooks import conf, lapp, sql
from webhooks.models import Body, Delivery, Event, Kind, State, Status, Webhook
from webhooks.models.event import whole
from webhooks.outbound import header
from webhooks.outbound.parcel import Claimed, Parcel, Refused
from webhooks.outbound.together import is_grouped
from webhooks.wire import signature
from webhooks.wire.event import Event as Frozen
from webhooks.wire.exchange import Headers, Request

LARGEST_BODY = 1 << 20
MASK = "••••••"
ROOM = 4 << 20
"""Bytes of bodies that one batch may bring into memory."""
SLICE = 32
"""Deliveries whose events and bodies are read at once: they are in memory whatever room there is."""

logger = logging.getLogger(__name__)


def compose(claims: Sequence[Claimed], room: int = ROOM, probing: bool = False) -> tuple[list[Parcel], list[Refused]]:
    """Requests for what can be sent, and the reason for what cannot; one delivery's fault stays its own.

    Once their bodies fill the room (bytes), what is left is refused as queued: it goes back and uses no try. The first
    one always fits. probing: what a paused webhook holds is sent as well, to ask for it.
    """
    webhooks = sql.load(Webhook, {claimed.webhook_id for claimed in claims if claimed.webhook_id})
    now = timezone.now()
    papers: dict[int, _Letterhead] = {}
    parcels: list[Parcel] = []
    refused: list[Refused] = []
    for start in range(0, len(claims), SLICE):
        some = claims[start : start + SLICE]
        sources = _Sources(() if parcels and room <= 0 else some)
        for claimed in some:
            webhook = webhooks.get(claimed.webhook_id) if claimed.webhook_id else None
            status = _status(webhook, full=bool(parcels) and room <= 0, probing=probing)
            if webhook is None or status is not None:
                refused.append(Refused(claimed, status or Status.CANCELLED, ""))
                continue
            try:
                paper = papers.get(webhook.pk) or papers.setdefault(webhook.pk, _Letterhead(webhook, now))
                parcels.append(_parcel(claimed, paper, sources))
                room -= len(parcels[-1].request.body)
            except Exception as error:
                logger.exception("delivery %s cannot be composed", claimed.id)
                refused.append(Refused(claimed, Status.FAILURE, _fault(claimed.dialect, error)))
    return parcels, refused


def _fault(dialect: str, error: Exception) -> str:
    return f"cannot be written as {dialect}: {error}"


def _too_large(body: bytes) -> ValueError:
    return ValueError(f"the body has {len(body)} bytes, at most {LARGEST_BODY} are sent")


def _status(webhook: Webhook | None, full: bool, probing: bool) -> Status | None:
    """What becomes of a delivery that is not sent now; None for one that is. full: there is no room left."""
    if webhook is None or webhook.state == State.DISABLED:
        return Status.CANCELLED
    if webhook.state == State.PAUSED and not probing:
        return Status.HELD
    return Status.QUEUED if full else None


def store(parcels: Iterable[Parcel]) -> None:
    """Keep the bytes of new bodies. A replay of a delivery that was never sent keeps them for both."""
    fresh = {parcel.claimed.body_of: parcel.request.body for parcel in parcels if parcel.fresh}
    if fresh:
        sql.keep_bytes(Body, ("delivery_id", "content"), fresh)


def write(
    webhook: Webhook, event: Event, heard_as: str, message_id: str, now: datetime
) -> tuple[Request, tuple[tuple[str, str], ...]]:
    """The signed request of an event that has no stored body yet; see build. ValueError."""
    paper = _Letterhead(webhook, now)
    record = _about(webhook.dialect, heard_as, (event.record, event.record_id, event.version, event.hops))
    return paper.request(paper.render(event.frozen, heard_as), heard_as, message_id, record)


def divide(webhook: Webhook, events: Sequence[Frozen], heard_as: str) -> Iterator[tuple[int, bytes | str]]:
    """The bodies of events that are sent together, in their order: (of how many of them, the body).

    One, mostly. An event that cannot be written stands by itself: instead of a body, why. What would be too large for
    one body is halved.
    """
    try:
        body = _together(webhook, events, heard_as)
        if len(body) <= LARGEST_BODY:
            yield len(events), body
            return
        fault: Exception = _too_large(body)
    except Exception as error:
        fault = error
    if len(events) == 1:
        logger.error("an event cannot be composed for webhook %s", webhook.pk, exc_info=fault)
        yield 1, _fault(webhook.dialect, fault)
        return
    half = len(events) // 2
    yield from divide(webhook, events[:half], heard_as)
    yield from divide(webhook, events[half:], heard_as)


def _together(webhook: Webhook, events: Sequence[Frozen], heard_as: str) -> bytes:
    dialect = webhook.wire
    if heard_as not in dialect.grouped or dialect.render_many is None:
        raise ValueError(f"it sends no {heard_as} together")
    return dialect.render_many(events, _settings(webhook))


def read_events(event_ids: Collection[int]) -> dict[int, Frozen]:
    """The stored events, as dialects are given them."""
    return {pk: _frozen(*values) for pk, *values in _read(Event, "id", _EVENT, event_ids)}


def sample(webhook: Webhook) -> tuple[bytes, str]:
    """The body of Send Test, and the name of its event."""
    dialect, settings = webhook.wire, _settings(webhook)
    if dialect.sample_many is not None and webhook.events and dialect.grouped.issuperset(webhook.events):
        return dialect.sample_many(webhook.events[0], settings), webhook.events[0]
    body = dialect.sample(settings)
    return body, dialect.summary(body).event


def build(
    webhook: Webhook, body: bytes, message_id: str, now: datetime, extra: Headers = (), heard_as: str = ""
) -> tuple[Request, tuple[tuple[str, str], ...]]:
    """The signed request, and its headers as history keeps them: values that are secrets are masked.

    heard_as: where the body itself does not tell which event it is of.
    """
    heard_as = heard_as or webhook.wire.summary(body).event
    return _Letterhead(webhook, now).request(body, heard_as, message_id, extra)


def greeting(webhook: Webhook) -> Request:
    """The HEAD request of a handshake: the webhook's own headers, and no payload. ValueError; see build."""
    custom, _ = _Letterhead(webhook, timezone.now()).custom(["User-Agent"])
    return Request("HEAD", webhook.url, (("User-Agent", conf.USER_AGENT), *custom), b"")


def _parcel(claimed: Claimed, paper: _Letterhead, sources: _Sources) -> Parcel:
    body = sources.bodies.get(claimed.body_of)
    if body is None:
        event = sources.event(claimed.event_id)
        content = paper.render(event, claimed.sent_as)
        told = event.record, event.record_id, event.version, event.hops
    else:
        content, told = body, sources.records[claimed.event_id]
    hops = max(told[3], sources.hops.get(claimed.body_of, 0))
    record = _about(claimed.dialect, claimed.sent_as, (*told[:3], hops))
    posted_by = (claimed.posted_by, str(claimed.posted_by_id)) if claimed.posted_by else None
    request, shown = paper.request(content, claimed.sent_as, claimed.message_id, record, posted_by)
    return Parcel(claimed, request, shown, paper.deadline, fresh=body is None)


def _about(dialect: str, heard_as: str, told: tuple[str, int, int, int]) -> Headers:
    """Which state of which record a request tells, unless of several, and how many rules or webhooks led to it."""
    record, record_id, version, hops = told
    depth = ("webhook-hops", str(hops))
    if is_grouped(dialect, heard_as):
        return (depth,)
    return ("webhook-record", f"{record}/{record_id};version={version}"), depth


class _Sources:
    """What a batch of requests is written from: bodies that were stored, and the events of those that were not.

    Statements of our own: Django would take longer to write these, and to make rows into objects, than the database to
    answer.
    """

    def __init__(self, claims: Sequence[Claimed]) -> None:
        bodies = {claimed.body_of for claimed in claims}
        stored = _read(Body, "delivery_id", ["content"], bodies)
        self.bodies = {pk: bytes(content) for pk, content in stored}
        written = {claimed.event_id for claimed in claims if claimed.body_of in self.bodies}
        unwritten = {claimed.event_id for claimed in claims if claimed.body_of not in self.bodies}
        self.records = {pk: tuple(values) for pk, *values in _read(Event, "id", _RECORD, written)}
        self.hops = _most_hops({claimed.body_of for claimed in claims if is_grouped(claimed.dialect, claimed.sent_as)})
        self._events = {pk: values for pk, *values in _read(Event, "id", _EVENT, unwritten)}
        self._latest: tuple[int, Frozen] | None = None

    def event(self, event_id: int) -> Frozen:
        """Parsed when it is asked for, and only the latest is kept: a batch of long threads would fill the memory."""
        if self._latest is None or self._latest[0] != event_id:
            self._latest = event_id, _frozen(*self._events[event_id])
        return self._latest[1]


_decode = json.JSONDecoder().decode
_RECORD = ("record", "record_id", "version", "hops")
_EVENT = (*_RECORD, "type", "occurred_at", "snapshot", "changes", "context", "actor_kind", "actor_id", "actor_name")


def _read(
    model: type[Body] | type[Event], key: str, columns: Iterable[str], keys: Collection[int]
) -> Iterable[tuple[Any, ...]]:
    """The key and these columns of the rows that have one of the keys."""
    if not keys:
        return ()
    picked = (sql.as_text(column) if column == "occurred_at" else column for column in columns)
    text = f"SELECT {key}, {', '.join(picked)} FROM {model._meta.db_table} WHERE {sql.among(key)}"
    return sql.prepared(text, sql.integers(keys))


def _most_hops(firsts: Collection[int]) -> dict[int, int]:
    """Of what is sent together, by its first delivery."""
    if not firsts:
        return {}
    text = f"""
        SELECT other.sent_with_id, max(event.hops)
        FROM {Delivery._meta.db_table} other JOIN {Event._meta.db_table} event ON event.id = other.event_id
        WHERE {sql.among("other.sent_with_id")} GROUP BY other.sent_with_id
    """
    return dict(sql.prepared(text, sql.integers(firsts)))


def _frozen(
    record: str,
    record_id: int,
    version: int,
    hops: int,
    type_: str,
    occurred_at: str,
    snapshot: str,
    changes: str,
    context: str,
    *actor: Any,
) -> Frozen:
    return Frozen(
        type=type_,
        occurred_at=datetime.fromisoformat(occurred_at).replace(tzinfo=UTC),
        record=record,
        record_id=record_id,
        version=version,
        data=whole(record, _decode(snapshot)),
        changes=_decode(changes),
        actor=dict(zip(("kind", "id", "name"), actor, strict=True)),
        hops=hops,
        context=_decode(context),
    )


def _settings(webhook: Webhook) -> dict[str, Any]:
    """All that its system has; a new setting is at its default."""
    return {setting.name: webhook.setting(setting.name) for setting in webhook.wire.settings}


class _Letterhead:
    """What all requests of a webhook have in common, worked out once for a batch.

    Raises ValueError when a secret cannot be decrypted.
    """

    def __init__(self, webhook: Webhook, now: datetime) -> None:
        dialect = webhook.wire
        self.dialect = dialect
        self.is_lapp = webhook.kind == Kind.LAPP
        self.url = lapp.url(webhook.lapp) if self.is_lapp else webhook.url
        self.account_id = webhook.account_id
        self.webhook_id = str(webhook.pk or "new")
        self.https = webhook.url.lower().startswith("https:")
        self.deadline = webhook.deadline
        self.secrets = webhook.secrets(now)
        self.settings = _settings(webhook)
        self.method = self.settings.get("method", dialect.method)
        self.custom_headers = webhook.custom_headers
        self.timestamp = int(now.timestamp())
        self._with_metadata = webhook.send_webhook_headers or dialect.webhook_headers == "always"
        self._secret_headers = {name.lower() for name in dialect.secret_headers}
        self._last: dict[tuple[str, ...], tuple[Headers, Headers]] = {}

    def render(self, event: Frozen, heard_as: str) -> bytes:
        if heard_as not in self.dialect.events:
            # Stored by another release, or by hand: its receiver would not know what that is.
            raise ValueError(f"it knows no event {heard_as}")
        return self.dialect.render(event, heard_as, self.settings)

    def request(
        self, body: bytes, heard_as: str, message_id: str, extra: Headers, posted_by: tuple[str, str] | None = None
    ) -> tuple[Request, Headers]:
        """posted_by: (kind, id) of the rule or automation that posts it; None: the webhook itself."""
        if len(body) > LARGEST_BODY:
            raise _too_large(body)
        kind = self.dialect.content_type(body, self.settings)
        headers = [("Content-Type", kind), ("User-Agent", conf.USER_AGENT)]
        if self._with_metadata:
            headers += ("webhook-id", message_id), ("webhook-timestamp", str(self.timestamp)), *extra
            if self.secrets:
                signed = signature.sign_standard(message_id, self.timestamp, body, self.secrets)
                headers.append(("webhook-signature", signed))
        headers += self.dialect.sign(body, self.secrets, self.settings, self.https)
        custom, masked = self.custom([name for name, _ in headers])
        shown = headers
        if self._secret_headers:
            shown = [(name, MASK if name.lower() in self._secret_headers else value) for name, value in headers]
        address = self.dialect.address
        who = posted_by or ("webhook", self.webhook_id)
        url = address(self.url, *who, heard_as) if address else self.url
        if self.is_lapp:
            # It is called from here: there is nothing to prove, and nobody to tell how to read it.
            whose = (lapp.WEBHOOK, self.webhook_id), (lapp.ACCOUNT, str(self.account_id))
            told = (("webhook-id", message_id), *whose, *extra)
            return Request(lapp.METHOD, url, told, body), told
        return Request(self.method, url, (*headers, *custom), body), (*shown, *masked)

    def custom(self, names: Iterable[str]) -> tuple[Headers, Headers]:
        """The webhook's own headers, beside those of these names, and the same as history keeps them."""
        ours = tuple(names)
        if ours not in self._last:
            taken = {name.lower() for name in ours}
            custom = tuple(
                (name, value)
                for name, value in self.custom_headers.items()
                if name.lower() not in taken and not header.is_reserved(name)
            )
            self._last[ours] = custom, tuple((name, MASK) for name, _ in custom)
        return self._last[ours]
