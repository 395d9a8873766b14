"""How webhooks stand, for the list and the page of a webhook, in as many statements for many as for one.

Every figure looks at so many rows at one end of an index and no further. Tests count in none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from webhooks import sql
from webhooks.models import Delivery, Health, Status, Webhook
from webhooks.outbound.health import CLOSES_AFTER
from webhooks.outbound.selection import Selection

# Rows of one webhook that a figure looks at.
SAMPLE = 1_000

_TABLE = Delivery._meta.db_table
# As the partial indexes of Delivery spell them: SQLite takes an index by these very words.
_WAITING = "status IN ('queued', 'sending', 'grouped')"
_HELD = "status = 'held'"
_FINISHED = "status IN ('success', 'failure', 'cancelled')"


@dataclass(frozen=True, slots=True)
class Standing:
    """One webhook now.

    waiting       deliveries in the queue or held, at most SAMPLE of each
    held          those of them that are held
    last_try      the delivery that was tried last, None when there is none
    last_success  None when there is none, or, when `older` says so, none among the newest SAMPLE finished ones
    health        what the engine has learned of its receiver, None before the first try
    """

    waiting: int = 0
    held: int = 0
    last_try: Delivery | None = None
    last_success: datetime | None = None
    older: bool = False
    health: Health | None = None

    @property
    def failing(self) -> bool:
        """Have so many tries in a row failed that it is no accident any more?"""
        return self.health is not None and self.health.failures >= CLOSES_AFTER


@dataclass(frozen=True, slots=True)
class Rate:
    """Of the newest SAMPLE finished deliveries, those made in a period: so many ended so."""

    success: int
    failure: int


def standings(webhook_ids: Collection[int]) -> Mapping[int, Standing]:
    """How each of the webhooks stands; three statements, however many they are."""
    if not webhook_ids:
        return {}
    rows = sql.run(
        f"""
        SELECT webhook.id,
            (SELECT count(*) FROM ({_some(_WAITING)}) waiting),
            (SELECT count(*) FROM ({_some(_HELD)}) held),
            (SELECT max(id) FROM ({_some(_FINISHED, "id, transmitted_at")}) done WHERE transmitted_at IS NOT NULL),
            (SELECT max(id) FROM ({_some(_WAITING, "id, transmitted_at")}) again WHERE transmitted_at IS NOT NULL),
            (SELECT max(id) FROM ({_some(_FINISHED, "id, status")}) good WHERE status = '{Status.SUCCESS}'),
            (SELECT count(*) FROM ({_some(_FINISHED)}) looked_at)
        FROM {Webhook._meta.db_table} webhook
        WHERE webhook.id IN ({", ".join(["%s"] * len(webhook_ids))})
        """,
        *webhook_ids,
    )
    deliveries = Delivery.objects.in_bulk({pk for row in rows for pk in row[3:6] if pk is not None})
    healths = Health.objects.in_bulk(list(webhook_ids))
    found: dict[int, Standing] = {}
    for webhook_id, waiting, held, done, again, good, looked_at in rows:
        tried = [delivery for pk in (done, again) if (delivery := deliveries.get(pk))]
        success = deliveries.get(good)
        found[webhook_id] = Standing(
            waiting=waiting + held,
            held=held,
            last_try=max(tried, key=_when, default=None),
            last_success=success.finished_at if success else None,
            older=success is None and looked_at >= SAMPLE,
            health=healths.get(webhook_id),
        )
    return found


def rate(webhook_id: int, since: datetime) -> Rate:
    """How the deliveries that were made since then ended."""
    finished = Selection(webhook_id=webhook_id, tests=False).narrowed(statuses=(Status.SUCCESS, Status.FAILURE))
    newest = finished.deliveries().order_by("-pk").values_list("status", "created_at")[:SAMPLE]
    ended = [status for status, created_at in newest if created_at >= since]
    return Rate(ended.count(Status.SUCCESS), ended.count(Status.FAILURE))


def _some(statuses: str, columns: str = "1 AS one") -> str:
    """The newest of a webhook's deliveries in these statuses."""
    return (
        f"SELECT {columns} FROM {_TABLE} delivery WHERE delivery.webhook_id = webhook.id AND delivery.{statuses} "
        f"AND NOT delivery.test ORDER BY delivery.id DESC LIMIT {SAMPLE}"
    )


def _when(delivery: Delivery) -> datetime:
    assert delivery.transmitted_at is not None
    return delivery.transmitted_at
