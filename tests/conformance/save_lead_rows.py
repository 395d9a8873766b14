"""The rows of save_lead's checklist: one function for each SL- line, by its id. test_save_lead.py runs them.

A row acts on the public surface and asserts the value that its line names. The lines come from Tomba's documentation
page "Webhooks" (read 2026-11-21); where it is silent or contradicts itself, the readings in docs/save_lead.md decide.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from leads.models import Account, Lead, Membership, User
from tests.admin.page import Page
from tests.conformance.world import VENDOR, World, record_of
from tests.receiver import Answer
from webhooks.models import Delivery, Webhook
from webhooks.outbound.compose import MASK

Row = Callable[[World], None]
ROWS: dict[str, Row] = {}

KEYS = ("email", "company", "first_name", "last_name", "phone", "website", "position", "twitter", "linkedin", "notes")
STARRED = ("company", "first_name", "last_name", "phone", "position", "twitter", "linkedin", "notes")
SAMPLE = dict.fromkeys(KEYS, "") | {"score": 0}
"""The page's own payload, in its order."""

# Of a lead that a client fills completely, under our names.
MORE: dict[str, Any] = {
    "company_name": "Asimov & Söhne",
    "website": "https://asimov.example.com/",
    "job_title": "Head of Robotics",
    "person_x": "@rsmith",
    "person_linkedin": "https://www.linkedin.com/in/rsmith",
    "notes": "Met at the fair.\r\nCall after 5 pm.",
    "score": 95,
}


def row(*ids: int) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        for number in ids:
            assert f"SL-{number}" not in ROWS, number
            ROWS[f"SL-{number}"] = function
        return function

    return register


def on(number: int, function: Row) -> None:
    row(number)(function)


# Purpose, and the webhook's settings


@row(1)
def services_are_notified(world: World) -> None:
    """Each service that listens hears of it, at its own address."""
    world.posted_webhook(name="Billing", url=f"http://{world.receiver.authority}/billing")
    world.created(VENDOR)
    assert sorted(request.target for request in world.deliver()) == ["/billing", "/hook"]


@row(2)
def when_a_lead_is_saved(world: World) -> None:
    """And then only: not when it is looked at, refused or deleted."""
    lead = world.created(VENDOR)
    assert len(world.deliver()) == 1
    world.read(lead["id"])
    world.refused_post("email", "email", VENDOR | {"email": "nobody"})
    assert world.call("DELETE", f"leads/{lead['id']}/").status_code == 204
    assert len(world.deliver()) == 1


@row(3)
def name(world: World) -> None:
    """Staff name it, and read that name where its deliveries are."""
    webhook = world.add_webhook(name="Lead Tracking Webhook")
    assert webhook.name == "Lead Tracking Webhook"
    world.created(VENDOR)
    assert "Lead Tracking Webhook" in world.history()
    assert list(world.webhook_errors(name="")) == ["name"]


@row(4)
def unique_name(world: World) -> None:
    """Per account, whatever the blanks around it and the case (SL-A9)."""
    world.add_webhook(name="Lead Tracking Webhook")
    for clash in ("Lead Tracking Webhook", "  lead tracking WEBHOOK "):
        (said,) = world.webhook_errors(name=clash)["name"]
        assert "Lead Tracking Webhook" in said
    assert Webhook.objects.count() == 1
    assert world.change_errors(name="Lead Tracking Webhook", description="As before") == {}
    # Neither may another one be renamed to it, but one of another account may have it.
    world.posted_webhook(name="Another")
    taken, world.webhook = world.webhook, Webhook.objects.get(name="Another")
    assert list(world.change_errors(name=taken.name.upper())) == ["name"]
    harbour = Account.objects.create(name="Harbour Lets")
    theirs = User.objects.create_user("theirs", is_staff=True)
    theirs.groups.add(Group.objects.get(name="Manager"))
    Membership.objects.create(user=theirs, account=harbour)
    world.client = Client()
    world.client.force_login(theirs)
    world.posted_webhook(name=taken.name)
    assert Webhook.objects.filter(account=harbour, name=taken.name).exists()


@row(5)
def notification_url(world: World) -> None:
    assert world.add_webhook(url="https://your-service.com/webhooks/leads").url == (
        "https://your-service.com/webhooks/leads"
    )
    assert list(world.webhook_errors(name="Wrong", url="your-service.com/webhooks/leads")) == ["url"]
    assert world.change_errors(url=f"http://{world.receiver.authority}/webhooks/leads?from=crm") == {}
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.target == "/webhooks/leads?from=crm"


@row(6)
def method(world: World) -> None:
    """POST unless another one is chosen, and only one that has a body (SL-A4)."""
    world.add_webhook()
    lead = world.created(VENDOR)
    world.deliver()
    for number, verb in enumerate(("PUT", "PATCH", "POST")):
        assert world.change_errors(save_lead__method=verb) == {}
        world.patched(lead["id"], {"notes": f"Note {number}"})
        world.deliver()
    assert [request.method for request in world.receiver.received] == ["POST", "PUT", "PATCH", "POST"]
    assert len({request.body[:9] for request in world.receiver.received}) == 1
    for verb in ("GET", "DELETE", "HEAD", "post"):
        assert list(world.change_errors(save_lead__method=verb)) == ["save_lead__method"]


def headers(*rows: tuple[str, str]) -> dict[str, list[str]]:
    """Rows of the form: names and values."""
    return {
        "headers.name": [name for name, _ in rows],
        "headers.value": [value for _, value in rows],
        "headers.was": ["" for _ in rows],
    }


@row(7)
def custom_headers(world: World) -> None:
    """With each request, whatever it is; shown to nobody again (SL-A12)."""
    world.add_webhook(**headers(("Authorization", "Bearer tk_4f8s2"), ("X-Team", "sales")))
    world.tested()
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"notes": "Called."})
    world.receiver.answer(Answer(500))
    requests = world.tried_out(0.001)
    assert len(requests) == 4
    for request in requests:
        assert (request.header("Authorization"), request.header("X-Team")) == ("Bearer tk_4f8s2", "sales")
    shown = world.admin("webhooks_webhook_change", world.webhook.pk)
    assert Page(shown).form("webhook_form")["headers.value"][:2] == [MASK, MASK]
    for delivery in Delivery.objects.all():
        assert f"Authorization {MASK}" in world.history_of(delivery)
        assert "tk_4f8s2" not in world.history_of(delivery)
    for wrong in (("Host", "evil.example"), ("Content-Length", "1"), ("X-Key", "a\r\nX-Evil: 1"), ("X Key", "a")):
        assert list(world.change_errors(**headers(wrong))) == ["headers"]
    assert world.webhook.custom_headers == {"Authorization": "Bearer tk_4f8s2", "X-Team": "sales"}


@row(8)
def status(world: World) -> None:
    """Enabled at birth; staff turn it off and on as they need."""
    webhook = world.add_webhook()
    assert webhook.state == "enabled"
    world.turn("disable")
    assert world.webhook.state == "disabled"
    world.turn("enable")
    world.created(VENDOR)
    assert len(world.deliver()) == 1


@row(9)
def disabled(world: World) -> None:
    """Nothing, neither what waited nor what happens meanwhile, also not later."""
    lead = world.created(VENDOR)
    world.turn("disable")
    world.patched(lead["id"], {"notes": "Called."})
    world.created(VENDOR)
    assert world.deliver() == []
    world.turn("enable")
    assert world.deliver() == []
    world.patched(lead["id"], {"notes": "Called again."})
    assert [body["data"]["notes"] for body in world.bodies()] == ["Called again."]


# The event


@row(10)
def one_event(world: World) -> None:
    """There is one to choose, and one request for each save, whatever it changes."""
    shown = Page(world.admin("webhooks_webhook_add")).form("webhook_form")
    assert shown["save_lead__events"] == ["save_lead"]
    assert world.add_webhook().events == ["save_lead"]
    for wrong in ([], ["lead.created"], ["save_lead", "lead.deleted"]):
        assert list(world.change_errors(save_lead__events=wrong)) == ["save_lead__events"]
    lead = world.created(VENDOR | {"owner_id": world.manager.pk})
    world.patched(
        lead["id"],
        {"stage": "CONTACTED", "lead_status": "Follow Up", "score": 5, "owner_id": None, "status": "BUSINESS"},
    )
    assert world.deliveries() == ["save_lead", "save_lead"]
    assert len(world.deliver()) == 2


@row(11)
def new_lead(world: World) -> None:
    """Also one made by staff (SL-A6)."""
    world.created(VENDOR)
    assert world.saved("leads_lead_add", first_name="Dana", phone="01865 123456") == {}
    assert {body["data"]["first_name"] for body in world.bodies()} == {"Richard", "Dana"}


@row(12)
def updated_lead(world: World) -> None:
    """As a new one: nothing in the body tells them apart (SL-A5, SL-A6); a save that changes nothing is none."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"notes": "Called."})
    world.patched(lead["id"], {"notes": "Called."})
    # The two are out at once: which comes first is not promised, the version says which is newer.
    first, second = (json.loads(request.body) for request in sorted(world.deliver(), key=record_of))
    assert first["data"] == second["data"] | {"notes": None}
    assert second["data"]["notes"] == "Called."
    # A webhook may ask for the changes of one field alone.
    world.receiver.clear()
    world.hear_only("notes", "changed")
    world.patched(lead["id"], {"job_title": "Director"})
    assert world.deliver() == []
    world.patched(lead["id"], {"notes": "Called again."})
    assert [body["data"]["notes"] for body in world.bodies()] == ["Called again."]


@row(13)
def post(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.method == "POST"
    assert request.head.startswith(b"POST /hook HTTP/1.1\r\n")


@row(14)
def json_payload(world: World) -> None:
    """In UTF-8, and nothing around it."""
    world.created(VENDOR | {"notes": "Zoë’s house – 50 m² 🏠"})
    (request,) = world.deliver()
    assert json.loads(request.body.decode("utf-8"))["data"]["notes"] == "Zoë’s house – 50 m² 🏠"
    assert request.body.startswith(b"{") and request.body.endswith(b"}")
    assert request.header("Content-Length") == str(len(request.body))


@row(15)
def one_key(world: World) -> None:
    """No name of the event, no id and no time (SL-A5); those are in headers."""
    world.created(VENDOR)
    (body,) = world.bodies()
    assert list(body) == ["data"]
    assert isinstance(body["data"], dict)
    (request,) = world.receiver.received
    assert request.header("webhook-id") and request.header("webhook-timestamp")


# The eleven fields


def only(world: World, field: str, op: str, value: Any, met: dict[str, Any], unmet: dict[str, Any]) -> None:
    """With this filter on the webhook, it is told of the lead that meets it and not of the other."""
    world.receiver.clear()
    world.hear_only(field, op, value)
    world.created(VENDOR | unmet)
    wanted = world.created(VENDOR | met)
    assert world.told_of() == {wanted["id"]}


def text(key: str, ours: str, example: str, other: str = 'Ünï “code” \\ "東京" 🏠') -> Row:
    """What was entered arrives as it is, from the first save and from a later one."""

    def check(world: World) -> None:
        lead = world.created(VENDOR | {ours: example})
        assert world.arrived(lead["id"])[key] == example
        world.patched(lead["id"], {ours: other})
        assert world.arrived(lead["id"])[key] == other

    return check


on(16, text("email", "email", "richard.smith@gmail.com", other="zoë@example.com"))
on(18, text("first_name", "first_name", "Richard"))
on(19, text("last_name", "last_name", "Smith"))
on(20, text("phone", "phone", "+1-555-000-0000", other="15555555555"))
on(24, text("linkedin", "person_linkedin", "https://www.linkedin.com/in/rsmith", other="rsmith"))


@row(17)
def company(world: World) -> None:
    text("company", "company_name", "Asimov & Söhne")(world)
    only(world, "company_name", "contains", "söhne", met={"company_name": "Asimov & SÖHNE"}, unmet={})


@row(21)
def website(world: World) -> None:
    """A free text: bare domains as well (SL-A13)."""
    text("website", "website", "https://asimov.example.com/?a=1&b=2", other="asimov.example.com")(world)
    unwanted = "asimov.example.com"
    only(world, "website", "is_not", unwanted, met={"website": "susan.example.com"}, unmet={"website": unwanted})


@row(22)
def position(world: World) -> None:
    """Not LeadPro's title, which is Mr or Mrs."""
    text("position", "job_title", "Head of Robotics")(world)
    only(world, "job_title", "is", "Director", met={"job_title": "Director"}, unmet={"title": "Director"})


@row(23)
def twitter(world: World) -> None:
    text("twitter", "person_x", "@rsmith", other="https://x.com/rsmith")(world)
    only(world, "person_x", "not_empty", None, met={"person_x": "@susan"}, unmet={})


@row(25)
def notes(world: World) -> None:
    text("notes", "notes", "Met at the fair.\r\nCall after 5 pm.\t!", other="é" * 8192)(world)
    only(world, "notes", "empty", None, met={}, unmet={"notes": "Called."})


@row(26)
def score(world: World) -> None:
    """A whole number of any size that is one; 0 until somebody sets it (SL-A11)."""
    assert world.sent(VENDOR)["score"] == 0
    for value in (95, 0, -5, 2_147_483_647):
        assert world.sent(VENDOR | {"score": value})["score"] == value
        assert world.receiver.received[-1].body.endswith(b'"score":%d}}' % value)
    for wrong in ("95", 9.5, True):
        world.refused_post("score", "integer", VENDOR | {"score": wrong})
    only(world, "score", "greater", "50", met={"score": 51}, unmet={"score": 50})


@row(27)
def eleven_keys(world: World) -> None:
    """In the order of the page's sample (SL-A10), of the fullest lead and of the emptiest."""
    world.created(VENDOR | MORE | {"tags": ["vip"], "message": "Hello"})
    assert world.saved("leads_lead_add", phone="01865 123456") == {}
    requests = world.deliver()
    assert len(requests) == 2
    for request in requests:
        ((_, data),) = json.loads(request.body, object_pairs_hook=list)
        assert [key for key, _ in data] == list(SAMPLE)
        assert len(data) == 11


def emptiest(world: World, **given: str) -> dict[str, Any]:
    """What arrives of a lead of which staff know this only."""
    assert world.saved("leads_lead_add", **given) == {}
    return world.arrived(Lead.objects.latest("id").pk)


@row(28)
def nullable(world: World) -> None:
    """null where the page's type has a star and nothing is known (SL-A2), and again once it is emptied."""
    by_phone, by_mail = emptiest(world, phone="01865 123456"), emptiest(world, email="dana.moss@example.com")
    assert {key for key in STARRED if by_phone[key] is None} == set(STARRED) - {"phone"}
    assert {key for key in STARRED if by_mail[key] is None} == set(STARRED)
    lead = world.created(VENDOR | MORE)
    assert None not in world.arrived(lead["id"]).values()
    ours = ("company_name", "job_title", "person_x", "person_linkedin", "notes")
    world.patched(lead["id"], dict.fromkeys(ours))
    assert {key for key, value in world.arrived(lead["id"]).items() if value is None} == {
        "company",
        "position",
        "twitter",
        "linkedin",
        "notes",
    }


@row(29)
def never_null(world: World) -> None:
    """Where it has no star (SL-A3), also once it is emptied."""
    for data in (emptiest(world, phone="01865 123456"), world.sent(VENDOR), world.sent(VENDOR | MORE)):
        assert [type(data[key]) for key in ("email", "website", "score")] == [str, str, int]
    lead = world.created(VENDOR | MORE)
    world.patched(lead["id"], {"website": None})
    assert world.arrived(lead["id"])["website"] == ""


@row(30)
def unset(world: World) -> None:
    assert emptiest(world, phone="01865 123456") == dict.fromkeys(KEYS) | {
        "email": "",
        "website": "",
        "phone": "01865 123456",
        "score": 0,
    }
    # Send Test sends the page's sample, byte for byte but for its blanks.
    world.receiver.clear()
    assert world.tested().body == json.dumps({"data": SAMPLE}, separators=(",", ":")).encode()


# The page's own receiver


def at_the_example(world: World, path: str = "") -> tuple[Delivery, bool]:
    """A lead that was sent to the page's receiver: its delivery, and whether the receiver printed all that it got."""
    with world.example() as example:
        assert world.change_errors(url=example.url + path) == {}
        world.created(VENDOR | MORE | {"notes": "Met at the fair."})
        world.deliver()
        values = ("richard.smith@gmail.com", "Asimov & Söhne", "Head of Robotics", "@rsmith", "Met at the fair.")
        printed = not path and example.prints("Received new lead:") and all(map(example.prints, values))
    return Delivery.objects.get(), printed


@row(31)
def example_route(world: World) -> None:
    """It takes a POST to its route, and to no other."""
    delivery, _ = at_the_example(world)
    assert (delivery.status, delivery.code) == ("success", 200)
    Delivery.objects.all().delete()
    elsewhere, _ = at_the_example(world, "/more")
    assert elsewhere.code == 404


@row(32)
def example_reads(world: World) -> None:
    """What it prints is the lead, out of req.body.data."""
    _, printed = at_the_example(world)
    assert printed


@row(33)
def example_answers(world: World) -> None:
    """200, and words that staff find in Webhook History; any other 2xx is as good (SL-A14)."""
    delivery, _ = at_the_example(world)
    assert delivery.code == 200
    assert "Webhook received" in world.history_of(delivery)
    assert world.change_errors(url=world.receiver.url) == {}
    for code, status in ((201, "success"), (204, "success"), (299, "success"), (304, "queued"), (400, "queued")):
        world.receiver.answer(Answer(code))
        world.created(VENDOR)
        world.deliver()
        assert Delivery.objects.latest("id").status == status, code


# Its best practices


@row(34)
def validatable(world: World) -> None:
    """A receiver that checks each value against the page's types has nothing to complain of."""
    leads = [
        world.sent(VENDOR),
        world.sent(VENDOR | MORE),
        emptiest(world, email="dana.moss@example.com"),
        world.sent(VENDOR | {"score": -1, "notes": "", "website": "", "phone": "ask at the office"}),
    ]
    for data in leads:
        for key, value in data.items():
            if key == "score":
                assert type(value) is int
            else:
                assert isinstance(value, str) or (value is None and key in STARRED), key


@row(35)
def error_handling(world: World) -> None:
    """An error is kept with what the receiver said, staff read it, and the next try mends it."""
    world.receiver.answer(Answer(503, body=b"Database is away"))
    world.created(VENDOR)
    world.deliver()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.code) == ("queued", 1, 503)
    said = world.history_of(delivery)
    assert "The receiver answered 503 to try 1." in said and "Database is away" in said
    assert world.admin("webhooks_delivery_try_now", delivery.pk, data={}).status_code == 302
    first, second = world.deliver()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries) == ("success", 2)
    assert (first.body, first.header("webhook-id")) == (second.body, second.header("webhook-id"))


@row(36)
def authentication(world: World) -> None:
    """By a header of the receiver's choice, or by webhook-signature, which a library of others verifies."""
    secret = "kept in two places"
    world.add_webhook(typed_secret=secret, **headers(("Authorization", "Basic bGVhZHM6czNjcmV0")))
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.header("Authorization") == "Basic bGVhZHM6czNjcmV0"
    signed = {name.lower(): value for name, value in request.headers}
    assert Verifier(secret.encode()).verify(request.body, signed) == json.loads(request.body)
    for key, body in ((b"another secret", request.body), (secret.encode(), request.body + b" ")):
        try:
            Verifier(key).verify(body, signed)
        except WebhookVerificationError:
            continue
        raise AssertionError("what is not ours was taken for ours")
    # The page knows no secret: without one there is no signature, and nothing of the kind in the body.
    world.add_webhook()
    world.created(VENDOR)
    unsigned = world.deliver()[-1]
    assert unsigned.header("webhook-signature") is None
    assert unsigned.header("Authorization") is None


@row(37)
def time_limit(world: World) -> None:
    """Ten seconds in all, then it is a failed try and another one is planned (SL-A8)."""
    world.receiver.answer(Answer(silent=True))
    world.created(VENDOR)
    began = time.monotonic()
    world.deliver()
    assert 9.9 < time.monotonic() - began < 20
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.code) == ("queued", 1, None)
    assert "Timed out" in world.history_of(delivery)


@row(38)
def retries(world: World) -> None:
    """Three tries in all, 60 and 300 s apart, give or take a tenth (SL-A7)."""
    world.receiver.always(Answer(500))
    world.created(VENDOR)
    first, second = world.planned()
    assert 53.9 < first < 71 and 269.9 < second < 335
    assert (Delivery.objects.get().status, Delivery.objects.get().tries) == ("failure", 3)
    assert len(world.receiver.received) == 3
    # The same with waits that pass: 0.12 and 0.6 s.
    world.receiver.clear()
    world.created(VENDOR)
    requests = world.tried_out(0.002)
    assert len(requests) == 3
    gaps = [later.at - earlier.at for earlier, later in pairwise(requests)]
    assert gaps[0] > 0.1 and gaps[1] > 0.5
    assert len({(request.body, request.header("webhook-id")) for request in requests}) == 1


@row(39)
def content_type(world: World) -> None:
    """Without it the page's receiver parses nothing."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"notes": "Called."})
    world.tested()
    requests = world.deliver()
    assert len(requests) == 3
    assert {request.header("Content-Type") for request in requests} == {"application/json"}
