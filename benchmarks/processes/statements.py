"""What SQLite itself says that it ran."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def statements() -> Iterator[list[str]]:
    """The list fills while the block runs; BEGIN and COMMIT are in it."""
    connection.ensure_connection()
    database: sqlite3.Connection = connection.connection
    seen: list[str] = []
    # Lines that begin with -- are parts of another statement.
    database.set_trace_callback(lambda sql: None if sql.startswith("--") else seen.append(sql.strip()))
    try:
        yield seen
    finally:
        database.set_trace_callback(None)
