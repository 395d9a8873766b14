"""Which rules name a record of the account: it cannot be deleted before they are changed, as with webhooks' filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhooks.automation.actions import Step
from webhooks.models import Automation
from webhooks.wire.filter import Condition


def by(account_id: int, key: str, value: Any = None) -> list[str]:
    """Names of the account's rules whose conditions or steps name this field of a lead, or `webhook`; with a value,
    those that name it for that."""
    found = []
    for rule in Automation.objects.filter(account_id=account_id).order_by("name", "pk"):
        try:
            named = [*_of_conditions(rule.read_conditions), *_of_steps(rule.steps)]
        except ValueError:
            continue
        if any(field == key and (value is None or each == value) for field, each in named):
            found.append(rule.name)
    return found


def _of_conditions(conditions: tuple[Condition, ...]) -> Iterator[tuple[str, Any]]:
    for condition in conditions:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value, condition.before)
        yield from ((condition.field, value) for value in values)


def _of_steps(steps: list[Step]) -> Iterator[tuple[str, Any]]:
    """A tag is not among them: it comes into being by being used."""
    for step in steps:
        match step:
            case {"do": "set_field", "field": field}:
                yield field, step.get("value")
            case {"do": "add_to_list", "list": pk}:
                yield "lists", pk
            case {"office": pk}:
                yield "office_id", pk
            case {"do": "post_to_webhook", "webhook": pk}:
                yield "webhook", pk
