"""Whether a rule would start itself again: refused unless a condition certainly no longer holds."""

from __future__ import annotations

from typing import Any

import pytest

from webhooks.automation import loops
from webhooks.automation.steps import together
from webhooks.wire.filter import read

TAG, LIST = {"do": "add_tag", "tag": "hot"}, {"do": "add_to_list", "list": 3}
ASSIGN, TURN = {"do": "assign", "person": 7}, {"do": "assign_in_turn", "office": 1}
TASK = {"do": "create_task", "name": "Call", "days": 1}


def sets(key: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"do": "set_field", "field": key, "value": value, **more}


def condition(field: str, op: str, value: Any = None, before: Any = None) -> dict[str, Any]:
    known = {"field": field, "op": op, "value": value, "before": before}
    return {key: part for key, part in known.items() if part is not None}


def refused(event: str, conditions: list[dict[str, Any]], *steps: dict[str, Any]) -> bool:
    return loops.fault(event, read(conditions), list(together(steps))) is not None


@pytest.mark.parametrize(
    ("event", "steps"),
    [
        ("lead.created", [sets("score", 1), TAG, ASSIGN, TASK]),
        ("form.submitted", [sets("score", 1)]),
        ("lead.score_changed", [sets("lead_status", "Follow Up"), TAG]),
        ("lead.assigned", [sets("score", 1)]),
        ("lead.stage_changed", [sets("score", 1)]),
        ("task.created", [sets("score", 1)]),
        ("lead.updated", [TASK]),
        ("lead.updated", [{"do": "send_mail", "to": "lead", "subject": "s", "body": "b"}]),
        ("lead.updated", [{"do": "post_to_webhook", "webhook": 1}]),
    ],
)
def test_what_brings_about_other_events_is_fine(event: str, steps: list[dict[str, Any]]) -> None:
    assert not refused(event, [], *steps)


@pytest.mark.parametrize(
    ("event", "step"),
    [
        *(("lead.updated", step) for step in (sets("score", 1), TAG, LIST, ASSIGN, TURN)),
        ("lead.field_changed", sets("title", "Dr")),
        ("lead.score_changed", sets("score", 1)),
        ("lead.status_changed", sets("lead_status", "Unknown")),
        ("lead.assigned", ASSIGN),
        ("lead.assigned", TURN),
        *(("lead.stage_changed", sets(key, 1)) for key in ("pipeline_stage_id", "pipeline_id")),
        ("lead.stage_changed", sets("stage", "WON")),
        ("task.created", TASK),
    ],
)
def test_what_brings_about_its_own_event_is_refused(event: str, step: dict[str, Any]) -> None:
    assert refused(event, [], step)


@pytest.mark.parametrize(
    ("met", "step"),
    [
        (condition("score", "less", 50), sets("score", 50)),
        (condition("score", "is_not", 50), sets("score", 50)),
        (condition("lead_status", "one_of", ["Unknown"]), sets("lead_status", "Follow Up")),
        (condition("title", "empty"), sets("title", "Dr")),
        (condition("title", "not_empty"), sets("title", None)),
        (condition("custom_fields.region", "is", "north"), sets("custom_fields.region", "south")),
        (condition("source", "changed"), sets("score", 1)),
        (condition("source", "changed_from_to", "b", "a"), sets("score", 1)),
        (condition("lead_status", "changed_from_to", "Unknown"), sets("lead_status", "Follow Up")),
        (condition("owner_id", "empty"), TURN),
        (condition("owner_id", "empty"), ASSIGN),
        (condition("owner_id", "is", 8), ASSIGN),
        (condition("tags", "is_not", "hot"), TAG),
        (condition("tags", "empty"), TAG),
        (condition("lists", "is_not", 3), LIST),
        (condition("score", "changed"), TAG),
    ],
)
def test_a_condition_that_no_longer_holds_ends_it(met: dict[str, Any], step: dict[str, Any]) -> None:
    assert not refused("lead.updated", [met], step)
    # One is enough, and one that may hold changes nothing.
    assert not refused("lead.updated", [condition("postcode", "not_empty"), met], step)


@pytest.mark.parametrize(
    ("met", "step"),
    [
        (condition("score", "greater", 10), sets("score", 50)),
        (condition("postcode", "empty"), sets("score", 50)),
        (condition("score", "changed"), sets("score", 50)),
        (condition("score", "changed_from_to", 50), sets("score", 50)),
        (condition("score", "changed_from_to", None, 1), sets("score", 50)),
        # They follow from what is set.
        (condition("full_name", "changed"), sets("first_name", "Ann")),
        (condition("stage", "changed"), sets("pipeline_stage_id", 3)),
        (condition("pipeline_stage_id", "is", 4), sets("stage", "WON")),
        (condition("lead_status_history", "changed"), sets("lead_status", "Unknown")),
        (condition("owner_name", "changed"), ASSIGN),
        (condition("owner_id", "is_not", 8), TURN),
        (condition("tags", "is", "cold"), TAG),
        (condition("tags", "is_not", "cold"), TAG),
        (condition("tags", "contains", "o"), TAG),
    ],
)
def test_one_that_may_still_hold_does_not(met: dict[str, Any], step: dict[str, Any]) -> None:
    assert refused("lead.updated", [met], step)


def test_steps_that_are_done_together_are_one_change() -> None:
    less = condition("score", "less", 50)
    assert not refused("lead.updated", [less], sets("score", 50), TAG)
    # After a wait the score may be anything again.
    assert refused("lead.updated", [less], sets("score", 50), {**TAG, "wait": 60})
    assert refused("lead.updated", [less], sets("score", 50), sets("score", 10))


def test_a_task_that_is_made_by_a_task() -> None:
    assert refused("task.created", [condition("name", "is", "Call")], TASK)
    assert not refused("task.created", [condition("name", "is", "Visit")], TASK)
    assert not refused("task.created", [condition("status", "is", "completed")], TASK)
    assert not refused("task.created", [condition("name", "changed")], TASK)
    assert refused("task.created", [condition("name", "is", "Visit")], {**TASK, "name": "{name} again"})
