"""What Django's queries cannot say, for SQLite and PostgreSQL: many rows in one statement, the database's clock.

Rows travel as one JSON parameter, so that a statement's cost and number do not grow with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models

from leads import statement

Stored = TypeVar("Stored", bound=models.Model)

# Column types by the name that `rows` takes.
_POSTGRESQL = {
    "integer": "bigint",
    "integers": "bigint[]",
    "text": "text",
    "real": "double precision",
    "boolean": "boolean",
}


@cache
def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def now(seconds: str = "") -> str:
    """The database's clock as a column of Django's DateTimeField holds it, plus `seconds` (an SQL expression)."""
    if is_postgresql():
        # Not clock_timestamp(): that one may change from row to row, and no index answers a question about it.
        return "statement_timestamp()" + (f" + ({seconds}) * interval '1 second'" if seconds else "")
    shift = f", ({seconds}) || ' seconds'" if seconds else ""
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now'{shift})"


def later(instant: str, seconds: str) -> str:
    """An instant, given as SQL, plus seconds."""
    if is_postgresql():
        return f"{instant} + ({seconds}) * interval '1 second'"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', {instant}, ({seconds}) || ' seconds')"


def clock() -> datetime:
    """The database's clock; SQLite's has milliseconds, and what is due now must be so in the next statement."""
    if not is_postgresql():
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    found: datetime = run("SELECT clock_timestamp()")[0][0]
    return found


def seconds_since(column: str) -> str:
    """The seconds from a column's instant to the database's clock."""
    if is_postgresql():
        return f"CAST(extract(epoch FROM clock_timestamp() - {column}) AS double precision)"
    return f"(julianday('now') - julianday({column})) * 86400.0"


def instant(value: datetime) -> str:
    """A time as the database reads it out of JSON text."""
    return value.isoformat() if is_postgresql() else value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def as_instant(column: str) -> str:
    return f"CAST({column} AS timestamptz)" if is_postgresql() else column


def as_text(column: str) -> str:
    """A column's instant in UTC, as text: drivers make a datetime of it for several times what we need."""
    if is_postgresql():
        return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    # An expression: what is a column's own value, Django's connection parses.
    return f"{column} || ''"


def rows(columns: Mapping[str, str], alias: str = "row") -> str:
    """A FROM item that yields the objects of one JSON array.

    columns: {name: integer, integers (an array of them), text, real or boolean}.
    """
    if is_postgresql():
        typed = ", ".join(f"{name} {_POSTGRESQL[type_]}" for name, type_ in columns.items())
        return f"json_to_recordset(%s::json) AS {alias}({typed})"
    picked = ", ".join(f"value ->> '$.{name}' AS {name}" for name in columns)
    return f"(SELECT {picked} FROM json_each(%s)) AS {alias}"


def listed(columns: Mapping[str, str], number: int, alias: str) -> str:
    """The same of so many rows, each of their values a parameter, on PostgreSQL: what reads JSON takes longer there."""
    marks = ", ".join(f"%s::{_POSTGRESQL[type_]}" for type_ in columns.values())
    return f"(VALUES {', '.join([f'({marks})'] * number)}) AS {alias}({', '.join(columns)})"


def join_by_keys(table: str, alias: str, keys: str) -> str:
    """Join the rows whose keys are in a column of integers."""
    if is_postgresql():
        return f"JOIN {table} {alias} ON {alias}.id = ANY({keys})"
    return f"CROSS JOIN json_each({keys}) AS key CROSS JOIN {table} {alias} ON {alias}.id = key.value"


def boolean(value: bool) -> str:
    return str(value).upper() if is_postgresql() else str(int(value))


def lock_skip(alias: str = "") -> str:
    """Take the rows that nobody else is taking. SQLite has one writer at a time and needs no such word."""
    if not is_postgresql():
        return ""
    return f"FOR UPDATE {f'OF {alias} ' if alias else ''}SKIP LOCKED"


def lock_keep(alias: str, skip: bool = False) -> str:
    """See each row as whoever has it locked leaves it, and let nobody else lock it until we commit."""
    return f"FOR KEY SHARE OF {alias}{' SKIP LOCKED' if skip else ''}" if is_postgresql() else ""


def run(text: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return the rows that it returns, if any."""
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []


def prepared(text: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The same for one that runs again and again, its text unchanged: PostgreSQL plans it once (leads/statement.py).

    To be so, it finds its rows by an index whatever the parameters are.
    """
    return statement.run(text, parameters)


def load(model: type[Stored], keys: Iterable[int]) -> dict[int, Stored]:
    """What in_bulk finds; Django takes longer to write that statement than the database to answer."""
    text, names, converters = _load(model)
    found = {}
    for row in prepared(text, integers(keys)):
        values = list(row)
        for place, convert, expression in converters:
            values[place] = convert(values[place], expression, connection)
        found[values[0]] = model.from_db(connection.alias, names, values)
    return found


@cache
def _load(model: type[models.Model]) -> tuple[str, Sequence[str], Sequence[tuple[int, Any, Any]]]:
    """The statement, the names of its columns, the key first, and what makes values of what it returns."""
    key = model._meta.pk
    assert key is not None
    fields = [key, *(field for field in model._meta.concrete_fields if field is not key)]
    columns = [str(field.column) for field in fields]
    text = f"SELECT {', '.join(columns)} FROM {model._meta.db_table} WHERE {among(columns[0])}"
    compiler = models.sql.Query(model).get_compiler(connection=connection)
    found = compiler.get_converters([field.cached_col for field in fields])
    converters = [(place, convert, expression) for place, (them, expression) in found.items() for convert in them]
    return text, [field.attname for field in fields], converters


def among(column: str) -> str:
    """The condition that a column is one of the integers in the parameter that `integers` makes."""
    return f"{column} = ANY(%s)" if is_postgresql() else f"{column} IN (SELECT value FROM json_each(%s))"


def none_of(column: str) -> str:
    """The condition that a column is none of them; as quick for many."""
    return f"{column} NOT IN (SELECT value FROM {members()})"


def members() -> str:
    """A FROM item that yields them, under the name `value`."""
    return "unnest(%s::bigint[]) AS members(value)" if is_postgresql() else "json_each(%s)"


def integers(values: Iterable[int]) -> str:
    """That parameter: text, as psycopg takes longer to make it of a list than we do."""
    listed = ",".join(map(str, values))
    return f"{{{listed}}}" if is_postgresql() else f"[{listed}]"


def encode(objects: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(list(objects), ensure_ascii=False, separators=(",", ":"))


def insert(model: type[models.Model], columns: Mapping[str, str], objects: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows; a column whose type is `instant` takes what `instant()` gives."""
    if not objects:
        return
    table = model._meta.db_table
    if is_postgresql():
        plain = {name: "text" if type_ == "instant" else type_ for name, type_ in columns.items()}
        picked = ", ".join(as_instant(name) if columns[name] == "instant" else name for name in columns)
        run(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {picked} FROM {rows(plain)}", encode(objects))
        return
    # SQLite takes the values without a detour through JSON.
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
            [[row[name] for name in columns] for row in objects],
        )


def keep_bytes(model: type[models.Model], columns: tuple[str, str], contents: Mapping[int, bytes]) -> None:
    """Insert rows of a key and bytes; one whose key is there already stays as it is."""
    insert = f"INSERT INTO {model._meta.db_table} ({', '.join(columns)})"
    if is_postgresql():
        picked = "SELECT * FROM unnest(%s::bigint[], %b::bytea[])"
        statement.run(f"{insert} {picked} ON CONFLICT DO NOTHING", [list(contents), list(contents.values())])
        return
    with connection.cursor() as cursor:
        cursor.executemany(f"{insert} VALUES (%s, %s) ON CONFLICT DO NOTHING", list(contents.items()))
