"""F3 and F4: what happens about a COMMIT."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.experiment import Check, Experiment, at_least
from tests.faults.stack import Stack
from tests.faults.trial import Trial


@dataclass(frozen=True, slots=True)
class Times:
    times: int


def killed_between_commit_and_nudge(stack: Stack, size: Times, seed: int) -> list[Check]:
    """Each saver is killed when its COMMIT has returned, before anything that was to follow it."""
    with Trial(stack, seed) as trial:
        trial.start(web=False)
        killed = trial.writer.ask("killed_at_commit", within=600, times=size.times)
        trial.drain(within=60)
        found = trial.balance()
        return [at_least("savers killed", killed, size.times), *trial.checks(found, duplicates=0)]


def raised_after_the_event(stack: Stack, size: Times, seed: int) -> list[Check]:
    """In units of work, in savepoints within them, and after event and deliveries are stored."""
    with Trial(stack, seed) as trial:
        trial.start(web=False)
        raised = trial.writer.ask("fail", within=600, times=size.times, seed=seed)
        trial.writer.ask("save", count=1)
        trial.drain(within=60)
        found = trial.balance()
        return [at_least("exceptions", raised, size.times), *trial.checks(found, duplicates=0)]


EXPERIMENTS = (
    Experiment(
        "F3", "Kill between COMMIT and the nudge", killed_between_commit_and_nudge, short=Times(20), full=Times(100)
    ),
    Experiment("F4", "Exception after the event row", raised_after_the_event, short=Times(60), full=Times(500)),
)
