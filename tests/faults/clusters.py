"""F9: two clusters of eight workers, and every nudge three times."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.experiment import Check, Experiment, at_least
from tests.faults.stack import Stack
from tests.faults.trial import Trial


@dataclass(frozen=True, slots=True)
class Due:
    deliveries: int


def each_once(stack: Stack, size: Due, seed: int) -> list[Check]:
    """Most of it is due when the clusters start, and a tenth comes while they work."""
    with Trial(stack, seed, clusters=2, Q_WORKERS="8") as trial:
        saves = size.deliveries // len(trial.secrets)
        trial.writer.ask("nudge_thrice")
        trial.writer.ask("save", within=600, count=saves)
        tasks = trial.writer.ask("queued")
        trial.start(web=False)
        trial.writer.ask("save", within=600, count=saves // 10)
        trial.drain(within=600)
        return [
            at_least("deliveries due at the start", saves * len(trial.secrets), size.deliveries),
            at_least("tasks queued for them", tasks, 3 * saves),
            *trial.checks(trial.balance(), duplicates=0),
        ]


EXPERIMENTS = (Experiment("F9", "Two clusters, every nudge three times", each_once, short=Due(400), full=Due(10_000)),)
