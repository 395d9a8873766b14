"""Conditions as the API takes them: of webhooks, and of rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from leads.api.errors import Fault, shown
from webhooks import rules
from webhooks.outbound import filter_fields
from webhooks.outbound.filter_fields import FilterField
from webhooks.wire.filter import read


def read_filters(
    key: str, sent: Any, known: Callable[[], Mapping[str, FilterField]]
) -> tuple[list[dict[str, Any]], list[Fault]]:
    """What was sent under this key as it is stored, null being none, and what is wrong with it.

    known: the fields that there are; asked only where there is a condition.
    """
    try:
        conditions = read(sent if sent is not None else [])
    except ValueError as error:
        return [], [Fault(key, "filter", f"cannot be read: {shown(str(error))}")]
    if len(conditions) > rules.MOST_FILTERS:
        return [], [Fault(key, "length", f"may be at most {rules.MOST_FILTERS}")]
    fields = known() if conditions else {}
    stored, faults = [], []
    for number, condition in enumerate(conditions):
        try:
            stored.append(filter_fields.check(fields, condition).as_json())
        except filter_fields.Misfit as misfit:
            faults.append(refused(f"{key}.{number}", "filter", str(misfit)))
    return stored, faults


def refused(field: str, rule: str, sentence: str) -> Fault:
    return Fault(field, rule, f"is refused: {shown(sentence, longest=500)}")
