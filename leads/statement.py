"""Statements that never change and run at every save.

Django's cursor goes through the text of a statement each time it runs, and PostgreSQL plans it each time: for these
both take longer than the answer. Here the text is gone through once, and PostgreSQL keeps the plan ("prepared").
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from sys import maxsize
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections


def run(
    statement: str, parameters: Sequence[Any] = (), using: str = DEFAULT_DB_ALIAS, prepare: bool = True
) -> list[tuple[Any, ...]]:
    """Run a statement, written for Django's cursor, and return its rows, if any; raises what Django's cursor raises.

    prepare: only for texts of which there are few. None is prepared where DATABASE_URL has DISABLE_SERVER_SIDE_CURSORS,
    as behind a pooler that hands out connections by transaction.
    """
    connection = connections[using]
    if not connection.in_atomic_block or connection.execute_wrappers or connection.queries_logged:
        # Django's own may find the connection lost here and open another, or somebody wants to see statements pass.
        with connection.cursor() as django:
            django.execute(statement, parameters)
            return django.fetchall() if django.description else []
    connection.validate_no_broken_transaction()
    raw: Any = connection.connection
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            found: list[tuple[Any, ...]] = raw.execute(_marked(statement), parameters).fetchall()
            return found
        if raw.prepare_threshold is None and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            raw.prepare_threshold = maxsize  # by itself nothing is prepared, only what asks for it
        with psycopg.Cursor(raw) as cursor:
            cursor.execute(statement, parameters, prepare=prepare)
            return cursor.fetchall() if cursor.description else []


@lru_cache(maxsize=1024)
def _marked(statement: str) -> str:
    """In the words of Python's sqlite3."""
    return statement.replace("%%", "\0").replace("%s", "?").replace("\0", "%")
