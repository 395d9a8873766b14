"""The real program, as separate processes: the web server and the worker on a database and a port of their own.

The database is a SQLite file, or one on the PostgreSQL that DATABASE_URL, or whoever makes it, names.
"""

import fcntl
import hashlib
import http.client
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from cryptography.fernet import Fernet
from environ import Env

from benchmarks.process import Process

ROOT = Path(__file__).resolve().parent.parent
# In the environment of the processes of a run of the tests: the folder that they share.
RUN = "LEADCRM_TESTS_RUN"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def environment(port: int, **changes: str) -> dict[str, str]:
    """What a process of the program needs, and of the caller's own environment only what every process needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "leadcrm.settings",
        "ENV_FILE": "",
        "DEBUG": "true",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "WEBHOOK_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "LOG_LEVEL": "WARNING",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "WEB_BIND": f"127.0.0.1:{port}",
        "WEBHOOK_INBOX": "true",
        "WEBHOOK_RETRY_SCALE": "0.01",
        "WEBHOOK_ALLOWLIST": "127.0.0.0/8",
        **changes,
    }


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Program:
    """Processes that a test starts and that are all gone at its end, whatever it did to them."""

    def __init__(self, folder: Path, database_url: str, **changes: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment(self.port, DATABASE_URL=database_url, **changes)
        self.web: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        # Not of the family: no process of the program.
        self._shell: Process | None = None
        self._environment_of_shell: dict[str, str] = {}
        self._family: set[psutil.Process] = set()

    def manage(self, *arguments: str) -> str:
        """Runs manage.py to its end and gives its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """Runs Python inside the program's Django, which starts once for all of it, and gives what it prints."""
        if self._environment_of_shell != self.environment:
            self._end_shell()
            self._shell, self._environment_of_shell = Process("tests.shell", self.environment), dict(self.environment)
        assert self._shell is not None
        ended, printed = self._shell.ask("run", code=code)
        assert ended, f"its traceback is above, {code!r} printed {printed!r}"
        return str(printed)

    def _end_shell(self) -> None:
        if self._shell is not None:
            self._shell.__exit__(None, None, None)
            self._shell, self._environment_of_shell = None, {}

    def run(self, *command: str, changes: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Starts a process in a session of its own; its output goes to files in the folder."""
        with open(self.folder / f"{len(self._started):03}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment | (changes or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        self._family.add(psutil.Process(process.pid))
        return process

    def start_web(self) -> None:
        self.web = self.run("-m", "gunicorn", "-c", "python:leadcrm.gunicorn", "leadcrm.wsgi")
        wait_until(lambda: self.answers() or self.web.poll() is not None, 30, "the web server answers")
        assert self.answers(), self.output()

    def start_worker(self, command: str = "worker") -> None:
        """command: worker, or qcluster for the plain one. Returns at once; the first delivery shows that it works."""
        self.worker = self.run("manage.py", command)

    def start(self) -> None:
        self.start_worker()
        self.start_web()

    def answers(self, path: str = "/livez") -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database answers; times of PostgreSQL in UTC."""
        url = self.environment["DATABASE_URL"]
        if is_postgresql(url):
            with psycopg.connect(_conninfo(url), options="-c TimeZone=UTC") as server:
                return server.execute(sql).fetchall()
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as file:
            return file.execute(sql).fetchall()

    def output(self) -> str:
        """All that the processes have printed."""
        return "".join(log.read_text(errors="replace") for log in sorted(self.folder.glob("*.log")))

    def family(self) -> set[psutil.Process]:
        """Every process started here and all their descendants that still live. Ask before ending a parent, too."""
        for process in list(self._family):
            try:
                self._family.update(process.children(recursive=True))
            except psutil.NoSuchProcess:
                continue
        return {process for process in self._family if lives(process)}

    def stop(self) -> None:
        self._end_shell()
        self.family()
        for child in self._started:
            if child.poll() is None:
                child.terminate()
        limit = time.monotonic() + 20
        while self.family() and time.monotonic() < limit:
            time.sleep(0.05)
        for process in self.family():
            with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                process.kill()
        for child in self._started:
            child.wait()


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def migrated_database(folder: Path, server: str | None = None) -> str:
    """The URL of a database with every migration applied, to copy from: migrating takes longer than most tests.

    server: the URL of a PostgreSQL, "" for a SQLite file; the environment's DATABASE_URL unless given. Of each kind
    there is one for all processes of a run of the tests; elsewhere it is a new one, and its file in the folder.
    """
    server = os.environ.get("DATABASE_URL", "") if server is None else server
    if RUN not in os.environ:
        return _migrated(folder, server)
    shared = Path(os.environ[RUN]) / hashlib.sha256(server.encode() * is_postgresql(server)).hexdigest()
    shared.mkdir(exist_ok=True)
    note = shared / "url"
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            note.write_text(_migrated(shared, server))
    return note.read_text()


def _migrated(folder: Path, server: str) -> str:
    url = f"sqlite:///{folder / 'db.sqlite3'}"
    if is_postgresql(server):
        url = _on_server(server, "CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    Program(folder, url).manage("migrate", "--verbosity", "0")
    return url


def copy_database(source: str, folder: Path, name: str = "") -> str:
    """The URL of a copy, with this name where one is given. Nobody may be connected to the source."""
    if is_postgresql(source):
        return _on_server(source, f"CREATE DATABASE {{name}} TEMPLATE {_name(source)}", name)
    target = folder / (name or "db.sqlite3")
    shutil.copy(source.removeprefix("sqlite:///"), target)
    return f"sqlite:///{target}"


def drop_database(url: str) -> None:
    """Whoever is still connected is cut off. SQLite files go with their folder."""
    if is_postgresql(url):
        with _maintenance(url) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")


def is_postgresql(url: str) -> bool:
    return url.startswith(("postgres:", "postgresql:"))


def _on_server(url: str, statement: str, name: str = "") -> str:
    name = name or f"program_{secrets.token_hex(6)}"
    with _maintenance(url) as connection:
        connection.execute(statement.format(name=name))
    return url.rpartition("/")[0] + f"/{name}"


def _maintenance(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """To the database that every server has: nobody may be connected to one that is copied or dropped."""
    return psycopg.connect(_conninfo(url), dbname="postgres", autocommit=True)


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _conninfo(url: str) -> str:
    parts = Env.db_url_config(url)
    named = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    return psycopg.conninfo.make_conninfo(**{key: parts[name] for key, name in named.items() if parts[name]})
