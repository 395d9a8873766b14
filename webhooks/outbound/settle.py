"""Write down how tries went and what comes next. The dialect judges the answer; only this step schedules.

Every change of a delivery asks for the fence of the claim: a late result is kept as an attempt and moves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from webhooks import conf, sql
from webhooks.dialects import DIALECTS
from webhooks.models import FINISHED, Delivery, Lane, Status
from webhooks.outbound import alarms, attempt, health, issues, switch, together
from webhooks.outbound.parcel import Refused, Result
from webhooks.wire import policy
from webhooks.wire.exchange import Failure, FailureKind, Response
from webhooks.wire.verdict import Verdict

_TABLE = Delivery._meta.db_table
_FINISHED = ", ".join(f"'{status}'" for status in FINISHED)
_CLAIM = {"id": "integer", "fence": "integer"}
# Another try is for a webhook that still wants it: paused, disabled or deleted meanwhile, it counts at once.
_STATUS = f"CASE WHEN next.status <> '{Status.QUEUED}' THEN next.status ELSE {switch.waiting_status('delivery')} END"
# Tries after the first never delay first ones.
_LATER_LANE = f"CASE WHEN delivery.lane = {Lane.LIVE} THEN {Lane.RETRY} ELSE delivery.lane END"
_IS_MINE = f"delivery.id = next.id AND delivery.fence = next.fence AND delivery.status = '{Status.SENDING}'"


def settle(results: Sequence[Result], fine: Collection[int] = (), probes: Collection[int] = ()) -> health.Learned:
    """Store each try, and move its delivery on if the claim still holds; returns what was learned of the receivers.

    fine: webhooks whose receivers are known to be fine. probes: deliveries that ask whether a receiver is back.
    """
    if not results:
        return health.Learned()
    judged = [_judge(result) for result in results]
    moves = [_next(one) for one in judged]
    ended = {move["id"] for move in moves if move["status"] == Status.FAILURE}
    # First, as people's switches lock a webhook before its deliveries as well.
    learned = health.learn(_lessons(judged, fine, probes, ended))
    attempt.store(results, {one.result.parcel.claimed.id for one in judged if not one.counts})
    sql.prepared(
        f"""
        UPDATE {_TABLE} AS delivery SET
            status = {_STATUS}, tries = next.tries, lease_until = NULL,
            lane = CASE WHEN next.wait IS NULL THEN delivery.lane ELSE {_LATER_LANE} END,
            due_at = CASE WHEN next.wait IS NULL THEN delivery.due_at ELSE {sql.now("next.wait")} END,
            finished_at = CASE WHEN {_STATUS} IN ({_FINISHED}) THEN {sql.now()} ELSE NULL END,
            transmitted_at = {sql.as_instant("next.transmitted_at")},
            code = next.code, error = next.error, duration_ms = next.duration_ms
        FROM {sql.rows(_CLAIM | _NEXT, "next")}
        WHERE {_IS_MINE}
        """,
        sql.encode(moves),
    )
    together.follow(together.firsts(result.parcel.claimed for result in results))
    return learned


def refuse(refused: Sequence[Refused]) -> None:
    """End, or hold, what cannot be sent."""
    if not refused:
        return
    failed = [one for one in refused if one.status == Status.FAILURE]
    alarms.unsent(alarms.by_webhook((one.claimed.webhook_id, one.claimed.id, one.reason) for one in failed))
    sql.prepared(
        f"""
        UPDATE {_TABLE} AS delivery SET
            status = next.status, lease_until = NULL, error = next.error,
            finished_at = CASE WHEN next.status IN ({_FINISHED}) THEN {sql.now()} ELSE NULL END
        FROM {sql.rows(_CLAIM | {"status": "text", "error": "text"}, "next")}
        WHERE {_IS_MINE}
        """,
        sql.encode(
            {"id": one.claimed.id, "fence": one.claimed.fence, "status": one.status, "error": one.reason[:255]}
            for one in refused
        ),
    )
    together.follow(together.firsts(one.claimed for one in refused))


_NEXT = {
    "status": "text",
    "tries": "integer",
    "wait": "real",
    "transmitted_at": "text",
    "code": "integer",
    "error": "text",
    "duration_ms": "integer",
}


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a try means. Without a verdict it was interrupted, and uses none."""

    result: Result
    verdict: Verdict | None
    farewell: str = ""

    @property
    def success(self) -> bool:
        return self.verdict is not None and self.verdict.success and not self.farewell

    @property
    def teaches(self) -> bool:
        """Not what was interrupted, nor a test, which is no traffic."""
        parcel = self.result.parcel
        return self.verdict is not None and not parcel.final and parcel.claimed.webhook_id is not None

    @property
    def counts(self) -> bool:
        """Does it use up a try? What was interrupted does not, nor what asked for a paused webhook in vain."""
        in_vain = self.result.parcel.probe and not self.success and not self.farewell
        return self.verdict is not None and not in_vain

    @property
    def reason(self) -> str:
        exchange = self.result.exchange
        if self.farewell:
            return self.farewell
        return exchange.message if isinstance(exchange, Failure) else self.verdict.reason if self.verdict else ""


def _judge(result: Result) -> _Judged:
    if _interrupted(result.exchange) and not result.parcel.final:
        return _Judged(result, None)
    verdict = DIALECTS[result.parcel.claimed.dialect].judge(result.exchange, result.parcel.request, timezone.now())
    return _Judged(result, verdict, policy.farewell(result.exchange))


def _next(judged: _Judged) -> dict[str, Any]:
    result, verdict = judged.result, judged.verdict
    claimed, exchange = result.parcel.claimed, result.exchange
    status, wait = Status.QUEUED, 0.0
    tries = claimed.tries + judged.counts
    if verdict is not None and judged.counts:
        if judged.success:
            status = Status.SUCCESS
        else:
            pause = None
            if verdict.retry and not result.parcel.final and not judged.farewell:
                retry = DIALECTS[claimed.dialect].retry
                pause = retry.wait(tries, conf.retry_scale(), random.uniform(-1, 1), verdict.retry_after)
            if pause is None:
                status = Status.FAILURE
            else:
                wait = pause
    return {
        "id": claimed.id,
        "fence": claimed.fence,
        "status": status,
        "tries": tries,
        "wait": wait if status == Status.QUEUED else None,
        "transmitted_at": sql.instant(result.started_at),
        "code": exchange.status if isinstance(exchange, Response) else None,
        "error": judged.reason[:255],
        "duration_ms": result.duration_ms,
    }


def _lessons(
    judged: Sequence[_Judged], fine: Collection[int], probes: Collection[int], ended: Collection[int]
) -> Iterator[health.Lesson]:
    """What is news: a success where all is well is none, unless a failure of the same webhook stands beside it."""
    told = {one.result.parcel.claimed.webhook_id for one in judged if not one.success}
    for one in judged:
        pk = one.result.parcel.claimed.webhook_id
        if one.teaches and (not one.success or pk in told or pk not in fine):
            yield _lesson(one, one.result.parcel.claimed.id in probes, one.result.parcel.claimed.id in ended)


def _lesson(judged: _Judged, probe: bool, final: bool) -> health.Lesson:
    result, exchange = judged.result, judged.result.exchange
    claimed = result.parcel.claimed
    assert judged.verdict is not None and claimed.webhook_id is not None
    return health.Lesson(
        webhook_id=claimed.webhook_id,
        delivery_id=claimed.id,
        at=result.started_at,
        success=judged.success,
        strained=policy.is_strained(exchange),
        probe=probe,
        final=final,
        slow_down=isinstance(exchange, Response) and exchange.status in policy.SLOW_DOWN,
        retry_after=judged.verdict.retry_after,
        farewell=judged.farewell,
        cause="" if judged.success else issues.cause(exchange),
        detail=judged.reason,
    )


def _interrupted(exchange: Response | Failure) -> bool:
    return isinstance(exchange, Failure) and exchange.kind is FailureKind.INTERRUPTED
