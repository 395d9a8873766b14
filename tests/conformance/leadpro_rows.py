"""The rows of LeadPro's checklist: one function for each LP- line, by its id. test_leadpro.py runs them.

A row acts on the public surface and asserts the value that its line names. The lines come from LeadPro's article
"Using Webhooks" (read 2026-11-21); where it contradicts itself, the readings in docs/leadpro.md decide.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import requests
from django.test import Client

from leads.models import Account, Lead, Office
from tests.admin.page import Page
from tests.conformance.world import SALE, VENDOR, World, without
from tests.program import wait_until
from tests.receiver import Received
from webhooks.inbox.address import address as inbox_address
from webhooks.models import Delivery, State, Webhook

Row = Callable[[World], None]
ROWS: dict[str, Row] = {}


def row(*ids: int) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        for number in ids:
            assert f"LP-{number}" not in ROWS, number
            ROWS[f"LP-{number}"] = function
        return function

    return register


def on(number: int, function: Row) -> None:
    row(number)(function)


# Shapes that many lines share


def text(key: str, example: str, high: int, low: int = 0, base: dict[str, Any] = VENDOR) -> Row:
    """The example and the longest value arrive as they are; a longer one, and a shorter than the least, is refused."""

    def check(world: World) -> None:
        assert world.sent(base | {key: example})[key] == example
        longest = "é" * high
        assert world.sent(base | {key: longest})[key] == longest
        world.refused_post(key, "length", base | {key: "x" * (high + 1)})
        if low:
            assert world.sent(base | {key: "x" * low})[key] == "x" * low
            world.refused_post(key, "length", base | {key: "x" * (low - 1)})
        world.refused_post(key, "text", base | {key: 5})

    return check


def accepted(key: str, value: Any, base: dict[str, Any] = VENDOR) -> Row:
    def check(world: World) -> None:
        assert world.sent(base | {key: value})[key] == value

    return check


def refused(key: str, rule: str, *values: Any, base: dict[str, Any] = VENDOR) -> Row:
    def check(world: World) -> None:
        for value in values:
            world.refused_post(key, rule, base | {key: value})

    return check


def money(key: str, example: int) -> Row:
    """A JSON number with at most two decimals, sent as a JSON number."""

    def check(world: World) -> None:
        sent = world.sent(VENDOR | {key: example})
        assert sent[key] == example and isinstance(sent[key], int)
        assert world.sent(VENDOR | {key: 0.25})[key] == 0.25
        world.refused_post(key, "decimals", VENDOR | {key: 10.123})
        world.refused_post(key, "number", VENDOR | {key: str(example)})

    return check


def ignored(key: str, value: Any, expected: Callable[[World], Any]) -> Row:
    """Sent by a client it changes nothing, on POST and PATCH; the receiver gets our own value."""

    def check(world: World) -> None:
        lead = world.created(VENDOR | {"office_id": world.office.pk, key: value})
        assert lead[key] == expected(world)
        assert world.arrived(lead["id"])[key] == expected(world)
        assert world.patched(lead["id"], {key: value})[key] == expected(world)
        assert world.deliveries() == ["lead.created"]

    return check


# The feature, its triggers and its set-up


@row(1)
def feature(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.method == "POST"
    assert request.target == "/hook"


@row(2, 10)
def created(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    assert json.loads(request.body)["event"] == "lead.created"


@row(3, 11)
def updated(world: World) -> None:
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"message": "When can I view this property?"})
    bodies = [json.loads(request.body) for request in world.deliver()]
    assert sorted(body["event"] for body in bodies) == ["lead.created", "lead.updated"]
    # A created lead is not also an updated one, and a change of nothing is none (LP-A29).
    world.patched(lead["id"], {"message": "When can I view this property?"})
    assert len(world.deliver()) == 2


@row(4)
def endpoint(world: World) -> None:
    """Any address of the customer's will do: path, query and port are kept."""
    Webhook.objects.update(url=f"http://{world.receiver.authority}/a/b%20c?x=1&y=%26")
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.target == "/a/b%20c?x=1&y=%26"
    assert request.header("Host") == world.receiver.authority


@row(5)
def set_up(world: World) -> None:
    """Staff enter the address, and what is sent arrives there; an address that is none is refused."""
    webhook = world.add_webhook(url=f"http://{world.receiver.authority}/leadpro")
    assert (webhook.state, webhook.events) == ("enabled", ["lead.created", "lead.updated"])
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.target == "/leadpro"
    wrong = world.submit("webhook_form", "webhooks_webhook_change", webhook.pk, url="leads.example.com/hook")
    assert list(wrong.context["adminform"].form.errors) == ["url"]


@row(6)
def posted_once_enabled(world: World) -> None:
    Webhook.objects.update(state=State.DISABLED)
    world.created(VENDOR)
    assert world.deliver() == []
    Webhook.objects.update(state=State.ENABLED)
    world.created(VENDOR)
    (request,) = world.deliver()
    assert request.method == "POST"


@row(7, 129)
def json_body(world: World) -> None:
    world.created(VENDOR | {"message": "Zoë’s house – 50 m²"})
    (request,) = world.deliver()
    assert request.header("Content-Type") == "application/json"
    assert json.loads(request.body.decode("utf-8"))["data"]["message"] == "Zoë’s house – 50 m²"
    assert request.header("Content-Length") == str(len(request.body))


@row(8)
def two_fields(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    assert list(json.loads(request.body)) == ["event", "data"]


@row(9)
def event_names(world: World) -> None:
    """Exactly those two, whatever else happens to a lead."""
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"stage": "CONTACTED"})
    assert world.call("DELETE", f"leads/{lead['id']}/").status_code == 204
    events = {json.loads(request.body)["event"] for request in world.deliver()}
    assert events == {"lead.created", "lead.updated"}


@row(12)
def lead_data(world: World) -> None:
    lead = world.created(VENDOR)
    assert world.read(lead["id"]) == lead
    assert world.arrived(lead["id"]) == {key: lead[key] for key in KEYS}


KEYS = [
    "id",
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "type",
    "source",
    "address",
    "postcode",
    "advert_address",
    "advert_postcode",
    "advert_url",
    "advert_image",
    "title",
    "message",
    "appointment_availability",
    "meta",
    "questionnaire",
    "parentId",
    "createdAt",
    "status",
    "stage",
    "gdpr_checkbox",
    "host",
    "average_sale_estimation",
    "average_rent_estimation",
    "office_id",
    "property_reference",
    "property_bedrooms",
    "office_name",
    "minimum_sale_estimation",
    "maximum_sale_estimation",
    "minimum_rent_estimation",
    "maximum_rent_estimation",
    "comparable_props",
    "international",
    "account_id",
    "account_name",
    "referred_by_office_id",
    "referred_by_office_name",
    "referred_by_account_id",
    "referred_by_account_name",
    "property_type",
]


@row(123)
def the_keys(world: World) -> None:
    assert len(KEYS) == 44
    world.created(VENDOR)
    (request,) = world.deliver()
    body = json.loads(request.body, object_pairs_hook=list)
    assert [key for key, _ in body] == ["event", "data"]
    assert [key for key, _ in body[1][1]] == KEYS
    # Unset is null, and no comparables are an empty list (LP-A16, LP-A20).
    data = dict(body[1][1])
    assert data["title"] is None
    assert data["gdpr_checkbox"] is None
    assert data["comparable_props"] == []


# Identity and contact


@row(13)
def id_(world: World) -> None:
    lead = world.created(VENDOR | {"id": 999_999})
    assert isinstance(lead["id"], int) and lead["id"] != 999_999
    assert world.arrived(lead["id"])["id"] == lead["id"]
    assert world.patched(lead["id"], {"id": 999_999})["id"] == lead["id"]


on(14, text("first_name", "Richard", high=50, low=1))
on(15, text("last_name", "Smith", high=50, low=1))


@row(16)
def full_name(world: World) -> None:
    text("full_name", "Richard Smith", high=100, low=1)(world)
    world.refused_post("full_name", "required", without(VENDOR, "first_name", "last_name"))
    # Absent, it follows from its parts; given, it is never touched (LP-A6).
    lead = world.created(VENDOR)
    assert world.arrived(lead["id"])["full_name"] == "Richard Smith"
    assert world.patched(lead["id"], {"last_name": "Jones"})["full_name"] == "Richard Jones"
    given = world.created(VENDOR | {"full_name": "Sir Ricard Branson"})
    assert world.patched(given["id"], {"last_name": "Jones"})["full_name"] == "Sir Ricard Branson"
    long = world.created(VENDOR | {"first_name": "a" * 50, "last_name": "b" * 50})
    assert long["full_name"] == "a" * 50 + " " + "b" * 49


@row(17)
def email(world: World) -> None:
    assert world.sent(VENDOR)["email"] == "richard.smith@gmail.com"
    world.refused_post("email", "required", without(VENDOR, "email"))
    for wrong in ("richard.smith", "richard@", "@gmail.com", "a b@gmail.com", "a@b..com"):
        world.refused_post("email", "email", VENDOR | {"email": wrong})
    longest = "a" * 64 + "@" + "b" * 62 + "." + "c" * 61 + "." + "d" * 61 + ".co"
    assert len(longest) == 254
    assert world.sent(VENDOR | {"email": longest})["email"] == longest
    world.refused_post("email", "length", VENDOR | {"email": "a" + longest})


@row(18)
def phone(world: World) -> None:
    text("phone", "07123456789", high=255)(world)
    world.refused_post("phone", "required", without(VENDOR, "phone"))


@row(19)
def callable_phone(world: World) -> None:
    """Numbers that are not of the UK are stored and sent; only the mark differs."""
    uk = world.created(VENDOR | {"phone": "+44 7123 456789"})
    abroad = world.created(VENDOR | {"phone": "+1-202-555-0134"})
    words = world.created(VENDOR | {"phone": "ask at the office"})
    assert world.arrived(abroad["id"])["phone"] == "+1-202-555-0134"
    assert world.arrived(words["id"])["phone"] == "ask at the office"
    found = world.call("GET", "leads/?callable=true").data["data"]
    assert [lead["id"] for lead in found] == [uk["id"]]


@row(20)
def type_(world: World) -> None:
    assert world.sent(VENDOR)["type"] == "vendor"
    world.refused_post("type", "required", without(VENDOR, "type"))
    world.refused_post("type", "required", VENDOR | {"type": None})
    # Staff may leave it open, if there is one way to reach the person; once set, it stays (LP-A31).
    assert world.saved("leads_lead_add") == {"full_name": "contactable"}
    assert world.saved("leads_lead_add", email="dana.moss@example.com") == {}
    lead = Lead.objects.get(email="dana.moss@example.com")
    assert lead.type is None
    assert world.saved("leads_lead_change", lead.pk, **VENDOR) == {}
    assert world.saved("leads_lead_change", lead.pk, type="") == {"type": "type_kept"}


on(21, accepted("type", "sale", base=SALE))
on(22, accepted("type", "vendor"))
on(23, accepted("type", "landlord"))
on(24, accepted("type", "let", base=SALE))
on(25, accepted("type", "mortgage_request"))
on(26, refused("type", "choice", "Vendor", "mortgage", "rent", "", 1))


@row(27)
def source(world: World) -> None:
    lead = world.created(VENDOR | {"source": "rightmove"})
    assert world.arrived(lead["id"])["source"] == "rightmove"
    assert world.patched(lead["id"], {"source": "zoopla"})["source"] == "rightmove"
    world.refused_post("source", "length", VENDOR | {"source": "x" * 256})


@row(28)
def source_default(world: World) -> None:
    assert world.sent(VENDOR)["source"] == "homepage"


# Addresses, and what depends on the type


@row(29)
def address(world: World) -> None:
    text("address", "51 Asimov Place, Starbridge", high=100)(world)
    world.refused_post("address", "required_address", without(VENDOR, "address"))


@row(30)
def postcode(world: World) -> None:
    text("postcode", "N1 3JY", high=10, low=2)(world)
    world.refused_post("postcode", "required_address", without(VENDOR, "postcode"))


@row(31)
def advert_address(world: World) -> None:
    text("advert_address", "51 Asimov Place, Starbridge", high=100, base=SALE)(world)
    world.refused_post("advert_address", "required_advert", without(SALE, "advert_address"))


@row(32)
def advert_postcode(world: World) -> None:
    text("advert_postcode", "N1 3JY", high=10, low=2, base=SALE)(world)
    world.refused_post("advert_postcode", "required_advert", without(SALE, "advert_postcode"))


def needs(type_: str, rule: str, *keys: str, base: dict[str, Any]) -> Row:
    def check(world: World) -> None:
        for key in keys:
            world.refused_post(key, rule, without(base, key) | {"type": type_})
            world.refused_post(key, rule, base | {"type": type_, key: None})

    return check


on(33, needs("vendor", "required_address", "address", base=VENDOR))
on(34, needs("vendor", "required_address", "postcode", base=VENDOR))
on(35, needs("landlord", "required_address", "address", "postcode", base=VENDOR))
on(36, needs("mortgage_request", "required_address", "address", "postcode", base=VENDOR))
on(37, needs("sale", "required_advert", "advert_address", "advert_postcode", base=SALE))
on(38, needs("let", "required_advert", "advert_address", "advert_postcode", base=SALE))


@row(39)
def office_instead_of_advert(world: World) -> None:
    for kind in ("sale", "let"):
        values = without(SALE, "advert_address", "advert_postcode") | {"type": kind, "office_id": world.office.pk}
        assert world.sent(values)["advert_address"] is None


@row(126)
def advert_instead_of_office(world: World) -> None:
    for kind in ("sale", "let"):
        sent = world.sent(SALE | {"type": kind})
        assert (sent["office_id"], sent["advert_postcode"]) == (None, "N1 3JY")


@row(124)
def needs_reference(world: World) -> None:
    for kind in ("sale", "let"):
        world.refused_post(
            "property_reference", "required_reference", without(SALE, "property_reference") | {"type": kind}
        )


@row(125)
def needs_no_reference(world: World) -> None:
    for kind in ("vendor", "landlord", "mortgage_request"):
        assert world.sent(VENDOR | {"type": kind})["property_reference"] is None


@row(127)
def merged(world: World) -> None:
    lead = world.created(VENDOR)
    response = world.call("PATCH", f"leads/{lead['id']}/", {"type": "sale"})
    world.refused("property_reference", "required_reference", response)
    world.refused("advert_address", "required_advert", response)
    assert world.read(lead["id"])["type"] == "vendor"
    assert world.patched(lead["id"], without(SALE, "email"))["type"] == "sale"


# Single fields

on(40, text("advert_url", "https://www.site.com/result", high=255))
on(41, text("advert_image", "https://via.placeholder.com/150", high=255))
on(42, text("title", "Mr", high=10, low=1))


@row(43)
def message(world: World) -> None:
    text("message", "When can I view this property?", high=8192)(world)
    assert world.sent(VENDOR | {"message": "two\r\nlines\tand a tab"})["message"] == "two\r\nlines\tand a tab"
    for wrong in ("a\x00b", "a\x07b", "a\x7fb"):
        world.refused_post("message", "control_characters", VENDOR | {"message": wrong})


def json_size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


HOURS = {"hours": ["2021-04-22T10:00:00.000Z", "2021-05-22T10:00:00.000Z"]}


@row(44)
def hours(world: World) -> None:
    assert world.sent(VENDOR | {"appointment_availability": HOURS})["appointment_availability"] == HOURS
    # 26 bytes an hour and its comma: the 75th fits into 2048 bytes, padded by another key.
    largest = {"hours": ["2021-04-22T10:00:00.000Z"] * 75}
    largest["é" * ((2048 - json_size(largest) - 6) // 2)] = []
    largest |= {"x" * (2048 - json_size(largest) - 6): []} if json_size(largest) < 2040 else {}
    assert 2046 <= json_size(largest) <= 2048
    assert world.sent(VENDOR | {"appointment_availability": largest})["appointment_availability"] == largest
    world.refused_post(
        "appointment_availability",
        "bytes",
        VENDOR | {"appointment_availability": {"hours": ["2021-04-22T10:00:00.000Z"] * 76}},
    )


@row(45)
def iso_dates(world: World) -> None:
    for wrong in ("tomorrow", "22/04/2021", "0000-00-00", "2021-04-22T10:00:00+99:00", 5, None):
        world.refused_post(
            "appointment_availability", "iso_dates", VENDOR | {"appointment_availability": {"hours": [wrong]}}
        )
    other = {"hours": [], "evenings": ["not a date"]}
    world.refused_post("appointment_availability", "iso_dates", VENDOR | {"appointment_availability": other})


@row(46)
def key_hours(world: World) -> None:
    for wrong in ({}, {"times": []}, {"hours": "2021-04-22"}, [], "hours"):
        world.refused_post("appointment_availability", "hours", VENDOR | {"appointment_availability": wrong})


@row(47)
def meta(world: World) -> None:
    value = {"virtual tour": "true"}
    assert world.sent(VENDOR | {"meta": value})["meta"] == value
    largest = {"k": "é" * 508}
    assert json_size(largest) == 1024
    assert world.sent(VENDOR | {"meta": largest})["meta"] == largest
    world.refused_post("meta", "bytes", VENDOR | {"meta": {"k": "é" * 508 + "x"}})


on(48, refused("meta", "string_values", {"a": True}, {"a": 1}, {"a": ["b"]}, {"a": {"b": "c"}}, {"a": None}, ["a"]))

QUESTIONS = [["Do you have property to sell?", "yes"], ["When would you like to move", "Before july"]]


@row(49)
def questionnaire(world: World) -> None:
    assert world.sent(VENDOR | {"questionnaire": QUESTIONS})["questionnaire"] == QUESTIONS
    largest = [["q", "é" * 1019]]
    assert json_size(largest) == 2048
    assert world.sent(VENDOR | {"questionnaire": largest})["questionnaire"] == largest
    world.refused_post("questionnaire", "bytes", VENDOR | {"questionnaire": [["q", "é" * 1020]]})


on(50, refused("questionnaire", "pairs_of_two", [["a"]], [["a", "b", "c"]], [["a", 1]], ["ab"], {"a": "b"}))


@row(51)
def parent(world: World) -> None:
    parent = world.created(VENDOR)
    child = world.created(VENDOR | {"parentId": parent["id"]})
    assert world.arrived(child["id"])["parentId"] == parent["id"]
    elsewhere = Lead(account=Account.objects.create(name="Harbour Lets"), email="a@example.com")
    elsewhere.save()

    def wrong(pk: int, value: int) -> None:
        response = world.call("PATCH", f"leads/{pk}/", {"parentId": value})
        assert response.status_code == 400, response.content
        assert [error["field"] for error in response.data["errors"]] == ["parentId"]

    wrong(child["id"], 999_999)
    wrong(child["id"], elsewhere.pk)
    wrong(child["id"], child["id"])
    wrong(parent["id"], child["id"])
    assert world.call("DELETE", f"leads/{parent['id']}/").status_code == 204
    assert world.read(child["id"])["parentId"] is None


@row(52)
def created_at(world: World) -> None:
    lead = world.created(VENDOR | {"createdAt": "2000-01-23T01:23:45.678+09:00"})
    assert not lead["createdAt"].startswith("2000")
    # UTC with milliseconds (LP-A21).
    sent = world.arrived(lead["id"])["createdAt"]
    assert len(sent) == len("2000-01-23T01:23:45.678Z") and sent.endswith("Z")
    assert world.patched(lead["id"], {"createdAt": "2000-01-23T01:23:45.678+09:00"})["createdAt"] == sent


@row(53)
def status(world: World) -> None:
    assert world.sent(VENDOR)["status"] == "UNREAD"
    lead = world.created(VENDOR)
    assert world.patched(lead["id"], {"status": "BUSINESS"})["status"] == "BUSINESS"
    # Its own example is in no list (LP-A2).
    world.refused_post("status", "choice", VENDOR | {"status": "active"})
    # One of the five it stays.
    world.refused("status", "kept", world.call("PATCH", f"leads/{lead['id']}/", {"status": None}))


for number, value in enumerate(("UNREAD", "IN_PROGRESS", "NO_BUSINESS", "BUSINESS", "DUPLICATE"), start=54):
    on(number, accepted("status", value))
on(59, refused("status", "choice", "unread", "NEW", "", 1))


@row(60)
def stage(world: World) -> None:
    assert world.sent(VENDOR)["stage"] == "NEW"
    world.refused_post("stage", "choice", VENDOR | {"stage": "complete"})


STAGES = [
    "NEW",
    "CONTACTED",
    "KEEP_IN_TOUCH",
    "LOST",
    "NOT_CONTACTABLE",
    "WON",
    "VALUATION_BOOKED",
    "INSTRUCTED",
    "VIEWING_BOOKED",
    "REGISTERED",
    "DUPLICATE",
    "SPAM",
    "DELETED",
]
for number, value in enumerate(STAGES, start=61):
    on(number, accepted("stage", value))
on(74, refused("stage", "choice", "new", "NEW CONTACTED", "UNREAD", "", 1))


@row(75)
def gdpr(world: World) -> None:
    assert world.sent(VENDOR | {"gdpr_checkbox": False})["gdpr_checkbox"] is False
    assert world.sent(VENDOR | {"gdpr_checkbox": True})["gdpr_checkbox"] is True
    assert world.sent(VENDOR)["gdpr_checkbox"] is None
    refused("gdpr_checkbox", "boolean", "false", 0, [])(world)


on(76, text("host", "https://valuation.mydomain.com", high=255))
on(77, money("average_sale_estimation", 10000))
on(78, money("average_rent_estimation", 1000000))
on(83, money("minimum_sale_estimation", 10000))
on(84, money("maximum_sale_estimation", 233333))
on(85, money("minimum_rent_estimation", 55444333))
on(86, money("maximum_rent_estimation", 343444455))


@row(79)
def office_id(world: World) -> None:
    sent = world.sent(VENDOR | {"office_id": world.office.pk})
    assert (sent["office_id"], sent["office_name"]) == (world.office.pk, "Oxford")
    theirs = Office.objects.create(account=Account.objects.create(name="Harbour Lets"), name="Whitby")
    for wrong in (999_999, theirs.pk):
        response = world.post(VENDOR | {"office_id": wrong})
        assert response.status_code == 400
        assert [error["field"] for error in response.data["errors"]] == ["office_id"]
    for wrong in (str(world.office.pk), True, 1.5):
        response = world.post(VENDOR | {"office_id": wrong})
        world.refused("office_id", "reference", response)
        assert "whole number" in response.data["errors"][0]["message"]


on(80, text("property_reference", "your unique property reference", high=50, base=SALE))


@row(81, 130)
def bedrooms(world: World) -> None:
    sent = world.sent(VENDOR | {"property_bedrooms": 4, "average_sale_estimation": 10000.0})
    assert sent["property_bedrooms"] == 4 and isinstance(sent["property_bedrooms"], int)
    assert b'"average_sale_estimation":10000,' in world.receiver.received[-1].body
    assert world.sent(VENDOR | {"property_bedrooms": 0})["property_bedrooms"] == 0
    refused("property_bedrooms", "integer", "5", True, -1, 4.5)(world)
    refused("average_sale_estimation", "number", "5", True)(world)
    refused("average_sale_estimation", "digits", 1_000_000_000_000_000)(world)
    refused("host", "length", "x" * 256)(world)


on(82, ignored("office_name", "Cambridge", lambda world: "Oxford"))
on(98, ignored("account_id", 9999, lambda world: world.account.pk))
on(99, ignored("account_name", "Someone Else", lambda world: "Skyline Estates"))
on(101, ignored("office_name", "Oxford II", lambda world: "Oxford"))


@row(100)
def office_id_once(world: World) -> None:
    """The table's second row of that name is the first one: one key, writeable (LP-A4)."""
    world.sent(VENDOR | {"office_id": world.office.pk})
    assert world.receiver.received[-1].body.count(b'"office_id":') == 1


# Comparables are ours to write: staff edit them in the admin.

COMPARABLE = {
    "address": "68 Uftwen Road",
    "beds": 4,
    "coords": {"x": -0.082544, "y": 51.5422},
    "date": "2021-02-10T00:00:00.000Z",
    "distance": 166,
    "months_ago": 7,
    "original_asking_price": 2150000,
    "price": 1782500,
    "time_taken_to_sell": 76,
}


@row(87)
def comparables(world: World) -> None:
    lead = world.created(VENDOR | {"comparable_props": [COMPARABLE]})
    assert lead["comparable_props"] == []
    assert world.patched(lead["id"], {"comparable_props": [COMPARABLE]})["comparable_props"] == []
    assert world.deliveries() == ["lead.created"]
    # Staff may, within the shape of the table's example.
    for wrong in ({"beds": "four"}, {"x": "west"}, {"x": ""}, {"date": "soon"}):
        assert world.saved("leads_lead_change", lead["id"], **rows_of(COMPARABLE, **wrong)) == {
            "comparable_props": "comparables"
        }
    assert world.saved("leads_lead_change", lead["id"], **rows_of(*[COMPARABLE] * 30)) == {"comparable_props": "bytes"}
    assert world.arrived(lead["id"])["comparable_props"] == []


def rows_of(*comparables: dict[str, Any], **changes: str) -> dict[str, list[str]]:
    """The inputs of the admin's rows for these; changes: of each of them."""
    cells = [
        {"was": "", **{name: str(value) for name, value in each.items() if name != "coords"}}
        | {"date": each["date"][:10], "x": str(each["coords"]["x"]), "y": str(each["coords"]["y"])}
        | changes
        for each in comparables
    ]
    return {"comparable_props": [""]} | {f"comparable_props.{name}": [row[name] for row in cells] for name in cells[0]}


def comparable(key: str) -> Row:
    def check(world: World) -> None:
        lead = world.created(VENDOR)
        assert world.saved("leads_lead_change", lead["id"], **rows_of(COMPARABLE)) == {}
        (sent,) = world.arrived(lead["id"])["comparable_props"]
        assert sent[key] == COMPARABLE[key]
        assert type(sent[key]) is type(COMPARABLE[key])

    return check


for number, key in enumerate(COMPARABLE, start=88):
    on(number, comparable(key))


@row(97)
def international(world: World) -> None:
    assert world.sent(VENDOR | {"international": True})["international"] is True
    assert world.sent(VENDOR)["international"] is None
    refused("international", "boolean", "true", 1)(world)


def referred(key: str, example: Any, expected: Callable[[World], Any]) -> Row:
    """Null until a lead was referred; then where it came from. A client cannot say so."""

    def check(world: World) -> None:
        lead = world.created(VENDOR | {"office_id": world.office.pk, key: example})
        assert world.arrived(lead["id"])[key] is None
        other = Office.objects.create(account=world.account, name="Cambridge")
        response = world.call("POST", f"leads/{lead['id']}/refer/", {"office_id": other.pk})
        assert response.status_code == 200, response.content
        assert world.arrived(lead["id"])[key] == expected(world)

    return check


on(102, referred("referred_by_office_id", 222, lambda world: world.office.pk))
on(103, referred("referred_by_office_name", "Oxford", lambda world: "Oxford"))
on(104, referred("referred_by_account_id", 334, lambda world: world.account.pk))
on(105, referred("referred_by_account_name", "Lead Pro Ltd", lambda world: "Skyline Estates"))
on(106, accepted("property_type", "detached"))
on(107, accepted("property_type", "detached"))
on(108, accepted("property_type", "semi-detached"))
on(109, accepted("property_type", "terraced"))
on(110, accepted("property_type", "flat-maisonette"))


@row(111)
def property_type(world: World) -> None:
    assert world.sent(VENDOR | {"property_type": None})["property_type"] is None
    refused("property_type", "choice", "flat", "bungalow", "", 1)(world)


SAMPLE = {
    "id": 1,
    "title": "Sir",
    "first_name": "Richard",
    "last_name": "Branson",
    "email": "rbranson@virgin.com",
    "type": "vendor",
    "source": "homepage",
    "phone": "07123456789",
    "address": "51 Asimov Place, Starbridge",
    "postcode": "N1 3JY",
    "advert_address": "51 Asimov Place, Starbridge",
    "advert_postcode": "N1 3JY",
    "advert_image": "https://via.placeholder.com/150",
    "advert_url": "https://www.site.com/result",
    "appointment_availability": {"hours": ["2021-01-01T08:00:00.000Z", "2021-01-01T09:00:00.000Z"]},
    "full_name": "Sir Ricard Branson",
    "message": "When can we view?",
    "meta": {"virtual tour": "true"},
}


@row(113)
def sample(world: World) -> None:
    """Strict JSON (LP-A10), the two URLs as the table has them (LP-A11), and the keys that the sample omits null."""
    request = world.tested()
    assert request.header("webhook-test") == "true"
    assert json.loads(request.body) == {"event": "lead.updated", "data": dict.fromkeys(KEYS) | SAMPLE}
    assert decode(token(request).split(".")[1]) == request.body


@row(114)
def key_with_a_space(world: World) -> None:
    assert b'"meta":{"virtual tour":"true"}' in world.tested().body
    accepted("meta", {"virtual tour": "true"})(world)


@row(112)
def read_only(world: World) -> None:
    """The body of a GET can be sent back: nothing changes, nothing is sent."""
    lead = world.created(VENDOR | {"office_id": world.office.pk})
    world.deliver()
    assert world.patched(lead["id"], world.read(lead["id"])) == lead
    forged = dict.fromkeys(("id", "account_id", "referred_by_office_id", "referred_by_account_id"), 7)
    assert world.patched(lead["id"], forged | {"createdAt": "2000-01-01", "account_name": "x"}) == lead
    assert len(world.deliver()) == 1


# The signature


def token(request: Received) -> str:
    kind, value = request.header("Authorization").split(" ")
    assert kind == "Bearer"
    return value


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def in_another_process(secret: str, value: str) -> dict[str, Any]:
    """PyJWT's verdict in a program that shares nothing with ours."""
    program = (
        "import sys, json, jwt; secret, token = sys.stdin.read().split('\\n');"
        "print(json.dumps(jwt.decode(token, secret, algorithms=['HS256'])))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input=f"{secret}\n{value}", text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@row(115)
def verifiable(world: World) -> None:
    """The right secret proves the sender; another one does not."""
    world.created(VENDOR)
    (request,) = world.deliver()
    assert in_another_process(world.webhook.secret, token(request))["event"] == "lead.created"
    try:
        in_another_process("x" * 43, token(request))
    except AssertionError as error:
        assert "Signature verification failed" in str(error)
    else:
        raise AssertionError("a wrong secret was taken for the right one")


@row(116)
def on_each_request(world: World) -> None:
    lead = world.created(VENDOR)
    world.patched(lead["id"], {"title": "Mr"})
    requests = world.deliver()
    assert len(requests) == 2
    for request in requests:
        assert token(request).count(".") == 2


@row(117)
def jwt_header(world: World) -> None:
    world.created(VENDOR)
    (request,) = world.deliver()
    assert json.loads(decode(token(request).split(".")[0])) == {"alg": "HS256", "typ": "JWT"}


@row(118)
def claims(world: World) -> None:
    world.created(VENDOR | {"first_name": "Zoë", "message": "£1 – ☃"})
    (request,) = world.deliver()
    assert decode(token(request).split(".")[1]) == request.body


@row(119)
def claims_not_body(world: World) -> None:
    """Our own receiver reads the token: whoever changes the body on its way changes nothing of what is read."""
    lead = world.created(VENDOR)
    (request,) = world.deliver()
    path = inbox_address(world.webhook).partition("//")[2].partition("/")[2]
    forged = b'{"event":"lead.updated","data":{"full_name":"Somebody Else"}}'
    headers = {"Authorization": request.header("Authorization")}
    answer = Client().post(f"/{path}", forged, content_type="application/json", headers=headers)
    assert answer.status_code == 200, answer.content
    shown = Page(world.admin("webhooks_inbox")).text
    assert lead["full_name"] in shown and "lead.created" in shown
    assert "Verified" in shown and "the body differs from its claims" in shown
    received = world.webhook.inbox_requests.get()
    assert (received.event, received.label) == ("lead.created", lead["full_name"])


@row(120)
def hs256(world: World) -> None:
    """By openssl, which knows nothing of JWT."""
    world.created(VENDOR)
    (request,) = world.deliver()
    signed, _, signature = token(request).rpartition(".")
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", world.webhook.secret, "-binary"],
        input=signed.encode(),
        capture_output=True,
        check=True,
    )
    assert decode(signature) == done.stdout


@row(121)
def key(world: World) -> None:
    """Without a secret there is no header (LP-A25); with another secret, another signature."""
    world.created(VENDOR)
    (first,) = world.deliver()
    world.webhook.secret = "t" * 43
    world.webhook.save()
    world.created(VENDOR)
    second = world.deliver()[1]
    assert in_another_process("t" * 43, token(second))["event"] == "lead.created"
    world.webhook.secret = ""
    world.webhook.save()
    world.created(VENDOR)
    assert world.deliver()[2].header("Authorization") is None
    assert first.header("Authorization") is not None


@row(122)
def generated(world: World) -> None:
    """The dashboard makes it, shows it once, and it verifies what arrives."""
    webhook = world.add_webhook()
    pages = [world.admin("webhooks_webhook_change", webhook.pk).content.decode() for _ in range(2)]
    assert [webhook.secret in page for page in pages] == [True, False]
    secret = pages[0].partition('id="secret-value">')[2].partition("<")[0]
    assert len(secret) == 43
    world.created(VENDOR)
    (request,) = world.deliver()
    assert in_another_process(secret, token(request))["event"] == "lead.created"


# Every field at its limit, in characters of four bytes in UTF-8 where any character is allowed.
WIDE = "🏠"
LARGEST_COMPARABLE = COMPARABLE | {"address": ""}


def largest() -> dict[str, Any]:
    """What a client may write at most: all texts, JSON values and numbers as long as they may be."""
    texts = {"title": 10, "first_name": 50, "last_name": 50, "full_name": 100, "phone": 255, "source": 255}
    texts |= {"address": 100, "postcode": 10, "advert_address": 100, "advert_postcode": 10, "message": 8192}
    texts |= {"advert_url": 255, "advert_image": 255, "host": 255, "property_reference": 50}
    hours = {"hours": ["2021-04-22T10:00:00.000Z"] * 75}
    questions = [["q", WIDE * 509]]
    questions[0][0] += "q" * (2048 - json_size(questions))
    meta = {"k": WIDE * 254}
    meta["k"] += "v" * (1024 - json_size(meta))
    estimations = [
        f"{which}_{kind}_estimation" for which in ("average", "minimum", "maximum") for kind in ("sale", "rent")
    ]
    return {
        **{key: WIDE * count for key, count in texts.items()},
        **dict.fromkeys(estimations, 999_999_999_999.99),
        "type": "mortgage_request",
        "email": "a" * 64 + "@" + "b" * 62 + "." + "c" * 61 + "." + "d" * 61 + ".co",
        "appointment_availability": hours | {"x" * (2048 - json_size(hours) - 6): []},
        "meta": meta,
        "questionnaire": questions,
        "status": "IN_PROGRESS",
        "stage": "VALUATION_BOOKED",
        "gdpr_checkbox": False,
        "international": False,
        "property_bedrooms": 2**31 - 1,
        "property_type": "flat-maisonette",
    }


SET_UP = """
from django.contrib.auth.models import Group
from leads.models import Account, ApiKey, Lead, Membership, Office, User
from webhooks.inbox.address import address
from webhooks.models import Webhook
account = Account.objects.create(name="{wide}" * 100)
office = Office.objects.create(account=account, name="{wide}" * 100)
other = Office.objects.create(account=account, name="£" * 100)
parent = Lead.objects.create(account=account, email="parent@example.com")
maker = User.objects.create_user("maker", is_staff=True)
maker.groups.add(Group.objects.get(name="Manager"))
Membership.objects.create(user=maker, account=account)
key = ApiKey(account=account, user=maker, name="website", scopes=["leads:read", "leads:write"])
secret = key.generate()
key.save()
webhook = Webhook(account=account, name="LeadPro", dialect="leadpro", url="x", events=["lead.updated"], secret="s" * 43)
webhook.save()
webhook.url = address(webhook)
webhook.save()
print(secret, office.pk, other.pk, parent.pk)
"""
# What only staff write; and the body as it is stored, which is what was sent.
COMPARE = """
import json
from leads.models import Lead
lead = Lead.objects.get(pk={pk})
comparable = {comparable!r}
rows = [comparable] * 12
def size(): return len(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode())
while size() > 4096: rows.pop()
rows[-1] = comparable | {{"address": "x" * (4096 - size())}}
assert size() == 4096
lead.set("comparable_props", rows)
lead.save()
"""
ARRIVED = """
from webhooks.models import InboxRequest
newest = InboxRequest.objects.first()
if newest is not None and b"referred_by_office_id" in bytes(newest.body):
    longest = max(len(value) for _, value in __import__("json").loads(newest.headers))
    print(newest.signature, newest.answered, InboxRequest.objects.count(), longest, bytes(newest.body).decode())
"""


@row(131)
def the_largest(world: World) -> None:
    """Through the real web server and worker to the built-in inbox, which is behind gunicorn's limit of a header."""
    program = world.program()
    secret, office, other, parent = program.shell(SET_UP.format(wide=WIDE)).split()
    key = {"Authorization": f"Bearer {secret}"}

    def call(path: str, values: dict[str, Any]) -> dict[str, Any]:
        response = requests.post(f"{program.url}/api/v1/{path}", json=values, headers=key, timeout=20)
        assert response.ok, response.text
        return response.json()

    lead = call("leads/", largest() | {"office_id": int(office), "parentId": int(parent)})
    call(f"leads/{lead['id']}/refer/", {"office_id": int(other)})
    program.shell(COMPARE.format(pk=lead["id"], comparable=LARGEST_COMPARABLE))
    wait_until(lambda: '"time_taken_to_sell"' in program.shell(ARRIVED), 30, "the whole lead has arrived")
    signature, answered, count, longest, body = program.shell(ARRIVED).strip().split(" ", 4)
    assert (signature, answered, count) == ("verified", "200", "2")
    data = json.loads(body)["data"]
    assert not [name for name in KEYS if data[name] is None]
    assert {name: data[name] for name in largest()} == largest()
    assert json_size(data["comparable_props"]) == 4096
    # More than Python's own server takes, and common ones by far; less than our 128 KiB.
    assert 65_536 < int(longest) < 131_072


@row(128)
def not_enabled(world: World) -> None:
    Webhook.objects.update(state=State.DISABLED)
    world.created(VENDOR)
    assert world.deliver() == []
    assert not Delivery.objects.exists()
