"""The rows LE-97 to LE-162, LeadEngine's default fields, and LE-7, all of them together.

Each is set and cleared by the API, judged by its type (LE-A32), kept, and sent. How another system maps its own keys to
them is not asked here.
"""

from __future__ import annotations

from typing import Any

from django.utils.dateparse import parse_datetime

from tests.admin.page import Page
from tests.conformance.leadengine_rows import Row, entries, on, row
from tests.conformance.leadengine_world import FIRST, REPLY, Engine
from tests.conformance.world import SALE, without
from webhooks.models import Event

# All 65 in the order of the page's list, each with a value as it is sent.
EXAMPLES: dict[str, Any] = {
    "about": "Builds rockets",
    "business_email": "elon@x.com",
    "campaigns": ["Newsletter", "Autumn"],
    "city": "Oxford",
    "company_facebook": "https://facebook.com/spacex",
    "company_linkedin": "https://linkedin.com/company/spacex",
    "company_name": "SpaceX",
    "company_x": "@SpaceX",
    "contact_owner": "dana@example.com",
    "country": "United Kingdom",
    "created_date": "2024-12-02T14:05:38Z",
    "personal_email": "elon@gmail.com",
    "email_bounce_status": "soft",
    "email_bounce_sub_status": "mailbox full",
    "email_provider": "Gmail",
    "email_provider_type": "free",
    "email_subscription": "subscribed",
    "email_validation": "valid",
    "first_name": "Elon",
    "gender": "male",
    "import_tags": ["2026-11 import", "Cars"],
    "industry": "Aerospace",
    "job_department": "Management",
    "job_title": "Chief engineer",
    "last_contacted": "2025-05-06T08:58:10Z",
    "last_email_click_date": "2025-05-06T09:01:00Z",
    "last_email_open_date": "2025-05-06T09:00:00Z",
    "last_email_reply_date": "2025-05-06T08:59:17Z",
    "last_name": "Musk",
    "lead_source": "rightmove",
    "lead_status": "Needs Info",
    "lead_status_history": ["Follow Up", "Needs Info"],
    "lead_type": "Prospect",
    "life_cycle": "Customer",
    "life_cycle_history": ["Subscriber", "Customer"],
    "person_linkedin": "https://linkedin.com/in/elon",
    "linkedin_summary": "Sleeps at the factory",
    "lists": ["Sellers", "VIP"],
    "mobile_phone": "07123456789",
    "modified_date": "2025-05-07T00:00:00Z",
    "name": "Elon R Musk",
    "number_of_email_clicks": 1,
    "number_of_email_opens": 3,
    "number_of_email_replies": 2,
    "number_of_emails": 5,
    "number_of_employees": 12_000,
    "number_of_phone_calls": 4,
    "number_of_sms_replies": 0,
    "number_of_sms_sent": 6,
    "number_of_times_contacted": 9,
    "office_phone": "+44 1865 496000",
    "person_facebook": "https://facebook.com/elon",
    "person_x": "@elonmusk",
    "phone_country": "GB",
    "phone_validation": "valid",
    "postal_code": "N1 3JY",
    "sentiment": "positive",
    "sentiment_history": ["neutral", "positive"],
    "sms_subscription": "unsubscribed",
    "state": "Oxfordshire",
    "street_address": "51 Asimov Place, Starbridge",
    "tags": ["Prospect", "Cars", "Space"],
    "time_zone": "Europe/London",
    "website": "https://spacex.com",
    "website_summary": "Rockets for everybody",
}
DEFAULTS = list(EXAMPLES)
DATES = [key for key in DEFAULTS if key.endswith("_date") or key == "last_contacted"]
COUNTERS = [key for key in DEFAULTS if key.startswith("number_of_")]
ARRAYS = [key for key in DEFAULTS if isinstance(EXAMPLES[key], list)]
# What our own messages add to; staff only read it (LE-A33).
MEASURED = [
    *(key for key in DATES if key != "created_date"),
    *(key for key in COUNTERS if key != "number_of_employees"),
    "lead_status_history",
    "life_cycle_history",
    "sentiment_history",
]

# LeadEngine's name -> the API's, where they differ.
NAMES = {
    "contact_owner": "owner_id",
    "lead_source": "source",
    "name": "full_name",
    "postal_code": "postcode",
    "street_address": "address",
}


def line(key: str) -> int:
    """The number of the field's line. LE-108 is business_email once more."""
    place = DEFAULTS.index(key)
    return 97 + place + (place > DEFAULTS.index("created_date"))


def named(key: str) -> str:
    return NAMES.get(key, key)


def sent(body: dict[str, Any], key: str) -> Any:
    return entries(body)[key]


def kept(world: Engine, pk: int, key: str, value: Any) -> None:
    """What the API reads, and the snapshot of the newest event holds, is this value."""
    assert world.read(pk)[named(key)] == value
    told = Event.objects.latest("id").frozen.data[named(key)]
    assert ([each["name"] for each in told] if key in ("lists", "campaigns") else told) == value


@row(7)
def all_65(world: Engine) -> None:
    """In the order of the list, with its values; null when unset; left out where the webhook says so (LE-A3, LE-A6)."""
    assert len(DEFAULTS) == 65
    assert (len(DATES), len(COUNTERS), len(ARRAYS)) == (6, 9, 7)
    pk = world.created(SALE)["id"]
    body = world.moved(pk, "Conversation")
    assert [entry["key"] for entry in body["customFields"]] == [*DEFAULTS, "email"]
    set_ = {key for key, value in entries(body).items() if value is not None}
    assert set_ == {
        "created_date",
        "email",
        "first_name",
        "last_name",
        "lead_source",
        "lead_status",
        "lead_status_history",
        "modified_date",
        "name",
    }
    for name in EXAMPLES["campaigns"]:
        world.campaign(name)
    for name in EXAMPLES["lists"]:
        world.list_(name)
    given = {named(key): value for key, value in EXAMPLES.items() if key != "modified_date"}
    given |= {"owner_id": world.colleague("dana").pk, "lead_status": "Follow Up", "lead_status_history": None}
    full = world.created(SALE | given)["id"]
    found = world.moved(full, "Needs Info", modified_date=EXAMPLES["modified_date"])["customFields"]
    assert {entry["key"]: entry["value"] for entry in found} == EXAMPLES | {"email": SALE["email"]}
    assert [entry["key"] for entry in found] == [*DEFAULTS, "email"]
    assert world.change_errors(leadengine__omit_empty="on") == {}
    body = world.moved(pk, "Needs Info")
    assert [entry["key"] for entry in body["customFields"]] == [key for key in [*DEFAULTS, "email"] if key in set_]


def field(key: str, *, longest: int = 255, unset: Any = None, wrong: list[tuple[str, Any]] | None = None) -> Row:
    """A text: the example and the longest one arrive; a longer one and what is no text is refused; it is cleared."""
    ours, example = named(key), EXAMPLES[key]

    def check(world: Engine) -> None:
        pk = world.created(SALE)["id"]
        assert sent(world.moved(pk, "Follow Up"), key) == unset
        assert sent(world.moved(pk, "Needs Info", **{ours: example}), key) == example
        kept(world, pk, key, example)
        for rule, value in wrong or [("length", "x" * (longest + 1)), ("text", 5), ("control_characters", "a\x07b")]:
            world.refused_patch(pk, ours, rule, value)
        if wrong is None:
            long = "é" * longest
            assert sent(world.moved(pk, "Conversation", **{ours: long}), key) == long
        cleared = None if key in ("first_name", "last_name") else unset
        assert sent(world.moved(pk, "Opportunity", **{ours: None}), key) == cleared

    return check


LONG = dict.fromkeys(("about", "linkedin_summary", "website_summary"), 8192)
SHORT = {"first_name": 50, "last_name": 50, "name": 100, "street_address": 100, "postal_code": 10}
UNSET = {"first_name": "Richard", "last_name": "Smith", "name": "Richard Smith"}
for key in DEFAULTS:
    if key in (*DATES, *COUNTERS, *ARRAYS, "contact_owner", "lead_source", "lead_status"):
        continue
    if key.endswith("_email"):
        faults = [("email", "elon@"), ("length", "a" * 64 + "@" + "b." * 100 + "co"), ("text", 5)]
        on(line(key), field(key, wrong=faults))
    else:
        on(line(key), field(key, longest=(LONG | SHORT).get(key, 255), unset=UNSET.get(key)))


@row(108)
def once_only(world: Engine) -> None:
    """The list's second business_email is the first one (LE-A3)."""
    pk = world.created(SALE | {"business_email": "elon@x.com"})["id"]
    world.moved(pk, "Conversation")
    (request,) = world.receiver.received
    assert request.body.count(b'"key":"business_email"') == 1
    assert b'{"value":"elon@x.com","key":"business_email"}' in request.body


def read_only(world: Engine, pk: int, key: str) -> None:
    """Staff see what is a fact about messages, and cannot type over it (LE-A33)."""
    before = world.read(pk)[key]
    page = Page(world.admin("leads_lead_change", pk))
    assert key not in page.names
    assert world.saved("leads_lead_change", pk, **{key: "2000-01-01T00:00:00Z"}, notes="Called") == {}
    now = world.read(pk)
    assert now["notes"] == "Called"
    assert now[key] == before or key == "modified_date"


def day(key: str) -> Row:
    """Whole seconds of UTC, however told; what is no ISO 8601 date is refused."""

    def check(world: Engine) -> None:
        pk = world.created(SALE)["id"]
        assert sent(world.moved(pk, "Follow Up"), key) is None
        body = world.moved(pk, "Needs Info", **{key: "2025-05-06T10:58:10.900+02:00"})
        assert sent(body, key) == "2025-05-06T08:58:10Z"
        kept(world, pk, key, "2025-05-06T08:58:10Z")
        for value in ("yesterday", "06/05/2025", "2025-05-32T00:00:00Z", 1746521890, True):
            world.refused_patch(pk, key, "iso_date", value)
        if key in MEASURED:
            read_only(world, pk, key)
        assert sent(world.moved(pk, "Conversation", **{key: None}), key) is None

    return check


for key in DATES:
    if key not in ("created_date", "modified_date", "last_contacted", "last_email_reply_date"):
        on(line(key), day(key))


def moved_on_by(key: str, message: dict[str, Any]) -> Row:
    """The same, and a message of ours moves it forward, never back (LE-A33)."""

    def check(world: Engine) -> None:
        day(key)(world)
        pk = world.created(SALE | {key: "2025-05-06T08:00:00Z"})["id"]
        world.message(pk, message)
        assert sent(world.moved(pk, "Follow Up"), key) == message["date"]
        world.message(pk, message | {"date": "2025-01-01T00:00:00Z"})
        assert sent(world.moved(pk, "Needs Info"), key) == message["date"]

    return check


on(line("last_contacted"), moved_on_by("last_contacted", FIRST))
on(line("last_email_reply_date"), moved_on_by("last_email_reply_date", REPLY))


@row(line("created_date"))
def created_date(world: Engine) -> None:
    """A field of its own, which is createdAt until it is told otherwise (LE-A33)."""
    lead = world.created(SALE)
    pk, made = lead["id"], lead["createdAt"]
    assert sent(world.moved(pk, "Follow Up"), "created_date") == f"{made[:19]}Z"
    body = world.moved(pk, "Needs Info", created_date="2024-12-02T15:05:38.5+01:00")
    assert sent(body, "created_date") == "2024-12-02T14:05:38Z"
    kept(world, pk, "created_date", "2024-12-02T14:05:38Z")
    assert world.read(pk)["createdAt"] == made
    for value in ("yesterday", 5):
        world.refused_patch(pk, "created_date", "iso_date", value)
    assert sent(world.moved(pk, "Conversation", created_date=None), "created_date") == f"{made[:19]}Z"


@row(line("modified_date"))
def modified_date(world: Engine) -> None:
    """When the lead was last changed, unless whoever changes it says another time."""
    pk = world.created(SALE)["id"]
    first = sent(world.moved(pk, "Follow Up"), "modified_date")
    made = parse_datetime(world.read(pk)["createdAt"])
    assert first.endswith("Z") and abs((parse_datetime(first) - made).total_seconds()) < 30
    body = world.moved(pk, "Needs Info", modified_date="2025-05-07T02:00:00+02:00")
    assert sent(body, "modified_date") == "2025-05-07T00:00:00Z"
    kept(world, pk, "modified_date", "2025-05-07T00:00:00Z")
    world.refused_patch(pk, "modified_date", "iso_date", "yesterday")
    world.refused_patch(pk, "modified_date", "kept", None)
    read_only(world, pk, "modified_date")
    assert sent(world.moved(pk, "Conversation"), "modified_date") >= first


def count(key: str) -> Row:
    """A whole number of 0 or more, sent as a JSON number; 0 is not unset."""

    def check(world: Engine) -> None:
        pk = world.created(SALE)["id"]
        assert sent(world.moved(pk, "Follow Up"), key) is None
        value = sent(world.moved(pk, "Needs Info", **{key: 12}), key)
        assert value == 12 and type(value) is int
        kept(world, pk, key, 12)
        for wrong in ("12", -1, 1.5, True, [12], 2**31):
            world.refused_patch(pk, key, "integer", wrong)
        nought = sent(world.moved(pk, "Conversation", **{key: 0}), key)
        assert nought == 0 and type(nought) is int
        if key in MEASURED:
            read_only(world, pk, key)
        assert sent(world.moved(pk, "Opportunity", **{key: None}), key) is None

    return check


def counted(key: str, message: dict[str, Any], other: dict[str, Any]) -> Row:
    """The same, and each message of ours adds one to what others have told (LE-A33)."""

    def check(world: Engine) -> None:
        count(key)(world)
        pk = world.created(SALE | {key: 5})["id"]
        world.message(pk, message)
        assert sent(world.moved(pk, "Follow Up"), key) == 6
        world.message(pk, other)
        assert sent(world.moved(pk, "Needs Info"), key) == 6

    return check


BY_MESSAGE = {
    "number_of_emails": (FIRST, REPLY),
    "number_of_times_contacted": (FIRST, REPLY),
    "number_of_email_replies": (REPLY, FIRST),
}
for key in COUNTERS:
    on(line(key), counted(key, *BY_MESSAGE[key]) if key in BY_MESSAGE else count(key))


@row(line("import_tags"))
def import_tags(world: Engine) -> None:
    pk = world.created(SALE)["id"]
    assert sent(world.moved(pk, "Follow Up"), "import_tags") is None
    body = world.moved(pk, "Needs Info", import_tags=["2026-11 import", "Cars"])
    assert sent(body, "import_tags") == ["2026-11 import", "Cars"]
    kept(world, pk, "import_tags", ["2026-11 import", "Cars"])
    refused_texts(world, pk, "import_tags")
    assert sent(world.moved(pk, "Conversation", import_tags=[]), "import_tags") is None


def refused_texts(world: Engine, pk: int, key: str) -> None:
    for wrong in ("Cars", [5], [""], [["Cars"]], {"Cars": 1}):
        world.refused_patch(pk, key, "texts", wrong)
    world.refused_patch(pk, key, "control_characters", ["a\x07b"])


def history(key: str, of: str, values: tuple[str, str]) -> Row:
    """What the field was, oldest first: a base that others may set, and each change of ours after it (LE-A33)."""

    def check(world: Engine) -> None:
        pk = world.created(SALE)["id"]
        first, second = values
        world.patched(pk, {of: first})
        world.patched(pk, {of: first})
        world.patched(pk, {of: second})
        kept(world, pk, key, [first, second])
        world.patched(pk, {key: ["Long ago", second]})
        refused_texts(world, pk, key)
        read_only(world, pk, key)
        world.heard()
        expected = ["Long ago", second] + (["Meeting Booked"] if of == "lead_status" else [])
        assert sent(world.moved(pk, "Meeting Booked"), key) == expected
        again = first if of != "lead_status" else "Wrong Contact"
        body = world.moved(pk, "Wrong Contact", **({of: again} if of != "lead_status" else {}))
        assert sent(body, key) == [*expected, again]

    return check


on(line("lead_status_history"), history("lead_status_history", "lead_status", ("Conversation", "Needs Info")))
on(line("life_cycle_history"), history("life_cycle_history", "life_cycle", ("Subscriber", "Customer")))
on(line("sentiment_history"), history("sentiment_history", "sentiment", ("neutral", "positive")))


def labels(key: str) -> Row:
    """Names in the order in which they were given; tags come into being, lists and campaigns have to be there."""

    def check(world: Engine) -> None:
        names = ["VIP", "Cars"]
        pk = world.created(SALE)["id"]
        if key == "tags":
            long = "é" * 100
        else:
            world.refused_patch(pk, key, "reference", names)
            make, long = (world.list_ if key == "lists" else world.campaign), "Space"
            for name in (*names, long):
                make(name)
        assert sent(world.moved(pk, "Follow Up"), key) is None
        assert sent(world.moved(pk, "Needs Info", **{key: names}), key) == names
        kept(world, pk, key, names)
        assert sent(world.moved(pk, "Conversation", **{key: [*names, long]}), key) == [*names, long]
        refused_texts(world, pk, key)
        world.refused_patch(pk, key, "label_length", ["x" * 101])
        world.refused_patch(pk, key, "label_count", [f"label {number}" for number in range(101)])
        assert sent(world.moved(pk, "Opportunity", **{key: []}), key) is None

    return check


for key in ("tags", "lists", "campaigns"):
    on(line(key), labels(key))


@row(line("contact_owner"))
def contact_owner(world: Engine) -> None:
    """The owner's e-mail; an owner is a person of the account, given by id."""
    pk = world.created(SALE)["id"]
    dana = world.colleague("dana")
    assert sent(world.moved(pk, "Follow Up"), "contact_owner") is None
    assert sent(world.moved(pk, "Needs Info", owner_id=dana.pk), "contact_owner") == "dana@example.com"
    assert world.read(pk)["owner"] == "dana@example.com"
    for wrong in (999_999, "dana@example.com", True):
        world.refused_patch(pk, "owner_id", "reference", wrong)
    assert sent(world.moved(pk, "Conversation", owner_id=None), "contact_owner") is None


@row(line("lead_source"))
def lead_source(world: Engine) -> None:
    """Said when the lead is made, homepage unless it was; it stays."""
    pk = world.created(SALE | {"source": "rightmove"})["id"]
    assert sent(world.moved(pk, "Follow Up", source="zoopla"), "lead_source") == "rightmove"
    kept(world, pk, "lead_source", "rightmove")
    other = world.created(SALE)["id"]
    assert sent(world.moved(other, "Follow Up"), "lead_source") == "homepage"
    world.refused_post("source", "length", without(SALE) | {"source": "x" * 256})
    world.refused_post("source", "text", without(SALE) | {"source": 5})


@row(line("lead_status"))
def lead_status(world: Engine) -> None:
    """One of the 14, independent of the lead's other two statuses (LE-A34)."""
    lead = world.created(SALE)
    assert lead["lead_status"] is None
    assert sent(world.moved(lead["id"], "Needs Info"), "lead_status") == "Needs Info"
    kept(world, lead["id"], "lead_status", "Needs Info")
    now = world.read(lead["id"])
    assert (now["status"], now["stage"]) == (lead["status"], lead["stage"])
    world.refused_patch(lead["id"], "lead_status", "choice", "BUSINESS")
