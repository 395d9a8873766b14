"""Activities of leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leads.models import Activity, ActivityType
from tests import factories
from tests.api.conftest import KeyClient, World, check_shape, counts
from webhooks.models import Event

ALL = "/api/v1/activities"


def kind(world: World, code: int = 21, **values: Any) -> int:
    kinds = ActivityType.objects.filter(account=world.account, code=code)
    kinds.update(**values) if values else None
    return kinds.get().pk


@pytest.fixture
def path(world: World) -> str:
    return f"/api/v1/leads/{world.lead_a.pk}/activities"


def told() -> list[str]:
    return [event.type for event in Event.objects.exclude(type__startswith="lead.").order_by("pk")]


def test_create_retrieve_patch_delete(manager: KeyClient, world: World, path: str):
    type_id = kind(world, fields=["Result", "Next step"])
    owner = world.client("staff a").key.user
    sent = {
        "type_id": type_id,
        "status": "Reached",
        "note": "Rang\ntwice",
        "score": -3,
        "happened_at": "2026-11-20T09:00:00Z",
        "fields": {"Next step": "Visit"},
        "owner_id": owner.pk,
    }
    response = manager.send("POST", path, sent)
    body = response.json()
    assert response.status_code == 201
    stored = Activity.objects.get()
    assert response["Location"] == f"{ALL}/{stored.pk}"
    assert manager.get(response["Location"]).json() == body
    assert body == {
        "id": stored.pk,
        "lead_id": world.lead_a.pk,
        "lead_name": "Olivia Hartley",
        "lead_email": "olivia.hartley@example.com",
        **sent,
        "type": "Inbound phone call",
        "type_code": 21,
        "type_kind": "lead",
        "fields": {"Result": None, "Next step": "Visit"},
        "owner": "staff_a@example.com",
        "owner_name": "staff_a",
        "created_by_id": None,
        "created_by": None,
        "created_by_name": None,
        "cancelled_at": None,
        "office_id": world.a.pk,
        "account_id": world.account.pk,
        "account_name": "Northgate Homes",
        "created_at": body["created_at"],
        "modified_at": body["modified_at"],
    }
    event = Event.objects.get(type="activity.created")
    assert (event.actor_kind, event.actor_id) == ("api_key", manager.key.pk)
    changed = manager.send("PATCH", response["Location"], {"note": None, "fields": {"Result": "Won"}}).json()
    assert changed == body | {
        "note": None,
        "fields": {"Result": "Won", "Next step": "Visit"},
        "modified_at": changed["modified_at"],
    }
    assert manager.delete(response["Location"]).status_code == 204
    check_shape(manager.get(response["Location"]), 404, "not_found")
    assert told() == ["activity.created", "activity.updated"]


def test_create_with_the_least_and_at_either_address(manager: KeyClient, world: World, path: str):
    first = manager.send("POST", path, {"type_id": kind(world)}).json()
    second = manager.send("POST", ALL, {"type_id": kind(world), "lead_id": world.lead_b.pk}).json()
    assert (first["lead_id"], second["lead_id"]) == (world.lead_a.pk, world.lead_b.pk)
    assert (first["status"], first["note"], first["score"], first["owner_id"]) == (None, None, 0, None)
    age = datetime.now(UTC) - datetime.fromisoformat(first["happened_at"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_what_was_read_can_be_patched_back(manager: KeyClient, world: World, path: str):
    created = manager.send("POST", path, {"type_id": kind(world, fields=["Result"]), "fields": {"Result": "Won"}})
    row = Activity.objects.values().get()
    before = counts()
    assert manager.send("PATCH", created["Location"], created.content).json() == created.json()
    assert (Activity.objects.values().get(), counts()) == (row, before)


@pytest.mark.ordinary
@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"type_id": None}, "type_id", "required"),
        ({"type_id": "1"}, "type_id", "reference"),
        ({"type_id": 10**9}, "type_id", "reference"),
        ({"type_id": "theirs"}, "type_id", "reference"),
        ({"type_id": "of companies"}, "type_id", "reference"),
        ({"status": "x" * 51}, "status", "length"),
        ({"note": "x" * 10_001}, "note", "length"),
        ({"note": "a\x01"}, "note", "control_characters"),
        ({"score": "5"}, "score", "integer"),
        ({"score": 2**31}, "score", "integer"),
        ({"happened_at": "yesterday"}, "happened_at", "iso_date"),
        ({"owner_id": 10**9}, "owner_id", "reference"),
        ({"owner_id": "theirs"}, "owner_id", "reference"),
        ({"fields": {"Mood": "good"}}, "fields", "fields"),
        ({"fields": {"Result": 5}}, "fields", "string_values"),
        ({"fields": {"Result": "x" * 2001}}, "fields", "fields"),
        ({"fields": ["Result"]}, "fields", "string_values"),
        ({"event": 1}, "event", "unknown"),
    ],
)
def test_what_breaks_a_rule_stores_nothing(
    manager: KeyClient, world: World, path: str, sent: dict[str, Any], field: str, rule: str
):
    theirs = {
        ("type_id", "theirs"): ActivityType.objects.get(account=world.other, code=21).pk,
        ("type_id", "of companies"): kind(world, 202),
        ("owner_id", "theirs"): world.client("stranger").key.user_id,
    }
    sent = {key: theirs.get((key, value), value) if isinstance(value, str) else value for key, value in sent.items()}
    type_id = kind(world, fields=["Result"])
    created = manager.send("POST", path, {"type_id": type_id})
    row, before = Activity.objects.values().get(), counts()
    for method, address in (("POST", path), ("PATCH", created["Location"])):
        answer = manager.send(method, address, sent if method == "PATCH" else {"type_id": type_id} | sent)
        body = check_shape(answer, 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert (Activity.objects.values().get(), counts()) == (row, before)


def test_the_lead_is_one_in_reach_and_stays(manager: KeyClient, world: World, path: str):
    staff, least = world.client("staff a"), {"type_id": kind(world)}
    for client, lead in ((staff, world.lead_b.pk), (staff, world.lead_free.pk), (manager, world.strange_lead.pk)):
        body = check_shape(client.send("POST", ALL, least | {"lead_id": lead}), 400, "invalid", fields=["lead_id"])
        assert body["errors"][0]["message"] == "must be a lead that you may see"
    check_shape(manager.send("POST", ALL, least), 400, "invalid", fields=["lead_id"])
    created = manager.send("POST", path, least)
    answer = manager.send("PATCH", created["Location"], {"lead_id": world.lead_b.pk})
    body = check_shape(answer, 400, "invalid", fields=["lead_id"])
    assert body["errors"][0]["rule"] == "fixed"


def test_another_type_takes_over_what_both_ask(manager: KeyClient, world: World, path: str):
    call = kind(world, fields=["Result", "Next step"])
    other = kind(world, 22, fields=["Next step", "Duration"])
    sent = {"type_id": call, "fields": {"Result": "Won", "Next step": "Visit"}}
    address = manager.send("POST", path, sent)["Location"]
    check_shape(
        manager.send("PATCH", address, {"type_id": other, "fields": {"Result": "Lost"}}),
        400,
        "invalid",
        fields=["fields"],
    )
    body = manager.send("PATCH", address, {"type_id": other, "fields": {"Duration": "5 min"}}).json()
    assert body["fields"] == {"Next step": "Visit", "Duration": "5 min"}


def test_a_sales_activity_has_events_of_its_own_and_is_cancelled_once(manager: KeyClient, world: World, path: str):
    created = manager.send("POST", path, {"type_id": kind(world, 30)})
    address = created["Location"]
    manager.send("PATCH", address, {"status": "Invoiced"})
    answer = manager.send("PATCH", address, {"type_id": kind(world)})
    body = check_shape(answer, 400, "invalid", fields=["type_id"])
    assert body["errors"][0]["message"] == "cannot be changed to or from a sales activity"
    check_shape(manager.send("POST", f"{address}/cancel", {"why": "No"}), 400, "invalid", fields=["why"])
    cancelled = manager.send("POST", f"{address}/cancel", {})
    assert cancelled.status_code == 200
    assert cancelled.json()["cancelled_at"] is not None
    assert manager.send("POST", f"{address}/cancel", {}).json() == cancelled.json() == manager.get(address).json()
    assert told() == ["sales_activity.created", "sales_activity.updated", "sales_activity.cancelled"]
    call = manager.send("POST", path, {"type_id": kind(world)})["Location"]
    body = check_shape(manager.send("POST", f"{call}/cancel", {}), 409, "no_sale", fields=[])
    assert body["message"] == "This is no sales activity: only those are cancelled."
    # Nobody sets the moment.
    assert manager.send("PATCH", call, {"cancelled_at": "2026-11-20T09:00:00Z"}).json()["cancelled_at"] is None


def test_the_list_is_filtered_and_paged_newest_first(manager: KeyClient, world: World, path: str):
    owner = world.client("staff a").key.user_id
    days = {}
    for day, sent in {
        3: {"type_id": kind(world), "lead_id": world.lead_a.pk, "status": "Reached"},
        1: {"type_id": kind(world, 22), "lead_id": world.lead_b.pk},
        2: {"type_id": kind(world), "lead_id": world.lead_a.pk, "owner_id": owner},
    }.items():
        made = manager.send("POST", ALL, sent | {"happened_at": f"2026-11-0{day}T09:00:00Z"}).json()
        days[made["id"]] = day

    def listed(query: str, address: str = ALL) -> list[int]:
        return [days[row["id"]] for row in manager.get(f"{address}{query}").json()["data"]]

    assert listed("") == [3, 2, 1]
    assert listed(f"?lead_id={world.lead_a.pk}") == listed("", path) == [3, 2]
    assert listed(f"?type_id={kind(world, 22)}") == [1]
    assert listed("?status=Reached") == [3]
    assert listed(f"?owner_id={owner}") == [2]
    assert listed("?happened_after=2026-11-02T09:00:00Z") == [3, 2]
    assert listed("?happened_before=2026-11-02T09:00:00Z") == [1]
    page = manager.get(f"{ALL}?limit=2").json()
    assert [days[row["id"]] for row in page["data"]] == [3, 2]
    assert [days[row["id"]] for row in manager.get(page["next"]).json()["data"]] == [1]
    for query, name in (("type_id=x", "type_id"), ("happened_after=soon", "happened_after"), ("status=", "status")):
        check_shape(manager.get(f"{ALL}?{query}"), 400, "invalid", fields=[name])
    check_shape(manager.get(f"{path}?lead_id=1"), 400, "invalid", fields=["lead_id"])


def test_a_page_takes_as_many_statements_whatever_their_number(
    manager: KeyClient, world: World, path: str, django_assert_max_num_queries
):
    for _ in range(4):
        manager.send("POST", path, {"type_id": kind(world)})
    with django_assert_max_num_queries(7):
        assert len(manager.get(ALL).json()["data"]) == 4


def test_a_deleted_lead_takes_its_activities_along(manager: KeyClient, world: World):
    lead = factories.lead(office=world.a)
    address = manager.send("POST", f"/api/v1/leads/{lead.pk}/activities", {"type_id": kind(world)})["Location"]
    assert manager.delete(f"/api/v1/leads/{lead.pk}").status_code == 204
    check_shape(manager.get(address), 404, "not_found")
