"""LeadEngine's checklist, outbound: a test for each of its lines, and the proof that the tests would notice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from leads import custom, validation
from tests.conformance.leadengine_fields import DEFAULTS, line
from tests.conformance.leadengine_rows import KINDS, ROWS
from tests.conformance.leadengine_world import Engine
from tests.conformance.world import no_program
from tests.ground import Ground
from webhooks.dialects import DIALECTS, leadengine, leadpro
from webhooks.outbound import deliver
from webhooks.wire import document, verdict
from webhooks.wire import filter as contents

pytestmark = pytest.mark.django_db


# As long as nobody is told.
NOWHERE = SimpleNamespace(url="http://127.0.0.1:50999/hook")


@contextmanager
def on_the_loopback() -> Iterator[None]:
    with override_settings(WEBHOOK_ALLOWLIST=["127.0.0.0/8"]):
        deliver.door.cache_clear()
        yield
    deliver.door.cache_clear()


def new_engine() -> Engine:
    with on_the_loopback():
        # Its client, which is each test's own, cannot be copied.
        return replace(Engine.new(NOWHERE, no_program), client=None)


@pytest.fixture(scope="module")
def ground(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Ground[Engine]]:
    with django_db_blocker.unblock():
        ground = Ground(new_engine)
    yield ground
    with django_db_blocker.unblock():
        ground.close()


@pytest.fixture
def world(db, ground, receiver):
    with on_the_loopback():
        yield ground.rows().told_to(receiver)


def test_every_line_has_its_row():
    """LE-3, LE-68 to LE-96, LE-163 to LE-169 and LE-185 are about leads that come in."""
    outbound = [1, 2, *range(4, 68), *range(97, 163), *range(170, 185)]
    assert sorted(ROWS, key=lambda name: int(name[3:])) == [f"LE-{number}" for number in outbound]


@pytest.mark.parametrize("name", ROWS)
def test_leadengine(name, world):
    ROWS[name](world)


# Sabotage: each key, filter, signature and rule is switched off in turn; the row that is named for it has to fail.


def fails(name: str, world: Engine) -> None:
    with pytest.raises((AssertionError, KeyError)):
        ROWS[name](world)


def change(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setitem(DIALECTS, "leadengine", replace(leadengine.DIALECT, **changes))


def spoil(monkeypatch: pytest.MonkeyPatch, what: Callable[[dict[str, Any]], None]) -> None:
    """Every body goes out with this done to it."""

    def render(*given: Any) -> bytes:
        body = json.loads(leadengine.render(*given))
        what(body)
        return document.write(body)

    change(monkeypatch, render=render)


ROW_OF_TOP_LEVEL_KEY = {
    "new_lead_status": "LE-27",
    "lead_name": "LE-28",
    "lead_email_address": "LE-29",
    "workspace_name": "LE-30",
    "campaign_name": "LE-31",
    "customFields": "LE-32",
    "messages": "LE-44",
    "previous_lead_status": "LE-59",
}


@pytest.mark.parametrize("key", ROW_OF_TOP_LEVEL_KEY)
def test_a_key_that_is_missing_is_noticed(key, world, monkeypatch):
    spoil(monkeypatch, lambda body: body.pop(key))
    fails(ROW_OF_TOP_LEVEL_KEY[key], world)


@pytest.mark.parametrize("key", ROW_OF_TOP_LEVEL_KEY)
def test_a_key_that_is_missing_is_noticed_by_the_count_too(key, world, monkeypatch):
    spoil(monkeypatch, lambda body: body.pop(key))
    fails("LE-184", world)


ROW_OF_FIELD = {key: f"LE-{line(key)}" for key in DEFAULTS} | {"email": "LE-36", "my_custom_number_field": "LE-42"}


@pytest.mark.parametrize("key", ROW_OF_FIELD)
def test_a_field_that_is_missing_is_noticed(key, world, monkeypatch):
    def drop(body: dict[str, Any]) -> None:
        body["customFields"] = [entry for entry in body["customFields"] if entry["key"] != key]

    spoil(monkeypatch, drop)
    fails(ROW_OF_FIELD[key], world)


ROW_OF_MESSAGE_KEY = {
    "angle": "LE-45",
    "framework": "LE-46",
    "test": "LE-47",
    "body": "LE-48",
    "tone": "LE-49",
    "from": "LE-50",
    "campaign_step": "LE-51",
    "word_limit": "LE-52",
    "type": "LE-53",
    "subject": "LE-54",
    "to": "LE-55",
    "date": "LE-56",
}


@pytest.mark.parametrize("key", leadengine.MESSAGE)
def test_a_key_of_messages_that_is_missing_is_noticed(key, world, monkeypatch):
    monkeypatch.setattr(leadengine, "MESSAGE", tuple(each for each in leadengine.MESSAGE if each != key))
    fails(ROW_OF_MESSAGE_KEY[key], world)


OPERATORS_OF_ROW = {
    "LE-178": ("one_of", "is", "is_not", "empty", "not_empty"),
    "LE-179": ("one_of", "is", "is_not", "empty", "changed"),
}


@pytest.mark.parametrize(("name", "op"), [(name, op) for name, ops in OPERATORS_OF_ROW.items() for op in ops])
def test_a_filter_that_is_off_is_noticed(name, op, world, monkeypatch):
    monkeypatch.setitem(contents._CHECKS, op, lambda *given: True)
    fails(name, world)


def test_filters_that_are_not_all_asked_are_noticed(world, monkeypatch):
    asked = contents.unmet
    monkeypatch.setattr(contents, "unmet", lambda conditions, event: asked(conditions[:1], event))
    fails("LE-179", world)


def unsigned(*given: Any) -> tuple[()]:
    return ()


def without_secret(body: bytes, secrets: Any, settings: Any, https: bool) -> Any:
    return leadengine.sign(body, secrets, settings, False)


def secret_everywhere(body: bytes, secrets: Any, settings: Any, https: bool) -> Any:
    return leadengine.sign(body, secrets, settings, True)


def signs_less(body: bytes, secrets: Any, settings: Any, https: bool) -> Any:
    return leadengine.sign(body[:-1], secrets, settings, https)


@pytest.mark.parametrize("sign", [unsigned, without_secret, secret_everywhere, signs_less])
def test_a_signature_that_is_missing_or_wrong_is_noticed(sign, world, monkeypatch):
    change(monkeypatch, sign=sign)
    fails("LE-173", world)


@pytest.mark.parametrize("name", ["LE-180", "LE-181", "LE-182"])
def test_other_waits_are_noticed(name, world, monkeypatch):
    change(monkeypatch, retry=leadpro.DIALECT.retry)
    fails(name, world)


def test_another_judgement_is_noticed(world, monkeypatch):
    change(monkeypatch, judge=verdict.judge)
    fails("LE-176", world)


ROW_OF_RULE = {
    "texts": "LE-159",
    "label_length": "LE-159",
    "label_count": "LE-159",
    "iso_date": "LE-122",
    "object": "LE-8",
    "choice": "LE-26",
    "kept": "LE-26",
    "integer": "LE-143",
    "email": "LE-109",
    "text": "LE-97",
    "length": "LE-97",
    "control_characters": "LE-97",
}


@pytest.mark.parametrize("rule", ROW_OF_RULE)
def test_a_rule_that_is_off_is_noticed(rule, world, monkeypatch):
    monkeypatch.delitem(validation.RULES, rule)
    fails(ROW_OF_RULE[rule], world)


@pytest.mark.parametrize("kind", [kind for kind, _ in custom.KINDS])
def test_a_kind_of_custom_field_that_is_off_is_noticed(kind, world, monkeypatch):
    assert set(KINDS) == {known for known, _ in custom.KINDS}
    monkeypatch.setitem(custom._FAULTS, kind, lambda definition, value: None)
    fails("LE-43", world)
