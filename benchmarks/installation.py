"""The program as it is in production, on an empty SQLite file in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.process import Process
from tests.program import Program, copy_database, migrated_database

# What differs from the tests' own environment. Nobody has collected static files or has a certificate here.
PRODUCTION = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "127.0.0.1,testserver",
    "SECURE_SSL_REDIRECT": "false",
    "WEBHOOK_INBOX": "false",
    "WEBHOOK_RETRY_SCALE": "1",
}


class Installation:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.program = Program(folder, database_url, **PRODUCTION)

    @property
    def database(self) -> Path:
        return Path(self.program.environment["DATABASE_URL"].removeprefix("sqlite:///"))

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


@contextmanager
def installations() -> Iterator[Callable[[], Installation]]:
    """Call what it gives for as many installations as are wanted; their folders go at the end."""
    with tempfile.TemporaryDirectory(prefix="leadcrm-bench-") as name:
        folder = Path(name)
        migrated = migrated_database(folder)

        def install() -> Installation:
            own = Path(tempfile.mkdtemp(dir=folder))
            return Installation(own, copy_database(migrated, own))

        yield install
