"""What a rule or an automation posts: a delivery of one event for one webhook, whatever that webhook subscribes to."""

from __future__ import annotations

from datetime import timedelta

from webhooks import queue, sql
from webhooks.models import Delivery, Event, State, Status, Webhook


class Unheard(Exception):
    """Why nothing is posted, as a sentence."""


def post(event: Event, webhook_id: int, posted_by: tuple[str, int], mark: str) -> Delivery:
    """Queue it in the open transaction, or hold it where the webhook is paused. Raises Unheard.

    posted_by: kind and id of who posts; mark: what tells this post from others of the event to the webhook, a few
    letters and digits.
    """
    # As the outbox locks it: nobody deletes or switches it meanwhile, and whoever settles does not wait for the run.
    table = Webhook._meta.db_table
    sql.run(f"SELECT id FROM {table} webhook WHERE webhook.id = %s {sql.lock_keep('webhook')}", webhook_id)
    webhook = Webhook.objects.filter(account_id=event.account_id, pk=webhook_id).first()
    if webhook is None:
        raise Unheard(f"Webhook {webhook_id} is not there any more.")
    if webhook.state == State.DISABLED:
        raise Unheard(f"The webhook {webhook} is disabled.")
    sent_as = webhook.wire.hears(event.frozen)
    if sent_as is None:
        raise Unheard(f"{webhook.wire.label}, the system of the webhook {webhook}, does not hear of this event.")
    kind, id_ = posted_by
    delivery = Delivery.objects.create(
        event=event,
        account_id=event.account_id,
        webhook=webhook,
        webhook_name=webhook.name,
        dialect=webhook.dialect,
        sent_as=sent_as,
        message_id=f"msg_{event.uid}_{webhook.pk}_{mark}",
        posted_by=kind,
        posted_by_id=id_,
        order_key=f"{event.record}/{event.record_id}" if webhook.keep_order else None,
        # The delay counts from the event, which may be long ago.
        due_at=max(sql.clock(), event.occurred_at + timedelta(seconds=webhook.execution_delay)),
        status=Status.HELD if webhook.state == State.PAUSED else Status.QUEUED,
    )
    queue.nudge()
    return delivery
