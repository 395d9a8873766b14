"""The life of a webhook's signing secret: made, rotated, removed. Admin and API turn it here.

A format that carries one signature cannot show two (reading LP-A35): a rotation shows the next secret at once and goes
on signing with the current one until a chosen time, or until somebody switches. Which secrets are in force at a time is
for Webhook.secrets to say; nothing has to run when that time comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from webhooks.models import Webhook
from webhooks.outbound.switch import WrongState, locked

LONGEST_OVERLAP = timedelta(days=7)

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
    """The part of a secret that may be shown, by which people tell two apart."""
    return f"…{secret[-4:]}"


def generate(webhook_id: int) -> str:
    """Make the secret of a webhook that has none, and return it. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        webhook = locked(webhook_id)
        now = timezone.now()
        if keys(webhook, now).current:
            raise WrongState(f"{webhook.name} has a secret already. Rotate it instead.")
        return _store(webhook, Keys(webhook.wire.new_secret(), now)).current


def rotate(webhook_id: int, overlap: timedelta) -> str:
    """Make the next secret, to sign after the overlap (0 to 7 days; 0: at once), and return it.

    During an overlap it is refused: the receiver can know two secrets, and a third would push out one that is in use.
    Raises WrongState, ValueError for another overlap, Webhook.DoesNotExist.
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
        fresh = webhook.wire.new_secret()
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


def _store(webhook: Webhook, held: Keys) -> Keys:
    webhook.secret, webhook.secret_since = held.current, held.since
    webhook.next_secret, webhook.next_secret_at = held.next, held.next_at
    webhook.save(update_fields=_FIELDS)
    return held
