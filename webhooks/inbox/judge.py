"""What the signature of a received request proves, and what the request is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webhooks.models import Signature, Webhook
from webhooks.wire.signature import standard_proof, verify_standard
from webhooks.wire.verdict import Proof


@dataclass(frozen=True, slots=True)
class Judgement:
    signature: Signature
    detail: str
    event: str
    label: str
    welcome: bool
    """Whether a receiver that knows its sender would take it."""


def judge(webhook: Webhook, headers: Mapping[str, str], body: bytes, now: datetime) -> Judgement:
    """Check with the secrets in force; header names in lower case. Never raises on what a stranger sent.

    Event and label are read from what the signature vouches for, as the systems themselves advise, and from the body
    where it vouches for nothing.
    """
    try:
        secrets = webhook.secrets(now)
    except ValueError:
        return Judgement(
            Signature.WRONG, "The webhook's secret cannot be decrypted: nothing can be verified.", "", "", False
        )
    verified = webhook.wire.verify(body, headers, secrets)
    outcome, detail = verified.outcome, verified.detail
    # Where it is not what the system's own check has read already.
    given = None if webhook.wire.verify is standard_proof else headers.get("webhook-signature")
    if given is not None and secrets and outcome is not Proof.WRONG:
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if verify_standard(message_id, timestamp, body, given, secrets):
            detail += " webhook-signature fits as well."
        else:
            outcome, detail = Proof.WRONG, "webhook-signature does not fit id, timestamp, body and secret."
    summary = webhook.wire.summary(verified.payload or body)
    return Judgement(
        signature=Signature(outcome.value),
        detail=detail[:255],
        event=storable(summary.event)[:200],
        label=storable(summary.label)[:255],
        welcome=outcome is Proof.VERIFIED or (outcome is Proof.UNSIGNED and not secrets),
    )


def storable(text: str) -> str:
    """PostgreSQL stores neither NUL nor lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
