"""People turn switches while a round is open: neither waits for the other in a circle. Only PostgreSQL locks rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from tests import factories
from tests.webhooks.outbound.claims import claimed
from webhooks.models import Delivery, Event, Health, State, Webhook
from webhooks.outbound import health, posting, switch, waiting

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time"),
]


@pytest.fixture
def webhook():
    webhook = factories.webhook()
    Health.objects.create(webhook=webhook)
    return webhook


def lesson(webhook: Webhook, delivery_id: int = 0, **more: str) -> health.Lesson:
    return health.Lesson(webhook.pk, delivery_id, timezone.now(), success=False, strained=True, cause="5xx", **more)


def race(round_: Callable[[], object], person: Callable[[], object], then: Callable[[], object] = lambda: None) -> None:
    """The round has done its work, and does what is left and commits only once the person has begun."""
    began = threading.Event()
    errors: list[BaseException] = []

    def conduct() -> None:
        with transaction.atomic():
            round_()
            began.set()
            time.sleep(0.4)
            then()

    def turn() -> None:
        began.wait()
        person()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            began.set()
            connections.close_all()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (conduct, turn)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == [] and not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("turn", [switch.pause, switch.disable, switch.delete])
@pytest.mark.parametrize("success", [False, True])
def test_a_round_that_learned_and_claimed(webhook, turn, success):
    if success:
        Health.objects.all().delete()
    for number in range(3):
        factories.lead(email=f"lead{number}@example.com")

    def round_() -> None:
        health.learn([health.Lesson(webhook.pk, 0, timezone.now(), True) if success else lesson(webhook)])
        assert claimed(2)

    race(round_, lambda: turn(webhook.pk))


@pytest.mark.parametrize("farewell", ["", "410 Gone"])
def test_a_round_that_learned_and_a_person_who_resumes(webhook, farewell):
    switch.pause(webhook.pk)
    race(lambda: health.learn([lesson(webhook, farewell=farewell)]), lambda: switch.resume(webhook.pk))
    webhook.refresh_from_db()
    assert webhook.state == State.ENABLED


@pytest.mark.parametrize("away", [Webhook.delete, lambda webhook: Webhook.objects.filter(pk=webhook.pk).delete()])
def test_a_webhook_that_goes_while_it_is_told_of_a_lead(webhook, away):
    race(factories.lead, lambda: away(webhook))
    delivery = Delivery.objects.get()
    assert (delivery.webhook_id, delivery.webhook_name) == (None, webhook.name)


def test_a_long_save_holds_no_round_up(webhook):
    factories.lead(email="first@example.com")
    delivery = Delivery.objects.get()
    saved, done = threading.Event(), threading.Event()

    def save() -> None:
        with transaction.atomic():
            factories.lead()
            saved.set()
            done.wait(10)
        connection.close()

    saver = threading.Thread(target=save)
    saver.start()
    assert saved.wait(10)
    began = time.monotonic()
    with transaction.atomic():
        health.learn([lesson(webhook, delivery.pk, farewell="410 Gone")])
    took = time.monotonic() - began
    done.set()
    saver.join()
    assert took < 5
    webhook.refresh_from_db()
    assert webhook.state == State.PAUSED


def test_a_round_that_learns_of_two_and_a_person_who_has_both_tried_now(webhook):
    """The table has the second one's row first: what has changed stands behind."""
    other = factories.webhook(name="Other")
    Health.objects.create(webhook=other, closed_until=timezone.now())
    for pk in (other.pk, webhook.pk):
        Health.objects.filter(pk=pk).update(closed_until=timezone.now() + timedelta(minutes=1))
    factories.lead()
    race(
        lambda: Health.objects.select_for_update(no_key=True).get(pk=webhook.pk),
        lambda: waiting.try_now(Delivery.objects.all()),
        then=lambda: Health.objects.select_for_update(no_key=True).get(pk=other.pk),
    )
    assert not Health.objects.filter(closed_until__gt=timezone.now()).exists()


def test_a_round_that_learns_of_two_and_a_rule_that_posts_to_both(webhook):
    other = factories.webhook(name="Other")
    Health.objects.create(webhook=other)
    factories.lead()
    event = Event.objects.latest("pk")

    def post() -> None:
        with transaction.atomic():
            for pk in (other.pk, webhook.pk):
                posting.post(event, pk, ("rule", 1), f"r1n{pk}")

    def learn_of(pk: int) -> None:
        assert Webhook.objects.select_for_update(no_key=True).get(pk=pk)

    race(lambda: learn_of(webhook.pk), post, then=lambda: learn_of(other.pk))
    assert Delivery.objects.filter(posted_by="rule").count() == 2


@pytest.mark.parametrize("person", [waiting.cancel, waiting.try_now])
def test_a_person_who_moves_some_while_another_one_pauses(webhook, person):
    """Both are stopped at the second of three rows; they come from different ends."""
    for number in range(3):
        factories.lead(email=f"lead{number}@example.com")
    ids = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
    for number, pk in enumerate(ids):
        Delivery.objects.filter(pk=pk).update(due_at=timezone.now() - timedelta(seconds=number))
    Delivery.objects.filter(pk=ids[0]).update(lost=1)
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = []
    with transaction.atomic():
        assert Delivery.objects.select_for_update().get(pk=ids[1])
        for work in (lambda: person(Delivery.objects.all()), lambda: switch.pause(webhook.pk)):
            threads.append(threading.Thread(target=guarded, args=(work,)))
            threads[-1].start()
            time.sleep(0.3)
    for thread in threads:
        thread.join(20)
    assert errors == [] and not any(thread.is_alive() for thread in threads)
