"""The first step: what the CRM tells becomes frozen Events, in the transaction of the change."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

from leads.signals import Fact
from webhooks import sql
from webhooks.models import Event
from webhooks.wire.identifier import ulid


def capture(facts: Sequence[Fact]) -> list[Event]:
    """Store one Event per fact. What is returned has a uid, but no key of its own yet."""
    events = [_event(fact) for fact in facts]
    sql.insert(Event, _COLUMNS, [_row(event) for event in events])
    return events


_COLUMNS = {
    "uid": "text",
    "account_id": "integer",
    "type": "text",
    "record": "text",
    "record_id": "integer",
    "label": "text",
    "email": "text",
    "version": "integer",
    "occurred_at": "instant",
    "snapshot": "text",
    "changes": "text",
    "context": "text",
    "actor_kind": "text",
    "actor_id": "integer",
    "actor_name": "text",
    "hops": "integer",
}


def _row(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _COLUMNS} | {"occurred_at": sql.instant(event.occurred_at)}


def _event(fact: Fact) -> Event:
    event = Event(
        uid=ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10)),
        account_id=fact.account_id,
        type=fact.type,
        record=fact.record,
        record_id=fact.record_id,
        label=fact.label[:255],
        email=fact.snapshot.get("email") or "",
        version=fact.version,
        occurred_at=fact.occurred_at,
        snapshot=_json(fact.snapshot),
        changes=_json(fact.changes),
        context=_json(fact.context),
        actor_kind=fact.actor.kind,
        actor_id=fact.actor.id,
        actor_name=fact.actor.name[:255],
    )
    # The next step reads it at once: it need not be parsed again.
    event.frozen = event.as_wire(fact.snapshot, fact.changes, fact.context)
    return event


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
