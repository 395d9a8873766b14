"""Leads that may be there already: upserts, and likely duplicates."""

from __future__ import annotations

from typing import Any

import pytest

from leads import duplicates
from leads.models import CustomField, Lead
from leads.scope import Scope
from tests import factories
from tests.api.conftest import VENDOR, KeyClient, World, check_shape, counts

UPSERT = "/api/v1/leads/upsert"


def test_made_once_and_changed_afterwards(manager: KeyClient, world: World):
    lead = VENDOR | {"email": "jo@example.com", "tags": ["a"], "custom_fields": {"budget": 5}}
    first = manager.send("POST", UPSERT, {"match": "email", "lead": lead})
    body = first.json()
    assert (first.status_code, body["action"]) == (201, "created")
    assert first["Location"] == f"/api/v1/leads/{body['lead']['id']}"
    assert body["lead"]["source"] == "homepage"
    again = {"email": "JO@example.com", "first_name": "Jo", "tags": ["b"], "source": "later", "phone": None}
    second = manager.send("POST", UPSERT, {"match": "email", "lead": again | {"custom_fields": {"areas": []}}})
    told = second.json()["lead"]
    assert (second.status_code, second.json()["action"], "Location" in second) == (200, "updated", False)
    assert told == manager.get(first["Location"]).json()
    assert (told["id"], told["firstName"] if "firstName" in told else told["first_name"]) == (body["lead"]["id"], "Jo")
    assert (told["tags"], told["source"], told["phone"]) == (["a", "b"], "homepage", VENDOR["phone"])
    assert told["custom_fields"]["budget"] == 5
    # What was read can be sent back.
    assert manager.send("POST", UPSERT, {"match": "email", "lead": told}).json() == {"action": "updated", "lead": told}


@pytest.mark.parametrize(
    ("policy", "becomes"),
    [
        ({}, ("New", "Hartley")),
        ({"update": "fill_empty"}, ("Olivia", "Hartley")),
        ({"update": "mirror"}, ("New", None)),
        ({"update": "keep"}, ("Olivia", "Hartley")),
        ({"protected": ["first_name"]}, ("Olivia", "Hartley")),
    ],
)
def test_what_becomes_of_it(manager: KeyClient, world: World, policy: dict[str, Any], becomes: tuple[Any, Any]):
    lead = factories.lead(account=world.account, email="jo@example.com", type=None, full_name="Jo")
    sent = {
        "match": "email",
        "lead": {"type": "vendor", "email": "jo@example.com", "first_name": "New", "last_name": ""},
    }
    lead.set("type", "vendor")
    lead.save()
    assert manager.send("POST", UPSERT, sent | policy).status_code == 200
    lead.refresh_from_db()
    assert (lead.first_name, lead.last_name) == becomes


def test_known_by_a_unique_custom_field(manager: KeyClient, world: World):
    CustomField.objects.create(account=world.account, key="reference", label="Reference", unique=True)
    lead = VENDOR | {"custom_fields": {"reference": "A1"}}
    sent = {"match": "custom_fields.reference", "lead": lead}
    assert [manager.send("POST", UPSERT, sent).json()["action"] for _ in range(2)] == ["created", "updated"]
    body = check_shape(manager.send("POST", "/api/v1/leads", lead), 400, "invalid", fields=["custom_fields.reference"])
    assert body["errors"][0]["message"].startswith("belongs to lead ")


def test_a_key_of_one_office_meets_its_own_leads_only(world: World):
    client = world.client("staff a")
    theirs = factories.lead(office=world.b, email="jo@example.com")
    answer = client.send("POST", UPSERT, {"match": "email", "lead": VENDOR | {"email": "jo@example.com"}})
    assert (answer.status_code, answer.json()["action"], answer.json()["lead"]["office_id"]) == (
        201,
        "created",
        world.a.pk,
    )
    theirs.refresh_from_db()
    assert theirs.version == 1
    alike = client.get(f"/api/v1/leads/{answer.json()['lead']['id']}/duplicates").json()["data"]
    assert [one["lead"]["id"] for one in alike] == [world.lead_a.pk]


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({}, ["lead"]),
        ({"lead": []}, ["lead"]),
        ({"lead": {}, "match": "city", "update": "merge", "colour": 1}, ["colour", "match", "update"]),
        ({"lead": VENDOR, "match": ["email"], "update": {}}, ["match", "update"]),
        ({"lead": VENDOR, "protected": "email"}, ["protected"]),
        ({"lead": VENDOR | {"colour": 1, "custom_fields": []}}, ["lead.colour", "lead.custom_fields"]),
        ({"lead": VENDOR | {"custom_fields": {"none": 1}}}, ["lead.custom_fields.none"]),
        ({"lead": {"business_email": "no address"}}, None),
        ({"lead": VENDOR | {"email": 5}, "match": "email"}, ["lead.email"]),
        ({"lead": VENDOR | {"office_id": 10**9}}, ["lead.office_id"]),
    ],
)
def test_what_is_refused(manager: KeyClient, world: World, sent: dict[str, Any], fields: list[str] | None):
    before = counts()
    check_shape(manager.send("POST", UPSERT, sent), 400, "invalid", fields=fields)
    assert counts() == before


def test_duplicates_and_why(manager: KeyClient, world: World):
    Lead.objects.all().delete()
    lead = factories.lead(account=world.account)
    phone = factories.lead(account=world.account, email="b@example.com", postcode="YO1 1AA", phone="+44 7123 456789")
    name = factories.lead(
        account=world.account,
        email="c@example.com",
        phone="07123456781",
        full_name="OLIVIA  Hartley",
        postcode="n1-3jy",
    )
    factories.lead(account=world.account, email="d@example.com", phone="07123456780", last_name="Other", postcode="YO1")
    factories.lead(account=world.other)
    path = f"/api/v1/leads/{lead.pk}/duplicates"
    told = [(one["lead"]["id"], one["reasons"]) for one in manager.get(path).json()["data"]]
    assert told == [(phone.pk, ["phone"]), (name.pk, ["name_and_postcode"])]
    assert duplicates.dismiss([name, lead]) == 1
    assert [one["lead"]["id"] for one in manager.get(path).json()["data"]] == [phone.pk]
    groups, after = duplicates.groups(Scope(world.account.pk, None), "phone")
    assert ([lead.pk for group in groups for lead in group.leads], after) == ([lead.pk, phone.pk], None)
    assert duplicates.groups(Scope(world.account.pk, None), "name_and_postcode") == ([], None)


def test_what_is_said_in_one_account_counts_in_no_other(world: World):
    Lead.objects.all().delete()
    pairs = [[factories.lead(account=account) for _ in range(2)] for account in (world.account, world.other)]
    assert duplicates.dismiss(pairs[1]) == 1
    groups, _ = duplicates.groups(Scope(None, None), "phone")
    assert [group.leads for group in groups] == [pairs[0]]
