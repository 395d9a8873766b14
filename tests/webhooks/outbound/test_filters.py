"""Content filters decide who hears an event, beside events and offices, and cost no statement."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import factories
from webhooks.models import Delivery, Event, State, Status, Webhook

pytestmark = pytest.mark.django_db(transaction=True)


def heard() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("id").values_list("webhook_name", "sent_as"))


def filtered(name: str, *conditions: dict[str, Any], **values: Any) -> Webhook:
    return factories.webhook(name=name, filters=list(conditions), **values)


def test_a_webhook_hears_what_all_its_filters_let_through():
    vendor, york = (
        {"field": "type", "op": "is", "value": "vendor"},
        {"field": "postcode", "op": "contains", "value": "yo"},
    )
    filtered("all")
    filtered("vendors", vendor)
    filtered("vendors of York", vendor, york)
    factories.lead(postcode="YO1 7HH")
    factories.lead(postcode="LS1 1UR")
    assert heard() == [
        ("all", "lead.created"),
        ("vendors", "lead.created"),
        ("vendors of York", "lead.created"),
        ("all", "lead.created"),
        ("vendors", "lead.created"),
    ]


def test_filters_come_on_top_of_events_and_offices():
    leeds, york = factories.office(), factories.office("York")
    vendor = {"field": "type", "op": "is", "value": "vendor"}
    filtered("York's vendors", vendor, offices=[york])
    filtered("vendors' updates", vendor, events=["lead.updated"])
    factories.lead(office=leeds)
    lead = factories.lead(office=york)
    lead.source = "walk-in"
    lead.save()
    assert heard() == [
        ("York's vendors", "lead.created"),
        ("York's vendors", "lead.updated"),
        ("vendors' updates", "lead.updated"),
    ]


def test_a_filter_may_look_at_the_change():
    filtered("won", {"field": "stage", "op": "changed_from_to", "value": "WON"})
    filtered("from new", {"field": "stage", "op": "changed_from_to", "before": "NEW", "value": "CONTACTED"})
    filtered("moved", {"field": "stage", "op": "changed"})
    lead = factories.lead()
    assert heard() == []
    for stage in ("CONTACTED", "WON"):
        lead.stage = stage
        lead.save()
    lead.source = "walk-in"
    lead.save()
    assert [name for name, _ in heard()] == ["from new", "moved", "won", "moved"]


def test_a_paused_webhook_holds_only_what_its_filters_let_through():
    filtered("paused", {"field": "type", "op": "is", "value": "vendor"}, state=State.PAUSED)
    filtered("nobody", {"field": "type", "op": "is", "value": "landlord"}, state=State.PAUSED)
    factories.lead()
    assert list(Delivery.objects.values_list("webhook_name", "status")) == [("paused", Status.HELD)]


@pytest.mark.parametrize(
    "stored",
    [
        "everything",
        [{"field": "type", "op": "resembles", "value": "vendor"}],
        [{"field": "type", "op": "is"}],
    ],
)
def test_filters_that_cannot_be_read_let_nothing_through_and_are_logged(stored: Any, caplog: pytest.LogCaptureFixture):
    broken = factories.webhook(name="broken", filters=stored)
    factories.webhook(name="fine")
    with caplog.at_level(logging.ERROR, logger="webhooks.outbound.outbox"):
        factories.lead()
    assert heard() == [("fine", "lead.created")]
    assert Event.objects.count() == 1
    assert f"webhook {broken.pk} hears nothing until its filters are set anew" in caplog.text


def test_a_filter_on_a_field_that_is_gone_does_not_widen_what_is_heard():
    filtered("gone", {"field": "shoe_size", "op": "is_not", "value": 44})
    filtered("gone too", {"field": "custom_fields.region", "op": "empty"})
    factories.lead()
    assert heard() == []


def test_filters_cost_no_statement():
    lead = factories.lead()
    factories.webhook(name="plain")

    def statements(source: str) -> int:
        lead.source = source
        with CaptureQueriesContext(connection) as captured:
            lead.save()
        return len([query for query in captured if "django_q" not in query["sql"]])

    before = statements("one")
    for number in range(20):
        filtered(f"filtered {number}", {"field": "source", "op": "one_of", "value": ["two", "three"]})
    assert statements("two") == before
    assert Delivery.objects.count() == 22
