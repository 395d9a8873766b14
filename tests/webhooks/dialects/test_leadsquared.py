import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.dialects import DIALECTS, choices, leadsquared
from webhooks.dialects.leadsquared import bodies
from webhooks.outbound.address import parse_url
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, FailureKind, Request, Response
from webhooks.wire.verdict import Verdict

NOW = datetime(2026, 11, 21, 9, 14, 5, 999_999, tzinfo=UTC)
JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
TYPES = {code: type_ for type_, code in leadsquared.CODES.items()}
LEADS = [code for code in TYPES if TYPES[code].startswith(("lead.", "form."))]
CHANGES = [code for code in LEADS if code.endswith(("Change", "Update"))]


def event(
    type_: str = "lead.updated", changes: Mapping[str, Any] | None = None, version: int = 2, **data: Any
) -> Event:
    lead = {"id": 7, "created_at": "2026-11-21T09:00:00.987Z", "modified_date": "2026-11-21T09:14:05Z", **data}
    form = {"id": 4, "name": "Contact us", "fields": {"Message": "Hello"}}
    merge = {"id": 3, "children": [8, 9]}
    return Event(type_, NOW, "lead", 7, version, lead, changes or {}, context={"form": form, "merge": merge})


def rendered(code: str, changes: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(leadsquared.render(event(TYPES[code], changes, **data), code, {}))
    return document


def test_it_is_registered() -> None:
    assert DIALECTS["leadsquared"] is leadsquared.DIALECT
    assert choices()[-1] == ("leadsquared", "LeadSquared")
    assert leadsquared.DIALECT.secret == "optional"


# What is heard


@pytest.mark.parametrize("type_", leadsquared.CODES)
def test_events_are_heard_by_their_codes(type_: str) -> None:
    assert leadsquared.hears(event(type_)) == leadsquared.CODES[type_]
    assert leadsquared.CODES[type_] in leadsquared.LABELS


@pytest.mark.parametrize("type_", ["lead.status_changed", "lead.archived", "product.sold"])
def test_no_other_is(type_: str) -> None:
    assert leadsquared.hears(event(type_)) is None


def test_a_first_owner_of_a_new_lead_is_no_change_and_a_cleared_one_is() -> None:
    assert leadsquared.hears(event("lead.assigned", {"owner_id": [None, 3]}, version=1, owner_id=3)) is None
    assert leadsquared.hears(event("lead.assigned", {"owner_id": [None, 3]}, owner_id=3)) == "Lead_Owner_Change"
    assert leadsquared.hears(event("lead.assigned", {"owner_id": [3, None]}, owner_id=None)) == "Lead_Owner_Change"


# The body


@pytest.mark.parametrize("code", LEADS)
def test_every_value_of_a_lead_is_a_text_or_null(code: str) -> None:
    custom = {"a": 1, "b": 1.5, "c": True, "d": ["x", "y"], "e": None, "f": "2026-01-01"}
    body = rendered(code, {"score": [0, 45]}, score=45, owner_id=3, custom_fields=custom)
    leads = [body["Before"], body["After"]] if "Before" in body else [body]
    for lead in filter(None, leads):
        values = [value for key, value in lead.items() if key != "LandingPageFields"]
        assert {type(value) for value in values} <= {str, type(None)}
        assert list(lead)[: len(bodies.NAMES)] == list(bodies.NAMES)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-5, "-5"),
        (250000.0, "250000"),
        (0.1, "0.1"),
        (True, "1"),
        (False, "0"),
        ([], ""),
        (["Oxford"], "Oxford"),
        (["Oxford", "Witney"], "Oxford;Witney"),
        ("", ""),
        ("01865", "01865"),
        (None, None),
    ],
)
def test_values_become_texts(value: object, text: str | None) -> None:
    assert rendered("Lead_Post_Create", custom_fields={"x": value})["mx_x"] == text


def test_times_are_utc_in_whole_seconds_that_have_passed() -> None:
    lead = rendered("Lead_Post_Create")
    assert (lead["CreatedOn"], lead["ModifiedOn"]) == ("2026-11-21 09:00:00", "2026-11-21 09:14:05")


@pytest.mark.parametrize("code", CHANGES)
def test_before_is_what_the_changes_say_and_after_what_is(code: str) -> None:
    assert len(CHANGES) == 5
    changes = {
        "score": [0, 45],
        "custom_fields.budget": [None, 1],
        "email": ["a@example.com", None],
        "notes": [None, "x"],
    }
    body = rendered(code, changes, score=45, first_name="Zoë", custom_fields={"budget": 1, "area": "Oxford"})
    assert list(body) == ["Before", "After"]
    differ = {key: (body["Before"][key], now) for key, now in body["After"].items() if body["Before"][key] != now}
    modified = (None, "2026-11-21 09:14:05")
    assert differ == {
        "Score": ("0", "45"),
        "mx_budget": (None, "1"),
        "EmailAddress": ("a@example.com", None),
        **dict.fromkeys(("ModifiedOn", "LastModifiedOn", "LeadLastModifiedOn"), modified),
    }


def test_an_event_from_before_these_fields_can_be_written() -> None:
    old = Event("lead.updated", NOW, "lead", 7, 2, {"id": 7})
    body = json.loads(leadsquared.render(old, "Lead_Post_Update", {}))
    assert {key: value for key, value in body["After"].items() if value} == {"ProspectID": "7", "ProspectAutoId": "7"}


@pytest.mark.parametrize("kind", [JSON, FORM, TEXT])
def test_what_utf_8_cannot_say_is_an_error(kind: str) -> None:
    with pytest.raises(ValueError):
        leadsquared.render(event(source="\ud800"), "Lead_Post_Create", {"content_type": kind})


# Content types


@pytest.mark.parametrize("code", LEADS)
def test_three_content_types_say_the_same(code: str) -> None:
    fact = event(TYPES[code], {"score": [0, 45]}, score=45, last_name="O'Neil & Söhne + 100 %", phone="+44")
    plain, text, form = (leadsquared.render(fact, code, {"content_type": kind}) for kind in (JSON, TEXT, FORM))
    assert plain == text
    pairs = parse_qsl(form.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    for (key, told), (name, value) in zip(json.loads(plain).items(), pairs, strict=True):
        assert key == name
        assert told == (json.loads(value) if isinstance(told, dict) else value or None)


@pytest.mark.parametrize("chosen", [JSON, FORM, TEXT])
def test_what_was_stored_keeps_its_kind(chosen: str) -> None:
    settings = {"content_type": chosen}
    assert leadsquared.content_type(b'{"a":"1"}', settings) == (JSON if chosen == FORM else chosen)
    assert leadsquared.content_type(b"[]", settings) == (JSON if chosen == FORM else chosen)
    assert leadsquared.content_type(b"a=1", settings) == FORM


def test_without_the_setting_it_is_json() -> None:
    assert leadsquared.content_type(leadsquared.sample({}), {}) == JSON


# The URL (LS-A5, LS-A6)

OURS = "entityType=webhook&entityId=12&eventType=Lead_Post_Create"


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://api.yourcompany.com/leads/add", f"https://api.yourcompany.com/leads/add?{OURS}"),
        ("https://api.yourcompany.com", f"https://api.yourcompany.com/?{OURS}"),
        ("https://api.yourcompany.com:8443", f"https://api.yourcompany.com:8443/?{OURS}"),
        ("https://api.yourcompany.com/", f"https://api.yourcompany.com/?{OURS}"),
        ("http://[2606:4700::1111]/x", f"http://[2606:4700::1111]/x?{OURS}"),
        ("https://api.yourcompany.com/a?x=1", f"https://api.yourcompany.com/a?x=1&{OURS}"),
        ("https://api.yourcompany.com/a?", f"https://api.yourcompany.com/a?{OURS}"),
        ("https://api.yourcompany.com/a?x=1&", f"https://api.yourcompany.com/a?x=1&{OURS}"),
        ("https://api.yourcompany.com/a?x=1?y/z", f"https://api.yourcompany.com/a?x=1?y/z&{OURS}"),
        ("https://api.yourcompany.com/a%20b?x=%26;y", f"https://api.yourcompany.com/a%20b?x=%26;y&{OURS}"),
        ("https://api.yourcompany.com/a#b?c=d", f"https://api.yourcompany.com/a?{OURS}"),
        ("https://api.yourcompany.com/a?x=1#b", f"https://api.yourcompany.com/a?x=1&{OURS}"),
        ("https://api.yourcompany.com/a?eventType=x", f"https://api.yourcompany.com/a?eventType=x&{OURS}"),
    ],
)
def test_three_parameters_stand_behind_what_is_there(url: str, called: str) -> None:
    assert leadsquared.address(url, "webhook", "12", "Lead_Post_Create") == called
    target = parse_url(called)
    assert target.host in url and parse_qs(target.path.partition("?")[2])["eventType"][-1] == "Lead_Post_Create"


def test_values_are_percent_encoded() -> None:
    called = leadsquared.address("https://api.yourcompany.com/", "webhook", "a&b/c d", "x+é")
    assert called.endswith("?entityType=webhook&entityId=a%26b%2Fc%20d&eventType=x%2B%C3%A9")


@given(some.from_regex(re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]*|(%[0-9A-F]{2})*", re.ASCII), fullmatch=True))
def test_the_host_is_always_the_same_and_ours_come_last(rest: str) -> None:
    url = f"https://hooks.example.com/{rest}"
    called = leadsquared.address(url, "webhook", "12", "Lead_Delete")
    assert called.startswith(url) and parse_url(called).host == "hooks.example.com"
    assert parse_qsl(called.partition("?")[2])[-3:] == [
        ("entityType", "webhook"),
        ("entityId", "12"),
        ("eventType", "Lead_Delete"),
    ]


# The answer


def judged(answer: Response | Failure) -> Verdict:
    return leadsquared.judge(answer, Request("POST", "https://hooks.example.com/in", (), b"{}"), NOW)


def test_200_alone_is_success() -> None:
    assert judged(Response(200, "", (), b"")).success
    for status in (201, 202, 204, 206, 299, 301, 400, 404, 500):
        found = judged(Response(status, "", (), b""))
        assert (found.success, found.retry) == (False, True), status
        assert found.reason.startswith(str(status))
    assert "200 alone" in judged(Response(204, "", (), b"")).reason
    assert not judged(Failure(FailureKind.TIMEOUT, "timed out. ")).success


def test_a_wait_that_is_asked_for_is_kept() -> None:
    assert judged(Response(503, "", (("Retry-After", "7"),), b"")).retry_after == 7.0


def test_three_tries_fifteen_seconds_and_an_hour() -> None:
    dialect = leadsquared.DIALECT
    assert (dialect.retry.waits, dialect.retry.tries, dialect.retry.jitter, dialect.deadline) == ((60, 300), 3, 0.1, 15)
    assert (dialect.pause.seconds, dialect.pause.failures) == (3600, 10)


# Sample and summary


@pytest.mark.parametrize("kind", [JSON, FORM, TEXT])
def test_the_sample_is_in_two_phrases_too(kind: str) -> None:
    found = leadsquared.summary(leadsquared.sample({"content_type": kind}))
    assert (found.event, found.label) == ("Lead_Post_Create", "Jane Smith")


def test_the_sample_has_the_keys_that_are_sent() -> None:
    assert list(json.loads(leadsquared.sample({}))) == list(bodies.NAMES)


@pytest.mark.parametrize("kind", [JSON, FORM])
@pytest.mark.parametrize("code", LEADS)
def test_a_summary_says_as_much_as_the_body_does(code: str, kind: str) -> None:
    body = leadsquared.render(event(TYPES[code], first_name="Zoë", last_name="Ashdown"), code, {"content_type": kind})
    found = leadsquared.summary(body)
    assert (found.event, found.label) == ("" if code in CHANGES else code, "Zoë Ashdown")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"Before":1,"After":[]}',
        b'{"FirstName":"Zoe"}',
        b"Before=%FF&After=1",
        b"a=1&" * 20_000,
        b"%00=%00",
    ],
)
def test_a_strange_body_names_nobody(body: bytes) -> None:
    assert leadsquared.summary(body).label == ""


@given(some.binary())
def test_no_body_raises(body: bytes) -> None:
    assert isinstance(leadsquared.summary(body).label, str)
