"""From a claimed delivery to a signed request. The dialect writes and signs; what every request carries is added here.

The body is rendered once, from the frozen event, and stored before it is sent: every later try reads those bytes.
The timestamp and the signatures are fresh on every try.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from webhooks import conf
from webhooks.models import Body, Event, State, Status, Webhook
from webhooks.outbound import header
from webhooks.outbound.parcel import Claimed, Parcel, Refused
from webhooks.wire import signature
from webhooks.wire.exchange import Request

LARGEST_BODY = 1 << 20
MASK = "••••••"

logger = logging.getLogger(__name__)


def compose(claims: Sequence[Claimed]) -> tuple[list[Parcel], list[Refused]]:
    """Requests for what can be sent, and the reason for what cannot; one delivery's fault stays its own."""
    webhooks = Webhook.objects.in_bulk({claimed.webhook_id for claimed in claims if claimed.webhook_id})
    bodies = {
        pk: bytes(content)
        for pk, content in Body.objects.filter(pk__in={claimed.body_of for claimed in claims}).values_list(
            "pk", "content"
        )
    }
    events = Event.objects.in_bulk({claimed.event_id for claimed in claims})
    now = timezone.now()
    parcels: list[Parcel] = []
    refused: list[Refused] = []
    for claimed in claims:
        webhook = webhooks.get(claimed.webhook_id) if claimed.webhook_id else None
        if webhook is None or webhook.state == State.DISABLED:
            refused.append(Refused(claimed, Status.CANCELLED, ""))
        elif webhook.state == State.PAUSED:
            refused.append(Refused(claimed, Status.HELD, ""))
        else:
            try:
                parcels.append(_parcel(claimed, webhook, events[claimed.event_id], bodies.get(claimed.body_of), now))
            except Exception as error:
                logger.exception("delivery %s cannot be composed", claimed.id)
                refused.append(Refused(claimed, Status.FAILURE, f"cannot be written as {claimed.dialect}: {error}"))
    return parcels, refused


def store(parcels: Iterable[Parcel]) -> None:
    """Keep the bytes of new bodies. A replay of a delivery that was never sent keeps them for both."""
    fresh = {parcel.claimed.body_of: parcel.request.body for parcel in parcels if parcel.fresh}
    Body.objects.bulk_create((Body(pk=pk, content=content) for pk, content in fresh.items()), ignore_conflicts=True)


def _parcel(claimed: Claimed, webhook: Webhook, event: Event, body: bytes | None, now: datetime) -> Parcel:
    request, shown = write(webhook, event, claimed.sent_as, claimed.message_id, now, body)
    return Parcel(claimed, request, shown, webhook.deadline, fresh=body is None)


def write(
    webhook: Webhook, event: Event, heard_as: str, message_id: str, now: datetime, body: bytes | None = None
) -> tuple[Request, tuple[tuple[str, str], ...]]:
    """The signed request of an event, with the body that was stored for it if there is one; see build. ValueError."""
    content = webhook.wire.render(event.frozen, heard_as, _settings(webhook)) if body is None else body
    if len(content) > LARGEST_BODY:
        raise ValueError(f"the body has {len(content)} bytes, at most {LARGEST_BODY} are sent")
    record = f"{event.record}/{event.record_id};version={event.version}"
    extra = (("webhook-record", record), ("webhook-hops", str(event.hops)))
    return build(webhook, content, message_id, now, extra)


def build(
    webhook: Webhook, body: bytes, message_id: str, now: datetime, extra: tuple[tuple[str, str], ...] = ()
) -> tuple[Request, tuple[tuple[str, str], ...]]:
    """The signed request, and its headers as history keeps them: values that are secrets are masked."""
    dialect, secrets, settings = webhook.wire, webhook.secrets(now), _settings(webhook)
    headers = [("Content-Type", dialect.content_type), ("User-Agent", conf.USER_AGENT)]
    if webhook.send_webhook_headers or dialect.webhook_headers == "always":
        timestamp = int(now.timestamp())
        headers += [("webhook-id", message_id), ("webhook-timestamp", str(timestamp)), *extra]
        if secrets:
            headers.append(("webhook-signature", signature.sign_standard(message_id, timestamp, body, secrets)))
    headers += dialect.sign(body, secrets, settings, webhook.url.lower().startswith("https:"))
    ours = {name.lower() for name, _ in headers}
    headers += [
        (name, value)
        for name, value in webhook.custom_headers.items()
        if name.lower() not in ours and not header.is_reserved(name)
    ]
    shown = ours.difference(name.lower() for name in dialect.secret_headers)
    return (
        Request(settings.get("method", dialect.method), webhook.url, tuple(headers), body),
        tuple((name, value if name.lower() in shown else MASK) for name, value in headers),
    )


def _settings(webhook: Webhook) -> dict[str, Any]:
    """The dialect's settings as this webhook has them; a new setting is at its default."""
    return {setting.name: webhook.setting(setting.name) for setting in webhook.wire.settings}
