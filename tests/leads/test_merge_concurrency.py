"""Merges at once with others, and with whoever writes to their leads: one after the other, and nothing is lost."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from leads.changes import unit
from leads.fields import BY_KEY
from leads.merge import merge, undo
from leads.models import Lead, Merge, Message, Task, User
from leads.scope import Scope
from tests import factories
from tests.api.conftest import key_of
from tests.leads.test_concurrency import Other
from webhooks.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time."),
]


@pytest.fixture
def family():
    """Three leads, the oldest first."""
    return [factories.lead(type=None, first_name=name, last_name="Lee") for name in ("Ann", "Anna", "Third")]


def everywhere() -> Scope:
    return Scope(factories.account().pk, None)


def second_of(first, second) -> Exception | None:
    """The second begins once the first has written, and waits for its COMMIT. Gives what the second ended with."""
    other = Other(second)
    with unit():
        first()
        other.start_and_wait_for_us()
    other.join(10)
    assert not other.is_alive()
    return other.error


def check_versions() -> None:
    """Each lead was told of as often as its version says."""
    for pk, version in Lead.with_merged.values_list("pk", "version"):
        told = Event.objects.filter(record="lead", record_id=pk).values_list("version", flat=True)
        assert sorted(set(told)) == list(range(1, version + 1))


@pytest.mark.parametrize(
    "first, second",
    [((0, 1), (2, 1)), ((0, 1), (1, 0)), ((2, 0), (0, 1)), ((1, 2), (0, 2))],
    ids=["the same child", "each other", "the master of the first", "the same child, other order"],
)
def test_two_merges_of_one_lead(family, first, second):
    scope = everywhere()
    error = second_of(
        lambda: merge(scope, family[first[0]].pk, [family[first[1]].pk]),
        lambda: merge(scope, family[second[0]].pk, [family[second[1]].pk]),
    )
    master, child = family[first[0]], family[first[1]]
    if second[0] == first[1] or second[1] == first[1]:
        assert isinstance(error, ValidationError)
        assert f"{child} ({child.pk}) is a part of {master} ({master.pk})" in str(error)
        assert (Merge.objects.count(), Event.objects.filter(type="lead.merged").count()) == (1, 1)
    check_versions()


def test_many_at_once_and_none_waits_for_ever(family):
    scope = everywhere()
    pairs = [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)]
    others = [Other(lambda a=a, b=b: merge(scope, family[a].pk, [family[b].pk])) for a, b in pairs]
    for other in others:
        other.start()
    for other in others:
        other.join(20)
        assert not other.is_alive()
    errors = [other.error for other in others]
    assert errors.count(None) == Merge.objects.count() == 2
    assert all(error is None or isinstance(error, ValidationError) for error in errors)
    assert Lead.objects.count() == 1
    assert Event.objects.filter(type="lead.deleted").count() == 2
    check_versions()


def test_who_saves_a_lead_that_is_merged_meanwhile_is_refused(family):
    scope = everywhere()
    ann, anna, _ = family
    held = Lead.objects.get(pk=anna.pk)
    held.first_name = "Zoe"
    error = second_of(lambda: merge(scope, ann.pk, [anna.pk]), held.save)
    assert isinstance(error, ValidationError) and f"was merged into lead {ann.pk}" in str(error)
    assert Lead.with_merged.get(pk=anna.pk).first_name == "Anna"
    check_versions()


def test_a_merge_waits_for_who_saves_a_lead(family):
    scope = everywhere()
    ann, anna, _ = family
    versions = {lead.pk: lead.version for lead in (ann, anna)}

    def save():
        anna.set("city", "Hull")
        anna.save()

    error = second_of(save, lambda: merge(scope, ann.pk, [anna.pk], versions=versions))
    assert isinstance(error, ValidationError) and "was saved meanwhile" in str(error)
    assert not Merge.objects.exists()
    merge(scope, ann.pk, [anna.pk])
    assert Lead.objects.get(pk=ann.pk).get("city") == "Hull"


@pytest.mark.parametrize(
    "write",
    [
        lambda lead: Task.objects.create(lead=lead, name="Call", due_at=timezone.now()),
        lambda lead: Task.objects.bulk_create(
            [Task(account_id=lead.account_id, lead=lead, name="Call", due_at=timezone.now())]
        ),
        lambda lead: Message.objects.create(lead=lead, type="inbound", body="Hello"),
    ],
    ids=["task", "tasks", "message"],
)
def test_what_is_written_about_a_lead_comes_along_or_is_refused(family, write):
    scope = everywhere()
    ann, anna, third = family
    assert second_of(lambda: write(anna), lambda: merge(scope, ann.pk, [anna.pk])) is None
    assert Task.objects.filter(lead=ann).count() + Message.objects.filter(lead=ann).count() == 1
    error = second_of(lambda: merge(scope, ann.pk, [third.pk]), lambda: write(third))
    assert isinstance(error, ValidationError) and "merged" in str(error)
    assert not Task.objects.filter(lead=third.pk).exists() and not Message.objects.filter(lead=third.pk).exists()


def test_two_undo_the_same_merge(family):
    scope = everywhere()
    ann, anna, _ = family
    done = merge(scope, ann.pk, [anna.pk])
    error = second_of(lambda: undo(done), lambda: undo(Merge.objects.get()))
    assert isinstance(error, ValidationError) and "undone already" in str(error)
    assert Event.objects.filter(type="lead.created", record_id=anna.pk).count() == 2
    check_versions()


@pytest.mark.parametrize("by", ["save", "API"])
def test_a_task_that_is_given_to_the_master_meanwhile(family, by):
    ann, anna, _ = family
    task = Task.objects.create(lead=anna, name="Call", due_at=timezone.now())
    client = key_of(User.objects.create_superuser("root"), ann.account)

    def give():
        if by == "API":
            response = client.send("PATCH", f"/api/v1/tasks/{task.pk}", {"lead_id": ann.pk})
            assert response.status_code == 200, response.content
        else:
            task.lead = ann
            task.save()

    done = Other(lambda: merge(everywhere(), ann.pk, [anna.pk]))
    reading = Task.rows.__func__

    def read(cls, using, pks, lock=False):
        found = reading(cls, using, pks, lock)
        if lock and not done.ident:
            done.start_and_wait_for_us()  # it has what it locks first
        return found

    with patch.object(Task, "rows", classmethod(read)):
        give()
    done.join(10)
    assert (done.is_alive(), done.error) == (False, None)
    task.refresh_from_db()
    assert task.lead_id == ann.pk


def test_a_lead_that_is_put_below_the_master_meanwhile():
    ann, anna = (factories.lead(first_name=name) for name in ("Ann", "Anna"))
    client = key_of(User.objects.create_superuser("root"), ann.account)
    done = Other(lambda: merge(everywhere(), ann.pk, [anna.pk]))
    judging = Scope.judge

    def judge(self, *arguments):
        if not done.ident:
            done.start_and_wait_for_us()
        return judging(self, *arguments)

    with patch.object(Scope, "judge", judge):
        response = client.send("PATCH", f"/api/v1/leads/{anna.pk}", {BY_KEY["parent_id"].wire: ann.pk})
    assert response.status_code == 200, response.content
    done.join(10)
    assert (done.is_alive(), done.error) == (False, None)
    assert Lead.with_merged.get(pk=anna.pk).merged_into == ann
