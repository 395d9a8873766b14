"""Ask a webhook's URL by one HEAD request when it is saved, for systems that do so, and keep what it said.

It is there for people to read and changes nothing. It is wished for in the transaction that saves the webhook, and made
by a job, so that no save waits for a receiver; the job takes the row before it asks, so that one request is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from leads import jobs
from webhooks.models import Handshake, Kind, Webhook
from webhooks.outbound import compose, deliver
from webhooks.wire.exchange import Failure

JOB = "webhooks.handshake"
# What nobody has asked by then is of no use any more.
WANTED_FOR = timedelta(hours=1)
# Seconds, whatever the webhook's own time limit is.
DEADLINE = 10.0


def saved(webhook: Webhook, former_url: str = "") -> None:
    """In the transaction that saved it. former_url: what its URL was before; "" of a new one, or of another system."""
    if not webhook.wire.handshake or webhook.kind == Kind.LAPP:
        Handshake.objects.filter(pk=webhook.pk).delete()
    elif webhook.url != former_url:
        anew = {"wanted_at": timezone.now(), "asked_at": None, "code": None, "error": ""}
        Handshake.objects.update_or_create(webhook=webhook, defaults=anew)
        jobs.start(JOB, webhook.pk)


def owed() -> Sequence[tuple[int]]:
    """The ids of webhooks that nobody has asked yet."""
    waiting = Handshake.objects.filter(asked_at__isnull=True, wanted_at__gte=timezone.now() - WANTED_FOR)
    return [(pk,) for pk in waiting.order_by("pk").values_list("pk", flat=True)]


def shake(webhook_id: int) -> None:
    """Make the request, at most DEADLINE seconds, through the door that guards all others."""
    asked_at = timezone.now()
    wanted = Handshake.objects.filter(pk=webhook_id, asked_at__isnull=True)
    if not wanted.update(asked_at=asked_at):
        return
    mine = Handshake.objects.filter(pk=webhook_id, asked_at=asked_at)
    try:
        request = compose.greeting(Webhook.objects.get(pk=webhook_id))
    except Webhook.DoesNotExist:
        return
    except ValueError as error:
        mine.update(error=f"Not sent: {error}"[:255])
        return
    answer = deliver.door().send(request, deadline=DEADLINE)
    if isinstance(answer, Failure):
        mine.update(error=answer.message[:255])
    else:
        mine.update(code=answer.status)
