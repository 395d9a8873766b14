"""Whose turn it is: which webhooks have something due, and how much each may send now. Reads alone.

What it costs depends on how many webhooks have something queued, not on how much that is, nor on the history.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from leads.models import LeadImport
from leads.models.lead_import import AT_WORK
from leads.question import Question
from webhooks import conf, sql
from webhooks.models import Delivery, Health, Lane, State, Status, Webhook, is_now
from webhooks.outbound.together import UNGATHERED

# By so many seconds the renewal of a lease may be late.
LATE = 5.0

_TABLE = Delivery._meta.db_table
_QUEUED = is_now(Status.QUEUED)
_STOPPED = f"webhook.state <> '{State.ENABLED}'"
# They hold up the later ones of their record, as the partial index has it.
_BEFORE = f"status IN ('{Status.QUEUED}', '{Status.SENDING}', '{Status.HELD}')"


@dataclass(frozen=True, slots=True)
class Turn:
    """A webhook with something due in one lane."""

    webhook_id: int
    lane: int
    # Seconds that its oldest due delivery has been waiting.
    waited: float
    # Its receiver accepted the latest try.
    fine: bool
    # How much may leave is decided by its Health row: a rate, a drain, or a probe.
    limited: bool = False
    # Its receiver is asked whether it is back, by one delivery.
    closed: bool = False
    # It is enabled no more: what is claimed for it is set aside.
    stopped: bool = False


def look(beside: Collection[int] = ()) -> list[Turn]:
    """Every turn there is, the longest waiting first. A webhook that is closed for a while has none.

    beside: webhooks that are not asked about, as they get no more now; one that was stopped has its turn all the same.
    """
    return _turns(
        f"""
        SELECT min(webhook_id) FROM {_TABLE} WHERE {_QUEUED}
        UNION ALL
        SELECT (SELECT min(webhook_id) FROM {_TABLE} WHERE {_QUEUED} AND webhook_id > busy.webhook_id)
        FROM busy WHERE busy.webhook_id IS NOT NULL
        """,
        sql.none_of("webhook.id"),
        beside,
    )


def look_at(webhook_ids: Collection[int]) -> list[Turn]:
    """The turns of these alone: as quick however many others have something queued."""
    return _turns(f"SELECT value FROM {sql.members()}", "TRUE", webhook_ids)


def _turns(busy: str, asked_about: str, webhook_ids: Collection[int]) -> list[Turn]:
    """busy: SQL of the webhooks that may have something queued. asked_about: of those, unless they were stopped. One of
    the two takes the ids."""
    found = sql.prepared(
        f"""
        WITH RECURSIVE busy(webhook_id) AS ({busy}),
        lanes(lane) AS ({" UNION ALL ".join(f"SELECT {lane.value}" for lane in Lane)}), turns AS MATERIALIZED (
            SELECT webhook.id AS webhook_id, lanes.lane, health.succeeded AND health.closed_until IS NULL AS fine,
                webhook.rate_limit IS NOT NULL OR health.drain_to IS NOT NULL OR health.closed_until IS NOT NULL
                AS limited, health.closed_until IS NOT NULL AS closed, {_STOPPED} AS stopped,
                ({first_due("webhook.id", "lanes.lane")}) AS due_at
            FROM busy
            JOIN {Webhook._meta.db_table} webhook ON webhook.id = busy.webhook_id
            LEFT JOIN {Health._meta.db_table} health ON health.webhook_id = webhook.id
            CROSS JOIN lanes
            WHERE (health.closed_until IS NULL OR health.closed_until <= {sql.now()})
                AND {asked_about} OR {_STOPPED}
        )
        SELECT webhook_id, lane, {sql.seconds_since("due_at")} AS waited, fine, limited, closed, stopped
        FROM turns WHERE due_at IS NOT NULL ORDER BY due_at
        """,
        sql.integers(webhook_ids),
    )
    return [
        Turn(
            webhook_id,
            lane,
            float(waited),
            fine=bool(fine),
            limited=bool(limited) and not stopped,
            closed=bool(closed) and not stopped,
            stopped=bool(stopped),
        )
        for webhook_id, lane, waited, fine, limited, closed, stopped in found
    ]


def tried(webhook_ids: Collection[int]) -> set[int]:
    """Those of these webhooks that have something claimed, by whatever process that is still there: a dead one renews
    no lease."""
    if not webhook_ids:
        return set()
    found = sql.prepared(
        f"""
        SELECT DISTINCT webhook_id FROM {_TABLE}
        WHERE {is_now(Status.SENDING)} AND lease_until > {sql.now("%s")} AND {sql.among("webhook_id")}
        """,
        conf.lease() - conf.renewal() - LATE,
        sql.integers(webhook_ids),
    )
    return {webhook_id for (webhook_id,) in found}


def importing() -> bool:
    """Is somebody bringing in a file of leads, or having one checked?"""
    return _IMPORTING.first() is not None


_IMPORTING = Question(lambda: LeadImport.objects.filter(state__in=AT_WORK).order_by().values_list("pk")[:1])


def overdue() -> float | None:
    """For how many seconds the oldest due delivery has been waiting, None when nothing is due.

    A claim whose lease ran out is due as well: whoever held it is gone. So is what has waited long enough for others to
    be sent with. What waits for its webhook's receiver to come back, or for an older delivery of its record, is not.
    """
    leases = sql.prepared(
        f"""
        SELECT {sql.seconds_since("min(lease_until)")} FROM {_TABLE}
        WHERE {is_now(Status.SENDING)} AND lease_until <= {sql.now()}
        """
    )
    ends = [turn.waited for turn in look()] + [waited for _, waited in complete()]
    ends += [float(waited) for (waited,) in leases if waited is not None]
    return max(ends, default=None)


def complete() -> list[tuple[int, float]]:
    """(webhook, for how many seconds) of the webhooks that have something to be sent together now."""
    found = sql.prepared(
        f"""
        WITH RECURSIVE busy(webhook_id) AS (
            SELECT min(webhook_id) FROM {_TABLE} WHERE {UNGATHERED}
            UNION ALL
            SELECT (SELECT min(webhook_id) FROM {_TABLE} WHERE {UNGATHERED} AND webhook_id > busy.webhook_id)
            FROM busy WHERE busy.webhook_id IS NOT NULL
        ), begun AS MATERIALIZED (
            SELECT webhook_id,
                (SELECT min(due_at) FROM {_TABLE} WHERE {UNGATHERED} AND webhook_id = busy.webhook_id) AS due_at
            FROM busy WHERE webhook_id IS NOT NULL
        )
        SELECT webhook_id, {sql.seconds_since("due_at")} FROM begun WHERE due_at <= {sql.now()} ORDER BY due_at
        """
    )
    return [(webhook_id, float(waited)) for webhook_id, waited in found]


def first_due(webhook: str, lane: str) -> str:
    """SQL of the instant at which the first claimable delivery became due; the arguments are SQL expressions."""
    return f"SELECT due_at {due(webhook, lane)} LIMIT 1"


def due(webhook: str, lane: str) -> str:
    """SQL from FROM to ORDER BY: what is due for a webhook in a lane and not held up by its record's older ones."""
    return f"""
        FROM {_TABLE} AS next WHERE {_QUEUED} AND webhook_id = {webhook} AND lane = {lane} AND due_at <= {sql.now()}
        AND (order_key IS NULL OR NOT EXISTS (
            SELECT 1 FROM {_TABLE} AS older
            WHERE older.webhook_id = next.webhook_id AND older.order_key = next.order_key AND older.id < next.id
            AND older.{_BEFORE} AND NOT {_tired("older")}
        ))
        ORDER BY due_at, next.id
    """


def _tired(older: str) -> str:
    """A dead receiver must not hold a record's deliveries for ever: an old one that waits for another try lets go."""
    age = sql.now(f"-{conf.ORDER_HOLDS * conf.retry_scale()}")
    return f"({older}.status = '{Status.QUEUED}' AND {older}.due_at > {sql.now()} AND {older}.created_at < {age})"
