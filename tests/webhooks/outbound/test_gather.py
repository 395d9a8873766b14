"""Deliveries that are sent together: the activities of a minute to one webhook leave in one body (LS-A12, LS-A13)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.models import Activity, ActivityType, Lead
from tests import factories
from tests.receiver import Answer, Receiver
from tests.webhooks.outbound.claims import claimed, hurry
from webhooks import queue, sql
from webhooks.dialects import DIALECTS
from webhooks.dialects.leadsquared import bodies
from webhooks.models import Attempt, Body, Delivery, Event, Health, Notice, State, Status, Told, Webhook
from webhooks.outbound import (
    claim,
    compose,
    deliver,
    gather,
    posting,
    probe,
    replay,
    settle,
    switch,
    together,
    turns,
    waiting,
)
from webhooks.outbound.selection import Selection

pytestmark = pytest.mark.django_db(transaction=True)

CREATE, UPDATE = "LeadActivity_Post_Create", "LeadActivity_Post_Update"
MINUTE = timedelta(seconds=60)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> Iterator[None]:
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def webhook(receiver: Receiver) -> Webhook:
    return hook(receiver)


@pytest.fixture
def lead() -> Lead:
    return factories.lead()


def hook(receiver: Receiver, **values: Any) -> Webhook:
    return factories.webhook(receiver.url, **{"dialect": "leadsquared", "events": [CREATE]} | values)


def act(lead: Lead, count: int = 1, **values: Any) -> list[Activity]:
    kind = ActivityType.objects.filter(account=lead.account, kind="lead")[0]
    return Activity.objects.bulk_create(
        [Activity(lead=lead, account=lead.account, type=kind, note=f"Call {n}", **values) for n in range(count)]
    )


def later(passed: timedelta = MINUTE) -> None:
    """So long ago, all that waits to be gathered was recorded."""
    gatherable = Delivery.objects.filter(status__in=("grouped", "held"), sent_with=None)
    gatherable.update(due_at=F("due_at") - passed, created_at=F("created_at") - passed)


def run(linger: float = 0.0) -> int:
    """What the clock and the pool do. linger: for what leaves at a pace."""
    for ids in gather.waiting():
        gather.gather(*ids)
    return deliver.run(stop=lambda: None, linger=linger)


def rows(**fields: Any) -> list[Any]:
    found = Delivery.objects.filter(**fields).order_by("pk")
    return list(found.values_list("status", flat=True))


def elements(receiver: Receiver) -> list[int]:
    """The activities of each post."""
    return [len(json.loads(request.body)) for request in receiver.received]


def numbers(lead: Lead) -> list[str]:
    return [str(pk) for pk in Activity.objects.filter(lead=lead).order_by("pk").values_list("pk", flat=True)]


# Gathering


def test_what_happened_in_a_minute_is_one_array_in_the_order_of_its_events(
    receiver: Receiver, webhook: Webhook, lead: Lead
) -> None:
    others = factories.lead(email="second@example.com")
    act(lead, 2)
    act(others)
    assert rows() == ["grouped"] * 3
    assert run() == 0 and receiver.received == []
    later()
    assert run() == 1
    (request,) = receiver.received
    assert [one["ProspectActivityId"] for one in json.loads(request.body)] == numbers(lead) + numbers(others)
    assert request.target.endswith(f"&eventType={CREATE}")
    first = Delivery.objects.order_by("pk")[0]
    assert request.header("webhook-id") == first.message_id
    assert request.header("webhook-record") is None and request.header("webhook-hops") == "0"
    found = Delivery.objects.order_by("pk")
    assert {(row.status, row.code, row.tries, row.sent_with_id, row.message_id) for row in found} == {
        ("success", 200, 1, first.pk, first.message_id)
    }
    assert all(row.transmitted_at and row.finished_at and row.duration_ms is not None for row in found)
    assert Attempt.objects.get().delivery_id == Body.objects.get().delivery_id == first.pk


def test_a_post_is_as_deep_as_the_deepest_of_its_events(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    """Whoever stops loops by webhook-hops must not be told less than one of them has gone."""
    act(lead, 3)
    Event.objects.filter(pk=Delivery.objects.order_by("pk")[1].event_id).update(hops=2)
    later()
    receiver.answer(Answer(500))
    run()
    hurry()
    run()
    assert [request.header("webhook-hops") for request in receiver.received] == ["2", "2"]


def test_what_a_rule_posts_is_an_array_of_its_own(receiver: Receiver, lead: Lead) -> None:
    webhook = hook(receiver, events=["Lead_Post_Create"])
    act(lead)
    event = Event.objects.get(record="activity")
    switch.pause(webhook.pk)
    with transaction.atomic():
        posting.post(event, webhook.pk, ("rule", 7), "r7")
    switch.resume(webhook.pk)
    run(linger=0.3)
    (request,) = receiver.received
    assert request.target.endswith(f"?entityType=rule&entityId=7&eventType={CREATE}")
    assert elements(receiver) == [1]


def test_one_alone_is_an_array_of_one(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead)
    later()
    assert run() == 1
    assert elements(receiver) == [1]


def test_the_minute_begins_with_the_first_and_does_not_slide(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead)
    later(timedelta(seconds=40))
    act(lead)
    later(timedelta(seconds=19))
    assert run() == 0
    act(lead)
    later(timedelta(seconds=1.5))
    # 60.5, 20.5 and 1.5 s old.
    assert run() == 1 and elements(receiver) == [3]
    act(lead)
    later(timedelta(seconds=59))
    assert run() == 0
    act(lead)
    later(timedelta(seconds=61))
    assert run() == 1 and elements(receiver) == [3, 2]


def test_what_came_after_the_minute_is_another_post(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead)
    later(timedelta(seconds=61))
    act(lead)
    later(timedelta(seconds=61))
    assert run() == 2
    assert elements(receiver) == [1, 1]


def test_each_webhook_and_each_event_has_its_own(receiver: Receiver, lead: Lead) -> None:
    both, one = hook(receiver, events=[CREATE, UPDATE]), hook(receiver)
    (activity,) = act(lead)
    activity.note = "Called again"
    activity.save()
    act(lead)
    later()
    assert run() == 3
    got = sorted((request.target.partition("?")[2], len(json.loads(request.body))) for request in receiver.received)
    assert got == sorted(
        (f"entityType=webhook&entityId={pk}&eventType={event}", number)
        for pk, event, number in ((both.pk, CREATE, 2), (both.pk, UPDATE, 1), (one.pk, CREATE, 2))
    )


@pytest.mark.parametrize(("count", "posts"), [(500, [500]), (501, [500, 1]), (1250, [500, 500, 250])])
def test_a_post_has_at_most_500(receiver: Receiver, webhook: Webhook, lead: Lead, count: int, posts: list[int]) -> None:
    act(lead, count)
    later()
    assert run() == len(posts)
    assert sorted(elements(receiver), reverse=True) == posts
    sent = [one["ProspectActivityId"] for request in receiver.received for one in json.loads(request.body)]
    assert sorted(sent) == sorted(numbers(lead))
    assert len({request.header("webhook-id") for request in receiver.received}) == len(posts)
    assert set(rows()) == {"success"}


def test_a_form_has_one_pair(receiver: Receiver, lead: Lead) -> None:
    hook(receiver, settings={"content_type": "application/x-www-form-urlencoded"})
    act(lead, 2)
    later()
    run()
    (request,) = receiver.received
    pairs = parse_qs(request.body.decode(), strict_parsing=True)
    assert list(pairs) == ["data"]
    assert [one["ProspectActivityId"] for one in json.loads(pairs["data"][0])] == numbers(lead)


def test_a_body_that_would_be_too_large_is_divided(
    receiver: Receiver, webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "LARGEST_BODY", 4000)
    act(lead, 40)
    later()
    run()
    assert sum(elements(receiver)) == 40 and len(receiver.received) > 1
    assert all(len(request.body) <= 4000 for request in receiver.received)
    assert set(rows()) == {"success"}


def test_no_more_is_read_than_memory_bears(
    receiver: Receiver, webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(lead, 10)
    sizes = [len(event.snapshot) + len(event.changes) for event in Event.objects.filter(record="activity")]
    monkeypatch.setattr(gather, "MOST_READ", 4 * max(sizes))
    later()
    run()
    assert sum(elements(receiver)) == 10 and max(elements(receiver)) == 4


def test_one_that_cannot_be_written_fails_alone(
    receiver: Receiver, webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    Webhook.objects.update(notify_on_failure=True)
    act(lead, 8)
    bad = numbers(lead)[3]

    def element(event: Any) -> dict[str, Any]:
        if str(event.record_id) == bad:
            raise ValueError("no such field")
        return {"ProspectActivityId": str(event.record_id)}

    monkeypatch.setattr(bodies, "element", element)
    later()
    run()
    sent = [one["ProspectActivityId"] for request in receiver.received for one in json.loads(request.body)]
    assert sorted(sent) == sorted(set(numbers(lead)) - {bad})
    lost = Delivery.objects.get(status="failure")
    assert (str(lost.event.record_id), lost.error) == (bad, "cannot be written as leadsquared: no such field")
    assert lost.sent_with_id is None and lost.finished_at is not None
    assert Notice.objects.get(kind=Told.FAILED).delivery_id == lost.pk


def test_what_keeps_order_leaves_one_post_at_a_time(receiver: Receiver, lead: Lead) -> None:
    hook(receiver, keep_order=True)
    act(lead, 501)
    later()
    for ids in gather.waiting():
        gather.gather(*ids)
    (one,) = claimed()
    assert one.id == Delivery.objects.order_by("pk")[0].pk
    assert claimed() == []
    Delivery.objects.filter(pk=one.id).update(status=Status.SUCCESS)
    assert len(claimed()) == 1


# Lateness


def test_a_transaction_that_ends_late_makes_the_next_post(
    receiver: Receiver, webhook: Webhook, lead: Lead, settings: Any
) -> None:
    """It recorded its activity within the first one's window, and committed after that was sent."""
    if not sql.is_postgresql():
        pytest.skip("SQLite has one writer at a time: whoever records keeps the others from it until it commits")
    settings.WEBHOOK_GROUP_WINDOW = 1.0
    recorded, go = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            act(lead)
            recorded.set()
            go.wait(20)
        connections.close_all()

    act(lead)
    saver = threading.Thread(target=late)
    saver.start()
    assert recorded.wait(10)
    time.sleep(1.1)
    assert run() == 1 and elements(receiver) == [1]
    go.set()
    saver.join()
    assert rows() == ["success", "grouped"]
    assert run() == 1 and elements(receiver) == [1, 1]
    assert set(rows()) == {"success"}


def test_a_row_that_is_seen_late_is_not_lost(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    """The same on both databases: it is older than what was sent already."""
    act(lead, 2)
    late = Delivery.objects.order_by("pk")[0]
    Delivery.objects.filter(pk=late.pk).update(status="held")
    later()
    run()
    Delivery.objects.filter(pk=late.pk).update(status="grouped")
    assert run() == 1
    assert elements(receiver) == [1, 1] and set(rows()) == {"success"}


# The delay


def test_the_delay_counts_from_the_event_and_lets_nothing_out_before(receiver: Receiver, lead: Lead) -> None:
    webhook = hook(receiver, events=["Lead_Post_Update"], execution_delay=90)
    lead.set("message", "Call me")
    lead.save()
    delivery = Delivery.objects.get()
    event = delivery.event
    assert delivery.status == "queued"
    assert abs((delivery.due_at - event.occurred_at).total_seconds() - 90) < 2
    assert run() == 0
    switch.pause(webhook.pk)
    switch.resume(webhook.pk)
    delivery.refresh_from_db()
    assert delivery.status == "queued" and (delivery.due_at - event.occurred_at).total_seconds() > 89
    assert run() == 0
    Delivery.objects.update(due_at=F("due_at") - timedelta(seconds=90))
    assert run() == 1


def test_a_paused_webhook_records_when_it_is_due(receiver: Receiver, lead: Lead) -> None:
    webhook = hook(receiver, events=["Lead_Post_Update"], execution_delay=90)
    switch.pause(webhook.pk)
    lead.set("message", "Call me")
    lead.save()
    switch.resume(webhook.pk)
    assert run() == 0
    Delivery.objects.update(status="held", due_at=F("due_at") - timedelta(seconds=90))
    switch.release(webhook.pk)
    assert run() == 1


def test_a_further_try_is_not_delayed_again(receiver: Receiver, lead: Lead) -> None:
    hook(receiver, events=["Lead_Post_Update"], execution_delay=86_400)
    lead.set("message", "Call me")
    lead.save()
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    receiver.answer(Answer(500))
    assert run() == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries) == ("queued", 1)
    assert 50 < (delivery.due_at - timezone.now()).total_seconds() < 70


def test_a_delay_runs_after_the_minute(receiver: Receiver, lead: Lead) -> None:
    hook(receiver, execution_delay=30)
    act(lead)
    later(timedelta(seconds=59))
    act(lead)
    later(timedelta(seconds=30))
    # 89 and 30 s old: 60 s for the minute and 30 s of delay.
    assert run() == 0
    later(timedelta(seconds=2))
    assert run() == 1 and elements(receiver) == [2]


@pytest.mark.parametrize(("before", "after"), [(0, 100), (100, 0)])
def test_a_delay_that_is_changed_lets_nothing_out_early(
    receiver: Receiver, lead: Lead, before: int, after: int
) -> None:
    """Each delivery has the delay of the time when it was recorded."""
    webhook = hook(receiver, execution_delay=before)
    act(lead)
    Webhook.objects.filter(pk=webhook.pk).update(execution_delay=after)
    act(lead)
    later(timedelta(seconds=61))
    assert run() == 1
    later(timedelta(seconds=98))
    assert run() == 0
    later(timedelta(seconds=2))
    assert run() == 1
    assert elements(receiver) == [1, 1]


# One post is tried and settled as one


def test_a_post_that_failed_is_tried_again_as_it_was(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead, 3)
    later()
    receiver.answer(Answer(500), Answer(503))
    assert run() == 1
    first = Delivery.objects.order_by("pk")[0]
    assert rows() == ["queued", "grouped", "grouped"]
    assert set(Delivery.objects.values_list("tries", "code", "error")) == {(1, 500, "500 Internal Server Error")}
    assert set(Delivery.objects.values_list("due_at", flat=True)) == {first.due_at}
    act(lead)  # it opens a window of its own
    hurry()
    run()
    hurry()
    run()
    one, two, three = receiver.received
    assert one.body == two.body == three.body and len(json.loads(one.body)) == 3
    assert len({request.header("webhook-id") for request in receiver.received}) == 1
    assert rows() == ["success"] * 3 + ["grouped"]
    assert set(Delivery.objects.filter(status="success").values_list("tries", "code")) == {(3, 200)}


def test_the_last_try_ends_all_of_them(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead, 3)
    later()
    receiver.always(Answer(404))
    for _ in range(3):
        run()
        hurry()
    found = list(Delivery.objects.all())
    assert {(row.status, row.tries, row.code, row.error) for row in found} == {("failure", 3, 404, "404 Not Found")}
    assert all(row.finished_at for row in found)
    assert Attempt.objects.count() == 3


def test_a_claim_that_is_lost_moves_nobody(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead, 3)
    later()
    for ids in gather.waiting():
        gather.gather(*ids)
    with transaction.atomic():
        claims = claimed()
    assert rows() == ["sending", "grouped", "grouped"]
    Delivery.objects.filter(status="sending").update(lease_until=timezone.now() - MINUTE)
    assert claim.reclaim() == 1
    assert rows() == ["queued", "grouped", "grouped"]
    assert set(Delivery.objects.values_list("lost", flat=True)) == {1}
    with transaction.atomic():
        settle.refuse([deliver.Refused(claims[0], Status.FAILURE, "too late")])
    assert rows() == ["queued", "grouped", "grouped"]
    Delivery.objects.filter(status="queued").update(status="sending", lost=9, lease_until=timezone.now() - MINUTE)
    claim.reclaim()
    assert rows() == ["failure"] * 3
    assert set(Delivery.objects.values_list("error", flat=True)) == {"worker lost"}


@pytest.mark.parametrize("give_up", ["reclaim", "release"])
def test_a_kill_leaves_nobody_behind_the_first(
    receiver: Receiver, webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch, give_up: str
) -> None:
    act(lead, 3)
    later()
    for ids in gather.waiting():
        gather.gather(*ids)
    claims = claimed()
    Delivery.objects.filter(status="sending").update(lease_until=timezone.now() - MINUTE)
    switch.disable(webhook.pk)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(together, "follow", lambda ids: (_ for _ in ()).throw(KeyboardInterrupt))
        claim.reclaim() if give_up == "reclaim" else claim.release(claims)
    assert claim.reclaim() == 1
    assert rows() == ["cancelled"] * 3


def test_what_is_gathered_and_not_sent_outlives_a_kill(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    """The body is stored with what it binds together: the next worker sends the same."""
    act(lead, 3)
    later()
    for ids in gather.waiting():
        gather.gather(*ids)
    stored = bytes(Body.objects.get().content)
    assert deliver.run(stop=lambda: None, linger=0.0) == 1
    assert receiver.received[0].body == stored


@pytest.mark.slow
def test_a_kill_while_it_is_gathered_leaves_what_waited(
    receiver: Receiver, webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(lead, 501)
    later()
    bound: list[int] = []
    bind = gather._bind

    def die(rows: Any, body: bytes) -> None:
        if bound:
            raise KeyboardInterrupt
        bound.append(len(rows))
        bind(rows, body)

    monkeypatch.setattr(gather, "_bind", die)
    with pytest.raises(KeyboardInterrupt):
        gather.gather(webhook.pk)
    monkeypatch.undo()
    assert Body.objects.count() == 1
    run()
    assert sorted(elements(receiver)) == [1, 500] and set(rows()) == {"success"}


# Two at once


def test_two_that_gather_at_once_make_one_post_of_each(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead, 1200)
    later()
    together = threading.Barrier(3)
    errors: list[BaseException] = []

    def work() -> None:
        together.wait()
        try:
            # Whoever finds that somebody else is at it leaves, and is asked again a second later.
            for _ in range(20):
                gather.gather(webhook.pk)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert errors == []
    assert Delivery.objects.filter(sent_with=None).count() == 0
    assert Body.objects.count() == Delivery.objects.filter(status="queued").count() == 3
    run()
    assert sorted(elements(receiver)) == [200, 500, 500]
    sent = [one["ProspectActivityId"] for request in receiver.received for one in json.loads(request.body)]
    assert sorted(sent) == sorted(numbers(lead))


def test_one_that_is_cancelled_while_the_others_are_gathered(
    receiver: Receiver, webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(lead, 3)
    later()
    called_off = Delivery.objects.order_by("pk")[1]
    divide = compose.divide

    def slow(*args: Any) -> Any:
        waiting.cancel(Delivery.objects.filter(pk=called_off.pk))
        return divide(*args)

    monkeypatch.setattr(compose, "divide", slow)
    gather.gather(webhook.pk)
    assert rows() == ["grouped", "cancelled", "grouped"] and not Body.objects.exists()
    monkeypatch.undo()
    run()
    assert rows() == ["success", "cancelled", "success"] and elements(receiver) == [2]


# Switches


@pytest.mark.parametrize("gathered", [False, True])
def test_pausing_holds_and_resuming_sends_as_before(
    receiver: Receiver, webhook: Webhook, lead: Lead, gathered: bool
) -> None:
    act(lead, 3)
    later()
    if gathered:
        gather.gather(webhook.pk)
    assert switch.waiting(webhook.pk) == 3
    assert switch.pause(webhook.pk) == 3
    act(lead)
    assert rows() == ["held"] * 4
    later()
    assert run() == 0 and gather.waiting() == []
    assert switch.waiting(webhook.pk) == 4
    assert switch.resume(webhook.pk) == 4
    assert rows() == (["queued"] if gathered else ["grouped"]) + ["grouped"] * 3
    run(linger=0.3)
    # Two minutes, held or not.
    assert sorted(elements(receiver)) == [1, 3]
    assert set(rows()) == {"success"}


def test_resuming_lets_a_minute_that_is_not_over_go_on(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead)
    switch.pause(webhook.pk)
    switch.resume(webhook.pk)
    assert run() == 0
    act(lead)
    later()
    assert run() == 1 and elements(receiver) == [2]


@pytest.mark.parametrize("turn", [switch.disable, switch.delete])
@pytest.mark.parametrize("gathered", [False, True])
def test_a_webhook_that_is_disabled_or_deleted_cancels_all(
    receiver: Receiver, webhook: Webhook, lead: Lead, gathered: bool, turn: Callable[[int], int]
) -> None:
    act(lead, 3)
    later()
    if gathered:
        gather.gather(webhook.pk)
    act(lead)
    assert turn(webhook.pk) == 4
    assert rows() == ["cancelled"] * 4
    assert not Delivery.objects.filter(finished_at=None).exists()
    later()
    assert run() == 0 and receiver.received == []


@pytest.mark.parametrize(("turn", "status"), [(switch.pause, "held"), (switch.disable, "cancelled")])
def test_what_is_on_its_way_ends_as_it_ends(
    receiver: Receiver, webhook: Webhook, lead: Lead, turn: Callable[[int], int], status: str
) -> None:
    act(lead, 3)
    later()
    gather.gather(webhook.pk)
    with transaction.atomic():
        claims = claimed()
    assert switch.waiting(webhook.pk) == 0
    assert turn(webhook.pk) == 0
    assert rows() == ["sending", "grouped", "grouped"]
    _, refused = compose.compose(claims)
    with transaction.atomic():
        settle.refuse(refused)
    assert rows() == [status] * 3


def test_what_is_given_back_for_a_webhook_that_was_paused_is_held(webhook: Webhook, lead: Lead) -> None:
    act(lead, 2)
    later()
    gather.gather(webhook.pk)
    with transaction.atomic():
        claims = claimed()
    switch.pause(webhook.pk)
    claim.release(claims)
    assert rows() == ["held"] * 2


@pytest.mark.parametrize(("state", "status"), [(State.PAUSED, "held"), (State.DISABLED, "cancelled")])
def test_what_a_save_recorded_while_the_policy_stopped_the_webhook(
    webhook: Webhook, lead: Lead, state: State, status: str
) -> None:
    act(lead, 2)
    later()
    Webhook.objects.update(state=state)
    assert gather.waiting() == [(webhook.pk,)]
    run()
    assert rows() == [status] * 2 and gather.waiting() == []


def test_rows_of_a_webhook_that_is_gone_are_called_off(webhook: Webhook, lead: Lead) -> None:
    act(lead, 2)
    Webhook.objects.all().delete()
    claim.reclaim()
    assert rows() == ["cancelled"] * 2


# Asking for a paused webhook


@pytest.mark.parametrize("answer", [500, 200])
@pytest.mark.parametrize("gathered", [False, True])
def test_what_asks_for_a_paused_webhook_is_gathered_no_more(
    receiver: Receiver, webhook: Webhook, lead: Lead, gathered: bool, answer: int
) -> None:
    """Its bytes have been sent under its webhook-id: nothing else is, and the others are not lost with it."""
    act(lead, 3)
    later()
    if gathered:
        gather.gather(webhook.pk)
    asks(webhook)
    receiver.answer(Answer(answer))
    probe.ask(webhook.pk)
    assert elements(receiver) == ([3] if gathered else [1])
    if answer == 500:
        assert rows() == ["held"] * 3
        switch.resume(webhook.pk)
    run(linger=0.3)
    run(linger=0.3)
    sent = [one["ProspectActivityId"] for request in receiver.received for one in json.loads(request.body)]
    assert set(sent) == set(numbers(lead)) and set(rows()) == {"success"}
    by_id: dict[str, set[bytes]] = {}
    for request in receiver.received:
        by_id.setdefault(request.header("webhook-id") or "", set()).add(request.body)
    assert all(len(same) == 1 for same in by_id.values())


def test_nothing_asks_for_a_paused_webhook_before_its_time(receiver: Receiver, lead: Lead) -> None:
    webhook = hook(receiver, execution_delay=600)
    act(lead)
    later()
    asks(webhook)
    probe.ask(webhook.pk)
    assert receiver.received == [] and rows() == ["held"]


def asks(webhook: Webhook) -> None:
    switch.pause(webhook.pk)
    Webhook.objects.update(state_reason="All tries have failed.")
    past = timezone.now() - MINUTE
    Health.objects.update_or_create(webhook=webhook, defaults={"probe_at": past, "failures": 30, "failing_since": past})


# By hand


def test_one_is_cancelled_alone_before_it_is_gathered_and_with_all_afterwards(
    receiver: Receiver, webhook: Webhook, lead: Lead
) -> None:
    act(lead, 4)
    second, third = Delivery.objects.order_by("pk")[1:3]
    assert waiting.cancel(Delivery.objects.filter(pk=second.pk)) == 1
    later()
    gather.gather(webhook.pk)
    assert rows() == ["queued", "cancelled", "grouped", "grouped"]
    assert waiting.cancel(Delivery.objects.filter(pk=third.pk)) == 3
    assert rows() == ["cancelled"] * 4
    assert run() == 0


def test_what_is_being_sent_is_not_cancelled(webhook: Webhook, lead: Lead) -> None:
    act(lead, 2)
    later()
    gather.gather(webhook.pk)
    with transaction.atomic():
        claimed()
    assert waiting.cancel(Delivery.objects.all()) == 0
    assert rows() == ["sending", "grouped"]


def test_trying_one_now_tries_all_of_them(receiver: Receiver, webhook: Webhook, lead: Lead) -> None:
    act(lead, 2)
    later()
    receiver.answer(Answer(500))
    run()
    assert waiting.try_now(Delivery.objects.filter(pk=Delivery.objects.order_by("pk")[1].pk)) == 1
    assert run() == 1
    assert rows() == ["success"] * 2


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(2, 3), slice(0, 3)])
def test_a_replay_of_any_sends_all_once(receiver: Receiver, webhook: Webhook, lead: Lead, chosen: slice) -> None:
    act(lead, 3)
    later()
    run()
    ids = tuple(Delivery.objects.order_by("pk").values_list("pk", flat=True))[chosen]
    selection = Selection(ids=ids, through=replay.newest())
    assert replay.plan(selection).adds(again=True) == 1 and replay.plan(selection).adds(again=False) == 0
    assert replay.carry_out(selection, again=True, expected=1, user_id=None).added == 1
    with pytest.raises(replay.Changed):
        replay.carry_out(Selection(ids=ids[-1:], through=selection.through), again=True, expected=1, user_id=None)
    # Not grouped again, nor delayed.
    assert run() == 1
    one, two = receiver.received
    assert one.body == two.body and one.header("webhook-id") == two.header("webhook-id")
    assert two.header("webhook-record") is None
    again = Delivery.objects.latest("pk")
    assert (again.replay_of_id, again.sent_with_id, again.status) == (
        Delivery.objects.order_by("pk")[0].pk,
        None,
        "success",
    )


def test_a_replay_of_one_that_was_never_gathered_is_an_array_of_one(
    receiver: Receiver, webhook: Webhook, lead: Lead
) -> None:
    act(lead, 2)
    waiting.cancel(Delivery.objects.all())
    selection = Selection(through=replay.newest())
    switch.pause(webhook.pk)
    assert replay.carry_out(selection, again=False, expected=2, user_id=None).added == 2
    switch.resume(webhook.pk)
    assert run(linger=0.3) == 2
    assert elements(receiver) == [1, 1]


# What it costs to look


def test_looking_costs_nothing_where_nothing_is_due(
    webhook: Webhook, lead: Lead, django_assert_num_queries: Any
) -> None:
    act(lead, 3)
    with django_assert_num_queries(1):
        assert gather.waiting() == []
    assert turns.overdue() is None
    later()
    assert gather.waiting() == [(webhook.pk,)]
    assert (turns.overdue() or -1) > 0


def test_a_save_costs_no_statement_more(lead: Lead, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    # One in a tenth of a second, whoever saves.
    monkeypatch.setattr(queue, "nudge", lambda: None)

    def statements() -> int:
        with CaptureQueriesContext(connection) as found:
            act(lead)
        return len(found)

    hook(receiver, dialect="standard", events=["activity.created"], secret="whsec_" + "c2VjcmV0" * 4)
    act(lead)
    before = statements()
    hook(receiver)
    act(lead)  # the first save afterwards reads anew who listens
    assert statements() == before


def test_the_stop_of_a_worker_leaves_the_rest(webhook: Webhook, lead: Lead, monkeypatch: pytest.MonkeyPatch) -> None:
    act(lead)
    later()
    monkeypatch.setattr(queue, "stop_at", time.monotonic)
    gather.gather(webhook.pk)
    assert rows() == ["grouped"]


def test_a_system_that_groups_says_how() -> None:
    for dialect in DIALECTS.values():
        assert dialect.grouped <= set(dialect.events)
        assert bool(dialect.grouped) == (dialect.render_many is not None)
