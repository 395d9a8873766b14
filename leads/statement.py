"""Statements that never change and run at every save.

Django's cursor goes through the text of a statement each time it runs, and PostgreSQL plans it each time: for these
both take longer than the answer. Here the text is gone through once, and PostgreSQL keeps the plan ("prepared"); the
first one of a transaction takes its BEGIN along.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import abc, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import Jsonb

FEW = 4
MOST_KEPT = 100


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
    if isinstance(cursor, psycopg.Cursor | _Prepared):  # psycopg makes an object of each column for its description
        return cursor.pgresult is not None and cursor.pgresult.nfields > 0
    return bool(cursor.description)


def forget_plans(using: str = DEFAULT_DB_ALIAS, age: float = 20.0) -> None:
    """Let PostgreSQL plan anew what was first prepared so many seconds ago or earlier: a plan that was made for a small
    table reads a large one whole.

    It does so by itself when it has counted the table's rows again, which may be a minute later.
    """
    connection = connections[using]
    plans: _Plans | None = connection.__dict__.get("kept_plans")
    if plans is not None and time.monotonic() - plans.since >= age:
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        connection.__dict__.pop("kept_plans")


def count(statement: str, parameters: Sequence[Any] = (), using: str = DEFAULT_DB_ALIAS, prepare: bool = True) -> int:
    """The same for a statement that returns no rows: how many it wrote."""
    number: int = _execute(statement, parameters, using, prepare).rowcount
    return number


def insert(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], using: str = DEFAULT_DB_ALIAS) -> None:
    """Insert rows: a few, as a save has them, by one statement, many by what each database does fastest."""
    if 0 < len(rows) <= FEW:
        count(insertion(table, tuple(columns), len(rows)), [value for row in rows for value in row], using)
    elif connections[using].vendor == "sqlite":
        _execute(insertion(table, tuple(columns), 1), rows, using, prepare=True, many=True)
    elif rows:
        text = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with connections[using].cursor() as cursor, cursor.copy(text) as copy:
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


def _execute(statement: str, parameters: Sequence[Any], using: str, prepare: bool, many: bool = False) -> Any:
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
        if prepare and _keeps_plans(connection):
            return _plans(connection).run(statement, parameters)
        return psycopg.Cursor(raw).execute(statement, parameters, prepare=prepare)


def _keeps_plans(connection: Any) -> bool:
    """Not behind a pooler; nor where psycopg prepares by itself, as it takes away all plans now and then; nor where
    BEGIN says more than that."""
    raw, pooled = connection.connection, connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    return not pooled and raw.prepare_threshold is None and raw.isolation_level is None


def _plans(connection: Any) -> _Plans:
    plans: _Plans | None = connection.__dict__.get("kept_plans")
    if plans is None or plans.raw is not connection.connection:
        plans = connection.kept_plans = _Plans(connection.connection)
    return plans


class _Plans:
    """The statements that a connection has prepared. psycopg's cursors take twice as long to run one."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw, self.since = raw, time.monotonic()
        self._statements: dict[str, _Prepared] = {}
        self._number = 0
        self._context = psycopg.Cursor(raw)
        # In C, and to the same moments: those that Django registers are read in Python.
        self._context.adapters.register_loader("timestamptz", TimestamptzLoader)

    def run(self, statement: str, parameters: Sequence[Any]) -> _Prepared:
        prepared = self._statements.get(statement)
        if prepared is None:
            prepared = self._statements[statement] = _Prepared(*_numbered(statement), Transformer(self._context))
        values = prepared.transformer.dump_sequence(parameters, prepared.formats)
        types = prepared.transformer.types or ()
        name = prepared.names.get(types)
        if name is None:
            name = prepared.names[types] = self._prepare(prepared.text, types)
        prepared.take(self._run(name, values, prepared.transformer.formats))
        return prepared

    def _prepare(self, text: bytes, types: tuple[int, ...]) -> bytes:
        if self._number == MOST_KEPT:
            self.raw.execute("DEALLOCATE ALL")
            self._number = 0
            for prepared in self._statements.values():
                prepared.names.clear()
        name = b"kept_%d" % self._number
        self.raw.pgconn.send_prepare(name, text, types)
        _checked(self.raw.wait(generators.execute(self.raw.pgconn)))
        self._number += 1
        return name

    def _run(self, name: bytes, values: Sequence[Any], formats: Any) -> Any:
        pgconn = self.raw.pgconn
        if self.raw.autocommit or pgconn.transaction_status != TransactionStatus.IDLE:
            pgconn.send_query_prepared(name, values, formats)
            return _checked(self.raw.wait(generators.execute(pgconn)))
        # With BEGIN, in one way to the database and back.
        pgconn.enter_pipeline_mode()
        pgconn.send_query_params(b"BEGIN", None)
        pgconn.send_query_prepared(name, values, formats)
        pgconn.pipeline_sync()
        return _checked(self.raw.wait(_begun(pgconn)))


def _begun(pgconn: Any) -> Generator[Any, Any, list[Any]]:
    """The answers to BEGIN and to the statement; that to the mark after both is none."""
    begun = yield from generators.execute(pgconn)
    answered = yield from generators.execute(pgconn)
    yield from generators.execute(pgconn)
    pgconn.exit_pipeline_mode()
    return [*begun, *answered]


def _checked(results: Sequence[Any]) -> Any:
    """The last one."""
    for result in results:
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(result)
    return results[-1]


@dataclass(slots=True)
class _Prepared:
    """A statement, and as a cursor tells it what it came to when it was last run."""

    text: bytes
    formats: Sequence[PyFormat]
    transformer: abc.Transformer
    # By the types of the parameters.
    names: dict[tuple[int, ...], bytes] = field(default_factory=dict)
    pgresult: Any = None

    def take(self, result: Any) -> None:
        self.transformer.set_pgresult(result, set_loaders=self.pgresult is None)
        self.pgresult = result

    @property
    def rowcount(self) -> int:
        return self.pgresult.command_tuples or 0

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.transformer.load_rows(0, self.pgresult.ntuples, tuple)


def _numbered(statement: str) -> tuple[bytes, Sequence[PyFormat]]:
    """In PostgreSQL's own words, and the form in which each parameter travels."""
    formats: list[PyFormat] = []

    def mark(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        formats.append(PyFormat(found[0][1]))
        return f"${len(formats)}"

    return re.sub("%[%sb]", mark, statement).encode(), formats


@lru_cache(maxsize=1024)
def _marked(statement: str) -> str:
    """In the words of Python's sqlite3."""
    return statement.replace("%%", "\0").replace("%s", "?").replace("\0", "%")
