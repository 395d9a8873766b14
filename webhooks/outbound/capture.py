"""The first step: what the CRM tells becomes frozen Events, in the transaction of the change."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

from leads.signals import Fact
from webhooks.models import Event
from webhooks.wire.identifier import ulid


def capture(facts: Sequence[Fact]) -> list[Event]:
    """Store one Event per fact, in one statement for as many as a statement takes."""
    return Event.objects.bulk_create([_event(fact) for fact in facts])


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
