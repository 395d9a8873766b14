"""save_lead's checklist, a test for each of its lines, and the proof that the tests would notice."""

from __future__ import annotations

import pytest
from standardwebhooks import WebhookVerificationError

from tests.conformance import examples
from tests.conformance.save_lead_rows import ROWS, SAMPLE
from tests.conformance.world import World
from webhooks.dialects import save_lead
from webhooks.outbound import deliver
from webhooks.wire import filter as contents
from webhooks.wire import signature

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(receiver, settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield World.build(receiver, example=examples.like_express, dialect="save_lead", name="Leads", secret="")
    deliver.door.cache_clear()


def test_every_line_has_its_row():
    assert sorted(ROWS, key=lambda name: int(name[3:])) == [f"SL-{number}" for number in range(1, 40)]


@pytest.mark.parametrize("name", ROWS)
def test_save_lead(name, world):
    ROWS[name](world)


@pytest.fixture(scope="session")
def express(tmp_path_factory):
    """Express is fetched once."""
    folder = tmp_path_factory.mktemp("express")
    return lambda: examples.express(folder)


@pytest.mark.parametrize("name", ["SL-31", "SL-32", "SL-33"])
def test_save_lead_at_the_pages_own_receiver(name, world, express):
    world.example = express
    ROWS[name](world)


# Sabotage: each key, filter and signature is switched off in turn; the row that is named for it has to fail.

ROW_OF_KEY = {
    "email": "SL-16",
    "company": "SL-17",
    "first_name": "SL-18",
    "last_name": "SL-19",
    "phone": "SL-20",
    "website": "SL-21",
    "position": "SL-22",
    "twitter": "SL-23",
    "linkedin": "SL-24",
    "notes": "SL-25",
    "score": "SL-26",
}


@pytest.mark.parametrize("key", SAMPLE)
def test_a_key_that_is_missing_is_noticed(key, world, monkeypatch):
    monkeypatch.delitem(save_lead.NAMES, key)
    monkeypatch.delitem(save_lead.UNSTARRED, key, raising=False)
    with pytest.raises((AssertionError, KeyError)):
        ROWS[ROW_OF_KEY[key]](world)


@pytest.mark.parametrize("key", save_lead.UNSTARRED)
def test_a_null_without_a_star_is_noticed(key, world, monkeypatch):
    monkeypatch.delitem(save_lead.UNSTARRED, key)
    with pytest.raises(AssertionError):
        ROWS["SL-30"](world)


ROW_OF_FILTER = {
    "changed": "SL-12",
    "contains": "SL-17",
    "is_not": "SL-21",
    "is": "SL-22",
    "not_empty": "SL-23",
    "empty": "SL-25",
    "greater": "SL-26",
}


@pytest.mark.parametrize("operator", ROW_OF_FILTER)
def test_a_filter_that_lets_everything_through_is_noticed(operator, world, monkeypatch):
    monkeypatch.setitem(contents._CHECKS, operator, lambda condition, value, event: True)
    with pytest.raises(AssertionError):
        ROWS[ROW_OF_FILTER[operator]](world)


def test_a_signature_that_is_missing_is_noticed(world, monkeypatch):
    monkeypatch.setattr(signature, "sign_standard", lambda message_id, timestamp, body, secrets: "v1,")
    with pytest.raises(WebhookVerificationError, match="No matching signature found"):
        ROWS["SL-36"](world)
