"""F22: SIGTERM to one cluster after the other, under load, with receivers that take up to ten seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.faults.experiment import Check, Experiment, at_least, at_most, none
from tests.faults.stack import Stack
from tests.faults.trial import Trial

SLOWEST_RECEIVER = 10.0
EXIT = 20.0


@dataclass(frozen=True, slots=True)
class Restarts:
    restarts: int
    rate: float
    pause: float


def rolling(stack: Stack, size: Restarts, seed: int) -> list[Check]:
    """Two clusters; what one has begun when it is told to end, it ends, and claims nothing more."""
    exits, open_then = [], []
    with Trial(stack, seed, clusters=2) as trial:
        trial.receiver.ask("behave", webhook=None, soonest=0, latest=SLOWEST_RECEIVER)
        trial.start(web=False)
        trial.writer.ask("load", rate=size.rate, undone=0, seed=seed)
        time.sleep(SLOWEST_RECEIVER / 2)
        for number in range(size.restarts):
            open_then.append(len(trial.receiver.ask("open")))
            exits.append(trial.restart_cluster(number % 2))
            trial.tree(number % 2)
            time.sleep(trial.choice.uniform(0, size.pause))
        saver = trial.writer.ask("end")
        trial.drain(within=60)
        return [
            at_least("restarts", len(exits), size.restarts),
            at_least("requests open at a SIGTERM, fewest", min(open_then), 1),
            at_most("slowest exit", max(exits), EXIT, " s"),
            none("errors of savers", saver["errors"]),
            *trial.checks(trial.balance(), duplicates=0),
        ]


EXPERIMENTS = (
    Experiment(
        "F22",
        "Rolling restart under load",
        rolling,
        short=Restarts(restarts=2, rate=3, pause=1),
        full=Restarts(restarts=20, rate=5, pause=5),
    ),
)
