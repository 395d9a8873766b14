"""The rows of tries, as history shows them: what was sent, what came, how long it took. Only ever added to."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from leads import statement
from webhooks import sql
from webhooks.models import Attempt, Outcome
from webhooks.outbound.parcel import Result
from webhooks.wire.exchange import FailureKind, Response

_COLUMNS = (
    "delivery_id",
    "number",
    "outcome",
    "started_at",
    "duration_ms",
    "method",
    "url",
    "request_headers",
    "code",
    "reason",
    "response_headers",
    "response_body",
    "response_size",
    "failure",
    "error",
)
# Made once: json.dumps makes one for every call that asks for anything but its defaults.
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def store(results: Sequence[Result], free: Collection[int] = ()) -> None:
    """One row for each try, whether or not its claim still holds. free: deliveries of which it used up none."""
    rows = [_row(result, result.parcel.claimed.id in free) for result in results]
    statement.insert(Attempt._meta.db_table, _COLUMNS, rows)


def _row(result: Result, free: bool) -> tuple[Any, ...]:
    claimed, request, exchange = result.parcel.claimed, result.parcel.request, result.exchange
    number, outcome, answer, why = 0 if free else claimed.tries + 1, Outcome.FAILED, _NO_ANSWER, ("", "")
    if isinstance(exchange, Response):
        outcome, answer = Outcome.ANSWERED, _answer(exchange)
    else:
        why = exchange.kind.value, exchange.message[:255]
        if exchange.kind is FailureKind.INTERRUPTED:
            outcome = Outcome.INTERRUPTED
    return (
        claimed.id,
        number,
        outcome.value,
        sql.instant(result.started_at),
        result.duration_ms,
        request.method,
        request.url[:2000],
        _json(result.parcel.shown_headers),
        *answer,
        *why,
    )


_NO_ANSWER: tuple[int | None, str, str, str, int] = (None, "", "[]", "", 0)


def _answer(answer: Response) -> tuple[int | None, str, str, str, int]:
    body = answer.body.decode(errors="backslashreplace")
    return answer.status, _text(answer.reason)[:255], _text(_json(answer.headers)), _text(body), answer.size


def _text(received: str) -> str:
    """PostgreSQL stores neither NUL nor lone surrogates."""
    if received.isascii() and "\0" not in received:
        return received
    return received.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
