"""python -m tests.faults [--short] [F1 F2 ...]: run experiments, all of them unless some are named, in their full size.

What they find in full is written to docs/faults.md, each in its own section (`make faults`: all of them, for more than
an hour). Ends with 1 when something did not hold.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Any

from tests import services
from tests.faults.experiment import Experiment
from tests.faults.experiments import EXPERIMENTS
from tests.faults.stack import STACKS, Stack
from tests.faults.table import Finding, write


def run(experiments: list[Experiment[Any]], short: bool) -> bool:
    """Did all of it hold?"""
    holds = True
    with ExitStack() as running:
        started: dict[str, Stack] = {}
        for experiment in experiments:
            found = []
            for name in experiment.stacks:
                if name not in started:
                    started[name] = running.enter_context(STACKS[name]())
                begun = time.monotonic()
                checks = experiment.judge(started[name], experiment.short if short else experiment.full)
                took = time.monotonic() - begun
                print(f"    {took:.0f} s", flush=True)
                found.append(Finding(experiment, started[name].name, tuple(checks), took))
            holds = holds and all(finding.holds for finding in found)
            if not short:
                write(found)
    return holds


def main(arguments: list[str]) -> int:
    short = "--short" in arguments
    named = {argument for argument in arguments if not argument.startswith("-")}
    unknown = named - {experiment.id for experiment in EXPERIMENTS}
    if unknown or set(arguments) - named - {"--short"}:
        print(__doc__, file=sys.stderr)
        return 2
    if reason := services.no_redis():
        print(f"The faults of PostgreSQL and Redis need Redis: {reason}.", file=sys.stderr)
        return 1
    wanted = [experiment for experiment in EXPERIMENTS if not named or experiment.id in named]
    return int(not run(wanted, short))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
