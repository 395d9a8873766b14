"""Opportunities."""

from __future__ import annotations

from typing import Any

import pytest

from leads.models import Company, Opportunity, OpportunityType, Product
from tests import factories
from tests.api.conftest import KeyClient, World, check_shape, counts
from webhooks.models import Event

ALL = "/api/v1/opportunities"


@pytest.fixture
def path(world: World) -> str:
    return f"/api/v1/leads/{world.lead_a.pk}/opportunities"


def kind(world: World, **values: Any) -> int:
    kinds = OpportunityType.objects.filter(account=world.account, code=12_000)
    kinds.update(**values) if values else None
    return kinds.get().pk


def least(world: World, **values: Any) -> dict[str, Any]:
    return {"type_id": kind(world), "name": "Roof", "stage": "Proposal"} | values


def told() -> list[str]:
    types = [event.type for event in Event.objects.filter(type__startswith="opportunity.").order_by("pk")]
    Event.objects.all().delete()
    return types


def test_create_retrieve_patch_delete(manager: KeyClient, world: World, path: str):
    company = Company.objects.create(account=world.account, name="Hartley Design")
    product = Product.objects.create(account=world.account, name="Survey")
    owner = world.client("staff a").key.user
    sent = {
        "name": "Roof",
        "company_id": company.pk,
        "type_id": kind(world, fields=["Budget", "Term"]),
        "stage": "Proposal",
        "status": "open",
        "value": 1200.5,
        "expected_on": "2026-12-01",
        "product_id": product.pk,
        "description": "All of it",
        "fields": {"Term": "2 years"},
        "owner_id": owner.pk,
    }
    response = manager.send("POST", path, sent)
    body = response.json()
    assert response.status_code == 201, body
    stored = Opportunity.objects.get()
    assert response["Location"] == f"{ALL}/{stored.pk}"
    assert manager.get(response["Location"]).json() == body
    assert body == {
        "id": stored.pk,
        "lead_id": world.lead_a.pk,
        "lead_name": "Olivia Hartley",
        "lead_email": "olivia.hartley@example.com",
        **sent,
        "company_name": "Hartley Design",
        "type": "Opportunity",
        "type_code": 12_000,
        "product": "Survey",
        "fields": {"Budget": None, "Term": "2 years"},
        "owner": "staff_a@example.com",
        "owner_name": "staff_a",
        "created_by_id": None,
        "created_by": None,
        "created_by_name": None,
        "office_id": world.a.pk,
        "account_id": world.account.pk,
        "account_name": "Northgate Homes",
        "created_at": body["created_at"],
        "modified_at": body["modified_at"],
    }
    assert told() == ["opportunity.created"]
    assert manager.send("PATCH", response["Location"], body).json() == body
    assert told() == [], "what was read is sent back"
    assert manager.send("PATCH", response["Location"], {"value": 1500}).json()["value"] == 1500
    assert told() == ["opportunity.field_changed", "opportunity.updated"]
    for sent in ({"stage": "Closed"}, {"status": "won"}):
        assert manager.send("PATCH", response["Location"], sent).status_code == 200
        assert told() == ["opportunity.stage_changed", "opportunity.field_changed", "opportunity.updated"]
    assert manager.delete(response["Location"]).status_code == 204
    assert told() == ["opportunity.deleted"]
    check_shape(manager.get(response["Location"]), 404, "not_found")


def test_create_with_the_least_and_at_either_address(manager: KeyClient, world: World, path: str):
    first = manager.send("POST", path, least(world)).json()
    second = manager.send("POST", ALL, least(world, lead_id=world.lead_b.pk)).json()
    assert (first["lead_id"], second["lead_id"]) == (world.lead_a.pk, world.lead_b.pk)
    assert (first["status"], first["value"], first["owner_id"], first["company_id"]) == ("open", None, None, None)


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"name": None}, "name", "required"),
        ({"name": "x" * 201}, "name", "length"),
        ({"type_id": None}, "type_id", "required"),
        ({"type_id": "theirs"}, "type_id", "reference"),
        ({"stage": None}, "stage", "required"),
        ({"stage": "Nowhere"}, "stage", "stage"),
        ({"stage": "proposal"}, "stage", "stage"),
        ({"status": "gone"}, "status", "choice"),
        ({"value": "1200"}, "value", "number"),
        ({"value": 10**12}, "value", "range"),
        ({"expected_on": "soon"}, "expected_on", "date"),
        ({"company_id": 10**9}, "company_id", "reference"),
        ({"company_id": "theirs"}, "company_id", "reference"),
        ({"product_id": "theirs"}, "product_id", "reference"),
        ({"product_id": "given up"}, "product_id", "reference"),
        ({"owner_id": "theirs"}, "owner_id", "reference"),
        ({"fields": {"Mood": "good"}}, "fields", "fields"),
        ({"amount": 5}, "amount", "unknown"),
    ],
)
def test_what_breaks_a_rule_stores_nothing(
    manager: KeyClient, world: World, path: str, sent: dict[str, Any], field: str, rule: str
):
    named = {
        ("type_id", "theirs"): OpportunityType.objects.get(account=world.other).pk,
        ("company_id", "theirs"): Company.objects.create(account=world.other, name="Elsewhere").pk,
        ("product_id", "theirs"): Product.objects.create(account=world.other, name="Survey").pk,
        ("product_id", "given up"): Product.objects.create(account=world.account, name="Old", is_active=False).pk,
        ("owner_id", "theirs"): world.client("stranger").key.user_id,
    }
    sent = {key: named.get((key, value), value) if isinstance(value, str) else value for key, value in sent.items()}
    created = manager.send("POST", path, least(world))
    row, before = Opportunity.objects.values().get(), counts()
    for method, address in (("POST", path), ("PATCH", created["Location"])):
        answer = manager.send(method, address, sent if method == "PATCH" else least(world) | sent)
        body = check_shape(answer, 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert (Opportunity.objects.values().get(), counts()) == (row, before)


def test_the_lead_is_one_in_reach_and_stays(manager: KeyClient, world: World, path: str):
    staff = world.client("staff a")
    for client, lead in ((staff, world.lead_b.pk), (manager, world.strange_lead.pk)):
        check_shape(client.send("POST", ALL, least(world, lead_id=lead)), 400, "invalid", fields=["lead_id"])
    created = manager.send("POST", path, least(world))
    answer = manager.send("PATCH", created["Location"], {"lead_id": world.lead_b.pk})
    assert check_shape(answer, 400, "invalid", fields=["lead_id"])["errors"][0]["rule"] == "fixed"


def test_another_type_asks_for_a_stage_of_its_own(manager: KeyClient, world: World, path: str):
    other = OpportunityType.objects.create(account=world.account, name="Renewal", stages=["Due"], fields=["Term"])
    kind(world, fields=["Budget", "Term"])
    sent = least(world, fields={"Budget": "12k", "Term": "2 years"})
    address = manager.send("POST", path, sent)["Location"]
    body = check_shape(manager.send("PATCH", address, {"type_id": other.pk}), 400, "invalid", fields=["stage"])
    assert body["errors"][0]["message"] == "must be a stage of Renewal: Due"
    body = manager.send("PATCH", address, {"type_id": other.pk, "stage": "Due"}).json()
    assert (body["type"], body["stage"], body["fields"]) == ("Renewal", "Due", {"Term": "2 years"})


def test_a_stage_that_its_type_has_lost_stays_until_it_is_changed(manager: KeyClient, world: World, path: str):
    address = manager.send("POST", path, least(world))["Location"]
    kind(world, stages=["New"])
    assert manager.send("PATCH", address, {"name": "Cellar", "stage": "Proposal"}).status_code == 200
    assert manager.send("PATCH", address, {"stage": "New"}).status_code == 200
    check_shape(manager.send("PATCH", address, {"stage": "Proposal"}), 400, "invalid", fields=["stage"])


def test_the_list_is_filtered(manager: KeyClient, world: World, path: str):
    company = Company.objects.create(account=world.account, name="Hartley Design")
    owner = world.client("staff a").key.user_id
    other = OpportunityType.objects.create(account=world.account, name="Renewal", stages=["Due"])
    manager.send("POST", path, least(world, name="First", company_id=company.pk))
    manager.send("POST", ALL, least(world, name="Second", lead_id=world.lead_b.pk, owner_id=owner, status="won"))
    manager.send("POST", path, least(world, name="Third", type_id=other.pk, stage="Due"))

    def listed(query: str, address: str = ALL) -> list[str]:
        return [row["name"] for row in manager.get(f"{address}{query}").json()["data"]]

    assert listed("") == ["Third", "Second", "First"]
    assert listed(f"?lead_id={world.lead_a.pk}") == listed("", path) == ["Third", "First"]
    assert listed(f"?company_id={company.pk}") == ["First"]
    assert listed(f"?type_id={other.pk}") == listed("?stage=Due") == ["Third"]
    assert listed("?status=won") == listed(f"?owner_id={owner}") == ["Second"]
    assert listed("?created_before=2026-01-01") == []
    assert len(listed("?created_after=2026-01-01")) == 3
    check_shape(manager.get(f"{ALL}?status=gone"), 400, "invalid", fields=["status"])
    check_shape(manager.get(f"{ALL}?stage=a%00"), 400, "invalid", fields=["stage"])


def test_a_deleted_lead_takes_its_opportunities_along_and_tells_it(manager: KeyClient, world: World):
    lead = factories.lead(office=world.a)
    manager.send("POST", f"/api/v1/leads/{lead.pk}/opportunities", least(world))
    told()
    assert manager.delete(f"/api/v1/leads/{lead.pk}").status_code == 204
    assert told() == ["opportunity.deleted"]
