"""Content filters: what a record must hold for a webhook to hear its events. All conditions must hold.

A condition is stored as {"field": key, "op": operator, "value": ..., "before": ...}; keys that its operator does not
need are left out. Values are JSON scalars and compared by type: numbers as numbers, date-times in time order whatever
their fraction of a second, text exactly, or in any case for `contains`. A field that holds several (tags, lists) is
asked for its members, which count by their id where they have one.

A field that the record does not have meets no condition, not even `is_not` or `empty`: when a field is gone, a webhook
must not hear more than it was meant to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webhooks.wire.event import Event

OPERATORS = (
    "is",
    "is_not",
    "one_of",
    "contains",
    "greater",
    "less",
    "empty",
    "not_empty",
    "changed",
    "changed_from_to",
)

CUSTOM = "custom_fields"
"""The key of the record's own fields: "custom_fields.region" is the one named region."""

FORM = "form"
"""The key of the form by whose submission an event came about, asked for by its id. Of other events there is none."""

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Condition:
    """value: a tuple for one_of, the value afterwards for changed_from_to. None there, and in before, is any value."""

    field: str
    op: str
    value: Any = None
    before: Any = None

    def as_json(self) -> dict[str, Any]:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        known = {"field": self.field, "op": self.op, "value": value, "before": self.before}
        return {key: part for key, part in known.items() if part is not None}


def read(stored: Any) -> tuple[Condition, ...]:
    """The conditions of a stored list. ValueError for anything that no list of conditions looks like."""
    if not isinstance(stored, list):
        raise ValueError("filters are no list")
    return tuple(map(_read, stored))


def unmet(conditions: Iterable[Condition], event: Event) -> Condition | None:
    """The first condition that does not hold of the event; None when the event may be heard."""
    return next((condition for condition in conditions if not holds(condition, event)), None)


def holds(condition: Condition, event: Event) -> bool:
    there, value = _form(event) if condition.field == FORM else _look(event.data, condition.field)
    return there and _CHECKS[condition.op](condition, value, event)


def _read(stored: Any) -> Condition:
    if not isinstance(stored, dict) or not stored.keys() <= {"field", "op", "value", "before"}:
        raise ValueError("a filter has field, op, value and before, and nothing else")
    field, op, value, before = (stored.get(key) for key in ("field", "op", "value", "before"))
    if not isinstance(field, str) or not field:
        raise ValueError("a filter names no field")
    if op not in OPERATORS:
        raise ValueError(f"{op!r} is no operator")
    if op == "one_of":
        fits = isinstance(value, list) and value and all(isinstance(item, Scalar) for item in value)
    elif op in ("empty", "not_empty", "changed"):
        fits = value is None
    elif op == "changed_from_to":
        given = [part for part in (value, before) if part is not None]
        fits = bool(given) and all(isinstance(part, Scalar) for part in given)
    else:
        fits = isinstance(value, str if op == "contains" else Scalar)
    if not fits or (before is not None and op != "changed_from_to"):
        raise ValueError(f"the filter on {field} has no value that fits {op}")
    return Condition(field, op, tuple(value) if isinstance(value, list) else value, before)


def _form(event: Event) -> tuple[bool, Any]:
    form = event.context.get("form")
    return (True, form.get("id")) if isinstance(form, Mapping) else (False, None)


def _look(data: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    """Whether the record has this field, and what it holds."""
    if key in data:
        return True, data[key]
    parent, dot, child = key.partition(".")
    own = data.get(CUSTOM) if dot and parent == CUSTOM else None
    return (True, own[child]) if isinstance(own, Mapping) and child in own else (False, None)


def _is(condition: Condition, value: Any, event: Event) -> bool:
    return _any(value, (condition.value,))


def _is_not(condition: Condition, value: Any, event: Event) -> bool:
    return not _any(value, (condition.value,))


def _one_of(condition: Condition, value: Any, event: Event) -> bool:
    return _any(value, condition.value)


def _contains(condition: Condition, value: Any, event: Event) -> bool:
    wanted = condition.value.casefold()
    return any(wanted in text.casefold() for text in _texts(value))


def _greater(condition: Condition, value: Any, event: Event) -> bool:
    pair = _comparable(value, condition.value)
    return pair is not None and pair[0] > pair[1]


def _less(condition: Condition, value: Any, event: Event) -> bool:
    pair = _comparable(value, condition.value)
    return pair is not None and pair[0] < pair[1]


def _empty(condition: Condition, value: Any, event: Event) -> bool:
    return value is None or (isinstance(value, str | list | Mapping) and not value)


def _not_empty(condition: Condition, value: Any, event: Event) -> bool:
    return not _empty(condition, value, event)


def _changed(condition: Condition, value: Any, event: Event) -> bool:
    return _change(event, condition.field) is not None


def _changed_from_to(condition: Condition, value: Any, event: Event) -> bool:
    change = _change(event, condition.field)
    return change is not None and all(
        wanted is None or _same(held, wanted)
        for held, wanted in zip(change, (condition.before, condition.value), strict=True)
    )


_CHECKS: Mapping[str, Callable[[Condition, Any, Event], bool]] = {
    "is": _is,
    "is_not": _is_not,
    "one_of": _one_of,
    "contains": _contains,
    "greater": _greater,
    "less": _less,
    "empty": _empty,
    "not_empty": _not_empty,
    "changed": _changed,
    "changed_from_to": _changed_from_to,
}


def _change(event: Event, key: str) -> tuple[Any, Any] | None:
    """(before, after) of a field that this event changed. Where the record began, nothing has changed yet."""
    if event.version == 1:
        return None
    there, pair = _look(event.changes, key)
    if not there:
        parent, _, child = key.partition(".")
        if parent != CUSTOM or CUSTOM not in event.changes:
            return None
        pair = [(own or {}).get(child) for own in event.changes[CUSTOM]]
    before, after = pair
    return None if before == after else (before, after)


def _any(value: Any, wanted: Sequence[Any]) -> bool:
    members = _members(value) if isinstance(value, list) else (value,)
    return any(_same(member, one) for member in members for one in wanted)


def _members(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield value.get("id") if isinstance(value, Mapping) else value


def _texts(value: Any) -> Iterator[str]:
    """All text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        # A list or campaign is its name; of other objects the keys are text as well.
        label = value.keys() == {"id", "name"}
        yield from _texts([value["name"]] if label else [*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if value == wanted:
        return True
    if not isinstance(value, str) or not _TIMED.fullmatch(value):
        return False
    moment = _moment(value)
    return moment is not None and moment == _moment(wanted)


def _comparable(value: Any, wanted: Any) -> tuple[Any, Any] | None:
    """Both as what can be put in an order; None where they cannot."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return None
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return value, wanted
    moments = _moment(value), _moment(wanted)
    return None if None in moments else moments


_DAY = r"\d{4}-\d\d-\d\d"
_TIMED = re.compile(_DAY + r"[T ].+")
_DATED = re.compile(_DAY + r"([T ].+)?")


def _moment(value: Any) -> datetime | None:
    """A date or date-time in time; without a zone, in UTC."""
    if not isinstance(value, str) or not _DATED.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
