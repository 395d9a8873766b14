"""What an account sets up for its leads: pipelines, tags, lists, campaigns and custom fields; and who it has."""

from __future__ import annotations

from typing import Any

import pytest

from leads import roles
from leads.models import Campaign, CustomField, Lead, LeadList, Pipeline, Stage, Tag
from tests import factories
from tests.api.conftest import LETTINGS, VENDOR, KeyClient, World, check_shape, counts, member
from webhooks.models import Event

TAGS, LISTS, CAMPAIGNS = "/api/v1/tags", "/api/v1/lists", "/api/v1/campaigns"
PIPELINES, CUSTOM_FIELDS, USERS = "/api/v1/pipelines", "/api/v1/custom-fields", "/api/v1/users"
LEADS = "/api/v1/leads"


def make(client: KeyClient, address: str, **values: Any) -> dict[str, Any]:
    response = client.send("POST", address, values)
    assert response.status_code == 201, response.content
    body = response.json()
    assert response["Location"] == f"{address}/{body['id']}"
    assert client.get(response["Location"]).json() == body
    return body


def check_refused(client: KeyClient, sent: dict[str, Any], field: str, rule: str, **addresses: str) -> None:
    """By each address, {method: address}: 400 with this fault alone, and nothing is stored."""
    before = counts()
    for method, address in addresses.items():
        body = check_shape(client.send(method, address, sent), 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule, body
    assert counts() == before


# --- tags, lists and campaigns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address, model", [(TAGS, Tag), (LISTS, LeadList), (CAMPAIGNS, Campaign)])
def test_labels(manager: KeyClient, world: World, address: str, model: Any):
    body = make(manager, address, name=" Investors ")
    assert body == {"id": body["id"], "name": "Investors"}
    assert model.objects.get(pk=body["id"]).account == world.account
    path = f"{address}/{body['id']}"
    assert manager.send("PATCH", path, body).json() == manager.send("PATCH", path, {}).json() == body
    assert manager.send("PATCH", path, {"name": "investors"}).json()["name"] == "investors"
    listed = manager.get(f"{address}?limit=1").json()
    assert listed["data"] == [{"id": body["id"], "name": "investors"}] and listed["previous"] is None
    assert manager.delete(path).status_code == 204
    check_shape(manager.get(path), 404, "not_found")


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({}, "name", "required"),
        ({"name": " "}, "name", "required"),
        ({"name": 5}, "name", "text"),
        ({"name": {}}, "name", "text"),
        ({"name": "x" * 101}, "name", "length"),
        ({"name": "a\x01b"}, "name", "control_characters"),
        ({"name": "VIP"}, "name", "unique"),
        ({"name": "new", "account": 1}, "account", "unknown"),
    ],
)
def test_bad_labels(manager: KeyClient, world: World, sent: dict[str, Any], field: str, rule: str):
    Tag.objects.create(account=world.account, name="vip")
    other = Tag.objects.create(account=world.account, name="other")
    check_refused(manager, sent, field, rule, POST=TAGS, **({"PATCH": f"{TAGS}/{other.pk}"} if sent else {}))
    assert Tag.objects.get(pk=other.pk).name == "other"


def test_another_account_may_have_the_same_label(manager: KeyClient, world: World):
    Tag.objects.create(account=world.other, name="vip")
    make(manager, TAGS, name="vip")


def test_a_label_that_is_deleted_is_taken_off_its_leads_and_told(manager: KeyClient, world: World):
    lead = factories.lead(tags=["vip"], office=world.b)
    assert manager.delete(f"{TAGS}/{Tag.objects.get().pk}").status_code == 204
    assert manager.get(f"{LEADS}/{lead.pk}").json()["tags"] == []
    assert Event.objects.filter(record_id=lead.pk, type="lead.updated").count() == 1


# --- pipelines -------------------------------------------------------------------------------------------------------


def test_pipelines(manager: KeyClient, world: World):
    read = manager.get(f"{PIPELINES}/{world.lettings.pk}").json()
    assert list(read) == ["id", "name", "is_default", "stages"]
    assert [tuple(stage.values())[1:] for stage in read["stages"]] == list(LETTINGS)
    listed = manager.get(PIPELINES).json()["data"]
    assert listed[0] == read and listed[1]["is_default"] and len(listed[1]["stages"]) == 13
    body = make(
        manager,
        PIPELINES,
        name="Sales",
        stages=[{"name": "Start", "code": "NEW"}, {"name": " End ", "code": "WON"}, {"name": "No", "code": "LOST"}],
    )
    assert (body["name"], body["is_default"]) == ("Sales", False)
    assert [tuple(stage.values())[1:] for stage in body["stages"]] == [
        ("Start", "NEW", "open"),
        ("End", "WON", "win"),
        ("No", "LOST", "loss"),
    ]
    path = f"{PIPELINES}/{body['id']}"
    assert manager.send("PATCH", path, body).json() == body
    assert manager.send("PATCH", path, {"name": "Homes"}).json() == body | {"name": "Homes"}
    assert manager.delete(path).status_code == 204
    assert not Stage.objects.filter(pipeline_id=body["id"]).exists()


def test_the_list_of_stages_is_replaced_by_their_ids(manager: KeyClient, world: World):
    path = f"{PIPELINES}/{world.lettings.pk}"
    enquiry, viewing, second, agreed = manager.get(path).json()["stages"]
    lead = factories.lead(pipeline_stage_id=viewing["id"], office=world.a)
    sent = [
        {"id": agreed["id"]},
        {"name": "Offer", "code": "KEEP_IN_TOUCH", "outcome": "open"},
        {"id": second["id"], "name": "Viewing"},
        {"id": viewing["id"], "name": "Second viewing", "code": "REGISTERED"},
    ]
    stages = manager.send("PATCH", path, {"stages": sent}).json()["stages"]
    offer = stages[1]["id"]
    assert stages == manager.get(path).json()["stages"] == [
        agreed,
        {"id": offer, "name": "Offer", "code": "KEEP_IN_TOUCH", "outcome": "open"},
        second | {"name": "Viewing"},
        viewing | {"name": "Second viewing", "code": "REGISTERED"},
    ]  # fmt: skip
    assert not Stage.objects.filter(pk=enquiry["id"]).exists()
    read = manager.get(f"{LEADS}/{lead.pk}").json()
    assert (read["pipeline_stage_id"], read["stage"], read["stage_name"]) == (
        viewing["id"],
        "REGISTERED",
        "Second viewing",
    )
    assert manager.send("POST", LEADS, VENDOR | {"pipeline_stage_id": offer}).json()["stage"] == "KEEP_IN_TOUCH"


def test_a_stage_that_leads_stand_in_is_not_removed(manager: KeyClient, world: World):
    path = f"{PIPELINES}/{world.lettings.pk}"
    read = manager.get(path).json()
    lead = factories.lead(pipeline_stage_id=read["stages"][1]["id"])
    sent = {"name": "Other", "stages": [read["stages"][0], read["stages"][3]]}
    body = check_shape(manager.send("PATCH", path, sent), 409, "in_use", fields=[])
    assert body["message"] == "Viewing still has 1 lead: move them to another stage first."
    assert manager.get(path).json() == read
    assert Lead.objects.get(pk=lead.pk).pipeline_stage_id == read["stages"][1]["id"]


def test_a_pipeline_that_leads_stand_in_is_not_deleted(manager: KeyClient, world: World):
    path = f"{PIPELINES}/{world.lettings.pk}"
    factories.lead(pipeline_id=world.lettings.pk)
    factories.lead(pipeline_id=world.lettings.pk)
    body = check_shape(manager.delete(path), 409, "in_use", fields=[])
    assert body["message"] == "Lettings still has 2 leads: move them to another pipeline first."
    Lead.objects.filter(pipeline=world.lettings).delete()
    assert manager.delete(path).status_code == 204


def test_there_is_one_default_pipeline(manager: KeyClient, world: World):
    first = world.account.pipelines.get(is_default=True)
    Lead.objects.all().delete()
    check_shape(manager.delete(f"{PIPELINES}/{first.pk}"), 409, "in_use")
    check_refused(manager, {"is_default": False}, "is_default", "default", PATCH=f"{PIPELINES}/{first.pk}")
    assert manager.send("PATCH", f"{PIPELINES}/{world.lettings.pk}", {"is_default": True}).json()["is_default"] is True
    assert manager.get(f"{PIPELINES}/{first.pk}").json()["is_default"] is False
    assert manager.send("POST", LEADS, VENDOR).json()["stage_name"] == "Enquiry"
    new = make(manager, PIPELINES, name="Newest", is_default=True, stages=[{"name": "New", "code": "NEW"}])
    assert list(world.account.pipelines.filter(is_default=True)) == [Pipeline.objects.get(pk=new["id"])]
    assert manager.delete(f"{PIPELINES}/{first.pk}").status_code == 204
    assert Pipeline.objects.filter(account=world.other, is_default=True).count() == 1


NEW = {"name": "New", "code": "NEW"}


@pytest.mark.ordinary
@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"name": ""}, "name", "required"),
        ({"name": "x" * 101}, "name", "length"),
        ({"name": "Sales pipeline"}, "name", "unique"),
        ({"is_default": 1}, "is_default", "boolean"),
        ({"position": 1}, "position", "unknown"),
        ({"stages": None}, "stages", "stages"),
        ({"stages": []}, "stages", "stages"),
        ({"stages": {}}, "stages", "stages"),
        ({"stages": [NEW] * 101}, "stages", "stages"),
        ({"stages": ["New"]}, "stages.0", "object"),
        ({"stages": [NEW, {"code": "WON"}]}, "stages.1.name", "required"),
        ({"stages": [NEW, {"name": "Won"}]}, "stages.1.code", "required"),
        ({"stages": [{"name": "Won", "code": "won"}]}, "stages.0.code", "choice"),
        ({"stages": [NEW | {"outcome": "won"}]}, "stages.0.outcome", "choice"),
        ({"stages": [NEW | {"outcome": ""}]}, "stages.0.outcome", "choice"),
        ({"stages": [NEW | {"name": 5}]}, "stages.0.name", "text"),
        ({"stages": [NEW | {"name": "a\x01"}]}, "stages.0.name", "control_characters"),
        ({"stages": [NEW, {"name": "new", "code": "WON"}]}, "stages.1.name", "unique"),
        ({"stages": [NEW | {"colour": "red"}]}, "stages.0.colour", "unknown"),
        ({"stages": [NEW | {"id": 10**9}]}, "stages.0.id", "reference"),
        ({"stages": [NEW | {"id": "1"}]}, "stages.0.id", "reference"),
        ({"stages": [NEW | {"id": True}]}, "stages.0.id", "reference"),
    ],
)
def test_bad_pipelines(manager: KeyClient, world: World, sent: dict[str, Any], field: str, rule: str):
    path = f"{PIPELINES}/{world.lettings.pk}"
    read = manager.get(path).json()
    check_refused(manager, sent, field, rule, PATCH=path)
    check_refused(manager, {"name": "Sales", "stages": [NEW]} | sent, field, rule, POST=PIPELINES)
    assert manager.get(path).json() == read


def test_a_stage_stays_in_its_pipeline_and_is_there_once(manager: KeyClient, world: World):
    path = f"{PIPELINES}/{world.lettings.pk}"
    stages = manager.get(path).json()["stages"]
    check_refused(manager, {"stages": [*stages, stages[0]]}, "stages.4.id", "reference", PATCH=path)
    for other in (world.account.pipelines.get(is_default=True), world.strange_lettings):
        foreign = {"id": other.stages.first().pk}
        check_refused(manager, {"stages": [*stages, foreign]}, "stages.4.id", "reference", PATCH=path)


def test_a_list_of_pipelines_takes_as_many_statements_whatever_their_number(
    manager: KeyClient, world: World, django_assert_max_num_queries
):
    for number in range(5):
        make(manager, PIPELINES, name=f"Pipeline {number}", stages=[NEW])
    with django_assert_max_num_queries(7):
        assert len(manager.get(PIPELINES).json()["data"]) == 7


# --- custom fields ---------------------------------------------------------------------------------------------------


def test_custom_fields(manager: KeyClient, world: World):
    body = make(manager, CUSTOM_FIELDS, key="heating", label="Heating", type="choice", choices=["Gas", "Oil"])
    assert list(body.items())[1:] == [
        ("key", "heating"),
        ("label", "Heating"),
        ("type", "choice"),
        ("required", False),
        ("unique", False),
        ("choices", ["Gas", "Oil"]),
        ("position", 1),
    ]
    assert make(manager, CUSTOM_FIELDS, key="size", label="Size")["type"] == "text"
    path = f"{CUSTOM_FIELDS}/{body['id']}"
    assert manager.send("PATCH", path, body).json() == body
    changed = {"label": "Heat", "required": True, "choices": ["Gas"], "position": 0}
    assert manager.send("PATCH", path, changed).json() == body | changed
    check_shape(manager.send("POST", LEADS, VENDOR), 400, "invalid", fields=["custom_fields.heating"])
    lead = manager.send("POST", LEADS, VENDOR | {"custom_fields": {"heating": "Gas"}}).json()
    assert lead["custom_fields"] == {"budget": None, "areas": None, "heating": "Gas", "size": None}
    assert manager.delete(path).status_code == 204
    read = manager.get(f"{LEADS}/{lead['id']}").json()
    assert "heating" not in read["custom_fields"]
    assert manager.send("PATCH", f"{LEADS}/{lead['id']}", read).status_code == 200


CHOICE = {"type": "choice", "choices": ["a"]}


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"key": None}, "key", "required"),
        ({"key": "Size"}, "key", "key"),
        ({"key": "email"}, "key", "key"),
        ({"key": "x" * 51}, "key", "length"),
        ({"key": "budget"}, "key", "unique"),
        ({"label": " "}, "label", "required"),
        ({"type": "texts"}, "type", "choice"),
        ({"type": []}, "type", "choice"),
        ({"required": "yes"}, "required", "boolean"),
        ({"position": -1}, "position", "integer"),
        ({"position": 32768}, "position", "integer"),
        ({"choices": ["a"]}, "choices", "choices"),
        ({"type": "choice"}, "choices", "choices"),
        (CHOICE | {"choices": []}, "choices", "choices"),
        (CHOICE | {"choices": "a"}, "choices", "texts"),
        (CHOICE | {"choices": ["a", ""]}, "choices", "texts"),
        (CHOICE | {"choices": ["a", "a"]}, "choices", "choices"),
        (CHOICE | {"choices": ["x" * 101]}, "choices", "choices"),
        (CHOICE | {"choices": ["a\x01"]}, "choices", "control_characters"),
        (CHOICE | {"choices": [str(n) for n in range(101)]}, "choices", "choices"),
        ({"kind": "text"}, "kind", "unknown"),
    ],
)
def test_bad_custom_fields(manager: KeyClient, world: World, sent: dict[str, Any], field: str, rule: str):
    check_refused(manager, {"key": "size", "label": "Size"} | sent, field, rule, POST=CUSTOM_FIELDS)


def test_a_unique_custom_field(manager: KeyClient, world: World):
    """Its values are each one lead's, and it cannot become so while they are not."""
    made = manager.send("POST", CUSTOM_FIELDS, {"key": "reference", "label": "Reference"}).json()
    path = f"{CUSTOM_FIELDS}/{made['id']}"
    sent = VENDOR | {"custom_fields": {"reference": "A1"}}
    first, second = (manager.send("POST", LEADS, sent).json()["id"] for _ in range(2))
    body = check_shape(manager.send("PATCH", path, {"unique": True}), 400, "invalid", fields=["unique"])
    assert f"lead {first} and {second}" in body["message"]
    manager.send("PATCH", f"{LEADS}/{second}", {"custom_fields": {"reference": "A2"}})
    assert manager.send("PATCH", path, {"unique": True}).json()["unique"] is True
    body = check_shape(manager.send("POST", LEADS, sent), 400, "invalid", fields=["custom_fields.reference"])
    assert body["errors"][0]["message"] == f"belongs to lead {first} already"
    choice = {"key": "kind", "label": "Kind", "type": "yes_no", "unique": True}
    check_shape(manager.send("POST", CUSTOM_FIELDS, choice), 400, "invalid", fields=["unique"])


def test_key_and_type_of_a_custom_field_stay(manager: KeyClient, world: World):
    path = f"{CUSTOM_FIELDS}/{CustomField.objects.get(account=world.account, key='budget').pk}"
    read = manager.get(path).json()
    for sent, field in (({"key": "other"}, "key"), ({"type": "text"}, "type"), ({"type": None}, "type")):
        check_refused(manager, sent, field, "fixed", PATCH=path)
    check_refused(manager, {"choices": ["a"]}, "choices", "choices", PATCH=path)
    assert manager.get(path).json() == read


def test_a_new_field_comes_last(manager: KeyClient, world: World):
    last = make(manager, CUSTOM_FIELDS, key="last", label="Last", position=32767)
    assert last["position"] == make(manager, CUSTOM_FIELDS, key="later", label="Later")["position"]


# --- users -----------------------------------------------------------------------------------------------------------


def test_users_are_whom_a_lead_can_be_given_to(manager: KeyClient, world: World):
    ada = member("ada", world.account, roles.STAFF, world.b, first_name="Ada", last_name="King")
    left = member("left", world.account, roles.STAFF, world.b, is_active=False)
    strange = world.client("stranger").key.user
    users = manager.get(USERS).json()["data"]
    assert [user["id"] for user in users] == [left.pk, ada.pk, manager.key.user_id]
    assert users[1] == {
        "id": ada.pk,
        "name": "Ada King",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "King",
        "phone": None,
        "time_zone": None,
        "availability": "available",
        "is_active": True,
    }
    assert [user["is_active"] for user in users] == [False, True, True]
    assert manager.get(f"{USERS}/{ada.pk}").json() == users[1]
    check_shape(manager.get(f"{USERS}/{strange.pk}"), 404, "not_found")
    lead = manager.send("POST", LEADS, VENDOR | {"owner_id": ada.pk}).json()
    assert (lead["owner"], lead["owner_name"]) == ("ada@example.com", "Ada King")
