"""The webhook-signature header, which every dialect carries beside its own signature.

Source: the Standard Webhooks specification 1.0 (github.com/standard-webhooks/standard-webhooks), read 2026-11-21.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


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


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body


def _digest(key_bytes: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key_bytes, content, hashlib.sha256)).decode()
