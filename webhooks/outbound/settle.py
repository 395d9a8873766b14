"""Write down how tries went and what comes next. The dialect judges the answer; only this step schedules.

Every change of a delivery asks for the fence of the claim: a late result is kept as an attempt and moves nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from webhooks import conf, sql
from webhooks.dialects import DIALECTS
from webhooks.models import FINISHED, Attempt, Delivery, Outcome, State, Status, Webhook
from webhooks.outbound.parcel import Refused, Result
from webhooks.wire.exchange import Failure, FailureKind, Response

_TABLE = Delivery._meta.db_table
_FINISHED = ", ".join(f"'{status}'" for status in FINISHED)
_CLAIM = {"id": "integer", "fence": "integer"}
# Another try is for a webhook that still wants it: paused, disabled or deleted meanwhile, it counts at once.
_STATUS = f"""CASE WHEN next.status <> '{Status.QUEUED}' THEN next.status ELSE coalesce((
    SELECT CASE webhook.state WHEN '{State.ENABLED}' THEN '{Status.QUEUED}' WHEN '{State.PAUSED}' THEN '{Status.HELD}'
    END FROM {Webhook._meta.db_table} webhook WHERE webhook.id = delivery.webhook_id), '{Status.CANCELLED}') END"""
_IS_MINE = f"delivery.id = next.id AND delivery.fence = next.fence AND delivery.status = '{Status.SENDING}'"


def settle(results: Sequence[Result]) -> None:
    """Store each try, and move its delivery on if the claim still holds."""
    if not results:
        return
    sql.insert(Attempt, _ATTEMPT, [_attempt(result) for result in results])
    sql.run(
        f"""
        UPDATE {_TABLE} AS delivery SET
            status = {_STATUS}, tries = next.tries, lease_until = NULL,
            due_at = CASE WHEN next.wait IS NULL THEN delivery.due_at ELSE {sql.now("next.wait")} END,
            finished_at = CASE WHEN {_STATUS} IN ({_FINISHED}) THEN {sql.now()} ELSE NULL END,
            transmitted_at = {sql.as_instant("next.transmitted_at")},
            code = next.code, error = next.error, duration_ms = next.duration_ms
        FROM {sql.rows(_CLAIM | _NEXT, "next")}
        WHERE {_IS_MINE}
        """,
        sql.encode(_next(result) for result in results),
    )


def refuse(refused: Sequence[Refused]) -> None:
    """End, or hold, what cannot be sent."""
    if not refused:
        return
    sql.run(
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


_NEXT = {
    "status": "text",
    "tries": "integer",
    "wait": "real",
    "transmitted_at": "text",
    "code": "integer",
    "error": "text",
    "duration_ms": "integer",
}


def _next(result: Result) -> dict[str, Any]:
    claimed, exchange = result.parcel.claimed, result.exchange
    dialect = DIALECTS[claimed.dialect]
    status, tries, wait, error = Status.QUEUED, claimed.tries, 0.0, ""
    if not _interrupted(exchange) or result.parcel.final:
        tries += 1
        verdict = dialect.judge(exchange, result.parcel.request, timezone.now())
        error = exchange.message if isinstance(exchange, Failure) else verdict.reason
        if verdict.success:
            status = Status.SUCCESS
        else:
            pause = None
            if verdict.retry and not result.parcel.final:
                spread = random.uniform(-1, 1)
                pause = dialect.retry.wait(tries, conf.retry_scale(), spread, verdict.retry_after)
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
        "error": error[:255],
        "duration_ms": result.duration_ms,
    }


def _interrupted(exchange: Response | Failure) -> bool:
    return isinstance(exchange, Failure) and exchange.kind is FailureKind.INTERRUPTED


_ATTEMPT = {
    "delivery_id": "integer",
    "number": "integer",
    "outcome": "text",
    "started_at": "instant",
    "duration_ms": "integer",
    "method": "text",
    "url": "text",
    "request_headers": "text",
    "code": "integer",
    "reason": "text",
    "response_headers": "text",
    "response_body": "text",
    "response_size": "integer",
    "failure": "text",
    "error": "text",
}


def _attempt(result: Result) -> dict[str, Any]:
    parcel, exchange = result.parcel, result.exchange
    row: dict[str, Any] = {
        "delivery_id": parcel.claimed.id,
        "number": parcel.claimed.tries + 1,
        "outcome": Outcome.ANSWERED,
        "started_at": sql.instant(result.started_at),
        "duration_ms": result.duration_ms,
        "method": parcel.request.method,
        "url": parcel.request.url[:2000],
        "request_headers": _json(parcel.shown_headers),
        "code": None,
        "reason": "",
        "response_headers": "[]",
        "response_body": "",
        "response_size": 0,
        "failure": "",
        "error": "",
    }
    if isinstance(exchange, Response):
        row |= {
            "code": exchange.status,
            "reason": _text(exchange.reason)[:255],
            "response_headers": _text(_json(exchange.headers)),
            "response_body": _text(exchange.body.decode(errors="backslashreplace")),
            "response_size": exchange.size,
        }
    else:
        row |= {"outcome": Outcome.FAILED, "failure": exchange.kind, "error": exchange.message[:255]}
        if _interrupted(exchange):
            row |= {"outcome": Outcome.INTERRUPTED, "number": 0}
    return row


def _json(headers: Sequence[tuple[str, str]]) -> str:
    return json.dumps(headers, ensure_ascii=False, separators=(",", ":"))


def _text(received: str) -> str:
    """PostgreSQL stores neither NUL nor lone surrogates."""
    return received.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
