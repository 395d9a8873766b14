"""Two at once: who comes second waits, then reads what the first has stored and tells only what is its own doing."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import IntegrityError, connection
from django.db.models.deletion import Collector

from leads import roles
from leads.changes import unit
from leads.models import Lead, Message, Pipeline, Stage, Tag
from leads.scope import managers
from tests import factories
from tests.api.conftest import key_of, member
from webhooks.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time."),
]


class Other(threading.Thread):
    """Works on a connection of its own; error is what it ended with."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.pid = 0
        self.error: Exception | None = None

    def run(self):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (self.pid,) = cursor.fetchone()
            self.work()
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def start_and_wait_for_us(self):
        self.start()
        limit = time.monotonic() + 10
        while not self.waits():
            assert self.is_alive() and time.monotonic() < limit, f"it did not wait: {self.error!r}"
            time.sleep(0.01)

    def waits(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted)", [self.pid])
            return cursor.fetchone()[0]


def at_once(first, second) -> None:
    """The second begins when the first has written, and has to wait for its COMMIT."""
    other = Other(second)
    with unit():
        first()
        other.start_and_wait_for_us()
    other.join(10)
    assert not other.is_alive()
    if other.error:
        raise other.error


def updates(told):
    return [fact for fact in told if fact.type == "lead.updated"]


@pytest.fixture
def lead(told):
    lead = factories.lead()
    told.clear()
    return lead


def tag(name: str = "vip") -> Tag:
    return Tag.objects.create(account=factories.account(), name=name)


def test_two_tags_are_told_one_after_the_other(lead, told):
    one, two = tag("one"), tag("two")
    at_once(lambda: lead.tags.add(one), lambda: Lead.objects.get().tags.add(two))
    assert [fact.changes["tags"] for fact in updates(told)] == [([], ["one"]), (["one"], ["one", "two"])]


def test_the_same_tag_is_told_once(lead, told):
    vip = tag()
    at_once(lambda: lead.tags.add(vip), lambda: Lead.objects.get().tags.add(vip))
    assert [fact.version for fact in updates(told)] == [2]


@pytest.mark.parametrize(
    "write",
    [
        lambda lead: Lead.objects.filter(pk=lead.pk).update(first_name="Zoe"),
        lambda lead: Message.objects.create(lead=lead, type="inbound", body="Hello"),
    ],
    ids=["update", "message"],
)
def test_who_waits_for_a_tag_does_not_tell_of_it(lead, told, write):
    vip = tag()
    at_once(lambda: lead.tags.add(vip), lambda: write(lead))
    assert ["tags" in fact.changes for fact in updates(told)] == [True, False]
    assert updates(told)[-1].snapshot["tags"] == ["vip"]


def test_who_waits_for_a_move_into_another_office_tells_of_its_own_change_only(lead, told):
    leeds = factories.office()

    def move():
        mine = Lead.objects.get()
        mine.office = leeds
        mine.save()

    at_once(move, lambda: Lead.objects.filter(pk=lead.pk).update(first_name="Zoe"))
    assert ["office_id" in fact.changes for fact in updates(told)] == [True, False]
    assert updates(told)[-1].snapshot["office_name"] == leeds.name


def test_who_waits_for_a_deletion_has_nothing_to_tell(lead, told):
    at_once(lambda: Lead.objects.get().delete(), lambda: Lead.objects.filter(pk=lead.pk).update(first_name="Zoe"))
    assert [fact.type for fact in told] == ["lead.deleted"]


def test_who_waits_for_a_move_into_a_new_stage_leaves_the_lead_there(lead, told):
    def move():
        mine = Lead.objects.get()
        mine.pipeline_stage = Stage.objects.create(pipeline=lead.pipeline, name="Second call", code="CONTACTED")
        mine.save()

    def rename():
        mine = Lead.objects.get()
        mine.first_name = "Zoe"
        mine.save(update_fields=["first_name"])

    at_once(move, rename)
    assert Lead.objects.get().get("stage_name") == "Second call"
    assert set(updates(told)[-1].changes) == {"first_name", "full_name"}


def test_a_tag_that_two_invent_is_one():
    leads = [factories.lead(email=f"lead{number}@example.com") for number in range(2)]

    def invent(lead, name):
        lead.set("tags", [name])
        lead.save()

    at_once(lambda: invent(leads[0], "Élan"), lambda: invent(leads[1], "élan"))
    assert [lead.get("tags") for lead in leads] == [["Élan"], ["Élan"]]


def test_of_two_new_defaults_one_is_left():
    account = factories.account()

    def make(name):
        Pipeline.objects.create(account=account, name=name, is_default=True)

    at_once(lambda: make("Lettings"), lambda: make("Sales"))
    assert [pipeline.name for pipeline in Pipeline.objects.filter(is_default=True)] == ["Sales"]


def test_a_label_that_is_being_deleted_comes_on_no_lead_any_more(lead, monkeypatch):
    vip = tag()
    adding = Other(lambda: lead.tags.add(vip))
    collect = Collector.collect

    def collect_and_let_add(self, *args, **kwargs):
        collect(self, *args, **kwargs)
        if adding.ident is None:
            adding.start_and_wait_for_us()

    monkeypatch.setattr(Collector, "collect", collect_and_let_add)
    vip.delete()
    adding.join(10)
    assert isinstance(adding.error, IntegrityError)
    assert Lead.objects.get().get("tags") == []
    assert not Event.objects.filter(type="lead.updated").exists()


def test_two_managers_who_take_each_other_away_leave_one():
    account = factories.account()
    ada, ben = (member(name, account, roles.MANAGER) for name in ("ada", "ben"))
    keys = {user: key_of(user, account) for user in (ada, ben)}
    answers = []

    def take_away(writer, user):
        answers.append(keys[writer].send("PATCH", f"/api/v1/users/{user.pk}", {"is_active": False}).status_code)

    at_once(lambda: take_away(ada, ben), lambda: take_away(ben, ada))
    assert answers == [200, 400]
    assert list(managers(account.pk)) == [ada]
