"""One error shape, whoever gives the answer."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError, InterfaceError, OperationalError

from leads.models import ApiKey, Lead
from tests.api.conftest import KeyClient, World, check_shape, counts


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/leads",
        "/api/v1/leads/1/2",
        "/api/v1/leads/1/refer/2",
        "/api/v1/leads.json",
        "/api/v1//leads",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_an_unknown_address(db, method: str, path: str):
    body = check_shape(KeyClient().generic(method, path), 404, "not_found", fields=[])
    assert body["message"] == "There is nothing at this address."


@pytest.mark.parametrize("debug", [True, False])
def test_a_host_that_is_not_ours(world: World, settings, debug: bool):
    settings.DEBUG = debug
    check_shape(world.client("manager").get("/api/v1/leads", headers={"host": "evil.example"}), 400, "invalid")


def test_an_answer_outside_the_api_is_left_alone(client):
    response = client.get("/nothing-here")
    assert response.status_code == 404
    assert "X-Request-ID" not in response and "json" not in response["Content-Type"]
    assert client.get("/apiary").status_code == 404 and "X-Request-ID" not in client.get("/apiary")


def test_a_good_answer_has_a_request_id_and_is_not_kept_by_anybody(manager: KeyClient):
    first, second = manager.get("/api/v1/leads"), manager.get("/api/v1/leads", headers={"x-request-id": "theirs\n"})
    assert first["X-Request-ID"] != second["X-Request-ID"] != "theirs"
    assert first["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "error, status, code",
    [
        (OperationalError("could not connect to server: password=hunter2"), 503, "unavailable"),
        (InterfaceError("connection already closed hunter2"), 503, "unavailable"),
        (IntegrityError("duplicate key value hunter2"), 409, "conflict"),
        (RuntimeError("hunter2"), 500, "error"),
        (RecursionError("hunter2"), 500, "error"),
        (MemoryError("hunter2"), 500, "error"),
        (SuspiciousOperation("hunter2"), 400, "invalid"),
    ],
)
@pytest.mark.parametrize("debug", [True, False])
def test_what_breaks_within(manager: KeyClient, monkeypatch, settings, caplog, error, status, code, debug):
    """Also with DEBUG on: the trace goes to the log, with the request id, and not to the caller."""
    settings.DEBUG = debug
    before = counts()

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(Lead, "save", fail)
    response = manager.send(
        "POST", "/api/v1/leads", {"type": "vendor", "full_name": "A", "email": "a@example.com", "phone": "1",
                                  "address": "1 Road", "postcode": "N1"},
    )  # fmt: skip
    body = check_shape(response, status, code, fields=[])
    assert "hunter2" not in response.content.decode() and "Traceback" not in response.content.decode()
    assert counts() == before
    if status >= 500:
        assert body["request_id"] in caplog.text and "hunter2" in caplog.text
    if status == 503:
        assert response["Retry-After"] == "5"


def test_the_database_is_down_while_signing_in(manager: KeyClient, monkeypatch):
    def fail(secret):
        raise OperationalError("down")

    monkeypatch.setattr(ApiKey, "find", fail)
    check_shape(manager.get("/api/v1/leads"), 503, "unavailable")


def test_every_fault_is_named_at_once(manager: KeyClient):
    response = manager.send(
        "POST",
        "/api/v1/leads",
        {"type": "tenant", "email": "nobody", "surname": "Hartley", "parentId": 10**9, "office_id": "5", "colour": 3},
    )
    body = check_shape(response, 400, "invalid")
    assert {(fault["field"], fault["rule"]) for fault in body["errors"]} == {
        ("surname", "unknown"),
        ("colour", "unknown"),
        ("type", "choice"),
        ("email", "email"),
        ("office_id", "reference"),
        ("parentId", "reference"),
        ("full_name", "required"),
        ("phone", "required"),
    }
    assert body["message"].startswith("8 things are wrong: surname, colour, ")


def test_one_fault_is_the_message(manager: KeyClient, world: World):
    response = manager.send("PATCH", f"/api/v1/leads/{world.lead_a.pk}", {"email": "nobody"})
    body = check_shape(response, 400, "invalid", fields=["email"])
    assert body["message"] == "email must be an e-mail address such as name@example.com."
    assert body["errors"][0]["message"] == "must be an e-mail address such as name@example.com"


def test_names_from_outside_are_repeated_safely(manager: KeyClient, world: World):
    path = f"/api/v1/leads/{world.lead_a.pk}"
    key = "x\u2028\u0085<script>" + "y" * 300
    response = manager.send("PATCH", path, json.dumps({key: 1}))
    name = check_shape(response, 400, "invalid")["errors"][0]["field"]
    assert len(name) == 100 and name.startswith("x\ufffd\ufffd<script>y") and name.endswith("y…")
    body = check_shape(manager.get("/api/v1/leads?a%00b%0Ac=1&a%FF=2"), 400, "invalid")
    assert [fault["field"] for fault in body["errors"]] == ["a\ufffdb\ufffdc", "a\ufffd"]
