"""The request that a webhook would send, made of a form that is not saved: nothing is stored and nothing is sent."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from leads.admin.display import ago
from webhooks.admin.exchange import Sent, request
from webhooks.models import Event, Kind, Webhook
from webhooks.outbound import compose, rotation
from webhooks.outbound.outbox import Listener
from webhooks.wire.identifier import ulid

# How far back an event that fits is looked for: among the newest of the account, which are among the newest of all.
_OF_ACCOUNT = 500
_OF_ALL = 10_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preview:
    """sent: None when it cannot be written; then fault says why. about: what it is of; signed: by which secret."""

    sent: Sent | None
    about: SafeString | str
    signed: str
    fault: str = ""


def preview(webhook: Webhook, office_ids: Collection[int], *, typed: bool, leads: bool) -> Preview:
    """Of a webhook as its form would store it.

    office_ids: the offices chosen; typed: the secret was typed in the form; leads: whether stored events may be shown,
    else it is the system's sample.
    """
    found = _newest(webhook, set(office_ids)) if leads else None
    now = datetime.now(UTC)
    if found is None:
        about: SafeString | str = (
            f"No stored event would be heard: this is {webhook.wire.label}'s own sample, as Send Test sends it."
            if leads
            else f"You may not view payloads: this is {webhook.wire.label}'s own sample."
        )
    else:
        about = format_html("The newest event that it would hear: {} of {}, {}.", *_named(*found))
        if found[1] in webhook.wire.grouped:
            about = format_html("{} All of one minute are sent together; here it is alone.", about)
    try:
        signed = _signed(webhook, now, typed)
        if found is None:
            body, heard_as = compose.sample(webhook)
            made, shown = compose.build(webhook, body, _message_id(webhook), now, heard_as=heard_as)
        else:
            event, heard_as = found
            message_id = f"msg_{event.uid}_{webhook.pk or 'new'}"
            made, shown = compose.write(webhook, event, heard_as, message_id, now)
    except ValueError as error:
        return Preview(None, about, "", f"{error}.")
    except Exception as error:
        # A snapshot of an earlier release may lack what the format needs: said here, as a delivery of it would fail.
        logger.exception("a preview of webhook %s cannot be composed", webhook.pk)
        return Preview(None, about, "", f"It cannot be written as {webhook.wire.label}: {error!r}.")
    return Preview(request(made.method, made.url, list(shown), made.body), about, signed)


def _newest(webhook: Webhook, office_ids: set[int]) -> tuple[Event, str] | None:
    """The newest stored event that the webhook would hear, and the name under which it does."""
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    events = Event.objects.filter(account_id=webhook.account_id, pk__gt=newest - _OF_ALL).order_by("-pk")
    listener = Listener(0, webhook.dialect, frozenset(webhook.events), webhook.conditions, office_ids)
    for event in events[:_OF_ACCOUNT].iterator(chunk_size=50):
        name = webhook.wire.hears(event.frozen)
        if name is not None and listener.hears(name, event.frozen):
            return event, name
    return None


def _named(event: Event, heard_as: str) -> tuple[str, str, SafeString]:
    return heard_as, event.label, ago(event.occurred_at)


def _message_id(webhook: Webhook) -> str:
    return f"msg_{ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))}_{webhook.pk or 'new'}"


def _signed(webhook: Webhook, now: datetime, typed: bool) -> str:
    if webhook.kind == Kind.LAPP:
        return "It does not leave this installation, and is not signed."
    in_force = webhook.secrets(now)
    if not in_force:
        return "It is not signed: the webhook has no secret."
    if webhook.pk is not None:
        return f"It is signed with {' and '.join(map(rotation.tail, in_force))}, the secret in use."
    if typed:
        return "It is signed with the secret that you typed."
    return "It is signed with a throwaway secret: the webhook's own is made when you save it."
