"""F6: a new SECRET_KEY while tasks are queued. django-q2 throws away every task that it cannot verify."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from tests.faults.experiment import Check, Experiment, at_least
from tests.faults.stack import Stack
from tests.faults.trial import Trial


@dataclass(frozen=True, slots=True)
class Queued:
    """deliveries: due when the key changes, and half as many more from a program that still has the old one."""

    deliveries: int


def new_secret_key(stack: Stack, size: Queued, seed: int) -> list[Check]:
    with Trial(stack, seed) as trial:
        saves = size.deliveries // len(trial.secrets)
        trial.writer.ask("save", within=600, count=saves)
        tasks = trial.writer.ask("queued")
        trial.program.environment["SECRET_KEY"] = secrets.token_urlsafe(48)
        trial.start(web=False)
        trial.writer.ask("save", within=600, count=saves // 2)
        trial.drain(within=120)
        return [
            at_least("tasks queued under the old key", tasks, 1),
            at_least("deliveries due then", saves * len(trial.secrets), size.deliveries),
            *trial.checks(trial.balance(), duplicates=0),
        ]


EXPERIMENTS = (
    Experiment("F6", "New SECRET_KEY with tasks queued", new_secret_key, short=Queued(100), full=Queued(1000)),
)
