"""Replay against a real receiver, and through interruptions: guarantee 3 by hand."""

from __future__ import annotations

import pytest

from tests import factories
from tests.receiver import Answer
from tests.webhooks.outbound.claims import hurry
from webhooks.models import Delivery, Lane, Replay, ReplayItem, Status
from webhooks.outbound import deliver, replay, switch, waiting
from webhooks.outbound.selection import Selection

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


def run():
    hurry()
    return deliver.run(stop=lambda: None, linger=0.0)


def replayed(again=False, **conditions):
    chosen = Selection(**conditions).narrowed(through=replay.newest())
    expected = replay.plan(chosen).adds(again)
    return replay.carry_out(chosen, again=again, expected=expected, user_id=None)


def test_three_are_sent_again_under_their_ids_with_their_bytes(receiver, webhook):
    receiver.always(Answer(500))
    for name in ("one", "two", "three"):
        factories.lead(email=f"{name}@example.com")
    while Delivery.objects.exclude(status=Status.FAILURE).exists():
        assert run()
    before = {each.pk: Delivery.objects.values().get(pk=each.pk) for each in Delivery.objects.all()}
    sent = {request.header("webhook-id"): request.body for request in receiver.received}
    receiver.received.clear()
    receiver.always(Answer(200))
    assert replayed(statuses=("failure",)).added == 3
    run()
    assert {request.header("webhook-id"): request.body for request in receiver.received} == sent
    assert len(receiver.received) == 3
    added = Delivery.objects.filter(replay_of__isnull=False)
    assert {(each.status, each.lane, each.tries) for each in added} == {(Status.SUCCESS, Lane.BULK, 1)}
    # History is not edited.
    assert {pk: Delivery.objects.values().get(pk=pk) for pk in before} == before


def test_a_replay_of_what_was_never_sent_gets_its_bytes_once(receiver, webhook):
    factories.lead()
    waiting.cancel(Delivery.objects.all())
    assert replayed().added == 1
    run()
    assert replayed(again=True).added == 1
    run()
    first, second = receiver.received
    assert (first.body, first.header("webhook-id")) == (second.body, second.header("webhook-id"))


def test_what_succeeded_is_skipped_by_any_of_its_deliveries(receiver, webhook):
    receiver.always(Answer(500))
    factories.lead()
    for _ in range(3):
        run()
    receiver.always(Answer(200))
    replayed()
    run()
    chosen = Selection(statuses=("failure",)).narrowed(through=replay.newest())
    plan = replay.plan(chosen)
    assert (plan.adds(again=False), plan.adds(again=True)) == (0, 1)


def test_replays_of_a_paused_webhook_wait_for_its_resume(receiver, webhook):
    factories.lead()
    run()
    switch.pause(webhook.pk)
    assert replayed(again=True).added == 1
    run()
    assert len(receiver.received) == 1
    assert Delivery.objects.order_by("-pk")[0].status == Status.HELD
    switch.resume(webhook.pk)
    run()
    assert len(receiver.received) == 2


def test_names_are_those_of_now(webhook):
    factories.lead()
    waiting.cancel(Delivery.objects.all())
    type(webhook).objects.update(name="Renamed")
    replayed()
    assert list(Delivery.objects.order_by("pk").values_list("webhook_name", flat=True)) == [
        "LeadPro production",
        "Renamed",
    ]


def test_replays_do_not_delay_live_ones(receiver, webhook):
    for name in ("one", "two"):
        factories.lead(email=f"{name}@example.com")
    waiting.cancel(Delivery.objects.all())
    replayed()
    factories.lead(email="live@example.com")
    run()
    assert b"live@example.com" in receiver.received[0].body


class TestBig:
    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch):
        monkeypatch.setattr(replay, "AT_ONCE", 2)

    @pytest.fixture
    def started(self, webhook):
        for number in range(7):
            factories.lead(email=f"lead{number}@example.com")
        waiting.cancel(Delivery.objects.all())
        result = replayed()
        assert (result.added, ReplayItem.objects.count()) == (0, 7)
        return result.replay

    def test_a_replay_goes_on_where_it_was_killed_and_doubles_nothing(self, started, monkeypatch):
        real, batches = replay._add, []

        def dies(roots, lane):
            batches.append(len(roots))
            added = real(roots, lane)
            if len(batches) == 2:
                raise KeyboardInterrupt
            return added

        monkeypatch.setattr(replay, "_add", dies)
        with pytest.raises(KeyboardInterrupt):
            replay.resume(started.pk)
        # The batch in hand is undone as a whole.
        assert Delivery.objects.filter(replay_of__isnull=False).count() == 2
        assert replay.waiting() == [(started.pk,)]
        replay.resume(started.pk)
        replay.resume(started.pk)
        roots = list(Delivery.objects.filter(replay_of__isnull=False).values_list("replay_of", flat=True))
        assert len(roots) == len(set(roots)) == 7
        started.refresh_from_db()
        assert (started.added, started.finished_at is None) == (7, False)
        assert replay.waiting() == []

    def test_it_stops_with_the_worker(self, started, monkeypatch):
        monkeypatch.setattr("webhooks.queue.stop_at", lambda: 1.0)
        replay.resume(started.pk)
        assert Delivery.objects.filter(replay_of__isnull=False).count() == 2
        assert replay.waiting() == [(started.pk,)]

    def test_it_hands_on_when_its_time_is_over(self, started, monkeypatch):
        monkeypatch.setattr(replay, "RUN_FOR", -1.0)
        asked = []
        monkeypatch.setattr("leads.jobs.start", lambda *job: asked.append(job))
        replay.resume(started.pk)
        assert asked == [("replay", started.pk)]

    def test_a_webhook_disabled_meanwhile_gets_none(self, started, webhook):
        switch.disable(webhook.pk)
        replay.resume(started.pk)
        assert not Delivery.objects.filter(replay_of__isnull=False).exists()
        assert Replay.objects.get().finished_at is not None

    def test_the_job_is_known_by_name(self):
        from leads import jobs

        job = jobs.named(replay.JOB)
        assert job.run == "webhooks.outbound.replay.resume"
        assert job.waiting == "webhooks.outbound.replay.waiting"
