"""The faults in their short form. What each found is printed; the full figures are in docs/faults.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.experiment import Experiment
from tests.faults.experiments import EXPERIMENTS
from tests.faults.stack import Stack


@pytest.mark.faults
@pytest.mark.parametrize(
    ("experiment", "stack"),
    [
        pytest.param(experiment, stack, id=f"{experiment.id}-{experiment.run.__name__}-{stack}")
        for experiment in EXPERIMENTS
        for stack in experiment.stacks
    ],
)
def test_survives(experiment: Experiment[Any], stack: str, stack_of: Callable[[str], Stack]) -> None:
    checks = experiment.judge(stack_of(stack), experiment.short)
    assert [str(check) for check in checks if not check.holds] == []
