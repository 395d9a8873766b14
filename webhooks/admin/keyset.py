"""Pages of a list of any length, by the ids of their rows: no OFFSET, and nothing is counted.

A page is read from the parts of a selection (webhooks/outbound/selection.py). Where a part has to ask each row, one
page reads so many of its rows and no more; a page that is not full for that reason says where the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce

from webhooks import sql
from webhooks.models import Delivery
from webhooks.outbound.selection import Part

PER_PAGE = 50
# Rows that one part reads for one page, or for one count, at most.
READ = 25_000


@dataclass(frozen=True, slots=True)
class Page:
    """ids: newest first. newer, older: where the neighbouring pages begin, None where there is none.

    cut: rows remain that were not read; the page may lack some, and `older` goes on with them.
    """

    ids: tuple[int, ...]
    newer: int | None = None
    older: int | None = None
    cut: bool = False


def first(parts: Sequence[Part], size: int = PER_PAGE) -> Page:
    return _down(parts, None, size)


def after(parts: Sequence[Part], pk: int, size: int = PER_PAGE) -> Page:
    """The page of the ids below pk."""
    page = _down(parts, pk, size)
    return Page(page.ids, newer=page.ids[0] if page.ids else pk - 1, older=page.older, cut=page.cut)


def before(parts: Sequence[Part], pk: int, size: int = PER_PAGE) -> Page:
    """The page of the ids above pk; where fewer remain than a page holds, the first page."""
    ceiling = _edge(parts, lambda rows: rows.filter(pk__gt=pk).order_by("pk"), min)
    ids: set[int] = set()
    for part in parts:
        rows = part.all().filter(pk__gt=pk).order_by("pk")
        if ceiling is not None:
            rows = rows.filter(pk__lte=ceiling)
        ids.update(rows.values_list("pk", flat=True)[: size + 1])
    found = sorted(ids)[:size]
    if len(ids) <= size and ceiling is None:
        return first(parts, size)
    newer = found[-1] if len(ids) > size else ceiling
    return Page(tuple(reversed(found)), newer=newer, older=found[0] if found else pk + 1)


def counts(sets: Sequence[Sequence[Part]], cap: int) -> list[tuple[int, bool]]:
    """Of each set: (how many, whether there may be more), in one statement.

    At most `cap`, and none that would have to be looked for further than a page looks.
    """
    columns: list[str] = []
    parameters: list[Any] = []
    for part in (part for parts in sets for part in parts):
        rows = part.rows.order_by("-pk").values("pk")
        found = part.all().order_by("-pk").values("pk")
        if part.walks:
            edge = rows[READ : READ + 1]
            found = found.filter(pk__gt=Coalesce(Subquery(edge), 0))
        else:
            edge = rows.none()
        for query in (found[: cap + 1], edge):
            try:
                statement, values = query.query.sql_with_params()
            except EmptyResultSet:
                columns.append("0")
                continue
            columns.append(f"(SELECT count(*) FROM ({statement}) AS counted)")
            parameters += values
    numbers = iter(sql.run(f"SELECT {', '.join(columns)}", *parameters)[0])
    answers = []
    for parts in sets:
        pairs = [(next(numbers), next(numbers)) for _ in parts]
        total = sum(found for found, _ in pairs)
        answers.append((min(total, cap), total > cap or any(edge for _, edge in pairs)))
    return answers


def _down(parts: Sequence[Part], pk: int | None, size: int) -> Page:
    def below(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return (rows if pk is None else rows.filter(pk__lt=pk)).order_by("-pk")

    floor = _edge(parts, below, max)
    ids: set[int] = set()
    for part in parts:
        rows = below(part.all())
        if floor is not None:
            rows = rows.filter(pk__gte=floor)
        ids.update(rows.values_list("pk", flat=True)[: size + 1])
    found = sorted(ids, reverse=True)[:size]
    if len(ids) > size:
        return Page(tuple(found), older=found[-1])
    return Page(tuple(found), older=floor, cut=floor is not None)


def _edge(
    parts: Sequence[Part],
    ordered: Callable[[QuerySet[Delivery]], QuerySet[Delivery]],
    nearest: Callable[[list[int]], int],
) -> int | None:
    """The id up to which every part that has to ask its rows may be read; None when all of them end before."""
    edges = [
        edge
        for part in parts
        if part.walks and (edge := ordered(part.rows).values_list("pk", flat=True)[READ : READ + 1].first()) is not None
    ]
    return nearest(edges) if edges else None
