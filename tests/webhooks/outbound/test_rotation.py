"""The life of a signing secret: reading LP-A35, LP-A25."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from tests import factories
from webhooks.models import Webhook
from webhooks.outbound import compose, rotation
from webhooks.outbound.switch import WrongState
from webhooks.wire.verdict import Proof

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def webhook():
    return factories.webhook(secret_since=timezone.now() - 42 * DAY)


def signer(webhook, secrets, now):
    """The secret that the JWT of a request at that time was made with."""
    webhook.refresh_from_db()
    request, _ = compose.build(webhook, b"{}", "msg_1", now)
    token = (request.header("Authorization") or "").removeprefix("Bearer ")
    for secret in secrets:
        try:
            jwt.api_jws.decode(token, secret, algorithms=["HS256"])
        except jwt.InvalidSignatureError:
            continue
        return secret
    return None


def test_the_current_secret_signs_until_the_time_comes(webhook):
    now = timezone.now()
    fresh = rotation.rotate(webhook.pk, DAY)
    both = (webhook.secret, fresh)
    assert len(fresh) == 43 and fresh != webhook.secret
    assert signer(webhook, both, now) == both[0]
    assert signer(webhook, both, now + DAY - timedelta(minutes=1)) == both[0]
    assert signer(webhook, both, now + DAY + timedelta(minutes=1)) == fresh


def test_both_are_accepted_meanwhile_and_one_afterwards(webhook):
    old = webhook.secret
    now = timezone.now()
    fresh = rotation.rotate(webhook.pk, DAY)
    webhook.refresh_from_db()
    for secret, at, proof in [
        (old, now, Proof.VERIFIED),
        (fresh, now, Proof.VERIFIED),
        (old, now + 2 * DAY, Proof.WRONG),
        (fresh, now + 2 * DAY, Proof.VERIFIED),
    ]:
        headers = dict(webhook.wire.sign(b"{}", [secret], {}, True))
        assert webhook.wire.verify(b"{}", headers, webhook.secrets(at)).outcome is proof


def test_without_an_overlap_the_new_secret_signs_at_once(webhook):
    fresh = rotation.rotate(webhook.pk, timedelta(0))
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.next_secret, webhook.next_secret_at) == (fresh, "", None)
    assert timezone.now() - webhook.secret_since < timedelta(minutes=1)


def test_switch_now_ends_the_overlap(webhook):
    fresh = rotation.rotate(webhook.pk, 7 * DAY)
    rotation.switch_now(webhook.pk)
    webhook.refresh_from_db()
    assert webhook.secrets(timezone.now()) == [fresh]
    assert webhook.next_secret_at is None


def test_a_second_rotation_during_the_overlap_is_refused(webhook):
    fresh = rotation.rotate(webhook.pk, DAY)
    with pytest.raises(WrongState, match="is being rotated already"):
        rotation.rotate(webhook.pk, DAY)
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.next_secret) == ("s" * 43, fresh)


def test_after_the_overlap_it_starts_from_the_secret_that_signs(webhook):
    fresh = rotation.rotate(webhook.pk, DAY)
    over = timezone.now() - DAY
    Webhook.objects.update(next_secret_at=over)
    third = rotation.rotate(webhook.pk, DAY)
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.secret_since, webhook.next_secret) == (fresh, over, third)


def test_keys_tell_what_signs_now_and_next(webhook):
    fresh = rotation.rotate(webhook.pk, DAY)
    webhook.refresh_from_db()
    now = timezone.now()
    held = rotation.keys(webhook, now)
    assert (held.current, held.since, held.next) == (webhook.secret, webhook.secret_since, fresh)
    later = rotation.keys(webhook, now + 2 * DAY)
    assert (later.current, later.since, later.next) == (fresh, webhook.next_secret_at, "")


def test_without_a_secret_nothing_is_signed(webhook):
    rotation.rotate(webhook.pk, DAY)
    rotation.remove(webhook.pk)
    webhook.refresh_from_db()
    assert webhook.secrets(timezone.now() + 2 * DAY) == []
    request, _ = compose.build(webhook, b"{}", "msg_1", timezone.now())
    assert request.header("Authorization") is None
    assert request.header("webhook-signature") is None


def test_one_can_be_generated_again(webhook):
    rotation.remove(webhook.pk)
    fresh = rotation.generate(webhook.pk)
    webhook.refresh_from_db()
    assert webhook.secrets(timezone.now()) == [fresh]


@pytest.mark.parametrize(
    ("prepare", "turn"),
    [
        (lambda pk: None, rotation.switch_now),
        (lambda pk: None, rotation.generate),
        (rotation.remove, rotation.remove),
        (rotation.remove, rotation.switch_now),
        (rotation.remove, lambda pk: rotation.rotate(pk, DAY)),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(webhook, prepare, turn):
    prepare(webhook.pk)
    before = Webhook.objects.values("secret", "next_secret", "next_secret_at").get()
    with pytest.raises(WrongState):
        turn(webhook.pk)
    assert Webhook.objects.values("secret", "next_secret", "next_secret_at").get() == before


@pytest.mark.parametrize("overlap", [-timedelta(seconds=1), timedelta(days=7, seconds=1)])
def test_an_overlap_has_up_to_seven_days(webhook, overlap):
    with pytest.raises(ValueError, match="0 to 7 days"):
        rotation.rotate(webhook.pk, overlap)


def test_only_the_end_of_a_secret_is_shown():
    assert rotation.tail("abcdefghijklmnop9fQ2") == "…9fQ2"
    assert rotation.tail("x") == rotation.tail("hunter2") == "…"
