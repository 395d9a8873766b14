"""The rows of LeadEngine's checklist: one function for each LE- line of its outbound side, by its id.

test_leadengine.py runs them. A row acts on the public surface and asserts the value that its line names. The lines come
from LeadEngine's help article on webhooks (read 2026-11-21); where it is silent or contradicts itself, the readings in
docs/leadengine.md decide. LE-97 to LE-162 are its default fields; leadengine_fields.py has those rows.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.test import Client, override_settings
from django.urls import reverse

from leads.admin.display import absolute
from leads.fields import LEAD_STATUSES
from leads.models import User
from tests.admin.page import Page
from tests.conformance.leadengine_world import AUTO_REPLY, CAMPAIGN, ELON, FIRST, REPLY, WORKSPACE, Engine
from tests.conformance.world import SALE
from tests.program import free_port
from tests.receiver import Answer, Received
from webhooks.inbox.address import address as inbox_address
from webhooks.models import Delivery, Event, Status, Webhook

Row = Callable[[Engine], None]
ROWS: dict[str, Row] = {}

ROOT = Path(__file__).parents[2]
# The page's own example, as strict JSON.
SAMPLE: dict[str, Any] = json.loads((ROOT / "tests" / "golden" / "leadengine" / "sample.json").read_bytes())


def row(*ids: int) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        for number in ids:
            assert f"LE-{number}" not in ROWS, number
            ROWS[f"LE-{number}"] = function
        return function

    return register


def on(number: int, function: Row) -> None:
    row(number)(function)


def entries(body: dict[str, Any]) -> dict[str, Any]:
    """customFields by key, each of which stands there once."""
    pairs = [(entry["key"], entry["value"]) for entry in body["customFields"]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


# The feature, and when it fires


@row(1)
def by_https(world: Engine) -> None:
    """To a receiver whose certificate is checked, and at once."""
    pk = world.created(SALE)["id"]
    with world.by_https() as receiver:
        world.patched(pk, {"lead_status": "Opportunity"})
        world.deliver()
        (request,) = receiver.received
    assert request.method == "POST"
    assert json.loads(request.body)["new_lead_status"] == "Opportunity"
    assert request.header("Content-Type") == "application/json"


@row(2)
def event_trigger(world: Engine) -> None:
    pk = world.created(SALE)["id"]
    assert world.heard() == []
    assert world.moved(pk, "Opportunity")["new_lead_status"] == "Opportunity"


@row(4)
def each_change_of_lead_status(world: Engine) -> None:
    """And nothing else: no creation, no other status, no rewrite of the same one (LE-A22, LE-A34)."""
    pk = world.created(SALE | {"lead_status": "Conversation"})["id"]
    for values in ({"status": "BUSINESS"}, {"stage": "CONTACTED"}, {"notes": "Call back"}, {"lead_type": "Needs Info"}):
        world.patched(pk, values)
    world.patched(pk, {"lead_status": "Conversation"})
    assert world.heard() == []
    assert world.moved(pk, "Needs Info")["previous_lead_status"] == "Conversation"
    assert world.moved(pk, "Conversation")["previous_lead_status"] == "Needs Info"
    world.patched(pk, {"lead_status": "Conversation"})
    assert world.call("DELETE", f"leads/{pk}/").status_code == 204
    assert world.heard() == []


@row(5)
def new_status(world: Engine) -> None:
    pk = world.created(SALE)["id"]
    for status in ("Conversation", "Needs Info", "Conversation"):
        assert world.moved(pk, status)["new_lead_status"] == status


@row(6)
def previous_status(world: Engine) -> None:
    """That of before, and null where there was none (LE-A29)."""
    pk = world.created(SALE)["id"]
    assert world.moved(pk, "Conversation")["previous_lead_status"] is None
    assert world.moved(pk, "Needs Info")["previous_lead_status"] == "Conversation"
    assert world.moved(pk, "Opportunity")["previous_lead_status"] == "Needs Info"


@row(8)
def custom_fields(world: Engine) -> None:
    """All that the account defines, in its order, after the others; null when unset. They are judged as defined."""
    world.define("budget", "number")
    world.define("area", "choice", "Oxford", "Witney")
    world.define("reason", "text", required=True)
    pk = world.created(SALE | {"custom_fields": {"reason": "Moving"}})["id"]
    body = world.moved(pk, "Conversation")
    assert body["customFields"][-3:] == [
        {"value": None, "key": "budget"},
        {"value": None, "key": "area"},
        {"value": "Moving", "key": "reason"},
    ]
    world.refused_patch(pk, "custom_fields.nowhere", "unknown", {"reason": "Moving", "nowhere": 1})
    world.refused_patch(pk, "custom_fields.reason", "required", {"reason": None})
    world.refused_patch(pk, "custom_fields", "object", ["reason"])
    body = world.moved(pk, "Needs Info", custom_fields={"reason": "Heirs", "budget": 250_000, "area": None})
    assert [entry["value"] for entry in body["customFields"][-3:]] == [250_000, None, "Heirs"]


@row(9)
def history_of_messages(world: Engine) -> None:
    """Whoever added a message, a program or staff; adding one is no change of status."""
    pk = world.created(SALE)["id"]
    assert world.moved(pk, "Conversation")["messages"] == []
    world.message(pk, FIRST)
    sender = {"from_name": "Elon Musk", "from_address": "elon@x.com"}
    world.staff_message(pk, "inbound", subject=REPLY["subject"], body=REPLY["body"], **sender)
    assert world.heard() == []
    shown = Page(world.admin("leads_lead_change", pk)).text
    assert shown.index(FIRST["body"]) < shown.index(REPLY["body"])
    found = world.moved(pk, "Needs Info")["messages"]
    assert [message["body"] for message in found] == [FIRST["body"], REPLY["body"]]
    assert found[1]["from"] == REPLY["from"]


@row(10)
def workspace_name(world: Engine) -> None:
    """The account's, as it is called at that time (LE-A31)."""
    pk = world.created(SALE)["id"]
    assert world.moved(pk, "Conversation")["workspace_name"] == WORKSPACE
    world.client.force_login(User.objects.create_superuser("admin"))
    renamed = world.submit("account_form", "leads_account_change", world.account.pk, name="Skyline Estates")
    assert renamed.status_code == 302
    assert world.moved(pk, "Needs Info")["workspace_name"] == "Skyline Estates"


@row(11)
def campaign_name(world: Engine) -> None:
    """Of the latest message, else the campaign joined last, else null (LE-A31)."""
    for name in ("Spring", "Autumn", "Winter"):
        world.campaign(name)
    pk = world.created(SALE)["id"]
    assert world.moved(pk, "Conversation")["campaign_name"] is None
    assert world.moved(pk, "Needs Info", campaigns=["Winter", "Autumn"])["campaign_name"] == "Autumn"
    world.message(pk, FIRST, campaign="Spring")
    assert world.moved(pk, "Conversation")["campaign_name"] == "Spring"
    # An answer that belongs to no campaign is the latest message now.
    world.message(pk, REPLY)
    assert world.moved(pk, "Needs Info")["campaign_name"] == "Autumn"


# The 14 statuses


def arrives(status: str) -> Row:
    """Set by a client, and by staff in the lead's form."""

    def check(world: Engine) -> None:
        before = "Unknown" if status != "Unknown" else "Opportunity"
        pk = world.created(SALE | {"lead_status": before})["id"]
        body = world.moved(pk, status)
        assert (body["new_lead_status"], body["previous_lead_status"]) == (status, before)
        assert world.read(pk)["lead_status"] == status
        world.patched(pk, {"lead_status": before})
        world.heard()
        assert world.saved("leads_lead_change", pk, lead_status=status) == {}
        (body,) = world.heard()
        assert (body["new_lead_status"], body["previous_lead_status"]) == (status, before)

    return check


STATUSES = [
    "Follow Up",
    "Needs Info",
    "Conversation",
    "Opportunity",
    "Not Interested",
    "Do Not Contact",
    "Unsubscribe",
    "Auto Reply",
    "Hard Bounce",
    "Soft Bounce",
    "Out of Office",
    "Unknown",
    "Wrong Contact",
    "Meeting Booked",
]
for number, status in enumerate(STATUSES, start=12):
    on(number, arrives(status))


@row(26)
def outside_the_14(world: Engine) -> None:
    """Refused with field and rule; the labels are exact (LE-A23). One that is set is not emptied."""
    assert list(LEAD_STATUSES) == STATUSES
    for wrong in ("Closed", "needs info", "NeedsInfo", "Auto reply", "UNREAD", "", 1, True, ["Needs Info"]):
        world.refused_post("lead_status", "choice", SALE | {"lead_status": wrong})
    pk = world.created(SALE | {"lead_status": "Conversation"})["id"]
    world.refused_patch(pk, "lead_status", "choice", "Out Of Office")
    world.refused_patch(pk, "lead_status", "kept", None)
    assert world.saved("leads_lead_change", pk, lead_status="Closed") == {"lead_status": "choice"}
    assert world.heard() == []


# The body: its keys, with the sample's own values


def told_of_elon(world: Engine) -> dict[str, Any]:
    """The body for the sample's lead, after its three messages and the sample's change of status."""
    pk = world.elon(lead_status="Conversation")
    world.message(pk, FIRST, campaign=CAMPAIGN)
    world.message(pk, REPLY)
    world.message(pk, AUTO_REPLY, campaign=CAMPAIGN)
    return world.moved(pk, "Needs Info")


def top(key: str) -> Row:
    def check(world: Engine) -> None:
        body = told_of_elon(world)
        assert body[key] == SAMPLE[key]
        assert isinstance(body[key], str)

    return check


on(27, top("new_lead_status"))
on(30, top("workspace_name"))
on(31, top("campaign_name"))
on(59, top("previous_lead_status"))


@row(28)
def lead_name(world: Engine) -> None:
    assert told_of_elon(world)["lead_name"] == "Elon Musk"
    # Of one that has no parts, the name as it was given.
    pk = world.created(SALE | {"full_name": "Sir Elon"})["id"]
    assert world.moved(pk, "Conversation")["lead_name"] == "Sir Elon"


@row(29)
def lead_email_address(world: Engine) -> None:
    """The business address, else the personal one, else the primary one (LE-A4)."""
    assert told_of_elon(world)["lead_email_address"] == "elon@x.com"
    pk = world.created(SALE | {"email": "richard@example.com"})["id"]
    assert world.moved(pk, "Conversation")["lead_email_address"] == "richard@example.com"
    body = world.moved(pk, "Needs Info", personal_email="me@example.com")
    assert body["lead_email_address"] == "me@example.com"
    body = world.moved(pk, "Conversation", business_email="sales@example.com")
    assert body["lead_email_address"] == "sales@example.com"


@row(32)
def array_of_values_and_keys(world: Engine) -> None:
    """Value before key as in the sample, every key once: the defaults, then email, then the account's own (LE-A6)."""
    found = told_of_elon(world)["customFields"]
    assert all(list(entry) == ["value", "key"] for entry in found)
    assert all(isinstance(entry["key"], str) for entry in found)
    keys = [entry["key"] for entry in found]
    assert len(set(keys)) == len(keys) == 67
    assert (keys[0], keys[64:]) == ("about", ["website_summary", "email", "my_custom_number_field"])


def entry(key: str) -> Row:
    """The sample's value of a key of customFields, in its type."""
    expected = {one["key"]: one["value"] for one in SAMPLE["customFields"]}[key]

    def check(world: Engine) -> None:
        value = entries(told_of_elon(world))[key]
        assert value == expected
        assert type(value) is type(expected)

    return check


on(33, entry("name"))
on(34, entry("first_name"))
on(35, entry("last_name"))
on(37, entry("business_email"))
on(38, entry("tags"))
on(39, entry("created_date"))
on(40, entry("campaigns"))
on(41, entry("email_provider"))


@row(36)
def email(world: Engine) -> None:
    """The primary address, beside the business one and the personal one (LE-A3)."""
    assert entries(told_of_elon(world))["email"] == "elon@gmail.com"
    pk = world.created(SALE | {"email": "a@example.com", "personal_email": "b@example.com"})["id"]
    found = entries(world.moved(pk, "Conversation"))
    assert (found["email"], found["business_email"], found["personal_email"]) == (
        "a@example.com",
        None,
        "b@example.com",
    )


@row(42)
def custom_number(world: Engine) -> None:
    """A number without a needless fraction; what is none is refused."""
    pk = world.elon()
    assert b'{"value":1,"key":"my_custom_number_field"}' in sent_for(world, pk, {"my_custom_number_field": 1.0})
    assert b'{"value":1.5,"key":"my_custom_number_field"}' in sent_for(world, pk, {"my_custom_number_field": 1.5})
    for wrong in ("1", True, [1]):
        world.refused_patch(pk, "custom_fields.my_custom_number_field", "number", {"my_custom_number_field": wrong})


def sent_for(world: Engine, pk: int, custom: dict[str, Any]) -> bytes:
    """The bytes that arrive when these values are set."""
    now = world.read(pk)["lead_status"]
    world.moved(pk, "Needs Info" if now == "Conversation" else "Conversation", custom_fields=custom)
    return world.receiver.received[-1].body


# kind -> a value that fits and one that does not
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "text": ("Two dogs – and a 🏠", [5, ["text"], "x" * 1001]),
    "number": (-2.5, ["2.5", True]),
    "yes_no": (False, ["false", 0]),
    "date": ("2026-11-21", ["21/11/2026", "2026-11-31", 20261121]),
    "choice": ("Oxford", ["oxford", "London", ["Oxford"]]),
    "choices": (["Oxford", "Witney"], ["Oxford", ["London"], [["Oxford"]]]),
}


@row(43)
def kinds_of_values(world: Engine) -> None:
    """Any JSON scalar or an array of them (LE-A30); each kind takes what it is for and nothing else."""
    for kind in KINDS:
        world.define(f"my_{kind}", kind, *(("Oxford", "Witney") if kind in ("choice", "choices") else ()))
    good = {f"my_{kind}": value for kind, (value, _) in KINDS.items()}
    pk = world.created(SALE | {"custom_fields": good})["id"]
    found = entries(world.moved(pk, "Conversation"))
    assert {key: found[key] for key in good} == good
    assert {type(found[key]) for key in good} == {str, float, bool, list}
    for kind, (_, wrongs) in KINDS.items():
        for wrong in wrongs:
            world.refused_patch(pk, f"custom_fields.my_{kind}", kind, good | {f"my_{kind}": wrong})


# Messages


@row(44)
def thread(world: Engine) -> None:
    """Oldest first by their dates, whatever came in first."""
    pk = world.created(SALE)["id"]
    for message in (AUTO_REPLY, FIRST, REPLY):
        world.message(pk, message)
    found = world.moved(pk, "Conversation")["messages"]
    dates = ["2025-05-06T08:58:10Z", "2025-05-06T08:59:17Z", "2025-05-06T08:59:22Z"]
    assert [message["date"] for message in found] == dates


def generated(key: str) -> Row:
    """The sample's value of a generated message; a message that was not generated lacks the key (LE-A10)."""
    expected = SAMPLE["messages"][0][key]

    def check(world: Engine) -> None:
        pk = world.created(SALE)["id"]
        world.message(pk, FIRST)
        world.message(pk, REPLY)
        world.message(pk, AUTO_REPLY)
        first, reply, last = world.moved(pk, "Conversation")["messages"]
        assert first[key] == expected
        assert type(first[key]) is type(expected)
        assert key not in reply and key not in last
        rule = "text" if isinstance(expected, str) else "integer"
        world.refused_message(pk, key, rule, FIRST | {key: ["Autogrow"]})

    return check


on(45, generated("angle"))
on(46, generated("framework"))
on(47, generated("test"))
on(49, generated("tone"))
on(51, generated("campaign_step"))
on(52, generated("word_limit"))


@row(48)
def whole_body(world: Engine) -> None:
    """However long, with its line breaks."""
    text = "Dear Elon,\n\n" + "£1 – ☃ 🏠 <b>" * 2_000 + "\n"
    pk = world.created(SALE)["id"]
    world.message(pk, FIRST)
    world.message(pk, REPLY | {"body": text})
    first, reply = world.moved(pk, "Conversation")["messages"]
    assert first["body"] == SAMPLE["messages"][0]["body"]
    assert reply["body"] == text


def party(key: str) -> Row:
    """An object of name and address; on a reply the two have changed places."""

    def check(world: Engine) -> None:
        first, reply, _ = told_of_elon(world)["messages"]
        other = "to" if key == "from" else "from"
        assert first[key] == reply[other]
        assert reply[key] == SAMPLE["messages"][1][key]
        assert set(first[key]) == {"name", "address"}
        pk = world.created(SALE)["id"]
        world.refused_message(pk, key, "object", FIRST | {key: "Elon Musk <elon@x.com>"})
        world.refused_message(pk, f"{key}.address", "text", FIRST | {key: {"name": "Elon Musk", "address": 5}})

    return check


on(50, party("from"))


@row(55)
def to(world: Engine) -> None:
    """The lead's own address on what was sent to it: the sample's first one is a slip (LE-A7)."""
    party("to")(world)
    body = json.loads(world.receiver.received[-1].body)
    assert body["messages"][0]["to"] == {"name": "Elon Musk", "address": "elon@x.com"}


@row(53)
def type_(world: Engine) -> None:
    """outbound to the lead, an auto-reply to it too; inbound from the lead (LE-A9)."""
    assert [message["type"] for message in told_of_elon(world)["messages"]] == ["outbound", "inbound", "outbound"]
    pk = world.created(SALE)["id"]
    for wrong in ("sent", "Outbound", 1):
        world.refused_message(pk, "type", "choice", FIRST | {"type": wrong})
    world.refused_message(pk, "type", "required", FIRST | {"type": None})


@row(54)
def subject(world: Engine) -> None:
    first, reply, last = told_of_elon(world)["messages"]
    assert (first["subject"], reply["subject"]) == ("First message subject", "Re: First message subject")
    assert last["subject"] == AUTO_REPLY["subject"]


@row(56)
def date(world: Engine) -> None:
    """Whole seconds of UTC, however it was told."""
    pk = world.created(SALE)["id"]
    world.message(pk, FIRST | {"date": "2025-05-06T10:58:10.9+02:00"})
    world.message(pk, REPLY)
    assert [message["date"] for message in world.moved(pk, "Conversation")["messages"]] == [
        "2025-05-06T08:58:10Z",
        "2025-05-06T08:59:17Z",
    ]
    world.refused_message(pk, "date", "iso_date", FIRST | {"date": "yesterday"})


@row(57)
def inbound_message(world: Engine) -> None:
    """Six keys only, in the sample's words."""
    reply = told_of_elon(world)["messages"][1]
    assert reply == SAMPLE["messages"][1]
    assert list(reply) == ["body", "from", "type", "subject", "to", "date"]


@row(58)
def auto_reply(world: Engine) -> None:
    """The sample's third message may lack keys; ours has type, subject and from besides (LE-A8)."""
    (_, _, theirs), (_, _, ours) = SAMPLE["messages"], told_of_elon(world)["messages"]
    assert list(theirs) == ["body", "to", "date"]
    assert {key: ours[key] for key in theirs} == theirs
    assert list(ours) == ["body", "from", "type", "subject", "to", "date"]


@row(184)
def the_8_keys(world: Engine) -> None:
    body = told_of_elon(world)
    assert list(body) == [
        "new_lead_status",
        "lead_name",
        "lead_email_address",
        "workspace_name",
        "campaign_name",
        "customFields",
        "messages",
        "previous_lead_status",
    ]
    # They are there whatever the lead lacks.
    other = world.created(SALE)["id"]
    assert list(world.moved(other, "Unknown")) == list(body)


# Set-up


@row(60)
def where(world: Engine) -> None:
    assert reverse("admin:webhooks_webhook_changelist") in Page(world.admin("index")).links


@row(61)
def add_trigger(world: Engine) -> None:
    """Webhooks that send are added from their list."""
    listed = Page(world.admin("webhooks_webhook_changelist"))
    assert reverse("admin:webhooks_webhook_add") in [link.partition("?")[0] for link in listed.links]
    world.posted_webhook(name="LeadEngine staging")
    assert Webhook.objects.filter(account=world.account, dialect="leadengine").count() == 2


@row(62)
def name(world: Engine) -> None:
    assert "name" in world.webhook_errors(name="")
    assert world.change_errors(name="Status to the data warehouse") == {}
    assert "Status to the data warehouse" in Page(world.admin("webhooks_webhook_changelist")).text
    pk = world.created(SALE)["id"]
    world.moved(pk, "Conversation")
    assert "Status to the data warehouse" in world.history()


@row(63)
def description(world: Engine) -> None:
    assert world.change_errors(description="For the sales dashboard") == {}
    shown = Page(world.admin("webhooks_webhook_change", world.webhook.pk)).form("webhook_form")
    assert shown["description"] == ["For the sales dashboard"]


@row(64)
def trigger(world: Engine) -> None:
    """The one that there is, in the page's words, and chosen unless it is taken away."""
    assert "Lead Status Updated" in Page(world.admin("webhooks_webhook_add")).text
    assert world.webhook.events == ["lead_status_updated"]
    assert list(world.change_errors(leadengine__events=[])) == ["leadengine__events"]
    assert world.webhook.events == ["lead_status_updated"]
    pk = world.created(SALE)["id"]
    world.moved(pk, "Conversation")
    assert world.deliveries() == ["lead_status_updated"]


@row(65)
def destination(world: Engine) -> None:
    """Path, query and port are kept; what is no address is refused."""
    url = f"http://{world.receiver.authority}/a/b%20c?x=1&y=%26"
    assert world.change_errors(url=url) == {}
    world.moved(world.created(SALE)["id"], "Conversation")
    (request,) = world.receiver.received
    assert (request.target, request.header("Host")) == ("/a/b%20c?x=1&y=%26", world.receiver.authority)
    for wrong in ("", "hooks.example.com/in", "ftp://hooks.example.com/in", "https://user:pass@hooks.example.com/"):
        assert list(world.change_errors(url=wrong)) == ["url"]


@row(66)
def save_and_test(world: Engine) -> None:
    """Saving leads to the page that has Send Test; its answer is shown there."""
    response = world.submit(
        "webhook_form", "webhooks_webhook_add", name="Staging", dialect="leadengine", url=world.receiver.url
    )
    made = Webhook.objects.exclude(pk=world.webhook.pk).get()
    assert response["Location"] == reverse("admin:webhooks_webhook_change", args=[made.pk])
    saved = world.client.get(response["Location"])
    test = reverse("admin:webhooks_webhook_test", args=[made.pk])
    assert f'action="{test}"' in saved.content.decode() and "Send Test" in Page(saved).text
    world.receiver.answer(Answer(202))
    tested = world.client.post(test, follow=True)
    assert "Test answered 202" in Page(tested).text
    assert len(world.receiver.received) == 1


@row(67)
def send_test(world: Engine) -> None:
    """The page's sample as it stands, marked as a test, at once, once, and without a trace on any lead (LE-A25)."""
    world.created(ELON | {"tags": [], "campaigns": [], "custom_fields": {}})
    before = Event.objects.count()
    world.receiver.always(Answer(500))
    request = world.tested()
    assert request.header("webhook-test") == "true"
    assert json.loads(request.body, object_pairs_hook=list) == json.loads(json.dumps(SAMPLE), object_pairs_hook=list)
    assert world.deliver() == [request]
    assert (Event.objects.count(), Delivery.objects.get().status) == (before, Status.FAILURE)


@row(170)
def test_first(world: Engine) -> None:
    """A webhook can be tested before it goes live: while it is disabled, the test alone is sent."""
    world.turn("disable")
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    request = world.tested()
    assert json.loads(request.body) == SAMPLE
    assert world.deliver() == [request]
    world.turn("enable")
    assert world.moved(pk, "Needs Info")["previous_lead_status"] == "Conversation"


@row(171)
def environments(world: Engine) -> None:
    """Staging and production have addresses, secrets and switches of their own."""
    world.posted_webhook(
        name="LeadEngine staging", url=f"http://{world.receiver.authority}/staging", generate_secret="on"
    )
    staging = Webhook.objects.get(name="LeadEngine staging")
    assert staging.secret != world.webhook.secret
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    sent = {request.target: request for request in world.deliver()}
    assert sorted(sent) == ["/hook", "/staging"]
    for target, webhook in (("/hook", world.webhook), ("/staging", staging)):
        assert sent[target].header("X-LeadEngine-Signature") == openssl(webhook.secret, sent[target].body)
    world.webhook = staging
    world.turn("disable")
    world.patched(pk, {"lead_status": "Needs Info"})
    assert [request.target for request in world.deliver()][2:] == ["/hook"]


# Who sends: addresses, secret, signature


@row(172)
def addresses(world: Engine) -> None:
    """On the form, in the docs and by the API; nothing is said where the operator told none (LE-A18)."""
    path = reverse("admin:webhooks_webhook_change", args=[world.webhook.pk])
    with override_settings(WEBHOOK_SENDING_ADDRESSES=["203.0.113.7", "2001:db8:7::/64"]):
        for shown in (path, reverse("admin:webhooks_webhook_add")):
            assert "They come from 203.0.113.7, 2001:db8:7::/64" in Page(world.client.get(shown)).text
        answer = world.call("GET", "sending-addresses")
        assert (answer.status_code, answer.data) == (200, {"addresses": ["203.0.113.7", "2001:db8:7::/64"]})
    with override_settings(WEBHOOK_SENDING_ADDRESSES=[]):
        assert "They come from" not in Page(world.client.get(path)).text
        assert world.call("GET", "sending-addresses").data == {"addresses": []}
    docs = (ROOT / "docs" / "leadengine.md").read_text()
    assert "WEBHOOK_SENDING_ADDRESSES" in docs and "/api/v1/sending-addresses" in docs


def openssl(secret: str, body: bytes) -> str:
    """The signature by a program that shares nothing with ours."""
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret, "-hex"], input=body, capture_output=True, check=True
    )
    return f"sha256={done.stdout.decode().split()[-1]}"


@row(173)
def shared_secret(world: Engine) -> None:
    """The secret itself by https alone, a signature with it always; none of either without a secret (LE-A18)."""
    pk = world.created(SALE)["id"]
    secret = world.webhook.secret
    assert len(secret) == 43
    world.moved(pk, "Conversation", full_name="Zoë ☃")
    (plain,) = world.receiver.received
    assert plain.header("X-LeadEngine-Secret") is None
    assert plain.header("X-LeadEngine-Signature") == openssl(secret, plain.body)
    assert plain.header("X-LeadEngine-Signature") != openssl("x" * 43, plain.body)
    with world.by_https() as receiver:
        world.patched(pk, {"lead_status": "Needs Info"})
        world.deliver()
        (request,) = receiver.received
    assert request.header("X-LeadEngine-Secret") == secret
    assert request.header("X-LeadEngine-Signature") == openssl(secret, request.body)
    # Nobody reads it in the history.
    shown = world.history_of(Delivery.objects.latest("id"))
    assert "X-LeadEngine-Secret" in shown and secret not in shown
    verified_by_inbox(world, plain)
    assert world.change_errors(url=world.receiver.url) == {}
    world.turn("remove")
    world.moved(pk, "Conversation")
    unsigned = world.receiver.received[-1]
    assert [name for name, _ in unsigned.headers if name.lower().startswith("x-leadengine")] == []
    typed_secret(world)


def verified_by_inbox(world: Engine, request: Received) -> None:
    """The built-in receiver takes the genuine one, and no other body under its signature."""
    path = "/" + inbox_address(world.webhook).partition("//")[2].partition("/")[2]
    headers = {name: value for name, value in request.headers if name.startswith(("X-", "webhook-"))}

    def answered(body: bytes, **changes: str) -> int:
        sent = headers | changes
        return Client().post(path, body, content_type="application/json", headers=sent).status_code

    assert answered(request.body) == 200
    assert answered(request.body.replace(b"Conversation", b"Opportunity")) == 401
    assert answered(request.body, **{"X-LeadEngine-Signature": openssl("x" * 43, request.body)}) == 401
    assert answered(request.body, **{"X-LeadEngine-Secret": "x" * 43}) == 401


def typed_secret(world: Engine) -> None:
    """The receiver's own, if it has one; unless staff give one, a new webhook has none."""
    world.posted_webhook(name="Theirs", typed_secret="the receiver's own words")
    assert Webhook.objects.get(name="Theirs").secret == "the receiver's own words"
    world.posted_webhook(name="Without")
    assert Webhook.objects.get(name="Without").secret == ""


# What counts, and what is tried again


@row(174)
def failures_are_logged(world: Engine) -> None:
    """Every try with what was sent and what came back, for whoever looks."""
    world.receiver.answer(Answer(503, body=b"the database is down"))
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    world.deliver()
    delivery = Delivery.objects.get()
    assert "503" in world.history()
    shown = world.history_of(delivery)
    assert "503" in shown and "the database is down" in shown and "1 of 6" in shown
    world.receiver.answer(Answer(410))
    assert world.admin("webhooks_delivery_try_now", delivery.pk, data={}).status_code == 302
    world.deliver()
    shown = world.history_of(delivery)
    assert "Failure" in shown and "503" in shown and "410" in shown
    assert "the database is down" in world.history_of(delivery, tried=1)


@row(175)
def success(world: Engine) -> None:
    """Any 2xx, at the first try."""
    pk = world.created(SALE)["id"]
    for code, status in zip((200, 201, 204, 299), STATUSES, strict=False):
        world.receiver.answer(Answer(code))
        world.moved(pk, status)
        delivery = Delivery.objects.latest("id")
        assert (delivery.status, delivery.code, delivery.tries) == (Status.SUCCESS, code, 1)


def outcome(world: Engine, answer: Answer) -> tuple[str, int | None]:
    """(status of the delivery after its first try, the code that it got)."""
    world.receiver.always(answer)
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    world.rested()
    world.deliver()
    delivery = Delivery.objects.latest("id")
    assert delivery.tries == 1
    return delivery.status, delivery.code


@row(176)
def transient(world: Engine) -> None:
    """5xx, 429 and failures of the network are tried again; every other answer is final (LE-A1)."""
    for code in (500, 502, 503, 504, 599, 429):
        assert outcome(world, Answer(code)) == (Status.QUEUED, code)
    for code in (301, 400, 401, 403, 404, 408, 422):
        assert outcome(world, Answer(code)) == (Status.FAILURE, code)
    assert outcome(world, Answer(raw=b"")) == (Status.QUEUED, None)
    assert world.change_errors(timeout="1") == {}
    assert outcome(world, Answer(silent=True)) == (Status.QUEUED, None)
    url = world.webhook.url
    assert world.change_errors(url=f"http://127.0.0.1:{free_port()}/hook") == {}
    assert outcome(world, Answer()) == (Status.QUEUED, None)
    # Last, as it pauses the webhook.
    assert world.change_errors(url=url) == {}
    assert outcome(world, Answer(410)) == (Status.FAILURE, 410)


@row(180)
def five_retries(world: Engine) -> None:
    """Six requests of the same bytes under the same id (LE-A2); a success ends them."""
    world.receiver.always(Answer(500))
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    sent = world.tried_out(scale=0.00001)
    assert len(sent) == 6
    assert len({(request.body, request.header("webhook-id")) for request in sent}) == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries) == (Status.FAILURE, 6)
    assert "6 of 6" in world.history_of(delivery)
    world.receiver.clear()
    world.receiver.always(Answer(200))
    world.receiver.answer(*[Answer(503)] * 5)
    world.patched(pk, {"lead_status": "Needs Info"})
    assert len(world.tried_out(scale=0.00001)) == 6
    assert Delivery.objects.latest("id").status == Status.SUCCESS


def planned(world: Engine) -> list[float]:
    """The waits that are stored after each failed try, without the share of chance that they have."""
    world.receiver.always(Answer(500))
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    with override_settings(WEBHOOK_RETRY_SCALE=1), patch("random.uniform", return_value=0):
        return world.planned()


@row(181)
def exponential(world: Engine) -> None:
    waits = planned(world)
    assert len(waits) == 5
    for wait, expected in zip(waits, (174, 348, 696, 1392, 2784), strict=True):
        assert abs(wait - expected) < 5
    for shorter, longer in pairwise(waits):
        assert 1.9 < longer / shorter < 2.1


@row(182)
def ninety_minutes(world: Engine) -> None:
    assert 89 < sum(planned(world)) / 60 < 91


@row(177)
def unlimited(world: Engine) -> None:
    """60 of one account, and every one of them hears."""
    shown = Page(world.admin("webhooks_webhook_add")).form("webhook_form")
    for number in range(59):
        given = {
            "name": f"Webhook {number}",
            "dialect": "leadengine",
            "url": f"http://{world.receiver.authority}/{number}",
        }
        assert world.admin("webhooks_webhook_add", data=shown | given).status_code == 302
    pk = world.created(SALE)["id"]
    world.patched(pk, {"lead_status": "Conversation"})
    assert {request.target for request in world.deliver()} == {"/hook", *(f"/{number}" for number in range(59))}
    assert Delivery.objects.filter(status=Status.SUCCESS).count() == 60


# Filters


def newcomers(world: Engine, key: str, *groups: tuple[str, list[str]]) -> None:
    """A lead for each, named and grouped so."""
    for name, given in groups:
        world.created(SALE | {"full_name": name, key: given})


@row(178)
def by_list(world: Engine) -> None:
    """Several lists are "or", several filters are "and" (LE-A21)."""
    newsletter, vip, _ = (str(world.list_(name)) for name in ("Newsletter", "VIP", "Sellers"))
    newcomers(world, "lists", ("Ann", ["Newsletter"]), ("Ben", ["VIP", "Sellers"]), ("Cem", ["Sellers"]), ("Dora", []))
    assert world.heard_of() == {"Ann", "Ben", "Cem", "Dora"}
    assert world.heard_of(("lists", "one_of", [newsletter, vip])) == {"Ann", "Ben"}
    assert "Lists is one of Newsletter, VIP" in Page(world.admin("webhooks_webhook_change", world.webhook.pk)).text
    assert world.heard_of(("lists", "is", [vip])) == {"Ben"}
    assert world.heard_of(("lists", "is_not", [vip])) == {"Ann", "Cem", "Dora"}
    assert world.heard_of(("lists", "empty", [])) == {"Dora"}
    assert world.heard_of(("lists", "not_empty", [])) == {"Ann", "Ben", "Cem"}
    assert world.heard_of(("lists", "is_not", [vip]), ("lists", "not_empty", [])) == {"Ann", "Cem"}
    refused_filters(world, "lists")


def refused_filters(world: Engine, field: str) -> None:
    """What is not there is refused in words, and the filters stay as they were."""
    world.webhook.refresh_from_db()
    stored = world.webhook.filters
    assert stored
    for wrong in ((field, "is", ["999999"]), (field, "is", []), ("nowhere", "is", ["1"]), (field, "greater", ["1"])):
        response = world.filter(wrong)
        assert list(response.context["adminform"].form.errors) == ["filters"], wrong
    world.webhook.refresh_from_db()
    assert world.webhook.filters == stored


@row(179)
def by_campaign(world: Engine) -> None:
    """All campaigns of the lead count, not only the one that is named in the body (LE-A31)."""
    spring, autumn = (str(world.campaign(name)) for name in ("Spring", "Autumn"))
    vip = str(world.list_("VIP"))
    newcomers(world, "campaigns", ("Ann", ["Spring", "Autumn"]), ("Ben", ["Autumn"]), ("Cem", []))
    world.created(SALE | {"full_name": "Dora", "campaigns": ["Spring"], "lists": ["VIP"]})
    assert world.heard_of(("campaigns", "one_of", [spring, autumn])) == {"Ann", "Ben", "Dora"}
    assert world.heard_of(("campaigns", "is", [spring])) == {"Ann", "Dora"}
    assert world.heard_of(("campaigns", "is_not", [spring])) == {"Ben", "Cem"}
    assert world.heard_of(("campaigns", "empty", [])) == {"Cem"}
    both = (("campaigns", "one_of", [spring, autumn]), ("lists", "one_of", [vip]))
    assert world.heard_of(*both) == {"Dora"}
    # A lead that joins in the same save is heard of by who asks for such a change.
    assert world.heard_of(("campaigns", "changed", [])) == set()
    pk = next(lead["id"] for lead in world.call("GET", "leads/").data["data"] if lead["full_name"] == "Cem")
    assert world.moved(pk, "Opportunity", campaigns=["Spring"])["lead_name"] == "Cem"
    refused_filters(world, "campaigns")


# Support


@row(183)
def for_support(world: Engine) -> None:
    """The webhook's id and the time of the last try, on the webhook's page and in its history."""
    shown = Page(world.admin("webhooks_webhook_change", world.webhook.pk)).text
    assert f"Webhook ID {world.webhook.pk} " in shown and "Last try Never" in shown
    world.moved(world.created(SALE)["id"], "Conversation")
    delivery = Delivery.objects.get()
    shown = Page(world.admin("webhooks_webhook_change", world.webhook.pk)).text
    assert f"Last try {absolute(delivery.transmitted_at)}" in shown
    assert delivery.message_id.endswith(f"_{world.webhook.pk}")
    assert world.receiver.received[0].header("webhook-id") == delivery.message_id
    assert delivery.message_id in world.history_of(delivery)
