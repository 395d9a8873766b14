"""Two months of webhooks: a history of any length, made by the database out of one real row of each kind.

Two accounts, nine events in ten are the first one's; three webhooks hear each event. Of a thousand deliveries 970 were
a success, 20 a failure, 4 still wait, 3 are held and 3 were cancelled.
"""

from __future__ import annotations

from django.contrib.auth.models import Group

from benchmarks.processes import records
from benchmarks.processes.rows import multiply
from leads import roles
from leads.models import Lead, Membership, User
from tests import factories
from webhooks.models import Delivery, Event

DAYS = 60
LEADS = 20_000
HEARD_BY = 3
# The webhooks of the first account, of which three in turn hear an event, and of the second.
FIRST, SECOND = 8, 3


def people() -> dict[str, User]:
    """A manager of the first account, and a superuser."""
    manager = User.objects.create_user("dana", is_staff=True)
    manager.groups.add(Group.objects.get(name=roles.MANAGER))
    Membership.objects.create(user=manager, account=factories.account())
    return {"manager": manager, "superuser": User.objects.create_superuser("root")}


def fill(rows: int) -> int:
    """So many deliveries, the newest of today; the id of one of the first account's webhooks."""
    here, there = factories.account(), factories.account("Southbank Lets")
    owners = [here] * FIRST + [there] * SECOND
    hooks = [factories.webhook(name=f"Webhook {n}", account=owner) for n, owner in enumerate(owners)]
    lead = records.lead()
    event, delivery = Event.objects.get(), Delivery.objects.order_by("pk")[0]
    Delivery.objects.exclude(pk=delivery.pk).delete()
    events = -(-rows // HEARD_BY)
    multiply(Lead, lead.pk, LEADS, {"full_name": "'Person ' || n", "email": "'person' || n || '@example.com'"})
    # `n` counts the rows of a table from 0.
    first_lead = lead.pk + 1
    picked = f"(n * 7919 % {LEADS})"
    made = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ((n - {events}) * {DAYS * 86400.0 / events}) || ' seconds')"
    multiply(
        Event,
        event.pk,
        events,
        {
            "uid": "printf('%026d', n)",
            "account_id": f"CASE WHEN n % 10 = 0 THEN {there.pk} ELSE {here.pk} END",
            "type": "'lead.updated'",
            "record_id": f"{first_lead} + {picked}",
            "label": f"'Person ' || {picked}",
            "email": f"'person' || {picked} || '@example.com'",
            "occurred_at": made,
        },
    )
    first_event = event.pk + 1
    nth = f"(n / {HEARD_BY})"
    second = f"{nth} % 10 = 0"
    turn = f"n % {HEARD_BY}"
    webhook = f"CASE WHEN {second} THEN {FIRST} + {turn} ELSE ({nth} + {turn}) % {FIRST} END"
    # Without order, yet the same in every run.
    lot = "(n * 7919 % 104729) % 1000"
    sent = f"{lot} < 990"
    created = f"(SELECT occurred_at FROM {Event._meta.db_table} WHERE id = {first_event} + {nth})"
    multiply(
        Delivery,
        delivery.pk,
        rows,
        {
            "event_id": f"{first_event} + {nth}",
            "account_id": f"CASE WHEN {second} THEN {there.pk} ELSE {here.pk} END",
            "webhook_id": f"{hooks[0].pk} + {webhook}",
            "webhook_name": f"'Webhook ' || {webhook}",
            "sent_as": "'lead.updated'",
            "message_id": f"'msg_' || printf('%026d', {nth}) || '_' || ({hooks[0].pk} + {webhook})",
            "created_at": created,
            "due_at": created,
            "status": f"CASE WHEN {lot} < 970 THEN 'success' WHEN {sent} THEN 'failure' WHEN {lot} < 994 THEN 'queued' "
            f"WHEN {lot} < 997 THEN 'held' ELSE 'cancelled' END",
            "tries": f"CASE WHEN {lot} < 970 THEN 1 WHEN {sent} THEN 3 ELSE 0 END",
            "code": f"CASE WHEN {lot} < 970 THEN 200 WHEN {sent} THEN 500 END",
            "error": f"CASE WHEN {sent} AND {lot} >= 970 THEN '500 Internal Server Error' ELSE '' END",
            "duration_ms": f"CASE WHEN {sent} THEN 40 + n % 200 END",
            "transmitted_at": f"CASE WHEN {sent} THEN {created} END",
            "finished_at": f"CASE WHEN {sent} OR {lot} >= 997 THEN {created} END",
        },
    )
    # They are of today, and the oldest by their number.
    delivery.delete()
    event.delete()
    return hooks[0].pk
