"""Send Test: one try of the dialect's sample, at once and in the foreground, kept in the history with a Test badge.

It belongs to no event, has a webhook-id of its own, is not tried again and counts in no figure. Should this process die
in the middle, the claim's lease runs out and `reclaim` ends the row as a Failure.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction

from webhooks import conf, sql
from webhooks.models import Body, Delivery, Status, Webhook
from webhooks.outbound import compose, deliver, settle
from webhooks.outbound.parcel import Claimed, Parcel, Result
from webhooks.wire.exchange import Headers
from webhooks.wire.identifier import ulid

# Also when the webhook's other webhook-* headers are switched off: the receiver must be able to tell a test.
TEST_HEADER: Headers = (("webhook-test", "true"),)


def send_test(webhook: Webhook) -> Delivery:
    """Send the sample to a webhook, whatever its state, and return the settled delivery.

    Takes as long as the try does: at most the webhook's time limit. Call it outside of any transaction. Raises
    ValueError when the request cannot be written, as when its secret cannot be decrypted.
    """
    now = datetime.now(UTC)
    body, heard_as = compose.sample(webhook)
    message_id = f"msg_{ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))}_{webhook.pk}"
    request, shown = compose.build(webhook, body, message_id, now, heard_as=heard_as)
    request = replace(request, headers=(*request.headers, *TEST_HEADER))
    delivery = _claimed(webhook, message_id, body, heard_as)
    claimed = Claimed(
        id=delivery.pk,
        fence=delivery.fence,
        event_id=0,
        webhook_id=webhook.pk,
        message_id=message_id,
        body_of=delivery.pk,
        sent_as=delivery.sent_as,
        dialect=delivery.dialect,
        lane=delivery.lane,
        tries=0,
    )
    parcel = Parcel(claimed, request, (*shown, *TEST_HEADER), webhook.deadline, fresh=False, final=True)
    started_at, started = datetime.now(UTC), time.monotonic()
    exchange = deliver.way_of(request).send(request, deadline=parcel.deadline)
    duration_ms = round((time.monotonic() - started) * 1000)
    with transaction.atomic():
        settle.settle([Result(parcel, exchange, started_at, duration_ms)])
    delivery.refresh_from_db()
    return delivery


def _claimed(webhook: Webhook, message_id: str, body: bytes, heard_as: str) -> Delivery:
    """The row and its bytes, as if a worker had claimed it: nobody else sends it."""
    with transaction.atomic():
        Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)  # nobody deletes it meanwhile
        delivery = Delivery.objects.create(
            account_id=webhook.account_id,
            webhook=webhook,
            webhook_name=webhook.name,
            dialect=webhook.dialect,
            sent_as=heard_as,
            message_id=message_id,
            test=True,
            status=Status.SENDING,
            fence=1,
        )
        Body.objects.create(delivery=delivery, content=body)
        sql.run(
            f"UPDATE {Delivery._meta.db_table} SET lease_until = {sql.now('%s')} WHERE id = %s",
            conf.lease(),
            delivery.pk,
        )
    return delivery
