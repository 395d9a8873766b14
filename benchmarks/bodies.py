"""The bodies that the engine has sent: whoever it is compared with posts the same. The standard library alone."""

from __future__ import annotations

import sqlite3
from itertools import cycle, islice


def bodies(database: str, count: int) -> list[bytes]:
    """So many, the newest first and again from the start, out of this SQLite file of the program."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute("SELECT content FROM webhooks_body ORDER BY delivery_id DESC LIMIT ?", [count])
        return list(islice(cycle([bytes(content) for (content,) in found]), count))
    finally:
        connection.close()
