"""Take due deliveries on a lease, by the database's clock. Each claim raises the fence: only its holder may write on.

`claim`, `renew` and `release` are for whoever delivers; `reclaim` takes back what a dead one held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from django.db import transaction

from webhooks import conf, sql
from webhooks.models import Attempt, Delivery, Outcome, Status, is_now
from webhooks.outbound import alarms, switch, together
from webhooks.outbound.parcel import Claimed
from webhooks.outbound.shares import Share
from webhooks.outbound.turns import due

_TABLE = Delivery._meta.db_table
FEW = 4


def claim(shares: Sequence[Share]) -> list[Claimed]:
    """Take what is due, each webhook its share; live deliveries first, then the longest due."""
    if not shares:
        return []
    taken = " UNION ALL ".join(
        f"SELECT id FROM (SELECT next.id {due('%s', '%s')} LIMIT %s {sql.lock_skip('next')}) AS taken" for _ in shares
    )
    # There are as many texts as there may be shares.
    run = sql.prepared if len(shares) <= FEW else sql.run
    found = run(
        f"""
        WITH taken AS MATERIALIZED ({taken})
        UPDATE {_TABLE} SET status = '{Status.SENDING}', fence = fence + 1, lease_until = {sql.now("%s")}
        WHERE id IN (SELECT id FROM taken)
        RETURNING id, fence, event_id, webhook_id, message_id, coalesce(replay_of_id, id), sent_as, dialect, lane,
            tries, posted_by, posted_by_id, {sql.as_text("due_at")}
        """,
        *chain.from_iterable((share.webhook_id, share.lane, share.number) for share in shares),
        conf.lease(),
    )
    # An UPDATE returns its rows in any order.
    return [Claimed(*row[:-1]) for row in sorted(found, key=lambda row: (row[8], row[-1], row[0]))]


def renew(held: Iterable[Claimed]) -> set[int]:
    """Lengthen the leases of waiting claims; returns the ids that are still ours: what is not in it must not leave."""
    return {
        pk
        for (pk,) in sql.prepared(
            f"""
            UPDATE {_TABLE} AS delivery SET lease_until = {sql.now("%s")} FROM {sql.rows(_MINE, "mine")}
            WHERE {_IS_MINE} RETURNING id
            """,
            conf.lease(),
            _mine(held),
        )
    }


@transaction.atomic
def release(held: Collection[Claimed]) -> None:
    """Give back what was not sent: no try is used."""
    sql.prepared(
        f"""
        UPDATE {_TABLE} AS delivery SET status = {_WAITING}, lease_until = NULL,
            finished_at = CASE WHEN {_WAITING} = '{Status.CANCELLED}' THEN {sql.now()} ELSE NULL END
        FROM {sql.rows(_MINE, "mine")} WHERE {_IS_MINE}
        """,
        _mine(held),
    )
    together.follow(together.firsts(held))


@transaction.atomic
def reclaim() -> int:
    """Queue again what somebody claimed and never settled; returns how many.

    Whether the request left is not known: it is shown as a try of unknown outcome and uses none. A delivery lost too
    often ends as a Failure, and so does a test, which nobody waits for any more. What is queued for a webhook that is
    gone has no turn any more: it is called off.
    """
    orphans = sql.prepared(
        f"""
        UPDATE {_TABLE} SET status = '{Status.CANCELLED}', finished_at = {sql.now()}
        WHERE id IN (
            SELECT id FROM {_TABLE} WHERE {is_now(Status.QUEUED)} AND webhook_id IS NULL
            UNION ALL SELECT id FROM {_TABLE} WHERE {together.UNGATHERED} AND webhook_id IS NULL
        )
        RETURNING id, sent_with_id
        """
    )
    lost = sql.prepared(
        f"""
        UPDATE {_TABLE} AS delivery SET
            status = CASE WHEN {_GIVEN_UP} THEN '{Status.FAILURE}' ELSE {_WAITING} END,
            error = CASE WHEN {_GIVEN_UP} THEN 'worker lost' ELSE error END,
            finished_at = CASE WHEN {_GIVEN_UP} OR {_WAITING} = '{Status.CANCELLED}' THEN {sql.now()} ELSE NULL END,
            due_at = {sql.now()}, lease_until = NULL, fence = fence + 1, lost = lost + 1
        WHERE id IN (
            SELECT id FROM {_TABLE} WHERE {is_now(Status.SENDING)} AND lease_until < {sql.now()}
            ORDER BY lease_until LIMIT {conf.CLAIM_BATCH} {sql.lock_skip()}
        )
        RETURNING id, sent_with_id, webhook_id, status, test
        """
    )
    together.follow(pk for pk, sent_with, *_ in orphans + lost if sent_with == pk)
    alarms.unsent(
        alarms.by_webhook(
            (webhook_id, pk, "worker lost")
            for pk, _, webhook_id, status, test in lost
            if status == Status.FAILURE and not test
        )
    )
    if lost:
        sql.prepared(
            f"""
            INSERT INTO {Attempt._meta.db_table} (delivery_id, number, outcome, started_at, method, url,
                request_headers, reason, response_headers, response_body, response_size, failure, error)
            SELECT delivery_id, 0, '{Outcome.LOST}', {sql.now()}, '', '', '[]', '', '[]', '', 0, '',
                'The worker ended without telling whether the request left.'
            FROM {sql.rows({"delivery_id": "integer"})}
            """,
            sql.encode({"delivery_id": pk} for pk, *_ in lost),
        )
    return len(lost)


_WAITING = switch.waiting_status("delivery")
_GIVEN_UP = f"(test OR lost + 1 >= {conf.MAX_LOST})"
_MINE = {"claimed_id": "integer", "claimed_fence": "integer"}
_IS_MINE = (
    f"delivery.id = mine.claimed_id AND delivery.fence = mine.claimed_fence AND delivery.status = '{Status.SENDING}'"
)


def _mine(held: Iterable[Claimed]) -> str:
    return sql.encode({"claimed_id": claimed.id, "claimed_fence": claimed.fence} for claimed in held)
