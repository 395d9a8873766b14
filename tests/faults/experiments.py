"""Every experiment there is."""

from __future__ import annotations

from typing import Any

from tests.faults import commits, kills
from tests.faults.experiment import Experiment

EXPERIMENTS: tuple[Experiment[Any], ...] = tuple(
    sorted((*kills.EXPERIMENTS, *commits.EXPERIMENTS), key=lambda experiment: int(experiment.id[1:]))
)
