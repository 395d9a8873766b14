"""Companies with their activities and their leads, and products."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leads import roles
from leads.models import ActivityType, Company, CompanyActivity, Lead, Product
from tests.api.conftest import VENDOR, KeyClient, World, check_shape, member
from tests.api.test_set_up import check_refused
from webhooks.models import Event

COMPANIES, PRODUCTS, LEADS = "/api/v1/companies", "/api/v1/products", "/api/v1/leads"


def make(client: KeyClient, address: str, **values: Any) -> dict[str, Any]:
    response = client.send("POST", address, values)
    assert response.status_code == 201, response.content
    body = response.json()
    assert response["Location"] == f"{address}/{body['id']}"
    assert client.get(response["Location"]).json() == body
    assert client.send("PATCH", response["Location"], body).json() == body
    return body


def test_a_company(manager: KeyClient, world: World):
    dana = member("dana", world.account, roles.STAFF, first_name="Dana", last_name="Moss")
    before = set(Event.objects.values_list("pk", flat=True))
    body = make(
        manager,
        COMPANIES,
        name=" Hartley Design ",
        email="office@hartley.example",
        number_of_employees=12,
        owner_id=dana.pk,
    )
    assert (
        body
        | {
            "name": "Hartley Design",
            "email": "office@hartley.example",
            "number_of_employees": 12,
            "owner": "dana@example.com",
            "owner_name": "Dana Moss",
            "type": None,
            "account_id": world.account.pk,
        }
        == body
    )
    path = f"{COMPANIES}/{body['id']}"
    changed = manager.send("PATCH", path, {"name": "Hartley", "owner_id": None}).json()
    assert changed | {"name": "Hartley", "owner_id": None, "owner": None, "owner_name": None} == changed
    assert manager.get(COMPANIES).json()["data"] == [changed]
    assert manager.delete(path).status_code == 204
    assert manager.get(path).status_code == 404
    new = Event.objects.exclude(pk__in=before).order_by("pk").values_list("type", flat=True)
    assert list(new) == ["account.created", "account.updated", "account.deleted"]


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"name": None}, "name", "required"),
        ({"name": " "}, "name", "required"),
        ({"name": "x" * 201}, "name", "length"),
        ({"email": "office"}, "email", "email"),
        ({"number_of_employees": -1}, "number_of_employees", "integer"),
        ({"number_of_employees": 2**31}, "number_of_employees", "integer"),
        ({"notes": "a\x01b"}, "notes", "control_characters"),
        ({"owner_id": 10**9}, "owner_id", "reference"),
        ({"owner_id": "me"}, "owner_id", "reference"),
        ({"surname": "x"}, "surname", "unknown"),
    ],
)
def test_what_a_company_cannot_be(manager: KeyClient, world: World, sent: dict[str, Any], field: str, rule: str):
    company = Company.objects.create(account=world.account, name="Hartley Design")
    check_refused(manager, {"name": "Elsewhere"} | sent, field, rule, POST=COMPANIES)
    check_refused(manager, sent, field, rule, PATCH=f"{COMPANIES}/{company.pk}")


def test_an_owner_of_another_account_is_none(manager: KeyClient, world: World):
    strange = member("strange", world.other, roles.STAFF)
    check_refused(manager, {"name": "Hartley", "owner_id": strange.pk}, "owner_id", "reference", POST=COMPANIES)


def test_activities_of_a_company(manager: KeyClient, world: World):
    review = world.account.activitytypes.get(code=202)
    review.fields = ["Mood", "Next step"]
    review.save()
    company = make(manager, COMPANIES, name="Hartley Design")
    address = f"{COMPANIES}/{company['id']}/activities"
    first = make(manager, address, type_id=review.pk, happened_at="2026-11-20T09:00:00Z", fields={"Mood": "good"})
    assert (
        first
        | {
            "company_id": company["id"],
            "company_name": "Hartley Design",
            "type_code": 202,
            "happened_at": "2026-11-20T09:00:00Z",
            "fields": {"Mood": "good", "Next step": None},
        }
        == first
    )
    path = f"{address}/{first['id']}"
    changed = manager.send("PATCH", path, {"fields": {"Next step": "Visit"}, "status": "Done", "score": 5}).json()
    assert changed["fields"] == {"Mood": "good", "Next step": "Visit"}
    assert (changed["status"], changed["score"]) == ("Done", 5)
    later = make(manager, address, type_id=review.pk)
    assert [row["id"] for row in manager.get(address).json()["data"]] == [later["id"], first["id"]]
    events = Event.objects.filter(record="company_activity", record_id=first["id"]).order_by("pk")
    assert [event.type for event in events] == ["account_activity.created", "account_activity.updated"]
    assert manager.delete(path).status_code == 204
    assert not CompanyActivity.objects.filter(pk=first["id"]).exists()


def test_what_an_activity_of_a_company_cannot_be(manager: KeyClient, world: World):
    company = Company.objects.create(account=world.account, name="Hartley Design")
    review, call = (world.account.activitytypes.get(code=code) for code in (202, 21))
    theirs = ActivityType.objects.get(account=world.other, code=202)
    address = f"{COMPANIES}/{company.pk}/activities"
    for type_id in (call.pk, theirs.pk, 10**9, "202", None):
        rule = "reference" if type_id is not None else "required"
        check_refused(manager, {"type_id": type_id}, "type_id", rule, POST=address)
    activity = CompanyActivity.objects.create(company=company, type=review)
    for sent, field, rule in (
        ({"fields": {"Mood": "good"}}, "fields", "fields"),
        ({"fields": {"Mood": 5}}, "fields", "string_values"),
        ({"fields": "good"}, "fields", "string_values"),
        ({"score": 1.5}, "score", "integer"),
        ({"happened_at": "yesterday"}, "happened_at", "iso_date"),
        ({"status": "x" * 51}, "status", "length"),
        ({"lead_id": 1}, "lead_id", "unknown"),
    ):
        check_refused(
            manager, {"type_id": review.pk} | sent, field, rule, POST=address, PATCH=f"{address}/{activity.pk}"
        )


def test_a_list_takes_as_many_statements_whatever_its_length(
    manager: KeyClient, world: World, django_assert_max_num_queries: Any
):
    for number in range(5):
        Company.objects.create(account=world.account, name=f"Company {number}", owner=manager.key.user)
    with django_assert_max_num_queries(8):
        assert len(manager.get(COMPANIES).json()["data"]) == 5


@pytest.mark.parametrize(
    "query", ["name=Hartley+Design", "type=Customer", "owner_id={owner}", "type=Customer&owner_id={owner}&limit=1"]
)
def test_companies_are_filtered(manager: KeyClient, world: World, query: str):
    owner = manager.key.user_id
    found = Company.objects.create(account=world.account, name="Hartley Design", type="Customer", owner_id=owner)
    Company.objects.create(account=world.account, name="Elsewhere", type="customer")
    Company.objects.create(account=world.other, name="Hartley Design", type="Customer")
    listed = manager.get(f"{COMPANIES}?{query.format(owner=owner)}").json()["data"]
    assert [row["id"] for row in listed] == [found.pk]


@pytest.mark.parametrize("query", ["code=SUR-1", "is_active=false", "name=Survey", "category=Services"])
def test_products_are_filtered(manager: KeyClient, world: World, query: str):
    words = {"code": "SUR-1", "category": "Services", "is_active": False}
    found = Product.objects.create(account=world.account, name="Survey", **words)
    Product.objects.create(account=world.account, name="Valuation")
    assert [row["id"] for row in manager.get(f"{PRODUCTS}?{query}").json()["data"]] == [found.pk]


@pytest.mark.parametrize(
    "path, field",
    [
        (f"{COMPANIES}?owner_id=me", "owner_id"),
        (f"{COMPANIES}?name=", "name"),
        (f"{COMPANIES}?type=a%00", "type"),
        (f"{COMPANIES}?colour=red", "colour"),
        (f"{PRODUCTS}?is_active=yes", "is_active"),
    ],
)
def test_bad_filters_are_refused_by_name(manager: KeyClient, path: str, field: str):
    check_shape(manager.get(path), 400, "invalid", fields=[field])


def test_another_type_of_an_activity_keeps_the_fields_that_both_ask(manager: KeyClient, world: World):
    review = world.account.activitytypes.get(code=202)
    review.fields = ["Mood", "Next step"]
    review.save()
    visit = ActivityType.objects.create(account=world.account, name="Visit", kind="company", fields=["Next step"])
    company = Company.objects.create(account=world.account, name="Hartley Design")
    address = f"{COMPANIES}/{company.pk}/activities"
    made = make(manager, address, type_id=review.pk, fields={"Mood": "good", "Next step": "Call"})
    changed = manager.send("PATCH", f"{address}/{made['id']}", {"type_id": visit.pk}).json()
    assert (changed["type"], changed["fields"]) == ("Visit", {"Next step": "Call"})


def test_a_product(manager: KeyClient, world: World):
    body = make(manager, PRODUCTS, name="Survey", code="SUR-1", price=349.5)
    assert body | {"price": 349.5, "is_active": True, "category": None} == body
    path = f"{PRODUCTS}/{body['id']}"
    assert manager.send("PATCH", path, {"price": 300, "is_active": False}).json()["price"] == 300
    assert Product.objects.get(pk=body["id"]).is_active is False
    for sent, field, rule in (
        ({"price": -1}, "price", "range"),
        ({"price": 0.001}, "price", "decimals"),
        ({"price": "349.50"}, "price", "number"),
        ({"price": 10**11}, "price", "range"),
        ({"is_active": "yes"}, "is_active", "boolean"),
        ({"code": "x" * 51}, "code", "length"),
    ):
        check_refused(manager, {"name": "Valuation"} | sent, field, rule, POST=PRODUCTS)
        check_refused(manager, sent, field, rule, PATCH=path)
    check_refused(manager, {"name": " Survey "}, "name", "unique", POST=PRODUCTS)
    assert manager.delete(path).status_code == 204
    events = Event.objects.filter(record="product").order_by("pk")
    assert [event.type for event in events] == ["product.created", "product.updated", "product.deleted"]


def test_a_lead_belongs_to_a_company(manager: KeyClient, world: World):
    company = make(manager, COMPANIES, name="Hartley Design")
    theirs = Company.objects.create(account=world.other, name="Theirs")
    lead = manager.send("POST", LEADS, VENDOR | {"company_name": "Hartley", "company_id": company["id"]}).json()
    assert (lead["company_id"], lead["company"], lead["company_name"]) == (company["id"], "Hartley Design", "Hartley")
    path = f"{LEADS}/{lead['id']}"
    before = Lead.objects.values().get(pk=lead["id"])
    for address in ({"POST": LEADS}, {"PATCH": path}):
        check_refused(manager, VENDOR | {"company_id": theirs.pk}, "company_id", "reference", **address)
    assert Lead.objects.values().get(pk=lead["id"]) == before
    other = make(manager, COMPANIES, name="Elsewhere")
    assert manager.send("PATCH", path, {"company_id": other["id"]}).json()["company"] == "Elsewhere"
    changed = Event.objects.filter(record="lead", type="lead.updated").latest("pk")
    assert json.loads(changed.changes) == {
        "company_id": [company["id"], other["id"]],
        "company": ["Hartley Design", "Elsewhere"],
    }
    assert manager.delete(f"{COMPANIES}/{other['id']}").status_code == 204
    left = Event.objects.filter(record="lead", type="lead.updated").latest("pk")
    assert json.loads(left.changes) == {"company_id": [other["id"], None], "company": ["Elsewhere", None]}
    now = manager.get(path).json()
    assert (now["company_id"], now["company"], now["company_name"]) == (None, None, "Hartley")
