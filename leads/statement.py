"""Statements that never change and run at every save.

Django's cursor goes through the text of a statement each time it runs, and PostgreSQL plans it each time: for these
both take longer than the answer. Here the text is gone through once, and PostgreSQL keeps the plan (plans.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.types.json import Jsonb

from leads.plans import KEPT, Plans, Prepared, plans_of

FEW = 4


def run(
    statement: str, parameters: Sequence[Any] = (), using: str = DEFAULT_DB_ALIAS, prepare: bool = True
) -> list[tuple[Any, ...]]:
    """Run a statement, written for Django's cursor, and return its rows; raises what Django's cursor raises.

    prepare: only for texts of which there are few. None is prepared where DATABASE_URL has DISABLE_SERVER_SIDE_CURSORS,
    as behind a pooler that hands out connections by transaction.
    """
    cursor = _execute(statement, parameters, using, prepare)
    rows: list[tuple[Any, ...]] = cursor.fetchall() if _has_rows(cursor) else []
    return rows


def _has_rows(cursor: Any) -> bool:
    if isinstance(cursor, psycopg.Cursor | Prepared):  # psycopg makes an object of each column for its description
        return cursor.pgresult is not None and cursor.pgresult.nfields > 0
    return bool(cursor.description)


def forget_plans(using: str = DEFAULT_DB_ALIAS, age: float = 20.0) -> None:
    """Let PostgreSQL plan anew what was first prepared so many seconds ago or earlier: a plan that was made for a small
    table reads a large one whole.

    It does so by itself when it has counted the table's rows again, which may be a minute later.
    """
    plans: Plans | None = connections[using].__dict__.get(KEPT)
    if plans and time.monotonic() - plans.since >= age:
        with connections[using].cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        del connections[using].__dict__[KEPT]


def count(
    statement: str, parameters: Sequence[Any] = (), using: str = DEFAULT_DB_ALIAS, *, commit: bool = False
) -> int:
    """The same for a statement that returns no rows: how many it wrote.

    commit: it is the transaction's last, and PostgreSQL may commit with it: Django's COMMIT then finds nothing open.
    """
    number: int = _execute(statement, parameters, using, prepare=True, commit=commit).rowcount
    return number


def insert(
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    using: str = DEFAULT_DB_ALIAS,
    *,
    commit: bool = False,
) -> None:
    """Insert rows: a few, as a save has them, by one statement, many by what each database does fastest. Raises what
    Django's cursor raises."""
    if 0 < len(rows) <= FEW:
        text = insertion(table, tuple(columns), len(rows))
        count(text, [value for row in rows for value in row], using, commit=commit)
    elif connections[using].vendor == "sqlite":
        _execute(insertion(table, tuple(columns), 1), rows, using, prepare=True, many=True)
    elif rows:
        connection = connections[using]
        connection.validate_no_broken_transaction()
        text = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(text) as copy:
            for row in rows:
                copy.write_row(row)


@lru_cache(maxsize=32)
def insertion(table: str, columns: tuple[str, ...], number: int) -> str:
    """The statement that inserts so many rows."""
    marks = f"({', '.join(['%s'] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * number)}"


def add(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], using: str = DEFAULT_DB_ALIAS) -> None:
    """Insert those rows that no other one stands in the way of."""
    if not rows:
        return
    if connections[using].vendor == "postgresql":
        text = f"{insertion_of_json(table, tuple(columns))} ON CONFLICT DO NOTHING"
        _execute(text, [encoded(columns, rows)], using, prepare=True)
    else:
        text = f"{insertion(table, tuple(columns), 1)} ON CONFLICT DO NOTHING"
        _execute(text, rows, using, prepare=True, many=True)


@lru_cache(maxsize=32)
def insertion_of_json(table: str, columns: tuple[str, ...]) -> str:
    """The statement that inserts the rows of one JSON array (`encoded`), in their order, on PostgreSQL.

    Of many rows this takes a fraction of the time of a statement with a mark for each value: psycopg looks for all the
    marks anew each time.
    """
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, %s::json)"


def encoded(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows for it: an object each, by the names of its columns; what is missing is NULL."""
    names = [column.strip('"') for column in columns]
    told = [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows]
    return _json(told)


def _as_json(value: Any) -> Any:
    """What Django's fields make of values, as PostgreSQL reads it in JSON."""
    if isinstance(value, Jsonb):
        return value.obj
    if isinstance(value, date):  # or a time of a day
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value)} has no form in JSON")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_as_json).encode


@cache
def moments(using: str = DEFAULT_DB_ALIAS) -> Callable[[datetime], Any]:
    """What makes of an aware time what the database's driver takes."""
    return _as_text if connections[using].vendor == "sqlite" else _as_it_is


def _as_text(moment: datetime) -> str:
    """As SQLite's columns hold it, in UTC."""
    return str(moment if moment.tzinfo is UTC else moment.astimezone(UTC))[: -len("+00:00")]


def _as_it_is(moment: datetime) -> datetime:
    return moment


def _execute(
    statement: str, parameters: Sequence[Any], using: str, prepare: bool, many: bool = False, commit: bool = False
) -> Any:
    """A cursor that has run it; many: for each of a list of parameters."""
    connection = connections[using]
    if connection.execute_wrappers or connection.queries_logged:
        # Somebody wants to see statements pass.
        django = connection.cursor()
        (django.executemany if many else django.execute)(statement, parameters)
        return django
    if not connection.in_atomic_block:
        # As Django's cursor does: the connection may be lost, or not open yet.
        connection.close_if_health_check_failed()
        connection.ensure_connection()
    connection.validate_no_broken_transaction()
    raw: Any = connection.connection
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            return (raw.executemany if many else raw.execute)(_marked(statement), parameters)
        if prepare and (plans := plans_of(connection)):
            return plans.run(statement, parameters, commit)
        return psycopg.Cursor(raw).execute(statement, parameters, prepare=prepare)


@lru_cache(maxsize=1024)
def _marked(statement: str) -> str:
    """In the words of Python's sqlite3."""
    return statement.replace("%%", "\0").replace("%s", "?").replace("\0", "%")
