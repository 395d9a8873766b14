"""The switches of a webhook: pause, resume, disable, enable, delete. Admin and API turn them here.

Each is one transaction that locks the webhook first, so that two people cannot turn it at once, and returns how many
deliveries it moved. What a worker has in hand (status sending) is left to finish: compose looks at the webhook's state
when it claims, and the queue's own rows are what is moved here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from leads.models import account_setup
from webhooks import conf, queue, sql
from webhooks.models import UNSENT, Delivery, Health, Lane, State, Status, Told, Webhook, is_now
from webhooks.outbound import notify, together

# Of leads.jobs: asked for by the sweep.
JOB = "webhooks.release_held"

_TABLE = Delivery._meta.db_table
_QUEUED = is_now(Status.QUEUED)
_WEBHOOK = Webhook._meta.db_table
_FIRST_AGAIN = f"lane = CASE WHEN lane = {Lane.RETRY} THEN {Lane.LIVE} ELSE lane END"


class WrongState(Exception):
    """The webhook is not in a state that allows this. The message is for staff."""


def pause(webhook_id: int) -> int:
    """Hold the queued deliveries, and all new ones. Returns how many were held. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _turn(webhook_id, (State.ENABLED,), State.PAUSED)
        return _hold(webhook_id)


def pause_by_policy(webhook_id: int, reason: str, delivery_id: int, probe: bool = False) -> None:
    """The same, by the engine itself, which says why and tells people; nothing where the webhook is stopped already.

    probe: where its system wants that, it is asked from time to time whether its receiver is back.
    """
    with transaction.atomic():
        try:
            # What a save that is open meanwhile still queues is held when it is claimed: nobody has to wait for it.
            webhook = _turn(webhook_id, (State.ENABLED,), State.PAUSED, reason, no_key=True)
        except (WrongState, Webhook.DoesNotExist):
            return
        _hold(webhook_id)
        every = webhook.wire.pause.probe_every
        if probe and every is not None:
            probe_at = timezone.now() + timedelta(seconds=every * conf.retry_scale())
            Health.objects.filter(pk=webhook_id).update(probe_at=probe_at)
        notify.tell(webhook, reason, delivery_id)


def resume(webhook_id: int) -> int:
    """Queue the held deliveries, in order, to leave at a pace. Returns how many. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _turn(webhook_id, (State.PAUSED,), State.ENABLED)
        newest = Delivery.objects.order_by("-pk").values_list("pk", flat=True).first()
        # Whatever the receiver did before is forgotten.
        anew: dict[str, Any] = dict.fromkeys(("failing_since", "strained_since", "closed_until", "probe_at"))
        anew |= {"succeeded": False, "failures": 0, "strained": 0, "ended": 0, "drain_to": newest}
        Health.objects.update_or_create(webhook_id=webhook_id, defaults=anew)
        return _release(webhook_id)


def resume_by_policy(webhook_id: int, delivery_id: int) -> None:
    """The same, by the engine itself, which tells people. Nothing where somebody has turned the switch meanwhile."""
    with transaction.atomic():
        try:
            count = resume(webhook_id)
        except (WrongState, Webhook.DoesNotExist):
            return
        left = "1 held delivery leaves" if count == 1 else f"{count:,} held deliveries leave in order"
        text = "Its receiver answers again: a held delivery succeeded." + (f" {left}." if count else "")
        notify.tell(Webhook.objects.get(pk=webhook_id), text, delivery_id, Told.RESUMED)


def ask_no_more(webhook_id: int, reason: str, delivery_id: int) -> None:
    """A paused webhook whose receiver has said, when it was asked, that it wants nothing more: people resume it."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook_id, state=State.PAUSED).first()
        if webhook is None:
            return
        webhook.state_reason = reason
        webhook.save(update_fields=["state_reason"])
        Health.objects.filter(pk=webhook_id).update(probe_at=None)
        notify.tell(webhook, reason, delivery_id)


def disable(webhook_id: int) -> int:
    """Cancel what waits, and record no event for it from now on. Returns how many. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _lock_account(webhook_id)
        _turn(webhook_id, (State.ENABLED, State.PAUSED), State.DISABLED)
        return _cancel(webhook_id)


def enable(webhook_id: int) -> None:
    """Record and send events from now on. WrongState, Webhook.DoesNotExist."""
    with transaction.atomic():
        _lock_account(webhook_id)
        _turn(webhook_id, (State.DISABLED,), State.ENABLED)
        # As if it had never been sent to: one delivery at first, until its receiver answers.
        Health.objects.filter(pk=webhook_id).delete()


def delete(webhook_id: int) -> int:
    """Cancel what waits and delete the webhook; its history stays, under its name. Returns how many were cancelled.

    Raises Webhook.DoesNotExist.
    """
    with transaction.atomic():
        _lock_account(webhook_id)
        webhook = locked(webhook_id)
        cancelled = _cancel(webhook_id)
        webhook.delete()
        return cancelled


def waiting_status(delivery: str) -> str:
    """SQL of the status in which a delivery waits: what its webhook's state asks for. `delivery`: an alias."""
    state = f"CASE state WHEN '{State.ENABLED}' THEN '{Status.QUEUED}' WHEN '{State.PAUSED}' THEN '{Status.HELD}' END"
    wanted = f"SELECT {state} FROM {_WEBHOOK} webhook WHERE webhook.id = {delivery}.webhook_id"
    return f"coalesce(({wanted}), '{Status.CANCELLED}')"


def waiting(webhook_id: int) -> int:
    """How many deliveries a switch would move now."""
    on_their_way = Q(sent_with__isnull=False, sent_with__status=Status.SENDING)
    return Delivery.objects.filter(webhook=webhook_id, status__in=UNSENT).exclude(on_their_way).count()


def locked(webhook_id: int, no_key: bool = False) -> Webhook:
    """The webhook, locked until the transaction ends; saves that it hears are waited for, but with no_key.

    Raises Webhook.DoesNotExist.
    """
    return Webhook.objects.select_for_update(no_key=no_key).get(pk=webhook_id)


def locked_state(webhook_id: int) -> str | None:
    """The state of a webhook, which stays as it is until the transaction ends; None where it is gone."""
    found = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook_id).values_list("state", flat=True)
    return found.first()


def release(webhook_id: int) -> None:
    """Queue what is held although the webhook is enabled: a worker that looked just before may have held it late."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
        if webhook is not None and webhook.state == State.ENABLED:
            _release(webhook_id)


def stop_late(webhook_id: int) -> None:
    """Hold, or cancel, what was still recorded to be sent together while the webhook was stopped."""
    with transaction.atomic():
        state = locked_state(webhook_id)
        if state == State.PAUSED:
            _hold(webhook_id)
        elif state == State.DISABLED:
            _cancel(webhook_id)


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


def _turn(webhook_id: int, allowed: Sequence[State], state: State, reason: str = "", no_key: bool = False) -> Webhook:
    webhook = locked(webhook_id, no_key)
    if webhook.state not in allowed:
        raise WrongState(f"{webhook.name} is {State(webhook.state).label.lower()}.")
    # Paused or not, it hears the same: what is kept in memory of who listens stays, and no account is waited for.
    rows: QuerySet[Any] = Webhook.objects.all() if State.DISABLED in (webhook.state, state) else QuerySet(Webhook)
    webhook.state, webhook.state_since, webhook.state_reason = state, timezone.now(), reason
    rows.filter(pk=webhook_id).update(state=state, state_since=webhook.state_since, state_reason=reason)
    return webhook


def _lock_account(webhook_id: int) -> None:
    """Who listens changes now: the account comes before the webhook (leads/models/account_setup.py)."""
    account_setup.lock(Webhook.objects.filter(pk=webhook_id).values_list("account_id", flat=True))


def _hold(webhook_id: int) -> int:
    return _move(webhook_id, (_QUEUED, together.UNGATHERED), f"status = '{Status.HELD}'")


def _release(webhook_id: int) -> int:
    # All are due at one instant, and none waits behind the others for having been tried, so that they are claimed by
    # id: in the order of their events. The sub-select asks the clock once for all of them. What has not been tried yet
    # is not sent before its time, and what nobody gathered yet still belongs to its minute.
    status = together.held_as(_TABLE)
    early = f"tries = 0 AND due_at > (SELECT {sql.now()}) OR {status} = '{Status.GROUPED}'"
    released = sql.run(
        f"""
        UPDATE {_TABLE} SET status = {status}, {_FIRST_AGAIN},
            due_at = CASE WHEN {early} THEN due_at ELSE (SELECT {sql.now()}) END
        WHERE webhook_id = %s AND status = '{Status.HELD}' RETURNING id
        """,
        webhook_id,
    )
    if released:
        queue.nudge()
    return len(released)


def _cancel(webhook_id: int) -> int:
    waiting = (_QUEUED, together.UNGATHERED, f"status = '{Status.HELD}'")
    return _move(webhook_id, waiting, f"status = '{Status.CANCELLED}', finished_at = {sql.now()}")


def _move(webhook_id: int, which: Sequence[str], change: str) -> int:
    """Change a webhook's deliveries, and those that are sent with them; returns how many.

    which: conditions, each of which one index answers.
    """
    moved = [
        row
        for condition in which
        for row in sql.run(
            f"UPDATE {_TABLE} SET {change} WHERE webhook_id = %s AND {condition} RETURNING id, sent_with_id", webhook_id
        )
    ]
    return len(moved) + together.follow(pk for pk, sent_with in moved if sent_with == pk)
