"""Ask for a webhook that the failure policy has paused whether its receiver is back (LS-A26).

Its oldest held delivery is sent, alone, whenever Health.probe_at has come. A success resumes the webhook by itself; a
failure uses up no try of the delivery, which stays held, and stands in its history. The row is claimed like any other:
should this process die in the middle, the lease runs out and the delivery is held again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from webhooks import conf, sql
from webhooks.models import Delivery, Health, State, Status, Webhook
from webhooks.outbound import compose, deliver, settle, switch, together
from webhooks.outbound.parcel import Claimed, Result
from webhooks.wire.policy import farewell

# Of leads.jobs: asked for by the clock.
JOB = "webhooks.probe"

_TABLE = Delivery._meta.db_table


def due() -> Sequence[tuple[int]]:
    """The ids of webhooks that it is time to ask for. Those without a held delivery have nothing to ask with."""
    held = Delivery.objects.filter(webhook=OuterRef("pk"), status=Status.HELD)
    waiting = Health.objects.filter(Exists(held), probe_at__lte=timezone.now(), webhook__state=State.PAUSED)
    return [(pk,) for pk in waiting.order_by("pk").values_list("pk", flat=True)]


def ask(webhook_id: int) -> None:
    """Send one held delivery, and resume the webhook where that succeeds. At most the webhook's time limit."""
    claimed = _claim(webhook_id)
    if claimed is None:
        return
    parcels, refused = compose.compose([claimed], probing=True)
    with transaction.atomic():
        settle.refuse(refused)
        compose.store(parcels)
    for parcel in parcels:
        started_at, started = datetime.now(UTC), time.monotonic()
        exchange = deliver.way_of(parcel.request).send(parcel.request, deadline=parcel.deadline)
        duration_ms = round((time.monotonic() - started) * 1000)
        with transaction.atomic():
            # For as long as this lasts: what is saved meanwhile is held before, or queued after.
            Webhook.objects.select_for_update().filter(pk=webhook_id).first()
            learned = settle.settle([Result(replace(parcel, probe=True), exchange, started_at, duration_ms)])
            if webhook_id in learned.fine:
                switch.resume_by_policy(webhook_id, claimed.id)
            elif reason := farewell(exchange):
                switch.ask_no_more(webhook_id, reason, claimed.id)


def _claim(webhook_id: int) -> Claimed | None:
    """The oldest held delivery whose time has come; None where somebody else asks, or nobody is to."""
    with transaction.atomic():
        paused = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook_id, state=State.PAUSED).first()
        every = paused.wire.pause.probe_every if paused is not None else None
        if every is None:
            return None
        now = sql.clock()
        next_at = now + timedelta(seconds=every * conf.retry_scale())
        if not Health.objects.filter(pk=webhook_id, probe_at__lte=now).update(probe_at=next_at):
            return None
        found = sql.run(
            f"""
            UPDATE {_TABLE} SET status = '{Status.SENDING}', fence = fence + 1, lease_until = {sql.now("%s")},
                sent_with_id = {together.bound(_TABLE)}
            WHERE status = '{Status.HELD}' AND id = (
                SELECT min(id) FROM {_TABLE} WHERE webhook_id = %s AND status = '{Status.HELD}'
                AND (sent_with_id IS NULL OR sent_with_id = id) AND (tries > 0 OR due_at <= {sql.now()})
            )
            RETURNING id, fence, event_id, webhook_id, message_id, coalesce(replay_of_id, id), sent_as, dialect, lane,
                tries, posted_by, posted_by_id
            """,
            conf.lease(),
            webhook_id,
        )
        return Claimed(*found[0]) if found else None
