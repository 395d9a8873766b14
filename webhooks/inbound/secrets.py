"""The life of an inbound webhook's secret: made or typed, rotated with a grace. Admin and API turn it here.

A sender cannot change its secret in the moment in which we do: the earlier one is good until a chosen time, or until
somebody ends it. API keys have secrets of their own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from webhooks.dialects import standard
from webhooks.models import InboundWebhook, Verification
from webhooks.wire import signature

LONGEST_GRACE: Final = timedelta(days=7)
# Guessing is free to whoever holds one signed message: what is typed must be worth the name.
SHORTEST, LONGEST = 16, 255
# RFC 7518, 3.2: HS256 takes a key of 256 bits or more.
SHORTEST_OF_JWT: Final = 32


class WrongState(Exception):
    """The webhook is not in a state that allows this. The message is for people."""


def new(verification: str) -> str:
    """One of ours; "" for API keys."""
    match verification:
        case Verification.BEARER:
            return ""
        case Verification.STANDARD:
            return standard.new_secret()
    return signature.new_secret()


def fault(verification: str, typed: str) -> str | None:
    """What is wrong with a secret that somebody typed, as a clause that does not repeat it; None when it is fine."""
    if verification == Verification.BEARER:
        return "must be left out: an API key has its own"
    shortest = SHORTEST_OF_JWT if verification == Verification.JWT else SHORTEST
    if not shortest <= len(typed) <= LONGEST or not typed.isprintable() or typed != typed.strip():
        return f"must have {shortest} to {LONGEST} printable characters, and no blanks around them"
    if verification == Verification.STANDARD and not is_key(typed):
        return "must be base64 after whsec_, such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return None


def stored(inbound: InboundWebhook) -> str | None:
    """The one in use, "" where there is none; None where it cannot be decrypted any more."""
    try:
        return str(inbound.secret)
    except ValueError:
        return None


def grace(inbound: InboundWebhook, now: datetime) -> datetime | None:
    """Until when the earlier one is good; None where there is none that is."""
    until = inbound.old_secret_until
    return until if until is not None and now < until else None


def rotate(inbound_id: int, keep: timedelta, typed: str = "") -> str:
    """Store a secret, one of ours unless one was typed, and keep the earlier one good for so long (0 to 7 days).

    Returns it. During a grace it is refused: a third would push out one that is in use. Raises WrongState, ValueError
    with a clause, InboundWebhook.DoesNotExist.
    """
    if not timedelta(0) <= keep <= LONGEST_GRACE:
        raise ValueError(f"must be 0 to {LONGEST_GRACE.days} days")
    with transaction.atomic():
        inbound, now = _locked(inbound_id), timezone.now()
        if inbound.verification == Verification.BEARER:
            raise WrongState(f"{inbound.name} takes API keys, which have secrets of their own.")
        if grace(inbound, now) is not None:
            raise WrongState(f"The earlier secret of {inbound.name} is still good. End it first.")
        if typed and (wrong := fault(inbound.verification, typed)):
            raise ValueError(wrong)
        earlier = stored(inbound) or ""
        fresh = typed or new(inbound.verification)
        _store(inbound, fresh, earlier if keep else "", now + keep if earlier and keep else None)
    return fresh


def end_grace(inbound_id: int) -> None:
    """The earlier secret is good no more. WrongState, InboundWebhook.DoesNotExist."""
    with transaction.atomic():
        inbound = _locked(inbound_id)
        if grace(inbound, timezone.now()) is None:
            raise WrongState(f"{inbound.name} has no earlier secret that is still good.")
        InboundWebhook.objects.filter(pk=inbound.pk).update(old_secret="", old_secret_until=None)


def _store(inbound: InboundWebhook, fresh: str, earlier: str, until: datetime | None) -> None:
    inbound.secret, inbound.old_secret, inbound.old_secret_until = fresh, earlier, until
    inbound.save(update_fields=["secret", "old_secret", "old_secret_until"])


def _locked(inbound_id: int) -> InboundWebhook:
    return InboundWebhook.objects.select_for_update(of=("self",), no_key=True).get(pk=inbound_id)


def is_key(typed: str) -> bool:
    try:
        return bool(signature.key(typed))
    except ValueError:
        return False
