"""F13: what a healthy receiver notices of dead ones, with thousands of deliveries queued for them.

Phases alternate in one program: first nobody else is there, then the dead are switched on, with all that is queued for
them, and hear of every lead that is saved, as the healthy one does. The dead take connections and never answer, or do
not even take them. Latency is from COMMIT to the arrival of the request's last byte. A phase's p95 is compared with
that of the phases before and after it; of the rounds the median counts, as the machine has other work, too. Nothing has
to be tried again here, so the waits are as shipped: whoever is dead is asked as often whether he is back as in life.

The short form has one round of a few seconds, too few for a p95 to be compared within a tenth.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.process import Process
from tests.faults.experiment import Check, Experiment, at_least, at_most
from tests.faults.ledger import balance
from tests.faults.stack import Stack
from tests.faults.trial import Trial

HEALTHY = "standard-healthy"
SLOWEST = 5.0
# A try that a dead receiver holds ends after 15 s.
TRY = 16.0
# Until the dead have got hold of whatever they can get hold of.
SPREAD = 1.0


@dataclass(frozen=True, slots=True)
class Crowds:
    """crowds: how many dead receivers, one trial for each; queued for all of them together; events a second.

    worse: by which part the p95 may be worse than alone, None for not to be judged.
    """

    crowds: tuple[int, ...]
    queued: int
    rate: float
    seconds: float
    rounds: int
    worse: float | None = None


def dead_neighbours(stack: Stack, size: Crowds, seed: int) -> list[Check]:
    return [check for dead in size.crowds for check in _beside(dead, stack, size, seed)]


def _beside(dead: int, stack: Stack, size: Crowds, seed: int) -> list[Check]:
    with (
        black_holes(dead) as urls,
        Trial(stack, seed, webhooks=(HEALTHY,), WEBHOOK_RETRY_SCALE="1") as trial,
        ExitStack() as running,
    ):
        staff = running.enter_context(Process("tests.faults.staff", trial.program.environment))
        staff.ask("add", urls=urls, state="disabled")
        trial.start(web=False)
        trial.rest(True)
        trial.writer.ask("load", rate=size.rate, undone=0, seed=seed)
        alone, beside, queued = [], [], []
        for number in range(size.rounds):
            if number:
                staff.ask("disable", names=list(urls))
                trial.drain(within=2 * TRY)
            alone.append(_phase(trial, size.seconds))
            staff.ask("enable", names=list(urls))
            staff.ask("save_many", within=300, count=-(-size.queued // dead))
            _healthy_has_all(trial)
            time.sleep(SPREAD)
            queued.append(trial.waiting())
            beside.append(_phase(trial, size.seconds))
        trial.writer.ask("end")
        _healthy_has_all(trial)
        return [
            at_least(f"queued for {dead} dead, fewest", min(queued), size.queued - 2 * dead * trial.workers),
            *_judge(trial, size, dead, alone, beside),
        ]


Phase = tuple[float, float]


def _judge(trial: Trial, size: Crowds, dead: int, alone: list[Phase], beside: list[Phase]) -> list[Check]:
    whole = trial.ledgers()
    ledgers = replace(whole, history=[row for row in whole.history if row.told.webhook == HEALTHY])
    arrived = {(one.told.lead, one.told.version): one.at for one in reversed(ledgers.received) if one.told}
    late = {at: arrived.get(key, float("inf")) - at for key, at in ledgers.commits.items()}

    def latencies(phases: list[Phase]) -> list[float]:
        return [seconds for at, seconds in late.items() if any(start <= at < end for start, end in phases)]

    all_beside = latencies(beside)
    checks = [
        at_least(f"events beside {dead} dead", len(all_beside), size.rounds * size.seconds * size.rate / 2),
        at_most(f"p95 beside {dead} dead", p95(all_beside), SLOWEST, " s"),
    ]
    if size.worse is not None:
        before = median(p95(latencies([phase])) for phase in alone)
        after = median(p95(latencies([phase])) for phase in beside)
        words = f"{after * 1000:.1f} ms, alone {before * 1000:.1f} ms ({after / before - 1:+.0%})"
        bound = 1 + size.worse
        checks.append(Check(f"p95 beside {dead} dead, of alone", f"≤ {bound:.0%}", words, after <= bound * before))
    return checks + [
        Check(f"{check.what}, beside {dead} dead", check.bound, check.measured, check.holds)
        for check in trial.checks(balance(ledgers), duplicates=0)
    ]


def p95(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[int(0.95 * len(ordered))] if ordered else float("inf")


def _phase(trial: Trial, seconds: float) -> Phase:
    start = time.monotonic()
    trial.rest(False)
    time.sleep(seconds)
    trial.rest(True)
    end = time.monotonic()
    time.sleep(0.5)
    return start, end


def _healthy_has_all(trial: Trial) -> None:
    """Of what was queued for the dead it has heard as well: that is not to be measured."""
    limit = time.monotonic() + 120
    waiting = f"""
        SELECT count(*) FROM webhooks_delivery WHERE status IN ('queued', 'sending') AND webhook_name = '{HEALTHY}'
    """
    while trial.program.ask(waiting) != [(0,)] and time.monotonic() < limit:
        time.sleep(0.1)


@contextmanager
def black_holes(number: int) -> Iterator[dict[str, str]]:
    """URLs of receivers whose system takes the first connections and whose program takes none, by webhook."""
    with ExitStack() as running:
        urls = {}
        for index in range(number):
            hole = running.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            urls[f"standard-dead-{index}"] = f"http://127.0.0.1:{hole.getsockname()[1]}/"
        yield urls


EXPERIMENTS = (
    Experiment(
        "F13",
        "Dead receivers beside a healthy one",
        dead_neighbours,
        short=Crowds(crowds=(20,), queued=500, rate=20, seconds=4, rounds=1),
        full=Crowds(crowds=(1, 20, 100), queued=5000, rate=10, seconds=30, rounds=5, worse=0.1),
    ),
)
