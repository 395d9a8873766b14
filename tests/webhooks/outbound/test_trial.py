"""Send Test against a real receiver: one try, kept in the history, counted nowhere."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook as StandardWebhook

from tests import factories
from tests.receiver import Answer
from webhooks import figures
from webhooks.dialects import DIALECTS
from webhooks.models import Body, Delivery, Event, State, Status, Webhook
from webhooks.outbound import claim, deliver, trial
from webhooks.outbound.turns import look
from webhooks.wire.exchange import Failure, FailureKind

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    # A test may put another door in its place.
    clear = deliver.door.cache_clear
    clear()
    yield
    clear()


@pytest.fixture
def webhook(receiver):
    return factories.webhook(receiver.url, custom_headers={"X-Api-Key": "hush-hush"})


def test_a_test_is_sent_signed_and_marked(receiver, webhook):
    delivery = trial.send_test(webhook)
    (request,) = receiver.received
    assert request.method == "POST"
    assert request.body == webhook.wire.sample({}) == bytes(delivery.body.content)
    assert request.header("webhook-test") == "true"
    assert request.header("webhook-id") == delivery.message_id
    assert request.header("webhook-record") is None
    assert request.header("X-Api-Key") == "hush-hush"
    headers = {name.lower(): value for name, value in request.headers}
    StandardWebhook(webhook.secret.encode()).verify(request.body, headers)
    assert webhook.wire.verify(request.body, headers, [webhook.secret]).payload_is_body


@pytest.mark.parametrize("system", sorted(DIALECTS))
def test_every_system_can_be_tried(receiver, system):
    webhook = factories.webhook(receiver.url, dialect=system, secret=DIALECTS[system].new_secret())
    delivery = trial.send_test(webhook)
    (request,) = receiver.received
    headers = {name.lower(): value for name, value in request.headers}
    assert request.body == DIALECTS[system].sample({})
    assert DIALECTS[system].verify(request.body, headers, [webhook.secret]).payload == request.body
    assert (delivery.status, delivery.sent_as in webhook.events) == (Status.SUCCESS, True)


@pytest.mark.parametrize("event", sorted(DIALECTS["leadsquared"].grouped))
def test_what_is_sent_together_is_tried_as_an_array_of_one(receiver, event):
    delivery = trial.send_test(factories.webhook(receiver.url, dialect="leadsquared", events=[event]))
    (request,) = receiver.received
    (element,) = json.loads(request.body)
    assert ("CompanyActivityId" in element) == event.startswith("Account")
    assert ("CancelledOn" in element) == event.endswith("Cancel")
    assert request.target.endswith(f"eventType={event}")
    assert (delivery.sent_as, delivery.status, delivery.sent_with_id) == (event, "success", None)


def test_the_method_that_was_chosen_is_used_and_kept(receiver):
    delivery = trial.send_test(factories.webhook(receiver.url, dialect="save_lead", settings={"method": "PUT"}))
    assert receiver.received[0].method == delivery.attempts.get().method == "PUT"


def test_the_body_is_the_systems_example_with_every_key(receiver, webhook):
    trial.send_test(webhook)
    document = json.loads(receiver.received[0].body)
    assert document["event"] == "lead.updated"
    assert len(document["data"]) == 44
    assert document["data"]["phone"] == "07123456789"
    assert document["data"]["stage"] is None


def test_it_stands_in_the_history_without_an_event(webhook):
    delivery = trial.send_test(webhook)
    assert (delivery.test, delivery.event, delivery.status) == (True, None, Status.SUCCESS)
    assert (delivery.tries, delivery.code, delivery.sent_as) == (1, 200, "lead.updated")
    assert delivery.account == webhook.account and delivery.webhook_name == webhook.name
    assert delivery.transmitted_at and delivery.finished_at and delivery.lease_until is None
    attempt = delivery.attempts.get()
    assert ["webhook-test", "true"] in json.loads(attempt.request_headers)
    assert "hush-hush" not in attempt.request_headers
    assert not Event.objects.exists()


def test_each_has_a_webhook_id_of_its_own(webhook):
    assert trial.send_test(webhook).message_id != trial.send_test(webhook).message_id


@pytest.mark.parametrize(
    ("answer", "code", "error"),
    [
        (Answer(500), 500, "500 Internal Server Error"),
        (Answer(410), 410, "The receiver answered 410 Gone"),
        (Answer(302, (("Location", "https://elsewhere.example/"),)), 302, "302 Found"),
        (Answer(raw=b"\x00\x01 not HTTP \xff\r\n\r\n"), None, "not an HTTP answer"),
    ],
)
def test_a_test_that_fails_is_not_tried_again(receiver, webhook, answer, code, error):
    receiver.always(answer)
    delivery = trial.send_test(webhook)
    assert (delivery.status, delivery.code, delivery.tries) == (Status.FAILURE, code, 1)
    assert delivery.error.startswith(error)
    assert delivery.finished_at is not None
    assert look() == []
    assert len(receiver.received) == 1


def test_an_interrupted_test_is_over_as_well(webhook, monkeypatch):
    class Cut:
        def send(self, request, *, deadline):
            return Failure(FailureKind.INTERRUPTED, "interrupted. The worker was stopped.")

    monkeypatch.setattr(deliver, "door", Cut)
    assert trial.send_test(webhook).status == Status.FAILURE


def test_the_time_limit_is_the_webhooks(receiver, webhook):
    receiver.always(Answer(silent=True))
    Webhook.objects.update(timeout=1)
    delivery = trial.send_test(Webhook.objects.get())
    assert delivery.status == Status.FAILURE
    assert delivery.error.startswith("timed out")
    assert 900 <= delivery.duration_ms < 3000


@pytest.mark.parametrize("state", [State.PAUSED, State.DISABLED])
def test_a_webhook_that_is_not_enabled_is_tested_too(webhook, state):
    Webhook.objects.update(state=state)
    assert trial.send_test(Webhook.objects.get()).status == Status.SUCCESS


def test_it_is_marked_even_where_the_other_headers_are_off(receiver, webhook):
    Webhook.objects.update(send_webhook_headers=False)
    trial.send_test(Webhook.objects.get())
    (request,) = receiver.received
    assert request.header("webhook-test") == "true"
    assert request.header("webhook-id") is None


def test_no_transaction_is_open_while_it_waits(webhook, monkeypatch):
    seen = []

    class Watched:
        def send(self, request, *, deadline):
            seen.append((connection.in_atomic_block, Delivery.objects.get().status, Body.objects.count()))
            return Failure(FailureKind.REFUSED, "connection refused. Nothing answers.")

    monkeypatch.setattr(deliver, "door", Watched)
    trial.send_test(webhook)
    assert seen == [(False, Status.SENDING, 1)]


def test_whoever_dies_in_the_middle_leaves_a_failure(webhook, monkeypatch):
    class Dead:
        def send(self, request, *, deadline):
            raise SystemExit

    monkeypatch.setattr(deliver, "door", Dead)
    with pytest.raises(SystemExit):
        trial.send_test(webhook)
    assert claim.reclaim() == 0
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claim.reclaim() == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error) == (Status.FAILURE, "worker lost")


def test_it_counts_in_no_figure(receiver, webhook):
    receiver.answer(Answer(500))
    trial.send_test(webhook)
    trial.send_test(webhook)
    assert figures.standings([webhook.pk])[webhook.pk] == figures.Standing()
    assert figures.rate(webhook.pk, timezone.now() - timedelta(days=1)) == figures.Rate(0, 0)
