"""The engine against a real receiver: guarantees 3 and 4, the three tries, and an end at any moment."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from standardwebhooks import Webhook as StandardWebhook

from leads.changes import acting
from leads.models import LeadImport
from leads.signals import Actor
from tests import factories
from tests.receiver import Answer, Receiver
from tests.webhooks.outbound.claims import claimed, hurry
from webhooks.models import Attempt, Body, Delivery, Event, Lane, Outcome, State, Status, Webhook
from webhooks.outbound import claim, compose, deliver, settle, switch, vigil
from webhooks.outbound.parcel import Result

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


def run(stop=lambda: None, **options):
    return deliver.run(stop=stop, **({"linger": 0.0, "patience": 0.0} | options))


def leads(number: int) -> None:
    for each in range(number):
        factories.lead(email=f"lead{each}@example.com")


@pytest.fixture
def webhook(receiver):
    return factories.webhook(receiver.url)


def test_a_lead_reaches_the_receiver_and_the_history(receiver, webhook):
    lead = factories.lead()
    assert run() == 1
    (request,) = receiver.received
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.code) == (Status.SUCCESS, 1, 200)
    assert request.body == bytes(delivery.body.content)
    assert json.loads(request.body)["data"]["id"] == lead.pk
    assert request.header("webhook-id") == delivery.message_id
    assert request.header("webhook-record") == f"lead/{lead.pk};version=1"
    assert request.header("webhook-hops") == "0"
    # The vendor's own library.
    headers = {name.lower(): value for name, value in request.headers}
    StandardWebhook(webhook.secret.encode()).verify(request.body, headers)
    attempt = delivery.attempts.get()
    assert (attempt.outcome, attempt.number, attempt.code) == (Outcome.ANSWERED, 1, 200)
    assert dict(json.loads(attempt.request_headers))["Authorization"] == request.header("Authorization")


def test_three_tries_with_the_same_id_and_bytes_then_failure(receiver, webhook):
    receiver.always(Answer(500, body=b"<b>down</b>"))
    factories.lead()
    waits = []
    for used in (1, 2, 3):
        run()
        delivery = Delivery.objects.get()
        assert delivery.tries == used
        waits.append((delivery.due_at - timezone.now()).total_seconds())
        hurry()
    assert delivery.status == Status.FAILURE
    assert 50 < waits[0] < 67
    assert 265 < waits[1] < 331
    assert run() == 0
    first, second, third = receiver.received
    assert first.body == second.body == third.body
    assert first.header("webhook-id") == second.header("webhook-id") == third.header("webhook-id")
    assert [attempt.number for attempt in Attempt.objects.order_by("id")] == [1, 2, 3]
    assert Attempt.objects.first().response_body == "<b>down</b>"
    assert delivery.error == "500 Internal Server Error"


@pytest.mark.parametrize(("asked", "low", "high"), [("90", 85, 95), ("86400", 115, 121), ("1", 50, 67)])
def test_retry_after_is_honoured_up_to_twice_the_wait(receiver, webhook, asked, low, high):
    receiver.always(Answer(429, (("Retry-After", asked),)))
    factories.lead()
    run()
    delivery = Delivery.objects.get()
    assert low < (delivery.due_at - timezone.now()).total_seconds() < high


def test_waits_are_scaled(receiver, webhook, settings):
    settings.WEBHOOK_RETRY_SCALE = 0.05
    receiver.always(Answer(503))
    factories.lead()
    run()
    assert 2 < (Delivery.objects.get().due_at - timezone.now()).total_seconds() < 3.4


def test_nothing_is_read_from_the_lead_again(receiver, webhook):
    lead = factories.lead()
    lead.source = "walk-in"
    lead.save()
    lead.delete()
    run()
    sources = [json.loads(request.body)["data"]["source"] for request in receiver.received]
    assert sorted(sources, key=str) == [None, "walk-in"]


def test_the_bytes_stay_whatever_becomes_of_the_webhooks_settings(receiver, webhook):
    receiver.always(Answer(500))
    factories.lead()
    run()
    # A later release may render otherwise; what was stored is what is sent.
    Body.objects.update(content=b'{"event":"as stored"}')
    hurry()
    run()
    assert receiver.received[1].body == b'{"event":"as stored"}'


def test_a_paused_webhook_holds_and_a_disabled_one_cancels_even_what_was_queued_before(receiver, webhook):
    factories.lead()
    Webhook.objects.update(state=State.PAUSED)
    run()
    assert Delivery.objects.get().status == Status.HELD
    Delivery.objects.update(status=Status.QUEUED)
    Webhook.objects.update(state=State.DISABLED)
    run()
    assert Delivery.objects.get().status == Status.CANCELLED
    assert receiver.received == []


def test_the_deliveries_of_a_deleted_webhook_are_cancelled(receiver, webhook):
    factories.lead()
    webhook.delete()
    run()
    assert Delivery.objects.get().status == Status.CANCELLED
    assert receiver.received == []


def test_a_system_that_is_spoken_no_more_keeps_nobody_from_saving(receiver, webhook):
    factories.webhook(name="gone")
    Webhook.objects.filter(name="gone").update(dialect="gone")
    factories.lead()
    run()
    assert Delivery.objects.get().webhook == webhook


def test_poison_is_a_visible_failure_and_the_others_leave(receiver, webhook):
    factories.lead()
    factories.lead(email="two@example.com")
    factories.lead(email="three@example.com", message="x" * 8000)
    first, second, _ = Event.objects.order_by("id")
    Event.objects.filter(pk=first.pk).update(snapshot="{")
    huge = json.loads(second.snapshot) | {"message": "x" * (1 << 20)}
    Event.objects.filter(pk=second.pk).update(snapshot=json.dumps(huge))
    run()
    deliveries = Delivery.objects.order_by("id")
    assert [delivery.status for delivery in deliveries] == [Status.FAILURE, Status.FAILURE, Status.SUCCESS]
    assert "cannot be written as leadpro" in deliveries[0].error
    assert "at most 1048576 are sent" in deliveries[1].error
    assert len(receiver.received) == 1


def test_a_secret_that_no_key_fits_is_that_webhooks_failure_alone(receiver, webhook, settings):
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    factories.webhook(receiver.url, name="new key")
    factories.lead()
    run()
    failure, success = Delivery.objects.order_by("id")
    assert (failure.status, success.status) == (Status.FAILURE, Status.SUCCESS)
    assert "none of WEBHOOK_ENCRYPTION_KEYS fits" in failure.error


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        (b"220 smtp ready\r\n", "protocol"),
        (b"\x00\xff\xfe\x01" * 100, "protocol"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
        (b"", "reset"),
    ],
)
def test_garbage_is_a_classified_failed_try(receiver, webhook, raw, failure):
    receiver.answer(Answer(raw=raw))
    factories.lead()
    factories.lead(email="two@example.com")
    run()
    assert Attempt.objects.filter(code=200).count() == 1
    attempt = Attempt.objects.exclude(code=200).get()
    assert (attempt.outcome, attempt.failure) == (Outcome.FAILED, failure)
    assert attempt.error


def test_a_giant_answer_is_cut_and_nul_made_safe(receiver, webhook):
    receiver.answer(Answer(500, body=b"\x00\xff" + b"a" * 10_000_000))
    factories.lead()
    run()
    attempt = Attempt.objects.get()
    assert attempt.code == 500
    assert attempt.response_body.startswith("\\x00\\xffaaa")
    assert len(attempt.response_body) < 9000
    assert attempt.response_size <= 64 * 1024


def test_a_custom_header_is_sent_whole_and_stored_masked(receiver):
    factories.webhook(receiver.url, custom_headers={"X-Token": "geheim-123", "webhook-id": "mine"})
    factories.lead()
    run()
    (request,) = receiver.received
    assert request.header("X-Token") == "geheim-123"
    assert request.header("webhook-id").startswith("msg_")
    assert "geheim-123" not in Attempt.objects.get().request_headers
    with connection.cursor() as cursor:
        cursor.execute("SELECT custom_headers, secret FROM webhooks_webhook")
        assert "geheim-123" not in str(cursor.fetchall())


def test_without_webhook_headers_and_without_secret(receiver):
    factories.webhook(receiver.url, send_webhook_headers=False, secret="")
    factories.lead()
    run()
    names = {name.lower() for name, _ in receiver.received[0].headers}
    assert not {name for name in names if name.startswith("webhook-")}
    assert "authorization" not in names


# Leases and fences


def expire():
    Delivery.objects.filter(status=Status.SENDING).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_what_is_claimed_is_not_claimed_again(webhook):
    factories.lead()
    assert len(claimed()) == 1
    assert claimed() == []


def test_a_lost_lease_uses_no_try_and_is_shown(receiver, webhook):
    factories.lead()
    claimed()
    expire()
    assert claim.reclaim() == 1
    assert Attempt.objects.get().outcome == Outcome.LOST
    run()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.lost) == (Status.SUCCESS, 1, 1)


def test_ten_lost_leases_are_a_failure(webhook):
    factories.lead()
    for _ in range(10):
        claimed()
        expire()
        claim.reclaim()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error, delivery.tries) == (Status.FAILURE, "worker lost", 0)
    assert Attempt.objects.filter(outcome=Outcome.LOST).count() == 10


def test_a_late_result_moves_nothing_but_is_kept(receiver, webhook):
    factories.lead()
    (late,) = claimed()
    (parcel,), _ = compose.compose([late])
    compose.store([parcel])
    expire()
    claim.reclaim()
    (current,) = claimed()
    assert current.fence > late.fence
    with transaction.atomic():
        settle.settle([sent(parcel, receiver)])
    assert Delivery.objects.get().status == Status.SENDING
    assert Attempt.objects.filter(code=200).count() == 1
    assert claim.renew([late]) == set()
    assert claim.renew([current]) == {current.id}
    claim.release([late])
    assert Delivery.objects.get().status == Status.SENDING


def test_what_was_taken_from_a_process_that_stood_still_is_not_sent_by_it(receiver, webhook, monkeypatch):
    leads(deliver.FEW)
    run(linger=0.2)  # now much may leave at once
    receiver.clear()
    leads(deliver.FEW + 10)
    renew, taken = claim.renew, []

    def stood_still(held):
        if not taken:
            expire()
            taken.append(claim.reclaim())
        return renew(held)

    monkeypatch.setattr(claim, "renew", stood_still)
    monkeypatch.setattr(deliver.conf, "renewal", lambda: 0.0)
    run(linger=0.3)
    ids = [request.header("webhook-id") for request in receiver.received]
    assert len(ids) == len(set(ids)) == taken[0] == deliver.FEW + 10
    assert set(Delivery.objects.values_list("status", flat=True)) == {Status.SUCCESS}


def test_a_process_that_stood_still_ends_its_try_before_it_begins_the_next_one(receiver, webhook, monkeypatch):
    leads(deliver.FEW)
    run(linger=0.2)
    receiver.clear()
    receiver.answer(Answer(200, after=1.0))
    factories.lead(email="late@example.com")
    taken = []

    def stop():
        if receiver.received and not taken:
            expire()
            taken.append(claim.reclaim())

    run(stop, linger=0.3)
    assert taken == [1]
    first, second = receiver.received
    assert first.header("webhook-id") == second.header("webhook-id") and second.at - first.at >= 1.0
    delivery = Delivery.objects.order_by("id").last()
    assert (delivery.status, delivery.tries) == (Status.SUCCESS, 1)
    assert sorted(delivery.attempts.values_list("outcome", flat=True)) == sorted(
        [Outcome.LOST, *[Outcome.ANSWERED] * 2]
    )


def sent(parcel, receiver):
    exchange = deliver.door().send(parcel.request, deadline=5)
    return Result(parcel, exchange, datetime.now(UTC), 1)


# An end at any moment


def test_a_stop_gives_back_what_was_not_sent_and_cuts_what_hangs(receiver, webhook):
    receiver.always(Answer(silent=True))
    leads(150)
    stop_at: list[float] = []

    def ask():
        return stop_at[0] if stop_at else None

    threading.Timer(1.0, lambda: stop_at.append(time.monotonic() + 1.0)).start()
    began = time.monotonic()
    run(ask)
    assert time.monotonic() - began < 5
    assert set(Delivery.objects.values_list("status", flat=True)) == {Status.QUEUED}
    assert set(Delivery.objects.values_list("tries", flat=True)) == {0}
    interrupted = Attempt.objects.filter(outcome=Outcome.INTERRUPTED)
    assert 0 < interrupted.count() == Attempt.objects.count()
    ids = {request.header("webhook-id") for request in receiver.received}
    receiver.always(Answer(200))
    receiver.clear()
    run()
    assert set(Delivery.objects.values_list("status", flat=True)) == {Status.SUCCESS}
    assert ids <= {request.header("webhook-id") for request in receiver.received}
    assert len(receiver.received) == 150


@pytest.mark.parametrize(
    ("turn", "status"),
    [(switch.pause, Status.HELD), (switch.disable, Status.CANCELLED), (switch.delete, Status.CANCELLED)],
)
def test_what_a_worker_has_in_hand_stops_with_the_webhook(receiver, webhook, turn, status):
    receiver.always(Answer(404, after=0.5))
    leads(150)

    def stop(*_):
        if len(receiver.received) >= 5 and not stopped:
            stopped.append(len(receiver.received))
            turn(webhook.pk)

    stopped: list[int] = []
    run(stop)
    # One look, and what the threads had taken by then.
    assert len(receiver.received) < stopped[0] + 70
    # Tries that were out come back to a webhook that wants no more of them.
    assert set(Delivery.objects.values_list("status", flat=True)) == {status}


def test_an_error_of_the_database_gives_back_what_was_claimed(receiver, webhook, monkeypatch):
    factories.lead()

    def fail(claims):
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(compose, "compose", fail)
        with pytest.raises(OperationalError):
            run()
    assert Delivery.objects.get().status == Status.QUEUED
    assert run() == 1


def test_slow_receivers_are_sent_to_side_by_side(receiver, webhook):
    receiver.always(Answer(200, after=0.2))
    leads(40)
    began = time.monotonic()
    assert run() == 40
    assert time.monotonic() - began < 40 * 0.2 / 2


def test_a_try_ends_at_its_deadline(receiver):
    factories.webhook(receiver.url, timeout=1)
    receiver.always(Answer(silent=True))
    factories.lead()
    began = time.monotonic()
    run()
    assert time.monotonic() - began < 3
    attempt = Attempt.objects.get()
    assert attempt.failure == "timeout"
    assert Delivery.objects.get().status == Status.QUEUED


# Who waits for what comes


class Watch:
    """As the worker's board is for one process; `elsewhere`: another one watches."""

    def __init__(self, elsewhere=False):
        self.elsewhere = elsewhere
        self.said = []

    def watch(self):
        if not self.elsewhere and self.said[-1:] != ["watch"]:
            self.said.append("watch")

    def leave_watch(self):
        ours = self.said[-1:] == ["watch"]
        if ours:
            self.said.append("leave")
        return ours

    def watched_by_another(self):
        return self.elsewhere

    def others_wait(self):
        return False

    def wait(self, seconds):
        time.sleep(seconds)
        return False


@pytest.mark.parametrize("at_work", [True, False])
def test_one_run_sends_what_an_import_tells_while_it_is_at_work(receiver, webhook, at_work):
    class Beside(Watch):
        def take_bulk(self):
            return False  # another one does

    LeadImport.objects.create(account=factories.account(), name="fair.csv", state="running" if at_work else "done")
    with acting(Actor("import", 1, "fair.csv")):
        factories.lead(email="bulk@example.com")
    factories.lead(email="live@example.com")
    assert run(watch=Beside(), linger=0.05, patience=0.3) == 2 - at_work, "and leaves the rest to the other one"
    bulk = Delivery.objects.get(lane=Lane.BULK)
    assert bulk.status == (Status.QUEUED if at_work else Status.SUCCESS)
    assert run(watch=None) == at_work


def test_what_is_saved_until_the_watch_is_left_is_sent(receiver, webhook):
    class Late(Watch):
        def leave_watch(self):
            if not self.said.count("leave"):
                factories.lead()  # its nudge is dropped
            return super().leave_watch()

    watch = Late()
    assert run(watch=watch, linger=0.2) == 1
    assert len(receiver.received) == 1
    assert watch.said == ["watch", "leave", "watch", "leave"]


def test_nobody_waits_beside_somebody_who_does(receiver, webhook):
    factories.lead()
    assert run(watch=Watch(elsewhere=True), linger=30.0) == 0
    assert run(watch=Watch()) == 1


@pytest.mark.parametrize("fine", [True, False])
def test_who_leaves_something_behind_watches_only_where_others_are_not_to_help(receiver, webhook, fine):
    if fine:
        factories.lead(email="first@example.com")
        assert run() == 1
    receiver.received.clear()
    receiver.always(Answer(200, after=0.4))
    leads(40 if fine else 3)
    watch, out, watching = Watch(), [], []

    def stop():
        if receiver.received:
            out.append(time.monotonic())
            if time.monotonic() < out[0] + 0.3:
                watching.append("watch" in watch.said)

    assert run(stop, watch=watch) == (40 if fine else 3)
    assert watching
    if fine:
        assert not any(watching), "it has more to do than may leave here: others may have some of it"
    else:
        assert all(watching[1:]), "until it answers one try is enough, and what comes for others is looked for"
    assert "watch" in watch.said


@pytest.mark.parametrize("fine", [True, False])
def test_a_receiver_that_has_not_answered_yet_gets_one_try_at_a_time_from_all_processes(receiver, webhook, fine):
    if fine:
        factories.lead(email="first@example.com")
        assert run() == 1
    leads(2)
    claimed(limit=1)
    assert run() == fine
    # Whoever has claimed it is gone, long before the lease ends.
    Delivery.objects.filter(status=Status.SENDING).update(lease_until=timezone.now() + timedelta(seconds=39))
    assert run() == 1 - fine


def test_those_asked_about_first_keep_nobody_waiting_while_no_more_may_leave_for_them(receiver, webhook):
    factories.lead(email="first@example.com")
    assert run() == 1
    receiver.always(Answer(200, after=0.9))
    leads(40)
    with Receiver() as other:
        saved = []

        def stop():
            if len(receiver.received) > 8 and not saved:
                time.sleep(0.1)
                factories.webhook(other.url, name="Other")
                factories.lead(email="later@example.com")
                saved.append(time.monotonic())

        assert run(stop) == 42
        assert other.received[0].at < saved[0] + 0.4


def test_a_successor_is_asked_for_when_the_time_to_watch_is_over(receiver, webhook, monkeypatch):
    nudges = []
    monkeypatch.setattr("webhooks.queue.nudge", lambda: nudges.append(1))
    factories.lead()
    nudges.clear()
    assert run(watch=Watch(), claim_for=0.3, linger=30.0) == 1
    assert nudges == [1]


def test_who_has_sent_something_waits_to_be_woken_and_sends_at_once(receiver, webhook, monkeypatch):
    monkeypatch.setattr(vigil, "WATCHED_LOOK_EVERY", 30.0)

    class Bell(Watch):
        rests = 0

        def wait(self, seconds):
            super().wait(seconds)
            self.rests += seconds == vigil.WATCH_EVERY
            if self.rests != 3:
                return False
            self.rests = 4
            factories.lead(email="second@example.com")
            return True

    factories.lead()
    began = time.monotonic()
    assert run(watch=Bell(), linger=0.05, patience=1.0) == 2
    assert 1.0 < time.monotonic() - began < 5.0, "and it ends when nothing has come for that long"


def test_who_has_sent_nothing_does_not_wait_for_long(receiver, webhook):
    began = time.monotonic()
    assert run(watch=Watch(), linger=0.05, patience=30.0) == 0
    assert time.monotonic() - began < 5.0


def test_who_only_waits_leaves_when_another_task_needs_the_process(receiver, webhook):
    class Needed(Watch):
        def others_wait(self):
            return bool(receiver.received)

    factories.lead()
    began = time.monotonic()
    assert run(watch=Needed(), linger=0.05, patience=30.0) == 1
    assert time.monotonic() - began < 5.0


def test_the_warm_up_leaves_no_trace(receiver, webhook):
    deliver.warm_up()
    factories.lead()
    deliver.warm_up()
    assert Delivery.objects.get().fence == 0
    assert run() == 1


@pytest.mark.skipif("not hasattr(os, 'sched_getaffinity') or len(os.sched_getaffinity(0)) < 2")
@pytest.mark.parametrize("number", [3, 60])
def test_who_has_much_to_send_keeps_to_one_core_meanwhile(receiver, webhook, monkeypatch, number):
    monkeypatch.setattr("webhooks.outbound.core.MARK", f"\0leadcrm test {os.getpid()} {{}}")  # others may be sending
    before, seen = os.sched_getaffinity(0), []
    leads(number)
    assert run(lambda: seen.append(len(os.sched_getaffinity(0)))) == number
    assert (1 in seen) == (number > deliver.FEW)
    assert os.sched_getaffinity(0) == before
