"""Reminders of tasks: none too early, none twice, none lost."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from leads import jobs, reminders
from leads.changes import unit
from leads.models import Membership, Task, User
from leads.models.task import TaskStatus
from tests import factories


def task(seconds: float, **values: Any) -> Task:
    """Whose reminder is due in so many seconds."""
    now = timezone.now()
    values = {"lead": factories.lead(), "name": "Call back", "due_at": now + timedelta(hours=1)} | values
    return Task.objects.create(remind_at=now + timedelta(seconds=seconds), **values)


@pytest.mark.django_db
class TestReminding:
    def test_what_is_due_is_told_once_by_nobody(self, told):
        due, later = task(-1), task(60)
        told.clear()
        assert reminders.waiting() == [()]
        reminders.remind()
        reminders.remind()
        assert [(fact.type, fact.record_id, fact.actor.kind) for fact in told] == [("task.reminder", due.pk, "system")]
        due.refresh_from_db()
        later.refresh_from_db()
        assert due.reminded_at >= due.remind_at
        assert later.reminded_at is None
        assert reminders.waiting() == []

    def test_who_closes_a_task_is_not_reminded_of_it(self, told):
        task(-1, status=TaskStatus.COMPLETED)
        task(-1, status=TaskStatus.CANCELLED)
        told.clear()
        assert reminders.waiting() == []
        reminders.remind()
        assert told == []

    def test_another_time_is_another_reminder(self, told):
        one = task(-1)
        reminders.remind()
        one.refresh_from_db()
        one.remind_at = timezone.now() - timedelta(seconds=1)
        one.save()
        told.clear()
        reminders.remind()
        assert [fact.type for fact in told] == ["task.reminder"]

    def test_a_run_ends_after_so_many_and_the_next_one_goes_on(self, told, monkeypatch):
        monkeypatch.setattr(reminders, "AT_ONCE", 2)
        lead = factories.lead()
        for seconds in (-3, -2, -1):
            task(seconds, lead=lead)
        told.clear()
        for left in ([()], []):
            reminders.remind()
            assert reminders.waiting() == left
        assert len(told) == 3

    def test_one_that_fails_keeps_none_of_the_others(self, told, monkeypatch, caplog):
        broken, fine = task(-2), task(-1)
        told.clear()
        settled = Task.check_rules.__func__

        def check_rules(cls: type[Task], before: Any, after: Any) -> None:
            if after["id"] == broken.pk:
                raise RuntimeError
            settled(cls, before, after)

        monkeypatch.setattr(Task, "check_rules", classmethod(check_rules))
        reminders.remind()
        assert [fact.record_id for fact in told] == [fine.pk]
        assert f"task {broken.pk}" in caplog.text
        assert reminders.waiting() == [()]

    def test_an_owner_who_has_left_the_account_keeps_no_reminder(self, told):
        owner = User.objects.create(username="dana")
        membership = Membership.objects.create(user=owner, account=factories.account())
        task(-1, owner=owner)
        membership.delete()
        told.clear()
        reminders.remind()
        assert [fact.type for fact in told] == ["task.reminder"]

    @pytest.mark.skipif("connection.vendor == 'postgresql'", reason="PostgreSQL reads a small table to its end.")
    def test_the_look_reads_the_index_of_what_is_to_be_told(self):
        assert "task_to_remind" in reminders._due(timezone.now()).explain()


def test_the_worker_asks_by_the_second():
    assert jobs.named(reminders.JOB).by_the_second


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_two_workers_tell_a_reminder_once(self, told):
        lead = factories.lead()
        for _ in range(20):
            task(-1, lead=lead)
        told.clear()
        gate = threading.Barrier(2)
        errors: list[Exception] = []

        def work() -> None:
            try:
                gate.wait(10)
                reminders.remind()
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
        assert errors == []
        assert sorted(fact.record_id for fact in told) == sorted(Task.objects.values_list("pk", flat=True))

    @pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time.")
    def test_a_task_that_somebody_saves_is_left_until_they_have_done(self, told):
        one, two = task(-2), task(-1)
        told.clear()
        with unit():
            Task.objects.filter(pk=one.pk).update(name="Ring")
            worker = threading.Thread(target=lambda: (reminders.remind(), connection.close()))
            worker.start()
            worker.join(10)
            assert not worker.is_alive(), "it waited for the lock"
            assert [fact.record_id for fact in told] == [two.pk]
        reminders.remind()
        assert [(fact.type, fact.record_id) for fact in told[1:]] == [
            ("task.updated", one.pk),
            ("task.reminder", one.pk),
        ]
