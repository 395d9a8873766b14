"""The life of a webhook's signing secret: made or typed, rotated, removed. Admin and API turn it here.

A format that carries one signature cannot show two (reading LP-A35): a rotation shows the next secret at once and goes
on signing with the current one until a chosen time, or until somebody switches. Which secrets are in force at a time is
for Webhook.secrets to say; nothing has to run when that time comes.

A secret that begins with whsec_ signs by the bytes that the rest is base64 of, any other by its own UTF-8 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from webhooks.models import Kind, Webhook
from webhooks.outbound import header
from webhooks.outbound.switch import WrongState, locked
from webhooks.wire import signature
from webhooks.wire.dialect import Dialect

LONGEST_OVERLAP = timedelta(days=7)
LONGEST_SECRET = 255

_SHORTEST_WITH_TAIL = 16

_FIELDS = ("secret", "secret_since", "next_secret", "next_secret_at")


@dataclass(frozen=True, slots=True)
class Keys:
    """A webhook's secrets as they stand at one time. `next` signs from `next_at` on, which lies ahead; empty: none.

    lost: what is stored cannot be decrypted any more, and counts as none.
    """

    current: str
    since: datetime | None
    next: str = ""
    next_at: datetime | None = None
    lost: bool = False


def keys(webhook: Webhook, now: datetime) -> Keys:
    """As stored, or, once the overlap is over, with the next secret as the current one."""
    try:
        current, following = webhook.secret, webhook.next_secret
    except ValueError:
        return Keys("", None, lost=True)
    if following and webhook.next_secret_at is not None and now >= webhook.next_secret_at:
        return Keys(following, webhook.next_secret_at)
    return Keys(current, webhook.secret_since, following, webhook.next_secret_at)


def tail(secret: str) -> str:
    """The part of a secret that may be shown, by which people tell two apart; nothing of one that is short."""
    return f"…{secret[-4:]}" if len(secret) >= _SHORTEST_WITH_TAIL else "…"


def fault(dialect: Dialect, secret: str) -> str | None:
    """What is wrong with a secret that somebody typed, as a sentence that does not repeat it; None when it is fine."""
    if not secret.strip():
        return "A secret has at least one character."
    if len(secret) > LONGEST_SECRET or not secret.isprintable() or secret != secret.strip():
        return f"A secret has at most {LONGEST_SECRET} printable characters, and no blanks around them."
    try:
        key = signature.key(secret)
    except ValueError:
        key = b""
    if not key:
        return "After whsec_, a secret is base64, such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw."
    if dialect.secret_headers and header.value_fault("Secret", secret) is not None:
        return f"{dialect.label} gets the secret in a header: it may have printable ASCII only."
    return None


def generate(webhook_id: int, typed: str = "") -> str:
    """Give a webhook that has none its secret, one of ours unless one was typed, and return it.

    Raises WrongState, ValueError for a typed one that cannot be a secret, Webhook.DoesNotExist.
    """
    with transaction.atomic():
        webhook = locked(webhook_id)
        now = timezone.now()
        if keys(webhook, now).current:
            raise WrongState(f"{webhook.name} has a secret already. Rotate it instead.")
        return _store(webhook, Keys(_fresh(webhook, typed), now)).current


def rotate(webhook_id: int, overlap: timedelta, typed: str = "") -> str:
    """Store the next secret, one of ours unless one was typed, to sign after the overlap (0 to 7 days; 0: at once).

    Returns it. During an overlap it is refused: the receiver can know two secrets, and a third would push out one that
    is in use. Raises WrongState, ValueError for another overlap or a typed one that cannot be a secret,
    Webhook.DoesNotExist.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise ValueError("An overlap has 0 to 7 days.")
    with transaction.atomic():
        webhook = locked(webhook_id)
        now = timezone.now()
        held = keys(webhook, now)
        if not held.current:
            raise WrongState(f"{webhook.name} has no secret. Generate one instead.")
        if held.next:
            raise WrongState(f"{webhook.name} is being rotated already. Switch to its next secret first.")
        fresh = _fresh(webhook, typed)
        _store(webhook, Keys(held.current, held.since, fresh, now + overlap) if overlap else Keys(fresh, now))
        return fresh


def switch_now(webhook_id: int) -> None:
    """End the overlap: the next secret signs from now on, alone. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        webhook = locked(webhook_id)
        now = timezone.now()
        held = keys(webhook, now)
        if not held.next:
            raise WrongState(f"{webhook.name} has no next secret to switch to.")
        _store(webhook, Keys(held.next, now))


def remove(webhook_id: int) -> None:
    """Forget every secret: from now on nothing is signed (reading LP-A25). WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        webhook = locked(webhook_id)
        if not keys(webhook, timezone.now()).current:
            raise WrongState(f"{webhook.name} has no secret.")
        _store(webhook, Keys("", None))


def _fresh(webhook: Webhook, typed: str) -> str:
    if webhook.kind == Kind.LAPP:
        raise WrongState(f"{webhook.name} is a Lapp, which gets no signature and needs no secret.")
    if not typed:
        return webhook.wire.new_secret()
    if wrong := fault(webhook.wire, typed):
        raise ValueError(wrong)
    return typed


def _store(webhook: Webhook, held: Keys) -> Keys:
    webhook.secret, webhook.secret_since = held.current, held.since
    webhook.next_secret, webhook.next_secret_at = held.next, held.next_at
    webhook.save(update_fields=_FIELDS)
    return held
