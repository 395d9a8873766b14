"""LeadSquared's checklist: a test for each line that is true, and the proof that the tests would notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.conformance import (
    examples,
    leadsquared_records,  # noqa: F401  (its rows)
)
from tests.conformance.leadsquared_rows import KEYS, OF_LEADS, ROWS
from tests.conformance.world import World
from webhooks import rules
from webhooks.api.leadsquared import words as leadsquared_words
from webhooks.dialects import DIALECTS, leadhub, leadsquared
from webhooks.dialects.leadsquared import bodies
from webhooks.outbound import alarms, deliver
from webhooks.wire import document, verdict
from webhooks.wire import filter as contents

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(receiver, settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield World.build(
        receiver,
        example=lambda: examples.watchful("x-api-key", "open sesame"),
        dialect="leadsquared",
        name="LeadSquared",
        secret="",
        events=["Lead_Post_Create"],
    )
    deliver.door.cache_clear()


def test_every_line_has_its_row():
    assert sorted(ROWS, key=lambda name: int(name[3:])) == [f"LS-{number}" for number in range(1, 97)]


@pytest.mark.parametrize("name", ROWS)
def test_leadsquared(name, world):
    ROWS[name](world)


# Sabotage: each event, key, parameter and rule is switched off in turn; the row that is named for it has to fail.


def fails(name: str, world: World) -> None:
    with pytest.raises((AssertionError, KeyError, ValueError, IndexError)):
        ROWS[name](world)


def change(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setitem(DIALECTS, "leadsquared", replace(leadsquared.DIALECT, **changes))


def spoil(monkeypatch: pytest.MonkeyPatch, what: Callable[[dict[str, Any]], None]) -> None:
    """Every body goes out with this done to it."""

    def render(*given: Any) -> bytes:
        body = json.loads(leadsquared.render(*given))
        what(body)
        return document.write(body)

    change(monkeypatch, render=render)


ROW_OF_EVENT = {
    "Landing_Page_submission": "LS-46",
    "Lead_Post_Create": "LS-49",
    "Lead_Delete": "LS-50",
    "Lead_Field_Change": "LS-51",
    "Lead_Owner_Change": "LS-53",
    "Lead_Score_Change": "LS-54",
    "Lead_Post_Stage_Change": "LS-55",
    "Lead_Post_Update": "LS-56",
}


@pytest.mark.parametrize("code", OF_LEADS)
def test_an_event_that_is_not_told_is_noticed(code, world, monkeypatch):
    codes = {type_: known for type_, known in leadsquared.CODES.items() if known != code}
    monkeypatch.setattr(leadsquared, "CODES", codes)
    fails(ROW_OF_EVENT[code], world)


@pytest.mark.parametrize("code", OF_LEADS)
def test_an_event_of_another_name_is_noticed(code, world, monkeypatch):
    change(monkeypatch, event_labels={**leadsquared.LABELS, code: code})
    fails("LS-16", world)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["LS-3", "LS-49"])
def test_a_key_that_is_missing_is_noticed(name, key, world, monkeypatch):
    spoil(monkeypatch, lambda body: body.pop(key))
    fails(name, world)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_before_and_after_that_is_missing_is_noticed(key, world, monkeypatch):
    monkeypatch.delitem(bodies.NAMES, key)
    fails("LS-56", world)


@pytest.mark.parametrize("part", ["Before", "After"])
@pytest.mark.parametrize("name", ["LS-50", "LS-51", "LS-53", "LS-54", "LS-55", "LS-56"])
def test_a_part_that_is_missing_is_noticed(name, part, world, monkeypatch):
    spoil(monkeypatch, lambda body: body.pop(part))
    fails(name, world)


@pytest.mark.parametrize("part", ["LandingPageId", "LandingPageName", "LandingPageFields"])
def test_a_part_of_a_submission_that_is_missing_is_noticed(part, world, monkeypatch):
    spoil(monkeypatch, lambda body: body.pop(part))
    fails("LS-46", world)


@pytest.mark.parametrize("name", ["LS-50", "LS-54", "LS-55", "LS-56"])
def test_a_before_that_is_the_after_is_noticed(name, world, monkeypatch):
    monkeypatch.setattr(bodies, "_former", lambda event: {**event.data, "score": -1})
    if name != "LS-50":
        fails(name, world)
    else:
        spoil(monkeypatch, lambda body: body.update(After=body["Before"]))
        fails(name, world)


def test_numbers_that_are_no_texts_are_noticed(world, monkeypatch):
    monkeypatch.setattr(bodies, "text", lambda value, moment=False: value)
    fails("LS-49", world)


ROW_OF_PARAMETER = {"entityType": "LS-82", "entityId": "LS-85", "eventType": "LS-86"}


@pytest.mark.parametrize("parameter", ROW_OF_PARAMETER)
@pytest.mark.parametrize("how", ["missing", "other"])
def test_a_parameter_that_is_missing_or_wrong_is_noticed(parameter, how, world, monkeypatch):
    name = parameter if how == "other" else "id"

    def address(*given: str) -> str:
        return leadsquared.address(*given).replace(f"{parameter}=", f"{name}=other-")

    change(monkeypatch, address=address)
    fails(ROW_OF_PARAMETER[parameter], world)


@pytest.mark.parametrize("name", ["LS-12", "LS-19", "LS-80", "LS-82", "LS-85", "LS-86"])
def test_a_url_with_nothing_behind_it_is_noticed(name, world, monkeypatch):
    change(monkeypatch, address=None)
    fails(name, world)


def test_parameters_in_front_are_noticed(world, monkeypatch):
    def address(url: str, *given: str) -> str:
        base, _, query = url.partition("?")
        return leadsquared.address(base, *given) + (f"&{query}" if query else "")

    change(monkeypatch, address=address)
    fails("LS-80", world)


@pytest.mark.parametrize(("name", "kind"), [("LS-21", "application/json"), ("LS-22", "application/json")])
def test_another_content_type_is_noticed(name, kind, world, monkeypatch):
    change(monkeypatch, content_type=lambda body, settings: kind)
    fails(name, world)


def test_a_content_type_that_follows_the_setting_alone_is_noticed(world, monkeypatch):
    change(monkeypatch, content_type=lambda body, settings: settings["content_type"])
    fails("LS-21", world)


@pytest.mark.parametrize("name", ["LS-32", "LS-33"])
def test_another_judgement_is_noticed(name, world, monkeypatch):
    change(monkeypatch, judge=verdict.judge)
    fails(name, world)


def test_other_waits_are_noticed(world, monkeypatch):
    change(monkeypatch, retry=leadhub.DIALECT.retry)
    fails("LS-34", world)


@pytest.mark.parametrize("name", ["LS-9", "LS-95"])
def test_an_event_that_need_not_be_chosen_is_noticed(name, world, monkeypatch):
    change(monkeypatch, one_event=False)
    fails(name, world)


@pytest.mark.parametrize("rule", [{"most_headers": None}, {"last_header_wins": False}])
def test_a_rule_of_headers_that_is_off_is_noticed(rule, world, monkeypatch):
    change(monkeypatch, **rule)
    fails("LS-25", world)


def test_a_system_without_lapps_is_noticed(world, monkeypatch):
    change(monkeypatch, lapps=False)
    fails("LS-15", world)


@pytest.mark.parametrize("name", ["LS-14", "LS-15"])
def test_a_type_whose_rules_are_off_is_noticed(name, world, monkeypatch):
    monkeypatch.setattr(rules, "target_faults", lambda *given: ())
    fails(name, world)


def test_a_lapp_that_is_not_called_is_noticed(world, monkeypatch):
    monkeypatch.setattr(deliver, "way_of", lambda request: deliver.door())
    fails("LS-15", world)


ROW_OF_FILTER = {"changed": "LS-51", "changed_from_to": "LS-55"}


@pytest.mark.parametrize("operator", ROW_OF_FILTER)
def test_a_filter_that_lets_everything_through_is_noticed(operator, world, monkeypatch):
    monkeypatch.setitem(contents._CHECKS, operator, lambda condition, value, event: True)
    fails(ROW_OF_FILTER[operator], world)


def test_failures_that_nobody_is_told_of_are_noticed(world, monkeypatch):
    monkeypatch.setattr(alarms, "record", lambda webhook, tries: None)
    fails("LS-17", world)


def test_a_mail_for_each_failure_is_noticed(world, monkeypatch):
    monkeypatch.setattr(alarms, "APART", timedelta(0))
    fails("LS-18", world)


def test_an_api_of_theirs_that_is_not_there_is_noticed(world, monkeypatch):
    monkeypatch.setitem(leadsquared_words._EVENTS, "3", "Lead_Delete")
    fails("LS-40", world)


def test_a_handshake_that_is_not_made_is_noticed(world, monkeypatch):
    change(monkeypatch, handshake=False)
    fails("LS-4", world)
