"""What is sent together leaves when its minute is over: here at once."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from webhooks.models import Delivery
from webhooks.outbound import gather

MINUTE = timedelta(seconds=60)


def a_minute_passes() -> None:
    """For all that waits to be gathered; then the worker's clock finds it."""
    Delivery.objects.filter(status="grouped", sent_with=None).update(due_at=F("due_at") - MINUTE)
    for ids in gather.waiting():
        gather.gather(*ids)
