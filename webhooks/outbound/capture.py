"""The first step: what the CRM tells is frozen, to be stored as Events in the transaction of the change."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from leads import statement
from leads.signals import Fact
from webhooks.models.event import worth_storing
from webhooks.outbound.parcel import Captured
from webhooks.wire import event as wire
from webhooks.wire.identifier import ulid

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def capture(facts: Sequence[Fact]) -> list[Captured]:
    """One event for each fact, which outbox.py stores."""
    random = secrets.token_bytes(10 * len(facts))
    uids = [ulid(time.time_ns() // 1_000_000, random[start : start + 10]) for start in range(0, len(random), 10)]
    found = zip(uids, facts, _rows(uids, facts), strict=True)
    return [Captured(uid, fact.account_id, _frozen(fact), values) for uid, fact, values in found]


def _rows(uids: Sequence[str], facts: Sequence[Fact]) -> Iterator[Sequence[Any]]:
    told: Fact | None = None
    moment = statement.moments()
    for uid, fact in zip(uids, facts, strict=True):
        if told is None or fact.snapshot is not told.snapshot:  # the facts of one record share it, and its changes
            told, snapshot, changes = fact, _json(worth_storing(fact.record, fact.snapshot)), _json(fact.changes)
        yield (
            uid,
            fact.account_id,
            fact.type,
            fact.record,
            fact.record_id,
            fact.label[:255],
            fact.snapshot.get("email") or fact.snapshot.get("lead_email") or "",
            fact.version,
            moment(fact.occurred_at),
            snapshot,
            changes,
            _json(fact.context) if fact.context else "{}",
            fact.actor.kind,
            fact.actor.id,
            fact.actor.name[:255],
            fact.actor.hops,
        )


def _frozen(fact: Fact) -> wire.Event:
    """What the dialects read, as Event.frozen tells it of what was stored."""
    return wire.Event(
        type=fact.type,
        occurred_at=fact.occurred_at,
        record=fact.record,
        record_id=fact.record_id,
        version=fact.version,
        data=fact.snapshot,
        changes=fact.changes,
        actor={"kind": fact.actor.kind, "id": fact.actor.id, "name": fact.actor.name},
        hops=fact.actor.hops,
        context=fact.context,
    )
