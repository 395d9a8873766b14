"""history.1m.*: pages of Webhook History over a million deliveries, to a manager and to a superuser; the slower counts.

first: the list as it opens. page50: the fiftieth page, come to by Next. status, webhook, date: one filter each, the
date being three days in the middle of the history. ms is the median of some visits, statements what one of them asked
the database. The quick form looks at 100,000 deliveries.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.process import Process
from benchmarks.size import Size

PAGES = ("first", "page50", "status", "webhook", "date")
FIGURES = tuple(f"history.1m.{page}.{unit}" for page in PAGES for unit in ("ms", "statements"))
WHO = ("manager", "superuser")


def measure(install: Install, size: Size) -> Iterator[Figure]:
    with install().process("visitor") as visitor:
        webhook = visitor.ask("fill", rows=size.rows, within=300)
        middle = datetime.now(UTC).date() - timedelta(days=30)
        queries = {
            "first": "",
            "status": "?status=failure",
            "webhook": f"?webhook={webhook}",
            "date": f"?sent_from_0={middle - timedelta(days=1)}&sent_to_0={middle + timedelta(days=1)}",
        }
        for page in PAGES:
            seen = [
                _visits(
                    visitor, who, queries[page] if page in queries else _by_next(visitor, who, size.turns), size.visits
                )
                for who in WHO
            ]
            yield Figure(f"history.1m.{page}.ms", max(ms for ms, _ in seen), "ms")
            yield Figure(f"history.1m.{page}.statements", max(number for _, number in seen), "statements")


def _visits(visitor: Process, who: str, query: str, times: int) -> tuple[float, int]:
    _look(visitor, who, query)  # templates are read from disk once
    visits = [_look(visitor, who, query) for _ in range(times)]
    return median(visit["ms"] for visit in visits), max(visit["statements"] for visit in visits)


def _by_next(visitor: Process, who: str, turns: int) -> str:
    query = ""
    for _ in range(turns):
        query = _look(visitor, who, query)["next"]
    return query


def _look(visitor: Process, who: str, query: str) -> Any:
    return visitor.ask("look", who=who, query=query)
