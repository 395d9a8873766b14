"""The first step: who posts. What proves it is the inbound webhook's own choice."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import jwt
from jwt import api_jws

from leads.bearer import bearer
from leads.models.apikey import Scope as KeyScope
from leads.scope import Scope
from webhooks.inbound.parcel import Sender
from webhooks.inbound.secrets import is_key
from webhooks.models import InboundWebhook, Verification
from webhooks.wire.signature import standard_proof
from webhooks.wire.verdict import Proof

log = logging.getLogger(__name__)

# Seconds that the clocks of two machines, and the way between them, may take.
TOLERANCE: Final = 300


class Unverified(Exception):
    """401: the message says what is missing or wrong, and never what would be right."""


class Missing(Exception):
    """404: there is nothing at this address for whoever asks."""


def sender(inbound: InboundWebhook | None, headers: Mapping[str, str], body: bytes, now: datetime) -> Sender:
    """Who posts to this webhook, None where there is none. Header names in lower case. Raises Unverified and Missing.

    What is said does not depend on whether the webhook exists, unless its own key or an API key within reach of it
    came: so nobody finds out which addresses there are.
    """
    if inbound is not None and inbound.verification != Verification.BEARER:
        try:
            return _by_secret(inbound, headers, body, now)
        except Unverified as refusal:
            if reaches(_by_key(headers), inbound):
                raise
            raise Missing from refusal
    found = _by_key(headers)
    if inbound is None or not reaches(found, inbound):
        raise Missing
    return found


def reaches(sender: Sender, inbound: InboundWebhook) -> bool:
    """Whether an API key may post here: its maker belongs to the webhook's account, and sees its office."""
    if sender.key is None:
        return True
    if sender.key.account_id != inbound.account_id or sender.scope.account_id != inbound.account_id:
        return False
    return sender.scope.office_ids is None or inbound.office_id in sender.scope.office_ids


def _by_key(headers: Mapping[str, str]) -> Sender:
    scheme, _, secret = headers.get("authorization", "").strip().partition(" ")
    if not scheme:
        raise Unverified(
            "Send an API key as Authorization: Bearer lck_..., or the signature that the page of the webhook names. "
            "If one was sent, it does not fit the body and the secret."
        )
    found = bearer(secret.strip(), KeyScope.INBOUND_WRITE) if scheme.lower() == "bearer" and secret.strip() else None
    if found is None:
        raise Unverified("This API key or token is unknown, wrong, revoked or expired.")
    if not found.may:
        raise Unverified("This API key may not post leads: it lacks the scope inbound:write, or its maker the right.")
    return Sender(f"API key {found.key.name}", found.scope, key=found.key)


def _by_secret(inbound: InboundWebhook, headers: Mapping[str, str], body: bytes, now: datetime) -> Sender:
    try:
        secrets = inbound.secrets(now)
    except ValueError:
        log.error("inbound: the secret of %s cannot be decrypted", inbound)
        secrets = []
    if not secrets:
        raise Unverified("This webhook has no secret that could be checked.")
    whole = Scope(inbound.account_id, None)
    match inbound.verification:
        case Verification.HMAC:
            _check_hmac(headers.get(inbound.signature_header.lower(), ""), inbound.signature_header, body, secrets)
            return Sender("HMAC signature", whole)
        case Verification.STANDARD:
            _check_standard(headers, body, secrets, now)
            return Sender("webhook-signature", whole)
    return Sender("JWT", whole, claims=_claims(headers.get("authorization", ""), secrets, now))


def _check_hmac(given: str, header: str, body: bytes, secrets: Sequence[str]) -> None:
    """HMAC-SHA256 in hex or base64, with or without "sha256=" before it."""
    if not given.strip():
        raise Unverified(f"There is no {header} header.")
    mac = _mac_of(given.strip().removeprefix("sha256="))
    if not any(hmac.compare_digest(hmac.digest(secret.encode(), body, hashlib.sha256), mac) for secret in secrets):
        raise Unverified(f"{header} does not fit the body and the secret.")


def _mac_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _check_standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> None:
    # One that was typed for another way to prove it may be none of this way.
    proof = standard_proof(body, headers, [secret for secret in secrets if is_key(secret)])
    if proof.outcome is not Proof.VERIFIED:
        raise Unverified(proof.detail)
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        raise Unverified("webhook-timestamp is no number of seconds since 1970.")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        raise Unverified(f"webhook-timestamp is more than {TOLERANCE} s away from our clock.")


def _claims(authorization: str, secrets: Sequence[str], now: datetime) -> bytes:
    """The claims of a token in Authorization, by HS256, with or without Bearer before it."""
    words = authorization.split()
    if not words:
        raise Unverified("There is no token in Authorization.")
    if len(words) > 2 or (len(words) == 2 and words[0].lower() != "bearer"):
        raise Unverified("Authorization holds neither a token nor Bearer and a token.")
    for secret in secrets:
        try:
            claims: Any = api_jws.decode(words[-1], secret.encode(), algorithms=["HS256"])
        except (jwt.PyJWTError, ValueError, RecursionError):
            continue
        _check_times(claims, now)
        return bytes(claims)
    raise Unverified("The token in Authorization was not signed with this webhook's secret by HS256.")


def _check_times(claims: bytes, now: datetime) -> None:
    """exp and nbf, where they are given. Claims that are no JSON object are refused later, with the reason."""
    try:
        read = json.loads(claims)
    except (ValueError, RecursionError):
        return
    given = {name: read[name] for name in ("exp", "nbf") if name in read} if isinstance(read, dict) else {}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            raise Unverified(f"{name} of the token in Authorization is no number of seconds since 1970.")
    seconds = now.timestamp()
    if "exp" in given and seconds > given["exp"] + TOLERANCE:
        raise Unverified("The token in Authorization has expired.")
    if "nbf" in given and seconds < given["nbf"] - TOLERANCE:
        raise Unverified("The token in Authorization is not good yet.")
