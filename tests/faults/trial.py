"""One program with a receiver, people who save leads, and the ledgers of all three. What experiments are made of.

with Trial(stack, seed=1) as trial:
    trial.start()
    trial.writer.ask("save", count=10)
    trial.kill("sentinel")
    assert trial.drain(within=90)
    checks = trial.checks()
"""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.process import Process
from tests.faults.experiment import Check, at_most, none
from tests.faults.ledger import Balance, Lead, Ledgers, Row, Told, Try, balance, read_received
from tests.faults.stack import Stack
from tests.faults.tree import MONITOR, PUSHER, Tree
from tests.faults.visitors import Answer, Visitors
from tests.program import drop_database, lives, wait_until

# systemd's RestartSec.
RESTART_AFTER = 0.1
# A claim that died is free again after its lease (60 s); then somebody has to look.
LEASE_PASSED = 75.0
# Each in a format of its own, and each with a signature that somebody else's code can judge.
SYSTEMS = ("standard", "leadpro")


@dataclass(frozen=True, slots=True)
class Kill:
    kind: str
    at: float
    # The deliveries that were claimed when the process was dead.
    in_flight: int


class Trial:
    def __init__(
        self,
        stack: Stack,
        seed: int,
        *,
        webhooks: tuple[str, ...] = SYSTEMS,
        settings: dict[str, Any] | None = None,
        clusters: int = 1,
        disk: Path | None = None,
        **changes: str,
    ) -> None:
        """webhooks: names that begin with a system's, each at a path of the receiver; settings: fields of theirs.

        clusters: how many `manage.py worker`; disk: where SQLite keeps its file; changes are of the environment.
        """
        self.stack = stack
        self.seed = seed
        self.choice = random.Random(seed)
        self.workers = int(changes.get("Q_WORKERS", stack.workers))
        self.kills: list[Kill] = []
        self.visitors: Visitors | None = None
        self._webhooks = webhooks
        self._settings = settings or {}
        self._disk = disk
        self._changes = changes
        self._clusters: list[Popen[bytes] | None] = [None] * clusters
        self._web: Popen[bytes] | None = None
        self._trees: dict[int, Tree] = {}
        self._keeping = threading.Lock()
        self._over = threading.Event()
        self._keeper: threading.Thread | None = None
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as running:
            self.folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="leadcrm-trial-")))
            self.program = self.stack.install(self.folder, self._disk, **self._changes)
            running.callback(drop_database, self.program.environment["DATABASE_URL"])
            running.callback(self._end)
            self.receiver = running.enter_context(
                Process("tests.faults.receiver", os.environ, str(self.folder / "received.jsonl"), str(self.seed))
            )
            port = self.receiver.hear(within=10)
            self.writer = self.new_writer("w0", running)
            urls = {name: f"http://127.0.0.1:{port}/{name}" for name in self._webhooks}
            made = self.writer.ask("set_up", webhooks=urls, settings=self._settings)
            self.secrets: dict[str, str] = made["secrets"]
            self.key: str = made["key"]
            self.lead: dict[str, Any] = made["lead"]
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)

    def new_writer(self, name: str, running: ExitStack | None = None) -> Process:
        writer = Process("tests.faults.writer", self.program.environment, name, str(self.folder / "commits.jsonl"))
        return (running or self._running).enter_context(writer)

    # The services, kept as systemd would with Restart=always

    def start(self, web: bool = True, wait: bool = True) -> None:
        """The workers, and the web server; whatever of them ends is started again, until stop()."""
        with self._keeping:
            for index in range(len(self._clusters)):
                self._start_cluster(index)
            if web:
                self._web = self._start_web()
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep)
            self._keeper.start()
        if web:
            wait_until(self.program.answers, 30, "the web server answers")
        if wait:
            for index in range(len(self._clusters)):
                self.tree(index)

    def visit(self, rate: float, count: int = 4) -> Visitors:
        """People begin to post to the API."""
        self.visitors = Visitors(self.program.port, self.key, self.lead, rate, self.seed, count)
        self._running.callback(self.visitors.end)
        self.visitors.start()
        return self.visitors

    def rest(self, resting: bool) -> None:
        """Everybody who saves pauses, or goes on."""
        self.writer.ask("rest", resting=resting)
        if self.visitors is not None:
            self.visitors.rest(resting)

    def restart_cluster(self, index: int, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop it as systemd would, start it anew; the seconds that it took to end."""
        with self._keeping:
            process = self._clusters[index]
            assert process is not None
            begun = time.monotonic()
            process.send_signal(number)
            process.wait(timeout=60)
            took = time.monotonic() - begun
            self._start_cluster(index)
        return took

    def _keep(self) -> None:
        while not self._over.wait(RESTART_AFTER):
            with self._keeping:
                for index, process in enumerate(self._clusters):
                    if process is not None and process.poll() is not None:
                        self._start_cluster(index)
                if self._web is not None and self._web.poll() is not None:
                    _kill_group(self._web.pid)
                    self._web = self._start_web()

    def _start_cluster(self, index: int) -> None:
        self._clusters[index] = self.program.run("manage.py", "worker")

    def _start_web(self) -> Popen[bytes]:
        return self.program.run("-m", "gunicorn", "-c", "python:leadcrm.gunicorn", "leadcrm.wsgi")

    def _end(self) -> None:
        self._over.set()
        if self._keeper is not None:
            self._keeper.join()
        for process in self.program.family():
            with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                process.kill()
        self.program.stop()

    # Kills

    def tree(self, index: int = 0) -> Tree:
        """As it is now, all of its processes being there; started again where it was killed."""
        wait_until(lambda: self._lives(index), 10, "the worker is started again")
        process = self._clusters[index]
        assert process is not None
        tree = self._trees.setdefault(process.pid, Tree(process.pid, self.workers))
        tree.settle()
        return tree

    def _lives(self, index: int) -> bool:
        process = self._clusters[index]
        return process is not None and process.poll() is None

    def kill(self, kind: str) -> None:
        """kind: one of KINDS, or `idle workers`. It is dead when this returns."""
        victims = self._victims(kind)
        for process in victims:
            process.kill()
        at = time.monotonic()
        wait_until(lambda: not any(map(lives, victims)), 10, f"the {kind} is dead")
        ((in_flight,),) = self.program.ask("SELECT count(*) FROM webhooks_delivery WHERE status = 'sending'")
        self.kills.append(Kill(kind, at, in_flight))

    def kill_process(self, pid: int) -> None:
        """Any other one that the trial has started."""
        victim = psutil.Process(pid)
        victim.kill()
        wait_until(lambda: not lives(victim), 10, "it is dead")

    def _victims(self, kind: str) -> list[psutil.Process]:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            try:
                found = self._found(kind)
            except psutil.NoSuchProcess:
                found = []
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"there was no {kind} to kill")

    def _found(self, kind: str) -> list[psutil.Process]:
        if kind in ("web server", "web worker"):
            assert self._web is not None
            master = psutil.Process(self._web.pid)
            children = master.children()
            return [master, *children] if kind == "web server" else children
        tree = self.tree()
        match kind:
            case "busy worker":
                return tree.busy(set(self.receiver.ask("open")))[:1]
            case "idle worker with the lock":
                return tree.idle()[0][:1]
            case "waiting worker":
                return tree.idle()[1][:1]
            case "pusher" | "monitor":
                return [tree.one(PUSHER if kind == "pusher" else MONITOR)]
            case "clock" | "sentinel" | "keeper":
                return [getattr(tree, kind)]
            case "whole tree":
                return tree.everybody()
        raise ValueError(kind)

    # The end

    def waiting(self) -> int:
        ((count,),) = self.program.ask("SELECT count(*) FROM webhooks_delivery WHERE status IN ('queued', 'sending')")
        return int(count)

    def arrived(self) -> int:
        return int(self.receiver.ask("count"))

    def drain(self, within: float) -> bool:
        """Wait until nothing is to be sent any more; whether that was within so many seconds."""
        limit = time.monotonic() + within
        while self.waiting():
            if time.monotonic() > limit:
                return False
            time.sleep(0.25)
        return True

    def unstored(self, answers: list[Answer]) -> list[Answer]:
        """What the API said is stored, and is not."""
        versions = dict(self.program.ask("SELECT id, version FROM leads_lead"))
        return [one for one in answers if one.id is not None and versions.get(one.id, 0) < one.version]

    def balance(self) -> Balance:
        found = balance(self.ledgers())
        print(
            f"    {found.requests} requests, longest wait {found.longest_wait:.1f} s, claims that died {found.deaths}"
        )
        return found

    def ledgers(self) -> Ledgers:
        commits = _commits(self.folder / "commits.jsonl")
        if self.visitors is not None:
            commits |= self.visitors.stored
        with open(self.folder / "received.jsonl") as file:
            received = read_received(file)
        leads = self.program.ask("SELECT id, version, address FROM leads_lead ORDER BY id")
        return Ledgers([Lead(*row) for row in leads], received, self._history(), self.secrets, commits)

    def _history(self) -> list[Row]:
        tries: defaultdict[int, list[Try]] = defaultdict(list)
        counted: defaultdict[int, int] = defaultdict(int)
        for pk, number, outcome, code in self.program.ask(
            "SELECT delivery_id, number, outcome, code FROM webhooks_attempt ORDER BY id"
        ):
            tries[pk].append(Try(outcome, code))
            counted[pk] += number > 0
        return [
            Row(
                told=Told(name, lead, version),
                message_id=message_id,
                status=status,
                tries=used,
                body=None if body is None else bytes(body),
                attempts=tuple(tries[pk]),
                counted=counted[pk],
            )
            for pk, name, lead, version, message_id, status, used, body in self.program.ask(
                """
                SELECT delivery.id, delivery.webhook_name, event.record_id, event.version, delivery.message_id,
                    delivery.status, delivery.tries, body.content
                FROM webhooks_delivery delivery
                JOIN webhooks_event event ON event.id = delivery.event_id
                LEFT JOIN webhooks_body body ON body.delivery_id = delivery.id
                """
            )
        ]

    def checks(self, found: Balance, duplicates: int | None = None) -> list[Check]:
        """What must hold in every experiment; duplicates: at most so many, None: as many as claims died."""
        checks = [
            none("lost", found.lost, of=found.events),
            none("unexpected", found.unexpected),
            none("half-written leads", found.torn),
            none("other webhook-ids", found.strange_ids),
            none("bodies that differ", found.mismatched),
            none("bad signatures", found.badly_signed),
            none("tries without an Attempt", found.hidden),
            none("not ended in Success", sorted(found.unfinished.items())),
            none("duplicates that no death explains", found.unexplained),
        ]
        most = sum(kill.in_flight for kill in self.kills) if duplicates is None else duplicates
        checks.append(at_most("duplicates", found.duplicates, most))
        return checks

    def output(self) -> str:
        return self.program.output()


def _commits(path: Path) -> dict[tuple[int, int], float]:
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        lead, version, at = json.loads(line)
        found[lead, version] = at
    return found


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
