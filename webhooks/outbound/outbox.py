"""The second step: who hears the events. One Delivery per event and listening webhook, in the same transaction.

The number of statements does not depend on how many events there are or how many webhooks listen.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from webhooks import sql
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Event, Lane, State, Status, Webhook
from webhooks.wire import filter as contents
from webhooks.wire.event import Event as Frozen

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Listener:
    """What decides whether a webhook hears an event."""

    id: int
    dialect: str
    events: frozenset[str]
    conditions: tuple[contents.Condition, ...] = ()
    # Empty: every office of the account.
    office_ids: set[int] = field(default_factory=set)

    def hears(self, name: str, event: Frozen) -> bool:
        return (
            name in self.events
            and (not self.office_ids or event.data.get("office_id") in self.office_ids)
            and contents.unmet(self.conditions, event) is None
        )


def fan_out(events: Sequence[Event], lane: Lane = Lane.LIVE) -> int:
    """Add the deliveries of these events; returns how many were added, held ones included."""
    listeners = _listeners({event.account_id for event in events})
    matches = [
        {"uid": event.uid, "webhook_id": listener.id, "sent_as": name}
        for event in events
        for listener, name in _matches(event, listeners.get(event.account_id, ()))
    ]
    if not matches:
        return 0
    # Names and state are read, and kept, in the statement that stores the row: a webhook that was disabled or deleted
    # meanwhile gets none, and whoever pauses or resumes it sees every row that was stored under its old state.
    return len(sql.run(_insert(), int(lane), sql.encode(matches)))


def _listeners(account_ids: Iterable[int]) -> dict[int, list[Listener]]:
    """The webhooks of these accounts that are not disabled, by account."""
    found: dict[int, Listener | None] = {}
    by_account: dict[int, list[Listener]] = {}
    asked = sql.encode({"id": pk} for pk in account_ids)
    for pk, account_id, dialect, names, stored, office_id in sql.run(_select(), asked):
        if pk not in found:
            found[pk] = listener = _listener(pk, dialect, names, stored)
            if listener is not None:
                by_account.setdefault(account_id, []).append(listener)
        listener = found[pk]
        if listener is not None and office_id is not None:
            listener.office_ids.add(office_id)
    return by_account


def _select() -> str:
    """Every save asks this: as a queryset, Django would take longer to write it than the database to answer."""
    return f"""
        SELECT webhook.id, webhook.account_id, webhook.dialect, webhook.events, webhook.filters, chosen.office_id
        FROM {Webhook._meta.db_table} webhook
        LEFT JOIN {Webhook.offices.through._meta.db_table} chosen ON chosen.webhook_id = webhook.id
        WHERE webhook.state <> '{State.DISABLED}'
        AND webhook.account_id IN (SELECT id FROM {sql.rows({"id": "integer"})})
        ORDER BY webhook.id
    """


def _listener(pk: int, dialect: str, names: str, stored: str) -> Listener | None:
    """None where the filters cannot be read: hearing everything then would tell a receiver what is not for it."""
    try:
        return Listener(pk, dialect, frozenset(json.loads(names)), contents.read(json.loads(stored)))
    except ValueError as error:
        logger.error("webhook %s hears nothing until its filters are set anew: %s", pk, error)
        return None


def _matches(event: Event, listeners: Iterable[Listener]) -> Iterator[tuple[Listener, str]]:
    heard_as: dict[str, str | None] = {}
    for listener in listeners:
        if listener.dialect not in heard_as:
            # A system that this release no longer speaks hears nothing; it must not keep anybody from saving a lead.
            dialect = DIALECTS.get(listener.dialect)
            heard_as[listener.dialect] = dialect.hears(event.frozen) if dialect else None
        name = heard_as[listener.dialect]
        if name is not None and listener.hears(name, event.frozen):
            yield listener, name


def _insert() -> str:
    matched = sql.rows({"uid": "text", "webhook_id": "integer", "sent_as": "text"}, alias="matched")
    return f"""
        INSERT INTO {Delivery._meta.db_table} (
            event_id, account_id, webhook_id, webhook_name, dialect, sent_as, message_id, test, lane, created_at,
            order_key, status, due_at, fence, tries, lost, error
        )
        SELECT event.id, event.account_id, webhook.id, webhook.name, webhook.dialect, matched.sent_as,
            'msg_' || event.uid || '_' || webhook.id, {sql.boolean(False)}, %s, {sql.now()},
            CASE WHEN webhook.keep_order THEN event.record || '/' || event.record_id END,
            CASE webhook.state WHEN '{State.PAUSED}' THEN '{Status.HELD}' ELSE '{Status.QUEUED}' END, {sql.now()},
            0, 0, 0, ''
        FROM {matched}
        JOIN {Event._meta.db_table} event ON event.uid = matched.uid
        JOIN {Webhook._meta.db_table} webhook ON webhook.id = matched.webhook_id
        WHERE webhook.state <> '{State.DISABLED}'
        ORDER BY event.id, webhook.id {sql.lock_keep("webhook")}
        RETURNING id
    """
