import json
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.dialects import DIALECTS, choices, leadengine
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, FailureKind, Request, Response
from webhooks.wire.verdict import Proof, Verdict

SECRET = "kq3T7vXb0Zr9LwPf2NdYh5Ju8McAe1Gs6Ri4Qo-_BtE"
NEXT = "Zy8-Wn4_Ka1Ux6Dg9Hs2Lp5Vc7Eb0Tq3Mf8Rj1Io6Yk"
BODY = '{"new_lead_status":"Needs Info","lead_name":"Zoë"}'.encode()
NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)
CHANGE = {"lead_status": ["Conversation", "Needs Info"]}
US = {"name": "Dana Moss", "address": "dana@example.com"}
THEM = {"name": "Olivia Hartley", "address": "olivia@example.com"}
UNGENERATED = dict.fromkeys(("angle", "framework", "test", "tone", "campaign_step", "word_limit"))


def event(type_: str = "lead.status_changed", changes: Mapping[str, Any] = CHANGE, **data: Any) -> Event:
    return Event(type_, NOW, "lead", 7, 1, {"lead_status": "Needs Info", **data}, changes)


def rendered(settings: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        leadengine.render(event(**data), leadengine.TRIGGER, {"omit_empty": False, **(settings or {})})
    )
    return document


def fields(settings: Mapping[str, Any] | None = None, **data: Any) -> list[tuple[str, Any]]:
    entries = rendered(settings, **data)["customFields"]
    assert all(list(entry) == ["value", "key"] for entry in entries)
    return [(entry["key"], entry["value"]) for entry in entries]


def message(**changes: Any) -> dict[str, Any]:
    parts = {"id": 5, "type": "outbound", "subject": "Hello", "body": "Hello Olivia", "from": US, "to": THEM}
    return {**parts, "date": "2025-05-06T08:58:10Z", "campaign": None, **UNGENERATED, **changes}


def signed(body: bytes = BODY, *secrets: str, https: bool = True) -> dict[str, str]:
    return dict(leadengine.sign(body, secrets or (SECRET,), {}, https))


def check(headers: Mapping[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> Proof:
    return leadengine.verify(body, headers, secrets).outcome


def test_it_is_registered() -> None:
    assert DIALECTS["leadengine"] is leadengine.DIALECT
    assert ("leadengine", "LeadEngine") in choices()
    assert leadengine.DIALECT.secret == "optional"
    assert leadengine.DIALECT.event_labels == dict.fromkeys(leadengine.DIALECT.events, "Lead Status Updated")


# What is heard (LE-4, LE-A34)


def test_a_change_of_lead_status_is_heard() -> None:
    assert leadengine.hears(event()) == "lead_status_updated"
    assert leadengine.DIALECT.events == ("lead_status_updated",)


@pytest.mark.parametrize("type_", ["lead.created", "lead.updated", "lead.stage_changed", "lead.field_changed"])
def test_nothing_else_is(type_: str) -> None:
    assert leadengine.hears(event(type_)) is None


# The body


def test_the_8_keys_in_the_samples_order() -> None:
    document = rendered(full_name="Olivia Hartley", account_name="Skyline Estates", notes="secret")
    assert list(document) == list(json.loads(leadengine.sample({})))
    assert len(document) == 8
    del document["customFields"]
    assert document == {
        "new_lead_status": "Needs Info",
        "lead_name": "Olivia Hartley",
        "lead_email_address": None,
        "workspace_name": "Skyline Estates",
        "campaign_name": None,
        "messages": [],
        "previous_lead_status": "Conversation",
    }


def test_a_first_status_had_none_before_and_a_cleared_one_has_none_now() -> None:
    assert rendered(changes={"lead_status": [None, "Needs Info"]})["previous_lead_status"] is None
    assert rendered(lead_status=None)["new_lead_status"] is None


@pytest.mark.parametrize(
    ("known", "expected"),
    [("business personal email", "business"), ("personal email", "personal"), ("email", "email"), ("", None)],
)
def test_the_address_that_counts(known: str, expected: str | None) -> None:
    key = {"business": "business_email", "personal": "personal_email", "email": "email"}
    document = rendered(**{key[one]: f"{one}@example.com" for one in known.split()})
    assert document["lead_email_address"] == (expected and f"{expected}@example.com")


@pytest.mark.parametrize(
    ("messages", "campaigns", "expected"),
    [
        (["Spring", "Autumn"], ["Winter"], "Autumn"),
        (["Spring", None], ["Winter", "Newsletter"], "Newsletter"),
        ([], ["Winter", "Newsletter"], "Newsletter"),
        ([None], [], None),
    ],
)
def test_the_campaign_is_that_of_the_latest_message_or_the_one_joined_last(
    messages: list[str | None], campaigns: list[str], expected: str | None
) -> None:
    document = rendered(
        messages=[message(campaign=name) for name in messages],
        campaigns=[{"id": id_, "name": name} for id_, name in enumerate(campaigns)],
    )
    assert document["campaign_name"] == expected


# customFields (LE-32 to LE-43, LE-A3, LE-A6)


def test_all_65_fields_then_email_then_the_accounts_own() -> None:
    found = fields(email="o@example.com", custom_fields={"budget": 1.0, "area": None})
    keys = [key for key, _ in found]
    assert len(set(leadengine.FIELDS)) == len(leadengine.FIELDS) == 65
    assert keys == [*leadengine.FIELDS, "email", "budget", "area"]
    assert (keys[0], keys[1], keys[11], keys[64]) == ("about", "business_email", "personal_email", "website_summary")
    assert [pair for pair in found if pair[1] is not None] == [
        ("lead_status", "Needs Info"),
        ("email", "o@example.com"),
        ("budget", 1),
    ]


@pytest.mark.parametrize(("theirs", "ours"), leadengine.NAMES.items())
def test_a_field_of_another_name_here_is_found(theirs: str, ours: str) -> None:
    assert dict(fields(**{ours: "x"}))[theirs] == "x"
    assert dict(fields(**{theirs: "x"}))[theirs] is None


def test_lists_and_campaigns_are_names() -> None:
    found = dict(fields(lists=[{"id": 2, "name": "Sellers"}], campaigns=[{"id": 3, "name": "Spring"}], tags=["vip"]))
    assert (found["lists"], found["campaigns"], found["tags"]) == (["Sellers"], ["Spring"], ["vip"])


EMPTY_AND_NOT = {"about": "", "tags": [], "city": None, "number_of_emails": 0, "custom_fields": {"a": False, "b": ""}}


def test_what_is_empty_is_null_and_nought_is_not_empty() -> None:
    found = dict(fields(**EMPTY_AND_NOT))
    assert [found[key] for key in ("about", "tags", "city", "number_of_emails", "a", "b")] == [
        None,
        None,
        None,
        0,
        False,
        None,
    ]


def test_what_is_empty_can_be_left_out() -> None:
    assert fields({"omit_empty": True}, **EMPTY_AND_NOT) == [
        ("lead_status", "Needs Info"),
        ("number_of_emails", 0),
        ("a", False),
    ]
    assert leadengine.OMIT_EMPTY.default is False


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (1.5, "1.5"), (2.0**53, "9007199254740992"), (1e300, "1e+300")]
)
def test_a_whole_number_has_no_fraction(value: float, text: str) -> None:
    body = leadengine.render(event(custom_fields={"size": value}), leadengine.TRIGGER, {})
    assert f'{{"value":{text},"key":"size"}}'.encode() in body


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):
        leadengine.render(event(custom_fields={"size": value}), leadengine.TRIGGER, {})


# messages (LE-44 to LE-57, LE-A8, LE-A10)


def test_a_thread_keeps_its_order() -> None:
    dates = ["2025-05-06T08:58:10Z", "2025-05-06T08:59:17Z", "2025-05-06T08:59:17Z", "2025-05-07T00:00:00Z"]
    document = rendered(messages=[message(date=date, subject=str(place)) for place, date in enumerate(dates)])
    assert [(one["subject"], one["date"]) for one in document["messages"]] == [
        (str(place), date) for place, date in enumerate(dates)
    ]


def test_a_generated_message_has_the_12_keys_of_the_sample() -> None:
    generated = message(angle="Autogrow", framework="PAS", test="a", tone="Informal", campaign_step=0, word_limit=225)
    (found,) = rendered(messages=[generated])["messages"]
    assert list(found) == list(json.loads(leadengine.sample({}))["messages"][0])
    assert found == {key: generated[key] for key in found}


def test_of_the_generation_only_what_is_set() -> None:
    (found,) = rendered(messages=[message(tone="Brief", angle="")])["messages"]
    assert list(found) == ["body", "tone", "from", "type", "subject", "to", "date"]


def test_an_inbound_message_says_nothing_of_it() -> None:
    (found,) = rendered(messages=[message(type="inbound", tone="Brief", campaign_step=1)])["messages"]
    assert list(found) == ["body", "from", "type", "subject", "to", "date"]


# Secret and signature (LE-173, LE-A18)


def test_without_a_secret_there_is_no_header() -> None:
    assert leadengine.sign(BODY, [], {}, True) == ()


def test_the_secret_itself_goes_by_https_alone() -> None:
    assert signed()["X-LeadEngine-Secret"] == SECRET
    assert list(signed(https=False)) == ["X-LeadEngine-Signature"]
    assert "X-LeadEngine-Secret" in leadengine.DIALECT.secret_headers


def test_openssl_signs_the_same() -> None:
    told = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-hex"], input=BODY, capture_output=True, check=True
    ).stdout.decode()
    assert signed()["X-LeadEngine-Signature"] == f"sha256={told.split()[-1]}"


def test_the_current_secret_signs_and_either_verifies() -> None:
    headers = signed(BODY, SECRET, NEXT)
    assert headers["X-LeadEngine-Secret"] == SECRET
    assert check(headers) == Proof.VERIFIED
    assert check(headers, secrets=(NEXT,)) == Proof.WRONG
    assert check(headers, secrets=(NEXT, SECRET)) == Proof.VERIFIED


@pytest.mark.parametrize("https", [True, False])
def test_a_genuine_signature_vouches_for_the_body(https: bool) -> None:
    headers = {name.lower(): value for name, value in signed(https=https).items()}
    verified = leadengine.verify(BODY, headers, [SECRET])
    assert (verified.outcome, verified.payload, verified.payload_is_body) == (Proof.VERIFIED, BODY, True)


def test_both_have_to_be_right_where_both_are_there() -> None:
    assert check({**signed(), "X-LeadEngine-Secret": NEXT}) == Proof.WRONG
    assert check({**signed(), "X-LeadEngine-Signature": signed(BODY, NEXT)["X-LeadEngine-Signature"]}) == Proof.WRONG
    assert check(signed(), BODY + b" ") == Proof.WRONG


def test_the_secret_alone_vouches_for_no_body() -> None:
    verified = leadengine.verify(BODY, {"X-LeadEngine-Secret": SECRET}, [SECRET])
    assert (verified.outcome, verified.payload) == (Proof.UNSIGNED, b"")
    assert check({"X-LeadEngine-Secret": NEXT}) == Proof.WRONG


def test_nothing_is_unsigned_and_nothing_to_check_with_is_wrong() -> None:
    assert check({}) == Proof.UNSIGNED
    assert check({"X-LeadEngine-Signature": ""}) == Proof.UNSIGNED
    assert check(signed(), secrets=()) == Proof.WRONG


@given(some.text(), some.text(), some.binary())
def test_what_a_stranger_sent_never_raises(signature: str, secret: str, body: bytes) -> None:
    headers = {"x-leadengine-signature": signature, "x-leadengine-secret": secret}
    assert check(headers, body) in (Proof.WRONG, Proof.UNSIGNED)


# The answer (LE-175, LE-176, LE-180 to LE-182, LE-A1)


def judged(answer: Response | Failure) -> Verdict:
    return leadengine.judge(answer, Request("POST", "https://hooks.example.com/in", (), BODY), NOW)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert judged(Response(status, "", (), b"")).success


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_transient_answers_are_tried_again_when_they_ask_for_it(status: int) -> None:
    verdict = judged(Response(status, "", (("Retry-After", "300"),), b""))
    assert (verdict.success, verdict.retry, verdict.retry_after) == (False, True, 300)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 408, 410, 422])
def test_every_other_answer_is_final(status: int) -> None:
    verdict = judged(Response(status, "", (("Retry-After", "300"),), b""))
    assert (verdict.success, verdict.retry) == (False, False)
    assert verdict.reason.startswith(str(status))


@pytest.mark.parametrize("kind", [FailureKind.TIMEOUT, FailureKind.REFUSED, FailureKind.RESET, FailureKind.DNS])
def test_failures_of_the_network_are_tried_again(kind: FailureKind) -> None:
    verdict = judged(Failure(kind, f"{kind.words}. "))
    assert (verdict.success, verdict.retry) == (False, True)


def test_five_retries_that_double_within_ninety_minutes() -> None:
    retry = leadengine.DIALECT.retry
    assert (retry.tries, leadengine.DIALECT.deadline) == (6, 15)
    assert retry.waits == (174, 348, 696, 1392, 2784)
    assert 89 < sum(retry.waits) / 60 < 90


# Secrets, sample, summary


def test_new_secrets_are_43_url_safe_characters() -> None:
    made = {leadengine.DIALECT.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_the_sample_is_the_published_example_with_its_slips() -> None:
    document = json.loads(leadengine.sample({}))
    assert [entry["key"] for entry in document["customFields"]][3:5] == ["email", "business_email"]
    assert document["messages"][0]["to"] == {"name": "Elon Musk", "address": "user@leadengine.ai"}
    assert list(document["messages"][2]) == ["body", "to", "date"]


@pytest.mark.parametrize(
    ("document", "event", "label"),
    [
        ({"new_lead_status": "Needs Info", "lead_name": "Olivia"}, "lead_status_updated", "Olivia"),
        (
            {"new_lead_status": None, "lead_name": None, "lead_email_address": "o@x.com"},
            "lead_status_updated",
            "o@x.com",
        ),
        ({"new_lead_status": 1, "lead_name": ["x"]}, "lead_status_updated", ""),
        ({"event": "lead.created", "lead_name": "Olivia"}, "", ""),
        ([], "", ""),
    ],
)
def test_a_body_in_two_phrases(document: object, event: str, label: str) -> None:
    found = leadengine.summary(json.dumps(document).encode())
    assert (found.event, found.label) == (event, label)


@pytest.mark.parametrize("body", [b"", b"\xff", b"null", b"[" * 100_000])
def test_a_strange_body_has_no_phrases(body: bytes) -> None:
    found = leadengine.summary(body)
    assert (found.event, found.label) == ("", "")
