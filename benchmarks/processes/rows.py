"""Tables of any length, made by the database itself out of one real row. For processes in which Django is set up."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection, models

INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = %s AND sql <> ''",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s "
    "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
}
# Nobody else is here, and a database that breaks is made again; foreign keys are as right as the expressions are.
HASTE = {"sqlite": "PRAGMA synchronous = OFF", "postgresql": "SET session_replication_role = replica"}


def multiply(model: type[models.Model], pk: int, count: int, columns: Mapping[str, str]) -> None:
    """Copy a row so many times, these columns as the expressions of `n`, counted from 0, say.

    The indexes are made again afterwards.
    """
    table = model._meta.db_table
    names = [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]
    values = ", ".join(columns.get(name, f"original.{name}") for name in names)
    with connection.cursor() as cursor:
        cursor.execute(HASTE[connection.vendor])
        cursor.execute(INDEXES[connection.vendor], [table])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        # Without parameters Django hands the statement on as it is: % is SQL's own.
        cursor.execute(
            f"""
            WITH RECURSIVE number(n) AS (
                SELECT CAST(0 AS bigint) UNION ALL SELECT n + 1 FROM number WHERE n < {count - 1}
            )
            INSERT INTO {table} ({", ".join(names)})
            SELECT {values} FROM number JOIN {table} AS original ON original.id = {pk}
            """
        )
        for _, sql in indexes:
            cursor.execute(sql)
