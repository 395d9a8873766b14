"""The HEAD request that LeadSquared's webhooks are saved with: when it is made, what it carries, what is kept of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from leads import jobs
from tests import factories
from tests.admin import people
from tests.admin.page import Page
from tests.api.conftest import KeyClient, key_of
from tests.program import free_port
from tests.receiver import Answer, Receiver
from webhooks.models import Delivery, Handshake, State, Webhook
from webhooks.outbound import deliver, handshake, switch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> Iterator[None]:
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The handshakes that were asked for, after their commits."""
    found: list[tuple[Any, ...]] = []

    def send(path: str, name: str = "", *ids: Any) -> None:
        if name == handshake.JOB:
            assert not connection.in_atomic_block
            found.append(ids)

    monkeypatch.setattr("webhooks.queue._send", send)
    return found


@pytest.fixture
def webhook(receiver: Receiver) -> Webhook:
    made = factories.webhook(
        f"{receiver.url}?key=1", dialect="leadsquared", events=["Lead_Post_Create"], custom_headers={"x-api-key": "abc"}
    )
    with transaction.atomic():
        handshake.saved(made)
    return made


@pytest.fixture
def manager() -> Client:
    client = Client()
    client.force_login(people.manager())
    return client


def api() -> KeyClient:
    user = people.manager(name="program")
    return key_of(user, user.membership.account)


def shaken() -> Handshake:
    return Handshake.objects.get()


# The request


def test_it_is_one_head_to_the_url_with_the_webhooks_own_headers_and_no_payload(
    receiver: Receiver, webhook: Webhook
) -> None:
    handshake.shake(webhook.pk)
    handshake.shake(webhook.pk)
    (request,) = receiver.received
    assert (request.method, request.target, request.body) == ("HEAD", "/hook?key=1", b"")
    assert request.header("x-api-key") == "abc" and request.header("User-Agent").startswith("leadcrm")
    assert not request.header("webhook-signature")
    assert (shaken().code, shaken().error) == (200, "") and shaken().asked_at is not None
    # It is no delivery.
    assert not Delivery.objects.exists()


def test_two_workers_ask_once(receiver: Receiver, webhook: Webhook) -> None:
    gate = threading.Barrier(4)

    def work() -> None:
        gate.wait()
        handshake.shake(webhook.pk)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.0.0.1/", "address not allowed"),
        ("http://127.0.0.1:9/", "URL not allowed"),
        ("http://127.0.0.1:{free}/", "connection refused"),
    ],
)
def test_what_cannot_be_asked_is_said_and_enforces_nothing(webhook: Webhook, url: str, words: str) -> None:
    Webhook.objects.update(url=url.format(free=free_port()))
    handshake.shake(webhook.pk)
    assert shaken().code is None and shaken().error.startswith(words)
    assert Webhook.objects.get().state == State.ENABLED


def test_a_receiver_that_hangs_is_left_after_a_while(
    receiver: Receiver, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "DEADLINE", 0.2)
    receiver.always(Answer(200, after=5))
    handshake.shake(webhook.pk)
    assert shaken().error.startswith("timed out")


def test_headers_that_cannot_be_decrypted_are_said(webhook: Webhook, settings: Any) -> None:
    from cryptography.fernet import Fernet

    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    handshake.shake(webhook.pk)
    assert shaken().error.startswith("Not sent: ")


def test_a_webhook_that_is_gone_is_not_asked(receiver: Receiver, webhook: Webhook) -> None:
    switch.delete(webhook.pk)
    handshake.shake(webhook.pk)
    assert receiver.received == [] and not Handshake.objects.exists()


# When


def test_the_form_asks_for_it_once_the_webhook_is_saved_and_when_its_url_changes(
    manager: Client, receiver: Receiver, asked: list[tuple[Any, ...]]
) -> None:
    add = reverse("admin:webhooks_webhook_add")
    form = Page(manager.get(add)).form("webhook_form")
    form |= {"dialect": "leadsquared", "name": "Port", "url": receiver.url, "leadsquared__events": "Lead_Delete"}
    assert manager.post(add, form | {"url": "ftp://x"}).status_code == 200
    assert asked == [] and receiver.received == []
    assert manager.post(add, form).status_code == 302
    made = Webhook.objects.get()
    assert asked == [(made.pk,)] and list(handshake.owed()) == [(made.pk,)]
    handshake.shake(made.pk)
    change = reverse("admin:webhooks_webhook_change", args=[made.pk])
    form = Page(manager.get(change)).form("webhook_form")
    assert manager.post(change, form | {"description": "Other words"}).status_code == 302
    assert len(asked) == 1 and shaken().code == 200
    assert manager.post(change, form | {"url": f"{receiver.url}/other"}).status_code == 302
    assert asked == [(made.pk,), (made.pk,)] and (shaken().code, shaken().asked_at) == (None, None)


def test_so_do_the_api_and_leadsquareds(receiver: Receiver, asked: list[tuple[Any, ...]]) -> None:
    client = api()
    new = {"name": "Port", "system": "leadsquared", "url": receiver.url, "events": ["Lead_Delete"]}
    pk = client.send("POST", "/api/v1/webhooks", new).json()["id"]
    assert asked == [(pk,)]
    client.send("PATCH", f"/api/v1/webhooks/{pk}", {"description": "Other words"})
    assert len(asked) == 1
    client.send("PATCH", f"/api/v1/webhooks/{pk}", {"url": f"{receiver.url}/other"})
    assert len(asked) == 2
    address = f"/v2/Webhook.svc/Create?accessKey={client.key.prefix}&secretKey={client.secret}"
    made = client.send("POST", address, {"URL": receiver.url, "WebhookEvent": "3"}).json()["Message"]["Id"]
    assert asked[2:] == [(int(made),)]


def test_other_systems_have_none(receiver: Receiver, asked: list[tuple[Any, ...]]) -> None:
    client = api()
    pk = client.send("POST", "/api/v1/webhooks", {"name": "Hub", "system": "leadhub", "url": receiver.url}).json()["id"]
    assert asked == [] and not Handshake.objects.exists()
    assert client.send("PATCH", f"/api/v1/webhooks/{pk}", {"system": "leadsquared", "events": ["Lead_Delete"]}).json()
    assert asked == [(pk,)]
    assert client.send("PATCH", f"/api/v1/webhooks/{pk}", {"system": "standard"}).status_code == 200
    assert not Handshake.objects.exists()


def test_a_save_that_is_undone_asks_nothing(webhook: Webhook, asked: list[tuple[Any, ...]]) -> None:
    handshake.shake(webhook.pk)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        handshake.saved(webhook, "https://former.example.com/")
        raise ZeroDivisionError
    assert asked == [] and shaken().code == 200


def test_a_job_that_was_lost_is_asked_for_again_for_an_hour(webhook: Webhook) -> None:
    assert jobs.named(handshake.JOB).waiting == "webhooks.outbound.handshake.owed"
    assert list(handshake.owed()) == [(webhook.pk,)]
    Handshake.objects.update(wanted_at=timezone.now() - handshake.WANTED_FOR)
    assert list(handshake.owed()) == []


# What staff read


def panel(client: Client, webhook: Webhook) -> str:
    text = Page(client.get(reverse("admin:webhooks_webhook_change", args=[webhook.pk]))).text
    return text.partition("Handshake")[2].partition("Secret")[0]


def test_the_page_shows_it_with_its_time(manager: Client, receiver: Receiver, webhook: Webhook) -> None:
    assert "Asking…" in panel(manager, webhook)
    handshake.shake(webhook.pk)
    shown = panel(manager, webhook)
    assert "HEAD answered 200." in shown and ("ago" in shown or "now" in shown)
    assert "all the same" not in shown


def test_the_page_says_that_it_is_not_enforced(manager: Client, receiver: Receiver, webhook: Webhook) -> None:
    receiver.always(Answer(405))
    handshake.shake(webhook.pk)
    shown = panel(manager, webhook)
    assert "HEAD answered 405." in shown and "Events are sent all the same." in shown
    Handshake.objects.update(code=None, error="name not found. The host has no address.")
    assert "Name not found. The host has no address. LeadSquared wants" in panel(manager, webhook)
    Handshake.objects.all().delete()
    assert "Not asked yet." in panel(manager, webhook)
    Webhook.objects.update(dialect="standard", events=["lead.created"])
    assert "Handshake" not in Page(manager.get(reverse("admin:webhooks_webhook_change", args=[webhook.pk]))).text
