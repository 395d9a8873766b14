"""The nudge: at most one in a transaction and in 100 ms, never lost to a rollback, never an error for the saver."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import override_settings
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage

from leads import jobs
from leads.models import Account
from webhooks import queue, tasks
from webhooks.automation import start
from webhooks.models import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is silenced by the nudges of the one before it."""
    monkeypatch.setattr(queue, "_pace", queue._Pace())


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "NUDGE_EVERY", 0.0)


@pytest.fixture
def no_sweep_row() -> None:
    Schedule.objects.all().delete()


@pytest.fixture
def replay() -> Iterator[jobs.Job]:
    yield jobs.declare("test.replay", run="tests.webhooks.test_queue.ran", waiting="tests.webhooks.test_queue.owed")
    del jobs._jobs["test.replay"]


calls: list[tuple[Any, ...]] = []


def ran(*ids: int | str) -> None:
    calls.append(ids)


def owed() -> list[tuple[int | str, ...]]:
    return [(7, "a"), (8, "b")]


def queued() -> list[tuple[str, tuple[Any, ...]]]:
    packages = [SignedPackage.loads(row.payload) for row in OrmQ.objects.order_by("id")]
    return [(package["func"], package["args"]) for package in packages]


NUDGED = [(queue.DELIVER, ())]


def failing(*args: Any, **kwargs: Any) -> None:
    raise ConnectionError("the broker is down")


class Undone(Exception):
    pass


class TestNudgeOfAJob:
    """By a job of the program's own that takes no ids."""

    NUDGED = [(queue.RUN_JOB, (start.JOB,))]

    @pytest.fixture(autouse=True)
    def fresh(self) -> None:
        queue._nudge_of.cache_clear()

    def test_once_per_transaction_and_not_after_a_rollback(self) -> None:
        with pytest.raises(Undone), transaction.atomic():
            queue.nudge_job(start.JOB)
            raise Undone
        assert queued() == []
        with transaction.atomic():
            for _ in range(5):
                queue.nudge_job(start.JOB)
            assert queued() == []
        assert queued() == self.NUDGED

    def test_once_in_a_while_and_apart_from_the_other_nudges(self) -> None:
        for _ in range(5):
            queue.nudge_job(start.JOB)
        assert queued() == self.NUDGED
        queue._pace = queue._Pace()
        queue.nudge()
        assert queued() == self.NUDGED + NUDGED

    def test_an_error_of_the_broker_is_nobody_elses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "async_task", failing)
        queue.nudge_job(start.JOB)

    def test_a_job_that_there_is_not(self) -> None:
        with pytest.raises(jobs.UnknownJob):
            queue.nudge_job("brew")


class TestNudge:
    def test_outside_a_transaction_at_once(self) -> None:
        queue.nudge()
        assert queued() == NUDGED

    def test_once_per_transaction_and_after_its_commit(self, unhurried: None) -> None:
        with transaction.atomic():
            for _ in range(5):
                queue.nudge()
                with transaction.atomic():
                    queue.nudge()
            assert queued() == []
        assert queued() == NUDGED

    def test_rolled_back_transaction_nudges_nobody_and_the_next_one_does(self, unhurried: None) -> None:
        for _ in range(3):
            with pytest.raises(Undone), transaction.atomic():
                queue.nudge()
                raise Undone
        assert queued() == []
        with transaction.atomic():
            queue.nudge()
        assert queued() == NUDGED

    def test_rolled_back_savepoint_takes_only_its_own_nudge(self, unhurried: None) -> None:
        with transaction.atomic(), pytest.raises(Undone), transaction.atomic():
            queue.nudge()
            raise Undone
        assert queued() == []
        with transaction.atomic():
            with pytest.raises(Undone), transaction.atomic():
                queue.nudge()
                raise Undone
            queue.nudge()
        assert queued() == NUDGED

    def test_nudge_before_a_rolled_back_savepoint_stays(self, unhurried: None) -> None:
        with transaction.atomic():
            queue.nudge()
            with pytest.raises(Undone), transaction.atomic():
                queue.nudge()
                raise Undone
        assert queued() == NUDGED

    def test_nudge_of_a_released_savepoint_serves_the_whole_transaction(self, unhurried: None) -> None:
        with transaction.atomic():
            with transaction.atomic(), transaction.atomic():
                queue.nudge()
            queue.nudge()
            with pytest.raises(Undone), transaction.atomic():
                queue.nudge()
                raise Undone
        assert queued() == NUDGED

    def test_savepoints_undone_by_hand(self, unhurried: None) -> None:
        with transaction.atomic():
            savepoint = transaction.savepoint()
            queue.nudge()
            transaction.savepoint_rollback(savepoint)
            queue.nudge()
        assert queued() == NUDGED

    def test_each_later_transaction_has_its_own(self, unhurried: None) -> None:
        for _ in range(3):
            with transaction.atomic():
                queue.nudge()
        assert queued() == NUDGED * 3

    def test_once_per_process_in_100_ms(self) -> None:
        begun = time.monotonic()
        while time.monotonic() < begun + 0.35:
            with transaction.atomic():
                queue.nudge()
        assert 2 <= len(queued()) <= 4

    def test_callback_that_breaks_does_not_take_the_nudge_along(self, unhurried: None) -> None:
        with transaction.atomic():
            transaction.on_commit(failing, robust=True)
            queue.nudge()
        assert queued() == NUDGED

    def test_without_autocommit_the_saver_is_not_bothered(self) -> None:
        transaction.set_autocommit(False)
        try:
            queue.nudge()
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)

    def test_no_statement_before_the_commit(self, django_assert_num_queries: Callable[..., Any]) -> None:
        with transaction.atomic():
            with django_assert_num_queries(0):
                queue.nudge()
            transaction.set_rollback(True)

    def test_keeps_its_broker(self, unhurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
        queue.nudge()
        monkeypatch.setattr("webhooks.queue.get_broker", failing)
        monkeypatch.setattr("django_q.tasks.get_broker", failing)
        queue.nudge()
        assert len(queued()) == 2


class TestBrokerDown:
    @pytest.fixture(autouse=True)
    def down(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        tried: list[float] = []

        def enqueue(*args: Any, **kwargs: Any) -> None:
            tried.append(time.monotonic())
            failing()

        monkeypatch.setattr(queue._broker(), "enqueue", enqueue)
        return tried

    def test_saver_sees_nothing_and_the_log_says_it(self, caplog: pytest.LogCaptureFixture) -> None:
        with transaction.atomic():
            Account.objects.create(name="Harbour Homes")
            queue.nudge()
        queue.nudge()
        assert Account.objects.count() == 1
        (record,) = [record for record in caplog.records if record.name == "webhooks.queue"]
        assert "nudge" in record.message and record.exc_info is not None

    def test_asked_ever_less_often(self, down: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        now = 1000.0
        monkeypatch.setattr(queue.time, "monotonic", lambda: now)
        for _ in range(1000):
            queue.nudge()
            now += 0.1
        assert 5 <= len(down) <= 9, "a silent broker holds up a save for seconds: 100 s must not see many of them"

    def test_back_to_normal_after_the_first_success(self, down: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        now = 1000.0
        monkeypatch.setattr(queue.time, "monotonic", lambda: now)
        for _ in range(50):
            queue.nudge()
            now += 1.0
        monkeypatch.delattr(queue._broker(), "enqueue")  # the broker is back
        now += queue.LONGEST_SILENCE
        queue.nudge()
        now += queue.NUDGE_EVERY
        queue.nudge()
        assert queued() == NUDGED * 2

    def test_job_is_logged(self, replay: jobs.Job, caplog: pytest.LogCaptureFixture) -> None:
        jobs.start(replay.name, 1)
        assert "test.replay" in caplog.text


class TestJobs:
    def test_name_and_ids_after_the_commit(self, replay: jobs.Job) -> None:
        with transaction.atomic():
            jobs.start(replay.name, 7, "a")
            assert queued() == []
        assert queued() == [(queue.RUN_JOB, (replay.name, 7, "a"))]

    def test_rolled_back(self, replay: jobs.Job) -> None:
        with pytest.raises(Undone), transaction.atomic():
            jobs.start(replay.name, 7)
            raise Undone
        assert queued() == []

    def test_unknown_name(self) -> None:
        with pytest.raises(jobs.UnknownJob, match="no such"):
            jobs.start("no such", 1)
        with pytest.raises(jobs.UnknownJob, match="no such"):
            queue.enqueue("no such")

    def test_takes_no_objects(self, replay: jobs.Job) -> None:
        with pytest.raises(TypeError):
            queue.enqueue(replay.name, Account(name="Harbour Homes"))  # type: ignore[arg-type]
        assert queued() == []

    def test_runs(self, replay: jobs.Job) -> None:
        calls.clear()
        assert tasks.run_job(replay.name, 7, "a") == 1
        assert calls == [(7, "a")]

    def test_goes_back_to_the_queue_when_the_worker_stops(
        self, replay: jobs.Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls.clear()
        monkeypatch.setattr(queue, "_stop_at", [lambda: 12.5])
        assert queue.stop_at() == 12.5
        assert tasks.run_job(replay.name, 7, "a") == 0
        assert calls == [] and queued() == [(queue.RUN_JOB, (replay.name, 7, "a"))]

    def test_sweep_asks_for_what_is_owed(self, replay: jobs.Job) -> None:
        tasks.sweep()
        assert queued() == [(queue.RUN_JOB, (replay.name, 7, "a")), (queue.RUN_JOB, (replay.name, 8, "b"))]


class TestDeliver:
    def test_does_nothing_once_the_worker_stops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "_stop_at", [lambda: 12.5])
        monkeypatch.setattr("webhooks.outbound.deliver.run", failing)
        assert tasks.deliver() == 0

    def test_passes_the_stop_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: dict[str, Any] = {}

        def run(**options: Any) -> int:
            seen.update(options)
            return 3

        monkeypatch.setattr("webhooks.outbound.deliver.run", run)
        assert tasks.deliver() == 3
        assert seen["stop"]() is None and seen["claim_for"] == queue.CLAIM_SECONDS


class TestSignOfLife:
    def test_none_yet(self) -> None:
        assert queue.worker_seen() is None and queue.worker_missing()

    def test_missed_when_it_does_not_come(self) -> None:
        queue.beat(30)
        queue.beat(30)
        seen = queue.worker_seen()
        assert seen is not None and timezone.now() - seen < timedelta(seconds=5)
        assert not queue.worker_missing()
        Heartbeat.objects.update(next_by=timezone.now() - timedelta(seconds=1))
        assert queue.worker_missing() and queue.worker_seen() == seen

    def test_sweep_of_a_plain_cluster_gives_it(self) -> None:
        tasks.sweep()
        assert not queue.worker_missing()

    def test_under_the_worker_the_clock_gives_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "_stop_at", [lambda: None])
        tasks.sweep()
        assert queue.worker_seen() is None


class TestSchedules:
    @pytest.fixture(autouse=True)
    def empty(self) -> None:
        Schedule.objects.all().delete()

    def test_made_by_migrate(self) -> None:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("migrate", verbosity=0)
        row = Schedule.objects.get()
        assert (row.name, row.func, row.minutes, row.repeats) == ("webhooks sweep", "webhooks.tasks.sweep", 1, -1)

    @pytest.mark.parametrize(
        "damage",
        [
            {"repeats": 0},
            {"func": "nowhere.sweep"},
            {"minutes": 600},
            {"schedule_type": Schedule.CRON, "cron": "nonsense"},
            {"next_run": None},
            {"next_run": timezone.now() - timedelta(days=4000)},
            {"next_run": timezone.now() + timedelta(days=400)},
            {"cluster": "another"},
            {"args": "(("},
        ],
        ids=lambda damage: next(iter(damage)),  # the values hold the current time
    )
    def test_mended(self, damage: dict[str, Any]) -> None:
        queue.tidy()
        Schedule.objects.update(**damage)
        queue.tidy()
        scheduler()
        assert queued() == [(queue.SWEEP, ())]

    def test_left_alone_when_right(self, django_assert_num_queries: Callable[..., Any]) -> None:
        queue.tidy()
        before = Schedule.objects.values().get()
        queue.tidy()
        assert Schedule.objects.values().get() == before

    def test_doubles_removed(self) -> None:
        for _ in range(3):
            Schedule.objects.create(name="webhooks sweep", func="webhooks.tasks.sweep", schedule_type="I", minutes=1)
        queue.tidy()
        assert Schedule.objects.count() == 1

    @pytest.mark.parametrize(
        "bad",
        [
            {"args": "(("},
            {"args": "open('x')"},
            {"kwargs": "1)+(2"},
            {"kwargs": "[1, 2]"},
            {"kwargs": "{'q_options': 5}"},
            {"schedule_type": "??"},
            {"schedule_type": Schedule.CRON, "cron": "* * *"},
        ],
        ids=str,
    )
    def test_broken_row_does_not_block_the_sweep(self, bad: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
        queue.tidy()
        past = timezone.now() - timedelta(minutes=3)
        row = Schedule.objects.create(name="bad", func="x.y", next_run=past, schedule_type="I")
        Schedule.objects.filter(pk=row.pk).update(**bad)
        good = Schedule.objects.create(
            name="good", func="x.z", next_run=past, schedule_type="I", args="1, 2", kwargs="a=3, b='c'"
        )
        scheduler()
        assert queued() == [], "else this row would not be broken"
        queue.tidy()
        scheduler()
        assert {func for func, _ in queued()} == {"x.z", queue.SWEEP}
        row.refresh_from_db()
        good.refresh_from_db()
        assert row.repeats == 0 and good.repeats == -1
        assert "'bad'" in caplog.text

    def test_old_failures_are_dropped(self) -> None:
        now = timezone.now()
        for number, age in enumerate((1, 8)):
            stopped = now - timedelta(days=age)
            Task.objects.create(id=str(number), name="x", func="x.y", started=stopped, stopped=stopped, success=False)
        queue.tidy()
        assert Task.objects.count() == 1

    def test_start_of_a_worker_process_survives_a_dead_database(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def tidy() -> None:
            raise DatabaseError("gone")

        monkeypatch.setattr(queue, "tidy", tidy)
        with caplog.at_level(logging.ERROR):
            queue._after_spawn()
        assert "schedules" in caplog.text


GOOD = {
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 60,
    "retry": 240,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.05,
    "guard_cycle": 0.5,
    "orm": "default",
}


class TestChecks:
    def found(self, **changes: Any) -> list[str | None]:
        with override_settings(Q_CLUSTER={**GOOD, **changes}):
            return [message.id for message in queue.check_settings()]

    def test_shipped_settings_pass(self) -> None:
        assert queue.check_settings() == []

    @pytest.mark.parametrize("workers", [1, 2, 8, 16])
    def test_measured_settings_pass(self, workers: int) -> None:
        retry = 300 if workers == 1 else 240
        assert self.found(workers=workers, queue_limit=workers, retry=retry) == []

    @pytest.mark.parametrize(
        ("changes", "number"),
        [
            ({"timeout": 54}, 2),
            ({"timeout": None}, 2),
            ({"retry": 215}, 3),
            ({"bulk": 3}, 3),
            ({"queue_limit": 1}, 4),
            ({"queue_limit": None}, 4),
            ({"max_attempts": 0}, 5),
            ({"max_attempts": 3}, 5),
            ({"ack_failures": False}, 6),
            ({"save_limit": 250}, 7),
            ({"catch_up": True}, 8),
            ({"guard_cycle": 0.2}, 9),
            ({"sync": True}, 10),
        ],
        ids=str,
    )
    def test_each_rule(self, changes: dict[str, Any], number: int) -> None:
        assert self.found(**changes) == [f"webhooks.E{number:03}"]

    def test_number_of_workers_is_not_left_to_the_machine(self) -> None:
        assert "webhooks.E001" in self.found(workers=None)

    def test_reopening_the_database_for_each_nudge_is_warned_of(self, settings: Any) -> None:
        settings.DATABASES["default"]["CONN_MAX_AGE"] = 0
        try:
            assert self.found() == ["webhooks.W001"]
            assert self.found(orm=None, redis="redis://127.0.0.1") == []
        finally:
            settings.DATABASES["default"]["CONN_MAX_AGE"] = None
