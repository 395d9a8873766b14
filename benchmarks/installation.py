"""The program as it is in production, on an empty database of its own: a SQLite file, or one of a temporary PostgreSQL.

All PostgreSQL databases of a run are on one server, which is started for the first of them and ends with the run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from benchmarks.process import Process
from tests import services
from tests.program import Program, copy_database, migrated_database

# What differs from the tests' own environment. Nobody has collected static files or has a certificate here.
PRODUCTION = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "127.0.0.1,testserver",
    "SECURE_SSL_REDIRECT": "false",
    "WEBHOOK_INBOX": "false",
    "WEBHOOK_RETRY_SCALE": "1",
}
Database = Literal["sqlite", "postgresql"]


class Installation:
    def __init__(self, folder: Path, database_url: str, **changes: str) -> None:
        self.program = Program(folder, database_url, **(PRODUCTION | changes))

    @property
    def database_url(self) -> str:
        return self.program.environment["DATABASE_URL"]

    def process(self, module: str, *arguments: str) -> Process:
        """One of benchmarks/processes, with this installation's environment."""
        return Process(f"benchmarks.processes.{module}", self.program.environment, *arguments)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """`manage.py worker`, the real one, with its pool."""
        self.program.start_worker()
        try:
            yield
        finally:
            self.program.stop()


class Install:
    """Call it for as many installations as are wanted."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running
        self._server = ""
        self._migrated: dict[Database, str] = {}

    def __call__(self, database: Database = "sqlite", *, redis: bool = False, **changes: str) -> Installation:
        """redis: tasks are queued in a Redis of its own, and not in the database. Changes are of the environment."""
        if database not in self._migrated:
            server = self._postgresql() if database == "postgresql" else ""
            self._migrated[database] = migrated_database(self._folder, server)
        if redis:
            changes["Q_BROKER_URL"] = self.redis()
        folder = self.folder()
        return Installation(folder, copy_database(self._migrated[database], folder), **changes)

    def empty_database(self) -> str:
        """The URL of a new PostgreSQL database without tables."""
        return copy_database(self._postgresql(), self._folder)

    def redis(self) -> str:
        """The URL of a new Redis."""
        return self._running.enter_context(services.redis())

    def folder(self) -> Path:
        """A new one, which goes at the end of the run."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _postgresql(self) -> str:
        if not self._server:
            self._server = self._running.enter_context(services.postgresql())
        return self._server


@contextmanager
def installations() -> Iterator[Install]:
    """Their servers and folders go at the end."""
    with tempfile.TemporaryDirectory(prefix="leadcrm-bench-") as name, ExitStack() as running:
        yield Install(Path(name), running)
