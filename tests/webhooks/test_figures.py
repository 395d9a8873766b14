"""How webhooks stand, on either database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import factories
from tests.admin.deliveries import put
from webhooks import figures
from webhooks.models import Delivery, Status

pytestmark = pytest.mark.django_db


def deliver(webhook, status, **values):
    delivery = Delivery.objects.create(
        account=webhook.account, webhook=webhook, webhook_name=webhook.name, dialect="leadpro", sent_as="lead.created"
    )
    return put(delivery, status, **values)


@pytest.fixture
def webhook(db):
    return factories.webhook()


def standing(webhook):
    return figures.standings([webhook.pk])[webhook.pk]


def test_a_webhook_without_deliveries(webhook):
    assert standing(webhook) == figures.Standing()
    assert figures.standings([]) == {}


def test_what_waits_and_what_is_held(webhook):
    for status in (Status.QUEUED, Status.SENDING, Status.HELD, Status.SUCCESS, Status.FAILURE, Status.CANCELLED):
        deliver(webhook, status)
    assert standing(webhook).waiting == 3


def test_the_last_try_is_the_one_that_left_last(webhook):
    first = deliver(webhook, Status.QUEUED, tries=1)
    later = deliver(webhook, Status.SUCCESS, tries=1)
    assert standing(webhook).last_try == later
    put(first, Status.QUEUED, tries=2)
    assert standing(webhook).last_try == first
    deliver(webhook, Status.CANCELLED)
    assert standing(webhook).last_try == first


def test_the_last_success(webhook):
    success = deliver(webhook, Status.SUCCESS, tries=1)
    deliver(webhook, Status.FAILURE, tries=3)
    assert standing(webhook).last_success == success.finished_at
    assert not standing(webhook).older


def test_a_success_that_is_too_far_back_is_not_called_never(webhook, monkeypatch):
    monkeypatch.setattr(figures, "SAMPLE", 3)
    deliver(webhook, Status.SUCCESS, tries=1)
    for _ in range(3):
        deliver(webhook, Status.FAILURE, tries=3)
    assert standing(webhook).last_success is None and standing(webhook).older


def test_tests_and_other_webhooks_do_not_count(webhook):
    other = factories.webhook(name="Other")
    for each, test in ((other, False), (webhook, True)):
        for status in Status:
            delivery = deliver(each, status, tries=1)
            Delivery.objects.filter(pk=delivery.pk).update(test=test)
    assert standing(webhook) == figures.Standing()
    assert figures.rate(webhook.pk, timezone.now() - timedelta(hours=1)) == figures.Rate(0, 0)


def test_the_rate_is_of_what_was_made_since(webhook):
    for status in (Status.SUCCESS, Status.SUCCESS, Status.FAILURE, Status.CANCELLED, Status.QUEUED):
        deliver(webhook, status)
    old = deliver(webhook, Status.FAILURE)
    since = timezone.now() - timedelta(hours=24)
    Delivery.objects.filter(pk=old.pk).update(created_at=since - timedelta(minutes=1))
    assert figures.rate(webhook.pk, since) == figures.Rate(2, 1)


def test_many_cost_as_many_statements_as_one(webhook):
    many = [webhook, *(factories.webhook(name=str(number)) for number in range(20))]
    for each in many:
        deliver(each, Status.SUCCESS, tries=1)
    with CaptureQueriesContext(connection) as queries:
        figures.standings([each.pk for each in many])
    assert len(queries) == 3


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite says which index it takes")
def test_every_figure_reads_an_index(webhook):
    with CaptureQueriesContext(connection) as queries:
        figures.standings([webhook.pk])
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + queries[0]["sql"])
        plan = [row[3] for row in cursor.fetchall()]
    assert [step for step in plan if "delivery" in step and "INDEX" not in step] == []
