"""A rival at work: its project of benchmarks/rivals on a PostgreSQL database of its own, with its worker.

The worker is stopped in its tracks (SIGSTOP) while it is not its turn, so that it takes nothing from other players, and
while its queue is filled: like ours, it finds all its work there.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from environ import Env

from benchmarks.installation import Install
from benchmarks.process import ROOT, Process

VENV = ROOT / "build" / "rivals"
REQUIREMENTS = ROOT / "benchmarks" / "rivals.txt"
END_WITHIN = 15.0


@dataclass(frozen=True, slots=True)
class Rival:
    name: str
    python: str
    # What starts its worker, as its documentation says; {module} is its package.
    worker: tuple[str, ...]
    redis: bool = False

    @property
    def module(self) -> str:
        return f"benchmarks.rivals.{self.name}"


TASK_PER_DELIVERY = Rival("task_per_delivery", sys.executable, ("-m", "django", "qcluster"))
DJANGO_WEBHOOK = Rival(
    "django_webhook",
    str(VENV / "bin" / "python"),
    ("-m", "celery", "-A", "{module}", "worker", "--concurrency", "2", "--loglevel", "WARNING"),
    redis=True,
)


def find_packages() -> str:
    """Make build/rivals where it is missing or out of date; why that was impossible, '' when it is there."""
    if not (missing := no_packages()):
        return ""
    print(f"Installing the rivals' packages into {VENV.relative_to(ROOT)} ...", file=sys.stderr, flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        [DJANGO_WEBHOOK.python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
    ):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            return f"{missing}: {done.stdout.strip()}"
    _stamp().touch()
    return ""


def no_packages() -> str:
    """Why django-webhook and Celery cannot be measured, '' when they can."""
    return "" if _stamp().exists() else "the rivals' packages are not in build/rivals"


def _stamp() -> Path:
    return VENV / f"installed-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"


class Opponent:
    """A rival whose worker is up and whose turn it is not."""

    def __init__(self, rival: Rival, environment: Mapping[str, str], database: str, log: IO[bytes]) -> None:
        self._database = database
        self._work = Process(f"{rival.module}.work", environment, python=rival.python, log=log)
        self._worker = subprocess.Popen(
            [rival.python, *(word.format(module=rival.module) for word in rival.worker)],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def rate(self, count: int) -> float:
        """So many deliveries are queued, then sent and stored: how many per second."""
        self._signal(signal.SIGSTOP)
        self._work.ask("queue", count=count, database=self._database)
        began = time.perf_counter()
        self._signal(signal.SIGCONT)
        self._work.ask("settled")
        seconds = time.perf_counter() - began
        self._signal(signal.SIGSTOP)
        return count / seconds

    def prepare(self, url: str) -> None:
        self._work.ask("prepare", url=url)

    def end(self) -> None:
        try:
            self._work.__exit__(None, None, None)
        finally:
            family = psutil.Process(self._worker.pid).children(recursive=True)
            self._signal(signal.SIGCONT)
            # To the parent alone, which ends the others.
            self._worker.terminate()
            try:
                self._worker.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                self._worker.kill()
                self._worker.wait()
            for left in family:
                with suppress(psutil.NoSuchProcess):
                    left.kill()

    def _signal(self, number: int) -> None:
        os.killpg(self._worker.pid, number)


@contextmanager
def opponent(install: Install, rival: Rival, url: str, database: str) -> Iterator[Opponent]:
    """The rival, posting to `url` the bodies of this SQLite file."""
    parts = Env.db_url_config(install.empty_database())
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    environment = kept | {
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": f"{rival.module}.settings",
        "DATABASE_NAME": parts["NAME"],
        "PGHOST": parts["HOST"],
        "PGUSER": parts["USER"],
        "REDIS_URL": install.redis() if rival.redis else "",
    }
    # At its first start django-webhook writes its topics: two processes that did so at once would collide.
    first = ["migrate", "--run-syncdb", "--verbosity", "0"], ["check"]
    with open(install.folder() / "log", "w+b") as log:
        for command in first:
            whole = [rival.python, "-m", "django", *command]
            subprocess.run(whole, cwd=ROOT, env=environment, stdout=log, stderr=log, check=True)
        playing = Opponent(rival, environment, database, log)
        try:
            playing.prepare(url)
            yield playing
        except RuntimeError as error:
            log.seek(max(0, log.tell() - 2_000))
            raise RuntimeError(f"{error}; its last words:\n{log.read().decode(errors='replace')}") from error
        finally:
            playing.end()
