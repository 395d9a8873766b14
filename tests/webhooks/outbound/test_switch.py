"""The switches of a webhook, by what the worker then does: guarantee 8."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from leads import jobs
from tests import factories
from tests.webhooks.outbound.claims import claimed
from webhooks.models import Delivery, State, Status, Webhook
from webhooks.outbound import compose, deliver, settle, switch
from webhooks.outbound.turns import look

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def webhook(receiver):
    return factories.webhook(receiver.url)


def run(linger=0.0):
    return deliver.run(stop=lambda: None, linger=linger)


def statuses(webhook=None):
    rows = Delivery.objects.order_by("pk")
    return list((rows.filter(webhook=webhook) if webhook else rows).values_list("status", flat=True))


def test_pausing_holds_what_waits_and_what_comes(receiver, webhook):
    factories.lead()
    assert switch.pause(webhook.pk) == 1
    factories.lead(email="second@example.com")
    assert run() == 0
    assert statuses() == ["held", "held"]
    assert receiver.received == []


def test_resuming_sends_in_the_order_of_the_events(receiver, webhook):
    switch.pause(webhook.pk)
    leads = [factories.lead(email=f"lead{number}@example.com") for number in range(7)]
    assert switch.resume(webhook.pk) == 7
    assert len(set(Delivery.objects.values_list("due_at", flat=True))) == 1
    # One sender at a time answers at once, so that the order of arrival is the order of sending.
    assert [one.event_id for one in claimed()] == sorted(Delivery.objects.values_list("event_id", flat=True))
    Delivery.objects.update(status=Status.QUEUED)
    assert run(linger=0.2) == 7
    assert {json.loads(request.body)["data"]["id"] for request in receiver.received} == {lead.pk for lead in leads}
    assert set(statuses()) == {"success"}


def test_resuming_makes_a_retry_due_at_once(webhook):
    factories.lead()
    Delivery.objects.update(due_at=timezone.now() + timezone.timedelta(hours=1), tries=1)
    switch.pause(webhook.pk)
    switch.resume(webhook.pk)
    assert look()


def test_disabling_cancels_what_waits_and_records_nothing_more(receiver, webhook):
    factories.lead()
    switch.pause(webhook.pk)
    factories.lead(email="second@example.com")
    assert switch.disable(webhook.pk) == 2
    factories.lead(email="third@example.com")
    assert statuses() == ["cancelled", "cancelled"]
    assert all(Delivery.objects.values_list("finished_at", flat=True))
    assert run() == 0 and receiver.received == []


def test_enabling_sends_what_happens_from_then_on(receiver, webhook):
    switch.disable(webhook.pk)
    factories.lead()
    switch.enable(webhook.pk)
    assert run() == 0
    factories.lead(email="second@example.com")
    assert run() == 1
    assert statuses() == ["success"]


def test_deleting_cancels_what_waits_and_keeps_the_history(receiver, webhook):
    factories.lead()
    run()
    factories.lead(email="second@example.com")
    assert switch.delete(webhook.pk) == 1
    assert statuses() == ["success", "cancelled"]
    assert list(Delivery.objects.values_list("webhook", "webhook_name").distinct()) == [(None, "LeadPro production")]
    assert Delivery.objects.get(status=Status.SUCCESS).attempts.count() == 1
    assert not Webhook.objects.exists()


def test_another_webhook_is_left_alone(receiver, webhook):
    other = factories.webhook(receiver.url, name="Staging")
    factories.lead()
    for turn in (switch.pause, switch.resume, switch.disable, switch.delete):
        turn(webhook.pk)
        assert statuses(other) == ["queued"]


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        (State.ENABLED, (switch.resume, switch.enable)),
        (State.PAUSED, (switch.pause, switch.enable)),
        (State.DISABLED, (switch.pause, switch.resume, switch.disable)),
    ],
)
def test_a_switch_that_does_not_fit_the_state_is_refused(webhook, state, refused):
    Webhook.objects.update(state=state)
    for turn in refused:
        with pytest.raises(switch.WrongState, match="LeadPro production is "):
            turn(webhook.pk)
    assert Webhook.objects.get().state == state


@pytest.mark.parametrize("turn", [switch.pause, switch.resume, switch.disable, switch.enable, switch.delete])
def test_a_webhook_that_is_gone_is_told(turn):
    with pytest.raises(Webhook.DoesNotExist):
        turn(7)


def test_what_the_worker_has_in_hand_is_left_to_finish(webhook):
    factories.lead()
    (one,) = claimed()
    assert switch.disable(webhook.pk) == 0
    assert statuses() == ["sending"]
    # It was not composed yet, so that it sees the switch.
    parcels, refused = compose.compose([one])
    assert parcels == [] and refused[0].status == Status.CANCELLED


def test_what_was_held_too_late_is_found_and_queued(webhook):
    """A worker that looked while the webhook was paused writes "held" after it was resumed."""
    factories.lead()
    (one,) = claimed()
    switch.pause(webhook.pk)
    _, refused = compose.compose([one])
    switch.resume(webhook.pk)
    settle.refuse(refused)
    assert statuses() == ["held"]
    assert list(switch.stranded()) == [(webhook.pk,)]
    switch.release(webhook.pk)
    assert statuses() == ["queued"]
    assert list(switch.stranded()) == []


def test_a_paused_webhook_is_not_stranded(webhook):
    factories.lead()
    switch.pause(webhook.pk)
    assert list(switch.stranded()) == []
    switch.release(webhook.pk)
    assert statuses() == ["held"]


def test_the_sweep_knows_how_to_release():
    job = jobs.named(switch.JOB)
    assert (job.run, job.waiting) == ("webhooks.outbound.switch.release", "webhooks.outbound.switch.stranded")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.parametrize(
    ("turn", "left"),
    [(switch.disable, ["cancelled"]), (switch.delete, ["cancelled"]), (switch.pause, ["held"])],
)
def test_a_save_that_is_under_way_meets_a_switch(webhook, turn, left):
    """The switch waits for the save's COMMIT, and then moves what it stored: nothing slips through, nothing breaks."""
    turned = threading.Event()

    def work():
        try:
            turn(webhook.pk)
            turned.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    with transaction.atomic():
        # The delivery is stored, and not committed yet.
        factories.lead()
        thread.start()
        assert not turned.wait(0.3)
    assert turned.wait(10)
    thread.join(10)
    assert statuses() == left


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_a_save_that_meets_a_deleted_webhook_is_not_broken(webhook):
    """The switch has the lock; the save waits for it, and finds nobody to tell."""
    saved = threading.Event()

    def work():
        try:
            factories.lead()
            saved.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    with transaction.atomic():
        switch.delete(webhook.pk)
        thread.start()
        assert not saved.wait(0.3)
    assert saved.wait(10)
    thread.join(10)
    assert statuses() == []
