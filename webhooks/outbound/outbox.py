"""The second step: who hears the events. One Delivery per event and listening webhook, in the same transaction.

The number of statements does not depend on how many events there are or how many webhooks listen.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from leads import statement
from webhooks import conf, sql
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Event, Lane, State, Status, Webhook
from webhooks.outbound.parcel import Captured
from webhooks.outbound.together import is_grouped
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


# Account -> dialect -> name of an event -> who listens to it, in the order of their keys.
Listening = Mapping[int, Mapping[str, Mapping[str, Sequence[Listener]]]]


def fan_out(events: Sequence[Captured], lane: Lane = Lane.LIVE) -> int:
    """Add the deliveries of these events; returns how many were added, held ones included."""
    asked = sql.encode({"id": pk} for pk in {event.account_id for event in events})
    listening = _listening(tuple(statement.run(_select(), [asked])))
    matches = [match for event in events for match in _matches(event, listening.get(event.account_id, {}))]
    if not matches:
        return 0
    # Names and state are read, and kept, in the statement that stores the row: a webhook that was disabled or deleted
    # meanwhile gets none, and whoever pauses or resumes it sees every row that was stored under its old state.
    return statement.count(_insert(), [sql.encode(matches), int(lane)])


# What is asked at every save is usually answered as before, and need not be read again.
@lru_cache(maxsize=64)
def _listening(rows: tuple[tuple[Any, ...], ...]) -> Listening:
    found: dict[int, Listener | None] = {}
    listening: dict[int, dict[str, dict[str, list[Listener]]]] = {}
    for pk, account_id, dialect, names, stored, office_id in rows:
        listener = found[pk] if pk in found else _listener(pk, dialect, names, stored)
        if listener is not None and pk not in found:
            for name in listener.events:
                listening.setdefault(account_id, {}).setdefault(dialect, {}).setdefault(name, []).append(listener)
        if listener is not None and office_id is not None:
            listener.office_ids.add(office_id)
        found[pk] = listener
    return listening


@cache
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


def _matches(event: Captured, listening: Mapping[str, Mapping[str, Sequence[Listener]]]) -> Iterator[dict[str, Any]]:
    for dialect, by_name in listening.items():
        # A system that this release no longer speaks hears nothing; it must not keep anybody from saving a lead.
        name = DIALECTS[dialect].hears(event.frozen) if dialect in DIALECTS else None
        if name is None:
            continue
        webhooks = [listener.id for listener in by_name.get(name, ()) if listener.hears(name, event.frozen)]
        if webhooks:
            match: dict[str, Any] = {
                "uid": event.uid,
                "account_id": event.account_id,
                "record": f"{event.frozen.record}/{event.frozen.record_id}",
                "sent_as": name,
                "webhooks": webhooks,
            }
            if is_grouped(dialect, name):
                # Whatever records are in a body, the bodies leave in their order.
                match |= {"record": name, "gathers": conf.group_window()}
            yield match


@cache
def _insert() -> str:
    told = {
        "uid": "text",
        "account_id": "integer",
        "record": "text",
        "sent_as": "text",
        "webhooks": "integers",
        "gathers": "real",
    }
    status = f"CASE WHEN heard.gathers IS NULL THEN '{Status.QUEUED}' ELSE '{Status.GROUPED}' END"
    later = sql.later("heard.now", "coalesce(heard.gathers, 0) + webhook.execution_delay")
    # INSERT comes first, as Python's sqlite3 counts no rows of a statement that begins with WITH.
    # Materialized, as SQLite would read the JSON anew for each webhook. The event's key is looked up, as for a join
    # PostgreSQL would read a small table of events to its end.
    return f"""
        INSERT INTO {Delivery._meta.db_table} (
            event_id, account_id, webhook_id, webhook_name, dialect, sent_as, message_id, test, lane, created_at,
            order_key, status, due_at, fence, tries, lost, error
        )
        WITH heard AS MATERIALIZED (
            SELECT told.*, {sql.now()} AS now,
                (SELECT event.id FROM {Event._meta.db_table} event WHERE event.uid = told.uid) AS event_id
            FROM {sql.rows(told, alias="told")}
        )
        SELECT heard.event_id, heard.account_id, webhook.id, webhook.name, webhook.dialect, heard.sent_as,
            'msg_' || heard.uid || '_' || webhook.id, {sql.boolean(False)}, %s, heard.now,
            CASE WHEN webhook.keep_order THEN heard.record END,
            CASE webhook.state WHEN '{State.PAUSED}' THEN '{Status.HELD}' ELSE {status} END,
            CASE WHEN heard.gathers IS NULL AND webhook.execution_delay = 0 THEN heard.now ELSE {later} END,
            0, 0, 0, ''
        FROM heard
        CROSS JOIN {sql.each("heard.webhooks", alias="chosen")}
        CROSS JOIN {Webhook._meta.db_table} webhook
        WHERE webhook.id = chosen.value AND webhook.state <> '{State.DISABLED}'
        ORDER BY heard.event_id, webhook.id {sql.lock_keep("webhook")}
    """
