"""Whose turn it is, at a cost that neither the history nor the backlog changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import factories
from webhooks.models import Delivery, Health, Lane, State, Status, Webhook
from webhooks.outbound import switch, turns

pytestmark = pytest.mark.django_db


@pytest.fixture
def webhook():
    return factories.webhook()


def delivery(webhook: Webhook, status: Status = Status.QUEUED, due: float = 1.0, **columns: Any) -> Delivery:
    """Due for so many seconds."""
    return Delivery.objects.create(
        account=webhook.account,
        webhook=webhook,
        webhook_name="CRM",
        dialect="leadpro",
        sent_as="lead-created",
        message_id="msg_1",
        status=status,
        **{"due_at": timezone.now() - timedelta(seconds=due)} | columns,
    )


def seen() -> list[tuple[int, int]]:
    return [(turn.webhook_id, turn.lane) for turn in turns.look()]


def test_nothing_due(webhook):
    delivery(webhook, due=-60)
    delivery(webhook, Status.SENDING, due=3600, lease_until=timezone.now() + timedelta(minutes=1))
    for status in (Status.HELD, Status.SUCCESS, Status.FAILURE, Status.CANCELLED):
        delivery(webhook, status, due=3600)
    assert turns.overdue() is None and seen() == []


@pytest.mark.parametrize("lane", list(Lane))
def test_the_oldest_of_any_lane_is_overdue(webhook, lane):
    delivery(webhook, due=90, lane=lane)
    for other in Lane:
        delivery(webhook, due=30, lane=other)
    assert turns.overdue() == pytest.approx(90, abs=5)
    assert seen()[0] == (webhook.pk, lane) and len(seen()) == 3


def test_a_lease_that_ran_out_is_overdue(webhook):
    delivery(webhook, Status.SENDING, lease_until=timezone.now() - timedelta(seconds=40))
    assert turns.overdue() == pytest.approx(40, abs=5)


def test_each_webhook_has_its_turn(webhook):
    others = [factories.webhook(name=f"Other {number}") for number in range(3)]
    for number, one in enumerate([webhook, *others]):
        delivery(one, due=10 + number)
        delivery(one, due=5)
    assert seen() == [(one.pk, Lane.LIVE) for one in reversed([webhook, *others])]


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite counts nothing by itself")
def test_what_comes_after_a_quiet_time_is_found_by_the_index_of_what_is_due(webhook):
    one = delivery(webhook, Status.SUCCESS)
    row = {
        field.attname: getattr(one, field.attname) for field in Delivery._meta.concrete_fields if field.attname != "id"
    }
    Delivery.objects.bulk_create([Delivery(**row) for _ in range(400)])
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Delivery._meta.db_table}")
    delivery(webhook)
    delivery(webhook, Status.GROUPED)
    with CaptureQueriesContext(connection) as asked:
        assert turns.look() and turns.complete() and not turns.tried([webhook.pk])
    with connection.cursor() as cursor:
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            assert "delivery_waiting" not in "".join(line for (line,) in cursor.fetchall())


def test_some_are_asked_about_alone(webhook):
    others = [factories.webhook(name=f"Other {number}") for number in range(2)]
    for one in (webhook, *others):
        delivery(one)
    assert {turn.webhook_id for turn in turns.look_at([webhook.pk, others[1].pk])} == {webhook.pk, others[1].pk}
    assert turns.look_at([]) == []


def test_one_that_gets_no_more_now_is_not_asked_about_unless_it_was_stopped(webhook):
    other = factories.webhook(name="Other")
    for one in (webhook, other):
        delivery(one)
    assert [turn.webhook_id for turn in turns.look(beside=[webhook.pk])] == [other.pk]
    Webhook.objects.filter(pk=webhook.pk).update(state=State.DISABLED)
    assert {turn.webhook_id: turn.stopped for turn in turns.look(beside=[webhook.pk])} == {
        webhook.pk: True,
        other.pk: False,
    }


def test_one_that_is_closed_has_none_until_its_time(webhook):
    delivery(webhook, due=90)
    health = Health.objects.create(webhook=webhook, failures=5, closed_until=timezone.now() + timedelta(seconds=30))
    assert seen() == [] and turns.overdue() is None
    health.closed_until = timezone.now() - timedelta(seconds=1)
    health.save()
    (turn,) = turns.look()
    assert turn.limited and not turn.fine
    health.closed_until = timezone.now() + timedelta(seconds=30)
    health.save()
    # What waits for it is to be set aside at once.
    Webhook.objects.update(state=State.PAUSED)
    (turn,) = turns.look()
    assert turn.stopped and not turn.limited


def test_one_that_is_enabled_again_is_not_known_to_be_fine(webhook):
    Health.objects.create(webhook=webhook, succeeded=True)
    delivery(webhook)
    assert [turn.fine for turn in turns.look()] == [True]
    switch.disable(webhook.pk)
    switch.enable(webhook.pk)
    delivery(webhook)
    assert [turn.fine for turn in turns.look()] == [False]


def test_only_the_oldest_of_a_record_has_its_turn_where_order_is_kept(webhook):
    first = delivery(webhook, due=-60, order_key="lead/1")
    delivery(webhook, due=90, order_key="lead/1")
    assert seen() == []
    delivery(webhook, due=30, order_key="lead/2")
    assert turns.overdue() == pytest.approx(30, abs=5)
    Delivery.objects.filter(pk=first.pk).update(status=Status.SUCCESS)
    assert turns.overdue() == pytest.approx(90, abs=5)


def test_an_old_one_that_waits_for_another_try_lets_the_others_go(webhook, settings):
    first = delivery(webhook, due=-60, order_key="lead/1")
    delivery(webhook, due=90, order_key="lead/1")
    Delivery.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(minutes=61))
    assert seen() == [(webhook.pk, Lane.LIVE)]
    # Due, it is the first to go.
    Delivery.objects.filter(pk=first.pk).update(due_at=timezone.now() - timedelta(seconds=10))
    assert turns.overdue() == pytest.approx(10, abs=5)


def test_no_table_is_read_from_end_to_end(webhook):
    delivery(webhook, order_key="lead/1")
    with connection.execute_wrapper(_only_by_index):
        assert turns.overdue() is not None
        assert turns.tried([webhook.pk]) == set()


def _only_by_index(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if connection.vendor == "sqlite":
        explained = connection.connection.execute("EXPLAIN QUERY PLAN " + (sql % tuple("?" * len(params))), params)
        steps = [row[3] for row in explained]
        tables = [f" {name} " for name in (Delivery._meta.db_table, "next", "older")]
        reads = [step for step in steps if any(table in step for table in tables)]
        assert reads and all(" USING " in step for step in reads), steps
    return execute(sql, params, many, context)
