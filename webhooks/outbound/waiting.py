"""What people do with deliveries that wait: call them off, or have them tried at once.

Only what waits is touched. A request that is on its way ends as it ends.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now

from webhooks import queue
from webhooks.models import UNSENT, Delivery, Status, Webhook
from webhooks.outbound import health, together

# Of those that are sent together, the first can be called off while it is in one of these.
_CALLED_OFF = (Status.QUEUED, Status.HELD)


def cancel(deliveries: QuerySet[Delivery]) -> int:
    """Call off those of them that are queued, grouped or held; returns how many. They can be replayed.

    One that was gathered is called off with all that would be sent with it.
    """
    cancelled = {"status": Status.CANCELLED, "finished_at": Now()}
    with transaction.atomic():
        _lock_webhooks(deliveries)
        alone = deliveries.filter(status__in=UNSENT, sent_with=None).update(**cancelled)
        chosen = deliveries.filter(sent_with__isnull=False).order_by().values("sent_with")
        firsts = Delivery.objects.filter(pk__in=chosen, status__in=_CALLED_OFF)
        ids = list(firsts.select_for_update().values_list("pk", flat=True))
        return alone + Delivery.objects.filter(pk__in=ids).update(**cancelled) + together.follow(ids)


def would_cancel(deliveries: QuerySet[Delivery]) -> tuple[int, int]:
    """What `cancel` would return now, and how many of these are not among the deliveries themselves."""
    alone = deliveries.filter(status__in=UNSENT, sent_with=None).count()
    chosen = deliveries.filter(sent_with__status__in=_CALLED_OFF).order_by()
    bound = Delivery.objects.filter(sent_with__in=chosen.values("sent_with")).count()
    return alone + bound, bound - chosen.count()


def cancellable(delivery: Delivery) -> bool:
    """Does it wait, and what it would be sent with?"""
    return delivery.status in UNSENT and Delivery.objects.filter(pk=delivery.post_id, status__in=UNSENT).exists()


def tryable(delivery: Delivery) -> bool:
    return Delivery.objects.filter(pk=delivery.post_id, status=Status.QUEUED).exists()


def others(delivery: Delivery) -> int:
    """How many others are, or were, sent in the same body."""
    first = delivery.replay_of_id or delivery.sent_with_id
    return max(Delivery.objects.filter(sent_with=first).count() - 1, 0) if first is not None else 0


def try_now(deliveries: QuerySet[Delivery]) -> int:
    """Make those of them that are queued due; returns how many. What is held stays held.

    A receiver that is being left alone after failures is asked once more at once.
    """
    chosen = deliveries.order_by().annotate(tried=Coalesce("sent_with_id", "pk")).values("tried")
    queued = Delivery.objects.filter(pk__in=chosen, status=Status.QUEUED)
    with transaction.atomic():
        _lock_webhooks(deliveries)
        health.ask_again(queued.filter(webhook__isnull=False).values_list("webhook", flat=True).distinct())
        hurried = queued.update(due_at=Now())
        if hurried:
            queue.nudge()
    return hurried


def _lock_webhooks(deliveries: QuerySet[Delivery]) -> None:
    """Before their deliveries, as whoever switches or settles does: rows are updated in any order, and two that do so
    would wait for each other in a circle. Saves are not held up."""
    webhooks = Webhook.objects.filter(pk__in=deliveries.order_by().values("webhook")).order_by("pk")
    list(webhooks.select_for_update(no_key=True).values_list("pk"))
