"""LeadHub's checklist, a test for each of its lines, and the proof that the tests would notice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.conformance import examples
from tests.conformance.leadhub_rows import KEYS, ROWS
from tests.conformance.world import World
from webhooks.dialects import DIALECTS, leadhub
from webhooks.outbound import deliver
from webhooks.wire import filter as contents

pytestmark = pytest.mark.django_db

SECRET = "kq3T7vXb0Zr9LwPf2NdYh5Ju8McAe1Gs6Ri4Qo-_BtE"


@pytest.fixture
def world(receiver, settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield World.build(
        receiver, example=lambda: examples.like_php(SECRET), dialect="leadhub", name="LeadHub", secret=SECRET
    )
    deliver.door.cache_clear()


def test_every_line_has_its_row():
    assert sorted(ROWS, key=lambda name: int(name[3:])) == [f"LH-{number}" for number in range(1, 53)]


@pytest.mark.parametrize("name", ROWS)
def test_leadhub(name, world):
    ROWS[name](world)


@pytest.mark.parametrize("name", ["LH-36", "LH-37", "LH-38", "LH-39", "LH-40"])
def test_leadhub_at_the_pages_own_recipe(name, world):
    world.example = lambda: examples.php(SECRET)
    ROWS[name](world)


# Sabotage: each key, filter and signature is switched off in turn; the row that is named for it has to fail.

ROW_OF_KEY = {
    "id": "LH-23",
    "first_name": "LH-24",
    "last_name": "LH-25",
    "email": "LH-26",
    "phone": "LH-27",
    "source": "LH-28",
    "status": "LH-29",
    "lead_score": "LH-30",
    "pipeline": "LH-31",
    "stage": "LH-32",
    "assigned_to": "LH-33",
    "tags": "LH-34",
    "created_at": "LH-35",
}
ROW_OF_PART = {
    "event": "LH-20",
    "occurred_at": "LH-21",
    "lead": "LH-22",
    "previous_stage": "LH-15",
    "previous_assigned_to": "LH-16",
    "form": "LH-17",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_missing_is_noticed(key, world, monkeypatch):
    whole = leadhub._lead
    monkeypatch.setattr(
        leadhub, "_lead", lambda data: {name: value for name, value in whole(data).items() if name != key}
    )
    with pytest.raises((AssertionError, KeyError)):
        ROWS[ROW_OF_KEY[key]](world)


@pytest.mark.parametrize("part", ROW_OF_PART)
def test_a_part_of_the_envelope_that_is_missing_is_noticed(part, world, monkeypatch):
    def render(event, heard_as, settings):
        body = json.loads(leadhub.render(event, heard_as, settings))
        body.pop(part, None)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    monkeypatch.setitem(DIALECTS, "leadhub", replace(leadhub.DIALECT, render=render))
    with pytest.raises((AssertionError, KeyError)):
        ROWS[ROW_OF_PART[part]](world)


ROW_OF_EVENT = {
    "lead.created": "LH-12",
    "lead.updated": "LH-13",
    "lead.deleted": "LH-14",
    "lead.stage_changed": "LH-15",
    "lead.assigned": "LH-16",
    "form.submitted": "LH-17",
}


@pytest.mark.parametrize("event", leadhub.EVENTS)
def test_an_event_that_is_not_told_is_noticed(event, world, monkeypatch):
    monkeypatch.setattr(leadhub, "EVENTS", tuple(name for name in leadhub.EVENTS if name != event))
    with pytest.raises((AssertionError, KeyError, ValueError)):
        ROWS[ROW_OF_EVENT[event]](world)


ROW_OF_FILTER = {"changed_from_to": "LH-15", "one_of": "LH-28", "less": "LH-30", "is": "LH-34"}


@pytest.mark.parametrize("operator", ROW_OF_FILTER)
def test_a_filter_that_lets_everything_through_is_noticed(operator, world, monkeypatch):
    monkeypatch.setitem(contents._CHECKS, operator, lambda condition, value, event: True)
    with pytest.raises(AssertionError):
        ROWS[ROW_OF_FILTER[operator]](world)


@pytest.mark.parametrize("name", ["LH-36", "LH-37", "LH-38"])
def test_a_signature_that_is_missing_is_noticed(name, world, monkeypatch):
    unsigned = replace(leadhub.DIALECT, sign=lambda body, secrets, settings, https: ())
    monkeypatch.setitem(DIALECTS, "leadhub", unsigned)
    with pytest.raises(AssertionError):
        ROWS[name](world)
