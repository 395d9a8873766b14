"""Deliveries are found by their webhook-id, which no index holds but that of tests."""

from __future__ import annotations

import pytest

from tests import factories
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db


def found(message_id: str) -> set[int]:
    return set(Delivery.of_message(message_id).values_list("pk", flat=True))


def test_a_delivery_and_its_replay():
    factories.webhook(name="First")
    factories.webhook(name="Second")
    factories.lead()
    first, second = Delivery.objects.order_by("pk")
    replay = Delivery.objects.get(pk=first.pk)
    replay.pk, replay.replay_of = None, first
    replay.save(force_insert=True)
    assert found(first.message_id) == {first.pk, replay.pk}
    assert found(second.message_id) == {second.pk}


def test_a_test_has_no_event():
    webhook = factories.webhook()
    message_id = f"msg_01JD0000000000000000000000_{webhook.pk}"
    test = Delivery.objects.create(
        account_id=webhook.account_id,
        webhook=webhook,
        webhook_name=webhook.name,
        dialect=webhook.dialect,
        sent_as="lead.created",
        message_id=message_id,
        test=True,
    )
    assert found(message_id) == {test.pk}


@pytest.mark.parametrize("words", ["", "msg_", "msg_01JD0000000000000000000000_1", "nothing of the kind"])
def test_nothing_of_the_kind(words):
    factories.webhook()
    factories.lead()
    assert found(words) == set()
