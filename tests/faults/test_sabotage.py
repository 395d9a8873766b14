"""The judge, judged: each of these programs is broken in one place, and the experiment has to say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults import commits, sabotage
from tests.faults.experiment import Check
from tests.faults.stack import Stack
from tests.faults.trial import Trial
from tests.program import wait_until

SEED = 20261121
SAVES = 5


def _failed(checks: list[Check]) -> set[str]:
    print(*checks, sep="\n")
    return {check.what for check in checks if not check.holds}


def killed_with_tasks(stack: Stack, within: float) -> list[Check]:
    """One kill, of everybody: the tasks are out of the broker, and no worker has begun them."""
    with Trial(stack, SEED) as trial:
        trial.start(web=False)
        tree = trial.tree()
        for worker in tree.workers:
            worker.suspend()
        trial.writer.ask("save", count=SAVES)
        wait_until(lambda: not trial.writer.ask("queued"), 20, "the tasks have left the broker")
        trial.kill("whole tree")
        trial.tree()
        trial.drain(within)
        return trial.checks(trial.balance(), duplicates=0)


def refused_once(stack: Stack) -> list[Check]:
    """Each delivery is tried at least twice."""
    with Trial(stack, SEED) as trial:
        trial.receiver.ask("behave", webhook=None, status=503)
        trial.start(web=False)
        trial.writer.ask("save", count=SAVES)
        wait_until(trial.arrived, 30, "a first try")
        trial.receiver.ask("behave", webhook=None)
        trial.drain(within=60)
        return trial.checks(trial.balance(), duplicates=10_000)


def saved(stack: Stack) -> list[Check]:
    """Nobody is killed."""
    with Trial(stack, SEED) as trial:
        trial.start(web=False)
        trial.writer.ask("save", count=SAVES)
        trial.drain(within=60)
        return trial.checks(trial.balance(), duplicates=0)


def slow_receiver(stack: Stack, within: float) -> list[Check]:
    """It answers within its deadline of 15 s, and nobody is killed."""
    with Trial(stack, SEED) as trial:
        trial.receiver.ask("behave", webhook=None, soonest=8, latest=8)
        trial.start(web=False)
        trial.writer.ask("save", count=2)
        trial.drain(within)
        return trial.checks(trial.balance(), duplicates=0)


@pytest.mark.faults
class TestNotice:
    def test_no_sweep(self, stack_of: Callable[[str], Stack]) -> None:
        stack = stack_of("postgresql")
        assert _failed(killed_with_tasks(stack, within=60)) == set()
        assert "lost" in _failed(killed_with_tasks(sabotage.broken(stack, sabotage.no_sweep), within=15))

    def test_rows_after_commit(self, stack_of: Callable[[str], Stack]) -> None:
        stack = sabotage.broken(stack_of("sqlite"), sabotage.rows_after_commit)
        assert _failed(saved(stack)) == set()
        assert "lost" in _failed(commits.killed_between_commit_and_nudge(stack, commits.Times(3), SEED))

    def test_id_per_attempt(self, stack_of: Callable[[str], Stack]) -> None:
        stack = stack_of("sqlite")
        assert _failed(refused_once(stack)) == set()
        assert "other webhook-ids" in _failed(refused_once(sabotage.broken(stack, sabotage.id_per_attempt)))

    def test_lease_below_deadline(self, stack_of: Callable[[str], Stack]) -> None:
        stack = stack_of("sqlite")
        assert _failed(slow_receiver(stack, within=60)) == set()
        assert "lost" in _failed(slow_receiver(sabotage.broken(stack, sabotage.lease_below_deadline), within=15))

    def test_lease_below_deadline_unguarded(self, stack_of: Callable[[str], Stack]) -> None:
        stack = sabotage.broken(stack_of("sqlite"), sabotage.lease_below_deadline_unguarded)
        assert "duplicates" in _failed(slow_receiver(stack, within=30))
