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
from leads.models import Account, Company, CustomField, Lead, LeadList, Tag
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
    "score": -5,
    "notes": "Rings in the evening",
    "custom_fields": {"budget": 450000, "areas": ["N2"]},
    "lead_status": "Meeting Booked",
    "tags": ["vip", "Cash buyer"],
    "lists": ["Newsletter"],
    "campaigns": ["Spring", "Autumn"],
    "business_email": "zoe@work.example",
    "personal_email": "zoe@home.example",
    "number_of_employees": 12,
    "import_tags": ["import 1"],
    "created_date": "2024-12-02T14:05:38Z",
    "modified_date": "2024-12-03T14:05:38Z",
    "last_contacted": "2024-12-04T14:05:38Z",
    "last_email_click_date": "2024-12-05T14:05:38Z",
    "last_email_open_date": "2024-12-06T14:05:38Z",
    "last_email_reply_date": "2024-12-07T14:05:38Z",
    "number_of_email_clicks": 1,
    "number_of_email_opens": 2,
    "number_of_email_replies": 3,
    "number_of_emails": 4,
    "number_of_phone_calls": 5,
    "number_of_sms_replies": 6,
    "number_of_sms_sent": 7,
    "number_of_times_contacted": 8,
    "lead_status_history": ["Follow Up", "Meeting Booked"],
    "life_cycle_history": ["subscriber"],
    "sentiment_history": ["cold", "warm"],
    "life_cycle": "subscriber",
    "sentiment": "warm",
    # Plain texts of LeadEngine's, none of which has a rule of its own.
    **{
        key: f"the {key}"
        for key in (
            "mobile_phone", "office_phone", "phone_country", "phone_validation", "city", "state", "country",
            "time_zone", "gender", "about", "person_linkedin", "person_x", "person_facebook", "linkedin_summary",
            "company_name", "job_title", "job_department", "industry", "website", "website_summary",
            "company_linkedin", "company_x", "company_facebook", "lead_type", "email_provider",
            "email_provider_type", "email_validation", "email_bounce_status", "email_bounce_sub_status",
            "email_subscription", "sms_subscription",
        )
    },
}  # fmt: skip
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
    "owner": 5,
    "owner_name": None,
    "pipeline": "Lettings",
    "stage_name": [],
    "stage_outcome": "win",
    "company": "Hartley",
}
REFERENCES = {"parentId", "office_id", "owner_id", "pipeline_id", "pipeline_stage_id", "company_id"}


def create(client: KeyClient, **values: Any) -> dict[str, Any]:
    response = client.send("POST", LEADS, VENDOR | values)
    assert response.status_code == 201, response.content
    return response.json()


def patch(client: KeyClient, lead: dict[str, Any] | Lead, values: dict[str, Any]) -> Any:
    return client.send("PATCH", f"{LEADS}/{lead['id'] if isinstance(lead, dict) else lead.pk}", values)


def events(lead_id: int) -> list[str]:
    return list(Event.objects.filter(record_id=lead_id).order_by("pk").values_list("type", flat=True))


def test_full_names_every_writeable_key():
    assert {*FULL, *REFERENCES} == {field.wire for field in FIELDS if field.writeable}
    assert set(JUNK) == {field.wire for field in FIELDS if not field.writeable}


def test_create_stores_and_answers_all_keys_in_order(manager: KeyClient, world: World):
    stage = world.lettings.stages.get(name="Second viewing")
    sent = FULL | {
        "parentId": world.lead_b.pk,
        "office_id": world.a.pk,
        "owner_id": manager.key.user_id,
        "pipeline_id": world.lettings.pk,
        "pipeline_stage_id": stage.pk,
        "stage": "VIEWING_BOOKED",
        "company_id": Company.objects.create(account=world.account, name="Hartley Design").pk,
    }
    response = manager.send("POST", LEADS, sent)
    assert response.status_code == 201
    body = json.loads(response.content)
    assert list(body) == list(BY_WIRE) and len(body) == 115
    assert list(body)[:44] == [field.wire for field in FIELDS if "leadpro" in field.systems]
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
    told = {key: body[key] for key in ("owner", "owner_name", "pipeline", "stage_name", "stage_outcome")}
    assert told == {
        "owner": "manager@example.com",
        "owner_name": "manager",
        "pipeline": "Lettings",
        "stage_name": "Second viewing",
        "stage_outcome": "open",
    }
    assert events(lead.pk) == ["lead.created", "lead.assigned"]
    event = Event.objects.get(record_id=lead.pk, type="lead.created")
    assert (event.actor_kind, event.actor_id, event.actor_name) == ("api_key", manager.key.pk, "Key of manager")


def test_create_with_the_least(manager: KeyClient):
    body = create(manager)
    pipeline = manager.key.account.pipelines.get(is_default=True)
    assert {key: value for key, value in body.items() if value is not None} == VENDOR | {
        "id": body["id"],
        "pipeline_id": pipeline.pk,
        "pipeline": "Sales pipeline",
        "pipeline_stage_id": pipeline.stages.get(code="NEW").pk,
        "stage_name": "New",
        "stage_outcome": "open",
        "score": 0,
        "custom_fields": {"budget": None, "areas": None},
        **{key: [] for key in ("tags", "lists", "campaigns", "import_tags")},
        **{f"{key}_history": [] for key in ("lead_status", "life_cycle", "sentiment")},
        "created_date": f"{body['createdAt'][:19]}Z",
        "modified_date": f"{body['createdAt'][:19]}Z",
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
    assert (body["score"], body["tags"], body["import_tags"]) == (0, [], [])
    filled = create(manager, **FULL)
    emptied = patch(manager, filled, {"meta": None, "title": "", "message": "", "gdpr_checkbox": None})
    check_shape(emptied, 400, "invalid", fields=["title"])
    body = patch(manager, filled, {"meta": None, "title": None, "message": "", "gdpr_checkbox": None}).json()
    assert (body["meta"], body["title"], body["message"], body["gdpr_checkbox"]) == (None, None, None, None)
    for key in ("tags", "lists", "campaigns", "import_tags", "lead_status_history"):
        assert patch(manager, filled, {key: None}).json()[key] == []
    assert patch(manager, filled, {"custom_fields": None}).json()["custom_fields"] == {"budget": None, "areas": None}
    for key in (
        "status", "stage", "type", "email", "phone", "advert_address", "pipeline_id", "pipeline_stage_id", "score",
        "lead_status", "modified_date",
    ):  # fmt: skip
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
    references = {"parentId": world.lead_b.pk, "office_id": world.a.pk, "owner_id": manager.key.user_id}
    path = f"{LEADS}/{create(manager, **values, **references)['id']}"
    read = manager.get(path)
    row = Lead.objects.filter(email=read.json()["email"]).values().latest("id")
    written = manager.send("PATCH", path, read.content)
    assert (written.status_code, written.content) == (200, read.content)
    assert manager.get(path).content == read.content
    assert Lead.objects.values().get(pk=row["id"]) == row
    assert events(row["id"]) == ["lead.created", "lead.assigned"]


def test_what_was_read_does_not_hold_back_what_follows_from_a_change(manager: KeyClient):
    read = create(manager)
    changed = patch(manager, read, read | {"title": "Dr", "stage": "WON"}).json()
    assert (changed["stage"], changed["stage_name"], changed["stage_outcome"]) == ("WON", "Won", "win")
    lead = Lead.objects.get(pk=read["id"])
    assert lead.modified_date > lead.created_at and lead.created_date is None


def test_custom_fields_are_laid_over_each_other_by_key(manager: KeyClient):
    body = create(manager, custom_fields={"budget": 5})
    assert body["custom_fields"] == {"budget": 5, "areas": None}
    body = patch(manager, body, {"custom_fields": {"areas": ["N1"]}}).json()
    assert body["custom_fields"] == {"budget": 5, "areas": ["N1"]}
    assert patch(manager, body, {"custom_fields": {}}).json()["custom_fields"] == body["custom_fields"]
    cleared = patch(manager, body, {"custom_fields": {"budget": None}}).json()
    assert cleared["custom_fields"] == {"budget": None, "areas": ["N1"]}
    changes = json.loads(Event.objects.filter(type="lead.updated").latest("id").changes)
    assert changes == {"custom_fields.budget": [5, None]}


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"custom_fields": {"size": 5}}, "custom_fields.size", "unknown"),
        ({"custom_fields": {"size": None}}, "custom_fields.size", "unknown"),
        ({"custom_fields": {"a\u2028b": 5}}, "custom_fields.a\ufffdb", "unknown"),
        ({"custom_fields": {"budget": "5"}}, "custom_fields.budget", "number"),
        ({"custom_fields": {"budget": True}}, "custom_fields.budget", "number"),
        ({"custom_fields": {"areas": "N1"}}, "custom_fields.areas", "choices"),
        ({"custom_fields": {"areas": ["N3"]}}, "custom_fields.areas", "choices"),
        ({"custom_fields": []}, "custom_fields", "object"),
        ({"custom_fields": ""}, "custom_fields", "object"),
        ({"lists": ["Nowhere"]}, "lists", "reference"),
        ({"campaigns": ["Spring", "Winter"]}, "campaigns", "reference"),
        ({"lists": [1]}, "lists", "texts"),
        ({"tags": "vip"}, "tags", "texts"),
        ({"tags": [" "]}, "tags", "texts"),
        ({"tags": [{"name": "vip"}]}, "tags", "texts"),
        ({"tags": ["x" * 101]}, "tags", "label_length"),
        ({"tags": [f"tag {n}" for n in range(101)]}, "tags", "label_count"),
        ({"tags": ["a\x01b"]}, "tags", "control_characters"),
        ({"owner_id": 10**9}, "owner_id", "reference"),
        ({"owner_id": True}, "owner_id", "reference"),
        ({"company_id": 10**9}, "company_id", "reference"),
        ({"company_id": True}, "company_id", "reference"),
        ({"pipeline_id": 10**9}, "pipeline_id", "pipeline"),
        ({"pipeline_id": True}, "pipeline_id", "reference"),
        ({"pipeline_stage_id": 10**9}, "pipeline_stage_id", "stage"),
        ({"pipeline_stage_id": "1"}, "pipeline_stage_id", "reference"),
        ({"stage": "active"}, "stage", "choice"),
        ({"stage": ""}, "stage", "choice"),
        ({"stage": []}, "stage", "choice"),
        ({"score": 1.5}, "score", "integer"),
        ({"score": 2**31}, "score", "integer"),
        ({"lead_status": "follow up"}, "lead_status", "choice"),
        ({"number_of_emails": -1}, "number_of_emails", "integer"),
        ({"last_contacted": "yesterday"}, "last_contacted", "iso_date"),
        ({"import_tags": ["a", 1]}, "import_tags", "texts"),
        ({"business_email": "nobody"}, "business_email", "email"),
    ],
)
def test_what_breaks_a_rule_stores_nothing(manager: KeyClient, world: World, sent: Any, field: str, rule: str):
    before, row = counts(), Lead.objects.values().get(pk=world.lead_a.pk)
    for response in (manager.send("POST", LEADS, VENDOR | sent), patch(manager, world.lead_a, sent)):
        body = check_shape(response, 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert (counts(), Lead.objects.values().get(pk=world.lead_a.pk)) == (before, row)


def test_an_owner_is_an_active_member_of_the_account(manager: KeyClient, world: World):
    lead = create(manager)
    strange = world.client("stranger").key.user
    left = member("left", world.account, roles.STAFF, world.a, is_active=False)
    for user in (strange, left):
        check_shape(patch(manager, lead, {"owner_id": user.pk}), 400, "invalid", fields=["owner_id"])
    colleague = member("colleague", world.account, roles.STAFF, world.b, first_name="Co", last_name="Lee")
    body = patch(manager, lead, {"owner_id": colleague.pk}).json()
    assert (body["owner"], body["owner_name"]) == ("colleague@example.com", "Co Lee")
    assert patch(manager, lead, {"owner_id": None}).json()["owner"] is None
    assert events(lead["id"]).count("lead.assigned") == 2


def test_the_place_of_a_lead(manager: KeyClient, world: World):
    """By code, by stage or by pipeline; the others follow."""

    def place(body: dict[str, Any]) -> tuple[str, str, str]:
        return body["pipeline"], body["stage_name"], body["stage"]

    second = world.lettings.stages.get(name="Second viewing").pk
    won = world.account.pipelines.get(is_default=True).stages.get(code="WON").pk
    assert place(create(manager, pipeline_stage_id=second)) == ("Lettings", "Second viewing", "VIEWING_BOOKED")
    lead = create(manager, pipeline_id=world.lettings.pk, stage="VIEWING_BOOKED")
    assert place(lead) == ("Lettings", "Viewing", "VIEWING_BOOKED")
    assert place(patch(manager, lead, {"pipeline_stage_id": second}).json())[1] == "Second viewing"
    assert place(patch(manager, lead, {"stage": "WON"}).json()) == ("Lettings", "Agreed", "WON")
    assert place(patch(manager, lead, {"pipeline_id": lead["pipeline_id"]}).json()) == ("Lettings", "Agreed", "WON")
    for sent, field, rule in (
        ({"stage": "SPAM"}, "stage", "stage"),
        ({"pipeline_stage_id": won}, "pipeline_stage_id", "stage"),
        ({"pipeline_stage_id": second, "stage": "NEW"}, "stage", "stage"),
        ({"pipeline_id": world.strange_lettings.pk}, "pipeline_id", "pipeline"),
        ({"pipeline_stage_id": world.strange_lettings.stages.first().pk}, "pipeline_stage_id", "stage"),
    ):
        body = check_shape(patch(manager, lead, sent), 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
        sent = VENDOR | {"pipeline_id": world.lettings.pk} | sent
        check_shape(manager.send("POST", LEADS, sent), 400, "invalid", fields=[field])
    moved = patch(manager, lead, {"pipeline_id": world.account.pipelines.get(is_default=True).pk}).json()
    assert place(moved) == ("Sales pipeline", "Won", "WON")


def test_labels_are_arrays_of_names(manager: KeyClient, world: World):
    lead = create(manager, tags=["vip", "VIP", " new "], campaigns=["autumn", "Spring"])
    assert (lead["tags"], lead["campaigns"]) == (["vip", "new"], ["Autumn", "Spring"])
    assert Tag.objects.filter(account=world.account).count() == 2
    assert patch(manager, lead, {"tags": ["New"]}).json()["tags"] == ["new"]
    assert patch(manager, lead, {"campaigns": []}).json()["campaigns"] == []
    LeadList.objects.create(account=world.account, name="Zürich")
    decomposed = "ZU\u0308RICH"
    assert patch(manager, lead, {"lists": [decomposed]}).json()["lists"] == ["Zürich"]
    LeadList.objects.create(account=world.other, name="Theirs")
    check_shape(patch(manager, lead, {"lists": ["Theirs"]}), 400, "invalid", fields=["lists"])


def test_a_required_custom_field_is_asked_of_new_leads_and_of_who_empties_it(manager: KeyClient, world: World):
    old = create(manager)
    CustomField.objects.filter(key="budget").update(required=True)
    world.account.save()  # renews what is kept in memory of its set-up
    check_shape(manager.send("POST", LEADS, VENDOR), 400, "invalid", fields=["custom_fields.budget"])
    new = create(manager, custom_fields={"budget": 1})
    assert patch(manager, old, {"title": "Dr"}).status_code == 200
    for sent in ({"budget": None}, None):
        check_shape(patch(manager, new, {"custom_fields": sent}), 400, "invalid", fields=["custom_fields.budget"])


@pytest.mark.parametrize(
    "given, email",
    [
        ({"business_email": "work@example.com", "personal_email": "home@example.com"}, "work@example.com"),
        ({"personal_email": "home@example.com"}, "home@example.com"),
        ({"email": "own@example.com", "business_email": "work@example.com"}, "own@example.com"),
    ],
)
def test_the_email_of_a_new_lead_may_be_its_business_or_personal_one(manager: KeyClient, given: Any, email: str):
    sent = {key: value for key, value in VENDOR.items() if key != "email"}
    response = manager.send("POST", LEADS, sent | given)
    assert (response.status_code, response.json()["email"]) == (201, email)
    check_shape(patch(manager, response.json(), {"email": None}), 400, "invalid", fields=["email"])
    check_shape(manager.send("POST", LEADS, sent), 400, "invalid", fields=["email"])


def test_counters_and_dates_are_a_base_that_other_systems_may_set(manager: KeyClient):
    lead = create(manager, number_of_emails=7)
    body = patch(manager, lead, {"number_of_emails": 3, "last_contacted": "2026-11-21T10:00:00+01:00"}).json()
    assert (body["number_of_emails"], body["last_contacted"]) == (3, "2026-11-21T09:00:00Z")
    assert patch(manager, lead, {"number_of_emails": None}).json()["number_of_emails"] is None


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
    assert sorted(versions) == [1, 2, 2, 2]


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
    assert {key: value for key, value in body.items() if key.startswith(("referred", "office_id", "office_n"))} == {
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
        labels = {"tags": ["vip", f"tag {number}"], "lists": ["Newsletter"], "campaigns": ["Spring"]}
        lead = factories.lead(
            office=world.a if number % 2 else world.b,
            first_name=f"N{number}",
            owner_id=manager.key.user_id,
            pipeline_id=world.lettings.pk if number % 3 else None,
            custom_fields={"budget": number},
            **labels,
        )
        lead.messages.create(type="inbound", body="Hello")
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
