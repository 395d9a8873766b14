"""Web forms by API: the same rules as in the admin, and an address that takes submissions at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from leads.forms import page
from leads.models import Campaign, CustomField, Form, FormSubmission, Lead, LeadList, Tag
from tests.api.conftest import KeyClient, World, check_shape, member

FORMS = "/api/v1/forms"
FIELDS = [{"key": "email"}, {"key": "full_name", "label": "Your name", "required": True}]
CONTACT = {"name": "Contact us", "title": "Say hello", "fields": FIELDS}


@pytest.fixture
def setup(world: World) -> World:
    Tag.objects.create(account=world.account, name="website")
    Tag.objects.create(account=world.other, name="theirs")
    for model in (LeadList, Campaign):
        model.objects.get_or_create(account=world.account, name="Spring")
        model.objects.get_or_create(account=world.other, name="Theirs")
    return world


def test_create_retrieve_list_change_and_delete(manager: KeyClient, setup: World):
    response = manager.send("POST", FORMS, CONTACT)
    body = response.json()
    form = Form.objects.get()
    assert (response.status_code, response["Location"]) == (201, f"{FORMS}/{form.pk}")
    assert body == {
        "id": form.pk,
        "name": "Contact us",
        "title": "Say hello",
        "is_open": True,
        "assign": "person",
        "source": "web_form",
        "match": "",
        "update": "fill_empty",
        "protected": [],
        "thank_you": "Thank you. We will be in touch.",
        "redirect_url": "",
        "fields": [
            {"key": "email", "label": "E-mail", "required": False},
            {"key": "full_name", "label": "Your name", "required": True},
        ],
        "office_id": None,
        "pipeline_id": None,
        "owner_id": None,
        "tags": [],
        "lists": [],
        "campaigns": [],
        "address": page.address_of(form),
        "submissions": 0,
        "created_at": body["created_at"],
    }
    path = response["Location"]
    assert manager.get(path).json() == body
    assert manager.get(FORMS).json()["data"] == [body]
    # What was read can be sent back.
    assert manager.send("PATCH", path, body).json() == body
    assert manager.send("PATCH", path, {}).json() == body
    changed = manager.send("PATCH", path, {"is_open": False, "source": None, "title": " Hello "}).json()
    assert changed == body | {"is_open": False, "title": "Hello"}
    assert (manager.delete(path).status_code, Form.objects.count()) == (204, 0)


def test_where_its_leads_go(manager: KeyClient, setup: World):
    pipeline = setup.account.pipelines.first()
    owner = member("dana", setup.account, None)
    place = {"office_id": setup.b.pk, "pipeline_id": pipeline.pk, "owner_id": owner.pk}
    labels = {"tags": ["WEBSITE"], "lists": [" Spring "], "campaigns": ["spring"]}
    body = manager.send("POST", FORMS, CONTACT | place | labels | {"redirect_url": "https://example.com/thanks"}).json()
    assert {key: body[key] for key in place} == place
    assert [body[key] for key in labels] == [["website"], ["Spring"], ["Spring"]]
    sent = {"email": "olivia@example.com", "full_name": "Olivia Hartley"}
    answer = Client().post(page.path_of(Form.objects.get()), sent, "application/json")
    assert answer.status_code == 200
    lead = Lead.objects.latest("pk")
    assert (lead.office, lead.pipeline, lead.owner) == (setup.b, pipeline, owner)
    assert [lead.get(key) for key in labels] == [["website"], ["Spring"], ["Spring"]]
    path = f"{FORMS}/{body['id']}"
    assert manager.get(path).json()["submissions"] == manager.get(FORMS).json()["data"][0]["submissions"] == 1
    cleared = manager.send("PATCH", path, dict.fromkeys(place) | {"tags": [], "lists": None}).json()
    assert [cleared[key] for key in (*place, *labels)] == [None, None, None, [], [], ["Spring"]]


@pytest.mark.ordinary
@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"name": None}, "name", "required"),
        ({"name": "x" * 101}, "name", "length"),
        ({"name": "Taken"}, "name", "unique"),
        ({"title": ""}, "title", "required"),
        ({"title": 5}, "title", "text"),
        ({"is_open": "yes"}, "is_open", "boolean"),
        ({"match": "city"}, "match", "match"),
        ({"match": ["email"]}, "match", "text"),
        ({"update": "merge"}, "update", "choice"),
        ({"protected": ["owner_id"]}, "protected", "protected"),
        ({"protected": "email"}, "protected", "texts"),
        ({"assign": "anyone"}, "assign", "choice"),
        ({"redirect_url": "javascript:alert(1)"}, "redirect_url", "url"),
        ({"redirect_url": "https://me:secret@example.com"}, "redirect_url", "url"),
        ({"redirect_url": ["https://example.com"]}, "redirect_url", "text"),
        ({"uid": "guessable"}, "uid", "unknown"),
        ({"account_id": 1}, "account_id", "unknown"),
        ({"fields": None}, "fields", "rows"),
        ({"fields": []}, "fields", "rows"),
        ({"fields": [7]}, "fields", "rows"),
        ({"fields": [{"key": "message"}]}, "fields", "contactable"),
        ({"fields": [{"key": "email"}, {"key": "email", "label": "2"}]}, "fields.1.key", "unique"),
        ({"fields": [{"key": "email"}, {"key": "score"}]}, "fields.1.key", "field"),
        ({"fields": [{"key": ["email"], "label": "a"}]}, "fields.0.key", "field"),
        ({"fields": [{"key": "email", "required": "yes"}]}, "fields.0.required", "boolean"),
        ({"fields": [{"key": "email", "label": {}}]}, "fields.0.label", "required"),
        ({"fields": [{"key": "email", "hidden": True}]}, "fields.0.hidden", "unknown"),
        ({"office_id": 0}, "office_id", "reference"),
        ({"office_id": "1"}, "office_id", "reference"),
        ({"office_id": 2**63 - 1}, "office_id", "reference"),
        ({"pipeline_id": True}, "pipeline_id", "reference"),
        ({"owner_id": 999_999}, "owner_id", "reference"),
        ({"tags": "website"}, "tags", "texts"),
        ({"tags": ["theirs"]}, "tags", "reference"),
        ({"lists": ["Theirs"]}, "lists", "reference"),
        ({"campaigns": [None]}, "campaigns", "texts"),
    ],
)
def test_bad_values(manager: KeyClient, setup: World, sent: dict[str, Any], field: str, rule: str):
    manager.send("POST", FORMS, CONTACT | {"name": "Taken"})
    path = manager.send("POST", FORMS, CONTACT | {"tags": ["website"]})["Location"]
    before = manager.get(FORMS).json()
    for answer in (manager.send("POST", FORMS, CONTACT | {"name": "New"} | sent), manager.send("PATCH", path, sent)):
        body = check_shape(answer, 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert manager.get(FORMS).json() == before


def test_nothing_of_another_account_or_office_is_chosen(manager: KeyClient, setup: World):
    theirs = {
        "office_id": setup.strange.pk,
        "pipeline_id": setup.other.pipelines.first().pk,
        "owner_id": member("theirs", setup.other, None).pk,
    }
    for key, pk in theirs.items():
        check_shape(manager.send("POST", FORMS, CONTACT | {key: pk}), 400, "invalid", fields=[key])
    CustomField.objects.get_or_create(account=setup.other, key="pets", defaults={"label": "Pets"})
    rows = [*FIELDS, {"key": "custom_fields.pets"}]
    check_shape(manager.send("POST", FORMS, CONTACT | {"fields": rows}), 400, "invalid", fields=["fields.2.key"])
    assert not Form.objects.exists()


def test_a_closed_form_may_wait_for_what_it_lacks(manager: KeyClient, setup: World):
    path = manager.send("POST", FORMS, CONTACT)["Location"]
    CustomField.objects.create(account=setup.account, key="move_in", label="Move in", required=True)
    check_shape(manager.send("PATCH", path, {"title": "Hello"}), 400, "invalid", fields=["fields"])
    assert manager.send("PATCH", path, {"title": "Hello", "is_open": False}).status_code == 200
    check_shape(manager.send("PATCH", path, {"is_open": True}), 400, "invalid", fields=["fields"])
    rows = [*FIELDS, {"key": "custom_fields.move_in", "label": "When?"}]
    assert manager.send("PATCH", path, {"is_open": True, "fields": rows}).status_code == 200


def test_the_account_is_the_key_s(manager: KeyClient, setup: World):
    path = manager.send("POST", FORMS, CONTACT)["Location"]
    stranger = setup.client("stranger")
    assert stranger.get(FORMS).json()["data"] == []
    for answer in (stranger.get(path), stranger.send("PATCH", path, {"name": "Mine"}), stranger.delete(path)):
        check_shape(answer, 404, "not_found")
    staff = setup.client("staff a")
    assert [row["name"] for row in staff.get(FORMS).json()["data"]] == ["Contact us"]
    for answer in (staff.send("POST", FORMS, CONTACT), staff.send("PATCH", path, {}), staff.delete(path)):
        check_shape(answer, 403, "forbidden")


def test_deleting_a_form_keeps_its_leads(manager: KeyClient, setup: World):
    path = manager.send("POST", FORMS, CONTACT)["Location"]
    sent = {"email": "olivia@example.com", "full_name": "Olivia Hartley"}
    Client().post(page.path_of(Form.objects.get()), sent, "application/json")
    leads = Lead.objects.count()
    assert manager.delete(path).status_code == 204
    assert (Lead.objects.count(), FormSubmission.objects.count()) == (leads, 0)


def test_a_page_of_forms_costs_as_much_as_one(manager: KeyClient, setup: World, django_assert_max_num_queries: Any):
    manager.send("POST", FORMS, CONTACT)
    with django_assert_max_num_queries(9):
        manager.get(FORMS)
    for number in range(5):
        manager.send("POST", FORMS, CONTACT | {"name": f"Form {number}", "tags": ["website"]})
    with django_assert_max_num_queries(9):
        assert len(manager.get(FORMS).json()["data"]) == 6
