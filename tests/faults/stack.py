"""What the program stands on in an experiment: SQLite alone, or PostgreSQL with Redis."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

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
    # What the environment of its programs has besides, name and value.
    environment: tuple[tuple[str, str], ...] = ()

    def install(self, folder: Path, disk: Path | None = None, **changes: str) -> Program:
        """The program on an empty database of its own, and on an empty queue. disk: where SQLite keeps its file."""
        own = dict(self.environment)
        if self.redis:
            own["Q_BROKER_URL"] = self.redis
            with Redis.from_url(self.redis) as client:
                client.flushall()
        return Program(folder, copy_database(self.template, disk or folder), **SHIPPED | own | changes)


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
