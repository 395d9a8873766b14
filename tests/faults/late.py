"""F8 and F10: answers that come late, because the receiver takes its time or because the sender was stopped.

A stopped machine is a whole tree of processes under SIGSTOP; another one goes on. In the short form the lease, a
minute, is ended by hand, so that the answer comes soon after it, and a receiver that takes 14 s is asked for less.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.process import Process
from tests.faults.experiment import Check, Experiment, at_least, none
from tests.faults.stack import Stack
from tests.faults.trial import LEASE_PASSED, Trial

# One second less than a try may take.
SLOW = 14.0
HELD = 4.0
# Until a machine that goes on has written down what came of its sends.
WRITTEN = 15.0


@dataclass(frozen=True, slots=True)
class Queued:
    deliveries: int


def slow_receiver(stack: Stack, size: Queued, seed: int) -> list[Check]:
    """It was fast before, so that much is claimed for it; what waits in a worker's memory renews its lease."""
    with Trial(stack, seed) as trial:
        trial.start(web=False)
        _prime(trial)
        trial.receiver.ask("behave", webhook=None, soonest=SLOW, latest=SLOW)
        saves = size.deliveries // len(trial.secrets)
        trial.writer.ask("save", within=300, count=saves)
        ended = trial.drain(within=4 * SLOW + 2 * size.deliveries)
        ((slowest,),) = trial.program.ask("SELECT max(duration_ms) FROM webhooks_attempt")
        return [
            at_least("deliveries queued", saves * len(trial.secrets), size.deliveries),
            at_least("slowest answer", slowest / 1000, SLOW, " s"),
            Check("all delivered", "yes", "yes" if ended else "no", ended),
            *trial.checks(trial.balance(), duplicates=0),
        ]


@dataclass(frozen=True, slots=True)
class Stops:
    """sends: that are stopped in the middle, at least; saves before each stop; by_hand: who ends the lease."""

    sends: int
    saves: int
    by_hand: bool


def stopped_machine(stack: Stack, size: Stops, seed: int) -> list[Check]:
    """What was sent before the stop is answered by 500 during it; the other machine sends again, and has a 200."""
    stopped, moved, late = 0, [], 0
    with Trial(stack, seed, clusters=2) as trial, Process("tests.faults.staff", trial.program.environment) as staff:
        trial.start(web=False)
        for _ in range(size.sends):
            _prime(trial)
            trial.receiver.ask("behave", webhook=None, status=500, soonest=HELD, latest=HELD)
            trial.writer.ask("save", count=size.saves)
            time.sleep(HELD / 4)
            cluster, open_sends = _busier(trial)
            if not open_sends:
                trial.receiver.ask("behave", webhook=None)
                trial.drain(within=LEASE_PASSED)
                continue
            machine = trial.tree(cluster).everybody()
            _signal(machine, signal.SIGSTOP)
            open_sends = _open(trial, cluster)
            trial.receiver.ask("behave", webhook=None)
            time.sleep(HELD + 1)
            if size.by_hand:
                staff.ask("end_leases")
            trial.drain(within=LEASE_PASSED)
            before, tries = _rows(trial), _late(trial)
            _signal(machine, signal.SIGCONT)
            stopped += open_sends
            late += _more_late(trial, tries, open_sends)
            moved += [row for row in _rows(trial) if row not in before]
            if stopped >= size.sends:
                break
        trial.drain(within=LEASE_PASSED)
        found = trial.balance()
        return [
            at_least("sends stopped", stopped, size.sends),
            at_least("late results that were written down", late, size.sends),
            none("deliveries that a late result moved", moved),
            *trial.checks(found, duplicates=_not_taken(trial)),
        ]


def _prime(trial: Trial) -> None:
    """One that is answered at once: the receivers are known to be fine."""
    trial.receiver.ask("behave", webhook=None)
    trial.writer.ask("save", count=1)
    trial.drain(within=LEASE_PASSED)


def _busier(trial: Trial) -> tuple[int, int]:
    """The cluster with more requests out, and how many they are."""
    count, cluster = max((_open(trial, cluster), cluster) for cluster in (0, 1))
    return cluster, count


def _open(trial: Trial, cluster: int) -> int:
    ports = set(trial.receiver.ask("open"))
    return sum(
        bool(one.laddr) and one.laddr.port in ports
        for worker in trial.tree(cluster).workers
        for one in worker.net_connections("tcp")
    )


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _rows(trial: Trial) -> list[tuple[Any, ...]]:
    return trial.program.ask("SELECT id, status, code, tries, fence FROM webhooks_delivery ORDER BY id")


def _late(trial: Trial) -> int:
    """Results of claims that somebody else had taken over: their deliveries have ended, by a later claim."""
    ((count,),) = trial.program.ask(
        """
        SELECT count(*) FROM webhooks_attempt attempt JOIN webhooks_delivery delivery
        ON delivery.id = attempt.delivery_id AND attempt.number > 0 AND delivery.status = 'success'
        WHERE attempt.id > (SELECT max(id) FROM webhooks_attempt other
            WHERE other.delivery_id = delivery.id AND other.code = 200)
        """
    )
    return int(count)


def _more_late(trial: Trial, before: int, expected: int) -> int:
    """How many came since; waits for so many."""
    limit = time.monotonic() + WRITTEN
    while _late(trial) < before + expected and time.monotonic() < limit:
        time.sleep(0.1)
    return _late(trial) - before


def _not_taken(trial: Trial) -> int:
    """Each may be followed by another request: tries that were lost, or answered by anything else than a 200."""
    ((count,),) = trial.program.ask("SELECT count(*) FROM webhooks_attempt WHERE code IS NULL OR code <> 200")
    return int(count)


EXPERIMENTS = (
    Experiment("F8", "Receiver takes 14 s", slow_receiver, short=Queued(12), full=Queued(500)),
    Experiment(
        "F10",
        "Stopped in mid-send, and continued",
        stopped_machine,
        short=Stops(sends=2, saves=4, by_hand=True),
        full=Stops(sends=50, saves=20, by_hand=False),
    ),
)
