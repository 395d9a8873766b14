import json
from datetime import UTC, datetime
from typing import Any

import pytest

from webhooks.dialects import save_lead
from webhooks.wire.event import Event
from webhooks.wire.signature import standard_proof

NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)
DIALECT = save_lead.DIALECT


def event(type_: str = "lead.updated", **data: Any) -> Event:
    return Event(type_, NOW, "lead", 1, 1, data)


def rendered(**data: Any) -> dict[str, Any]:
    document = json.loads(DIALECT.render(event(**data), "save_lead", {}))
    assert list(document) == ["data"]
    found: dict[str, Any] = document["data"]
    return found


@pytest.mark.parametrize("type_", ["lead.created", "lead.updated"])
def test_a_new_lead_and_a_changed_one_are_one_event(type_: str) -> None:
    assert DIALECT.hears(event(type_)) == "save_lead"


@pytest.mark.parametrize("type_", ["lead.deleted", "lead.assigned", "lead.field_changed", "form.submitted"])
def test_nothing_else_is_heard(type_: str) -> None:
    assert DIALECT.hears(event(type_)) is None


def test_a_lead_of_which_nothing_is_known_has_all_11_keys() -> None:
    data = rendered()
    assert list(data) == list(json.loads(DIALECT.sample({}))["data"])
    assert {key: value for key, value in data.items() if value is not None} == {"email": "", "website": "", "score": 0}
    assert len(data) == 11


def test_created_and_updated_have_the_same_body() -> None:
    known = {"email": "a@example.com", "score": 3}
    bodies = {DIALECT.render(event(type_, **known), "save_lead", {}) for type_ in ("lead.created", "lead.updated")}
    assert len(bodies) == 1


@pytest.mark.parametrize("score", [-5, 0, 95, 2**31])
def test_the_score_is_an_integer_of_any_size(score: int) -> None:
    assert rendered(score=score)["score"] == score


def test_only_methods_that_carry_a_body_can_be_chosen() -> None:
    assert [value for value, _ in save_lead.METHOD.choices] == ["POST", "PUT", "PATCH"]
    assert save_lead.METHOD.default == DIALECT.method == "POST"


def test_it_signs_with_nothing_of_its_own() -> None:
    assert DIALECT.sign(b"{}", ["secret"], {}, True) == ()
    assert DIALECT.verify is standard_proof
    assert (DIALECT.secret, DIALECT.unique_name) == ("optional", True)


def test_three_tries_of_ten_seconds() -> None:
    assert (DIALECT.retry.waits, DIALECT.retry.tries, DIALECT.deadline) == ((60, 300), 3, 10)


def test_a_body_in_two_phrases() -> None:
    body = DIALECT.render(event(first_name="Zoë", last_name="Hartley", email="zoe@example.com"), "save_lead", {})
    assert DIALECT.summary(body).event == "save_lead"
    assert DIALECT.summary(body).label == "Zoë Hartley"
    assert DIALECT.summary(DIALECT.sample({})).event == "save_lead"
    assert DIALECT.summary(DIALECT.sample({})).label == ""


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"data":[]}', b'{"event":"save_lead"}', b"[" * 100_000])
def test_a_strange_body_has_no_phrases(body: bytes) -> None:
    assert (DIALECT.summary(body).event, DIALECT.summary(body).label) == ("", "")
