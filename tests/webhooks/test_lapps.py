"""The Lapps that come with leadcrm."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from leads.changes import acting
from leads.models import Membership, Task, User
from leads.models.task import TaskStatus
from leads.signals import Actor
from tests import factories
from tests.program import ROOT
from webhooks import lapp as registry
from webhooks.lapp import Call
from webhooks.lapps import FOLLOW_UP, follow_up
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def call(lead: Any, **changes: Any) -> Call:
    known = {"id": "msg_1", "account_id": lead.account_id, "webhook_id": 1, "record": "lead", "record_id": lead.pk}
    return Call(**known | {"version": 1, "hops": 0, "test": False, "raw": b"{}"} | changes)


def followed(lead: Any, **changes: Any) -> str:
    answer = follow_up({}, {}, call(lead, **changes))
    assert answer["Status"] == "Success"
    return answer["StatusReason"]


@pytest.fixture
def lead() -> Any:
    owner = User.objects.create_user("ada", "ada@example.com")
    Membership.objects.create(user=owner, account=factories.account())
    return factories.lead(owner=owner)


def test_the_owner_has_a_task_for_tomorrow(lead):
    said = followed(lead)
    task = Task.objects.get()
    assert said == f"Task {task.pk} was made."
    assert (task.lead, task.owner, task.account, task.status) == (lead, lead.owner, lead.account, TaskStatus.OPEN)
    assert (task.name, task.category) == ("Follow up with Olivia Hartley", FOLLOW_UP)
    assert abs(task.due_at - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)
    assert task.remind_at == task.due_at


def test_it_is_told_as_the_lapps_doing(lead):
    with acting(Actor("lapp", 12, "Follow up", 2)):
        followed(lead)
    event = Event.objects.get(type="task.created")
    assert (event.actor_kind, event.actor_id, event.actor_name, event.hops) == ("lapp", 12, "Follow up", 2)
    assert event.frozen.hops == 2


def test_the_same_delivery_does_it_once_even_if_the_task_was_done_meanwhile(lead):
    followed(lead)
    Task.objects.update(status=TaskStatus.COMPLETED)
    assert followed(lead) == "This event was followed up already."
    assert Task.objects.count() == 1


def test_another_event_waits_for_the_open_task(lead):
    followed(lead)
    task = Task.objects.get()
    assert followed(lead, id="msg_2") == f"Task {task.pk} is open."
    task.status = TaskStatus.CANCELLED
    task.save()
    assert followed(lead, id="msg_3").endswith("was made.")
    assert Task.objects.count() == 2


def test_other_tasks_do_not_count(lead):
    Task.objects.create(lead=lead, name="Send the brochure", due_at=timezone.now())
    assert followed(lead).endswith("was made.")


def test_without_an_owner_it_is_the_accounts(lead):
    lead.owner = None
    lead.save()
    followed(lead)
    assert Task.objects.get().owner is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": True}, "This is a test: no task is made."),
        ({"record": "task"}, "It is not about a lead: no task is made."),
        ({"record": "", "record_id": 0}, "It is not about a lead: no task is made."),
        ({"record_id": 10**9}, "The lead is not there any more."),
    ],
)
def test_what_cannot_be_followed_up_is_left_alone(lead, changes, said):
    assert followed(lead, **changes) == said
    assert not Task.objects.exists()


def test_a_lead_of_another_account_is_not_there(lead):
    other = factories.account("Southbank Lettings")
    assert followed(lead, account_id=other.pk) == "The lead is not there any more."
    assert not Task.objects.exists()


def test_the_example_of_the_documentation_works(lead, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "lapps.md").read_text(), re.DOTALL)
    exec(code, {"__name__": "theirs.lapps"})
    known = registry.named("mark_as_hot")
    for _ in range(2):
        assert known.function({"Phone": "07123456789"}, {}, call(lead)) == {"Status": "Success", "StatusReason": ""}
    known.function({"Phone": None}, {}, call(lead, id="msg_2"))
    known.function({"Phone": "07123456789"}, {}, call(lead, id="msg_3", test=True))
    lead.refresh_from_db()
    assert lead.score == 10


def test_a_fault_undoes_the_note_that_it_was_done(lead):
    with pytest.raises(RuntimeError), call(lead).once() as first:
        assert first
        raise RuntimeError
    with call(lead).once() as first:
        assert first
