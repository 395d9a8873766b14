"""Every experiment there is."""

from __future__ import annotations

from typing import Any

from tests.faults import (
    broker,
    clusters,
    commits,
    embedded,
    hostile,
    inbound,
    keys,
    kills,
    late,
    neighbours,
    poison,
    restarts,
    returning,
)
from tests.faults.experiment import Experiment

EXPERIMENTS: tuple[Experiment[Any], ...] = tuple(
    sorted(
        (
            experiment
            for family in (
                broker,
                clusters,
                commits,
                embedded,
                hostile,
                inbound,
                keys,
                kills,
                late,
                neighbours,
                poison,
                restarts,
                returning,
            )
            for experiment in family.EXPERIMENTS
        ),
        key=lambda experiment: int(experiment.id[1:]),
    )
)
