"""`make run`: the whole program on this machine, in the foreground, until Ctrl-C.

It writes .env on the first run, brings the database up to date, loads the demo, and starts the web server and the
worker, each in a session of its own: a Ctrl-C in the terminal reaches only this process, which ends them in order.
"""

import base64
import ctypes
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import psutil
from environ import Env

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
READY_WITHIN = 30.0

# The worker lets open tries finish: 8 s after Ctrl-C, 17 s after SIGTERM, then it cuts them and stores what it knows.
# The web server follows it, because the demo's webhooks point at it. Whatever is left at the end is killed.
WEB_AFTER = {signal.SIGINT: 8.7, signal.SIGTERM: 18.3}
KILL_AFTER = {signal.SIGINT: 9.1, signal.SIGTERM: 19.0}


def main() -> None:
    port = wanted_port()
    check_port_is_free(port)
    env_file = Path(os.environ.get("ENV_FILE") or ROOT / ".env")
    write_env_file(env_file)
    Env.read_env(env_file)
    move_to(port)
    password = prepare_database()

    stop = Stop()
    children = {
        "web server": start([sys.executable, "-m", "gunicorn", "-c", "python:leadcrm.gunicorn", "leadcrm.wsgi"]),
        "worker": start([sys.executable, "manage.py", "worker"]),
    }
    try:
        code = attend(children, stop, port, password)
    finally:
        end(children["web server"], children["worker"], stop.signal or signal.SIGINT)
    if not code:
        print("Stopped.")
    leave(code)


def attend(children: dict[str, subprocess.Popen[bytes]], stop: "Stop", port: int, password: str) -> int:
    """Announce the program once it answers, and watch it until it is to end. The code to end with."""
    ready = wait_until(lambda: stop.signal or dead(children) or answers(port), READY_WITHIN)
    if ready and not stop.signal and not dead(children):
        announce(port, password)
    elif not ready:
        print(f"leadcrm does not answer within {READY_WITHIN:.0f} s; stopping.", file=sys.stderr, flush=True)
        return 1
    while not stop.signal and not dead(children):
        time.sleep(0.1)
    fallen = dead(children)
    if fallen and not stop.signal:
        code = children[fallen].returncode
        print(f"The {fallen} ended by itself with code {code}; stopping.", file=sys.stderr, flush=True)
        return code if code > 0 else 128 - code if code < 0 else 1
    print("Stopping ...", flush=True)
    return 0


def leave(code: int) -> NoReturn:
    """End at once. Python would first take apart all of Django, for up to a second on a busy machine."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Stop:
    """Remembers the signal that asked for the end. Further ones change nothing: the end is near already."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.note)

    def note(self, number: int, frame: object) -> None:
        self.signal = self.signal or (signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)


def wanted_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not (text.isdigit() and 1 <= int(text) <= 65535):
        sys.exit(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def check_port_is_free(port: int) -> None:
    with socket.socket() as probe:
        # As the web server does it: a connection of the last run that still lingers is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            sys.exit(f"Port {port} cannot be used ({error.strerror}). Free it or choose another: PORT=8001 make run")


def move_to(port: int) -> None:
    """Fit what names the server's address to its port: where it listens, how it is called, whom webhooks may call."""
    os.environ["WEB_BIND"] = f"{HOST}:{port}"
    if port == 8000:
        return
    os.environ["SITE_URL"] = f"http://{HOST}:{port}"
    allowed = os.environ.get("WEBHOOK_ALLOWLIST", "")
    os.environ["WEBHOOK_ALLOWLIST"] = ",".join(filter(None, [allowed, f"{HOST}:{port}"]))


def write_env_file(path: Path) -> None:
    """A .env of its own for the first run, readable by its owner only. One that exists is left as it is."""
    values = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "WEBHOOK_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DEMO_PASSWORD": secrets.token_urlsafe(9),
        "DEBUG": "true",
        "ENVIRONMENT": "Demo",
        "LOG_LEVEL": "WARNING",
        "WEBHOOK_INBOX": "true",
        "WEBHOOK_ALLOWLIST": f"{HOST}:8000",
        "WEBHOOK_RETRY_SCALE": "0.05",
    }
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with open(descriptor, "w") as file:
        file.write("# Written by make run. .env.example explains each variable.\n")
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def prepare_database() -> str:
    """Migrate, load the demo, and return the demo's password. Django stays in this process: it starts only once."""
    from leadcrm.startup import settings_or_exit

    settings = settings_or_exit()
    import django
    from django.core.management import CommandError, call_command
    from django.db import connections

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    try:
        call_command("demo")
    except CommandError as refusal:
        sys.exit(f"The demo cannot be loaded: {refusal}")
    connections.close_all()
    password: str = settings.DEMO_PASSWORD
    return password


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )


def end_with_parent() -> None:
    """Where Linux offers it: should this launcher be killed, its children get a SIGTERM instead of being orphaned."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def dead(children: dict[str, subprocess.Popen[bytes]]) -> str:
    return next((name for name, child in children.items() if child.poll() is not None), "")


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def announce(port: int, password: str) -> None:
    lines = [
        "leadcrm is running. Ctrl-C ends it.",
        "",
        f"Address   http://{HOST}:{port}/",
        "User      manager; also staff, auditor, harbour, and admin for all accounts",
        f"Password  {password or '(DEMO_PASSWORD is not set)'}",
    ]
    width = max(map(len, lines))
    bar = "─" * (width + 2)
    print(f"\n┌{bar}┐", *(f"│ {line:<{width}} │" for line in lines), f"└{bar}┘\n", sep="\n", flush=True)


def end(web: subprocess.Popen[bytes], worker: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask the worker, then the web server, and kill what is left of both and of all that they started."""
    began = time.monotonic()
    family = relatives((web, worker))

    def gone() -> bool:
        return web.poll() is not None and worker.poll() is not None and not any(map(alive, family))

    def passed(seconds: float) -> float:
        return began + seconds - time.monotonic()

    tell(worker, how)
    wait_until(lambda: worker.poll() is not None, passed(WEB_AFTER[how]))
    family |= relatives((web, worker))
    tell(web, signal.SIGINT)  # gunicorn's quick way
    if not wait_until(gone, passed(KILL_AFTER[how])):
        for process in family | relatives((web, worker)):
            if alive(process):
                process.kill()
    for child in (web, worker):
        child.wait()


def relatives(children: Iterable[subprocess.Popen[bytes]]) -> set[psutil.Process]:
    """The children and all their descendants. Those of a parent that ended are not found."""
    found = set()
    for child in children:
        try:
            process = psutil.Process(child.pid)
            found |= {process, *process.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    return found


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def tell(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if child.poll() is None:
        child.send_signal(number)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        # Before the children are started; from then on Stop takes it.
        sys.exit(130)
