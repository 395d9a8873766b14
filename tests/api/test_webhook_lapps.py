"""Webhooks of the type Lapp by the API: the rules of the form, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import KeyClient, World, check_shape
from tests.api.test_webhooks import WEBHOOKS, place, stored
from webhooks.models import Kind, Webhook

NEW: dict[str, Any] = {
    "name": "Follow up on new leads",
    "system": "leadsquared",
    "type": "lapp",
    "lapp": "follow_up",
    "events": ["Lead_Post_Create"],
}
URL = "https://hooks.example.com/in"


def create(client: KeyClient, **changes: Any) -> Any:
    return client.send("POST", WEBHOOKS, {key: value for key, value in (NEW | changes).items() if value != "left out"})


def test_one_is_made_without_a_url_and_without_a_secret(manager: KeyClient, world: World):
    response = create(manager)
    body = response.json()
    assert response.status_code == 201, body
    assert (body["type"], body["lapp"], body["url"], body["secret"]) == ("lapp", "follow_up", "", None)
    assert body["settings"] == {"content_type": "application/json"} and body["custom_headers"] == {}
    webhook = Webhook.objects.get()
    assert (webhook.kind, webhook.lapp, webhook.url, webhook.secret) == (Kind.LAPP, "follow_up", "", "")
    assert manager.send("GET", place(webhook)).json()["lapp"] == "follow_up"


def test_a_webhook_is_what_comes_without_a_type(manager: KeyClient):
    body = create(manager, type="left out", lapp="left out", url=URL).json()
    assert (body["type"], body["lapp"], body["url"]) == ("webhook", "", URL)


REFUSED = [
    ({"url": URL}, "url", "absent"),
    ({"lapp": "bygone"}, "lapp", "choice"),
    ({"lapp": ""}, "lapp", "required"),
    ({"lapp": "left out"}, "lapp", "required"),
    ({"lapp": 7}, "lapp", "text"),
    ({"lapp": "x" * 51}, "lapp", "length"),
    ({"type": "script"}, "type", "choice"),
    ({"type": "webhook"}, "lapp", "absent"),
    ({"type": "webhook", "lapp": "left out"}, "url", "required"),
    ({"system": "leadpro", "events": ["lead.created"]}, "type", "choice"),
    ({"custom_headers": {"X-Api-Key": "hush"}}, "custom_headers", "lapp"),
    ({"settings": {"content_type": "text/plain"}}, "settings.content_type", "lapp"),
    ({"secret": "mine"}, "secret", "lapp"),
    ({"generate_secret": True}, "generate_secret", "lapp"),
]


@pytest.mark.parametrize(("changes", "field", "rule"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_it_cannot_have_is_refused_and_nothing_stored(
    manager: KeyClient, world: World, changes: dict[str, Any], field: str, rule: str
):
    body = check_shape(create(manager, **changes), 400, "invalid")
    assert (field, rule) in [(fault["field"], fault["rule"]) for fault in body["errors"]]
    assert "hush" not in str(body)
    assert stored() == []


def test_an_unknown_one_is_named(manager: KeyClient, world: World):
    (fault,) = create(manager, lapp="bygone").json()["errors"]
    assert fault["message"].startswith("is refused: No Lapp is called bygone here.")


def test_no_secret_is_made_for_one(manager: KeyClient, world: World):
    create(manager)
    webhook = Webhook.objects.get()
    response = manager.send("POST", f"{place(webhook)}/rotate-secret", {})
    assert response.status_code == 409 and "needs no secret" in response.json()["message"], response.content
    webhook.refresh_from_db()
    assert webhook.secret == ""


def test_one_becomes_a_webhook_and_back_again(manager: KeyClient, world: World):
    webhook = Webhook.objects.get(pk=create(manager).json()["id"])
    halfway = check_shape(manager.send("PATCH", place(webhook), {"type": "webhook"}), 400, "invalid")
    assert {fault["field"] for fault in halfway["errors"]} == {"url", "lapp"}
    changed = manager.send("PATCH", place(webhook), {"type": "webhook", "lapp": "", "url": URL})
    assert (changed.status_code, changed.json()["type"], changed.json()["url"]) == (200, "webhook", URL)
    changed = manager.send("PATCH", place(webhook), {"type": "lapp", "lapp": "follow_up", "url": None})
    assert (changed.status_code, changed.json()["lapp"], changed.json()["url"]) == (200, "follow_up", "")


def test_other_changes_leave_it_as_it_is(manager: KeyClient, world: World):
    webhook = Webhook.objects.get(pk=create(manager).json()["id"])
    body = manager.send("PATCH", place(webhook), {"timeout": 5, "keep_order": True}).json()
    assert (body["type"], body["lapp"], body["timeout"], body["keep_order"]) == ("lapp", "follow_up", 5, True)
