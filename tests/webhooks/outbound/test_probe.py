"""A webhook of LeadSquared that the failure policy paused (LS-A26): what asks for it, and what resumes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from leads import jobs
from tests import factories
from tests.program import free_port
from tests.receiver import Answer, Receiver
from tests.webhooks.outbound.claims import hurry
from webhooks.models import Attempt, Delivery, Health, Notice, State, Status, Told, Webhook
from webhooks.outbound import claim, deliver, health, probe, switch

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> Iterator[None]:
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def webhook(receiver: Receiver) -> Webhook:
    return factories.webhook(receiver.url, dialect="leadsquared", events=["Lead_Post_Create"], secret="")


def run() -> None:
    deliver.run(stop=lambda: None, linger=0.0)


def leads(number: int) -> None:
    for each in range(number):
        factories.lead(email=f"lead{each}@example.com")


def end(number: int) -> None:
    """So many deliveries come to their end."""
    leads(number)
    for _ in range(200):
        if not Delivery.objects.filter(status=Status.QUEUED).exists():
            return
        Health.objects.update(closed_until=None)
        hurry()
        run()
    raise AssertionError("they do not end")


@pytest.fixture
def paused(receiver: Receiver, webhook: Webhook) -> Webhook:
    """By the policy, with three deliveries held."""
    receiver.always(Answer(500))
    end(9)
    Health.objects.update(failing_since=timezone.now() - HOUR)
    end(1)
    webhook.refresh_from_db()
    assert webhook.state == State.PAUSED and webhook.state_reason
    leads(3)
    Notice.objects.all().delete()
    receiver.clear()
    return webhook


def held() -> list[Delivery]:
    return list(Delivery.objects.filter(status=Status.HELD).order_by("pk"))


def due_now() -> None:
    Health.objects.update(probe_at=timezone.now() - timedelta(seconds=1))


# What pauses it


def test_ten_deliveries_in_a_row_pause_it_and_not_ten_tries(receiver: Receiver, webhook: Webhook) -> None:
    receiver.always(Answer(500))
    end(9)
    state = Health.objects.get()
    assert (state.failures, state.ended) == (27, 9)
    Health.objects.update(failing_since=timezone.now() - HOUR)
    leads(1)
    for tries in (1, 2):
        Health.objects.update(closed_until=None)
        hurry()
        run()
        assert Health.objects.get().failures == 27 + tries
        assert Webhook.objects.get().state == State.ENABLED
    Health.objects.update(closed_until=None)
    hurry()
    run()
    paused = Webhook.objects.get()
    assert paused.state == State.PAUSED and "10 deliveries in a row" in paused.state_reason
    assert Notice.objects.get().kind == Told.PAUSED


def test_within_the_hour_it_goes_on_and_a_success_begins_anew(receiver: Receiver, webhook: Webhook) -> None:
    receiver.always(Answer(500))
    end(12)
    assert Webhook.objects.get().state == State.ENABLED
    receiver.always(Answer(200))
    end(1)
    assert (Health.objects.get().ended, Health.objects.get().failing_since) == (0, None)
    receiver.always(Answer(500))
    end(1)
    Health.objects.update(failing_since=timezone.now() - HOUR)
    end(1)
    assert Webhook.objects.get().state == State.ENABLED


def test_other_systems_count_tries_and_are_never_asked_for(receiver: Receiver, webhook: Webhook) -> None:
    Webhook.objects.update(
        dialect="standard", events=["lead.created"], secret=factories.DIALECTS["standard"].new_secret()
    )
    receiver.always(Answer(500))
    leads(2)
    run()
    Health.objects.update(failures=9, failing_since=timezone.now() - timedelta(days=6))
    hurry()
    run()
    assert Webhook.objects.get().state == State.PAUSED and Health.objects.get().probe_at is None


# What asks for it


def test_ten_minutes_later_its_oldest_held_delivery_is_tried(receiver: Receiver, paused: Webhook) -> None:
    wait = Health.objects.get().probe_at - timezone.now()
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)
    assert list(probe.due()) == []
    probe.ask(paused.pk)
    assert receiver.received == []
    due_now()
    assert list(probe.due()) == [(paused.pk,)]
    oldest = held()[0]
    probe.ask(paused.pk)
    (request,) = receiver.received
    assert request.header("webhook-id") == oldest.message_id
    assert Webhook.objects.get().state == State.PAUSED
    # The next one comes in its time.
    probe.ask(paused.pk)
    assert len(receiver.received) == 1 and list(probe.due()) == []
    assert Health.objects.get().probe_at - timezone.now() > timedelta(minutes=9)


def test_waits_are_scaled_like_others(receiver: Receiver, paused: Webhook, settings: Any) -> None:
    settings.WEBHOOK_RETRY_SCALE = 0.01
    due_now()
    probe.ask(paused.pk)
    assert Health.objects.get().probe_at - timezone.now() <= timedelta(seconds=6)


def test_a_failure_leaves_it_paused_uses_no_try_and_stands_in_the_history(receiver: Receiver, paused: Webhook) -> None:
    oldest = held()[0]
    for probes in (1, 2, 3, 4):
        due_now()
        probe.ask(paused.pk)
        oldest.refresh_from_db()
        assert (oldest.status, oldest.tries, oldest.code) == (Status.HELD, 0, 500)
        assert oldest.attempts.count() == probes
    assert {(attempt.number, attempt.code) for attempt in oldest.attempts.all()} == {(0, 500)}
    assert len(held()) == 3 and Webhook.objects.get().state == State.PAUSED
    assert not Notice.objects.exists()


def test_a_receiver_that_does_not_answer_is_no_other_failure(receiver: Receiver, paused: Webhook) -> None:
    Webhook.objects.update(url=f"http://127.0.0.1:{free_port()}/")
    due_now()
    probe.ask(paused.pk)
    assert len(held()) == 3 and Attempt.objects.filter(number=0, code=None, delivery=held()[0]).count() == 1


def test_a_success_resumes_it_and_the_rest_leaves_in_order_at_a_pace(receiver: Receiver, paused: Webhook) -> None:
    receiver.always(Answer(200))
    due_now()
    oldest, *others = held()
    probe.ask(paused.pk)
    oldest.refresh_from_db()
    assert (oldest.status, oldest.tries) == (Status.SUCCESS, 1)
    resumed = Webhook.objects.get()
    assert (resumed.state, resumed.state_reason) == (State.ENABLED, "")
    state = Health.objects.get()
    assert (state.failures, state.ended, state.probe_at) == (0, 0, None) and state.drain_to is not None
    notice = Notice.objects.get()
    assert (notice.kind, notice.delivery_id) == (Told.RESUMED, oldest.pk)
    assert "2 held deliveries leave in order" in notice.text
    deliver.run(stop=lambda: None, linger=0.3)
    sent = [request.header("webhook-id") for request in receiver.received]
    assert sent == [oldest.message_id, *(other.message_id for other in others)]


def test_with_nothing_held_there_is_nothing_to_ask_with_until_something_is(receiver: Receiver, paused: Webhook) -> None:
    Delivery.objects.filter(status=Status.HELD).update(status=Status.CANCELLED)
    due_now()
    assert list(probe.due()) == []
    leads(1)
    assert list(probe.due()) == [(paused.pk,)]


# Who is not asked for


def test_what_a_person_paused_is_left_alone(receiver: Receiver, webhook: Webhook) -> None:
    receiver.always(Answer(500))
    end(1)
    switch.pause(webhook.pk)
    leads(1)
    assert Health.objects.get().probe_at is None and list(probe.due()) == []


@pytest.mark.parametrize("answer", [Answer(410), Answer(500, headers=(("Webhook-Delivery", "disable"),))])
def test_a_receiver_that_wants_nothing_more_is_not_asked(receiver: Receiver, webhook: Webhook, answer: Answer) -> None:
    receiver.always(answer)
    leads(2)
    run()
    assert Webhook.objects.get().state == State.PAUSED
    assert Health.objects.get().probe_at is None and list(probe.due()) == []


def test_one_that_says_so_when_it_is_asked_is_asked_no_more(receiver: Receiver, paused: Webhook) -> None:
    receiver.always(Answer(410))
    due_now()
    oldest = held()[0]
    probe.ask(paused.pk)
    oldest.refresh_from_db()
    assert oldest.status == Status.FAILURE
    assert Health.objects.get().probe_at is None
    assert "410 Gone" in Webhook.objects.get().state_reason and "410 Gone" in Notice.objects.get().text


def test_a_disabled_one_is_not_asked_and_begins_anew_when_it_is_enabled(receiver: Receiver, paused: Webhook) -> None:
    due_now()
    switch.disable(paused.pk)
    leads(1)
    assert list(probe.due()) == []
    probe.ask(paused.pk)
    assert receiver.received == []
    switch.enable(paused.pk)
    assert not Health.objects.exists(), "nothing is known of its receiver any more"


def test_whoever_turns_the_switch_meanwhile_is_obeyed(
    receiver: Receiver, paused: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.always(Answer(200))
    due_now()
    send = deliver.door().send

    def disabling(*given: Any, **named: Any) -> Any:
        switch.disable(paused.pk)
        return send(*given, **named)

    monkeypatch.setattr(deliver.door(), "send", disabling)
    probe.ask(paused.pk)
    assert Webhook.objects.get().state == State.DISABLED and not Notice.objects.exists()
    assert Delivery.objects.filter(status=Status.HELD).count() == 0


# Whatever breaks off


def test_a_worker_that_dies_while_it_asks_leaves_the_delivery_held(
    receiver: Receiver, paused: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_now()
    oldest = held()[0]
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(deliver.door(), "send", lambda *given, **named: 1 / 0)
        probe.ask(paused.pk)
    Delivery.objects.filter(status=Status.SENDING).update(lease_until=timezone.now() - HOUR)
    assert claim.reclaim() == 1
    assert held()[0].pk == oldest.pk
    due_now()
    receiver.always(Answer(200))
    probe.ask(paused.pk)
    assert Webhook.objects.get().state == State.ENABLED


def test_the_clock_knows_the_job() -> None:
    job = jobs.named(probe.JOB)
    assert (job.run, job.waiting, job.by_the_second) == (
        "webhooks.outbound.probe.ask",
        "webhooks.outbound.probe.due",
        True,
    )
    assert health.DIALECTS["leadsquared"].pause.probe_every == 600
