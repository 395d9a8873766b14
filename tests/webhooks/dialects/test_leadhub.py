import http.client
import json
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.dialects import DIALECTS, choices, leadhub
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, FailureKind, Request, Response
from webhooks.wire.verdict import Proof

SECRET = "kq3T7vXb0Zr9LwPf2NdYh5Ju8McAe1Gs6Ri4Qo-_BtE"
NEXT = "Zy8-Wn4_Ka1Ux6Dg9Hs2Lp5Vc7Eb0Tq3Mf8Rj1Io6Yk"
BODY = '{"event":"lead.updated","lead":{"first_name":"Zoë"}}'.encode()
NOW = datetime(2026, 11, 21, 9, 14, 5, 999_999, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "golden" / "leadhub"


def event(type_: str = "lead.updated", changes: Mapping[str, Any] | None = None, **data: Any) -> Event:
    lead = {"id": 7, "created_at": "2026-11-21T09:00:00.987Z", "status": "UNREAD", "score": 0, "tags": [], **data}
    form = {"id": 4, "name": "Contact us", "fields": {"Message": "Hello"}, "slug": "contact"}
    return Event(type_, NOW, "lead", 7, 1, lead, changes or {}, context={"form": form})


def rendered(type_: str = "lead.updated", changes: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(leadhub.render(event(type_, changes, **data), type_, {}))
    return document


def signature(body: bytes = BODY, *secrets: str) -> str:
    ((name, value),) = leadhub.sign(body, secrets or (SECRET,), {}, True)
    assert name == "X-LeadHub-Signature"
    return value


def check(value: str, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> Proof:
    return leadhub.verify(body, {"x-leadhub-signature": value}, secrets).outcome


def test_it_is_registered() -> None:
    assert DIALECTS["leadhub"] is leadhub.DIALECT
    assert ("leadhub", "LeadHub") in choices()
    assert leadhub.DIALECT.secret == "optional"


# What is heard (LH-12 to LH-17, LH-A6)


@pytest.mark.parametrize("type_", leadhub.EVENTS)
def test_six_events_are_heard_by_their_own_names(type_: str) -> None:
    assert len(leadhub.EVENTS) == 6
    assert leadhub.hears(event(type_, owner_id=3)) == type_


@pytest.mark.parametrize("type_", ["lead.status_changed", "lead.score_changed", "lead.field_changed", "user.updated"])
def test_no_other_is(type_: str) -> None:
    assert leadhub.hears(event(type_, owner_id=3)) is None


def test_a_cleared_owner_is_not_told() -> None:
    assert leadhub.hears(event("lead.assigned", {"owner": ["dana@example.com", None]}, owner_id=None)) is None
    assert leadhub.hears(event("lead.updated", {"owner": ["dana@example.com", None]}, owner_id=None)) == "lead.updated"


# The body


def test_the_13_keys_in_order_and_nothing_else() -> None:
    document = rendered(notes="secret", custom_fields={"budget": 1}, messages=[{"body": "Hello"}])
    assert list(document) == ["event", "occurred_at", "lead"]
    assert list(document["lead"]) == list(json.loads(leadhub.sample({}))["lead"])
    assert len(document["lead"]) == 13
    assert [key for key, value in document["lead"].items() if value not in (None, [], 0)] == [
        "id",
        "status",
        "created_at",
    ]


def test_times_are_whole_seconds_that_have_passed() -> None:
    document = rendered()
    assert (document["occurred_at"], document["lead"]["created_at"]) == ("2026-11-21T09:14:05Z", "2026-11-21T09:00:00Z")


@pytest.mark.parametrize(
    ("status", "outcome", "theirs"),
    [
        ("UNREAD", "open", "new"),
        ("IN_PROGRESS", "open", "contacted"),
        ("BUSINESS", "open", "qualified"),
        ("NO_BUSINESS", "open", "lost"),
        ("DUPLICATE", "open", "lost"),
        ("UNREAD", "win", "converted"),
        ("NO_BUSINESS", "win", "converted"),
        ("BUSINESS", "loss", "lost"),
        ("UNREAD", None, "new"),
        (None, None, "new"),
    ],
)
def test_the_status_comes_from_the_stage_and_then_from_ours(
    status: str | None, outcome: str | None, theirs: str
) -> None:
    assert rendered(status=status, stage_outcome=outcome)["lead"]["status"] == theirs


@pytest.mark.parametrize(
    ("type_", "changes", "key", "value"),
    [
        ("lead.stage_changed", {"stage_name": ["New", "Sold"]}, "previous_stage", "New"),
        ("lead.stage_changed", {"stage_name": [None, "New"]}, "previous_stage", None),
        ("lead.stage_changed", {"pipeline_stage_id": [4, 17]}, "previous_stage", "Sold"),
        ("lead.assigned", {"owner": ["p@example.com", "d@example.com"]}, "previous_assigned_to", "p@example.com"),
        ("lead.assigned", {}, "previous_assigned_to", None),
        ("lead.assigned", {"owner_id": [4, 5]}, "previous_assigned_to", "d@example.com"),
        ("form.submitted", {}, "form", {"id": 4, "name": "Contact us", "fields": {"Message": "Hello"}}),
    ],
    ids=["stage", "first-stage", "stage-of-that-name", "owner", "owner-at-birth", "owner-of-that-address", "form"],
)
def test_what_belongs_to_the_event_stands_beside_the_lead(
    type_: str, changes: Mapping[str, Any], key: str, value: object
) -> None:
    document = rendered(type_, changes, stage_name="Sold", owner_id=3, owner="d@example.com")
    assert list(document) == ["event", "occurred_at", "lead", key]
    assert document[key] == value
    assert len(document["lead"]) == 13


def test_an_event_from_before_these_fields_can_be_written() -> None:
    old = Event("lead.updated", NOW, "lead", 7, 1, {"id": 7, "status": "BUSINESS"})
    lead = json.loads(leadhub.render(old, "lead.updated", {}))["lead"]
    assert {key: value for key, value in lead.items() if value is not None} == {
        "id": 7,
        "status": "qualified",
        "lead_score": 0,
        "tags": [],
    }


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):
        leadhub.render(event(source=value), "lead.updated", {})


# The signature


def test_without_a_secret_there_is_no_header() -> None:
    assert leadhub.sign(BODY, [], {}, True) == ()


@pytest.mark.parametrize("secret", [SECRET, "a secret with spaces", "whsec_AAAA"])
def test_openssl_signs_the_same(secret: str) -> None:
    told = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret, "-hex"], input=BODY, capture_output=True, check=True
    ).stdout.decode()
    assert signature(BODY, secret) == f"sha256={told.split()[-1]}"


def test_the_current_secret_signs_and_either_verifies() -> None:
    value = signature(BODY, SECRET, NEXT)
    assert check(value) == Proof.VERIFIED
    assert check(value, secrets=(NEXT,)) == Proof.WRONG
    assert check(value, secrets=(NEXT, SECRET)) == Proof.VERIFIED


def test_a_genuine_signature_vouches_for_the_body() -> None:
    verified = leadhub.verify(BODY, {"X-LeadHub-Signature": signature()}, [SECRET])
    assert (verified.outcome, verified.payload, verified.payload_is_body) == (Proof.VERIFIED, BODY, True)


def test_another_body_or_another_value_is_wrong() -> None:
    value = signature()
    assert check(value, BODY + b" ") == Proof.WRONG
    assert check(value[:-1] + ("0" if value[-1] != "0" else "1")) == Proof.WRONG
    assert check(value.removeprefix("sha256=")) == Proof.WRONG
    assert check("sha256=") == Proof.WRONG


@pytest.mark.parametrize("headers", [{}, {"x-leadhub-signature": ""}, {"authorization": "Bearer x"}])
def test_no_signature_is_unsigned(headers: dict[str, str]) -> None:
    assert leadhub.verify(BODY, headers, [SECRET]).outcome == Proof.UNSIGNED


def test_a_signature_without_a_secret_to_check_it_is_wrong() -> None:
    assert check(signature(), secrets=()) == Proof.WRONG


@given(some.text(), some.binary())
def test_what_a_stranger_sent_never_raises(value: str, body: bytes) -> None:
    assert check(value, body) in (Proof.WRONG, Proof.UNSIGNED)


# The page's own recipe, run by PHP


@pytest.fixture(scope="module")
def php() -> Iterator[http.client.HTTPConnection]:
    """receiver.php behind PHP's own web server."""
    if not shutil.which("php"):
        warnings.warn("LEADHUB'S RECIPE WAS NOT RUN: there is no php here (apt-get install php-cli).", stacklevel=1)
        pytest.skip("no php")
    server = subprocess.Popen(
        ["php", "-S", "127.0.0.1:0", str(GOLDEN / "receiver.php")],
        env=os.environ | {"SECRET": SECRET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", server.stderr.readline())
        assert found, "PHP did not say where it listens"
        yield http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
    finally:
        server.kill()
        server.communicate()


def answered(php: http.client.HTTPConnection, body: bytes, *secrets: str) -> int:
    headers = {"Content-Type": "application/json", **dict(leadhub.sign(body, secrets, {}, True))}
    php.request("POST", "/", body, headers)
    answer = php.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("case", sorted(path.parent.name for path in GOLDEN.glob("*/event.json")))
def test_php_accepts_what_we_sign_and_no_other(php: http.client.HTTPConnection, case: str) -> None:
    fields = json.loads((GOLDEN / case / "event.json").read_bytes())
    fact = Event(**{**fields, "occurred_at": datetime.fromisoformat(fields["occurred_at"])})
    body = leadhub.render(fact, fact.type, {})
    assert answered(php, body, SECRET) == 200
    assert answered(php, body, SECRET, NEXT) == 200
    assert answered(php, body, NEXT) == 401


# The answer


@pytest.mark.parametrize("status", [301, 401, 404, 429, 500])
def test_anything_but_2xx_is_tried_again(status: int) -> None:
    request = Request("POST", "https://hooks.example.com/in", (), BODY)
    judged = leadhub.DIALECT.judge(Response(status, "", (), b""), request, NOW)
    assert (judged.success, judged.retry) == (False, True)
    failed = leadhub.DIALECT.judge(Failure(FailureKind.TIMEOUT, "timed out. "), request, NOW)
    assert (failed.success, failed.retry) == (False, True)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    request = Request("POST", "https://hooks.example.com/in", (), BODY)
    assert leadhub.DIALECT.judge(Response(status, "", (), b""), request, NOW).success


def test_three_retries_and_fifteen_seconds() -> None:
    retry = leadhub.DIALECT.retry
    assert (retry.waits, retry.tries, leadhub.DIALECT.deadline) == ((60, 120, 240), 4, 15)


# Secrets, sample, summary


def test_new_secrets_are_43_url_safe_characters() -> None:
    made = {leadhub.DIALECT.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_the_sample_is_in_two_phrases_too() -> None:
    found = leadhub.summary(leadhub.sample({}))
    assert (found.event, found.label) == ("lead.created", "Jane Smith")


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"[" * 100_000, b'{"event":1,"lead":[]}', b'{"lead":{"id":true}}']
)
def test_a_strange_body_has_no_phrases(body: bytes) -> None:
    found = leadhub.summary(body)
    assert (found.event, found.label) == ("", "")
