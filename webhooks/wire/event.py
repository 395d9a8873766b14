"""One frozen fact about a record, as the transaction that made it true left it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, to which record, and the whole record as it was then.

    `data` is JSON-able and uses our own key names; an unset field is None. `changes` maps a key to [before, after].
    """

    type: str
    """Dotted: "lead.updated"."""
    occurred_at: datetime
    """Aware, UTC."""
    record: str
    """The noun in front of the dot of most types: "lead"."""
    record_id: int
    version: int
    """The record's version number, one step per unit of work."""
    data: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    actor: Mapping[str, Any] = field(default_factory=dict)
    """Who did it: {"kind": "user", "id": 3, "name": "Dana Moss"}."""
    hops: int = 0
    """How many rules or webhooks led to this event, one after the other."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What belongs to the event and not to the record: of form.submitted, {"form": {"id", "name", "fields"}}."""
