"""python -m tests.faults [--short] [F1 F2 ...]: run experiments, all of them unless some are named, in their full size.

All of them in full (`make faults`, for hours) write docs/faults.md. Ends with 1 when something did not hold.
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


def run(experiments: list[Experiment[Any]], short: bool) -> list[Finding]:
    found = []
    with ExitStack() as running:
        started: dict[str, Stack] = {}
        for experiment in experiments:
            for name in experiment.stacks:
                if name not in started:
                    started[name] = running.enter_context(STACKS[name]())
                begun = time.monotonic()
                checks = experiment.judge(started[name], experiment.short if short else experiment.full)
                took = time.monotonic() - begun
                print(f"    {took:.0f} s", flush=True)
                found.append(Finding(experiment, started[name].name, tuple(checks), took))
    return found


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
    found = run([experiment for experiment in EXPERIMENTS if not named or experiment.id in named], short)
    if not short and not named:
        write(found)
    return int(not all(finding.holds for finding in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
