"""Reminders by the real worker: on time, and none lost with a worker that dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from tests.program import Program, lives, wait_until
from tests.receiver import Receiver
from tests.webhooks.test_worker import Fixture, _moment

SEED = """
from datetime import UTC, datetime
from leads.models import Account, Task
remind_at = datetime.fromisoformat({remind_at!r})
Task.objects.create(account=Account.objects.get(), name="Call back", due_at=remind_at, remind_at=remind_at)
"""


@pytest.fixture
def worker(new_program: Callable[..., Program], receiver: Receiver) -> Iterator[Fixture]:
    fixture = Fixture(new_program(Q_WORKERS="2"), receiver)
    yield fixture
    for process in filter(lives, fixture.everybody):
        process.kill()


def remind_in(worker: Fixture, seconds: float) -> datetime:
    remind_at = datetime.now(UTC) + timedelta(seconds=seconds)
    worker.program.shell(SEED.format(remind_at=remind_at.isoformat()))
    return remind_at.replace(tzinfo=None)


def told(worker: Fixture) -> list[datetime]:
    rows = worker.ask("SELECT occurred_at FROM webhooks_event WHERE type = 'task.reminder' ORDER BY id")
    return [_moment(stored) for (stored,) in rows]


def test_a_reminder_comes_on_time(worker: Fixture) -> None:
    worker.start()
    remind_at = remind_in(worker, 8)
    wait_until(lambda: told(worker), 30, "the reminder is told")
    time.sleep(2.5)  # the clock has asked again
    (at,) = told(worker)
    # The sweep, which comes once a minute, would be later.
    assert timedelta(0) <= at - remind_at < timedelta(seconds=5)
    assert worker.ask("SELECT count(*) FROM django_q_ormq") == [(0,)]


def test_a_killed_worker_loses_no_reminder(worker: Fixture) -> None:
    worker.start()
    worker.tree()
    assert worker.program.worker is not None
    psutil.Process(worker.program.worker.pid).kill()
    worker.program.worker.wait(timeout=5)
    remind_at = remind_in(worker, 0)
    worker.start()
    wait_until(lambda: told(worker), 30, "the reminder is told")
    time.sleep(2.5)
    (at,) = told(worker)
    assert at >= remind_at
