"""Pages that neither skip nor repeat a row while others are added: a cursor names the row that the page starts beyond.

A cursor is the direction and the place, such as after-1763716445123456-81: the page after the row with that time
(microseconds since 1970) and that id. What is not sorted by a time has the id alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request

from leads.api.errors import Fault, Problem
from leads.api.view import LARGEST_ID

PARAMETERS: Final = ("cursor", "limit")
USUAL, LARGEST = 50, 200

Place = tuple[Any, ...]

_CURSOR = re.compile(r"(after|before)(?:-(-?[0-9]{1,19}))??-([0-9]{1,19})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Page:
    """The rows, and the cursors of the pages around them."""

    rows: Sequence[Any]
    next: str | None
    previous: str | None


def page(queryset: QuerySet[Any], columns: Sequence[str], request: Request, *, oldest_first: bool = False) -> Page:
    """One page of the rows, the greatest first by these columns: (a date and time, "id") or ("id",)."""
    limit = _limit(request.query_params.get("limit"))
    cursor = request.query_params.get("cursor")
    backwards, place = (False, None) if cursor is None else _read(cursor, columns)
    rising = backwards != oldest_first
    if place is not None:
        queryset = queryset.filter(_beyond(columns, place, "gt" if rising else "lt"))
    ordered = queryset.order_by(*(column if rising else f"-{column}" for column in columns))
    found = list(ordered[: limit + 1])
    more, rows = len(found) > limit, found[:limit]
    if backwards:
        rows.reverse()
        further, nearer = True, more
    else:
        further, nearer = more, cursor is not None
    return Page(
        rows,
        next=_write("after", rows[-1], columns) if rows and further else None,
        previous=_write("before", rows[0], columns) if rows and nearer else None,
    )


def listed(request: Request, page: Page, data: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to a list: {"data": [...], "next": address or null, "previous": address or null}."""
    return {"data": data, "next": _address(request, page.next), "previous": _address(request, page.previous)}


def _address(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= LARGEST:
        raise Problem(400, faults=[Fault("limit", "limit", f"must be a whole number from 1 to {LARGEST}")])
    return int(text)


def _beyond(columns: Sequence[str], place: Place, operator: str) -> Q:
    if len(columns) == 1:
        return Q(**{f"{columns[0]}__{operator}": place[0]})
    first, second = columns
    # The first condition says nothing new: it is what lets an index start at the place.
    return Q(**{f"{first}__{operator}e": place[0]}) & (
        Q(**{f"{first}__{operator}": place[0]}) | Q(**{f"{second}__{operator}": place[1]})
    )


def _write(direction: str, row: Model, columns: Sequence[str]) -> str:
    place = [getattr(row, column) for column in columns]
    numbers = [(value - _EPOCH) // _STEP if isinstance(value, datetime) else value for value in place]
    return "-".join([direction, *map(str, numbers)])


def _read(cursor: str, columns: Sequence[str]) -> tuple[bool, Place]:
    """Whether the page lies before the place, and the place."""
    match = _CURSOR.fullmatch(cursor)
    if match and (match[2] is not None) == (len(columns) == 2) and int(match[3]) <= LARGEST_ID:
        try:
            moments = [] if match[2] is None else [_EPOCH + int(match[2]) * _STEP]
        except OverflowError:
            pass
        else:
            return match[1] == "before", (*moments, int(match[3]))
    raise Problem(400, faults=[Fault("cursor", "cursor", "must be taken from a link of an earlier page")])
