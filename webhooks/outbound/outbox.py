"""The second step: who hears the events. They are stored, whether or not anybody listens, with one Delivery per event
and listening webhook, in the same transaction.

The number of statements does not depend on how many events there are or how many webhooks listen. Who listens is kept
in memory under the account's token, as what it has set up is (leads/setup.py): whatever was committed before the record
was read is heeded.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from leads import setup, statement
from webhooks import conf, sql
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Event, Lane, State, Status, Webhook
from webhooks.models.event import COLUMNS
from webhooks.outbound.parcel import Captured
from webhooks.outbound.together import is_grouped
from webhooks.wire import filter as contents
from webhooks.wire.event import Event as Frozen

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """What decides whether a webhook hears an event."""

    id: int
    dialect: str
    events: frozenset[str]
    conditions: tuple[contents.Condition, ...] = ()
    # Empty: every office of the account.
    office_ids: Collection[int] = ()

    def hears(self, name: str, event: Frozen) -> bool:
        return (
            name in self.events
            and (not self.office_ids or event.data.get("office_id") in self.office_ids)
            and contents.unmet(self.conditions, event) is None
        )


# Dialect -> name of an event -> who listens to it, in the order of their keys.
Listening = Mapping[str, Mapping[str, Sequence[Listener]]]


def fan_out(events: Sequence[Captured], lane: Lane = Lane.LIVE, *, commit: bool = False) -> int:
    """Store the events and their deliveries; returns how many of these were added, held ones included.

    commit: nothing comes after that but COMMIT.
    """
    listening = {account_id: _listening(account_id) for account_id in {event.account_id for event in events}}
    matches = [match for event in events for match in _matches(event, listening[event.account_id])]
    if not matches:
        _store(events, commit)
        return 0
    # Names and state are read, and kept, in the statement that stores the row: a webhook that was disabled, deleted or
    # given to another account meanwhile gets none, and whoever pauses or resumes it sees every row that was stored
    # under its old state.
    if sql.is_postgresql() and max(len(events), len(matches)) <= statement.FEW:
        # One way to the database and back.
        values = [value for event in events for value in event.values]
        told = [match.get(name) for match in matches for name in _TOLD]
        text = _store_and_insert(len(events), len(matches))
        return statement.count(text, [*values, *told, int(lane)], commit=commit)
    _store(events)
    return statement.count(_insert(), [sql.encode(matches), int(lane)], commit=commit)


def _store(events: Sequence[Captured], commit: bool = False) -> None:
    statement.insert(Event._meta.db_table, COLUMNS, [event.values for event in events], commit=commit)


@cache
def _store_and_insert(events: int, matches: int) -> str:
    stored = statement.insertion(Event._meta.db_table, COLUMNS, events)
    return f"WITH stored AS ({stored} RETURNING id, uid) {_insert('stored', matches)}"


@setup.kept
def _listening(account_id: int, using: str) -> Listening:
    listening: dict[str, dict[str, list[Listener]]] = {}
    webhooks = Webhook.objects.using(using).filter(account_id=account_id).exclude(state=State.DISABLED)
    for webhook in webhooks.only("dialect", "events", "filters").prefetch_related("offices").order_by("pk"):
        if (listener := _listener(webhook)) is not None:
            for name in listener.events:
                listening.setdefault(webhook.dialect, {}).setdefault(name, []).append(listener)
    return listening


def _listener(webhook: Webhook) -> Listener | None:
    """None where the filters cannot be read: hearing everything then would tell a receiver what is not for it."""
    try:
        conditions = webhook.conditions
    except ValueError as error:
        logger.error("webhook %s hears nothing until its filters are set anew: %s", webhook.pk, error)
        return None
    offices = frozenset(office.pk for office in webhook.offices.all())
    return Listener(webhook.pk, webhook.dialect, frozenset(webhook.events), conditions, offices)


def _matches(event: Captured, listening: Listening) -> Iterator[dict[str, Any]]:
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
                "webhooks": sql.integers(webhooks),
            }
            if is_grouped(dialect, name):
                # Whatever records are in a body, the bodies leave in their order.
                match |= {"record": name, "gathers": conf.group_window()}
            yield match


# Of a match, with the types that sql.py knows.
_TOLD = {
    "uid": "text",
    "account_id": "integer",
    "record": "text",
    "sent_as": "text",
    "webhooks": "integers",
    "gathers": "real",
}


@cache
def _insert(events: str = Event._meta.db_table, few: int = 0) -> str:
    """few: so many matches, the values of each a parameter; else any number of them as JSON."""
    status = f"CASE WHEN heard.gathers IS NULL THEN '{Status.QUEUED}' ELSE '{Status.GROUPED}' END"
    later = sql.later("heard.now", "coalesce(heard.gathers, 0) + webhook.execution_delay")
    # INSERT comes first, as Python's sqlite3 counts no rows of a statement that begins with WITH.
    # Materialized, as SQLite would read the JSON anew for each webhook; of a few that takes longer than the rest. The
    # event's key is looked up, as for a join PostgreSQL would read a small table of events to its end.
    return f"""
        INSERT INTO {Delivery._meta.db_table} (
            event_id, account_id, webhook_id, webhook_name, dialect, sent_as, message_id, test, lane, created_at,
            order_key, status, due_at, fence, tries, lost, error
        )
        WITH heard AS {"" if few else "MATERIALIZED"} (
            SELECT told.*, {sql.now()} AS now,
                (SELECT event.id FROM {events} event WHERE event.uid = told.uid) AS event_id
            FROM {sql.listed(_TOLD, few, "told") if few else sql.rows(_TOLD, "told")}
        )
        SELECT heard.event_id, heard.account_id, webhook.id, webhook.name, webhook.dialect, heard.sent_as,
            'msg_' || heard.uid || '_' || webhook.id, {sql.boolean(False)}, %s, heard.now,
            CASE WHEN webhook.keep_order THEN heard.record END,
            CASE webhook.state WHEN '{State.PAUSED}' THEN '{Status.HELD}' ELSE {status} END,
            CASE WHEN heard.gathers IS NULL AND webhook.execution_delay = 0 THEN heard.now ELSE {later} END,
            0, 0, 0, ''
        FROM heard {sql.join_by_keys(Webhook._meta.db_table, "webhook", "heard.webhooks")}
        WHERE webhook.account_id = heard.account_id AND webhook.state <> '{State.DISABLED}'
        ORDER BY heard.event_id, webhook.id {sql.lock_keep("webhook")}
    """
