"""What receivers do to their own deliveries, and to nobody else's: the breaker, the rate, the drain, the policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests import factories
from tests.receiver import Answer, Receiver
from tests.webhooks.outbound.claims import claimed, hurry
from webhooks.models import Attempt, Cause, Delivery, Health, Issue, Lane, Notice, State, Status, Told, Webhook
from webhooks.outbound import deliver, health, switch, trial, waiting

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


def run(linger: float = 0.0, stop: Callable[[], float | None] = lambda: None) -> int:
    return deliver.run(stop=stop, linger=linger)


def leads(number: int) -> None:
    for each in range(number):
        factories.lead(email=f"lead{each}@example.com")


def statuses() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("status", flat=True))


# The breaker


def test_five_failed_tries_in_a_row_close_a_webhook_and_the_rest_waits_unharmed(receiver, webhook):
    receiver.always(Answer(500))
    leads(12)
    run()
    tried = len(receiver.received)
    assert tried == 5
    assert Delivery.objects.filter(tries=0, status=Status.QUEUED).count() == 7
    state = Health.objects.get()
    assert state.failures == 5 and state.failing_since is not None
    assert 3 < (state.closed_until - timezone.now()).total_seconds() <= health.LONGEST_PAUSE
    assert run() == 0 and len(receiver.received) == tried


def test_after_the_pause_one_delivery_asks_and_each_time_the_pause_is_longer(receiver, webhook):
    receiver.always(Answer(500))
    leads(12)
    run()
    pauses = []
    for failing in (5, 15, 1000):
        receiver.clear()
        Health.objects.update(
            closed_until=timezone.now() - timedelta(seconds=1),
            strained_since=timezone.now() - timedelta(seconds=failing),
        )
        assert run() == 1 and len(receiver.received) == 1
        pauses.append((Health.objects.get().closed_until - timezone.now()).total_seconds())
    assert 4 < pauses[0] < 7 and 14 < pauses[1] < 17 and 58 < pauses[2] <= health.LONGEST_PAUSE


def test_while_one_asks_nobody_else_does(receiver, webhook):
    receiver.always(Answer(500))
    leads(8)
    run()
    Health.objects.update(closed_until=timezone.now() - timedelta(seconds=1))
    with transaction.atomic():
        assert health.reserve([webhook.pk]) == {webhook.pk: 1}
        health.spend(claimed(1), {webhook.pk: 1})
    with transaction.atomic():
        assert health.reserve([webhook.pk]) == {webhook.pk: 0}
    assert claimed() == []


def test_an_answer_opens_it_and_what_piled_up_leaves_at_a_pace_and_in_order(receiver, webhook):
    receiver.always(Answer(500))
    leads(5)
    run()
    leads(12)
    receiver.clear()
    receiver.always(Answer(200))
    Health.objects.update(closed_until=timezone.now() - timedelta(seconds=1))
    assert run(linger=0.3) == 12
    assert Health.objects.get().failures == 0 and Health.objects.get().closed_until is None
    came = receiver.received
    assert [request.header("webhook-record") for request in came] == sorted(
        (request.header("webhook-record") for request in came), key=lambda record: int(record[5:].split(";")[0])
    )
    gaps = [later.at - earlier.at for earlier, later in pairwise(came[1:])]
    assert sum(gaps) > 10 / 20 * 0.8
    # The next one finds nothing left of the drain.
    leads(1)
    run()
    assert Health.objects.get().drain_to is None


def seconds_left() -> float:
    return (Health.objects.get().closed_until - timezone.now()).total_seconds()


def test_the_first_pause_is_short_however_many_were_on_their_way(receiver, webhook):
    leads(40)
    run(linger=0.1)
    receiver.clear()
    receiver.always(Answer(500, after=0.3))
    leads(40)
    run(linger=0.1)
    assert Health.objects.get().failures > health.CLOSES_AFTER + 2 and seconds_left() <= health.FIRST_PAUSE


def lesson(webhook: Webhook, ago: float, success: bool = False, **more: Any) -> health.Lesson:
    """A try that began so many seconds ago."""
    at = timezone.now() - timedelta(seconds=ago)
    told = {"strained": not success, "cause": "" if success else "5xx"} | more
    return health.Lesson(webhook.pk, 0, at, success, **told)


def learn(*lessons: health.Lesson) -> None:
    with transaction.atomic():
        health.learn(lessons)


def test_a_success_that_began_before_the_receiver_asked_for_a_pause_ends_no_pause(webhook):
    learn(lesson(webhook, 1, retry_after=60.0))
    learn(lesson(webhook, 2, success=True))
    assert 55 < seconds_left() <= 60


def test_what_was_on_its_way_makes_a_pause_no_shorter(webhook):
    learn(lesson(webhook, 2, retry_after=200.0))
    learn(*[lesson(webhook, 1) for _ in range(8)])
    assert 195 < seconds_left() <= 200


def test_a_success_beside_a_plea_to_slow_down_leaves_a_webhook_that_opens_again(receiver, webhook):
    learn(lesson(webhook, 2, slow_down=True), lesson(webhook, 1, success=True))
    Health.objects.update(closed_until=timezone.now() - timedelta(seconds=1))
    leads(5)
    assert run(linger=0.3) == 5
    assert Health.objects.get().closed_until is None


def test_a_wish_for_no_pause_at_all_does_not_keep_the_breaker_from_closing(receiver, webhook):
    receiver.always(Answer(503, (("Retry-After", "0"),)))
    leads(12)
    run()
    assert len(receiver.received) == 5 and seconds_left() > 3


@pytest.mark.parametrize("cut", [False, True])
def test_a_probe_that_did_not_come_about_is_made_up_for_at_once(receiver, webhook, cut):
    receiver.always(Answer(500))
    leads(6)
    run()
    receiver.always(Answer(silent=True))
    receiver.clear()
    Health.objects.update(closed_until=timezone.now() - timedelta(seconds=1))
    began = time.monotonic()
    if cut:
        run(stop=lambda: began if receiver.received else None)
    else:
        conductor = deliver.Conductor(lambda: None, 10.0, 0.0, 0.0, None)
        conductor.senders._doubtful = 1000
        for _ in range(3):
            conductor.round()
        conductor.senders._doubtful = 0
        conductor.senders.dismiss()
        conductor._unload()
    assert seconds_left() <= 0 and set(Delivery.objects.values_list("status", flat=True)) == {Status.QUEUED}


def test_what_was_claimed_after_a_rest_is_not_looked_at_twice(receiver, webhook, monkeypatch):
    conductor = deliver.Conductor(lambda: None, 10.0, 0.0, 0.0, None)
    again = []
    monkeypatch.setattr(conductor, "_withdraw", lambda: again.append("withdraw"))
    monkeypatch.setattr(conductor, "_renew", lambda: again.append("renew"))
    conductor.last_look = conductor.last_renewal = time.monotonic() - 3600
    leads(1)
    conductor.senders._doubtful = 1000  # nothing leaves
    conductor.round()
    assert conductor.senders.waiting == 1 and again == []
    conductor.senders.dismiss()
    conductor._unload()


def test_what_is_enabled_again_is_given_all_its_time(receiver, webhook):
    Health.objects.create(webhook=webhook, failures=12, failing_since=timezone.now() - timedelta(days=30))
    switch.disable(webhook.pk)
    switch.enable(webhook.pk)
    receiver.always(Answer(500))
    leads(1)
    run()
    webhook.refresh_from_db()
    assert webhook.state == State.ENABLED


def test_a_drain_does_not_end_while_bulk_work_of_its_time_is_left(receiver, webhook, settings):
    settings.WEBHOOK_DRAIN_RATE = 10.0
    switch.pause(webhook.pk)
    leads(20)
    Delivery.objects.update(lane=Lane.BULK)
    switch.resume(webhook.pk)
    factories.lead(email="new@example.com")
    deliver.run(stop=lambda: None, claim_for=1.0, linger=0.1)
    assert len(receiver.received) <= 14


def test_a_person_who_presses_try_now_is_not_kept_waiting(receiver, webhook):
    receiver.always(Answer(500))
    leads(6)
    run()
    tried = len(receiver.received)
    assert waiting.try_now(Delivery.objects.all()) == 6
    run()
    assert len(receiver.received) == tried + 1


def test_an_answer_that_judges_the_request_closes_nothing(receiver, webhook):
    receiver.always(Answer(404))
    leads(12)
    assert run() == 12
    assert Health.objects.get().closed_until is None


def test_answers_that_judge_the_request_count_for_nothing_when_the_receiver_fails(receiver, webhook):
    learn(*[lesson(webhook, 60 - each, strained=False) for each in range(4)])
    learn(lesson(webhook, 2))
    assert Health.objects.get().failures == 5 and Health.objects.get().closed_until is None
    learn(lesson(webhook, 1, slow_down=True))
    assert 3 < seconds_left() <= health.FIRST_PAUSE


def test_an_answer_in_the_middle_begins_the_count_anew(receiver, webhook):
    learn(*[lesson(webhook, 20 - each) for each in range(4)])
    learn(lesson(webhook, 10, strained=False))
    learn(*[lesson(webhook, 8 - each) for each in range(4)])
    assert Health.objects.get().closed_until is None
    learn(lesson(webhook, 1))
    assert 7 < seconds_left() < 10  # not 20


def test_a_receiver_is_back_although_a_clock_was_ahead_when_it_failed(receiver, webhook):
    learn(lesson(webhook, -600, slow_down=True))
    learn(lesson(webhook, 0, success=True, probe=True))
    assert Health.objects.get().closed_until is None and Health.objects.get().failures == 0


@pytest.mark.parametrize("code", [429, 502, 504])
def test_an_answer_that_asks_for_less_closes_it_at_once(receiver, webhook, code):
    receiver.always(Answer(code))
    leads(1)
    run()
    assert 3 < (Health.objects.get().closed_until - timezone.now()).total_seconds() <= health.FIRST_PAUSE


@pytest.mark.parametrize(
    ("code", "asked", "low", "high"), [(503, "40", 35, 40), (503, "86400", 290, 300), (413, "40", 35, 40)]
)
def test_retry_after_holds_for_the_whole_webhook(receiver, webhook, code, asked, low, high):
    receiver.answer(Answer(code, (("Retry-After", asked),)))
    leads(3)
    run()
    assert len(receiver.received) == 1
    assert low < (Health.objects.get().closed_until - timezone.now()).total_seconds() <= high
    assert Delivery.objects.filter(tries=0).count() == 2


def test_failing_receivers_are_not_written_about_at_each_success(receiver, webhook, django_assert_num_queries):
    leads(1)
    run()
    with transaction.atomic(), django_assert_num_queries(0):
        health.learn([])
    assert Health.objects.get().failures == 0


# Others


def test_receivers_that_do_not_answer_hold_up_nobody_else(receiver):
    """Twenty of them; the healthy one is the last in every order."""
    with Receiver() as silent:
        silent.always(Answer(silent=True))
        for number in range(20):
            factories.webhook(silent.url, name=f"Black hole {number}", timeout=3)
        factories.webhook(receiver.url, name="Healthy")
        leads(15)
        assert Delivery.objects.count() == 15 * 21
        began = time.monotonic()
        ended: list[float] = []
        run(
            stop=lambda: (
                ended[0] if ended else (ended.append(time.monotonic()) if len(receiver.received) == 15 else None)
            )
        )
        assert receiver.wait_for(15)[-1].at - began < 2.5


def test_receivers_that_were_fine_and_go_dark_together_hold_up_nobody_for_a_whole_try(receiver):
    """More tries at once than there are threads for receivers that answer."""
    with Receiver() as doomed:
        for number in range(20):
            factories.webhook(doomed.url, name=f"Doomed {number}", timeout=6)
        factories.webhook(receiver.url, name="Healthy")
        leads(3)
        run()
        doomed.always(Answer(silent=True))
        leads(10)
        began = time.monotonic()
        ended: list[float] = []
        run(
            stop=lambda: (
                ended[0] if ended else (ended.append(time.monotonic()) if len(receiver.received) == 13 else None)
            )
        )
        assert receiver.wait_for(13)[-1].at - began < 4.5


def test_while_a_task_waits_for_its_last_slow_tries_the_others_are_served(receiver):
    """Its time to claim is over; were it only to wait now, nobody might be there for a lead that is saved."""
    healthy = factories.webhook(receiver.url, name="Healthy")
    leads(1)
    run()
    with Receiver() as silent:
        silent.always(Answer(silent=True))
        dead = factories.webhook(silent.url, name="Black hole", timeout=3)
        leads(3)
        began = time.monotonic()
        saved: list[float] = []

        def save_late() -> None:
            if not saved and time.monotonic() > began + 1:
                saved.append(time.monotonic())
                leads(1)

        deliver.run(stop=save_late, claim_for=0.3, linger=0.0)
        assert len(silent.received) == 1
        assert 2.5 < time.monotonic() - began < 8
    assert receiver.wait_for(5)[-1].at - saved[0] < 1
    assert Delivery.objects.filter(webhook=healthy, status=Status.SUCCESS).count() == 5
    assert Delivery.objects.filter(webhook=dead, tries=0, status=Status.QUEUED).count() == 3


def test_more_dead_receivers_than_threads_leave_some_to_the_living(receiver, monkeypatch):
    monkeypatch.setattr("webhooks.outbound.senders.MOST_DOUBTFUL", 4)
    healthy = factories.webhook(receiver.url, name="Healthy")
    leads(1)
    run()
    with Receiver() as silent:
        silent.always(Answer(silent=True))
        for number in range(12):
            factories.webhook(silent.url, name=f"Black hole {number}", timeout=2)
        leads(10)
        began = time.monotonic()
        ended: list[float] = []
        run(
            stop=lambda: (
                ended[0] if ended else (ended.append(time.monotonic()) if len(receiver.received) >= 11 else None)
            )
        )
        assert receiver.wait_for(11)[-1].at - began < 1.5
        assert len(silent.received) <= 4
    assert Delivery.objects.filter(webhook=healthy, status=Status.SUCCESS).count() == 11


# The rate


def test_a_rate_is_kept_and_uses_up_no_tries(receiver, webhook):
    Webhook.objects.update(rate_limit=20)
    leads(12)
    began = time.monotonic()
    assert run(linger=0.2) == 12
    assert time.monotonic() - began >= 11 / 20 * 0.9
    came = [request.at for request in receiver.received]
    # No second holds more than the rate allows.
    assert all(later - earlier > 0.9 * 10 / 20 for earlier, later in zip(came, came[10:], strict=False))
    assert set(Delivery.objects.values_list("tries", flat=True)) == {1}
    assert Attempt.objects.count() == 12


def test_a_rate_is_kept_after_a_stall_as_well(receiver, webhook):
    leads(4)
    run(linger=0.1)
    Webhook.objects.update(rate_limit=10)
    receiver.clear()
    receiver.answer(*[Answer(after=1.5)] * 5)
    leads(30)
    run(linger=0.1)
    came = [request.at for request in receiver.received]
    assert max(sum(began <= at < began + 1 for at in came) for began in came) <= 13


def test_two_workers_keep_one_rate(webhook):
    Webhook.objects.update(rate_limit=5)
    leads(10)
    with transaction.atomic():
        first = health.reserve([webhook.pk])
        health.spend(claimed(first[webhook.pk]), first)
    with transaction.atomic():
        second = health.reserve([webhook.pk])
    assert (first, second) == ({webhook.pk: 1}, {webhook.pk: 0})


# Order


def test_where_order_is_kept_a_record_has_one_delivery_out_and_its_tries_come_first(receiver, webhook):
    Webhook.objects.update(keep_order=True)
    other = factories.lead(email="other@example.com")
    lead = factories.lead()
    for number in range(3):
        lead.set("message", f"Call {number}")
        lead.save()
    receiver.always(Answer(404))
    run()
    versions = [request.header("webhook-record") for request in receiver.received]
    assert sorted(versions) == sorted([f"lead/{lead.pk};version=1", f"lead/{other.pk};version=1"])
    receiver.clear()
    receiver.answer(Answer(404))
    receiver.always(Answer(200))
    other.delete()
    Delivery.objects.filter(event__record_id=other.pk).delete()
    for _ in range(2):
        hurry()
        run(linger=0.05)
    versions = [request.header("webhook-record").partition("=")[2] for request in receiver.received]
    assert versions == ["1", "1", "2", "3", "4"]


def test_without_it_a_record_has_several_out(receiver, webhook):
    lead = factories.lead()
    lead.set("message", "Call")
    lead.save()
    receiver.always(Answer(404))
    run()
    assert len(receiver.received) == 2


# Lanes


def test_a_first_try_does_not_wait_behind_further_ones(receiver, webhook):
    receiver.always(Answer(404))
    leads(4)
    run()
    assert set(Delivery.objects.values_list("lane", flat=True)) == {Lane.RETRY}
    newest = factories.lead(email="newest@example.com")
    hurry()
    assert claimed()[0].id == Delivery.objects.get(event__record_id=newest.pk).pk


# The policy


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(410), "410 Gone"),
        (Answer(200, (("Webhook-Delivery", "Disable"),)), "webhook-delivery: disable"),
    ],
)
@pytest.mark.parametrize("notify", [False, True])
def test_a_receiver_that_says_farewell_is_left_alone_and_people_are_told_once(receiver, webhook, answer, why, notify):
    Webhook.objects.update(notify_on_failure=notify)
    receiver.answer(answer)
    leads(5)
    run()
    assert len(receiver.received) == 1
    assert statuses() == [Status.FAILURE, *[Status.HELD] * 4]
    webhook.refresh_from_db()
    assert webhook.state == State.PAUSED and why in webhook.state_reason
    notice = Notice.objects.get()
    assert (notice.webhook, notice.text) == (webhook, webhook.state_reason)
    assert notice.delivery == Delivery.objects.order_by("id").first() and why in notice.delivery.error
    # What comes is held, until somebody resumes it.
    leads(1)
    assert statuses()[-1] == Status.HELD
    assert switch.resume(webhook.pk) == 5
    webhook.refresh_from_db()
    assert webhook.state_reason == ""
    run(linger=0.2)
    assert statuses()[1:] == [Status.SUCCESS] * 5
    assert not Issue.objects.filter(closed_at=None).exists()


def test_a_farewell_hides_no_failure_that_came_beside_it(webhook):
    Webhook.objects.update(notify_on_failure=True)
    leads(2)
    tries = lesson(webhook, 2, final=True), lesson(webhook, 1, farewell="Nothing more.", final=True, cause="4xx")
    learn(
        *(replace(one, delivery_id=sent.pk) for one, sent in zip(tries, Delivery.objects.order_by("id"), strict=True))
    )
    told = list(Notice.objects.order_by("id").values_list("kind", flat=True))
    assert told == [Told.FAILED, Told.PAUSED]


def test_the_first_success_after_a_resume_is_the_end_of_what_was_open(receiver, webhook):
    Webhook.objects.update(notify_on_failure=True)
    leads(1)
    run()
    receiver.always(Answer(500))
    leads(1)
    for _ in range(3):
        run()
        hurry()
    assert Delivery.objects.filter(status=Status.FAILURE).count() == 1
    switch.pause(webhook.pk)
    switch.resume(webhook.pk)
    receiver.always(Answer(200))
    leads(3)
    run()
    assert not Issue.objects.filter(closed_at=None).exists()
    assert list(Notice.objects.order_by("id").values_list("kind", flat=True)) == [Told.FAILED, Told.RECOVERED]


def test_what_was_tried_before_a_pause_leaves_in_its_order_when_it_is_over(receiver, webhook):
    receiver.always(Answer(500))
    lead = factories.lead()
    run()
    switch.pause(webhook.pk)
    for name in ("Second", "Third"):
        lead.last_name = name
        lead.save()
    receiver.clear()
    receiver.always(Answer(200))
    switch.resume(webhook.pk)
    run(linger=0.3)
    versions = [request.header("webhook-record").partition(";version=")[2] for request in receiver.received]
    assert versions == ["1", "2", "3"]


def test_a_test_that_is_told_farewell_pauses_nothing(receiver, webhook):
    receiver.answer(Answer(410))
    trial.send_test(webhook)
    webhook.refresh_from_db()
    assert webhook.state == State.ENABLED and not Notice.objects.exists() and not Issue.objects.exists()


def failing_for(days: float, failures: int) -> None:
    Health.objects.update(failures=failures, failing_since=timezone.now() - timedelta(days=days), closed_until=None)


@pytest.mark.parametrize(("days", "failures", "paused"), [(5.1, 20, True), (4.9, 2000, False), (30, 3, False)])
def test_one_that_has_failed_for_five_days_is_paused(receiver, webhook, days, failures, paused):
    receiver.always(Answer(500))
    leads(1)
    run()
    failing_for(days, failures)
    leads(1)
    run()
    webhook.refresh_from_db()
    assert (webhook.state == State.PAUSED) is paused and Notice.objects.exists() is paused
    if paused:
        assert "All tries have failed since" in webhook.state_reason and Delivery.objects.last().status == Status.HELD
        # Resumed, it is given the time again.
        switch.resume(webhook.pk)
        run(linger=0.1)
        webhook.refresh_from_db()
        assert webhook.state == State.ENABLED


def test_one_success_in_five_days_is_enough(receiver, webhook):
    receiver.always(Answer(500))
    leads(1)
    run()
    failing_for(6, 50)
    receiver.always(Answer(200))
    leads(1)
    run()
    receiver.always(Answer(500))
    hurry()
    run()
    webhook.refresh_from_db()
    assert webhook.state == State.ENABLED


# Issues


def test_failures_are_grouped_by_cause_until_a_success_closes_them(receiver, webhook):
    for answer in (Answer(500), Answer(503), Answer(404), Answer(302), Answer(raw=b"220 smtp\r\n"), Answer(raw=b"")):
        receiver.answer(answer)
        leads(1)
        run()
        Health.objects.update(closed_until=None)
        Delivery.objects.filter(tries__gt=0).update(due_at=timezone.now() + timedelta(hours=1))
    found = {issue.cause: (issue.count, issue.detail) for issue in Issue.objects.filter(closed_at=None)}
    assert {cause: count for cause, (count, _) in found.items()} == {
        Cause.SERVER_ERROR: 2,
        Cause.CLIENT_ERROR: 1,
        Cause.REDIRECT: 1,
        Cause.PROTOCOL: 1,
        Cause.RESET: 1,
    }
    assert found[Cause.SERVER_ERROR][1] == "503 Service Unavailable"
    leads(1)
    run()
    assert not Issue.objects.filter(closed_at=None).exists()
    receiver.answer(Answer(500))
    leads(1)
    run()
    first, second = Issue.objects.filter(cause=Cause.SERVER_ERROR).order_by("pk")
    assert (first.count, second.count) == (2, 1) and first.closed_at and not second.closed_at
    assert first.first_at < first.last_at <= first.closed_at


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:{closed}/hook", Cause.REFUSED),
        ("http://10.0.0.1/hook", Cause.BLOCKED),
        ("http://no-such-host.example/hook", Cause.DNS),
    ],
)
def test_what_never_got_there_has_a_cause_too(url, cause):
    with Receiver() as gone:
        closed = gone.url.rpartition(":")[2].partition("/")[0]
    factories.webhook(url.format(closed=closed), timeout=5)
    leads(1)
    run()
    assert [issue.cause for issue in Issue.objects.all()] == [cause]
