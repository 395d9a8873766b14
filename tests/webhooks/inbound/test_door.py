"""Who may post, what proves it, and what is told to those who may not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from leads import roles
from leads.models import Account, ApiKey, Lead, User
from leads.models.apikey import Scope
from tests import factories
from tests.webhooks.inbound.conftest import MAPPING, SAMPLE, new_key
from webhooks.inbound import process
from webhooks.models import InboundWebhook, Receipt, Verification
from webhooks.wire.signature import sign_standard

pytestmark = pytest.mark.django_db

BODY = json.dumps(SAMPLE).encode()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOWHERE = "x" * 22


def ask(uid: str, body: bytes = BODY, method: str = "POST", **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    client = Client(raise_request_exception=False)
    return client.generic(method, f"/in/{uid}", body, content_type="application/json", headers=given)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def told(response: Any) -> tuple[int, Any, Any]:
    """Of an answer all that may differ between two addresses."""
    body = {**response.json(), "request_id": ""}
    return (
        response.status_code,
        body,
        sorted(set(response.headers.items()) - {("X-Request-ID", response["X-Request-ID"])}),
    )


@pytest.fixture
def sealed(account: Account) -> InboundWebhook:
    """One that takes an HMAC of the body."""
    return InboundWebhook.objects.create(
        account=account, name="Sealed", mapping=MAPPING, verification=Verification.HMAC, secret=SECRET
    )


def test_what_a_killed_process_left_is_applied_by_the_worker_or_by_the_next_post(inbound, secret, monkeypatch):
    """It died between the receipt and the lead."""

    def die(*arguments: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("webhooks.inbound.process.apply.apply", die)
        for name in ("m1", "m2"):
            body = json.dumps(SAMPLE | {"email": f"{name}@example.com"}).encode()
            with pytest.raises(SystemExit):
                ask(inbound.uid, body, **bearer(secret), webhook_id=name)
    assert list(Receipt.objects.values_list("status", flat=True)) == ["received"] * 2
    assert not Lead.objects.exists()
    assert process.waiting() == []
    assert ask(inbound.uid, body, **bearer(secret), webhook_id="m2").json()["action"] == "created"
    Receipt.objects.update(received_at=timezone.now() - process.LEFT_BEHIND - timedelta(seconds=1))
    [(left,)] = process.waiting()
    for _ in range(3):  # a job may be run several times
        process.finish(left)
    assert process.waiting() == []
    assert sorted(Lead.objects.values_list("email", flat=True)) == ["m1@example.com", "m2@example.com"]


def test_a_database_that_does_not_answer_is_a_503_and_the_receipt_is_tried_again(inbound, secret, monkeypatch):
    def fail(*arguments: Any) -> None:
        raise OperationalError("password of the database in here")

    with monkeypatch.context() as patch:
        patch.setattr("webhooks.inbound.process.apply.apply", fail)
        response = ask(inbound.uid, **bearer(secret))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert b"password" not in response.content
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.tries) == ("received", 1)
    process.finish(receipt.pk)
    assert Lead.objects.count() == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_any_other_method_is_405_before_all_else(inbound: InboundWebhook, method: str):
    for uid in (inbound.uid, NOWHERE):
        client = Client(raise_request_exception=False)
        address = f"/in/{uid}?api_key=lck_x"
        response = client.generic(method, address, b"\xff" * 300_000, headers={"Content-Encoding": "gzip"})
        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert method == "HEAD" or response.json()["code"] == "method_not_allowed"


class TestAuthority:
    def test_nobody_finds_out_which_addresses_there_are(self, account, inbound, sealed, secret):
        other = factories.account("Southbank Lettings")
        office = factories.office("Leeds", account=account)
        there = InboundWebhook.objects.create(account=account, office=office, name="Leeds", mapping=MAPPING)
        off = InboundWebhook.objects.create(account=account, name="Off", mapping=MAPPING, enabled=False)
        york = factories.office("York", account=account)
        credentials: list[dict[str, str]] = [
            {},
            bearer("lck_wrong"),
            {"Authorization": "Basic eDp5"},
            {"X-Signature": "00"},
            bearer(new_key(account, scopes=[Scope.LEADS_WRITE])),
            bearer(new_key(account, role=roles.AUDITOR)),
            bearer(new_key(other)),
            bearer(new_key(account, york, role=roles.STAFF)),
        ]
        for headers in credentials:
            missing = told(ask(NOWHERE, **headers))
            assert missing[0] == (404 if headers in credentials[-2:] else 401)
            for webhook in (inbound, sealed, there, off):
                assert told(ask(webhook.uid, **headers)) == missing, (webhook, headers)
        assert told(ask(off.uid, **bearer(secret))) == told(ask(NOWHERE, **bearer(secret)))
        assert ask(NOWHERE, **bearer(secret)).status_code == 404
        assert not Receipt.objects.exists()
        assert not Lead.objects.exists()

    def test_a_key_of_the_account_is_told_why_a_signature_does_not_fit(self, sealed, secret):
        response = ask(sealed.uid, X_Signature="00", **bearer(secret))
        assert response.status_code == 401
        assert "X-Signature" in response.json()["message"]

    def test_addresses_that_no_webhook_has(self, db, secret, inbound):
        for uid in ("%00", "%ff", "a%00b", "%F0%9F%98%80", "x" * 3000, "..%2f", "'", "%0d%0a"):
            assert ask(uid).status_code == 401, uid
            assert ask(uid, **bearer(secret)).status_code == 404, uid

    @pytest.mark.parametrize("why", ["revoked", "expired", "deactivated", "without the right", "moved"])
    def test_a_key_ends_with_what_it_stands_on(self, account, inbound, secret, why):
        key = ApiKey.objects.get()
        assert ask(inbound.uid, **bearer(secret)).status_code == 200
        match why:
            case "revoked":
                ApiKey.objects.update(revoked_at=timezone.now())
            case "expired":
                ApiKey.objects.update(expires_at=timezone.now())
            case "deactivated":
                User.objects.update(is_active=False)
            case "without the right":
                key.user.groups.set(Group.objects.filter(name=roles.AUDITOR))
            case "moved":
                key.user.membership.account = factories.account("Southbank Lettings")
                key.user.membership.save()
        assert ask(inbound.uid, **bearer(secret)).status_code == (404 if why == "moved" else 401)
        assert Receipt.objects.count() == 1

    def test_staff_post_into_their_offices_only(self, account):
        a, b = factories.office("Leeds", account=account), factories.office("York", account=account)
        key = new_key(account, a, role=roles.STAFF)
        here, there = (
            InboundWebhook.objects.create(account=account, office=office, name=office.name, mapping=MAPPING)
            for office in (a, b)
        )
        assert ask(here.uid, **bearer(key)).status_code == 200
        assert Lead.objects.get().office == a
        assert ask(there.uid, **bearer(key)).status_code == 404

    def test_using_a_key_is_noted(self, inbound, secret):
        ask(inbound.uid, **bearer(secret))
        assert ApiKey.objects.get().last_used_at is not None


class TestProofs:
    def test_hmac_in_each_of_its_forms(self, sealed):
        mac = hmac.digest(SECRET.encode(), BODY, hashlib.sha256)
        forms = [mac.hex(), mac.hex().upper(), base64.b64encode(mac).decode()]
        for form in (*forms, *(f"sha256={form}" for form in forms)):
            assert ask(sealed.uid, X_Signature=form).status_code == 200, form
        wrong = hmac.digest(b"another", BODY, hashlib.sha256).hex()
        for form in ("", "sha256=", "00", wrong, f"sha1={mac.hex()}", mac.hex()[:-1], "é" * 64, "\xff", "=" * 64):
            assert ask(sealed.uid, X_Signature=form).status_code == 401, form
        assert ask(sealed.uid, BODY + b" ", X_Signature=mac.hex()).status_code == 401
        InboundWebhook.objects.update(signature_header="X-Hub-Signature-256")
        assert ask(sealed.uid, X_Hub_Signature_256=f"sha256={mac.hex()}").status_code == 200
        assert ask(sealed.uid, X_Signature=mac.hex()).status_code == 401

    def test_the_secret_before_is_good_until_its_grace_is_over(self, sealed):
        old = hmac.digest(b"the old one", BODY, hashlib.sha256).hex()
        sealed.old_secret, sealed.old_secret_until = "the old one", timezone.now() + timedelta(hours=1)
        sealed.save()
        assert ask(sealed.uid, X_Signature=old).status_code == 200
        InboundWebhook.objects.update(old_secret_until=timezone.now())
        assert ask(sealed.uid, X_Signature=old).status_code == 401

    def test_standard_webhooks_within_five_minutes(self, account):
        webhook = InboundWebhook.objects.create(
            account=account, name="Standard", mapping=MAPPING, verification=Verification.STANDARD, secret=SECRET
        )

        def at(seconds: float) -> int:
            moment = int(time.time() + seconds)
            signature = sign_standard(f"msg_{seconds}", moment, BODY, [SECRET])
            headers = {"webhook-id": f"msg_{seconds}", "webhook-timestamp": str(moment), "webhook-signature": signature}
            return ask(webhook.uid, **headers).status_code

        assert [at(seconds) for seconds in (0, -290, 290, -310, 310)] == [200, 200, 200, 401, 401]

    def test_a_secret_that_was_typed_for_an_hmac_is_none_of_standard_webhooks(self, account):
        webhook = InboundWebhook.objects.create(
            account=account, name="Turned", mapping=MAPPING, verification=Verification.STANDARD, secret="whsec_%" * 3
        )
        moment = str(int(time.time()))
        headers = {"webhook-id": "msg_1", "webhook-timestamp": moment, "webhook-signature": "v1,abc"}
        assert ask(webhook.uid, **headers).status_code == 401

    def test_of_a_jwt_the_claims_are_read(self, account):
        webhook = InboundWebhook.objects.create(
            account=account, name="JWT", mapping=MAPPING, verification=Verification.JWT, secret=SECRET
        )
        now = int(time.time())

        def with_token(token: str) -> int:
            return ask(webhook.uid, b"{ what is this", Authorization=f"Bearer {token}").status_code

        def signed(**claims: Any) -> str:
            return jwt.encode({**SAMPLE, **claims}, SECRET, algorithm="HS256")

        good = signed(exp=now + 60, nbf=now)
        assert with_token(good) == 200
        assert Lead.objects.get().business_email == SAMPLE["email"]
        assert ask(webhook.uid, b"", Authorization=good).status_code == 200
        receipt = Receipt.objects.first()
        assert json.loads(bytes(receipt.claims))["email"] == SAMPLE["email"]
        assert good not in json.dumps(receipt.headers)
        for claims in ({"exp": now - 400}, {"nbf": now + 400}, {"exp": str(now + 60)}, {"exp": None}, {"nbf": True}):
            head, payload, _ = good.split(".")
            payload = base64.urlsafe_b64encode(json.dumps({**SAMPLE, **claims}).encode()).rstrip(b"=").decode()
            mac = hmac.digest(SECRET.encode(), f"{head}.{payload}".encode(), hashlib.sha256)
            seal = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
            assert with_token(f"{head}.{payload}.{seal}") == 401, claims
        head, payload, _ = jwt.encode(SAMPLE, "x" * 32, algorithm="HS256").split(".")
        for algorithm in ("none", "None", "RS256", "HS512", "", None):
            forged = (
                base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=").decode()
            )
            mac = hmac.digest(SECRET.encode(), f"{forged}.{payload}".encode(), hashlib.sha256)
            seal = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
            for signature in ("", seal):
                assert with_token(f"{forged}.{payload}.{signature}") == 401, algorithm
        for token in ("", "x", "a.b", "a.b.c", "....", good + "x", "\xff.\xff.\xff", "e30.e30.e30"):
            assert with_token(token) == 401, token

    def test_a_jwt_that_says_no_object_is_kept_and_refused(self, account):
        webhook = InboundWebhook.objects.create(
            account=account, name="JWT", mapping=MAPPING, verification=Verification.JWT, secret=SECRET
        )
        token = jwt.api_jws.encode(b"[" * 5000, SECRET, algorithm="HS256")
        assert ask(webhook.uid, Authorization=token).status_code == 400
        assert Receipt.objects.get().status == "refused"


def test_no_secret_of_a_sender_is_kept_or_logged(inbound, secret, caplog):
    secrets = {
        "Authorization": f"Bearer {secret}",
        "Cookie": "session=opensesame1",
        "X-Api-Key": "opensesame2",
        "X-LeadEngine-Secret": "opensesame3",
        "X-Auth-Token": "opensesame4",
        "Proxy-Authorization": "opensesame5",
        "X-Password": "opensesame6",
        "X-Note": f"my key is {secret}",
    }
    with caplog.at_level("DEBUG"):
        ask(inbound.uid, Idempotency_Key="msg_1", X_Form="contact", **secrets)
        ask(inbound.uid, **{**secrets, "Authorization": "Bearer lck_opensesame7"})
    [receipt] = Receipt.objects.all()
    shown = json.dumps(receipt.headers)
    assert (receipt.headers["idempotency-key"], receipt.headers["x-form"]) == ("msg_1", "contact")
    for text in (shown, caplog.text):
        assert "opensesame" not in text
        assert secret not in text


class TestNames:
    """Of messages: Idempotency-Key, or webhook-id."""

    def test_the_answer_of_an_earlier_one_is_the_same_to_the_byte(self, inbound, secret):
        for number, name in enumerate(("Idempotency-Key", "webhook-id")):
            first, again = (ask(inbound.uid, **bearer(secret), **{name: "m"}) for _ in range(2))
            assert first.content == again.content
            assert Receipt.objects.count() == 1, number
        changed = ask(inbound.uid, b'{"email": "b@example.com"}', **bearer(secret), webhook_id="m")
        assert (changed.status_code, changed.json()["code"]) == (409, "message_id_reused")

    def test_a_name_is_free_again_after_a_day(self, inbound, secret):
        ask(inbound.uid, **bearer(secret), webhook_id="m")
        Receipt.objects.update(received_at=timezone.now() - timedelta(hours=24, seconds=1))
        response = ask(inbound.uid, b'{"email": "b@example.com", "first_name": "B"}', **bearer(secret), webhook_id="m")
        assert response.json()["action"] == "created"
        assert sorted(Receipt.objects.values_list("message_id", flat=True)) == ["", "m"]

    def test_two_webhooks_may_be_sent_the_same_name(self, account, inbound, secret):
        another = InboundWebhook.objects.create(account=account, name="Another", mapping=MAPPING)
        assert ask(inbound.uid, **bearer(secret), webhook_id="m").json()["action"] == "created"
        assert ask(another.uid, **bearer(secret), webhook_id="m").json()["action"] == "updated"

    def test_names_that_cannot_be_kept_are_none(self, inbound, secret):
        for name in ("x" * 256, "a\tb", " "):
            assert ask(inbound.uid, **bearer(secret), webhook_id=name).status_code == 200
        assert set(Receipt.objects.values_list("message_id", flat=True)) == {""}

    @pytest.mark.parametrize(
        "hops, stored, status", [("2", 2, "success"), (" 3 ", 3, "ignored"), ("9" * 40, 999, "ignored")]
    )
    def test_a_loop_is_known_however_far_it_came(self, inbound, secret, hops, stored, status):
        assert ask(inbound.uid, **bearer(secret), webhook_hops=hops).json()["status"] == status
        assert Receipt.objects.get().hops == stored
