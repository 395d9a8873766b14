"""Whether what a rule does would start the same rule again, by itself.

The check is sound and simple. It asks which events the actions of one group of steps bring about (together they are one
unit of work), and if the rule's own is among them, whether one of its conditions cannot hold of that event: because the
actions leave the field with a value that the condition refuses, or because it asks for a change of a field that they
leave alone. Where that is not certain, the rule is refused. Two rules that start each other are beyond it: they are
stopped after three hops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from webhooks.automation import template
from webhooks.automation.actions import ACTIONS, Step
from webhooks.wire.event import Event
from webhooks.wire.filter import Condition, holds

# Fields that change together: what is set of one may change the others (Lead.derived).
_PLACE = frozenset({"pipeline_id", "pipeline_stage_id", "stage", "pipeline", "stage_name", "stage_outcome"})
_FAMILIES: tuple[frozenset[str], ...] = (
    _PLACE,
    frozenset({"owner_id", "owner", "owner_name"}),
    frozenset({"first_name", "last_name", "full_name"}),
    frozenset({"phone", "callable"}),
    frozenset({"office_id", "office_name"}),
    *(frozenset({key, f"{key}_history"}) for key in ("lead_status", "life_cycle", "sentiment")),
)
_EVENT_OF = {
    "owner_id": "lead.assigned",
    "pipeline_stage_id": "lead.stage_changed",
    "lead_status": "lead.status_changed",
    "score": "lead.score_changed",
}
# Their members beside the one that was added are not known.
_LABELS = {"add_tag": "tags", "add_to_list": "lists"}


@dataclass(slots=True)
class _Effect:
    """What is known of a record after a group of steps. values: of fields that are certain; given: of those that are
    certainly not empty; members: added to labels; touched: what may have changed."""

    events: set[str] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    members: dict[str, set[Any]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)


def fault(event: str, conditions: Sequence[Condition], groups: Sequence[Sequence[Step]]) -> str | None:
    """A sentence where a group of steps would start the rule again; None where it certainly would not."""
    for group in groups:
        for effect, step in _effects(group):
            if event in effect.events and not any(_refuses(condition, effect) for condition in conditions):
                label = ACTIONS[step["do"]].label
                return (
                    f"It would start itself again: “{label}” brings about {event}. Listen to another event, or add a "
                    "condition that no longer holds afterwards."
                )
    return None


def _effects(group: Sequence[Step]) -> Iterator[tuple[_Effect, Step]]:
    """On the lead, by all steps together; and on each record that a step makes."""
    lead = _Effect()
    last: Step | None = None
    for step in group:
        if step["do"] == "create_task":
            yield _of_task(step), step
        elif ACTIONS[step["do"]].on_lead:
            last = step
            _change(lead, step)
    if last is not None:
        lead.events = {"lead.updated", "lead.field_changed"}
        lead.events |= {type_ for key, type_ in _EVENT_OF.items() if key in lead.touched}
        yield lead, last


def _change(effect: _Effect, step: Step) -> None:
    match step["do"]:
        case "set_field":
            _touch(effect, step["field"])
            effect.values[step["field"]] = step.get("value")
        case "assign":
            _touch(effect, "owner_id")
            effect.values["owner_id"] = step["person"]
            effect.given |= {"owner_name"}
        case "assign_in_turn" | "assign_least_loaded":
            _touch(effect, "owner_id")
            effect.given |= {"owner_id", "owner_name"}
        case "add_tag" | "add_to_list" as do:
            key = _LABELS[do]
            effect.touched.add(key)
            effect.members.setdefault(key, set()).add(step["tag" if key == "tags" else "list"])


def _touch(effect: _Effect, key: str) -> None:
    family = next((family for family in _FAMILIES if key in family), frozenset({key}))
    effect.touched |= family
    # What an earlier step made certain of these is so no more.
    for each in family:
        effect.values.pop(each, None)
        effect.given.discard(each)


def _of_task(step: Step) -> _Effect:
    name = step["name"]
    known = {} if any(template.names(name)) else {"name": name}
    return _Effect(events={"task.created"}, values={"status": "open", "category": None, **known})


def _refuses(condition: Condition, effect: _Effect) -> bool:
    """Whether the condition certainly does not hold of the event that follows."""
    key, op = condition.field, condition.op
    if op.startswith("changed"):
        # Where a record begins, nothing counts as changed.
        if key not in effect.touched:
            return True
        known = op == "changed_from_to" and condition.value is not None and key in effect.values
        return known and not _holds(Condition(key, "is", condition.value), effect.values)
    if key in effect.values:
        return not _holds(condition, effect.values)
    if key in effect.members:
        return op == "empty" or (op == "is_not" and condition.value in effect.members[key])
    return op == "empty" and key in effect.given


def _holds(condition: Condition, values: Mapping[str, Any]) -> bool:
    return holds(condition, Event("", datetime.now(UTC), "", 0, 2, values))
