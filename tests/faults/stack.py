"""What the program stands on in an experiment: SQLite alone, or PostgreSQL with Redis."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import services
from tests.program import Program, copy_database, migrated_database

# As .env has them; everything else is as tests.program sets it, the waits between tries a hundredth among it.
SHIPPED = {"DEBUG": "false", "ALLOWED_HOSTS": "127.0.0.1", "SECURE_SSL_REDIRECT": "false", "WEBHOOK_INBOX": "false"}


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    # The URL of a migrated database, to be copied.
    template: str
    redis: str = ""
    # Worker processes as shipped.
    workers: int = 2

    def install(self, folder: Path, **changes: str) -> Program:
        """The program on an empty database of its own."""
        queue = {"Q_BROKER_URL": self.redis} if self.redis else {}
        return Program(folder, copy_database(self.template, folder), **SHIPPED | queue | changes)


@contextmanager
def sqlite() -> Iterator[Stack]:
    """SQLite, with the queue in the database."""
    with tempfile.TemporaryDirectory(prefix="leadcrm-faults-") as folder:
        yield Stack("SQLite", migrated_database(Path(folder), server=""))


@contextmanager
def postgresql() -> Iterator[Stack]:
    """PostgreSQL with Redis, both fresh. RuntimeError where there is no Redis."""
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory(prefix="leadcrm-faults-"))
        server = running.enter_context(services.postgresql())
        redis = running.enter_context(services.redis())
        yield Stack("PostgreSQL and Redis", migrated_database(Path(folder), server=server), redis, workers=8)


STACKS: dict[str, Callable[[], AbstractContextManager[Stack]]] = {"sqlite": sqlite, "postgresql": postgresql}
