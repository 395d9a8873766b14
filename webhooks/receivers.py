"""What the webhooks hear of the CRM: the one place where the two apps meet at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count
from django.db.models.signals import pre_delete

from leads.models import Office
from leads.signals import Fact, happened
from webhooks import queue
from webhooks.models import Webhook
from webhooks.outbound.capture import capture
from webhooks.outbound.outbox import fan_out


def connect() -> None:
    happened.connect(record, dispatch_uid="webhooks.receivers.record")
    pre_delete.connect(keep_last_office, sender=Office, dispatch_uid="webhooks.receivers.keep_last_office")


def record(sender: Any, facts: Sequence[Fact], **kwargs: Any) -> None:
    """Store the facts as events with their deliveries, in the transaction of the change, and nudge the queue."""
    if fan_out(capture(facts)):
        queue.nudge()


def keep_last_office(sender: Any, instance: Office, using: str, **kwargs: Any) -> None:
    """A webhook without offices hears the whole account: taking away its only one would tell it of all the others."""
    listening = Webhook.objects.using(using).annotate(chosen=Count("offices")).filter(chosen=1)
    names = listening.filter(pk__in=instance.webhooks.values("pk")).values_list("name", flat=True)
    if names:
        raise ValidationError(
            f"{instance} is the only office of {', '.join(names)}. Choose other offices for that webhook first.",
            code="in_use",
        )
