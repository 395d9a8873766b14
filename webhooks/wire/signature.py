"""Signatures that more than one dialect needs: webhook-signature, and the hex HMAC in a header of the system's own.

Source of webhook-signature, which every dialect carries: the Standard Webhooks specification 1.0
(github.com/standard-webhooks/standard-webhooks), read 2026-11-21.
"""

import base64
import binascii
import hashlib
import hmac
import secrets as randomness
from collections.abc import Mapping, Sequence

from webhooks.wire.verdict import Proof, Verified

PREFIX = "whsec_"


def new_secret() -> str:
    """43 URL-safe characters: a secret of every system that asks for no other form."""
    return randomness.token_urlsafe(32)


def key(secret: str) -> bytes:
    """The bytes that sign: a secret that begins with whsec_ is base64 after the prefix, any other its UTF-8 bytes.

    Raises ValueError when what follows whsec_ is not base64.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret[len(PREFIX) :], validate=True)
    except binascii.Error as error:
        raise ValueError("what follows whsec_ is not base64") from error


def sign_standard(message_id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> str:
    """The header's value: one "v1,<base64>" for each secret, with a space between them."""
    content = _content(message_id, str(timestamp), body)
    return " ".join(f"v1,{_digest(key(secret), content)}" for secret in secrets)


def verify_standard(message_id: str, timestamp: str, body: bytes, signatures: str, secrets: Sequence[str]) -> bool:
    """Whether any v1 signature of the header fits any of the secrets.

    Says nothing about the timestamp's age: how old is too old is for the receiver to decide. Never raises on what
    a stranger sent.
    """
    content = _content(message_id, timestamp, body)
    expected = [_digest(key(secret), content).encode() for secret in secrets]
    given = [part[3:].encode("utf-8", "replace") for part in signatures.split(" ") if part.startswith("v1,")]
    return any(hmac.compare_digest(one, other) for one in expected for other in given)


def standard_proof(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Verified:
    """What the webhook-* headers of a request prove; `verify` of a dialect without a signature of its own.

    Header names in any case. Never raises on what a stranger sent, and says nothing about the timestamp's age.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if not given.get("webhook-signature", "").strip():
        return Verified(Proof.UNSIGNED, "There is no webhook-signature header.")
    if not secrets:
        return Verified(Proof.WRONG, "There is a webhook-signature, but no secret to check it with.")
    missing = [name for name in ("webhook-id", "webhook-timestamp") if not given.get(name)]
    if missing:
        return Verified(Proof.WRONG, f"webhook-signature cannot be checked without {' and '.join(missing)}.")
    signed = given["webhook-id"], given["webhook-timestamp"], body, given["webhook-signature"]
    if verify_standard(*signed, secrets):
        return Verified(Proof.VERIFIED, "webhook-signature is genuine.", body, True)
    return Verified(Proof.WRONG, "webhook-signature does not fit id, timestamp, body and secret.")


def sign_hmac_sha256(body: bytes, secret: str) -> str:
    """ "sha256=" and the lower-case hex HMAC of the body, keyed by the UTF-8 bytes of the whole secret."""
    return f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"


def verify_hmac_sha256(body: bytes, value: str, secrets: Sequence[str]) -> bool:
    """Whether a header's value is that of any of the secrets, compared in constant time; hex digits in any case.

    Never raises on what a stranger sent.
    """
    given = value.strip().lower().encode("utf-8", "replace")
    return any(hmac.compare_digest(sign_hmac_sha256(body, secret).encode(), given) for secret in secrets)


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body


def _digest(key_bytes: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key_bytes, content, hashlib.sha256)).decode()
