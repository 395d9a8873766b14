"""What people do with deliveries that wait: call them off, or have them tried at once.

Only what waits is touched. A request that is on its way ends as it ends.
"""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Now

from webhooks import queue
from webhooks.models import UNSENT, Delivery, Status
from webhooks.outbound import health


def cancel(deliveries: QuerySet[Delivery]) -> int:
    """Call off those of them that are queued or held; returns how many. They can be replayed."""
    return deliveries.filter(status__in=UNSENT).update(status=Status.CANCELLED, finished_at=Now())


def try_now(deliveries: QuerySet[Delivery]) -> int:
    """Make those of them that are queued due; returns how many. What is held stays held.

    A receiver that is being left alone after failures is asked once more at once.
    """
    queued = deliveries.filter(status=Status.QUEUED)
    health.ask_again(queued.filter(webhook__isnull=False).values_list("webhook", flat=True).distinct())
    hurried = queued.update(due_at=Now())
    if hurried:
        queue.nudge()
    return hurried
