"""What follows a test that committed: the database as migrate left it.

Django empties every table and has all that migrate makes made anew: permissions, roles, schedules. Here the tables that
have rows are emptied, and what migrate made stays, unless the test has changed it: then Django does it in its own way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

Contents = dict[str, list[tuple[Any, ...]]]


def contents() -> Contents:
    """The rows of every table that has any, by its name."""
    with connection.cursor() as cursor:
        return {table: _rows(cursor, table) for table in _filled(cursor)}


def _filled(cursor: Any) -> list[str]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in tables))
    return [table for (table,) in cursor.fetchall()]


def _rows(cursor: Any, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM {table}")
    return sorted(cursor.fetchall(), key=repr)


class Emptying:
    """Takes the place of Django's way. It begins with what the tables hold now."""

    def __init__(self) -> None:
        self._flush: Callable[[TransactionTestCase], None] = TransactionTestCase._fixture_teardown
        self._made_by_migrate = contents()

    def __call__(self, case: TransactionTestCase) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            # Foreign keys are judged when the transaction ends: the order does not matter.
            for table in set(_filled(cursor)) - self._made_by_migrate.keys():
                cursor.execute(f"DELETE FROM {table}")
        if contents() != self._made_by_migrate:
            self._flush(case)
            self._made_by_migrate = contents()
