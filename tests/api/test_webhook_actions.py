"""What programs do with a webhook: its switches, Send Test, its secret; and what there is to subscribe to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import factories
from tests.api.conftest import KeyClient, World, check_shape
from tests.receiver import Answer, Receiver
from webhooks.dialects import DIALECTS
from webhooks.dialects.leadsquared.codes import NUMBERS
from webhooks.models import Delivery, Health, State, Status, Webhook
from webhooks.outbound import deliver, rotation

ACTIONS = ("enable", "pause", "disable", "test", "rotate-secret", "switch-secret")


@pytest.fixture(autouse=True)
def loopback(settings: Any):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def webhook(world: World, receiver: Receiver) -> Webhook:
    return factories.webhook(receiver.url, account=world.account)


def act(client: KeyClient, webhook: Webhook, action: str, body: dict[str, Any] | None = None) -> Any:
    path = f"/api/v1/webhooks/{webhook.pk}/{action}"
    return client.post(path) if body is None else client.send("POST", path, body)


def state(response: Any) -> str:
    assert response.status_code == 200, response.content
    return response.json()["state"]


# Switches


def test_what_is_held_is_sent_when_it_is_enabled_again(manager: KeyClient, webhook: Webhook):
    assert state(act(manager, webhook, "pause")) == "paused"
    factories.lead()
    assert Delivery.objects.get().status == Status.HELD
    assert state(act(manager, webhook, "enable")) == "enabled"
    assert Delivery.objects.get().status == Status.QUEUED
    assert Health.objects.get().drain_to == Delivery.objects.get().pk


def test_a_disabled_one_cancels_what_waits_and_records_nothing(manager: KeyClient, webhook: Webhook):
    factories.lead()
    assert state(act(manager, webhook, "disable")) == "disabled"
    factories.lead(email="second@example.com")
    assert Delivery.objects.get().status == Status.CANCELLED
    assert state(act(manager, webhook, "enable")) == "enabled"
    factories.lead(email="third@example.com")
    assert Delivery.objects.count() == 2


def test_the_answer_is_the_webhook(manager: KeyClient, webhook: Webhook):
    answer = act(manager, webhook, "pause").json()
    assert answer == manager.get(f"/api/v1/webhooks/{webhook.pk}").json() and "secret" not in answer


@pytest.mark.parametrize("action", ["enable", "pause", "disable"])
def test_in_that_state_already_nothing_happens(manager: KeyClient, webhook: Webhook, action: str):
    wanted = {"enable": State.ENABLED, "pause": State.PAUSED, "disable": State.DISABLED}[action]
    Webhook.objects.update(state=wanted, state_reason="Because.")
    before = Webhook.objects.values().get()
    assert state(act(manager, webhook, action)) == wanted
    assert Webhook.objects.values().get() == before


def test_a_disabled_one_cannot_be_paused(manager: KeyClient, webhook: Webhook):
    Webhook.objects.update(state=State.DISABLED)
    body = check_shape(act(manager, webhook, "pause"), 409, "conflict")
    assert body["message"] == "LeadPro production is disabled."


# Send Test


def test_a_test_answers_with_how_it_went(manager: KeyClient, webhook: Webhook, receiver: Receiver):
    answer = act(manager, webhook, "test").json()
    delivery = Delivery.objects.get()
    assert answer == {
        "delivery": delivery.pk,
        "status": "success",
        "code": 200,
        "error": "",
        "duration_ms": delivery.duration_ms,
    }
    assert delivery.test and receiver.received[0].header("webhook-test") == "true"
    receiver.always(Answer(500))
    answer = act(manager, webhook, "test").json()
    assert (answer["status"], answer["code"]) == ("failure", 500) and answer["error"]
    Webhook.objects.update(url="http://10.0.0.1/")
    answer = act(manager, webhook, "test").json()
    assert (answer["status"], answer["code"]) == ("failure", None) and answer["error"]


def test_a_test_that_cannot_be_written_is_told(manager: KeyClient, webhook: Webhook, settings: Any):
    from cryptography.fernet import Fernet

    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    check_shape(act(manager, webhook, "test"), 409, "conflict")
    assert not Delivery.objects.exists()


# Secrets


def keys(webhook: Webhook) -> rotation.Keys:
    return rotation.keys(Webhook.objects.get(pk=webhook.pk), timezone.now())


def test_the_next_secret_is_told_once_and_signs_after_the_overlap(manager: KeyClient, webhook: Webhook):
    old = webhook.secret
    response = act(manager, webhook, "rotate-secret")
    held = keys(webhook)
    assert held.current == old and response.json()["secret"] == held.next and len(held.next) == 43
    assert response["Cache-Control"] == "no-store"
    assert timedelta(hours=23) < held.next_at - timezone.now() <= timedelta(days=1)
    assert response.json()["signs_from"] == held.next_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert held.next not in manager.get(f"/api/v1/webhooks/{webhook.pk}").content.decode()
    check_shape(act(manager, webhook, "rotate-secret"), 409, "conflict")
    switched = act(manager, webhook, "switch-secret").json()
    assert (keys(webhook).current, keys(webhook).next) == (held.next, "")
    assert switched["secret"] is None and switched["signs_from"]
    check_shape(act(manager, webhook, "switch-secret"), 409, "conflict")


def test_an_overlap_has_up_to_seven_days(manager: KeyClient, webhook: Webhook):
    made = act(manager, webhook, "rotate-secret", {"overlap_days": 0}).json()["secret"]
    assert keys(webhook).current == made
    act(manager, webhook, "rotate-secret", {"overlap_days": 7})
    assert keys(webhook).next_at - timezone.now() > timedelta(days=6)
    for days in (-1, 8, 1.5, "1", True):
        body = check_shape(act(manager, webhook, "rotate-secret", {"overlap_days": days}), 400, "invalid")
        assert [fault["field"] for fault in body["errors"]] == ["overlap_days"]


def test_the_receivers_own_secret_is_taken_where_the_system_can_do_without_one(manager: KeyClient, world: World):
    webhook = factories.webhook(account=world.account, dialect="leadsquared", events=["Lead_Delete"], secret="")
    assert act(manager, webhook, "rotate-secret", {"secret": "theirs, not ours"}).json()["secret"] == "theirs, not ours"
    assert keys(webhook).current == "theirs, not ours"
    for wrong in (5, " x ", "x" * 256, "whsec_%"):
        body = check_shape(act(manager, webhook, "rotate-secret", {"secret": wrong}), 400, "invalid")
        assert [fault["field"] for fault in body["errors"]] == ["secret"]
    always = factories.webhook(account=world.account)
    check_shape(act(manager, always, "rotate-secret", {"secret": "theirs, not ours"}), 400, "invalid")


# All of them


@pytest.mark.parametrize("action", ACTIONS)
def test_a_body_says_what_is_known_or_is_not_there(manager: KeyClient, webhook: Webhook, action: str):
    check_shape(act(manager, webhook, action, {"colour": "red"}), 400, "invalid", fields=["colour"])
    check_shape(manager.send("POST", f"/api/v1/webhooks/{webhook.pk}/{action}", "["), 400, "malformed")
    assert Webhook.objects.get(pk=webhook.pk).state == State.ENABLED and not Delivery.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_administrators_alone_do_it_and_with_a_key_for_it(world: World, webhook: Webhook, action: str):
    stored = Webhook.objects.values().get()
    for who in ("staff a", "auditor"):
        check_shape(act(world.client(who), webhook, action), 403, "forbidden")
    check_shape(act(world.client("stranger"), webhook, action), 404, "not_found")
    check_shape(act(world.client("nobody"), webhook, action), 401, "unauthenticated")
    assert Webhook.objects.values().get() == stored and not Delivery.objects.exists()


# Events


def test_the_events_of_every_system(manager: KeyClient):
    told = {each["system"]: each for each in manager.get("/api/v1/webhook-events").json()["data"]}
    assert list(told) == list(DIALECTS)
    for name, each in told.items():
        assert [event["name"] for event in each["events"]] == list(DIALECTS[name].events)
        assert (each["label"], each["one_event"]) == (DIALECTS[name].label, DIALECTS[name].one_event)
    assert {"name": "lead.created", "label": "Lead created", "number": None} in told["standard"]["events"]
    assert {"name": "Lead_Post_Create", "label": "Lead Creation", "number": 3} in told["leadsquared"]["events"]
    assert {event["number"] for event in told["leadsquared"]["events"]} <= set(NUMBERS.values())


def test_the_events_of_one_system(manager: KeyClient, world: World):
    (only,) = manager.get("/api/v1/webhook-events?system=leadhub").json()["data"]
    assert only["system"] == "leadhub"
    check_shape(manager.get("/api/v1/webhook-events?system=hub"), 400, "invalid", fields=["system"])
    # To be read by who may see webhooks.
    assert world.client("auditor").get("/api/v1/webhook-events").status_code == 200
    check_shape(world.client("staff a").get("/api/v1/webhook-events"), 403, "forbidden")
