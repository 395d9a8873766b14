"""F1 and F2: kill -9, of every kind of process.

What dies is started again by whoever would do so in production: the keeper, django-q2's sentinel, gunicorn, or systemd,
whose part the trial plays for the keeper and the web server. A claim that died with its worker is free after its lease
of a minute, so that even the short form lasts about two.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from tests.faults.experiment import Check, Experiment, at_least, at_most, none
from tests.faults.stack import Stack
from tests.faults.trial import LEASE_PASSED, Trial

# Those that must be found at rest come apart from those that only live under load.
IDLE = ("idle worker with the lock", "waiting worker")
KINDS = (
    "busy worker",
    "whole tree",
    "pusher",
    "web server",
    "idle worker with the lock",
    "sentinel",
    "waiting worker",
    "monitor",
    "web worker",
    "keeper",
    "clock",
)
GAP = 90.0
# Of the events committed, so many transactions more must have been rolled back.
UNDONE = 0.05
# Until tasks that found nothing more to do have ended.
TO_REST = 2.5


@dataclass(frozen=True, slots=True)
class Kills:
    """events: committed at least; rate: of them in a second; undone: the part of transactions that are rolled back."""

    events: int
    kills: int
    rate: float
    undone: float
    pause: float
    longest: float


def everybody(stack: Stack, size: Kills, seed: int) -> list[Check]:
    """Kills by turns, at random moments, while leads come in by the API and by a program."""
    with Trial(stack, seed) as trial:
        # Slow enough that somebody is always found in the middle of a request.
        trial.receiver.ask("behave", webhook=None, soonest=0.01, latest=0.1)
        trial.start()
        visitors = trial.visit(size.rate / 2)
        trial.writer.ask("load", rate=size.rate / 2, undone=size.undone, seed=seed)
        begun = time.monotonic()
        for number in range(size.kills):
            kind = KINDS[number % len(KINDS)]
            trial.rest(kind in IDLE)
            if kind in IDLE:
                time.sleep(TO_REST)
            trial.kill(kind)
            trial.rest(False)
            print(
                f"    {kind}: {len(trial.kills)}. kill, next arrival after {_somebody_arrives(trial):.1f} s", flush=True
            )
            time.sleep(trial.choice.uniform(0, size.pause))
        while _committed(trial) < size.events and time.monotonic() < begun + size.longest:
            time.sleep(0.5)
        saver = trial.writer.ask("end")
        answers = visitors.end()
        drained = trial.drain(within=LEASE_PASSED + GAP)
        found = trial.balance()
        wait, deaths = max(found.waits, default=(0.0, 0))
        killed = Counter(kill.kind for kill in trial.kills)
        return [
            at_least("kinds of processes killed", len(killed), min(size.kills, len(KINDS))),
            at_least("kills", len(trial.kills), size.kills),
            at_least("events committed", found.events // len(trial.secrets), size.events),
            at_least("transactions rolled back", saver.get("undone", 0), UNDONE * size.events),
            none("errors of savers", saver["errors"]),
            none("2xx of the API without a row", trial.unstored(answers)),
            *trial.checks(found),
            at_most("longest silence while something waits", found.silence, GAP, " s"),
            # Who is killed with two workers, one after the other, waits for two leases.
            Check(
                "longest wait of one delivery",
                f"≤ {GAP:g} s, and as much again for each of its claims that died",
                f"{wait:.1f} s, {deaths} died",
                wait <= GAP * (1 + deaths),
            ),
            Check("drained without help", "yes", "yes" if drained else "no", drained),
        ]


@dataclass(frozen=True, slots=True)
class Times:
    times: int


def lock_holder(stack: Stack, size: Times, seed: int) -> list[Check]:
    """The idle worker that holds the queue's lock takes it along: django-q2 alone would hang for ever."""
    recoveries = []
    with Trial(stack, seed) as trial:
        trial.start(web=False)
        for _ in range(size.times):
            trial.drain(within=60)
            time.sleep(TO_REST)
            trial.kill("idle worker with the lock")
            trial.writer.ask("save", count=1)
            recoveries.append(_somebody_arrives(trial))
        trial.drain(within=LEASE_PASSED)
        return [
            at_least("kills", len(trial.kills), size.times),
            at_most("longest recovery", max(recoveries), GAP, " s"),
            *trial.checks(trial.balance()),
        ]


def _somebody_arrives(trial: Trial) -> float:
    """Wait for the next request; the seconds. If none comes, the longest silence will tell."""
    begun, before = time.monotonic(), trial.arrived()
    while trial.arrived() == before and time.monotonic() < begun + 2 * GAP:
        time.sleep(0.1)
    return time.monotonic() - begun


def _committed(trial: Trial) -> int:
    ((versions,),) = trial.program.ask("SELECT coalesce(sum(version), 0) FROM leads_lead")
    return int(versions)


EXPERIMENTS = (
    Experiment(
        "F1",
        "SIGKILL of every kind of process",
        everybody,
        short=Kills(events=300, kills=len(KINDS), rate=16, undone=0.2, pause=0.5, longest=120),
        full=Kills(events=10_000, kills=55, rate=20, undone=0.13, pause=4, longest=1200),
    ),
    Experiment("F2", "SIGKILL of the idle worker with the queue's lock", lock_holder, short=Times(1), full=Times(20)),
)
