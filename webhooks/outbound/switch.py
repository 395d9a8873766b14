"""The switches of a webhook: pause, resume, disable, enable, delete. Admin and API turn them here.

Each is one transaction that locks the webhook first, so that two people cannot turn it at once, and returns how many
deliveries it moved. What a worker has in hand (status sending) is left to finish: compose looks at the webhook's state
when it claims, and the queue's own rows are what is moved here.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from webhooks import queue, sql
from webhooks.models import UNSENT, Delivery, State, Status, Webhook

# Of leads.jobs: asked for by the sweep.
JOB = "webhooks.release_held"

_TABLE = Delivery._meta.db_table
_WEBHOOK = Webhook._meta.db_table


class WrongState(Exception):
    """The webhook is not in a state that allows this. The message is for staff."""


def pause(webhook_id: int) -> int:
    """Hold the queued deliveries, and all new ones. Returns how many were held. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _turn(webhook_id, (State.ENABLED,), State.PAUSED)
        return Delivery.objects.filter(webhook=webhook_id, status=Status.QUEUED).update(status=Status.HELD)


def resume(webhook_id: int) -> int:
    """Queue the held deliveries, in order. Returns how many. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _turn(webhook_id, (State.PAUSED,), State.ENABLED)
        return _release(webhook_id)


def disable(webhook_id: int) -> int:
    """Cancel what waits, and record no event for it from now on. Returns how many. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _turn(webhook_id, (State.ENABLED, State.PAUSED), State.DISABLED)
        return _cancel(webhook_id)


def enable(webhook_id: int) -> None:
    """Record and send events from now on. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _turn(webhook_id, (State.DISABLED,), State.ENABLED)


def delete(webhook_id: int) -> int:
    """Cancel what waits and delete the webhook; its history stays, under its name. Returns how many were cancelled.

    Raises Webhook.DoesNotExist.
    """
    with transaction.atomic():
        webhook = locked(webhook_id)
        cancelled = _cancel(webhook_id)
        webhook.delete()
        return cancelled


def waiting(webhook_id: int) -> int:
    """How many deliveries a switch would move now."""
    return Delivery.objects.filter(webhook=webhook_id, status__in=UNSENT).count()


def locked(webhook_id: int) -> Webhook:
    """The webhook, locked until the transaction ends. Raises Webhook.DoesNotExist."""
    return Webhook.objects.select_for_update().get(pk=webhook_id)


def release(webhook_id: int) -> None:
    """Queue what is held although the webhook is enabled: a worker that looked just before may have held it late."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
        if webhook is not None and webhook.state == State.ENABLED:
            _release(webhook_id)


def stranded() -> Sequence[tuple[int]]:
    """The ids of webhooks that need `release`."""
    return [
        (pk,)
        for (pk,) in sql.run(
            f"""
            SELECT id FROM {_WEBHOOK} webhook WHERE state = '{State.ENABLED}' AND EXISTS (
                SELECT 1 FROM {_TABLE} WHERE webhook_id = webhook.id AND status = '{Status.HELD}'
            )
            """
        )
    ]


def _turn(webhook_id: int, allowed: Sequence[State], state: State) -> None:
    webhook = locked(webhook_id)
    if webhook.state not in allowed:
        raise WrongState(f"{webhook.name} is {State(webhook.state).label.lower()}.")
    webhook.state, webhook.state_since = state, timezone.now()
    webhook.save(update_fields=["state", "state_since"])


def _release(webhook_id: int) -> int:
    # All are due at one instant, so that they are claimed by id: in the order of their events. The sub-select asks the
    # clock once for all of them.
    released = sql.run(
        f"""
        UPDATE {_TABLE} SET status = '{Status.QUEUED}', due_at = (SELECT {sql.now()})
        WHERE webhook_id = %s AND status = '{Status.HELD}' RETURNING id
        """,
        webhook_id,
    )
    if released:
        queue.nudge()
    return len(released)


def _cancel(webhook_id: int) -> int:
    return Delivery.objects.filter(webhook=webhook_id, status__in=UNSENT).update(
        status=Status.CANCELLED, finished_at=timezone.now()
    )
