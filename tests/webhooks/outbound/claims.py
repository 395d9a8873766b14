"""Claims by hand, as the conductor makes them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from webhooks.models import Delivery, Health, Status
from webhooks.outbound import claim
from webhooks.outbound.parcel import Claimed
from webhooks.outbound.shares import share_out
from webhooks.outbound.turns import look


def claimed(limit: int = 100) -> list[Claimed]:
    """Whatever is due, whoever it is for."""
    return claim.claim(share_out(look(), lambda turn: limit, limit))


def hurry() -> None:
    """No try waits any longer, for its time or for its receiver."""
    Delivery.objects.filter(status=Status.QUEUED).update(due_at=timezone.now() - timedelta(seconds=1))
    Health.objects.update(closed_until=None)
