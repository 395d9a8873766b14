"""The test inbox as a receiver: by test client, and as the target of the real program's own requests."""

from __future__ import annotations

import json
import socket
import threading
import time
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import factories
from webhooks.dialects import DIALECTS
from webhooks.inbox import hold, views
from webhooks.inbox.address import address
from webhooks.models import Answer, InboxMode, InboxRequest, Webhook
from webhooks.outbound import compose, rotation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def webhook():
    return factories.webhook(custom_headers={"X-Api-Key": "hush-hush"})


def signed(webhook, body=None, now=None, message_id="msg_1"):
    """The body and headers of a request as we send it to this webhook."""
    body = webhook.wire.sample({}) if body is None else body
    request, _ = compose.build(webhook, body, message_id, now or timezone.now())
    return request.body, {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers}


def post(webhook, body, headers=None, **extra):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.generic(
        "POST", reverse("inbox", args=[webhook.pk]), body, "application/json", **(headers or {}), **extra
    )


def test_a_genuine_request_is_verified_and_kept_raw(webhook):
    body, headers = signed(webhook)
    response = post(webhook, body, headers)
    assert response.status_code == 200
    kept = InboxRequest.objects.get()
    assert (kept.webhook, kept.method, kept.signature, kept.answered) == (webhook, "POST", "verified", 200)
    assert bytes(kept.body) == body
    assert kept.signature_detail.endswith("webhook-signature fits as well.")
    assert (kept.event, kept.label, kept.message_id) == ("lead.updated", "Sir Ricard Branson", "msg_1")
    stored = dict(json.loads(kept.headers))
    assert stored["authorization"] == headers["HTTP_AUTHORIZATION"]
    assert stored["webhook-id"] == "msg_1"


@pytest.mark.parametrize("system", sorted(DIALECTS))
def test_the_sample_of_every_system_is_genuine_once(system):
    """What a system's own check has read is not told a second time."""
    webhook = factories.webhook("https://hooks.example.com/in", dialect=system)
    response = post(webhook, *signed(webhook))
    assert response.status_code == 200
    kept = InboxRequest.objects.get()
    assert (kept.signature, kept.signature_detail.count("webhook-signature")) == ("verified", 1)
    assert kept.event in webhook.wire.events


def test_a_secret_that_is_sent_as_it_is_is_not_kept(webhook):
    """LeadEngine's shared secret in a header."""
    Webhook.objects.update(dialect="leadengine", url="https://hooks.example.com/in", secret="a shared secret")
    body, headers = signed(Webhook.objects.get())
    assert "a shared secret" in headers.values()
    assert post(webhook, body, headers).status_code == 200
    assert "a shared secret" not in InboxRequest.objects.get().headers


def test_values_of_custom_headers_are_not_kept(webhook):
    post(webhook, *signed(webhook))
    kept = InboxRequest.objects.get()
    assert "hush-hush" not in kept.headers
    assert dict(json.loads(kept.headers))["x-api-key"] == compose.MASK


def test_the_tokens_own_claims_are_read_and_not_the_body(webhook):
    _, headers = signed(webhook)
    del headers["HTTP_WEBHOOK_SIGNATURE"]
    response = post(webhook, b'{"event":"lead.created","data":{"full_name":"Mallory"}}', headers)
    assert response.status_code == 200
    kept = InboxRequest.objects.get()
    assert kept.label == "Sir Ricard Branson"
    assert "differs from its claims" in kept.signature_detail


@pytest.mark.parametrize(
    ("change", "signature"),
    [
        (lambda headers: headers.pop("HTTP_AUTHORIZATION"), "unsigned"),
        (lambda headers: headers.update(HTTP_AUTHORIZATION="Bearer a.b.c"), "wrong"),
        (lambda headers: headers.update(HTTP_AUTHORIZATION="Bearer " + "é" * 50), "wrong"),
        (lambda headers: headers.update(HTTP_WEBHOOK_SIGNATURE="v1,AAAA"), "wrong"),
        (lambda headers: headers.update(HTTP_WEBHOOK_TIMESTAMP="1"), "wrong"),
    ],
)
def test_what_is_not_genuine_is_answered_401(webhook, change, signature):
    body, headers = signed(webhook)
    change(headers)
    assert post(webhook, body, headers).status_code == 401
    kept = InboxRequest.objects.get()
    assert (kept.signature, kept.answered) == (signature, 401)


def test_another_webhooks_secret_is_wrong(webhook):
    other = factories.webhook(secret="o" * 43)
    assert post(webhook, *signed(other)).status_code == 401


def test_without_a_secret_what_is_unsigned_is_welcome(webhook):
    body, headers = signed(webhook)
    rotation.remove(webhook.pk)
    assert post(webhook, body, headers).status_code == 401
    assert post(webhook, body).status_code == 200
    assert list(InboxRequest.objects.values_list("signature", flat=True)) == ["unsigned", "wrong"]


def test_both_secrets_are_good_during_an_overlap(webhook):
    old = signed(webhook)
    fresh = rotation.rotate(webhook.pk, timedelta(days=1))
    assert post(webhook, *old).status_code == 200
    assert post(webhook, *signed(Webhook(pk=webhook.pk, dialect="leadpro", secret=fresh))).status_code == 200
    rotation.switch_now(webhook.pk)
    assert post(webhook, *old).status_code == 401


@pytest.mark.parametrize(
    ("answer", "status", "headers"),
    [
        (Answer.OK, 200, {}),
        (Answer.ERROR, 500, {}),
        (Answer.BUSY, 429, {"Retry-After": "30"}),
    ],
)
def test_it_answers_as_it_was_told(webhook, answer, status, headers):
    InboxMode.objects.create(webhook=webhook, answer=answer)
    response = post(webhook, *signed(webhook))
    assert response.status_code == status
    assert {name: response[name] for name in headers} == headers
    assert InboxRequest.objects.get().answered == status


def test_a_bad_signature_is_401_whatever_it_was_told(webhook):
    InboxMode.objects.create(webhook=webhook, answer=Answer.NONE)
    assert post(webhook, b"{}").status_code == 401


def test_slow_answers_come_late(webhook, monkeypatch):
    monkeypatch.setattr(views, "SLOW_SECONDS", 0.3)
    InboxMode.objects.create(webhook=webhook, answer=Answer.SLOW)
    began = time.monotonic()
    assert post(webhook, *signed(webhook)).status_code == 200
    assert time.monotonic() - began >= 0.3
    assert InboxRequest.objects.get().answered == 200


def test_no_answer_holds_on_for_a_bounded_time(webhook, monkeypatch):
    monkeypatch.setattr(views, "SILENT_SECONDS", 0.3)
    InboxMode.objects.create(webhook=webhook, answer=Answer.NONE)
    post(webhook, *signed(webhook))
    assert InboxRequest.objects.get().answered is None


def test_holding_on_ends_when_the_client_hangs_up():
    ours, theirs = socket.socketpair()
    threading.Timer(0.3, theirs.close).start()
    began = time.monotonic()
    assert not hold.wait(10, ours)
    assert time.monotonic() - began < 2
    ours.close()


def test_a_client_that_stays_is_waited_for():
    ours, theirs = socket.socketpair()
    # What it sends meanwhile is for the next request.
    theirs.send(b"GET")
    assert hold.wait(0.3, ours)
    ours.close()
    theirs.close()


def test_few_may_wait_at_once(webhook):
    InboxMode.objects.create(webhook=webhook, answer=Answer.SLOW)
    places = [hold.place() for _ in range(hold.MOST)]
    try:
        assert all(place.__enter__() for place in places)
        assert post(webhook, *signed(webhook)).status_code == 503
    finally:
        for place in places:
            place.__exit__(None, None, None)
    with hold.place() as free:
        assert free


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_any_method_is_recorded(webhook, method):
    response = Client().generic(method, reverse("inbox", args=[webhook.pk]) + "?a=b")
    assert response.status_code == 401
    kept = InboxRequest.objects.get()
    assert (kept.method, kept.path) == (method, reverse("inbox", args=[webhook.pk]) + "?a=b")


def test_the_largest_body_that_is_taken(webhook):
    rotation.remove(webhook.pk)
    assert post(webhook, b"x" * views.LARGEST_BODY).status_code == 200
    assert post(webhook, b"x" * (views.LARGEST_BODY + 1)).status_code == 413
    assert InboxRequest.objects.count() == 1


def test_a_body_that_django_finds_too_big_is_413(webhook, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert post(webhook, b"x" * 11).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"event":"a\\u0000b","data":{"full_name":"x\\ud800y"}}',
        b'{"event":' + b"9" * 10_000 + b"}",
        b"null",
        json.dumps({"event": "e" * 1000, "data": {"full_name": "n" * 1000}}).encode(),
    ],
    ids=["empty", "no text", "deep", "NUL and surrogate", "long number", "null", "long"],
)
def test_whatever_comes_is_stored(webhook, body):
    rotation.remove(webhook.pk)
    assert post(webhook, body).status_code == 200
    assert bytes(InboxRequest.objects.get().body) == body


def test_the_newest_are_kept(webhook, monkeypatch):
    monkeypatch.setattr(views, "KEPT_REQUESTS", 3)
    rotation.remove(webhook.pk)
    other = factories.webhook(secret="")
    post(other, b"other")
    for number in range(5):
        post(webhook, str(number).encode())
    assert [bytes(each.body) for each in InboxRequest.objects.filter(webhook=webhook)] == [b"4", b"3", b"2"]
    assert InboxRequest.objects.filter(webhook=other).exists()


def test_so_many_bytes_are_kept(webhook, monkeypatch):
    monkeypatch.setattr(views, "KEPT_BYTES", 25)
    rotation.remove(webhook.pk)
    for number in range(4):
        post(webhook, str(number).encode() * 10)
    assert [bytes(each.body)[:1] for each in InboxRequest.objects.all()] == [b"3", b"2"]
    post(webhook, b"x" * 100)
    assert InboxRequest.objects.count() == 1


def test_there_is_no_inbox_where_it_is_switched_off(webhook, settings):
    settings.WEBHOOK_INBOX = False
    assert post(webhook, b"{}").status_code == 404
    assert not InboxRequest.objects.exists()


def test_an_unknown_address_is_404(webhook):
    assert Client().post("/inbox/999999/").status_code == 404


def test_the_address_names_this_installation(webhook, settings):
    settings.SITE_URL = "https://crm.example"
    assert address(webhook) == f"https://crm.example/inbox/{webhook.pk}/"


def test_a_lost_key_is_no_crash(webhook, settings):
    request = signed(webhook)
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert post(webhook, *request).status_code == 401
    kept = InboxRequest.objects.get()
    assert "cannot be decrypted" in kept.signature_detail
    assert "hush-hush" not in kept.headers
