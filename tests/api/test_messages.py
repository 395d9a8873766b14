"""Messages of a lead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leads.models import Campaign, Lead, Message
from leads.models.message import LONGEST_BODY
from tests.api.conftest import KeyClient, World, check_shape, counts
from webhooks.models import Event

LEAST = {"type": "outbound", "body": "Hello"}
FULL: dict[str, Any] = {
    "type": "outbound",
    "subject": " Tuesday? ",
    "body": "Hello\n  Olivia\n",
    "from": {"name": "Sam", "address": "sam@example.com"},
    "to": {"name": "Olivia Hartley", "address": "olivia.hartley@example.com"},
    "date": "2025-05-06T08:58:10Z",
    "campaign": "Spring",
    "angle": "Local",
    "framework": "AIDA",
    "test": "A",
    "tone": "Informal",
    "campaign_step": 1,
    "word_limit": 225,
}


@pytest.fixture
def path(world: World) -> str:
    return f"/api/v1/leads/{world.lead_a.pk}/messages"


def test_create_retrieve_patch_delete(manager: KeyClient, world: World, path: str):
    response = manager.send("POST", path, FULL)
    body = response.json()
    assert response.status_code == 201
    assert body == {"id": body["id"]} | FULL and list(body) == ["id", *FULL]
    assert response["Location"] == f"{path}/{body['id']}"
    assert manager.get(response["Location"]).json() == body
    changed = manager.send("PATCH", response["Location"], {"body": "Hi", "from": {"name": None}, "campaign": None})
    assert changed.json() == body | {
        "body": "Hi",
        "from": {"name": "", "address": "sam@example.com"},
        "campaign": None,
    }
    assert manager.delete(response["Location"]).status_code == 204
    check_shape(manager.get(response["Location"]), 404, "not_found")
    assert manager.get(path).json() == {"data": [], "next": None, "previous": None}


def test_create_with_the_least(manager: KeyClient, path: str):
    body = manager.send("POST", path, LEAST | {"to": None, "subject": None, "date": None}).json()
    empty = {"name": "", "address": ""}
    unset = dict.fromkeys(("campaign", "angle", "framework", "test", "tone", "campaign_step", "word_limit"))
    date = {"date": body["date"]}
    assert body == {"id": body["id"], "subject": "", "from": empty, "to": empty} | LEAST | date | unset
    age = datetime.now(UTC) - datetime.fromisoformat(body["date"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_a_new_message_is_told_and_counted(manager: KeyClient, world: World, path: str):
    manager.send("POST", path, FULL)
    manager.send("POST", path, FULL | {"type": "inbound", "date": "2025-05-07T08:58:10Z"})
    lead = manager.get(f"/api/v1/leads/{world.lead_a.pk}").json()
    assert (lead["number_of_emails"], lead["number_of_email_replies"], lead["last_email_reply_date"]) == (
        1,
        1,
        "2025-05-07T08:58:10Z",
    )
    events = Event.objects.filter(record_id=world.lead_a.pk, type="lead.updated")
    assert [(event.actor_kind, event.actor_id) for event in events] == [("api_key", manager.key.pk)] * 2


def test_what_was_read_can_be_patched_back(manager: KeyClient, world: World, path: str):
    created = manager.send("POST", path, LEAST)
    row = Message.objects.values().get()
    before = counts()
    assert manager.send("PATCH", created["Location"], created.content).json() == created.json()
    assert (Message.objects.values().get(), counts()) == (row, before)


def test_pages_are_oldest_first(manager: KeyClient, world: World, path: str):
    days = [3, 1, 2, 2, 5, 4]
    made = [manager.send("POST", path, LEAST | {"date": f"2025-05-0{day}T08:00:00Z"}).json() for day in days]
    wanted = [message["id"] for message in sorted(made, key=lambda message: (message["date"], message["id"]))]
    pages, address = [], f"{path}?limit=4"
    while address:
        answer = manager.get(address).json()
        pages.append([message["id"] for message in answer["data"]])
        address, last = answer["next"], answer
    assert pages == [wanted[:4], wanted[4:]]
    back = manager.get(last["previous"]).json()
    assert [message["id"] for message in back["data"]] == wanted[:4] and back["previous"] is None


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"type": None}, "type", "required"),
        ({"type": "sms"}, "type", "choice"),
        ({"type": ["inbound"]}, "type", "choice"),
        ({"body": None}, "body", "required"),
        ({"body": " \n "}, "body", "required"),
        ({"body": {}}, "body", "text"),
        ({"body": "x" * (LONGEST_BODY + 1)}, "body", "length"),
        ({"body": "a\x01b"}, "body", "control_characters"),
        ({"subject": "x" * 256}, "subject", "length"),
        ({"from": "Sam"}, "from", "object"),
        ({"from": []}, "from", "object"),
        ({"from": {"name": 5}}, "from.name", "text"),
        ({"to": {"address": "x" * 255}}, "to.address", "length"),
        ({"to": {"phone": "1"}}, "to.phone", "unknown"),
        ({"to.name": "Olivia"}, "to.name", "unknown"),
        ({"from_name": "Sam"}, "from_name", "unknown"),
        ({"lead": 1}, "lead", "unknown"),
        ({"date": "yesterday"}, "date", "iso_date"),
        ({"date": 5}, "date", "iso_date"),
        ({"campaign": "Winter"}, "campaign", "reference"),
        ({"campaign": "Theirs"}, "campaign", "reference"),
        ({"campaign": 1}, "campaign", "reference"),
        ({"campaign_step": 32768}, "campaign_step", "integer"),
        ({"campaign_step": -1}, "campaign_step", "integer"),
        ({"campaign_step": "1"}, "campaign_step", "integer"),
        ({"word_limit": 2**31}, "word_limit", "integer"),
        ({"tone": "x" * 51}, "tone", "length"),
    ],
)
def test_what_breaks_a_rule_stores_nothing(
    manager: KeyClient, world: World, path: str, sent: dict[str, Any], field: str, rule: str
):
    Campaign.objects.create(account=world.other, name="Theirs")
    Message.objects.create(lead=world.lead_a, **LEAST)
    before, row = counts(), Message.objects.values().get()
    answers = [manager.send("POST", path, LEAST | sent)]
    answers.append(manager.send("PATCH", f"{path}/{row['id']}", sent))
    for answer in answers:
        body = check_shape(answer, 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert (counts(), Message.objects.values().get()) == (before, row)


def test_the_type_stays_as_the_lead_was_counted_by_it(manager: KeyClient, path: str):
    created = manager.send("POST", path, LEAST)
    body = check_shape(manager.send("PATCH", created["Location"], {"type": "inbound"}), 400, "invalid", fields=["type"])
    assert body["errors"][0]["rule"] == "fixed"


def test_a_counter_that_is_full_refuses_the_message(manager: KeyClient, world: World, path: str):
    manager.send("PATCH", f"/api/v1/leads/{world.lead_a.pk}", {"number_of_emails": 2**31 - 1})
    before = counts()
    check_shape(manager.send("POST", path, LEAST), 400, "invalid", fields=["number_of_emails"])
    assert counts() == before


def test_a_lead_that_is_gone_takes_no_message(manager: KeyClient, world: World, path: str):
    Lead.objects.get(pk=world.lead_a.pk).delete()
    for method in ("GET", "POST"):
        body = check_shape(manager.send(method, path, LEAST if method == "POST" else None), 404, "not_found")
        assert body["message"] == "There is no such lead."


def test_a_page_takes_as_many_statements_whatever_their_number(
    manager: KeyClient, world: World, path: str, django_assert_max_num_queries
):
    for campaign in ("Spring", "Autumn", None, "Spring"):
        manager.send("POST", path, LEAST | {"campaign": campaign})
    with django_assert_max_num_queries(7):
        assert len(manager.get(path).json()["data"]) == 4
