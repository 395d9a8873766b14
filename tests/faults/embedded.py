"""F23: SQLite with many writers, under kills, and on a full disk. The short form writes for 25 s instead of 10 min."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.process import Process
from tests.faults.disk import disk
from tests.faults.experiment import Check, Experiment, at_least, none
from tests.faults.stack import Stack
from tests.faults.trial import LEASE_PASSED, Trial

WORKERS = 4
WRITERS = 4
VISITORS = 4
VICTIMS = ("writer", "busy worker", "web worker", "pusher", "whole tree", "writer", "web server", "sentinel")
# Until a server that is short of disk answers again.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Busy:
    """seconds of writing, kills within them, saves a second of all writers together."""

    seconds: float
    kills: int
    rate: float


def many_writers(stack: Stack, size: Busy, seed: int) -> list[Check]:
    """Eight write, four of them by the API; four workers send; one of all the processes is killed at a time."""
    with Trial(stack, seed, Q_WORKERS=str(WORKERS)) as trial:
        trial.receiver.ask("behave", webhook=None, soonest=0.01, latest=0.1)
        trial.start()
        each = size.rate / (WRITERS + VISITORS)
        visitors = trial.visit(each * VISITORS, count=VISITORS)
        writers = _Writers(trial, each)
        end = time.monotonic() + size.seconds
        for number in range(size.kills):
            victim = VICTIMS[number % len(VICTIMS)]
            if victim == "writer":
                writers.kill()
            else:
                trial.kill(victim)
            time.sleep(max(0.0, end - time.monotonic()) / (size.kills - number) * trial.choice.uniform(0, 2))
        time.sleep(max(0.0, end - time.monotonic()))
        errors = writers.end()
        answers = visitors.end()
        trial.drain(within=LEASE_PASSED + 60)
        refused = [answer for answer in answers if answer.status >= 400]
        found = trial.balance()
        return [
            at_least("kills", len(trial.kills) + writers.killed, size.kills),
            at_least("events", found.events // len(trial.secrets), size.seconds * size.rate / 4),
            none("errors of writers", errors),
            none("refusals of the API", refused),
            none("'database is locked' in the logs", _locked(trial)),
            none("complaints of integrity_check", _corrupt(trial)),
            none("2xx of the API without a row", trial.unstored(answers)),
            *trial.checks(found),
        ]


@dataclass(frozen=True, slots=True)
class Full:
    """seconds on a full disk; requests to the API a second."""

    seconds: float
    rate: float


def full_disk(stack: Stack, size: Full, seed: int) -> list[Check]:
    """The disk is full while people post, and then it is not any more."""
    with ExitStack() as running:
        full = running.enter_context(disk())
        trial = running.enter_context(Trial(stack, seed, disk=full.folder))
        trial.start()
        visitors = trial.visit(size.rate)
        time.sleep(2)
        full.fill(trial.program.family())
        filled = time.monotonic()
        time.sleep(size.seconds)
        full.free(trial.program.family())
        freed = time.monotonic()
        while not any(one.at > freed + 1 and one.status == 201 for one in visitors.answers):
            if time.monotonic() > freed + PATIENCE:
                break
            time.sleep(0.1)
        again = any(one.at > freed + 1 and one.status == 201 for one in visitors.answers)
        answers = visitors.end()
        trial.drain(within=LEASE_PASSED + 60)
        meanwhile = [one for one in answers if filled < one.at < freed]
        refused = [one for one in answers if one.status == 503]
        found = trial.balance()
        stored = dict(trial.program.ask("SELECT address, id FROM leads_lead"))
        return [
            Check(f"on {full.name}: 503 of {len(meanwhile)} answers", "> 0", f"{len(refused)}", bool(refused)),
            none("other refusals", [one for one in answers if one.status >= 400 and one.status != 503]),
            none("503 of what is stored", [one for one in refused if f"{one.lead}.{one.version}" in stored]),
            none("2xx without a row", trial.unstored(answers)),
            none("complaints of integrity_check", _corrupt(trial)),
            Check("stores again", "yes", "yes" if again else "no", again),
            # What was sent and could not be written down is sent again.
            *trial.checks(found, duplicates=found.deaths),
        ]


class _Writers:
    """Processes that save, one of which may be killed; another one takes its place."""

    def __init__(self, trial: Trial, rate: float) -> None:
        self._trial = trial
        self._rate = rate
        self._made = 0
        self.killed = 0
        self._living = [self._new() for _ in range(WRITERS)]

    def kill(self) -> None:
        victim = self._living.pop(0)
        self._trial.kill_process(victim.ask("pid"))
        self.killed += 1
        self._living.append(self._new())

    def end(self) -> list[Any]:
        return [error for writer in self._living for error in writer.ask("end")["errors"]]

    def _new(self) -> Process:
        self._made += 1
        writer = self._trial.new_writer(f"w{self._made}")
        writer.ask("load", rate=self._rate, undone=0.05, seed=self._trial.seed + self._made)
        return writer


def _locked(trial: Trial) -> list[str]:
    return [line for line in trial.output().splitlines() if "database is locked" in line or "table is locked" in line]


def _corrupt(trial: Trial) -> list[str]:
    return [line for (line,) in trial.program.ask("PRAGMA integrity_check") if line != "ok"]


EXPERIMENTS = (
    Experiment(
        "F23",
        "SQLite: eight writers, four workers, kills",
        many_writers,
        short=Busy(seconds=25, kills=6, rate=24),
        full=Busy(seconds=600, kills=50, rate=32),
        stacks=("sqlite",),
    ),
    Experiment(
        "F23",
        "SQLite: a full disk",
        full_disk,
        short=Full(seconds=5, rate=20),
        full=Full(seconds=60, rate=20),
        stacks=("sqlite",),
    ),
)
