"""Tasks in the API: what they take and refuse, who reaches them, and what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from leads import roles
from leads.models import Task
from tests.api.conftest import KeyClient, World, check_shape, counts, key_of, member
from webhooks.models import Event

TASKS = "/api/v1/tasks"
CALL = {"name": "Call back", "due_at": "2026-12-01T09:00:00Z"}


def make(client: KeyClient, address: str = TASKS, **values: Any) -> dict[str, Any]:
    response = client.send("POST", address, CALL | values)
    assert response.status_code == 201, response.content
    body = response.json()
    assert response["Location"] == f"{address}/{body['id']}"
    assert client.get(f"{TASKS}/{body['id']}").json() == body
    return body


def told() -> list[str]:
    return list(Event.objects.filter(record="task").order_by("pk").values_list("type", flat=True))


def test_a_task_is_made_changed_and_deleted(manager: KeyClient, world: World):
    ada = member("ada", world.account, roles.STAFF, world.a, first_name="Ada", last_name="King")
    body = make(
        manager,
        category=" Call ",
        description="Twice",
        lead_id=world.lead_a.pk,
        owner_id=ada.pk,
        remind_at="2026-12-01T10:45:00+02:00",
    )
    assert body | {"created_at": None, "modified_at": None} == {
        "id": body["id"],
        "name": "Call back",
        "category": "Call",
        "description": "Twice",
        "lead_id": world.lead_a.pk,
        "lead_name": world.lead_a.full_name,
        "lead_email": world.lead_a.email,
        "due_at": "2026-12-01T09:00:00Z",
        "remind_at": "2026-12-01T08:45:00Z",
        "reminded_at": None,
        "status": "open",
        "closed_at": None,
        "owner_id": ada.pk,
        "owner": "ada@example.com",
        "owner_name": "Ada King",
        "created_by_id": None,
        "created_by": None,
        "created_by_name": None,
        "office_id": world.a.pk,
        "account_id": world.account.pk,
        "account_name": "Northgate Homes",
        "created_at": None,
        "modified_at": None,
    }
    path = f"{TASKS}/{body['id']}"
    assert manager.send("PATCH", path, body).json() == body
    changed = manager.send("PATCH", path, {"remind_at": None, "lead_id": None, "name": "Ring"}).json()
    assert (changed["remind_at"], changed["lead_id"], changed["office_id"], changed["name"]) == (
        None,
        None,
        None,
        "Ring",
    )
    assert manager.delete(path).status_code == 204
    assert told() == ["task.created", "task.updated"]
    actors = set(Event.objects.filter(record="task").values_list("actor_kind", "actor_id"))
    assert actors == {("api_key", manager.key.pk)}


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"name": None}, "name", "required"),
        ({"name": "x" * 201}, "name", "length"),
        ({"name": "a\x01b"}, "name", "control_characters"),
        ({"due_at": None}, "due_at", "required"),
        ({"due_at": "tomorrow"}, "due_at", "iso_date"),
        ({"due_at": 5}, "due_at", "iso_date"),
        ({"remind_at": "2026-02-30"}, "remind_at", "iso_date"),
        ({"description": "x" * 10_001}, "description", "length"),
        ({"lead_id": 10**9}, "lead_id", "reference"),
        ({"owner_id": 10**9}, "owner_id", "reference"),
        ({"owner_id": "1"}, "owner_id", "reference"),
        ({"due": "2026-12-01"}, "due", "unknown"),
    ],
)
def test_what_is_wrong_is_refused(manager: KeyClient, sent: dict[str, Any], field: str, rule: str):
    one = make(manager)
    before, stored = counts(), Task.objects.values().get()
    for method, path in (("POST", TASKS), ("PATCH", f"{TASKS}/{one['id']}")):
        body = check_shape(manager.send(method, path, CALL | sent), 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
    assert (counts(), Task.objects.values().get()) == (before, stored)


def test_a_status_is_changed_at_its_own_address(manager: KeyClient, world: World):
    """What is sent back of an answer is ignored, the status too."""
    one = make(manager, lead_id=world.lead_a.pk)
    path = f"{TASKS}/{one['id']}"
    assert manager.send("PATCH", path, {"status": "completed", "closed_at": CALL["due_at"]}).json() == one
    for verb, status in (("complete", "completed"), ("complete", "completed"), ("reopen", "open"), ("reopen", "open")):
        answer = manager.send("POST", f"{path}/{verb}", {})
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert (answer.json()["closed_at"] is None) == (status == "open")
        assert manager.get(path).json() == answer.json()
    assert manager.send("POST", f"{path}/cancel", {}).json()["status"] == "cancelled"
    body = check_shape(manager.send("POST", f"{path}/complete", {}), 409, "closed")
    assert body["message"] == "This task is cancelled: reopen it first."
    check_shape(manager.send("POST", f"{path}/reopen", {"at": 1}), 400, "invalid", fields=["at"])
    assert told() == ["task.created", "task.completed", "task.updated", "task.cancelled"]


def test_another_reminder_is_told_and_the_same_one_is_not(manager: KeyClient):
    one = make(manager, remind_at="2026-11-01T09:00:00Z")
    path = f"{TASKS}/{one['id']}"
    # Somebody in the admin, or a worker, knows parts of seconds.
    remind_at = datetime(2026, 11, 1, 9, 0, 0, 250_000, tzinfo=UTC)
    Task.objects.update(remind_at=remind_at)
    Task.objects.update(reminded_at=timezone.now())
    read = manager.get(path).json()
    assert manager.send("PATCH", path, read).json() == read
    assert Task.objects.get().remind_at == remind_at
    assert manager.send("PATCH", path, {"remind_at": "2026-11-01T10:00:00Z"}).json()["reminded_at"] is None


def test_the_list_holds_the_next_due_first_and_those_of_a_status(manager: KeyClient, world: World):
    now = timezone.now()
    later, sooner, done = (
        make(manager, name=name, due_at=(now + timedelta(hours=hours)).isoformat(timespec="seconds"))["id"]
        for name, hours in (("later", 5), ("sooner", 1), ("done", 3))
    )
    manager.send("POST", f"{TASKS}/{done}/complete", {})

    def ids(query: str = "") -> list[int]:
        return [task["id"] for task in manager.get(f"{TASKS}{query}").json()["data"]]

    assert ids() == [sooner, done, later]
    assert ids("?status=open") == [sooner, later]
    assert ids("?status=completed") == [done]
    first = manager.get(f"{TASKS}?limit=2&status=open").json()
    assert [task["id"] for task in first["data"]] == [sooner, later] and first["next"] is None
    following = manager.get(manager.get(f"{TASKS}?limit=1").json()["next"]).json()
    assert [task["id"] for task in following["data"]] == [done]
    check_shape(manager.get(f"{TASKS}?status=done"), 400, "invalid", fields=["status"])
    check_shape(manager.get(f"{TASKS}?due=today"), 400, "invalid", fields=["due"])


def test_the_tasks_of_a_lead(manager: KeyClient, world: World):
    address = f"/api/v1/leads/{world.lead_a.pk}/tasks"
    response = manager.send("POST", address, CALL)
    assert manager.get(response["Location"]).json() == response.json()
    assert response.json()["lead_id"] == world.lead_a.pk
    other = make(manager, lead_id=world.lead_b.pk)
    assert [task["id"] for task in manager.get(address).json()["data"]] == [response.json()["id"]]
    assert other["id"] in {task["id"] for task in manager.get(TASKS).json()["data"]}
    check_shape(manager.get(f"/api/v1/leads/{world.strange_lead.pk}/tasks"), 404, "not_found")
    check_shape(manager.send("POST", f"/api/v1/leads/{world.strange_lead.pk}/tasks", CALL), 404, "not_found")


def test_who_works_for_single_offices_reaches_the_tasks_there_and_their_own(manager: KeyClient, world: World):
    staff = world.client("staff a")
    far = make(manager, lead_id=world.lead_b.pk)
    free = make(manager)
    near = make(staff, lead_id=world.lead_a.pk)
    own = make(staff, owner_id=staff.key.user_id)
    assert {task["id"] for task in staff.get(TASKS).json()["data"]} == {near["id"], own["id"]}
    for one in (far, free):
        check_shape(staff.get(f"{TASKS}/{one['id']}"), 404, "not_found")
        check_shape(staff.send("POST", f"{TASKS}/{one['id']}/complete", {}), 404, "not_found")
    before = counts()
    check_shape(staff.send("POST", TASKS, CALL), 400, "invalid", fields=["lead_id"])
    check_shape(staff.send("POST", TASKS, CALL | {"lead_id": world.lead_b.pk}), 400, "invalid", fields=["lead_id"])
    check_shape(staff.send("PATCH", f"{TASKS}/{own['id']}", {"owner_id": None}), 400, "invalid", fields=["lead_id"])
    assert counts() == before


def test_owners_and_leads_are_of_the_account(manager: KeyClient, world: World):
    strange = world.client("stranger").key.user_id
    for sent in ({"owner_id": strange}, {"lead_id": world.strange_lead.pk}):
        check_shape(manager.send("POST", TASKS, CALL | sent), 400, "invalid", fields=list(sent))
    away = member("away", world.account, roles.STAFF, world.a, is_active=False)
    check_shape(manager.send("POST", TASKS, CALL | {"owner_id": away.pk}), 400, "invalid", fields=["owner_id"])


def test_a_superusers_key_stays_in_its_account(world: World):
    root = world.client("superuser")
    make(world.client("stranger"))
    assert root.get(TASKS).json()["data"] == []
    check_shape(root.send("POST", TASKS, CALL | {"lead_id": world.strange_lead.pk}), 400, "invalid", fields=["lead_id"])


def test_a_key_of_another_scope_reads_no_tasks(world: World):
    user = world.client("manager").key.user
    check_shape(key_of(user, world.account, ["leads:read"]).get(TASKS), 403, "forbidden")


def test_a_change_of_nothing_answers_what_is_stored(manager: KeyClient):
    path = f"{TASKS}/{make(manager)['id']}"
    Task.plain("default").update(modified_at=timezone.now() - timedelta(hours=1))
    stored = manager.get(path).json()
    assert manager.send("PATCH", path, {}).json() == manager.send("PATCH", path, stored).json() == stored
