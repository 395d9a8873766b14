"""Offices."""

from __future__ import annotations

from typing import Any

import pytest

from leads.models import Office
from tests import factories
from tests.api.conftest import KeyClient, World, check_shape, counts

OFFICES = "/api/v1/offices"


def test_list_and_retrieve(manager: KeyClient, world: World):
    a, b = {"id": world.a.pk, "name": "Leeds Central"}, {"id": world.b.pk, "name": "York"}
    assert manager.get(OFFICES).json() == {"data": [b, a], "next": None, "previous": None}
    assert manager.get(f"{OFFICES}/{world.a.pk}").json() == a


def test_create_patch_delete(manager: KeyClient, world: World):
    response = manager.send("POST", OFFICES, {"name": " Whitby ", "id": 1})
    body = response.json()
    assert (response.status_code, body["name"]) == (201, "Whitby")
    assert response["Location"] == f"{OFFICES}/{body['id']}"
    office = Office.objects.get(pk=body["id"])
    assert office.account == world.account
    path = response["Location"]
    assert manager.send("PATCH", path, body).json() == body
    assert manager.send("PATCH", path, {}).json() == body
    assert manager.send("PATCH", path, {"name": "Whitby Bay"}).json() == {"id": office.pk, "name": "Whitby Bay"}
    response = manager.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    check_shape(manager.get(path), 404, "not_found")


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({}, "name", "required"),
        ({"name": None}, "name", "required"),
        ({"name": ""}, "name", "required"),
        ({"name": " \t "}, "name", "required"),
        ({"name": 5}, "name", "text"),
        ({"name": True}, "name", "text"),
        ({"name": ["x"]}, "name", "text"),
        ({"name": {}}, "name", "text"),
        ({"name": "x" * 101}, "name", "length"),
        ({"name": "x" * 1_000_000}, "name", "length"),
        ({"name": "a\x01b"}, "name", "control_characters"),
        ({"name": "York"}, "name", "unique"),
        ({"name": " York "}, "name", "unique"),
        ({"name": "Hull", "account": 1}, "account", "unknown"),
        ({"name": "Hull", "account_id": 1}, "account_id", "unknown"),
    ],
)
def test_bad_names(manager: KeyClient, world: World, sent: dict[str, Any], field: str, rule: str):
    before = counts()
    answers = [manager.send("POST", OFFICES, sent)]
    if sent:
        answers.append(manager.send("PATCH", f"{OFFICES}/{world.a.pk}", sent))
    for answer in answers:
        body = check_shape(answer, 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert counts() == before
    assert Office.objects.get(pk=world.a.pk).name == "Leeds Central"


def test_another_account_may_have_the_same_name(manager: KeyClient):
    assert manager.send("POST", OFFICES, {"name": "Bristol"}).status_code == 201
    assert manager.send("POST", OFFICES, {"name": "😀" * 100}).status_code == 201


def test_an_office_with_leads_is_not_deleted(manager: KeyClient, world: World):
    path = f"{OFFICES}/{world.a.pk}"
    body = check_shape(manager.delete(path), 409, "in_use", fields=[])
    assert body["message"] == "Leeds Central still has 1 lead: refer them to other offices first."
    factories.lead(office=world.a)
    assert "has 2 leads:" in manager.delete(path).json()["message"]
    assert Office.objects.filter(pk=world.a.pk).exists()
    world.lead_a.office.leads.all().delete()
    assert manager.delete(path).status_code == 204
