"""F19: a receiver is back after an hour, and thousands wait for it. The hour is a hundredth, as retry waits are.

Those that it has refused meanwhile wait for their own time, after the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.process import Process
from tests.faults.experiment import Check, Experiment, at_least, at_most, none
from tests.faults.stack import Stack
from tests.faults.trial import Trial

# WEBHOOK_DRAIN_RATE as shipped.
RATE = 20
# In any such time; one more may come at its edge.
OVER = 5.0
LONGEST = 1800.0
# Two processes that each took one may be overtaken by each other.
MOMENT = 1.0


@dataclass(frozen=True, slots=True)
class Away:
    deliveries: int
    seconds: float


def back_again(stack: Stack, size: Away, seed: int) -> list[Check]:
    with (
        Trial(stack, seed, webhooks=("standard",)) as trial,
        Process("tests.faults.staff", trial.program.environment) as staff,
    ):
        trial.start(web=False)
        trial.receiver.ask("behave", webhook=None, status=503)
        gone = time.monotonic()
        staff.ask("save_many", within=600, count=size.deliveries)
        time.sleep(max(0.0, gone + size.seconds - time.monotonic()))
        waiting = trial.waiting()
        trial.receiver.ask("behave", webhook=None)
        back = time.monotonic()
        trial.drain(within=LONGEST)
        ((taken,),) = trial.program.ask("SELECT count(*) FROM webhooks_attempt WHERE code = 503")
        ledgers = trial.ledgers()
        arrivals = sorted((one for one in ledgers.received if one.at > back), key=lambda one: one.at)
        tried = {one.id for one in ledgers.received if one.at <= back}
        untried = [(one.told.lead, one.at) for one in arrivals if one.told and one.id not in tried]
        moments = [one.at for one in arrivals]
        return [
            at_least("waiting when it came back", waiting, size.deliveries),
            at_least("tries that it refused", taken, 5),
            at_most(f"most in {OVER:g} s", _most(moments), RATE * OVER + 1),
            none(f"more than {MOMENT:g} s behind a younger one", _behind(untried)),
            at_most("all delivered after", max(moments, default=back) - back, LONGEST, " s"),
            *trial.checks(trial.balance(), duplicates=taken),
        ]


def _behind(arrivals: list[tuple[int, float]]) -> list[int]:
    """Leads of which a younger one arrived more than a moment sooner. (lead, at), in order of arrival."""
    behind, youngest = [], [(0, 0.0)]
    for lead, at in arrivals:
        if lead > youngest[-1][0]:
            youngest.append((lead, at))
        elif at - next(since for other, since in youngest if other > lead) > MOMENT:
            behind.append(lead)
    return behind


def _most(moments: list[float]) -> int:
    """The most that came within OVER seconds. Sorted moments."""
    first, most = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > OVER:
            first += 1
        most = max(most, last - first + 1)
    return most


EXPERIMENTS = (
    Experiment(
        "F19",
        "A receiver is back, and thousands wait",
        back_again,
        short=Away(deliveries=120, seconds=3),
        full=Away(deliveries=5000, seconds=36),
    ),
)
