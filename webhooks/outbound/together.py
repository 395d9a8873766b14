"""Deliveries that are sent together: the first of them is claimed, tried and settled, and the others follow it.

Each has its own row of the history; `gather` decides which are sent together. Whoever moves a first one says so here,
in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from leads import statement
from webhooks import sql
from webhooks.dialects import DIALECTS
from webhooks.models import WAITING, Delivery, Status, is_now
from webhooks.outbound.parcel import Claimed

_TABLE = Delivery._meta.db_table
_GROUPED = {name: dialect.grouped for name, dialect in DIALECTS.items() if dialect.grouped}

UNGATHERED = f"{is_now(Status.GROUPED)} AND sent_with_id IS NULL"
"""SQL: it waits for the others of its minute, as the partial index has it."""


def is_grouped(dialect: str, sent_as: str) -> bool:
    """Is what a webhook of this system hears under this name sent together?"""
    return sent_as in _GROUPED.get(dialect, ())


def firsts(claims: Iterable[Claimed]) -> list[int]:
    """Those that others may follow."""
    return [claimed.id for claimed in claims if is_grouped(claimed.dialect, claimed.sent_as)]


def follow(first_ids: Iterable[int]) -> int:
    """Let the others stand as these do; returns how many stood otherwise. No statement where no id is given."""
    ids = list(first_ids)
    if not ids:
        return 0
    status = f"CASE WHEN first.status IN ({_quoted(WAITING)}) THEN '{Status.GROUPED}' ELSE first.status END"
    return statement.count(
        f"""
        UPDATE {_TABLE} AS other SET
            status = {status}, tries = first.tries, lost = first.lost, code = first.code, error = first.error,
            duration_ms = first.duration_ms, transmitted_at = first.transmitted_at,
            due_at = first.due_at, finished_at = first.finished_at
        FROM {_TABLE} AS first
        WHERE {sql.among("other.sent_with_id")} AND first.id = other.sent_with_id AND first.id <> other.id
            AND (other.status <> {status} OR other.tries <> first.tries OR other.lost <> first.lost)
        """,
        [sql.integers(ids)],
    )


def held_as(delivery: str) -> str:
    """SQL of the status to which one that is held returns when its webhook is resumed. `delivery`: an alias."""
    return f"""
        CASE WHEN {delivery}.sent_with_id <> {delivery}.id OR {_ungathered(delivery)} THEN '{Status.GROUPED}'
        ELSE '{Status.QUEUED}' END
    """


def bound(delivery: str) -> str:
    """SQL of `sent_with` of a held one that is sent now: nobody else goes with it any more. `delivery`: an alias."""
    return f"CASE WHEN {_ungathered(delivery)} THEN {delivery}.id ELSE {delivery}.sent_with_id END"


def _ungathered(delivery: str) -> str:
    """SQL: a held one that nobody gathered yet."""
    grouped = " OR ".join(
        f"{delivery}.dialect = '{dialect}' AND {delivery}.sent_as IN ({_quoted(sorted(names))})"
        for dialect, names in _GROUPED.items()
    )
    # Neither gathered, nor sent again by itself, nor posted by a rule.
    alone = f"{delivery}.sent_with_id IS NULL AND {delivery}.replay_of_id IS NULL AND {delivery}.posted_by = ''"
    return f"({alone} AND ({grouped or sql.boolean(False)}))"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
