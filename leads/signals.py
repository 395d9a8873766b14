"""What the CRM tells the rest of the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.dispatch import Signal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused a change. kind: user, api_key, form, inbound, import, rule, automation, lapp or system; id: None where
    there is no row.

    hops: how many rules, Lapps or webhooks led to it, one after the other; 0 where somebody did it by themselves.
    """

    kind: str
    id: int | None
    name: str
    hops: int = 0


SYSTEM = Actor("system", None, "leadcrm")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to one record within one unit of work.

    snapshot: the record as it now is (as it last was, when deleted), by catalogue key, ready for JSON.
    changes: catalogue key -> (before, after), only the keys that differ.
    context: what belongs to this event and not to the record, such as the form that was submitted.
    """

    type: str
    occurred_at: datetime
    account_id: int
    office_id: int | None
    record: str
    record_id: int
    label: str
    version: int
    snapshot: Mapping[str, Any]
    changes: Mapping[str, tuple[Any, Any]]
    actor: Actor
    context: Mapping[str, Any] = field(default_factory=dict)


# Sent at the end of a unit of work that changed something, inside its transaction and before COMMIT: facts=[Fact, ...],
# those of many records at once, and never of a record in two parts.
# A receiver that raises undoes the whole unit. What one has to write after all others it hands to `Unit.last`.
happened = Signal()
