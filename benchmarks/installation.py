"""The program as it is in production, on an empty database of its own: a SQLite file, or one of a temporary PostgreSQL.

All PostgreSQL databases of a run are on one server, which is started for the first of them.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import psycopg
from environ import Env

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


def connect(url: str) -> psycopg.Connection:
    """To a PostgreSQL database, by the URL that the program takes for it."""
    parts = Env.db_url_config(url)
    return psycopg.connect(host=parts["HOST"], user=parts["USER"], dbname=parts["NAME"], autocommit=True)


class Installation:
    def __init__(self, folder: Path, database_url: str, **changes: str) -> None:
        self.program = Program(folder, database_url, **PRODUCTION, **changes)

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
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        if database not in self._migrated:
            self._migrated[database] = self._migrate(database)
        source = self._migrated[database]
        url = self.empty_database(source) if database == "postgresql" else copy_database(source, folder)
        if redis:
            changes["Q_BROKER_URL"] = self.redis()
        return Installation(folder, url, **changes)

    def empty_database(self, source: str = "") -> str:
        """The URL of a new PostgreSQL database, without tables or as the source is."""
        if not self._server:
            self._server = self._running.enter_context(services.postgresql())
        name = f"bench_{secrets.token_hex(6)}"
        template = source.rpartition("/")[2] or "template0"
        with connect(self._server) as connection:
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template}")
        return f"{self._server.rpartition('/')[0]}/{name}"

    def redis(self) -> str:
        """The URL of a new Redis."""
        return self._running.enter_context(services.redis())

    def folder(self) -> Path:
        """A new one, which goes at the end of the run."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _migrate(self, database: Database) -> str:
        if database == "sqlite":
            return migrated_database(self._folder)
        url = self.empty_database()
        Program(self._folder, url).manage("migrate", "--verbosity", "0")
        return url


@contextmanager
def installations() -> Iterator[Install]:
    """Their servers and folders go at the end."""
    with tempfile.TemporaryDirectory(prefix="leadcrm-bench-") as name, ExitStack() as running:
        yield Install(Path(name), running)
