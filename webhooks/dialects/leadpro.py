"""LeadPro: {"event", "data"} with 44 lead fields, and a JWT of the same bytes in Authorization.

Source: LeadPro's article "Using Webhooks" (migrated from the LeadPro Guides on 27 May 2026), read 2026-11-21. Where it
is silent or contradicts itself, the readings LP-A1 to LP-A37 of tests/conformance decide.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import jwt
from jwt import algorithms, api_jws

from webhooks.wire import document, verdict
from webhooks.wire.dialect import Dialect, Setting
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Headers, Request, Response
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import new_secret
from webhooks.wire.summary import Summary, person
from webhooks.wire.verdict import Proof, Verdict, Verified

EVENTS = ("lead.created", "lead.updated")

KEYS = (
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
    "parent_id",
    "created_at",
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
)
"""Our names, in the order of LeadPro's table. Its second office_id and office_name rows are the first ones (LP-A4)."""

NAMES = {"parent_id": "parentId", "created_at": "createdAt"}
"""LeadPro's name, where it is not ours (LP-A15)."""

TOKEN_LIMIT = 8 * 1024
"""Bytes of one header line that common servers accept at most."""


def hears(event: Event) -> str | None:
    """A lead without a type is none of LeadPro's; the save that first gives it one is its creation there (LP-A31)."""
    if event.type not in EVENTS or event.data.get("type") is None:
        return None
    if event.type == "lead.updated" and "type" in event.changes and event.changes["type"][0] is None:
        return "lead.created"
    return event.type


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """All 44 keys, null when unset (LP-A16); an unset list of comparables is [] (LP-A20).

    Raises ValueError for what JSON or UTF-8 cannot say (NaN, a lone surrogate).
    """
    return _body(heard_as, event.data, comparables=[])


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """Authorization with a JWT whose payload is the body's very bytes; nothing when there is no secret (LP-A25).

    One header holds one token, so the next secret waits until it becomes the current one (LP-A35). Raises PyJWT's
    InvalidKeyError for a secret that is none, such as a public key.
    """
    if not secrets:
        return ()
    token = _token(body, _key(secrets[0]))
    prefix = settings.get("prefix", PREFIX.default)
    return (("Authorization", f"{prefix} {token}" if prefix else token),)


def verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Verified:
    """Check the token as a receiver would, with or without "Bearer" before it (LP-A22).

    The claims are what is proven, so they are what a receiver should read; that they differ from the body is said, not
    punished.
    """
    header = next((value for name, value in headers.items() if name.lower() == "authorization"), None)
    if header is None or not header.strip():
        return Verified(Proof.UNSIGNED, "There is no Authorization header.")
    if not secrets:
        return Verified(Proof.WRONG, "There is a token, but no secret to check it with.")
    words = header.split()
    if len(words) > 2 or (len(words) == 2 and words[0].lower() != "bearer"):
        return Verified(Proof.WRONG, "Authorization holds neither a token nor Bearer and a token.")
    claims = None
    for secret in secrets:
        try:
            claims = api_jws.decode(words[-1], secret.encode(), algorithms=["HS256"])
        except (jwt.PyJWTError, ValueError, RecursionError):
            continue
    if not isinstance(claims, bytes):
        return Verified(Proof.WRONG, "The token in Authorization was not signed with this webhook's secret by HS256.")
    if _same(claims, body):
        return Verified(
            Proof.VERIFIED, "The token in Authorization is genuine and its claims are the body.", claims, True
        )
    return Verified(
        Proof.VERIFIED, "The token in Authorization is genuine, but the body differs from its claims.", claims, False
    )


def judge(answer: Response | Failure, request: Request, now: datetime) -> Verdict:
    """Any 2xx is success (LP-A26); a refusal that the token's size explains is explained (LP-A36)."""
    result = verdict.judge(answer, request, now)
    refused = isinstance(answer, Response) and answer.status in (400, 431)
    if refused and len(request.header("authorization") or "") > TOKEN_LIMIT:
        return replace(result, reason=f"{result.reason}. The token may exceed the receiver's header limit.")
    return result


def sample(settings: Mapping[str, Any]) -> bytes:
    """LeadPro's own example as strict JSON (LP-113, LP-A10), its two swapped URLs as the table has them (LP-A11)."""
    return _body("lead.updated", _SAMPLE)


def summary(body: bytes) -> Summary:
    received = document.read(body)
    event = received.get("event")
    return Summary(event if isinstance(event, str) else "", person(received.get("data")))


def _body(event: str, lead: Mapping[str, Any], comparables: list[Any] | None = None) -> bytes:
    """All 44 keys; whole numbers have no fraction (LP-130). `comparables` stands where the lead has none."""
    data = dict(zip(_names(KEYS), map(lead.get, KEYS), strict=True))
    if data.get("comparable_props", comparables) is None:
        data["comparable_props"] = comparables
    return document.write({"event": event, "data": document.plain(data)})


@lru_cache(maxsize=4)
def _names(keys: Sequence[str]) -> Sequence[str]:
    """What LeadPro calls them."""
    return tuple(NAMES.get(key, key) for key in keys)


def _token(claims: bytes, key: bytes) -> str:
    """A JWT by HS256 over these very bytes (RFC 7515, 7.1).

    PyJWT's encode gives the same and takes three times as long, most of it to judge the key at every call; it would
    write claims that it is given as a dict with escapes, so that they were not the body.
    """
    signed = HEADER + _base64url(claims)
    return f"{signed.decode()}.{_base64url(hmac.digest(key, signed, hashlib.sha256)).decode()}"


@lru_cache(maxsize=64)
def _key(secret: str) -> bytes:
    """The bytes that sign, after PyJWT's judgement of them."""
    return _HS256.prepare_key(secret.encode())


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


_HS256 = algorithms.HMACAlgorithm(algorithms.HMACAlgorithm.SHA256)

HEADER = _base64url(b'{"alg":"HS256","typ":"JWT"}') + b"."
"""A token's first part, with the dot after it."""


def _same(claims: bytes, body: bytes) -> bool:
    """Equal bytes, or equal JSON beside the `iat` that a token may carry (LP-A24)."""
    if claims == body:
        return True
    try:
        said, sent = json.loads(claims), json.loads(body)
        if isinstance(said, dict):
            said.pop("iat", None)
        return bool(said == sent)
    except (ValueError, RecursionError):
        return False


_SAMPLE: Mapping[str, Any] = {
    "id": 1,
    "title": "Sir",
    "first_name": "Richard",
    "last_name": "Branson",
    "full_name": "Sir Ricard Branson",
    "email": "rbranson@virgin.com",
    "type": "vendor",
    "source": "homepage",
    "phone": "07123456789",
    "address": "51 Asimov Place, Starbridge",
    "postcode": "N1 3JY",
    "advert_address": "51 Asimov Place, Starbridge",
    "advert_postcode": "N1 3JY",
    "advert_url": "https://www.site.com/result",
    "advert_image": "https://via.placeholder.com/150",
    "appointment_availability": {"hours": ["2021-01-01T08:00:00.000Z", "2021-01-01T09:00:00.000Z"]},
    "message": "When can we view?",
    "meta": {"virtual tour": "true"},
}

PREFIX = Setting(
    name="prefix",
    label="Authorization prefix",
    help=(
        "What stands before the token. The token carries the whole lead, up to 80 kB; receivers often stop at 8 kB for "
        "one header."
    ),
    default="Bearer",
    choices=(("Bearer", "Bearer <token>"), ("", "<token> alone")),
)

DIALECT = Dialect(
    name="leadpro",
    label="LeadPro",
    description="All 44 lead fields as JSON, signed with a JWT in the Authorization header.",
    events=EVENTS,
    hears=hears,
    render=render,
    sign=sign,
    verify=verify,
    judge=judge,
    retry=RetryPolicy(waits=(60.0, 300.0)),
    deadline=15.0,
    new_secret=new_secret,
    sample=sample,
    summary=summary,
    settings=(PREFIX,),
    one_endpoint=True,  # LP-A27
)
