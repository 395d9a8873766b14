"""`make run`'s launcher, as the process that it is."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from leadcrm.run import write_env_file
from tests.program import ROOT, copy_database, environment, free_port, lives, migrated_database, wait_until
from tests.receiver import Answer, Receiver


class Launcher:
    """One `python -m leadcrm.run` at a time, with a .env, a database and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        wanted = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "DATABASE_URL")
        base = environment(self.port, DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}")
        self.environment = {name: base[name] for name in wanted if name in base} | {
            "ENV_FILE": str(folder / "env"),
            "PORT": str(self.port),
        }
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.family: set[psutil.Process] = set()

    def start(self) -> None:
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leadcrm.run"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: "Password" in self.output() or self.process.poll() is not None, 60, "the launcher is up")
        assert self.process.poll() is None, self.output()
        time.sleep(1)  # the worker's own children come a little later
        parent = psutil.Process(self.process.pid)
        self.family |= {parent, *parent.children(recursive=True)}

    def child(self, words: str) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if words in " ".join(child.cmdline()))

    def shell(self, code: str) -> str:
        """Runs Python in a process of its own, with the launcher's .env and database."""
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def living(self) -> list[psutil.Process]:
        return [process for process in self.family if lives(process)]

    def wait_for_the_end(self, seconds: float) -> int:
        began = time.monotonic()
        code = self.process.wait(seconds)
        wait_until(lambda: not self.living(), max(0.0, began + seconds - time.monotonic()), "every process has ended")
        return code


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    for process in launcher.living():
        process.kill()
    if launcher.process:
        launcher.process.wait()


@pytest.fixture
def again(launcher: Launcher) -> Launcher:
    """One that finds its database up to date."""
    copy_database(migrated_database(launcher.folder, server=""), launcher.folder)
    return launcher


@pytest.mark.process
def test_ctrl_c_to_the_whole_group_ends_every_process_within_10_s_and_a_second_run_keeps_the_data(launcher: Launcher):
    launcher.start()
    first = launcher.output()
    assert f"http://127.0.0.1:{launcher.port}/" in first
    assert len(launcher.family) >= 3  # this one, the web server, and its worker
    os.killpg(launcher.process.pid, signal.SIGINT)
    assert launcher.wait_for_the_end(10) == 0

    launcher.start()
    password = re.compile(r"Password +(\S+)")
    assert password.search(launcher.output()).group(1) == password.search(first).group(1)
    os.kill(launcher.process.pid, signal.SIGTERM)
    assert launcher.wait_for_the_end(20) == 0


@pytest.mark.process
@pytest.mark.parametrize(("words", "name"), [("gunicorn", "web server"), ("manage.py worker", "worker")])
def test_when_one_child_dies_the_other_ends_and_its_code_is_passed_on(again: Launcher, words: str, name: str):
    again.start()
    again.child(words).kill()
    assert again.wait_for_the_end(15) == 128 + signal.SIGKILL
    assert f"The {name} ended by itself with code -9; stopping." in again.output()


@pytest.mark.process
def test_a_try_still_open_at_ctrl_c_is_cut_in_time_and_stored_as_interrupted(again: Launcher, receiver: Receiver):
    receiver.always(Answer(silent=True))
    again.environment["WEBHOOK_ALLOWLIST"] = receiver.authority
    again.start()
    again.shell(
        "from tests import factories\n"
        f"factories.webhook('{receiver.url}', name='Silent', account=factories.account('Alone'), timeout=30)\n"
        "factories.lead(account=factories.account('Alone'))"
    )
    receiver.wait_for(1)
    os.killpg(again.process.pid, signal.SIGINT)
    assert again.wait_for_the_end(10) == 0
    stored = again.shell(
        "from webhooks.models import Delivery\n"
        "delivery = Delivery.objects.get(webhook_name='Silent')\n"
        "print(delivery.status, delivery.tries, delivery.attempts.get().outcome)"
    )
    assert stored.split() == ["queued", "0", "interrupted"]


@pytest.mark.process
def test_killing_the_launcher_leaves_no_orphans(again: Launcher):
    again.start()
    again.process.kill()
    wait_until(lambda: not again.living(), 25, "every process has ended")


def test_a_taken_port_is_one_line_and_changes_nothing(tmp_path: Path):
    launcher = Launcher(tmp_path)
    with socket.create_server(("127.0.0.1", launcher.port)):
        done = subprocess.run(
            [sys.executable, "-m", "leadcrm.run"],
            cwd=ROOT,
            env=launcher.environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"Port {launcher.port} cannot be used" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_one_line(tmp_path: Path, port: str):
    launcher = Launcher(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "leadcrm.run"],
        cwd=ROOT,
        env=launcher.environment | {"PORT": port},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == f"PORT must be a number from 1 to 65535, not {port!r}.\n"


def test_the_env_file_is_fresh_private_and_written_once(tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_env_file(one)
    write_env_file(two)
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    first, second = (dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE)) for file in (one, two))
    for name in ("SECRET_KEY", "WEBHOOK_ENCRYPTION_KEYS", "DEMO_PASSWORD"):
        assert first[name]
        assert first[name] != second[name]
    assert first["WEBHOOK_ALLOWLIST"] == "127.0.0.1:8000"
    text = one.read_text()
    write_env_file(one)
    assert one.read_text() == text


@pytest.mark.process
def test_mail_is_printed_on_its_console(again: Launcher, receiver: Receiver):
    receiver.always(Answer(410))
    again.environment["WEBHOOK_ALLOWLIST"] = receiver.authority
    again.start()
    again.shell(
        "from tests import factories\n"
        "from leads.models import Membership, User\n"
        "account = Membership.objects.get(user__username='manager').account\n"
        f"factories.webhook('{receiver.url}', name='Gone', account=account)\n"
        "factories.lead(account=account)"
    )
    wait_until(lambda: "You get this mail because" in again.output(), 20, "the mail is printed")
    assert "Subject: Gone was paused: The receiver answered 410 Gone" in again.output()
    os.killpg(again.process.pid, signal.SIGINT)
    assert again.wait_for_the_end(10) == 0
