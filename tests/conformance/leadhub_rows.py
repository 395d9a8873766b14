"""The rows of LeadHub's checklist: one function for each LH- line, by its id. test_leadhub.py runs them.

A row acts on the public surface and asserts the value that its line names. The lines come from LeadHub's documentation
page "Outbound Webhooks" (read 2026-11-21); where it is silent, the readings in docs/leadhub.md decide.
"""

from __future__ import annotations

import hmac
import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from leads.forms.page import path_of
from leads.models import CustomField, Form, Lead, Pipeline, Stage
from tests.admin.page import Page
from tests.conformance.world import VENDOR, World, record_of
from tests.program import free_port
from tests.receiver import Answer, Received
from webhooks.inbox.address import address as inbox_address
from webhooks.models import Delivery, Webhook

Row = Callable[[World], None]
ROWS: dict[str, Row] = {}

EVENTS = [
    "lead.created",
    "lead.updated",
    "lead.deleted",
    "lead.stage_changed",
    "lead.assigned",
    "form.submitted",
]
KEYS = [
    "id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "source",
    "status",
    "lead_score",
    "pipeline",
    "stage",
    "assigned_to",
    "tags",
    "created_at",
]
ADDITIONS = {
    "form.submitted": ["form"],
    "lead.stage_changed": ["previous_stage"],
    "lead.assigned": ["previous_assigned_to"],
}

# The page's payload; it shows "[email protected]" for both addresses (LH-A7).
SAMPLE: dict[str, Any] = {
    "event": "lead.created",
    "occurred_at": "2026-04-29T10:30:00Z",
    "lead": {
        "id": 123,
        "first_name": "Jane",
        "last_name": "Smith",
        "email": "jane.smith@example.com",
        "phone": "+1-555-000-0000",
        "source": "web_form",
        "status": "new",
        "lead_score": 45,
        "pipeline": "Sales Pipeline",
        "stage": "New Lead",
        "assigned_to": "alex.morgan@example.com",
        "tags": ["vip", "from-webinar"],
        "created_at": "2026-04-29T10:30:00Z",
    },
}

SIGNATURE = "X-LeadHub-Signature"
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def row(*ids: int) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        for number in ids:
            assert f"LH-{number}" not in ROWS, number
            ROWS[f"LH-{number}"] = function
        return function

    return register


def on(number: int, function: Row) -> None:
    row(number)(function)


# What happens, and what is told of it


def submitted(world: World, **answers: str) -> Form:
    """A visitor sends a form of the account, from wherever it is shown."""
    asked = [{"key": key, "label": label, "required": False} for key, label in ASKED.items()]
    form = Form.objects.create(account=world.account, name="Contact us", title="Contact us", fields=asked)
    response = Client().post(path_of(form), json.dumps(answers), content_type="application/json")
    assert response.status_code == 200, response.content
    return form


ASKED = {"full_name": "Your name", "email": "Your e-mail", "message": "Message"}
ANSWERS = {"full_name": "Zoë Ashdown", "email": "zoe@example.com", "message": "When can I view it?"}


def everything(world: World) -> dict[str, dict[str, Any]]:
    """Each of the six events once: what was sent, by the event's name."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"stage": "CONTACTED", "owner_id": world.manager.pk})
    assert world.call("DELETE", f"leads/{lead['id']}/").status_code == 204
    submitted(world, **ANSWERS)
    return {body["event"]: body for body in world.bodies()}


def told(world: World, pk: int, event: str) -> dict[str, Any]:
    """The newest body of that event of that lead."""
    found = {
        record_of(request): body
        for request in world.deliver()
        if record_of(request)[0] == pk and (body := json.loads(request.body))["event"] == event
    }
    return found[max(found)]


def names(world: World) -> list[str]:
    """The events that were sent so far, in the order in which they happened."""
    world.deliver()
    return world.deliveries()


def only(world: World, condition: tuple[Any, ...], met: dict[str, Any], unmet: dict[str, Any]) -> None:
    """With this filter on the webhook, it is told of the lead that meets it and not of the other."""
    world.receiver.clear()
    world.hear_only(*condition)
    world.created(VENDOR | unmet)
    wanted = world.created(VENDOR | met)
    assert world.told_of() == {wanted["id"]}


# The feature


@row(1)
def pushes(world: World) -> None:
    """Whenever something happens to a lead, its data goes to the URL."""
    lead = world.created(VENDOR)
    for values in ({"notes": "Called."}, {"score": 10}, {"stage": "CONTACTED"}, {"tags": ["vip"]}):
        before = len(world.deliver())
        world.patched(lead["id"], values)
        arrived = world.deliver()[before:]
        assert arrived
        assert {json.loads(request.body)["lead"]["id"] for request in arrived} == {lead["id"]}
        assert {request.target for request in arrived} == {"/hook"}


@row(2)
def uses(world: World) -> None:
    """A CRM that is kept in step, a workflow of Zapier's and a notice to somebody hear each what they asked for."""
    world.webhook.delete()
    for name, events in {
        "CRM": ["lead.created", "lead.updated", "lead.deleted"],
        "Zapier": ["form.submitted"],
        "Notice": ["lead.assigned"],
    }.items():
        world.posted_webhook(name=name, url=f"http://{world.receiver.authority}/{name}", leadhub__events=events)
    everything(world)
    heard = [(request.target, json.loads(request.body)["event"]) for request in world.receiver.received]
    assert sorted(heard) == [
        ("/CRM", "lead.created"),
        ("/CRM", "lead.created"),
        ("/CRM", "lead.deleted"),
        ("/CRM", "lead.updated"),
        ("/Notice", "lead.assigned"),
        ("/Zapier", "form.submitted"),
    ]


@row(3)
def target_and_events(world: World) -> None:
    """There is no webhook without either."""
    assert list(world.webhook_errors(url="")) == ["url"]
    assert list(world.webhook_errors(leadhub__events=[])) == ["leadhub__events"]
    webhook = world.add_webhook(leadhub__events=["lead.created"])
    assert (webhook.url, webhook.events) == (world.receiver.url, ["lead.created"])


@row(4)
def post(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    assert (request.method, request.target) == ("POST", "/hook")
    assert request.header("Host") == world.receiver.authority


@row(5)
def full_lead(world: World) -> None:
    """What the API says of the lead under the 13 names, whichever of them the save was about (LH-A4)."""
    lead = world.created(VENDOR | {"score": 45, "tags": ["vip"], "source": "rightmove"})
    sent = world.arrived(lead["id"])
    same = ("id", "first_name", "last_name", "email", "phone", "source", "pipeline", "tags")
    assert {key: sent[key] for key in same} == {key: lead[key] for key in same}
    world.patched(lead["id"], {"phone": "07000000000"})
    assert told(world, lead["id"], "lead.updated")["lead"] == sent | {"phone": "07000000000"}


# Setting one up


@row(6)
def four_steps(world: World) -> None:
    """The list leads to the form, the form is filled in and saved, and events arrive (LH-A14)."""
    world.webhook.delete()
    add = reverse("admin:webhooks_webhook_add")
    assert add in Page(world.admin("webhooks_webhook_changelist")).links
    response = world.submit(
        "webhook_form", "webhooks_webhook_add", dialect="leadhub", name="Sync to HubSpot", url=world.receiver.url
    )
    assert response.status_code == 302
    world.created(VENDOR)
    assert json.loads(world.deliver()[0].body)["event"] == "lead.created"


@row(7)
def name(world: World) -> None:
    """Ours alone: it is in no request, and two may share it."""
    assert world.add_webhook(name="Sync to HubSpot").name == "Sync to HubSpot"
    world.created(VENDOR)
    (request,) = world.deliver()
    assert b"HubSpot" not in request.head + request.body
    assert "Sync to HubSpot" in world.history()
    assert list(world.webhook_errors(name="")) == ["name"]
    world.posted_webhook(name="Sync to HubSpot")
    assert Webhook.objects.filter(name="Sync to HubSpot").count() == 2


@row(8)
def url(world: World) -> None:
    """http and https (LH-A20), with path and query as they are."""
    world.add_webhook(url="https://hooks.zapier.com/hooks/catch/1/a%20b/?x=1&y=%26")
    for wrong in ("hooks.zapier.com/1", "ftp://hooks.zapier.com/1", "mailto:dana@example.com"):
        assert list(world.change_errors(url=wrong)) == ["url"]
    assert world.change_errors(url=f"http://{world.receiver.authority}/a%20b/?x=1&y=%26") == {}
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.target == "/a%20b/?x=1&y=%26"


@row(9)
def events(world: World) -> None:
    """Any of the six, one at least (LH-A13)."""
    shown = Page(world.admin("webhooks_webhook_add")).form("webhook_form")
    assert shown["leadhub__events"] == EVENTS
    for chosen in (["lead.deleted"], ["lead.created", "form.submitted"], EVENTS):
        assert world.change_errors(leadhub__events=chosen) == {}
        assert world.webhook.events == chosen
    for wrong in ([], ["lead.status_changed"], ["lead.created", "lead.merged"]):
        assert list(world.change_errors(leadhub__events=wrong)) == ["leadhub__events"]


@row(10)
def secret(world: World) -> None:
    """None unless staff type one or have one made, which is shown once."""
    assert world.add_webhook().secret == ""
    assert world.add_webhook(typed_secret="what HubSpot has").secret == "what HubSpot has"
    made = world.add_webhook(generate_secret="on").secret
    assert len(made) == 43
    pages = [world.admin("webhooks_webhook_change", world.webhook.pk).content.decode() for _ in range(2)]
    assert [made in page for page in pages] == [True, False]


@row(11)
def active(world: World) -> None:
    assert world.add_webhook().state == "enabled"
    world.turn("disable")
    world.created(VENDOR)
    assert world.deliver() == []
    world.turn("enable")
    world.created(VENDOR)
    assert len(world.deliver()) == 1


# The six events


@row(12)
def created(world: World) -> None:
    """Once, also of one that staff make; with a user set it is assigned as well (LH-A6)."""
    lead = world.created(VENDOR)
    assert names(world) == ["lead.created"]
    assert told(world, lead["id"], "lead.created")["lead"]["id"] == lead["id"]
    assert world.saved("leads_lead_add", first_name="Dana", phone="01865 123456") == {}
    assert names(world) == ["lead.created"] * 2
    world.created(VENDOR | {"owner_id": world.manager.pk})
    assert names(world)[2:] == ["lead.created", "lead.assigned"]


@row(13)
def updated(world: World) -> None:
    """One event for a save, however much it changes, and none for one that changes nothing."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"first_name": "Ricardo", "phone": "+1-555-000-0000"})
    world.patched(lead["id"], {"first_name": "Ricardo"})
    assert names(world) == ["lead.created", "lead.updated"]
    sent = told(world, lead["id"], "lead.updated")["lead"]
    assert (sent["first_name"], sent["phone"]) == ("Ricardo", "+1-555-000-0000")


@row(14)
def deleted(world: World) -> None:
    """With the lead as it was last (LH-A5)."""
    lead = world.created(VENDOR | {"tags": ["vip"], "score": 45})
    world.patched(lead["id"], {"last_name": "Branson"})
    last = told(world, lead["id"], "lead.updated")["lead"]
    assert world.call("DELETE", f"leads/{lead['id']}/").status_code == 204
    assert names(world)[2:] == ["lead.deleted"]
    assert told(world, lead["id"], "lead.deleted")["lead"] == last
    assert last["last_name"] == "Branson"


def second_pipeline(world: World) -> Pipeline:
    """With stages of other names, and one of a name that the first pipeline has too."""
    pipeline = Pipeline.objects.create(account=world.account, name="Lettings", position=1)
    for position, (label, code, outcome) in enumerate(
        [("Enquiry", "NEW", "open"), ("Contacted", "CONTACTED", "open"), ("Let", "WON", "win")]
    ):
        Stage.objects.create(pipeline=pipeline, name=label, code=code, outcome=outcome, position=position)
    return pipeline


@row(15)
def stage_changed(world: World) -> None:
    """After it the update of the same save (LH-A6), beside the lead the name of the stage that it left (LH-A5)."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"stage": "CONTACTED"})
    assert names(world) == ["lead.created", "lead.stage_changed", "lead.updated"]
    body = told(world, lead["id"], "lead.stage_changed")
    assert (body["previous_stage"], body["lead"]["stage"]) == ("New", "Contacted")
    # To another pipeline, where the stage has the same name.
    pipeline = second_pipeline(world)
    world.patched(lead["id"], {"pipeline_id": pipeline.pk})
    body = told(world, lead["id"], "lead.stage_changed")
    assert (body["previous_stage"], body["lead"]["stage"], body["lead"]["pipeline"]) == (
        "Contacted",
        "Contacted",
        "Lettings",
    )
    # A webhook may ask for one move alone.
    world.receiver.clear()
    stages = {stage.name: str(stage.pk) for stage in pipeline.stages.all()}
    world.hear_only("pipeline_stage_id", "changed_from_to", stages["Enquiry"], stages["Contacted"])
    world.patched(lead["id"], {"stage": "WON"})
    world.patched(lead["id"], {"stage": "CONTACTED"})
    assert world.deliver() == []
    world.patched(lead["id"], {"stage": "NEW"})
    assert {body["event"] for body in world.bodies()} == {"lead.stage_changed", "lead.updated"}


@row(16)
def assigned(world: World) -> None:
    """To a user, with the one before; that a lead is nobody's any more is its update alone (LH-A6)."""
    dana = world.colleague("dana")
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"owner_id": world.manager.pk})
    assert names(world) == ["lead.created", "lead.assigned", "lead.updated"]
    body = told(world, lead["id"], "lead.assigned")
    assert (body["previous_assigned_to"], body["lead"]["assigned_to"]) == (None, "manager@example.com")
    world.patched(lead["id"], {"owner_id": dana.pk, "stage": "WON"})
    assert names(world)[3:] == ["lead.assigned", "lead.stage_changed", "lead.updated"]
    body = told(world, lead["id"], "lead.assigned")
    assert (body["previous_assigned_to"], body["lead"]["assigned_to"]) == ("manager@example.com", "dana@example.com")
    world.patched(lead["id"], {"owner_id": None})
    assert names(world)[6:] == ["lead.updated"]
    assert told(world, lead["id"], "lead.updated")["lead"]["assigned_to"] is None


@row(17)
def form_submitted(world: World) -> None:
    """After the lead that it made (LH-A6), with the form's id and name and what was typed (LH-A5)."""
    form = submitted(world, **ANSWERS)
    assert names(world) == ["lead.created", "form.submitted"]
    lead = Lead.objects.get()
    body = told(world, lead.pk, "form.submitted")
    assert body["form"] == {
        "id": form.pk,
        "name": "Contact us",
        "fields": {label: ANSWERS[key] for key, label in ASKED.items()},
    }
    assert (body["lead"]["id"], body["lead"]["email"], body["lead"]["source"]) == (
        lead.pk,
        "zoe@example.com",
        "web_form",
    )


@row(18)
def selected_only(world: World) -> None:
    for chosen in EVENTS:
        assert world.change_errors(leadhub__events=[chosen]) == {}
        world.receiver.clear()
        Form.objects.all().delete()
        everything(world)
        assert {body["event"] for body in world.bodies()} == {chosen}


# The body


@row(19)
def one_form(world: World) -> None:
    """Every event has the three keys of the page's sample; a change of score or of lead status is an update only."""
    bodies = everything(world)
    assert sorted(bodies) == sorted(EVENTS)
    for name, body in bodies.items():
        assert list(body)[:3] == ["event", "occurred_at", "lead"], name
        assert [type(body[key]) for key in ("event", "occurred_at", "lead")] == [str, str, dict], name
    before = len(names(world))
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"score": 50, "lead_status": "Follow Up", "status": "BUSINESS"})
    assert names(world)[before:] == ["lead.created", "lead.updated"]


@row(20)
def event_name(world: World) -> None:
    for name, body in everything(world).items():
        assert body["event"] == name
    assert any(request.body.startswith(b'{"event":"lead.created",') for request in world.receiver.received)


@row(21)
def occurred_at(world: World) -> None:
    """When it happened, not when it was sent: the same on each try (LH-A16)."""
    began = datetime.now(UTC).replace(microsecond=0)
    lead = world.created(VENDOR)
    ended = datetime.now(UTC)
    world.receiver.answer(Answer(500), Answer(500))
    # 60, 120 and 240 s at a fiftieth: the last try is more than a second later.
    first, _, last = world.tried_out(0.01)
    assert last.at - first.at > 1.5
    assert first.body == last.body
    happened = told(world, lead["id"], "lead.created")["occurred_at"]
    assert SECONDS.fullmatch(happened)
    assert began <= datetime.fromisoformat(happened) <= ended


@row(22)
def lead_object(world: World) -> None:
    """One object, of the lead that the event is about."""
    first = world.created(VENDOR)
    second = world.created(VENDOR | {"first_name": "Dana"})
    found = {request: json.loads(request.body)["lead"] for request in world.deliver()}
    assert {record_of(request)[0]: lead["first_name"] for request, lead in found.items()} == {
        first["id"]: "Richard",
        second["id"]: "Dana",
    }
    assert all(isinstance(lead, dict) for lead in found.values())


@row(23)
def id_(world: World) -> None:
    """A number, the one by which the API knows the lead."""
    lead = world.created(VENDOR)
    assert world.arrived(lead["id"])["id"] == lead["id"]
    assert b'"lead":{"id":%d,' % lead["id"] in world.receiver.received[0].body


def text(key: str, example: str, other: str = 'Ünï “code” \\ "東京" 🏠') -> Row:
    """What was entered arrives as it is, from the first save and from a later one."""

    def check(world: World) -> None:
        lead = world.created(VENDOR | {key: example})
        assert world.arrived(lead["id"])[key] == example
        world.patched(lead["id"], {key: other})
        assert world.arrived(lead["id"])[key] == other

    return check


on(24, text("first_name", "Jane"))
on(25, text("last_name", "Smith"))
on(26, text("email", "jane.smith@example.com", other="zoë@example.com"))


@row(27)
def phone(world: World) -> None:
    """As it was entered, not as it is matched; null where there is none."""
    text("phone", "+1-555-000-0000", other="(01865) 123 456 ext. 7")(world)
    assert world.saved("leads_lead_add", email="dana.moss@example.com") == {}
    assert world.arrived(Lead.objects.latest("id").pk)["phone"] is None


@row(28)
def source(world: World) -> None:
    for given in ("web_form", "rightmove"):
        assert world.sent(VENDOR | {"source": given})["source"] == given
    assert world.sent(VENDOR)["source"] == "homepage"
    wanted = ("source", "one_of", "rightmove, zoopla")
    only(world, wanted, met={"source": "zoopla"}, unmet={"source": "web_form"})


@row(29)
def status(world: World) -> None:
    """By our status while the stage is an open one, by the stage's outcome otherwise (LH-A17)."""
    for ours, theirs in {
        "UNREAD": "new",
        "IN_PROGRESS": "contacted",
        "BUSINESS": "qualified",
        "NO_BUSINESS": "lost",
        "DUPLICATE": "lost",
    }.items():
        assert world.sent(VENDOR | {"status": ours})["status"] == theirs
        assert world.sent(VENDOR | {"status": ours, "stage": "INSTRUCTED"})["status"] == theirs
        assert world.sent(VENDOR | {"status": ours, "stage": "WON"})["status"] == "converted"
        assert world.sent(VENDOR | {"status": ours, "stage": "LOST"})["status"] == "lost"
    # lead_status has no say in it.
    assert world.sent(VENDOR | {"lead_status": "Meeting Booked"})["status"] == "new"


@row(30)
def lead_score(world: World) -> None:
    """A whole number (LH-A18), 0 until somebody sets it."""
    assert world.sent(VENDOR)["lead_score"] == 0
    for value in (45, -5, 2_147_483_647):
        assert world.sent(VENDOR | {"score": value})["lead_score"] == value
        assert b'"lead_score":%d,' % value in world.receiver.received[-1].body
    only(world, ("score", "less", "10"), met={"score": 9}, unmet={"score": 10})


@row(31)
def pipeline(world: World) -> None:
    """Its name, the new one once it was renamed (LH-A17)."""
    ours = world.account.pipelines.get()
    lead = world.created(VENDOR)
    assert world.arrived(lead["id"])["pipeline"] == ours.name
    ours.name = "Sales Pipeline"
    ours.save()
    world.patched(lead["id"], {"score": 1})
    assert world.arrived(lead["id"])["pipeline"] == "Sales Pipeline"
    assert world.sent(VENDOR | {"pipeline_id": second_pipeline(world).pk})["pipeline"] == "Lettings"


@row(32)
def stage(world: World) -> None:
    """Its name, not LeadPro's code of it (LH-A17)."""
    first = world.account.pipelines.get().stages.get(code="NEW")
    first.name = "New Lead"
    first.save()
    assert world.sent(VENDOR)["stage"] == "New Lead"
    assert world.sent(VENDOR | {"stage": "VALUATION_BOOKED"})["stage"] == "Valuation booked"
    let = second_pipeline(world).stages.get(name="Let")
    sent = world.sent(VENDOR | {"pipeline_stage_id": let.pk})
    assert (sent["stage"], sent["pipeline"], sent["status"]) == ("Let", "Lettings", "converted")


@row(33)
def assigned_to(world: World) -> None:
    """The whole address of the user (LH-A7); null where there is none."""
    assert world.sent(VENDOR)["assigned_to"] is None
    dana = world.colleague("dana")
    lead = world.created(VENDOR | {"owner_id": dana.pk})
    assert told(world, lead["id"], "lead.created")["lead"]["assigned_to"] == "dana@example.com"
    world.patched(lead["id"], {"owner_id": None})
    assert told(world, lead["id"], "lead.updated")["lead"]["assigned_to"] is None


@row(34)
def tags(world: World) -> None:
    """Their names; an empty array where there are none."""
    assert world.sent(VENDOR)["tags"] == []
    lead = world.created(VENDOR | {"tags": ["vip", "from-webinar"]})
    assert world.arrived(lead["id"])["tags"] == ["vip", "from-webinar"]
    world.patched(lead["id"], {"tags": ["Zoë’s"]})
    assert world.arrived(lead["id"])["tags"] == ["Zoë’s"]
    world.patched(lead["id"], {"tags": []})
    assert world.arrived(lead["id"])["tags"] == []
    only(world, ("tags", "is", "vip"), met={"tags": ["other", "vip"]}, unmet={"tags": ["other"]})


@row(35)
def created_at(world: World) -> None:
    """When the lead was made, whatever the event and whenever it is sent; ours with its milliseconds cut off."""
    lead = world.created(VENDOR)
    made = world.arrived(lead["id"])["created_at"]
    assert made == lead["createdAt"][:19] + "Z"
    assert SECONDS.fullmatch(made)
    Lead.objects.update(created_at=datetime(2026, 4, 29, 10, 30, 0, 999_000, tzinfo=UTC))
    world.patched(lead["id"], {"stage": "WON", "owner_id": world.manager.pk})
    assert {body["lead"]["created_at"] for body in world.bodies()[1:]} == {"2026-04-29T10:30:00Z"}


# The signature


def value_of(request: Received) -> str:
    value = request.header(SIGNATURE)
    assert value is not None
    return value


def openssl(secret: str, body: bytes) -> str:
    """The same value by a program that shares nothing with ours."""
    done = subprocess.run(["openssl", "dgst", "-sha256", "-hmac", secret, "-r"], input=body, capture_output=True)
    assert done.returncode == 0, done.stderr
    return f"sha256={done.stdout.decode().split(' ')[0]}"


def at_the_example(world: World) -> Delivery:
    """The delivery of a lead to the page's recipe, which knows the secret that the webhook had at first."""
    with world.example() as example:
        assert world.change_errors(url=example.url) == {}
        world.created(VENDOR | {"last_name": "Ünï “code” 🏠"})
        world.deliver()
    return Delivery.objects.latest("id")


@row(36)
def each_is_signed(world: World) -> None:
    """Whatever the event, on each try and in a test; the page's recipe takes it."""
    everything(world)
    world.receiver.answer(Answer(500))
    world.created(VENDOR)
    world.tried_out(0.001)
    before = len(world.receiver.received)
    assert world.admin("webhooks_webhook_test", world.webhook.pk, data={}).status_code == 302
    assert world.receiver.wait_for(before + 1)[-1].header("webhook-test") == "true"
    for request in world.receiver.received:
        assert value_of(request) == openssl(world.webhook.secret, request.body)
    assert at_the_example(world).code == 200


@row(37)
def header(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    found = [name for name, _ in request.headers if name.lower() == SIGNATURE.lower()]
    assert found == [SIGNATURE]
    assert at_the_example(world).code == 200


@row(38)
def value(world: World) -> None:
    """Lower-case hex after sha256=, of the raw bytes (LH-A9); a secret counts as typed, whatever it looks like."""
    assert at_the_example(world).code == 200
    assert world.change_errors(url=world.receiver.url) == {}
    for secret in ("Zoë’s secret", "whsec_c2l4dGVlbiBieXRlcyE=", "x"):
        world.turn("rotate", overlap="0", typed_secret=secret)
        world.created(VENDOR | {"last_name": "Ünï “code” 🏠"})
        request = world.deliver()[-1]
        assert re.fullmatch("sha256=[0-9a-f]{64}", value_of(request))
        assert value_of(request) == openssl(secret, request.body)
        assert value_of(request) != openssl(secret, request.body + b"\n")
    # One header, one signature: on rotation the next secret waits until it is switched to.
    world.turn("rotate", overlap="1", typed_secret="the next one")
    world.created(VENDOR)
    assert value_of(world.deliver()[-1]) == openssl("x", world.receiver.received[-1].body)
    world.turn("switch_now")
    world.created(VENDOR)
    assert value_of(world.deliver()[-1]) == openssl("the next one", world.receiver.received[-1].body)


def at_the_inbox(world: World, body: bytes, value: str | None) -> int:
    """The answer of the built-in receiver to a request with this signature."""
    path = "/" + inbox_address(world.webhook).split("/", 3)[3]
    headers = {} if value is None else {SIGNATURE: value}
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


@row(39)
def constant_time(world: World) -> None:
    """Our own receiver compares as the page's hash_equals does: all of it, wherever the first difference is."""
    world.created(VENDOR)
    (request,) = world.deliver()
    body, right = request.body, value_of(request)
    compared = []

    def compare(one: Any, other: Any) -> bool:
        compared.append((bytes(one), bytes(other)))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    first, last = (
        f"sha256={'0' if right[7] != '0' else '1'}{right[8:]}",
        right[:-1] + ("0" if right[-1] != "0" else "1"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hmac, "compare_digest", compare)
        assert [at_the_inbox(world, body, each) for each in (right, first, last)] == [200, 401, 401]
    assert {pair for pair in compared if right.encode() in pair} >= {
        (right.encode(), each.encode()) for each in (right, first, last)
    }
    assert at_the_example(world).code == 200


@row(40)
def refused(world: World) -> None:
    """401 for a signature by another secret, for none and for another body; at our end that is a failed try, and is
    tried again (LH-A10)."""
    world.created(VENDOR)
    (request,) = world.deliver()
    body, right = request.body, value_of(request)
    assert at_the_inbox(world, body, right) == 200
    for wrong in (openssl("another", body), right.removeprefix("sha256="), "sha256=", None):
        assert at_the_inbox(world, body, wrong) == 401
    assert at_the_inbox(world, body + b" ", right) == 401
    shown = Page(world.admin("webhooks_inbox")).text
    assert "Verified" in shown and "Wrong" in shown
    world.turn("rotate", overlap="0", typed_secret="another")
    delivery = at_the_example(world)
    assert (delivery.code, delivery.status, delivery.tries) == (401, "queued", 1)


@row(41)
def unsigned(world: World) -> None:
    """No secret, no header (LH-A8), and the rest as always."""
    world.created(VENDOR)
    (signed,) = world.deliver()
    world.turn("remove")
    world.created(VENDOR)
    without = world.deliver()[-1]
    first, second = ({name for name, _ in request.headers} for request in (signed, without))
    assert first - second == {SIGNATURE, "webhook-signature"} and not second - first
    assert list(json.loads(without.body)) == list(json.loads(signed.body))


# Delivery


@row(42)
def asynchronous(world: World) -> None:
    """Who saves the lead does not wait for the receiver: nothing leaves before the queue's turn."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"score": 1})
    assert (world.receiver.connections, world.receiver.received) == (0, [])
    assert list(Delivery.objects.values_list("status", flat=True)) == ["queued", "queued"]
    assert "In Queue" in world.history()
    assert len(world.deliver()) == 2


@row(43)
def failures(world: World) -> None:
    """Any answer but 2xx, and no answer (LH-A2): each is planned again, and a redirect is not followed."""

    def after(answer: Answer) -> tuple[str, int]:
        world.receiver.answer(answer)
        world.created(VENDOR)
        world.rested()
        world.deliver()
        delivery = Delivery.objects.latest("id")
        return delivery.status, delivery.tries

    for code in (200, 201, 204, 299):
        assert after(Answer(code)) == ("success", 1)
    elsewhere = (("Location", f"http://{world.receiver.authority}/elsewhere"),)
    for code in (301, 302, 307, 308, 400, 401, 404, 429, 500, 503):
        assert after(Answer(code, headers=elsewhere if code < 400 else ())) == ("queued", 1), code
    assert {request.target for request in world.receiver.received} == {"/hook"}
    assert world.change_errors(timeout="1") == {}
    assert after(Answer(silent=True)) == ("queued", 1)
    assert world.change_errors(url=f"http://127.0.0.1:{free_port()}/hook") == {}
    assert after(Answer()) == ("queued", 1)


@row(44)
def three_retries(world: World) -> None:
    """After the first try (LH-A1): four requests with the same bytes, then a Failure that stays one."""
    world.receiver.always(Answer(500))
    world.created(VENDOR)
    requests = world.tried_out(0.001)
    assert len(requests) == 4
    assert len({(request.body, request.header("webhook-id")) for request in requests}) == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries) == ("failure", 4)
    assert len(world.deliver()) == 4


@row(45)
def backoff(world: World) -> None:
    """60, 120 and 240 s, give or take a tenth (LH-A3)."""
    world.receiver.always(Answer(500))
    world.created(VENDOR)
    waits = world.planned()
    assert len(waits) == 3
    for wait, usual in zip(waits, (60, 120, 240), strict=True):
        assert 0.9 * usual - 0.1 < wait < 1.1 * usual + 5
    # The same with waits that pass: 0.12, 0.24 and 0.48 s.
    world.receiver.clear()
    world.created(VENDOR)
    gaps = [later.at - earlier.at for earlier, later in pairwise(world.tried_out(0.002))]
    assert len(gaps) == 3
    for gap, usual in zip(gaps, (0.12, 0.24, 0.48), strict=True):
        assert gap > 0.9 * usual


@row(46)
def log(world: World) -> None:
    """Each try: when, which event, where to, what was sent, what came back, its number and the outcome (LH-A19)."""
    world.receiver.answer(Answer(503, body=b"Away"), Answer(200, body=b"Thanks"))
    world.created(VENDOR)
    world.tried_out(0.001)
    delivery = Delivery.objects.get()
    shown = world.history()
    for words in ("lead.created", "Richard Smith", "LeadHub", "Success", "200"):
        assert words in shown, words
    body = world.receiver.received[0].body.decode()
    for tried, answer, words in ((1, "503", "Away"), (2, "200", "Thanks")):
        page = world.history_of(delivery, tried)
        attempt = delivery.attempts.get(number=tried)
        assert f"POST {world.receiver.url}" in page and f"Body, {len(body)} bytes" in page
        assert body in page and f"{tried}. {answer}" in page and words in page
        assert abs(attempt.started_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert "2 of 4" in page and "The receiver answered 200 on try 2." in page


# Disabling and deleting


@row(47)
def disabled(world: World) -> None:
    """No events, and those that wait are cancelled, which history shows (LH-A11)."""
    world.receiver.answer(Answer(500))
    lead = world.created(VENDOR)
    world.deliver()
    world.patched(lead["id"], {"score": 1})
    world.turn("disable")
    world.patched(lead["id"], {"score": 2})
    world.created(VENDOR)
    assert len(world.tried_out(0.001)) == 1
    found = Delivery.objects.order_by("id").values_list("sent_as", "status", "tries")
    assert list(found) == [("lead.created", "cancelled", 1), ("lead.updated", "cancelled", 0)]
    assert "Cancelled" in world.history()


@row(48)
def preserved(world: World) -> None:
    """All of it: enabled again, it is what it was."""
    kept = ("name", "url", "dialect", "events", "secret", "filters", "settings", "timeout")
    before = {name: getattr(world.webhook, name) for name in kept}
    world.turn("disable")
    assert "LeadHub" in Page(world.admin("webhooks_webhook_changelist")).text
    world.turn("enable")
    assert {name: getattr(world.webhook, name) for name in kept} == before
    world.created(VENDOR)
    (request,) = world.deliver()
    assert value_of(request) == openssl(before["secret"], request.body)


@row(49)
def removed(world: World) -> None:
    """The configuration goes, its secret with it; the log stays, and what waited is cancelled (LH-A12)."""
    world.created(VENDOR)
    world.deliver()
    world.created(VENDOR)
    pk = world.webhook.pk
    assert world.admin("webhooks_webhook_delete", pk, data={"post": "yes"}).status_code == 302
    assert not Webhook.objects.exists()
    assert world.admin("webhooks_webhook_change", pk).status_code in (302, 404)
    world.created(VENDOR)
    assert len(world.deliver()) == 1
    assert list(Delivery.objects.order_by("id").values_list("webhook_name", "status")) == [
        ("LeadHub", "success"),
        ("LeadHub", "cancelled"),
    ]
    assert "LeadHub" in world.history()
    assert "Richard" in world.history_of(Delivery.objects.earliest("id"))


# The body as a whole


@row(50)
def content_type(world: World) -> None:
    everything(world)
    assert {request.header("Content-Type") for request in world.receiver.received} == {"application/json"}
    for request in world.receiver.received:
        assert isinstance(json.loads(request.body.decode("utf-8")), dict)


@row(51)
def thirteen_keys(world: World) -> None:
    """In the sample's order, whatever else is known of the lead (LH-A4); beside the lead what only this event has."""
    CustomField.objects.create(account=world.account, key="budget", label="Budget", kind="number")
    world.created(VENDOR | {"notes": "Called.", "custom_fields": {"budget": 5}, "company_name": "Asimov", "score": 45})
    everything(world)
    assert len(KEYS) == 13
    for request in world.deliver():
        body = json.loads(request.body, object_pairs_hook=list)
        event = dict(body)["event"]
        assert [key for key, _ in body] == ["event", "occurred_at", "lead", *ADDITIONS.get(event, [])]
        assert [key for key, _ in dict(body)["lead"]] == KEYS
    # Send Test has the same shape; its values are the sample's.
    world.receiver.clear()
    body = json.loads(world.tested().body)
    assert (list(body), list(body["lead"])) == (["event", "occurred_at", "lead"], KEYS)
    assert body == SAMPLE


@row(52)
def whole_seconds(world: World) -> None:
    """Both times of every event."""
    for name, body in everything(world).items():
        for moment in (body["occurred_at"], body["lead"]["created_at"]):
            assert SECONDS.fullmatch(moment), name
            assert abs(datetime.fromisoformat(moment) - datetime.now(UTC)) < timedelta(minutes=1), name
