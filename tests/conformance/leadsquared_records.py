"""The rows of LeadSquared's events about records beside the lead, and of when and by whom they are posted.

Each acts by the API as an integrator would and asserts what the receiver is told. That it is a program's own API and
not the admin's form makes no difference to what is told: both write in one unit of work.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db.models import F
from django.utils import timezone

from leads import reminders
from leads.models import ActivityType, ApiKey, OpportunityType
from leads.models.apikey import Scope as ApiScope
from tests.conformance.grouping import a_minute_passes
from tests.conformance.leadsquared_rows import arrived, flat, hears, row
from tests.conformance.world import VENDOR, World
from tests.receiver import Answer
from tests.webhooks.automation.rules import work
from webhooks.models import Delivery

Told = Callable[[], list[Any]]


def ask(world: World, method: str, path: str, data: Any = None) -> Any:
    response = world.call(method, path, data)
    assert response.status_code in (200, 201, 204), (path, response.content)
    return response.data


def listen(world: World, code: str) -> None:
    """Let the webhook hear this event from now on; what waits from before arrives first."""
    world.deliver()
    hears(world, code)


def made(world: World, path: str, **values: Any) -> dict[str, Any]:
    record: dict[str, Any] = ask(world, "POST", path, values)
    return record


def one(world: World) -> Any:
    (body,) = arrived(world)
    return body


def change(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    body = one(world)
    assert list(body) == ["Before", "After"]
    assert list(body["Before"]) == list(body["After"])
    return body["Before"], body["After"]


def together(world: World) -> list[dict[str, Any]]:
    """The activities of the one body that arrives when their minute is over."""
    a_minute_passes()
    body: list[dict[str, Any]] = one(world)
    assert type(body) is list
    return body


def gone(world: World) -> dict[str, Any]:
    """What was there, of the one body that tells of a deletion."""
    body = one(world)
    assert list(body) == ["Before", "After"] and body["After"] is None
    before: dict[str, Any] = body["Before"]
    return before


def said(record: dict[str, Any], **values: str | None) -> None:
    assert {key: record[key] for key in values} == values
    assert all(value is None or isinstance(value, str) for value in record.values())


def kind(world: World, code: int, *fields: str) -> int:
    """The id of an activity type, which has these further fields."""
    type_ = ActivityType.objects.get(account=world.account, code=code)
    ask(world, "PATCH", f"activity-types/{type_.pk}", {"fields": list(fields)})
    return type_.pk


# Accounts, which are companies here


@row(43)
def account_create(world: World) -> None:
    listen(world, "Account_Post_Create")
    company = made(world, "companies", name="Hartley Bakes", type="Customer", owner_id=world.manager.pk)
    body = one(world)
    said(body, CompanyId=str(company["id"]), CompanyName="Hartley Bakes", CompanyTypeName="Customer", Phone=None)
    said(body, OwnerId=str(world.manager.pk), OwnerIdEmailAddress="manager@example.com")
    ask(world, "PATCH", f"companies/{company['id']}", {"city": "Oxford"})
    assert arrived(world) == []


@row(45)
def account_update(world: World) -> None:
    company = made(world, "companies", name="Hartley Bakes")
    listen(world, "Account_Post_Update")
    ask(world, "PATCH", f"companies/{company['id']}", {"name": "Hartley", "number_of_employees": 12})
    before, after = change(world)
    said(before, CompanyName="Hartley Bakes", NumberOfEmployees=None, ModifiedOn=None)
    said(after, CompanyName="Hartley", NumberOfEmployees="12", CompanyId=str(company["id"]))
    ask(world, "PATCH", f"companies/{company['id']}", {"name": "Hartley"})
    assert arrived(world) == []


@row(44)
def account_delete(world: World) -> None:
    company = made(world, "companies", name="Hartley Bakes", city="Oxford")
    listen(world, "Account_Post_Delete")
    ask(world, "DELETE", f"companies/{company['id']}")
    said(gone(world), CompanyId=str(company["id"]), CompanyName="Hartley Bakes", City="Oxford")


@row(41, 42)
def account_activities(world: World) -> None:
    """An array, though it is one."""
    company = made(world, "companies", name="Hartley Bakes")
    path = f"companies/{company['id']}/activities"
    review = ActivityType.objects.get(account=world.account, code=202).pk
    listen(world, "AccountActivity_Post_Create")
    activity = made(world, path, type_id=review, note="All is well.")
    (told,) = together(world)
    said(told | {"Data": None}, CompanyActivityId=str(activity["id"]), RelatedCompanyId=str(company["id"]))
    assert (told["ActivityEvent"], told["Data"]["Note"]) == ("202", "All is well.")
    listen(world, "AccountActivity_Post_Update")
    ask(world, "PATCH", f"{path}/{activity['id']}", {"note": "They want more."})
    (told,) = together(world)
    assert told["Data"]["Note"] == "They want more."


# Activities of leads


@row(47)
def lead_activity_creation(world: World) -> None:
    call, pk = kind(world, 21, "Result", "Next step"), world.created(VENDOR)["id"]
    listen(world, "LeadActivity_Post_Create")
    given = {"type_id": call, "status": "Answered", "score": 5, "fields": {"Next step": "Visit"}}
    activity = made(world, f"leads/{pk}/activities", **given, owner_id=world.manager.pk)
    (told,) = together(world)
    data = told.pop("Data")
    said(told, ProspectActivityId=str(activity["id"]), RelatedProspectId=str(pk), ActivityEvent="21", Score="5")
    said(told, ActivityEventName="Inbound phone call")
    said(data, Status="Answered", Owner=str(world.manager.pk), Note=None, mx_Custom_1=None, mx_Custom_2="Visit")


@row(48)
def lead_activity_update(world: World) -> None:
    call, pk = kind(world, 22), world.created(VENDOR)["id"]
    activity = made(world, f"leads/{pk}/activities", type_id=call)
    listen(world, "LeadActivity_Post_Update")
    ask(world, "PATCH", f"activities/{activity['id']}", {"note": "Rang once."})
    (told,) = together(world)
    assert (told["ActivityEvent"], told["Data"]["Note"]) == ("22", "Rang once.")
    ask(world, "PATCH", f"activities/{activity['id']}", {"note": "Rang once."})
    a_minute_passes()
    assert arrived(world) == []


@row(87, 88, 89, 92)
def sales_activities(world: World) -> None:
    """Events of their own beside the 36 (LS-A7), and no lead activities."""
    pk, steps = world.created(VENDOR)["id"], ["Create", "Update", "Cancel"]
    for code in ("LeadActivity_Post_Create", *(f"SalesActivity_Post_{step}" for step in steps)):
        listen(world, code)
        sale = made(world, f"leads/{pk}/activities", type_id=kind(world, 30))
        ask(world, "PATCH", f"activities/{sale['id']}", {"status": "Paid"})
        ask(world, "POST", f"activities/{sale['id']}/cancel", {})
        a_minute_passes()
        requests = world.deliver()
        if code.startswith("Lead"):
            assert not requests
            continue
        (request,) = requests
        assert parse_qs(urlsplit(request.target).query)["eventType"] == [code]
        (told,) = json.loads(request.body)
        assert told["ProspectActivityId"] == str(sale["id"])
        assert ("CancelledOn" in told) == (code == "SalesActivity_Post_Cancel")


@row(93)
def the_example_of_the_page(world: World) -> None:
    """Parameters behind https://api.yourcompany.com/leads/add on a sales activity's update."""
    pk = world.created(VENDOR)["id"]
    sale = made(world, f"leads/{pk}/activities", type_id=kind(world, 30))
    assert world.change_errors(url=f"http://{world.receiver.authority}/leads/add") == {}
    listen(world, "SalesActivity_Post_Update")
    ask(world, "PATCH", f"activities/{sale['id']}", {"status": "Paid"})
    a_minute_passes()
    (request,) = world.deliver()
    ours = f"entityType=webhook&entityId={world.webhook.pk}&eventType=SalesActivity_Post_Update"
    assert request.target == f"/leads/add?{ours}"


# Merges


@row(52)
def lead_merge(world: World) -> None:
    """The master as it is now, and who became part of it."""
    master, child = world.created(VENDOR)["id"], world.created(VENDOR | {"first_name": "Rich"})["id"]
    listen(world, "Lead_Merge")
    merge = ask(world, "POST", f"leads/{master}/merge", {"children": [child]})
    body = one(world)
    ids = {"MasterId": str(master), "ChildId": str(child), "MergeAuditId": str(merge["id"])}
    assert body == flat(world, master) | ids
    listen(world, "Lead_Delete")
    ask(world, "POST", f"merges/{merge['id']}/undo", {})
    assert arrived(world) == []
    ask(world, "POST", f"leads/{master}/merge", {"children": [child]})
    assert gone(world)["ProspectID"] == str(child)


# Opportunities


def deal(world: World, **values: Any) -> dict[str, Any]:
    type_ = OpportunityType.objects.get(account=world.account)
    pk = world.created(VENDOR)["id"]
    given = {"type_id": type_.pk, "name": "New roof", "stage": "Prospecting"} | values
    return made(world, f"leads/{pk}/opportunities", **given)


@row(60)
def opportunity_create(world: World) -> None:
    listen(world, "Opportunity_Post_Create")
    made_now = deal(world, value=1200.5)
    body = one(world)
    said(body, OpportunityId=str(made_now["id"]), OpportunityEventCode="12000", OpportunityName="New roof")
    said(body, RelatedProspectId=str(made_now["lead_id"]), Status="Open", Stage="Prospecting", Value="1200.5")


@row(61)
def opportunity_delete(world: World) -> None:
    made_now = deal(world)
    listen(world, "Opportunity_Post_Delete")
    ask(world, "DELETE", f"opportunities/{made_now['id']}")
    said(gone(world), OpportunityId=str(made_now["id"]), OpportunityName="New roof")


@row(62, 64)
def opportunity_changes(world: World) -> None:
    """Any change is an Update and a Field Value Change; a webhook chooses fields by its filters."""
    for code in ("OpportunityField_Post_Update", "Opportunity_Post_Update"):
        made_now = deal(world)
        listen(world, code)
        ask(world, "PATCH", f"opportunities/{made_now['id']}", {"value": 10, "description": "Slate"})
        before, after = change(world)
        said(before, Value=None, Description=None)
        said(after, Value="10", Description="Slate")


@row(63)
def opportunity_stage_or_status_change(world: World) -> None:
    """Either of them, and nothing else."""
    made_now = deal(world)
    path = f"opportunities/{made_now['id']}"
    listen(world, "OpportunityStage_Post_Update")
    ask(world, "PATCH", path, {"stage": "Qualified"})
    before, after = change(world)
    assert (before["Stage"], after["Stage"]) == ("Prospecting", "Qualified")
    ask(world, "PATCH", path, {"status": "won"})
    before, after = change(world)
    assert (before["Status"], after["Status"]) == ("Open", "Won")
    ask(world, "PATCH", path, {"value": 5})
    assert arrived(world) == []


# Products


@row(65, 66, 67)
def products(world: World) -> None:
    listen(world, "Product_Post_Create")
    product = made(world, "products", name="Survey", price=300.5)
    said(one(world), ProductId=str(product["id"]), Name="Survey", Price="300.5", StatusCode="0")
    listen(world, "Product_Post_Update")
    ask(world, "PATCH", f"products/{product['id']}", {"price": 320, "is_active": False})
    before, after = change(world)
    said(before, Price="300.5", StatusCode="0")
    said(after, Price="320", StatusCode="1")
    listen(world, "Product_Delete")
    ask(world, "DELETE", f"products/{product['id']}")
    said(gone(world), Name="Survey", Price="320")


# Tasks


def task(world: World, **values: Any) -> dict[str, Any]:
    pk = world.created(VENDOR)["id"]
    return made(world, f"leads/{pk}/tasks", **{"name": "Call back", "due_at": "2026-12-01T09:00:00Z"} | values)


@row(70)
def task_create(world: World) -> None:
    listen(world, "Task_Create")
    made_now = task(world, owner_id=world.manager.pk)
    body = one(world)
    said(body, UserTaskId=str(made_now["id"]), Name="Call back", DueDate="2026-12-01 09:00:00", StatusCode="0")
    said(body, RelatedEntity="Lead", RelatedEntityId=str(made_now["lead_id"]), Reminder="0")
    said(body, OwnerIdEmailAddress="manager@example.com")


@row(68, 69)
def task_complete_and_cancel(world: World) -> None:
    for code, step, status in (("Task_Complete", "complete", "1"), ("Task_Cancel", "cancel", "2")):
        made_now = task(world)
        listen(world, code)
        ask(world, "PATCH", f"tasks/{made_now['id']}", {"category": "Phone"})
        assert arrived(world) == []
        ask(world, "POST", f"tasks/{made_now['id']}/{step}", {})
        before, after = change(world)
        said(before, StatusCode="0", CompletedOn=None)
        assert after["StatusCode"] == status and after["CompletedOn"]


@row(72)
def task_update(world: World) -> None:
    made_now = task(world)
    listen(world, "Task_Update")
    ask(world, "PATCH", f"tasks/{made_now['id']}", {"due_at": "2026-12-02T09:00:00Z"})
    before, after = change(world)
    assert (before["DueDate"], after["DueDate"]) == ("2026-12-01 09:00:00", "2026-12-02 09:00:00")


@row(71)
def task_reminder(world: World) -> None:
    """When its time has come, once; it is no update."""
    soon = (timezone.now() - timedelta(seconds=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    made_now = task(world, remind_at=soon)
    listen(world, "Task_Reminder")
    reminders.remind()
    said(one(world), UserTaskId=str(made_now["id"]), Reminder="1", StatusCode="0")
    reminders.remind()
    assert arrived(world) == []


# People


def colleague(world: World) -> str:
    return f"users/{world.colleague('dana').pk}"


@row(75)
def user_create(world: World) -> None:
    """Whom a manager adds in the admin."""
    listen(world, "User_Create")
    given = {"first_name": "Kim", "last_name": "Lee", "email": "kim@example.com", "username": "kim"}
    passwords = dict.fromkeys(("password1", "password2"), "correct horse battery")
    rights = {"role": "Manager", "availability": "available"}
    added = world.submit("user_form", "leads_user_add", **given, **passwords, **rights)
    assert added.status_code == 302, added.context["adminform"].form.errors
    body = one(world)
    said(body, FirstName="Kim", LastName="Lee", EmailAddress="kim@example.com", StatusCode="0", Role="Manager")


@row(76)
def user_update(world: World) -> None:
    path = colleague(world)
    listen(world, "User_Update")
    ask(world, "PATCH", path, {"last_name": "Moss"})
    before, after = change(world)
    assert (before["LastName"] or None, after["LastName"]) == (None, "Moss")


@row(73)
def user_activate_and_deactivate(world: World) -> None:
    path = colleague(world)
    listen(world, "User_Active_Status_Change")
    for active, was, now in ((False, "0", "1"), (True, "1", "0")):
        ask(world, "PATCH", path, {"is_active": active})
        before, after = change(world)
        assert (before["StatusCode"], after["StatusCode"]) == (was, now)
    ask(world, "PATCH", path, {"availability": "away"})
    assert arrived(world) == []


@row(74)
def user_availability_status_change(world: World) -> None:
    path = colleague(world)
    listen(world, "User_Availability_Status_Change")
    ask(world, "PATCH", path, {"availability": "away"})
    before, after = change(world)
    assert (before["AvailabilityStatus"], after["AvailabilityStatus"]) == ("Available", "Away")


# Leaves


@row(57, 58, 59)
def leaves(world: World) -> None:
    """Leave, somebody's absence, and not Lead (LS-A16)."""
    listen(world, "Leave_Create")
    given = {"user_id": world.manager.pk, "starts_on": "2026-12-21", "ends_on": "2026-12-31", "reason": "Holiday"}
    leave = made(world, "leaves", **given)
    body = one(world)
    said(body, LeaveId=str(leave["id"]), UserId=str(world.manager.pk), StartDate="2026-12-21", EndDate="2026-12-31")
    listen(world, "Leave_Update")
    ask(world, "PATCH", f"leaves/{leave['id']}", {"ends_on": "2027-01-02"})
    before, after = change(world)
    assert (before["EndDate"], after["EndDate"]) == ("2026-12-31", "2027-01-02")
    listen(world, "Leave_Delete")
    ask(world, "DELETE", f"leaves/{leave['id']}")
    said(gone(world), LeaveId=str(leave["id"]), Reason="Holiday")


# When and how they are posted


@row(24)
def execution_delay(world: World) -> None:
    """Seconds between event and post: not before, and retries wait no longer for it."""
    listen(world, "Product_Post_Create")
    assert world.change_errors(execution_delay="86401") != {}
    assert world.change_errors(execution_delay="120") == {}
    made(world, "products", name="Survey")
    assert arrived(world) == []
    delivery = Delivery.objects.get()
    assert (delivery.due_at - delivery.created_at).total_seconds() == 120
    Delivery.objects.update(due_at=F("due_at") - timedelta(seconds=120))
    world.receiver.answer(Answer(500))
    assert one(world)["Name"] == "Survey"
    delivery.refresh_from_db()
    assert (delivery.due_at - delivery.transmitted_at).total_seconds() < 70


@row(77, 78, 79)
def activities_of_a_minute(world: World) -> None:
    """Those of one minute come together, of all leads, each under its own row of the history; one alone is an array."""
    call, leads = kind(world, 21), [world.created(VENDOR)["id"] for _ in range(2)]
    listen(world, "LeadActivity_Post_Create")
    world.receiver.clear()
    ids = [made(world, f"leads/{pk}/activities", type_id=call)["id"] for pk in (*leads, leads[0])]
    assert world.deliver() == []
    a_minute_passes()
    (request,) = world.deliver()
    assert [told["ProspectActivityId"] for told in json.loads(request.body)] == [str(pk) for pk in ids]
    assert request.header("webhook-id") and request.header("webhook-record") is None
    rows = Delivery.objects.filter(sent_as="LeadActivity_Post_Create")
    assert {(row.status, row.code, row.message_id) for row in rows} == {("success", 200, request.header("webhook-id"))}
    assert rows.count() == 3
    assert "Sent together with 2 others" in world.history_of(rows.order_by("id")[1])
    world.receiver.clear()
    alone = made(world, f"leads/{leads[1]}/activities", type_id=call)["id"]
    (told,) = together(world)
    assert told["ProspectActivityId"] == str(alone)


@row(83, 84)
def who_posts(world: World) -> None:
    """A rule, or an automation, by its own id: whatever the webhook hears by itself."""
    for name in ("rule", "automation"):
        step = {"do": "post_to_webhook", "webhook": world.webhook.pk}
        given = {"name": f"The {name}", "kind": name, "event": "product.created", "steps": [step]}
        automation = ask_as_admin(world, "automations", given)
        world.deliver()
        world.receiver.clear()
        made(world, "products", name=f"Survey by {name}")
        work()
        (request,) = world.deliver()
        sent = parse_qs(urlsplit(request.target).query)
        told = (sent["entityType"], sent["entityId"], sent["eventType"])
        assert told == ([name], [str(automation["id"])], ["Product_Post_Create"])
        assert json.loads(request.body)["Name"] == f"Survey by {name}"
        assert world.call("PATCH", f"automations/{automation['id']}", {"is_active": False}).status_code == 200


def ask_as_admin(world: World, path: str, values: dict[str, Any]) -> dict[str, Any]:
    """What takes the scope that the key of other rows lacks."""
    ApiKey.objects.update(scopes=[*ApiScope])
    return made(world, path, **values)
