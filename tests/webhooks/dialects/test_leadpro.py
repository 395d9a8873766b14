import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.dialects import DIALECTS, choices, leadpro
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, FailureKind, Request, Response
from webhooks.wire.verdict import Proof

SECRET = "kq3T7vXb0Zr9LwPf2NdYh5Ju8McAe1Gs6Ri4Qo-_BtE"
NEXT = "Zy8-Wn4_Ka1Ux6Dg9Hs2Lp5Vc7Eb0Tq3Mf8Rj1Io6Yk"
BODY = '{"event":"lead.updated","data":{"first_name":"Zoë"}}'.encode()
NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)


def event(type_: str = "lead.updated", changes: Mapping[str, Any] | None = None, **data: Any) -> Event:
    blank = dict.fromkeys(leadpro.KEYS)
    return Event(type_, NOW, "lead", 1, 1, {**blank, "id": 1, "type": "vendor", **data}, changes or {})


def authorization(body: bytes = BODY, *secrets: str, **settings: str) -> str:
    ((_, value),) = leadpro.sign(body, secrets or (SECRET,), settings, True)
    return value


def check(value: str, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> Proof:
    return leadpro.verify(body, {"authorization": value}, secrets).outcome


def test_it_is_registered() -> None:
    assert DIALECTS["leadpro"] is leadpro.DIALECT
    assert ("leadpro", "LeadPro") in choices()


# LP-A31


@pytest.mark.parametrize("type_", leadpro.EVENTS)
def test_a_typed_lead_is_heard(type_: str) -> None:
    assert leadpro.hears(event(type_, {"type": ["sale", "vendor"]})) == type_


@pytest.mark.parametrize("type_", leadpro.EVENTS)
def test_a_lead_without_type_is_not(type_: str) -> None:
    assert leadpro.hears(event(type_, type=None)) is None


def test_the_first_type_makes_an_update_a_creation() -> None:
    assert leadpro.hears(event(changes={"type": [None, "vendor"]})) == "lead.created"


@pytest.mark.parametrize("type_", ["lead.deleted", "lead.stage_changed", "user.updated"])
def test_other_events_are_not_heard(type_: str) -> None:
    assert leadpro.hears(event(type_, {"type": [None, "vendor"]})) is None


# The body


def test_the_44_keys_in_order_and_nothing_else() -> None:
    document = json.loads(leadpro.render(event(), "lead.updated", {}))
    assert list(document) == ["event", "data"]
    assert len(document["data"]) == 44
    assert list(document["data"])[19:21] == ["parentId", "createdAt"]
    assert [key for key, value in document["data"].items() if value is not None] == ["id", "type", "comparable_props"]
    assert document["data"]["comparable_props"] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10000.0, "10000"),
        (10000, "10000"),
        (0.0, "0"),
        (1850.5, "1850.5"),
        (99.99, "99.99"),
        (2.0**53, "9007199254740992"),
        (1e300, "1e+300"),
    ],
)
def test_a_whole_number_has_no_fraction(value: float, text: str) -> None:
    assert f'"average_sale_estimation":{text},'.encode() in leadpro.render(
        event(average_sale_estimation=value), "lead.updated", {}
    )


def test_whole_numbers_inside_too_and_booleans_stay() -> None:
    body = leadpro.render(
        event(comparable_props=[{"price": 1782500.0, "coords": {"x": -0.5}}], international=True), "lead.updated", {}
    )
    assert b'"comparable_props":[{"price":1782500,"coords":{"x":-0.5}}],"international":true' in body


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):
        leadpro.render(event(message=value), "lead.updated", {})


# The token


def test_the_token_is_a_jws_of_the_exact_bytes() -> None:
    prefix, token = authorization().split(" ")
    head, payload, signature = token.split(".")
    assert prefix == "Bearer"
    assert base64.urlsafe_b64decode(head) == b'{"alg":"HS256","typ":"JWT"}'
    assert base64.urlsafe_b64decode(payload + "==") == BODY
    digest = hmac.digest(SECRET.encode(), f"{head}.{payload}".encode(), hashlib.sha256)
    assert signature == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@given(body=some.binary(max_size=200), secret=some.text(min_size=32, max_size=60))
def test_the_token_is_that_of_pyjwt(body: bytes, secret: str) -> None:
    assert authorization(body, secret, prefix="") == jwt.api_jws.encode(body, secret.encode(), algorithm="HS256")


def test_a_public_key_is_no_secret() -> None:
    """Whoever knows it, and that is anybody, could write tokens that the receiver believes."""
    with pytest.raises(jwt.InvalidKeyError):
        leadpro.sign(BODY, ["-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"], {}, True)


def test_the_prefix_is_a_setting_and_may_be_empty() -> None:
    assert authorization(prefix="").count(".") == 2
    assert " " not in authorization(prefix="")
    assert leadpro.PREFIX.default == "Bearer"


def test_without_a_secret_there_is_no_header() -> None:
    assert leadpro.sign(BODY, [], {}, True) == ()


def test_the_current_secret_signs_and_either_verifies() -> None:
    value = authorization(BODY, SECRET, NEXT)
    assert check(value) == Proof.VERIFIED
    assert check(value, secrets=(NEXT,)) == Proof.WRONG
    assert check(value, secrets=(NEXT, SECRET)) == Proof.VERIFIED
    assert check(authorization(BODY, NEXT), secrets=(SECRET, NEXT)) == Proof.VERIFIED


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("prefix", ["Bearer", "bearer", ""])
def test_it_is_accepted_with_and_without_bearer(name: str, prefix: str) -> None:
    verified = leadpro.verify(BODY, {name: authorization(prefix=prefix)}, [SECRET])
    assert (verified.outcome, verified.payload, verified.payload_is_body) == (Proof.VERIFIED, BODY, True)


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"x-api-key": "1"}])
def test_no_token_is_unsigned(headers: dict[str, str]) -> None:
    assert leadpro.verify(BODY, headers, [SECRET]).outcome == Proof.UNSIGNED


def test_a_token_without_a_secret_to_check_it_is_wrong() -> None:
    assert check(authorization(), secrets=()) == Proof.WRONG


def test_claims_that_differ_from_the_body_are_what_is_proven() -> None:
    verified = leadpro.verify(b'{"event":"lead.deleted"}', {"authorization": authorization()}, [SECRET])
    assert (verified.outcome, verified.payload, verified.payload_is_body) == (Proof.VERIFIED, BODY, False)
    assert "differs" in verified.detail


def test_an_iat_and_other_spelling_are_no_difference() -> None:
    token = jwt.encode({**json.loads(BODY), "iat": 1763716445}, SECRET, algorithm="HS256")
    verified = leadpro.verify(BODY, {"authorization": f"Bearer {token}"}, [SECRET])
    assert (verified.outcome, verified.payload_is_body) == (Proof.VERIFIED, True)


def test_only_hs256_is_believed() -> None:
    claims = json.loads(BODY)
    assert check(jwt.encode(claims, None, algorithm="none")) == Proof.WRONG
    assert check(jwt.encode(claims, SECRET * 2, algorithm="HS512"), secrets=(SECRET * 2,)) == Proof.WRONG
    head, payload, signature = authorization(prefix="").split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    assert check(f"{unsigned}.{payload}.") == Proof.WRONG
    assert check(f"{unsigned}.{payload}.{signature}") == Proof.WRONG
    assert check(f"{head}.{payload}.") == Proof.WRONG
    assert check(f"{head}.{payload}.{signature[:-2]}AA") == Proof.WRONG


@pytest.mark.parametrize(
    "value", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer a b", ".", "..", "a.b.c", "Bearer \ud800.é.\0"]
)
def test_garbage_is_wrong(value: str) -> None:
    assert check(value) == Proof.WRONG


@given(some.text() | some.lists(some.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())).map(".".join))
def test_what_a_stranger_sent_never_raises(value: str) -> None:
    assert check(value) in (Proof.WRONG, Proof.UNSIGNED)


def test_a_deeply_nested_header_never_raises() -> None:
    deep = base64.urlsafe_b64encode(b'{"a":' * 100_000).rstrip(b"=").decode()
    assert check(f"{deep}.{deep}.{deep}") == Proof.WRONG


# The answer


def judged(status: int, token: str) -> str:
    request = Request("POST", "https://hooks.example.com/in", (("Authorization", token),), BODY)
    return leadpro.judge(Response(status, "", (), b""), request, NOW).reason


@pytest.mark.parametrize("status", [400, 431])
def test_a_refusal_of_a_large_token_is_explained(status: int) -> None:
    assert "may exceed the receiver's header limit" in judged(status, "Bearer " + "x" * 9000)
    assert "may exceed" not in judged(status, "Bearer x")


def test_other_answers_are_not() -> None:
    assert judged(500, "x" * 9000) == "500 Internal Server Error"
    assert judged(204, "x" * 9000) == ""


def test_a_failure_is_tried_again() -> None:
    request = Request("POST", "https://hooks.example.com/in", (), BODY)
    verdict = leadpro.judge(Failure(FailureKind.RESET, "connection closed. "), request, NOW)
    assert (verdict.success, verdict.retry) == (False, True)


def test_three_tries_and_fifteen_seconds() -> None:
    assert (leadpro.DIALECT.retry.waits, leadpro.DIALECT.retry.tries, leadpro.DIALECT.deadline) == ((60, 300), 3, 15)


# Secrets, sample, summary


def test_new_secrets_are_43_url_safe_characters() -> None:
    made = {leadpro.DIALECT.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == 43 and secret.replace("-", "").replace("_", "").isalnum() for secret in made)


def test_the_sample_is_the_published_example_as_strict_json() -> None:
    data = json.loads(leadpro.sample({}))["data"]
    assert len(data) == 44
    assert (data["phone"], data["meta"]) == ("07123456789", {"virtual tour": "true"})
    assert (data["advert_url"], data["advert_image"]) == (
        "https://www.site.com/result",
        "https://via.placeholder.com/150",
    )
    assert sum(value is not None for value in data.values()) == 18


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ({"full_name": "Olivia Hartley", "email": "o@example.com"}, "Olivia Hartley"),
        ({"first_name": "Olivia", "last_name": None}, "Olivia"),
        ({"email": "o@example.com", "phone": "07123456789"}, "o@example.com"),
        ({"phone": "07123456789"}, "07123456789"),
        ({"id": 7}, "Lead 7"),
        ({"full_name": ["x"], "id": "7"}, ""),
        ([], ""),
    ],
)
def test_a_body_in_two_phrases(data: object, label: str) -> None:
    found = leadpro.summary(json.dumps({"event": "lead.created", "data": data}).encode())
    assert (found.event, found.label) == ("lead.created", label)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"event":1}', b'{"data":{"id":true}}']
)
def test_a_strange_body_has_no_phrases(body: bytes) -> None:
    found = leadpro.summary(body)
    assert found.event == ""
