"""What a system hears of: why not of a lead as it is now, and whether of a kind of event at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from leads.fields import FIELDS
from webhooks.wire.dialect import Dialect
from webhooks.wire.event import Event


def missing(dialect: Dialect, lead_id: int, values: Mapping[str, Any], now: datetime) -> str | None:
    """The key of the unset field for want of which the system never hears of this lead; None where that is not why.

    The dialect alone decides who hears what: it is asked about the lead as it is, and with the field set.
    """

    def heard(data: Mapping[str, Any]) -> bool:
        return dialect.hears(Event("lead.updated", now, "lead", lead_id, 1, data, {}, {})) is not None

    if heard(values):
        return None
    for field in FIELDS:
        if field.choices and values.get(field.key) is None and heard({**values, field.key: field.choices[0][0]}):
            return field.key
    return None


def able(dialect: Dialect, type_: str) -> bool:
    """Whether there is any event of this type that the system would hear of."""
    data = {field.key: field.choices[0][0] if field.choices else None for field in FIELDS} | {"owner_id": 1}
    record = type_.partition(".")[0]
    # A record's first event may be none of the system's, and only its first may be one.
    events = (Event(type_, datetime.now(UTC), record, 1, version, data) for version in (1, 2))
    return any(dialect.hears(event) is not None for event in events)
