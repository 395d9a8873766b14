"""Leads, by what goes in and what comes out; the rules of each field are tests/leads and tests/conformance."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from leads import roles
from leads.fields import BY_WIRE, FIELDS
from leads.models import Account, Lead
from tests import factories
from tests.api.conftest import VENDOR, KeyClient, World, check_shape, counts, key_of, member
from webhooks.models import Event

LEADS = "/api/v1/leads"

# Every writeable key with a value that is not its usual one.
FULL: dict[str, Any] = {
    "first_name": "Zoë",
    "last_name": "O'Neil",
    "full_name": "Dr Zoë O'Neil",
    "email": "zoe@example.com",
    "phone": "+44 7123 456789",
    "type": "sale",
    "source": "rightmove",
    "address": "51 Asimov Place, Starbridge",
    "postcode": "N1 3JY",
    "advert_address": "7 High Street",
    "advert_postcode": "N1 3JZ",
    "advert_url": "https://www.example.com/result",
    "advert_image": "https://www.example.com/image",
    "title": "Dr",
    "message": "When can I view\nthis property?",
    "appointment_availability": {"hours": ["2026-11-22T10:00:00.000Z", "2026-11-23T10:00:00+01:00"]},
    "meta": {"virtual tour": "true"},
    "questionnaire": [["Chain free?", "Yes"], ["Mortgage agreed?", "No"]],
    "status": "IN_PROGRESS",
    "stage": "CONTACTED",
    "gdpr_checkbox": False,
    "host": "https://valuation.example.com",
    "average_sale_estimation": 10000,
    "average_rent_estimation": 10.25,
    "property_reference": "REF 1",
    "property_bedrooms": 0,
    "minimum_sale_estimation": 0,
    "maximum_sale_estimation": -5.5,
    "minimum_rent_estimation": 1,
    "maximum_rent_estimation": 343444455,
    "international": True,
    "property_type": "semi-detached",
}
JUNK: dict[str, Any] = {
    "id": 999,
    "createdAt": "2000-01-23T01:23:45.678+09:00",
    "office_name": 5,
    "comparable_props": "none",
    "account_id": None,
    "account_name": ["Skyline"],
    "referred_by_office_id": 1,
    "referred_by_office_name": "x",
    "referred_by_account_id": {},
    "referred_by_account_name": "x" * 5000,
}


def create(client: KeyClient, **values: Any) -> dict[str, Any]:
    response = client.send("POST", LEADS, VENDOR | values)
    assert response.status_code == 201, response.content
    return response.json()


def patch(client: KeyClient, lead: dict[str, Any] | Lead, values: dict[str, Any]) -> Any:
    return client.send("PATCH", f"{LEADS}/{lead['id'] if isinstance(lead, dict) else lead.pk}", values)


def events(lead_id: int) -> list[str]:
    return list(Event.objects.filter(record_id=lead_id).order_by("pk").values_list("type", flat=True))


def test_full_names_every_writeable_key():
    assert {*FULL, "parentId", "office_id"} == {field.wire for field in FIELDS if field.writeable}
    assert set(JUNK) == {field.wire for field in FIELDS if not field.writeable}


def test_create_stores_and_answers_all_44_keys_in_order(manager: KeyClient, world: World):
    sent = FULL | {"parentId": world.lead_b.pk, "office_id": world.a.pk}
    response = manager.send("POST", LEADS, sent)
    assert response.status_code == 201
    body = json.loads(response.content)
    assert list(body) == list(BY_WIRE) and len(body) == 44
    assert {key: body[key] for key in sent} == sent
    assert response["Location"] == f"{LEADS}/{body['id']}"
    again = manager.get(response["Location"])
    assert again.status_code == 200 and again.content == response.content
    lead = Lead.objects.get(pk=body["id"])
    assert body["createdAt"] == lead.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    assert (body["office_name"], body["account_id"], body["account_name"]) == (
        "Leeds Central",
        world.account.pk,
        "Northgate Homes",
    )
    assert events(lead.pk) == ["lead.created"]
    event = Event.objects.get(record_id=lead.pk)
    assert (event.actor_kind, event.actor_id, event.actor_name) == ("api_key", manager.key.pk, "Key of manager")


def test_create_with_the_least(manager: KeyClient):
    body = create(manager)
    assert {key: value for key, value in body.items() if value is not None} == VENDOR | {
        "id": body["id"],
        "full_name": "Olivia Hartley",
        "source": "homepage",
        "status": "UNREAD",
        "stage": "NEW",
        "comparable_props": [],
        "createdAt": body["createdAt"],
        "account_id": manager.key.account_id,
        "account_name": "Northgate Homes",
    }


@pytest.mark.parametrize("value", [None, ""])
def test_source_is_homepage_when_not_given(manager: KeyClient, value: Any):
    assert create(manager, source=value)["source"] == "homepage"


@pytest.mark.parametrize("value", [0, False, [], {}])
def test_what_looks_empty_is_not_unset(manager: KeyClient, value: Any):
    body = check_shape(manager.send("POST", LEADS, VENDOR | {"source": value, "status": value}), 400, "invalid")
    assert [fault["field"] for fault in body["errors"]] == ["source", "status"]


def test_null_is_unset(manager: KeyClient):
    body = create(manager, **dict.fromkeys(key for key in FULL if key not in VENDOR), parentId=None)
    assert (body["status"], body["stage"], body["source"], body["meta"]) == ("UNREAD", "NEW", "homepage", None)
    filled = create(manager, **FULL)
    emptied = patch(manager, filled, {"meta": None, "title": "", "message": "", "gdpr_checkbox": None})
    check_shape(emptied, 400, "invalid", fields=["title"])
    body = patch(manager, filled, {"meta": None, "title": None, "message": "", "gdpr_checkbox": None}).json()
    assert (body["meta"], body["title"], body["message"], body["gdpr_checkbox"]) == (None, None, None, None)
    for key in ("status", "stage", "type", "email", "phone", "advert_address"):
        check_shape(patch(manager, filled, {key: None}), 400, "invalid", fields=[key])


def test_whole_numbers_have_no_fraction(manager: KeyClient):
    path = f"{LEADS}/{create(manager)['id']}"
    response = manager.send("PATCH", path, '{"average_sale_estimation": 10000.00, "average_rent_estimation": 1e3}')
    assert b'"average_sale_estimation":10000,"average_rent_estimation":1000,' in response.content
    lead = Lead.objects.latest("id")
    lead.set("comparable_props", [{"beds": 4.0, "coords": {"x": -0.5, "y": 51.0}}])
    lead.save()
    assert b'"comparable_props":[{"beds":4,"coords":{"x":-0.5,"y":51}}]' in manager.get(path).content


def test_read_only_keys_are_ignored(manager: KeyClient, world: World):
    body = create(manager, **JUNK)
    assert body["id"] != 999 and body["account_id"] == world.account.pk and body["comparable_props"] == []
    before = manager.get(f"{LEADS}/{body['id']}").content
    assert patch(manager, body, JUNK).content == before
    assert patch(manager, body, {"source": "elsewhere"}).content == before
    assert patch(manager, body, {"source": 5}).content == before
    assert events(body["id"]) == ["lead.created"]


@pytest.mark.parametrize("values", [{}, FULL], ids=["least", "full"])
def test_what_was_read_can_be_patched_back(manager: KeyClient, world: World, values: dict[str, Any]):
    path = f"{LEADS}/{create(manager, **values, parentId=world.lead_b.pk, office_id=world.a.pk)['id']}"
    read = manager.get(path)
    version = Lead.objects.latest("id").version
    written = manager.send("PATCH", path, read.content)
    assert (written.status_code, written.content) == (200, read.content)
    assert manager.get(path).content == read.content
    lead = Lead.objects.latest("id")
    assert (events(lead.pk), lead.version) == (["lead.created"], version)


def test_somebody_of_one_office_can_patch_back_a_parent_they_do_not_see(world: World):
    world.lead_a.parent = world.lead_b
    world.lead_a.save()
    staff = world.client("staff a")
    read = staff.get(f"{LEADS}/{world.lead_a.pk}").json()
    assert read["parentId"] == world.lead_b.pk
    assert patch(staff, world.lead_a, read | {"title": "Ms"}).status_code == 200
    check_shape(patch(staff, world.lead_a, {"parentId": world.lead_free.pk}), 400, "invalid", fields=["parentId"])


def test_patch_is_judged_on_the_merged_record(manager: KeyClient, world: World):
    body = create(manager)
    refused = check_shape(patch(manager, body, {"type": "sale"}), 400, "invalid")
    assert {(fault["field"], fault["rule"]) for fault in refused["errors"]} == {
        ("advert_address", "required_advert"),
        ("advert_postcode", "required_advert"),
        ("property_reference", "required_reference"),
    }
    assert events(body["id"]) == ["lead.created"]
    taken = patch(manager, body, {"type": "sale", "office_id": world.a.pk, "property_reference": "R1"})
    assert taken.status_code == 200 and taken.json()["office_name"] == "Leeds Central"
    assert events(body["id"]) == ["lead.created", "lead.field_changed", "lead.updated"]
    check_shape(patch(manager, body, {"office_id": None}), 400, "invalid")


def test_the_api_asks_for_a_type_even_where_staff_left_it_out(manager: KeyClient):
    lead = factories.lead(type=None)
    check_shape(patch(manager, lead, {}), 400, "invalid", fields=["type"])
    assert patch(manager, lead, {"type": "vendor"}).status_code == 200


def test_names_follow_their_parts(manager: KeyClient):
    body = create(manager)
    renamed = patch(manager, body, {"first_name": "Ada"}).json()
    assert renamed["full_name"] == "Ada Hartley"
    assert patch(manager, renamed, renamed | {"last_name": "King"}).json()["full_name"] == "Ada King"
    check_shape(patch(manager, body, {"first_name": None, "last_name": None}), 400, "invalid", fields=["full_name"])
    assert manager.get(f"{LEADS}/{body['id']}").json()["full_name"] == "Ada King"


def test_one_request_is_one_set_of_events(manager: KeyClient):
    body = create(manager)
    assert patch(manager, body, {"stage": "CONTACTED", "title": "Dr", "meta": {"a": "b"}}).status_code == 200
    assert events(body["id"]) == ["lead.created", "lead.stage_changed", "lead.field_changed", "lead.updated"]
    versions = Event.objects.filter(record_id=body["id"]).values_list("version", flat=True)
    assert sorted(versions) == [1, 2, 2]


def test_delete(manager: KeyClient, world: World):
    world.lead_a.parent = world.lead_b
    world.lead_a.save()
    path = f"{LEADS}/{world.lead_b.pk}"
    response = manager.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert events(world.lead_b.pk)[-1] == "lead.deleted"
    check_shape(manager.get(path), 404, "not_found")
    check_shape(manager.delete(path), 404, "not_found")
    assert manager.get(f"{LEADS}/{world.lead_a.pk}").json()["parentId"] is None


@pytest.mark.parametrize(
    "pk", ["0", "-1", "abc", "1.5", "1e3", "%201", "01", "٣", "true", "null", "9223372036854775807",
           "9223372036854775808", "9" * 500, "%00", "%FF", "%2e%2e", "1;drop", "1,2"]
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_ids_that_no_lead_has(manager: KeyClient, pk: str, method: str):
    before = counts()
    for path in (f"{LEADS}/{pk}", f"/api/v1/offices/{pk}"):
        check_shape(manager.send(method, path, {} if method == "PATCH" else None), 404, "not_found")
    check_shape(manager.send("POST", f"{LEADS}/{pk}/refer", {"office_id": 1}), 404, "not_found")
    assert counts() == before


def test_unknown_keys_are_all_named(manager: KeyClient, world: World):
    sent = {"surname": "x", "created_at": "x", "parent_id": 1, "version": 7, "details": {}, "account": 1, "": 1}
    for response in (manager.send("POST", LEADS, VENDOR | sent), patch(manager, world.lead_a, sent)):
        body = check_shape(response, 400, "invalid", fields=list(sent))
        assert {fault["rule"] for fault in body["errors"]} == {"unknown"}


@pytest.mark.parametrize("who", ["staff a", "staff of both", "manager"])
def test_the_office_of_a_new_lead(world: World, who: str):
    """Given, it must be one of the writer's; left out, it is theirs when they have one, none for the whole account."""
    client = world.client(who)
    without = client.send("POST", LEADS, VENDOR)
    null = client.send("POST", LEADS, VENDOR | {"office_id": None})
    if who == "staff of both":
        for response in (without, null):
            check_shape(response, 400, "invalid", fields=["office_id"])
    else:
        expected = world.a.pk if who == "staff a" else None
        assert without.json()["office_id"] == null.json()["office_id"] == expected
    assert client.send("POST", LEADS, VENDOR | {"office_id": world.a.pk}).json()["office_id"] == world.a.pk
    beyond = [world.strange.pk, 10**9, *([world.b.pk] if who == "staff a" else [])]
    answers = [client.send("POST", LEADS, VENDOR | {"office_id": pk}) for pk in beyond]
    messages = {check_shape(answer, 400, "invalid", fields=["office_id"])["message"] for answer in answers}
    assert len(messages) == 1


def test_somebody_without_an_office_makes_no_lead(world: World):
    client = key_of(member("new", world.account, roles.STAFF), world.account)
    check_shape(client.send("POST", LEADS, VENDOR), 400, "invalid", fields=["office_id"])
    assert client.get(LEADS).json()["data"] == []


def test_the_prefilled_office_counts_for_the_rules(world: World):
    sale = VENDOR | {"type": "sale", "property_reference": "R1"}
    assert world.client("staff a").send("POST", LEADS, sale).status_code == 201
    check_shape(world.client("manager").send("POST", LEADS, sale), 400, "invalid")


def test_staff_cannot_put_a_lead_out_of_their_reach(world: World):
    staff = world.client("staff a")
    for office in (None, world.b.pk, world.strange.pk):
        check_shape(patch(staff, world.lead_a, {"office_id": office}), 400, "invalid", fields=["office_id"])
    assert patch(world.client("manager"), world.lead_a, {"office_id": world.b.pk}).status_code == 200


def test_parents(manager: KeyClient, world: World):
    top, middle, low = create(manager), create(manager), create(manager)
    assert patch(manager, middle, {"parentId": top["id"]}).status_code == 200
    assert patch(manager, low, {"parentId": middle["id"]}).status_code == 200
    for parent in (top, middle, low):
        check_shape(patch(manager, top, {"parentId": parent["id"]}), 400, "invalid", fields=["parentId"])
    for parent_id in (world.strange_lead.pk, 10**9, 0, -1, "1", True, 1.0, {}):
        check_shape(patch(manager, top, {"parentId": parent_id}), 400, "invalid", fields=["parentId"])
    assert patch(manager, low, {"parentId": None}).json()["parentId"] is None


def test_refer(world: World):
    staff = world.client("staff a")
    path = f"{LEADS}/{world.lead_a.pk}"
    response = staff.send("POST", f"{path}/refer", {"office_id": world.b.pk})
    assert response.status_code == 200
    body = response.json()
    assert {key: value for key, value in body.items() if key.startswith(("referred", "office"))} == {
        "office_id": world.b.pk,
        "office_name": "York",
        "referred_by_office_id": world.a.pk,
        "referred_by_office_name": "Leeds Central",
        "referred_by_account_id": world.account.pk,
        "referred_by_account_name": "Northgate Homes",
    }
    assert events(world.lead_a.pk)[-1] == "lead.updated"
    check_shape(staff.get(path), 404, "not_found")
    assert world.client("staff b").get(path).json() == body


@pytest.mark.parametrize(
    "sent, field",
    [
        ({}, "office_id"),
        ({"office_id": None}, "office_id"),
        ({"office_id": "1"}, "office_id"),
        ({"office_id": True}, "office_id"),
        ({"office_id": 1.0}, "office_id"),
        ({"office_id": []}, "office_id"),
        ({"office_id": 0}, "office_id"),
        ({"office_id": -1}, "office_id"),
        ({"office_id": 2**63 - 1}, "office_id"),
        ({"office_id": "own"}, "office_id"),
        ({"office_id": "strange"}, "office_id"),
        ({"office_id": "b", "note": "x"}, "note"),
    ],
)
def test_refer_refuses(world: World, sent: dict[str, Any], field: str):
    before = counts()
    offices = {"own": world.a.pk, "strange": world.strange.pk, "b": world.b.pk}
    if isinstance(sent.get("office_id"), str):
        sent = sent | {"office_id": offices.get(sent["office_id"], sent["office_id"])}
    path = f"{LEADS}/{world.lead_a.pk}/refer"
    check_shape(world.client("manager").send("POST", path, sent), 400, "invalid", fields=[field])
    assert counts() == before
    world.lead_a.refresh_from_db()
    assert world.lead_a.office == world.a and world.lead_a.referred_by_account_id is None


def test_a_slash_at_the_end_makes_no_difference(manager: KeyClient, world: World):
    assert manager.get(f"{LEADS}/").status_code == manager.get(f"{LEADS}/{world.lead_a.pk}/").status_code == 200
    response = manager.send("POST", f"{LEADS}/", VENDOR)
    assert response["Location"] == f"{LEADS}/{response.json()['id']}"


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_are_all_kept():
    """Each PATCH is laid over what the one before it has stored."""
    account = factories.account()
    client = key_of(member("manager", account, roles.MANAGER), account)
    lead = factories.lead()
    fields = ["title", "message", "host", "advert_url", "advert_image", "property_reference"]
    statuses: dict[str, int] = {}

    def change(field: str) -> None:
        own = KeyClient(client.key, client.secret)
        statuses[field] = patch(own, lead, {field: "Dr"}).status_code
        connection.close()

    threads = [threading.Thread(target=change, args=(field,)) for field in fields]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == dict.fromkeys(fields, 200)
    body = client.get(f"{LEADS}/{lead.pk}").json()
    assert {field: body[field] for field in fields} == dict.fromkeys(fields, "Dr")
    lead.refresh_from_db()
    assert lead.version == 1 + len(fields)
    assert Event.objects.filter(record_id=lead.pk, type="lead.updated").count() == len(fields)


def test_reading_a_page_takes_as_many_statements_as_reading_one_lead_more_or_less(
    manager: KeyClient, world: World, django_assert_max_num_queries
):
    for number in range(20):
        factories.lead(office=world.a if number % 2 else world.b, first_name=f"N{number}")
    manager.get(LEADS)
    with django_assert_max_num_queries(7):
        assert len(manager.get(LEADS).json()["data"]) == 23


def test_created_at_is_told_in_utc_with_milliseconds(manager: KeyClient, world: World):
    Lead.objects.filter(pk=world.lead_a.pk).update(created_at=datetime(2026, 11, 21, 9, 14, 5, 999999, tzinfo=UTC))
    assert manager.get(f"{LEADS}/{world.lead_a.pk}").json()["createdAt"] == "2026-11-21T09:14:05.999Z"


def test_another_accounts_name_or_key_changes_nothing(world: World):
    stranger = world.client("stranger")
    body = create(stranger, account_id=world.account.pk, account_name="Northgate Homes")
    assert (body["account_id"], body["account_name"]) == (world.other.pk, "Southbank Lettings")
    assert Account.objects.count() == 2
