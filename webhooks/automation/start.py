"""At commit: each rule that listens to an event gets a run of it, in the transaction of the change.

One statement, however many rules listen; none where the account has no rule for what happened. Which events an
account's rules listen to is kept in memory under the account's token, as what it has set up is (leads/setup.py).
Conditions are asked, and actions done, by the worker (running.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from leads import setup, statement
from webhooks import queue, sql
from webhooks.models import Automation, Event, Run, RunState
from webhooks.outbound.parcel import Captured

JOB = "webhooks.run_automations"


def heard(events: Sequence[Captured]) -> list[Captured]:
    """Those of the events that rules listen to."""
    listening = {account_id: _listening(account_id) for account_id in {event.account_id for event in events}}
    return [event for event in events if event.frozen.type in listening[event.account_id] and not _comes_back(event)]


def start(events: Sequence[Captured]) -> int:
    """Add the runs of these events, which are stored; returns how many were added."""
    told = [
        {
            "uid": event.uid,
            "account_id": event.account_id,
            "type": event.frozen.type,
            "record": f"{event.frozen.record}/{event.frozen.record_id}",
            "lead_id": event.frozen.record_id if event.frozen.record == "lead" else event.frozen.data.get("lead_id"),
        }
        for event in events
    ]
    if not told:
        return 0
    added = statement.count(_insert(), [sql.encode(told)])
    if added:
        queue.nudge_job(JOB)
    return added


def _comes_back(event: Captured) -> bool:
    """A lead that a merge had made a part of another one is told as created when that is undone: it was greeted, and
    given its first task, when it was new."""
    return event.frozen.type == "lead.created" and "merge" in event.frozen.context


@setup.kept
def _listening(account_id: int, using: str) -> frozenset[str]:
    active = Automation.objects.using(using).filter(account_id=account_id, is_active=True)
    return frozenset(active.order_by().values_list("event", flat=True))


@cache
def _insert() -> str:
    told = {"uid": "text", "account_id": "integer", "type": "text", "record": "text", "lead_id": "integer"}
    # As in outbox.py: INSERT comes first for sqlite3's count, and the event's key is looked up. Names are read in the
    # statement that stores the row, and a rule that was switched off or deleted meanwhile gets none.
    return f"""
        INSERT INTO {Run._meta.db_table} (
            automation_id, kind, name, account_id, event_id, record, lead_id, state, step, steps, due_at, log, reason,
            created_at
        )
        WITH happened AS MATERIALIZED (
            SELECT told.*, {sql.now()} AS now,
                (SELECT event.id FROM {Event._meta.db_table} event WHERE event.uid = told.uid) AS event_id
            FROM {sql.rows(told, alias="told")}
        )
        SELECT automation.id, automation.kind, automation.name, happened.account_id, happened.event_id,
            happened.record, happened.lead_id, '{RunState.NEW}', 0, '[]', happened.now, '[]', '', happened.now
        FROM happened
        JOIN {Automation._meta.db_table} automation
            ON automation.account_id = happened.account_id AND automation.event = happened.type
        WHERE automation.is_active
        ORDER BY happened.event_id, automation.id
    """
