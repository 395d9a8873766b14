"""Which events a content filter lets through: every operator, by type, and what cannot be a filter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from webhooks.wire.event import Event
from webhooks.wire.filter import OPERATORS, Condition, holds, read, unmet

DATA: dict[str, Any] = {
    "first_name": "Olivia",
    "phone": None,
    "message": "",
    "score": 45,
    "average_sale_estimation": 250000.5,
    "gdpr_checkbox": False,
    "created_at": "2026-11-20T09:30:00.000Z",
    "last_contacted": "2026-11-21T08:00:00Z",
    "lead_status": "Needs Info",
    "owner_id": 7,
    "tags": ["vip", "Northern"],
    "lists": [{"id": 3, "name": "Newsletter"}, {"id": 5, "name": "VIP"}],
    "campaigns": [],
    "meta": {"virtual tour": "Booked"},
    "questionnaire": [["Selling soon?", "Within a month"]],
    "custom_fields": {"region": "north", "budget": 12.5, "joined": "2026-05-01", "areas": ["LS1", "LS2"], "vat": None},
}


def event(version: int = 2, changes: dict[str, Any] | None = None, data: dict[str, Any] = DATA) -> Event:
    return Event("lead.updated", datetime(2026, 11, 21, tzinfo=UTC), "lead", 1, version, data, changes or {})


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("first_name", "is", "Olivia", True),
        ("first_name", "is", "olivia", False),
        ("first_name", "is_not", "Olivia", False),
        ("first_name", "is_not", "Ben", True),
        ("phone", "is_not", "0712", True),
        ("first_name", "one_of", ["Ben", "Olivia"], True),
        ("first_name", "one_of", ["Ben"], False),
        ("first_name", "contains", "LIV", True),
        ("first_name", "contains", "liz", False),
        ("phone", "contains", "7", False),
        ("phone", "empty", None, True),
        ("message", "empty", None, True),
        ("score", "empty", None, False),
        ("gdpr_checkbox", "empty", None, False),
        ("campaigns", "empty", None, True),
        ("lists", "not_empty", None, True),
        ("campaigns", "not_empty", None, False),
        # Numbers, not their digits.
        ("score", "is", 45.0, True),
        ("score", "greater", 9, True),
        ("score", "greater", 45, False),
        ("score", "less", 100, True),
        ("score", "less", 45, False),
        ("average_sale_estimation", "greater", 250000, True),
        ("phone", "greater", 0, False),
        ("phone", "less", 0, False),
        ("first_name", "greater", 0, False),
        # A yes is no 1.
        ("gdpr_checkbox", "is", False, True),
        ("gdpr_checkbox", "is", 0, False),
        ("gdpr_checkbox", "less", 1, False),
        ("score", "one_of", [True, 45], True),
        # Moments, whatever their fraction of a second and their zone.
        ("created_at", "is", "2026-11-20T09:30:00Z", True),
        ("created_at", "is", "2026-11-20T10:30:00+01:00", True),
        ("created_at", "is", "2026-11-20T09:30:01Z", False),
        ("last_contacted", "greater", "2026-11-21T08:30:00+01:00", True),
        ("last_contacted", "greater", "2026-11-21T08:00:00.000Z", False),
        ("last_contacted", "less", "2026-11-22", True),
        ("created_at", "greater", "soon", False),
        ("lead_status", "is", "Needs Info", True),
        ("owner_id", "one_of", [1, 7], True),
        ("owner_id", "is", "7", False),
        # What holds several is asked for its members.
        ("tags", "is", "vip", True),
        ("tags", "is", "VIP", False),
        ("tags", "is_not", "vip", False),
        ("tags", "contains", "north", True),
        ("lists", "is", 5, True),
        ("lists", "is", "VIP", False),
        ("lists", "one_of", [4, 3], True),
        ("lists", "one_of", [4], False),
        ("lists", "is_not", 4, True),
        ("lists", "contains", "news", True),
        ("lists", "contains", "name", False),
        ("campaigns", "is_not", 4, True),
        ("meta", "contains", "booked", True),
        ("meta", "contains", "VIRTUAL", True),
        ("questionnaire", "contains", "within a month", True),
        ("questionnaire", "contains", "year", False),
        ("custom_fields.region", "is", "north", True),
        ("custom_fields.budget", "greater", 12, True),
        ("custom_fields.joined", "less", "2026-05-02", True),
        ("custom_fields.areas", "is", "LS2", True),
        ("custom_fields.vat", "empty", None, True),
    ],
)
def test_each_operator_compares_by_type(field: str, op: str, value: Any, expected: bool):
    (condition,) = read([{"field": field, "op": op, "value": value}])
    assert holds(condition, event()) is expected


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("field", ["shoe_size", "custom_fields.shoe_size", "custom_fields", "meta.virtual tour"])
def test_a_field_that_is_gone_meets_nothing(op: str, field: str):
    data = {key: value for key, value in DATA.items() if key != "custom_fields"} if field == "custom_fields" else DATA
    value = ("x",) if op == "one_of" else "x"
    assert not holds(Condition(field, op, value), event(changes={field: [1, 2]}, data=data))


CHANGES = {
    "lead_status": ["Conversation", "Needs Info"],
    "owner_id": [None, 7],
    "score": [44, 45],
    "lists": [[], DATA["lists"]],
    "custom_fields": [{"region": "south", "budget": 12.5}, DATA["custom_fields"]],
    "first_name": ["Olivia", "Olivia"],
}


@pytest.mark.parametrize(
    ("field", "op", "before", "value", "expected"),
    [
        ("lead_status", "changed", None, None, True),
        ("lists", "changed", None, None, True),
        ("first_name", "changed", None, None, False),
        ("phone", "changed", None, None, False),
        ("custom_fields.region", "changed", None, None, True),
        ("custom_fields.budget", "changed", None, None, False),
        ("custom_fields.joined", "changed", None, None, True),
        ("lead_status", "changed_from_to", "Conversation", "Needs Info", True),
        ("lead_status", "changed_from_to", "Conversation", "Opportunity", False),
        ("lead_status", "changed_from_to", "Opportunity", "Needs Info", False),
        ("lead_status", "changed_from_to", None, "Needs Info", True),
        ("lead_status", "changed_from_to", "Conversation", None, True),
        ("owner_id", "changed_from_to", None, 7, True),
        ("owner_id", "changed_from_to", 7, None, False),
        ("score", "changed_from_to", 44, 45, True),
        ("custom_fields.region", "changed_from_to", "south", "north", True),
        ("custom_fields.budget", "changed_from_to", None, 12.5, False),
    ],
)
def test_a_change_is_read_from_what_the_event_changed(field: str, op: str, before: Any, value: Any, expected: bool):
    (condition,) = read([Condition(field, op, value, before).as_json()])
    assert holds(condition, event(changes=CHANGES)) is expected


def test_nothing_has_changed_where_the_record_began():
    born = {key: [None, value] for key, value in DATA.items()}
    assert not holds(Condition("lead_status", "changed"), event(1, born))
    assert not holds(Condition("lead_status", "changed_from_to", "Needs Info"), event(1, born))
    assert holds(Condition("lead_status", "changed_from_to", "Needs Info"), event(2, born))


def test_the_first_condition_that_does_not_hold_is_told():
    fits, not_this, nor_that = (
        Condition("score", "greater", 1),
        Condition("phone", "not_empty"),
        Condition("first_name", "is", "Ben"),
    )
    assert unmet((), event()) is None
    assert unmet((fits,), event()) is None
    assert unmet((fits, not_this, nor_that), event()) == not_this


@pytest.mark.parametrize(
    "condition",
    [
        Condition("lists", "one_of", (3, 5)),
        Condition("lead_status", "changed_from_to", "Needs Info", "Conversation"),
        Condition("gdpr_checkbox", "is", False),
        Condition("phone", "empty"),
    ],
)
def test_a_condition_survives_being_stored(condition: Condition):
    assert read([condition.as_json()]) == (condition,)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        "[]",
        ["score"],
        [{}],
        [{"field": "score"}],
        [{"field": "", "op": "empty"}],
        [{"field": 3, "op": "empty"}],
        [{"field": "score", "op": "matches", "value": 1}],
        [{"field": "score", "op": ["is"], "value": 1}],
        [{"field": "score", "op": "is"}],
        [{"field": "score", "op": "is", "value": [1]}],
        [{"field": "score", "op": "is", "value": 1, "before": 2}],
        [{"field": "score", "op": "is", "value": 1, "or": 2}],
        [{"field": "score", "op": "one_of", "value": []}],
        [{"field": "score", "op": "one_of", "value": 1}],
        [{"field": "score", "op": "one_of", "value": [None]}],
        [{"field": "phone", "op": "contains", "value": 7}],
        [{"field": "phone", "op": "empty", "value": ""}],
        [{"field": "phone", "op": "changed_from_to"}],
        [{"field": "phone", "op": "changed_from_to", "value": {"a": 1}}],
    ],
)
def test_what_is_no_list_of_conditions_is_refused(stored: Any):
    with pytest.raises(ValueError, match=r"filter|operator"):
        read(stored)


def test_the_form_that_was_submitted_is_asked_for_by_its_id():
    submitted = replace(event(), context={"form": {"id": 7, "name": "Contact us", "fields": {}}})
    assert holds(Condition("form", "is", 7), submitted) and holds(Condition("form", "one_of", (3, 7)), submitted)
    assert not holds(Condition("form", "is", 3), submitted)
    # Of other events there is no form: they meet no condition on one.
    for op in ("is", "is_not", "empty", "not_empty"):
        assert not holds(Condition("form", op, 7), event())
