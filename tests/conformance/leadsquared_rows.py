"""The rows of LeadSquared's checklist: one function for each LS- line that is true, by its id.

test_leadsquared.py runs them and names the lines that are still to come. A row acts on the public surface and asserts
the value that its line names. The lines come from LeadSquared's help article "Webhooks" (read 2026-11-21); where it is
silent, the readings in docs/leadsquared.md decide.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.contrib.auth.models import Group
from django.core import mail
from django.core.mail import EmailMessage
from django.urls import reverse

from leads.models import CustomField, Lead, Membership, Pipeline, Stage, User
from tests.admin.page import Page
from tests.conformance.leadhub_rows import ANSWERS, submitted
from tests.conformance.world import VENDOR, World
from tests.program import free_port
from tests.receiver import Answer, Received
from webhooks.models import Delivery, Webhook
from webhooks.outbound import handshake, notify

Row = Callable[[World], None]
ROWS: dict[str, Row] = {}

# Label by code, in the order of the article's list; sales activities stand behind it (LS-A7).
EVENTS = {
    "AccountActivity_Post_Create": "Account Activity Create",
    "AccountActivity_Post_Update": "Account Activity Update",
    "Account_Post_Create": "Account Create",
    "Account_Post_Delete": "Account Delete",
    "Account_Post_Update": "Account Update",
    "Landing_Page_submission": "Landing Page Submission",
    "LeadActivity_Post_Create": "Lead Activity Creation",
    "LeadActivity_Post_Update": "Lead Activity Update",
    "Lead_Post_Create": "Lead Creation",
    "Lead_Delete": "Lead Delete",
    "Lead_Field_Change": "Lead Field Value Change",
    "Lead_Merge": "Lead Merge",
    "Lead_Owner_Change": "Lead Ownership Change",
    "Lead_Score_Change": "Lead Score Change",
    "Lead_Post_Stage_Change": "Lead Stage Change",
    "Lead_Post_Update": "Lead Update",
    "Leave_Create": "Leave Create",
    "Leave_Delete": "Leave Delete",
    "Leave_Update": "Leave Update",
    "Opportunity_Post_Create": "Opportunity Create",
    "Opportunity_Post_Delete": "Opportunity Delete",
    "OpportunityField_Post_Update": "Opportunity Field Value Change",
    "OpportunityStage_Post_Update": "Opportunity Stage/Status Change",
    "Opportunity_Post_Update": "Opportunity Update",
    "Product_Post_Create": "Product Create",
    "Product_Delete": "Product Delete",
    "Product_Post_Update": "Product Update",
    "Task_Cancel": "Task Cancel",
    "Task_Complete": "Task Complete",
    "Task_Create": "Task Create",
    "Task_Reminder": "Task Reminder",
    "Task_Update": "Task Update",
    "User_Active_Status_Change": "User Activate/Deactivate",
    "User_Availability_Status_Change": "User Availability Status Change",
    "User_Create": "User Create",
    "User_Update": "User Update",
    "SalesActivity_Post_Create": "Sales Activity Create",
    "SalesActivity_Post_Update": "Sales Activity Update",
    "SalesActivity_Post_Cancel": "Sales Activity Cancel",
}
# What happens to leads, in the order of the same list.
OF_LEADS = (
    "Landing_Page_submission",
    "Lead_Post_Create",
    "Lead_Delete",
    "Lead_Field_Change",
    "Lead_Owner_Change",
    "Lead_Score_Change",
    "Lead_Post_Stage_Change",
    "Lead_Post_Update",
)
KEYS = [
    "ProspectID",
    "ProspectAutoId",
    "FirstName",
    "LastName",
    "EmailAddress",
    "Phone",
    "Mobile",
    "Company",
    "JobTitle",
    "Source",
    "ProspectStage",
    "Score",
    "OwnerId",
    "OwnerIdEmailAddress",
    "CreatedOn",
    "ModifiedOn",
    "LastModifiedOn",
    "LeadLastModifiedOn",
]
MODIFIED = ("ModifiedOn", "LastModifiedOn", "LeadLastModifiedOn")

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
EVENT, TYPE = "leadsquared__events", "leadsquared__content_type"
HISTORY = "admin:webhooks_delivery_changelist"


def row(*ids: int) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        for number in ids:
            assert f"LS-{number}" not in ROWS, number
            ROWS[f"LS-{number}"] = function
        return function

    return register


# What is sent


def hears(world: World, code: str) -> None:
    """Let staff have the webhook hear this event, and forget what has arrived."""
    assert world.change_errors(**{EVENT: code}) == {}
    world.receiver.clear()


def parameters(request: Received) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.target).query, keep_blank_values=True, strict_parsing=True)


def arrived(world: World) -> list[dict[str, Any]]:
    """The bodies that the receiver has got since it was last asked or the event was chosen."""
    found = [json.loads(request.body) for request in world.deliver()]
    world.receiver.clear()
    return found


def changed(world: World, pk: int, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and After of the one body that arrives for this change."""
    world.patched(pk, values)
    (body,) = arrived(world)
    assert list(body) == ["Before", "After"]
    return body["Before"], body["After"]


def flat(world: World, pk: int) -> dict[str, str | None]:
    """The lead as LeadSquared is to be told of it, by what our API says of it."""
    lead = world.read(pk)

    def text(value: Any) -> str | None:
        return None if value is None else str(value)

    def moment(value: str) -> str:
        return value[:19].replace("T", " ")

    modified = moment(lead["modified_date"])
    stage = Stage.objects.get(pk=lead["pipeline_stage_id"])
    owner = User.objects.filter(pk=lead["owner_id"]).first()
    told = {
        "ProspectID": str(lead["id"]),
        "ProspectAutoId": str(lead["id"]),
        "FirstName": lead["first_name"],
        "LastName": lead["last_name"],
        "EmailAddress": lead["email"],
        "Phone": lead["phone"],
        "Mobile": lead["mobile_phone"],
        "Company": lead["company_name"],
        "JobTitle": lead["job_title"],
        "Source": lead["source"],
        "ProspectStage": stage.name,
        "Score": text(lead["score"]),
        "OwnerId": text(lead["owner_id"]),
        "OwnerIdEmailAddress": owner.email if owner else None,
        "CreatedOn": moment(lead["createdAt"]),
        **dict.fromkeys(MODIFIED, modified),
    }
    return told | {f"mx_{key}": text(value) for key, value in lead["custom_fields"].items()}


def differ(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What was and is, of the keys that say something else, but for when it was modified."""
    assert list(before) == list(after)
    return {key: (was, after[key]) for key, was in before.items() if was != after[key] and key not in MODIFIED}


def everything(world: World) -> dict[str, list[Received]]:
    """Each of the events of leads, by a webhook of its own: the requests that came, by the path of its URL."""
    world.webhook.delete()
    for code in OF_LEADS:
        world.posted_webhook(name=EVENTS[code], url=f"http://{world.receiver.authority}/{code}", **{EVENT: code})
    pk = world.created(VENDOR)["id"]
    world.patched(pk, {"stage": "CONTACTED", "owner_id": world.manager.pk, "score": 45})
    assert world.call("DELETE", f"leads/{pk}/").status_code == 204
    submitted(world, **ANSWERS)
    heard: dict[str, list[Received]] = {code: [] for code in OF_LEADS}
    for request in world.deliver():
        heard[urlsplit(request.target).path[1:]].append(request)
    assert all(heard.values())
    return heard


# The feature


@row(1)
def callbacks(world: World) -> None:
    """A request to the URL, when the event occurs and not before."""
    assert world.deliver() == []
    world.created(VENDOR)
    (request,) = world.deliver()
    assert urlsplit(request.target).path == "/hook"


@row(2)
def posts_form_data(world: World) -> None:
    hears(world, "Landing_Page_submission")
    submitted(world, **ANSWERS)
    (body,) = arrived(world)
    assert body["LandingPageFields"]["Message"] == ANSWERS["message"]
    assert body["EmailAddress"] == ANSWERS["email"]


@row(3)
def posts_lead_data(world: World) -> None:
    pk = world.created(VENDOR)["id"]
    assert arrived(world) == [flat(world, pk)]


@row(4)
def best_practices(world: World) -> None:
    """What LeadSquared's page of them asks of receivers: HEAD is a handshake without a payload, shown and not enforced;
    what a 200 says, an error among it, can be read."""
    world.receiver.answer(Answer(405))
    assert world.change_errors(url=f"{world.receiver.url}?a=1") == {}
    for ids in handshake.owed():
        handshake.shake(*ids)
    (request,) = world.receiver.received
    assert (request.method, request.target, request.body) == ("HEAD", "/hook?a=1", b"")
    page = Page(world.admin("webhooks_webhook_change", world.webhook.pk)).text
    assert "Handshake" in page and "HEAD answered 405." in page
    world.receiver.clear()
    world.receiver.always(Answer(200, body=b'{"Status":"Error","StatusReason":"No such course"}'))
    world.created(VENDOR)
    assert len(world.deliver()) == 1
    delivery = Delivery.objects.get()
    assert delivery.status == "success"
    assert "No such course" in world.history_of(delivery)


def sign_in(world: World, group: str) -> None:
    user = User.objects.create_user(group.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    Membership.objects.create(user=user, account=world.account)
    world.client.force_login(user)


@row(5)
def administrators_alone(world: World) -> None:
    """Staff and auditors can neither make, change nor delete one, nor can a key that was not made for it (LS-A19)."""
    pk = world.webhook.pk
    fields = Page(world.admin("webhooks_webhook_add")).form("webhook_form")
    new = fields | {"name": "Theirs", "dialect": "leadsquared", "url": world.receiver.url, EVENT: "Lead_Delete"}
    stored = Webhook.objects.values().get()
    for group in ("Staff", "Auditor"):
        sign_in(world, group)
        assert world.admin("webhooks_webhook_add", data=new).status_code == 403, group
        assert world.admin("webhooks_webhook_change", pk, data=new).status_code == 403, group
        assert world.admin("webhooks_webhook_delete", pk, data={"post": "yes"}).status_code == 403, group
    for method, path in (("POST", "webhooks/"), ("PATCH", f"webhooks/{pk}/"), ("DELETE", f"webhooks/{pk}/")):
        assert world.call(method, path, {} if method != "DELETE" else None).status_code == 403
    assert Webhook.objects.values().get() == stored
    world.client.force_login(world.manager)
    assert world.admin("webhooks_webhook_add", data=new).status_code == 302
    assert Webhook.objects.count() == 2


@row(6, 10)
def url_is_mandatory(world: World) -> None:
    """In the form and by the API."""
    for wrong in ("", "api.yourcompany.com/leads", "ftp://api.yourcompany.com/"):
        assert list(world.webhook_errors(url=wrong, **{EVENT: "Lead_Delete"})) == ["url"]
    refused = by_api(world, url="")
    assert refused.status_code == 400
    assert {error["field"] for error in refused.data["errors"]} == {"url"}
    assert Webhook.objects.count() == 1


def by_api(world: World, **values: Any) -> Any:
    """The answer to a webhook that is made with a key for it."""
    for key in world.account.api_keys.all():
        key.scopes = sorted({*key.scopes, "webhooks:admin"})
        key.save()
    given = {"name": "By API", "system": "leadsquared", "url": world.receiver.url, "events": ["Lead_Post_Create"]}
    return world.call("POST", "webhooks/", given | values)


@row(7)
def where(world: World) -> None:
    """Webhooks stand in the menu of every page."""
    assert reverse("admin:webhooks_webhook_changelist") in Page(world.admin("index")).links


@row(8)
def filled_in_and_saved(world: World) -> None:
    world.webhook.delete()
    add = reverse("admin:webhooks_webhook_add")
    assert add in [link.partition("?")[0] for link in Page(world.admin("webhooks_webhook_changelist")).links]
    given = {"dialect": "leadsquared", "name": "New leads", "url": world.receiver.url, EVENT: "Lead_Post_Create"}
    assert world.submit("webhook_form", "webhooks_webhook_add", **given).status_code == 302
    world.created(VENDOR)
    assert len(world.deliver()) == 1


@row(9)
def event_is_mandatory(world: World) -> None:
    """None is chosen until somebody does."""
    assert Page(world.admin("webhooks_webhook_add")).form("webhook_form")[EVENT] == [""]
    assert world.webhook_errors() == {EVENT: ["Choose an event."]}
    assert world.change_errors(**{EVENT: ""}) == {EVENT: ["Choose an event."]}
    for events in ([], None, ["Lead_Archive"], ["lead.created"]):
        world.refused("events", "required" if events == [] else "choice", by_api(world, events=events))
    assert Webhook.objects.count() == 1
    assert world.webhook.events == ["Lead_Post_Create"]


@row(11)
def http_url(world: World) -> None:
    assert world.add_webhook(**{EVENT: "Lead_Post_Create"}).url.startswith("http://")
    world.created(VENDOR)
    world.deliver()
    assert Delivery.objects.get().status == "success"


@row(12)
def https_url(world: World) -> None:
    """To a receiver whose certificate is checked."""
    world.created(VENDOR)
    with world.by_https() as receiver:
        world.deliver()
        (request,) = receiver.received
    assert parameters(request)[-1] == ("eventType", "Lead_Post_Create")
    assert Delivery.objects.get().status == "success"


@row(13, 91)
def post(world: World) -> None:
    """Always, whatever the event (LS-A3): a webhook of this system has no method to choose."""
    for requests in everything(world).values():
        assert {request.method for request in requests} == {"POST"}
    names = Page(world.admin("webhooks_webhook_add")).names
    assert {name for name in names if name.startswith("leadsquared__")} == {EVENT, TYPE}


@row(14)
def type_webhook(world: World) -> None:
    """A regular one, which is what a new one is: it calls its URL, needs one, and has no Lapp."""
    assert Page(world.admin("webhooks_webhook_add")).form("webhook_form")["kind"] == ["webhook"]
    assert list(world.webhook_errors(kind="webhook", url="", **{EVENT: "Lead_Post_Create"})) == ["url"]
    refused = world.webhook_errors(kind="webhook", lapp="follow_up", **{EVENT: "Lead_Post_Create"})
    assert refused == {"lapp": ["A webhook calls a URL. Choose no Lapp here, or the type Lapp."]}
    assert Webhook.objects.count() == 1
    made = world.add_webhook(kind="webhook", **{EVENT: "Lead_Post_Create"})
    assert (made.kind, made.lapp, made.url) == ("webhook", "", world.receiver.url)
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.method == "POST"


@row(15)
def type_lapp(world: World) -> None:
    """A function chosen from a list (LS-A18): no URL is asked for or taken, and none is called."""
    given = {"kind": "lapp", "lapp": "follow_up", "url": "", EVENT: "Lead_Post_Create"}
    assert "Choose a Lapp Follow up" in Page(world.admin("webhooks_webhook_add")).text
    for wrong in ({"url": world.receiver.url}, {"lapp": ""}, {"lapp": "print"}):
        assert list(world.webhook_errors(**given | wrong)) == list(wrong)
    assert Webhook.objects.count() == 1
    made = world.add_webhook(**given)
    assert (made.kind, made.lapp, made.url) == ("lapp", "follow_up", "")
    world.created(VENDOR)
    assert [one.sent_as for one in Delivery.objects.filter(webhook=made)] == ["Lead_Post_Create"]
    assert world.admin("webhooks_webhook_test", made.pk, data={}).status_code == 302
    shown = world.history_of(Delivery.objects.get(test=True))
    assert f"LAPP lapp:follow_up?entityType=webhook&entityId={made.pk}&eventType=Lead_Post_Create" in shown
    assert "200 OK" in shown and "This is a test: no task is made." in shown
    assert world.receiver.received == []


@row(16)
def the_event_triggers(world: World) -> None:
    """The chosen one and no other, each by itself: one save can trigger several webhooks (LS-A24)."""
    shown = Page(world.admin("webhooks_webhook_add")).text
    assert " ".join(EVENTS.values()) in shown
    heard = everything(world)
    counts = {code: len(requests) for code, requests in heard.items()}
    assert counts == dict.fromkeys(OF_LEADS, 1) | {"Lead_Post_Create": 2}
    for code, requests in heard.items():
        for request in requests:
            assert dict(parameters(request))["eventType"] == code


@row(17, 18)
def notifies_on_failure(world: World) -> None:
    """Off until somebody chooses it; then all administrators of the account get a mail of a delivery that failed for
    good: one an hour at most, and one when it is over (LS-A9, LS-A10)."""
    assert "notify_on_failure" in Page(world.admin("webhooks_webhook_add")).names
    assert not world.webhook.notify_on_failure
    for name, group in (("dana", "Manager"), ("sam", "Staff"), ("alex", "Auditor")):
        user = User.objects.create_user(name, f"{name}@example.com", is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        Membership.objects.create(user=user, account=world.account)

    def mails(status: int) -> list[EmailMessage]:
        """Those that come of one delivery which ends so."""
        mail.outbox.clear()
        world.rested()
        world.receiver.always(Answer(status))
        world.created(VENDOR)
        world.tried_out(0.001)
        for ids in notify.owed():
            notify.mail(*ids)
        return mail.outbox

    assert mails(500) == []
    assert world.change_errors(notify_on_failure="on") == {}
    (failed,) = mails(500)
    assert sorted(failed.to) == ["dana@example.com", "manager@example.com"]
    delivery = Delivery.objects.latest("pk")
    address = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    for words in ("Webhook: LeadSquared", "Event: Lead_Post_Create", "Answer: 500", f"{address}\n"):
        assert words in failed.body
    for _ in range(2):
        assert mails(500) == []
    (recovered,) = mails(200)
    assert recovered.subject.startswith("LeadSquared works again: ")
    assert mails(200) == []
    made = by_api(world, notify_on_failure=True)
    assert (made.status_code, made.data["notify_on_failure"]) == (201, True)


@row(19)
def posted_where_it_says(world: World) -> None:
    """Path, query and port as they are; nothing goes anywhere else."""
    url = f"http://{world.receiver.authority}/leads%20in/add?key=a%26b"
    assert world.change_errors(url=url) == {}
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.target.startswith("/leads%20in/add?key=a%26b&entityType=")
    assert request.header("Host") == world.receiver.authority


# Content types


def sent_as(world: World, kind: str) -> list[bytes]:
    """A creation, a change and a test, under this content type."""
    assert world.change_errors(**{TYPE: kind}) == {}
    hears(world, "Lead_Post_Create")
    pk = world.created(VENDOR | {"first_name": "Zoë & Söhne"})["id"]
    world.deliver()
    assert world.change_errors(**{EVENT: "Lead_Score_Change"}) == {}
    world.patched(pk, {"score": 45})
    world.deliver()
    assert world.admin("webhooks_webhook_test", world.webhook.pk, data={}).status_code == 302
    requests = world.receiver.wait_for(3)
    assert [request.header("Content-Type") for request in requests] == [kind] * 3
    return [request.body for request in requests]


def tried_again(world: World) -> None:
    """The newest delivery, by hand and at once."""
    assert world.admin("webhooks_delivery_try_now", Delivery.objects.latest("id").pk, data={}).status_code == 302
    world.rested()
    world.deliver()


def in_json(created: dict[str, Any], changed: dict[str, Any], test: dict[str, Any]) -> None:
    assert (created["FirstName"], created["Mobile"]) == ("Zoë & Söhne", None)
    assert (changed["Before"]["Score"], changed["After"]["Score"]) == ("0", "45")
    assert list(test) == KEYS


@row(20, 94)
def application_json(world: World) -> None:
    """Unless another one is chosen."""
    assert world.webhook.setting("content_type") == JSON
    assert Page(world.admin("webhooks_webhook_add")).form("webhook_form")[TYPE] == [JSON]
    in_json(*map(json.loads, sent_as(world, JSON)))


@row(21)
def urlencoded(world: World) -> None:
    """Keys as fields, null as nothing, Before and After as fields of JSON text; what is stored stays what it is."""
    created, changed, test = (
        dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True))
        for body in sent_as(world, FORM)
    )
    assert (created["FirstName"], created["Mobile"]) == ("Zoë & Söhne", "")
    assert (json.loads(changed["Before"])["Score"], json.loads(changed["After"])["Score"]) == ("0", "45")
    assert (list(changed), list(test)) == (["Before", "After"], KEYS)
    # Another try of a body that was stored under another type than the webhook has by now.
    hears(world, "Lead_Post_Create")
    world.receiver.answer(Answer(500))
    world.created(VENDOR)
    world.deliver()
    assert world.change_errors(**{TYPE: JSON}) == {}
    tried_again(world)
    first, second = world.receiver.received
    assert first.body == second.body
    assert first.header("Content-Type") == second.header("Content-Type") == FORM


@row(22)
def text_plain(world: World) -> None:
    """The same JSON text."""
    in_json(*map(json.loads, sent_as(world, TEXT)))


@row(23)
def no_other_content_type(world: World) -> None:
    for wrong in ("application/xml", "multipart/form-data", "application/JSON", "text/html", ""):
        assert list(world.change_errors(**{TYPE: wrong})) == [TYPE], wrong
        world.refused("settings.content_type", "choice", by_api(world, settings={"content_type": wrong}))
    assert world.webhook.setting("content_type") == JSON
    assert by_api(world, settings={"content_type": TEXT}).data["settings"] == {"content_type": TEXT}


# Custom headers, description


def header_rows(*headers: tuple[str, str]) -> dict[str, list[str]]:
    """The form's rows, as a browser without scripts posts them."""
    return {
        "headers.was": [""] * len(headers),
        "headers.name": [name for name, _ in headers],
        "headers.value": [value for _, value in headers],
    }


@row(25)
def custom_headers(world: World) -> None:
    """With each call, further tries and tests too; up to 10 (LS-A21), and of one name the last one (LS-A22)."""
    ten = [(f"X-Key-{number}", f"value {number}") for number in range(10)]
    assert world.change_errors(**header_rows(*ten)) == {}
    world.receiver.answer(Answer(500))
    world.created(VENDOR)
    world.tried_out(0.001)
    assert world.admin("webhooks_webhook_test", world.webhook.pk, data={}).status_code == 302
    requests = world.receiver.wait_for(3)
    for request in requests:
        assert [request.header(name) for name, _ in ten] == [value for _, value in ten]
    eleven = [*ten, ("X-Key-10", "value 10")]
    assert world.change_errors(**header_rows(*eleven)) == {"headers": ["There may be at most 10 custom headers."]}
    world.refused("custom_headers", "header", by_api(world, custom_headers=dict(eleven)))
    assert world.webhook.custom_headers == dict(ten)
    repeated = [*ten, ("x-key-0", "the last one")]
    assert world.add_webhook(**{EVENT: "Lead_Delete"}, **header_rows(*repeated)).custom_headers == (
        dict(ten[1:]) | {"x-key-0": "the last one"}
    )
    assert by_api(world, custom_headers=dict(repeated)).status_code == 201


@row(26)
def authentication(world: World) -> None:
    """A receiver may reject whatever comes without it; nobody reads its value in the history."""
    with world.example() as example:
        assert world.change_errors(url=example.url) == {}
        world.created(VENDOR)
        world.deliver()
        assert Delivery.objects.get().code == 401
        assert world.change_errors(**header_rows(("x-api-key", "open sesame"))) == {}
        world.created(VENDOR)
        world.rested()
        world.deliver()
    delivery = Delivery.objects.latest("id")
    assert (delivery.code, delivery.status) == (200, "success")
    shown = world.history_of(delivery)
    assert "x-api-key" in shown and "open sesame" not in shown


@row(27)
def description(world: World) -> None:
    assert world.change_errors(description="New Lead Data") == {}
    shown = Page(world.admin("webhooks_webhook_change", world.webhook.pk)).form("webhook_form")
    assert shown["description"] == ["New Lead Data"]
    assert by_api(world, description="New Lead Data").data["description"] == "New Lead Data"


# History


@row(28)
def history(world: World) -> None:
    """From the webhook's own page to its deliveries, and to no others."""
    world.created(VENDOR)
    world.deliver()
    link = f"{reverse(HISTORY)}?webhook={world.webhook.pk}"
    links = Page(world.admin("webhooks_webhook_change", world.webhook.pk)).links
    assert link in [each.replace("&amp;", "&") for each in links]
    shown = Page(world.client.get(link))
    assert reverse("admin:webhooks_delivery_change", args=[Delivery.objects.get().pk]) in [
        each.partition("?")[0] for each in shown.links
    ]
    world.posted_webhook(name="Another", **{EVENT: "Lead_Delete"})
    other = Webhook.objects.get(name="Another").pk
    assert "Richard Smith" in shown.text
    assert "Richard Smith" not in Page(world.client.get(f"{reverse(HISTORY)}?webhook={other}")).text


@row(29)
def transmission_date(world: World) -> None:
    world.created(VENDOR)
    before = datetime.now(UTC)
    world.deliver()
    delivery = Delivery.objects.get()
    assert before <= delivery.transmitted_at <= datetime.now(UTC)
    stamp = f'datetime="{delivery.transmitted_at.isoformat()[:19]}'
    assert stamp in world.admin("webhooks_delivery_changelist").content.decode()


@row(30)
def status(world: World) -> None:
    """The three of the page, by their names."""
    for answer in (Answer(), Answer(410)):
        after(world, answer)
    world.turn("resume")
    after(world, Answer(500))
    shown = world.history()
    assert [word in shown for word in ("Success", "In Queue", "Failure")] == [True] * 3
    assert list(Delivery.objects.order_by("id").values_list("status", flat=True)) == ["success", "failure", "queued"]


def shown(world: World) -> tuple[Received, str]:
    """What was sent of a lead, answered with words, and the text of the window that Show opens."""
    world.receiver.answer(Answer(200, body=b'{"Status":"Success","StatusReason":"stored as 7"}'))
    world.created(VENDOR | {"last_name": "Ünï “code” 🏠"})
    (request,) = world.deliver()
    delivery = Delivery.objects.get()
    opened = world.admin("webhooks_delivery_change", delivery.pk)
    return request, Page(opened).text


@row(31, 38)
def data_sent(world: World) -> None:
    request, window = shown(world)
    assert request.body.decode() in window
    assert f"POST http://{world.receiver.authority}{request.target}" in window
    assert "Content-Type" in window and "Richard Ünï “code” 🏠" in world.history()


@row(39)
def data_received(world: World) -> None:
    _, window = shown(world)
    assert '{"Status":"Success","StatusReason":"stored as 7"}' in window
    assert "200" in window


@row(37)
def show_opens(world: World) -> None:
    """The delivery's row leads to its data, and so does Show beside it."""
    request, window = shown(world)
    pk = Delivery.objects.get().pk
    opens = reverse("admin:webhooks_delivery_change", args=[pk])
    assert opens in Page(world.admin("webhooks_delivery_changelist")).links
    assert world.admin("webhooks_delivery_show", pk)["Location"] == opens
    assert request.body.decode() in window


def after(world: World, answer: Answer) -> tuple[str, int]:
    world.receiver.answer(answer)
    world.created(VENDOR)
    world.rested()
    world.deliver()
    delivery = Delivery.objects.latest("id")
    return delivery.status, delivery.tries


@row(32)
def success(world: World) -> None:
    """Exactly 200 (LS-A2), whatever it says beside that."""
    for answer in (Answer(), Answer(200, body=b'{"Status":"Error","StatusReason":"no such field"}')):
        assert after(world, answer) == ("success", 1)
    assert after(world, Answer(204)) == ("queued", 1)


@row(33)
def failure(world: World) -> None:
    """Any other code, other 2xx included; a redirect is not followed, and no answer is none."""
    elsewhere = (("Location", f"http://{world.receiver.authority}/elsewhere"),)
    for code in (201, 202, 204, 301, 302, 307, 400, 401, 404, 429, 500, 503):
        headers = elsewhere if 300 <= code < 400 else ()
        assert after(world, Answer(code, headers=headers)) == ("queued", 1), code
    assert {urlsplit(request.target).path for request in world.receiver.received} == {"/hook"}
    assert world.change_errors(url=f"http://127.0.0.1:{free_port()}/hook") == {}
    assert after(world, Answer()) == ("queued", 1)
    assert world.change_errors(url=world.receiver.url) == {}
    Delivery.objects.all().delete()
    world.receiver.always(Answer(204))
    world.created(VENDOR)
    world.tried_out(0.001)
    assert Delivery.objects.get().status == "failure"
    assert "The receiver answered 204" in world.history_of(Delivery.objects.get())
    # Send Test says why that is none.
    test = reverse("admin:webhooks_webhook_test", args=[world.webhook.pk])
    assert "Test answered 204" in (words := Page(world.client.post(test, follow=True)).text)
    assert "LeadSquared takes 200 alone for success." in words


@row(34)
def three_tries(world: World) -> None:
    """In all (LS-A1), 60 and 300 s apart give or take a tenth (LS-A27), with the same bytes; then it is a failure."""
    world.receiver.always(Answer(500))
    world.created(VENDOR)
    waits = world.planned()
    assert len(waits) == 2
    for wait, usual in zip(waits, (60, 300), strict=True):
        assert 0.9 * usual - 0.1 < wait < 1.1 * usual + 5
    requests = world.deliver()
    assert len(requests) == 3
    assert len({(request.body, request.header("webhook-id"), request.target) for request in requests}) == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries) == ("failure", 3)
    assert "3 of 3" in world.history_of(delivery)
    # The same with waits that pass: 0.12 and 0.6 s.
    world.receiver.clear()
    world.created(VENDOR)
    gaps = [later.at - earlier.at for earlier, later in pairwise(world.tried_out(0.002))]
    assert [gap > 0.9 * usual for gap, usual in zip(gaps, (0.12, 0.6), strict=True)] == [True, True]


@row(35)
def in_queue(world: World) -> None:
    """Until it is posted, and while a further try is planned."""
    world.created(VENDOR)
    assert "In Queue" in world.history() and world.receiver.received == []
    world.receiver.answer(Answer(500))
    world.deliver()
    assert "In Queue" in world.history() and len(world.receiver.received) == 1
    tried_again(world)
    assert "Richard Smith" not in Page(world.client.get(f"{reverse(HISTORY)}?status=queued")).text
    assert "Richard Smith" in Page(world.client.get(f"{reverse(HISTORY)}?status=success")).text


@row(36)
def posted_by_hand(world: World) -> None:
    """What the page of a failure has is all it takes to post the very same bytes."""
    world.receiver.answer(Answer(410))
    world.created(VENDOR | {"last_name": "Ünï “code” 🏠"})
    (sent,) = world.deliver()
    delivery = Delivery.objects.get()
    assert delivery.status == "failure"
    page = world.admin("webhooks_delivery_change", delivery.pk)
    assert sent.body.decode() in Page(page).text
    (found,) = re.findall(r"POST http://[^/]+(/\S+)", Page(page).text)[:1]
    by_hand = http.client.HTTPConnection(world.receiver.authority, timeout=10)
    by_hand.request("POST", found, bytes(delivery.body.content), {"Content-Type": JSON})
    assert by_hand.getresponse().status == 200
    by_hand.close()
    again = world.receiver.received[-1]
    assert (again.target, again.body) == (sent.target, sent.body)


@row(40)
def by_program(world: World) -> None:
    """A webhook that our API made, or LeadSquared's own, is as good as one that staff made (LS-A23)."""
    world.webhook.delete()
    made = by_api(world, settings={"content_type": TEXT}, description="New Lead Data")
    assert made.status_code == 201, made.content
    world.created(VENDOR)
    (request,) = world.deliver()
    assert dict(parameters(request))["entityId"] == str(made.data["id"])
    assert request.header("Content-Type") == TEXT
    changed = world.call("PATCH", f"webhooks/{made.data['id']}/", {"events": ["Lead_Delete"]})
    assert changed.data["events"] == ["Lead_Delete"]
    assert world.call("DELETE", f"webhooks/{made.data['id']}/").status_code == 204
    world.receiver.clear()
    by_their_api(world)


def by_their_api(world: World) -> None:
    """As LeadSquared's pages have it: keys in the address, its names and numbers, its answers."""
    (key,) = world.account.api_keys.all()

    def call(verb: str, body: dict[str, Any] | None = None, query: str = "") -> Any:
        address = f"/v2/Webhook.svc/{verb}?accessKey={key.prefix}&secretKey={world.secret}{query}"
        answer = world.client.get(address) if body is None else world.client.post(address, body, JSON)
        return answer.status_code, answer.json()

    headers = [{"Key": "x-api-key", "Value": "1"}, {"Key": "x-api-key", "Value": "2"}]
    body = {"URL": world.receiver.url, "WebhookEvent": "3", "ContentType": TEXT, "CustomHeaders": headers}
    status, answer = call("Create", body | {"Description": "New Lead Data", "NotifyOnFailure": True})
    pk = Webhook.objects.get().pk
    assert (status, answer) == (200, {"Status": "Success", "Message": {"Id": str(pk)}})
    world.created(VENDOR)
    (request,) = world.deliver()
    assert parameters(request)[1:] == [("entityId", str(pk)), ("eventType", "Lead_Post_Create")]
    assert (request.header("Content-Type"), request.header("x-api-key")) == (TEXT, "2")
    assert call("Update", {"WebhookId": str(pk), "WebhookEvent": "Lead_Delete"}) == (status, answer)
    status, told = call("Retrieve", {"Parameter": {"WebhookEvent": "Lead_Delete"}})
    assert (status, told["RecordCount"]) == (200, 1)
    shown = {"WebhookId": str(pk), "EventCode": "Lead_Delete", "Description": "New Lead Data", "StatusCode": 0}
    assert told["Response"][0] | shown == told["Response"][0]
    status, refusal = call("Create", body | {"WebhookEvent": "99"})
    assert status == 400 and refusal["Status"] == "Error" and refusal["ExceptionType"].startswith("MX")
    assert call("Delete", {}, f"&webhookId={pk}")[0] == 405
    assert call("Delete", None, f"&webhookId={pk}") == (200, answer)
    assert not Webhook.objects.exists()


# The events


@row(46)
def landing_page_submission(world: World) -> None:
    """A form of ours, with what was typed; a lead that staff or programs make is none."""
    hears(world, "Landing_Page_submission")
    world.created(VENDOR)
    assert arrived(world) == []
    form = submitted(world, **ANSWERS)
    lead = Lead.objects.latest("id")
    (body,) = arrived(world)
    answers = {"Your name": ANSWERS["full_name"], "Your e-mail": ANSWERS["email"], "Message": ANSWERS["message"]}
    page = {"LandingPageId": str(form.pk), "LandingPageName": "Contact us", "LandingPageFields": answers}
    assert body == flat(world, lead.pk) | page


@row(49)
def lead_creation(world: World) -> None:
    """Flat, with the account's own fields; once, whoever makes it, with an owner or without."""
    CustomField.objects.create(account=world.account, key="budget", label="Budget", kind="number", position=1)
    CustomField.objects.create(account=world.account, key="area", label="Area", kind="text", position=2)
    hears(world, "Lead_Post_Create")
    given = VENDOR | {"mobile_phone": "07700 900123", "company_name": "Asimov", "job_title": "Owner", "source": "Web"}
    pk = world.created(given | {"owner_id": world.manager.pk, "score": 45, "custom_fields": {"budget": 250000.0}})["id"]
    (body,) = arrived(world)
    assert body == flat(world, pk) | {"mx_budget": "250000", "mx_area": None}
    assert list(body) == [*KEYS, "mx_budget", "mx_area"]
    assert (body["Score"], body["OwnerIdEmailAddress"], body["Mobile"]) == ("45", "manager@example.com", "07700 900123")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", body["CreatedOn"])
    world.patched(pk, {"score": 46})
    assert arrived(world) == []
    assert world.saved("leads_lead_add", first_name="Dana", phone="01865 123456") == {}
    (body,) = arrived(world)
    assert (body["FirstName"], body["LastName"], body["Score"]) == ("Dana", None, "0")


@row(50)
def lead_delete(world: World) -> None:
    """As it was last, and that it is no more (LS-B2)."""
    hears(world, "Lead_Delete")
    pk = world.created(VENDOR | {"score": 45})["id"]
    world.patched(pk, {"last_name": "Branson"})
    last = flat(world, pk)
    assert world.call("DELETE", f"leads/{pk}/").status_code == 204
    assert arrived(world) == [{"Before": last, "After": None}]
    assert last["LastName"] == "Branson"


@row(51)
def lead_field_value_change(world: World) -> None:
    """One for a save; a webhook chooses fields by its filters, custom ones too. Creation is no change."""
    CustomField.objects.create(account=world.account, key="budget", label="Budget", kind="number")
    hears(world, "Lead_Field_Change")
    pk = world.created(VENDOR | {"mobile_phone": "07700 900123"})["id"]
    assert arrived(world) == []
    before, after = changed(world, pk, {"job_title": "Owner", "mobile_phone": None})
    assert after == flat(world, pk)
    assert differ(before, after) == {"JobTitle": (None, "Owner"), "Mobile": ("07700 900123", None)}
    world.hear_only("custom_fields.budget", "changed")
    world.patched(pk, {"job_title": "Baker"})
    assert arrived(world) == []
    before, after = changed(world, pk, {"custom_fields": {"budget": 5}, "job_title": "Owner"})
    assert differ(before, after) == {"mx_budget": (None, "5"), "JobTitle": ("Baker", "Owner")}
    world.patched(pk, {"job_title": "Owner"})
    assert arrived(world) == []


@row(53)
def lead_ownership_change(world: World) -> None:
    """To somebody, to somebody else and to nobody; a new lead that has an owner is none."""
    hears(world, "Lead_Owner_Change")
    dana = world.colleague("dana")
    pk = world.created(VENDOR | {"owner_id": world.manager.pk})["id"]
    assert arrived(world) == []
    found = differ(*changed(world, pk, {"owner_id": dana.pk, "score": 1}))
    assert found["OwnerId"] == (str(world.manager.pk), str(dana.pk))
    assert found["OwnerIdEmailAddress"] == ("manager@example.com", "dana@example.com")
    found = differ(*changed(world, pk, {"owner_id": None}))
    assert found == {"OwnerId": (str(dana.pk), None), "OwnerIdEmailAddress": ("dana@example.com", None)}
    world.patched(pk, {"score": 2})
    assert arrived(world) == []


@row(54)
def lead_score_change(world: World) -> None:
    hears(world, "Lead_Score_Change")
    pk = world.created(VENDOR | {"score": 45})["id"]
    assert arrived(world) == []
    assert differ(*changed(world, pk, {"score": -5})) == {"Score": ("45", "-5")}
    world.patched(pk, {"score": -5, "notes": "Called."})
    assert arrived(world) == []


@row(55)
def lead_stage_change(world: World) -> None:
    """By name, to another pipeline too; a webhook may ask for one move alone."""
    hears(world, "Lead_Post_Stage_Change")
    pk = world.created(VENDOR)["id"]
    assert arrived(world) == []
    assert differ(*changed(world, pk, {"stage": "CONTACTED"})) == {"ProspectStage": ("New", "Contacted")}
    pipeline = Pipeline.objects.create(account=world.account, name="Lettings", position=1)
    for position, (name, code) in enumerate([("Enquiry", "NEW"), ("Let", "WON")]):
        Stage.objects.create(pipeline=pipeline, name=name, code=code, outcome="open", position=position)
    assert differ(*changed(world, pk, {"pipeline_id": pipeline.pk})) == {"ProspectStage": ("Contacted", "Enquiry")}
    stages = {stage.name: str(stage.pk) for stage in pipeline.stages.all()}
    world.hear_only("pipeline_stage_id", "changed_from_to", stages["Enquiry"], stages["Let"])
    world.patched(pk, {"stage": "WON"})
    assert arrived(world) == []
    assert differ(*changed(world, pk, {"stage": "NEW"})) == {"ProspectStage": ("Let", "Enquiry")}


@row(56)
def lead_update(world: World) -> None:
    """One for a save, however much it changes, stage and owner included; none for one that changes nothing."""
    hears(world, "Lead_Post_Update")
    pk = world.created(VENDOR)["id"]
    assert arrived(world) == []
    was = flat(world, pk)
    before, after = changed(world, pk, {"stage": "WON", "score": 45, "first_name": "Zoë"})
    assert before == was | dict.fromkeys(MODIFIED)
    assert after == flat(world, pk)
    assert differ(before, after) == {
        "ProspectStage": ("New", "Won"),
        "Score": ("0", "45"),
        "FirstName": ("Richard", "Zoë"),
    }
    world.patched(pk, {"first_name": "Zoë"})
    assert arrived(world) == []


# The URL


@row(80)
def three_parameters(world: World) -> None:
    """Behind whatever query there is, ours last, and nothing overwritten (LS-A6); on further tries and tests too."""
    ours = ["entityType", "entityId", "eventType"]
    base = f"http://{world.receiver.authority}"
    for url, query in (
        (f"{base}/add", []),
        (base, []),
        (f"{base}/add?", []),
        (f"{base}/add?x=1&y=a%26b", [("x", "1"), ("y", "a&b")]),
        (f"{base}/add?eventType=theirs&x=", [("eventType", "theirs"), ("x", "")]),
    ):
        assert world.change_errors(url=url) == {}
        world.receiver.clear()
        world.receiver.answer(Answer(500))
        world.created(VENDOR)
        world.rested()
        world.tried_out(0.001)
        assert world.admin("webhooks_webhook_test", world.webhook.pk, data={}).status_code == 302
        for request in world.receiver.wait_for(3):
            found = parameters(request)
            assert [name for name, _ in found[-3:]] == ours
            assert found[:-3] == query
        assert world.webhook.url == url
    assert list(world.change_errors(url=f"{base}/add#part")) == ["url"]
    # It needs room for them.
    assert world.change_errors(url=f"{base}/{'a' * 1800}") == {}
    assert "may have at most" in world.change_errors(url=f"{base}/{'a' * 1950}")["url"][0]
    world.refused("url", "length", by_api(world, url=f"{base}/{'a' * 1950}"))


@row(81, 82)
def entity_type(world: World) -> None:
    """Who posts is a webhook, whatever the event."""
    for requests in everything(world).values():
        assert {dict(parameters(request))["entityType"] for request in requests} == {"webhook"}


@row(85)
def entity_id(world: World) -> None:
    """That of the webhook, by which the API finds it."""
    heard = everything(world)
    ids = {code: {dict(parameters(request))["entityId"] for request in found} for code, found in heard.items()}
    assert ids == {hook.events[0]: {str(hook.pk)} for hook in Webhook.objects.all()}
    world.webhook = Webhook.objects.get(name="Lead Delete")
    (pk,) = ids["Lead_Delete"]
    assert by_api(world).status_code == 201
    assert world.call("GET", f"webhooks/{pk}/").data["name"] == "Lead Delete"


@row(86, 90)
def event_type(world: World) -> None:
    """The code of the event (LS-A7); those that contain Post have it between what is acted on and the action."""
    for code, requests in everything(world).items():
        for request in requests:
            assert dict(parameters(request))["eventType"] == code
    posts = [code for code in OF_LEADS if "_Post_" in code]
    assert [code.partition("_Post_")[::2] for code in posts] == [
        ("Lead", "Create"),
        ("Lead", "Stage_Change"),
        ("Lead", "Update"),
    ]


# One event each, and the next webhook


def actions(world: World) -> dict[str, str]:
    """Those of the only webhook's row in the list, and where they lead."""
    listed = world.admin("webhooks_webhook_changelist").content.decode()
    found = re.findall(rf'<a href="(/admin/webhooks/webhook/{world.webhook.pk}/[\w-]+/)"(.*?)</a>', listed, re.DOTALL)
    return {
        re.sub(r"<[^>]*>", "", rest.partition("grow truncate")[2].partition(">")[2]).strip(): url for url, rest in found
    }


@row(95)
def one_event(world: World) -> None:
    """For the next event, Copy webhook fills in the form with all but the event; its headers' values come along."""
    for several in (["Lead_Delete", "Lead_Post_Update"], list(EVENTS)):
        world.change_errors(**{EVENT: several})
        assert len(world.webhook.events) == 1
        world.refused("events", "length", by_api(world, events=several))
    assert by_api(world, events=["Lead_Delete"]).data["events"] == ["Lead_Delete"]
    Webhook.objects.exclude(pk=world.webhook.pk).delete()
    changes = {EVENT: "Lead_Post_Create", TYPE: TEXT, "description": "New Lead Data", "rate_limit": "50"}
    assert world.change_errors(**changes, **header_rows(("x-api-key", "open sesame"))) == {}
    world.hear_only("score", "greater", "5")

    copy = reverse("admin:webhooks_webhook_copy", args=[world.webhook.pk])
    assert actions(world)["Copy webhook"] == copy
    opened = world.client.get(copy)
    assert opened.status_code == 302
    page = world.client.get(opened["Location"])
    form = Page(page).form("webhook_form")
    assert (form[EVENT], form[TYPE], form["url"]) == ([""], [TEXT], [world.receiver.url])
    assert "open sesame" not in page.content.decode()
    assert world.client.post(opened["Location"], form).context["adminform"].form.errors == {EVENT: ["Choose an event."]}
    assert Webhook.objects.count() == 1
    assert world.client.post(opened["Location"], form | {EVENT: "Lead_Post_Update"}).status_code == 302
    made = Webhook.objects.exclude(pk=world.webhook.pk).get()
    assert (made.name, made.events) == ("Copy of LeadSquared", ["Lead_Post_Update"])
    kept = ("account", "url", "dialect", "settings", "filters", "custom_headers", "description", "rate_limit")
    assert {name: getattr(made, name) for name in kept} == {name: getattr(world.webhook, name) for name in kept}
    assert made.custom_headers == {"x-api-key": "open sesame"}
    world.receiver.clear()
    world.patched(world.created(VENDOR | {"score": 6})["id"], {"score": 7})
    assert sorted(dict(parameters(request))["eventType"] for request in world.deliver()) == [
        "Lead_Post_Create",
        "Lead_Post_Update",
    ]


@row(96)
def view_history(world: World) -> None:
    """Among the actions of the webhook's row."""
    view = actions(world)["View history"]
    assert world.client.get(view)["Location"] == f"{reverse(HISTORY)}?webhook={world.webhook.pk}"
