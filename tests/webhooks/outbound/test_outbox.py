"""Guarantees 1 and 8: events and deliveries commit with the change; who hears what."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from leads.changes import unit
from leads.models import Lead
from tests import factories
from webhooks.models import Delivery, Event, State, Status

pytestmark = pytest.mark.django_db(transaction=True)


def heard():
    return list(Delivery.objects.order_by("id").values_list("webhook_name", "sent_as"))


def test_a_saved_lead_has_its_event_and_deliveries():
    webhook = factories.webhook()
    lead = factories.lead(office=factories.office())
    event = Event.objects.get()
    assert (event.type, event.record, event.record_id, event.version) == ("lead.created", "lead", lead.pk, 1)
    assert (event.label, event.email, event.account_id) == ("Olivia Hartley", lead.email, lead.account_id)
    assert json.loads(event.snapshot)["office_name"] == "Leeds Central"
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.webhook, delivery.status) == (event, webhook, Status.QUEUED)
    assert delivery.message_id == f"msg_{event.uid}_{webhook.pk}"


def test_what_is_unset_is_told_though_it_is_not_stored():
    lead = factories.lead()
    event = Event.objects.get()
    told = Lead.snapshot(Lead.rows("default", [lead.pk])[lead.pk], {})
    assert list(event.frozen.data.items()) == list(told.items())
    assert told["company_name"] is None and "company_name" not in json.loads(event.snapshot)


@pytest.mark.parametrize("listening", [False, True])
def test_what_cannot_be_committed_leaves_nothing(listening: bool):
    lead = factories.lead()
    if listening:
        factories.webhook()
    with pytest.raises(IntegrityError), unit():
        Lead.plain("default").update(owner_id=2**30)  # looked for at COMMIT
        lead.refresh_from_db()
        lead.score = 7
        lead.save()
    assert Lead.objects.get().score == 0 and Event.objects.count() == 1 and not Delivery.objects.exists()
    lead.refresh_from_db()
    lead.score = 7
    lead.save()
    assert Lead.objects.get().score == 7 and Event.objects.count() > 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="there a statement may take COMMIT along")
def test_nothing_is_committed_before_the_whole_transaction():
    factories.webhook()
    with transaction.atomic():
        factories.lead()
        transaction.set_rollback(True)
    transaction.set_autocommit(False)
    try:
        factories.lead()
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert not Lead.objects.exists() and not Event.objects.exists() and not Delivery.objects.exists()


def test_an_event_is_stored_though_nobody_listens():
    lead = factories.lead()
    lead.stage = "WON"
    lead.save()
    lead.delete()
    types = list(Event.objects.order_by("id").values_list("type", flat=True))
    assert types == ["lead.created", "lead.stage_changed", "lead.field_changed", "lead.updated", "lead.deleted"]
    assert not Delivery.objects.exists()


def test_a_rollback_leaves_neither_event_nor_delivery():
    factories.webhook()
    with pytest.raises(RuntimeError), unit():
        factories.lead()
        assert not Event.objects.exists()
        raise RuntimeError
    with pytest.raises(ValidationError):
        factories.lead(email="nobody")
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()


def test_a_webhook_hears_its_own_account_only():
    theirs = factories.account("Harbour Lets")
    factories.webhook(name="ours")
    factories.webhook(name="theirs", account=theirs)
    factories.lead()
    factories.lead(account=theirs)
    assert heard() == [("ours", "lead.created"), ("theirs", "lead.created")]


def test_a_webhook_may_hear_chosen_offices_only():
    leeds, york = factories.office(), factories.office("York")
    factories.webhook(name="all")
    factories.webhook(name="both", offices=[leeds, york])
    factories.webhook(name="york", offices=[york])
    factories.lead(office=leeds)
    factories.lead()
    assert [name for name, _ in heard()] == ["all", "both", "all"]


def test_a_webhook_hears_the_events_it_chose():
    factories.webhook(name="created", events=["lead.created"])
    factories.webhook(name="updated", events=["lead.updated"])
    lead = factories.lead()
    lead.source = "walk-in"
    lead.save()
    assert heard() == [("created", "lead.created"), ("updated", "lead.updated")]


def test_the_first_type_makes_a_lead_known_to_leadpro():
    factories.webhook(name="created", events=["lead.created"])
    factories.webhook(name="updated", events=["lead.updated"])
    lead = factories.lead(type=None)
    assert heard() == []
    lead.type = "vendor"
    lead.save()
    assert heard() == [("created", "lead.created")]


def test_disabled_webhooks_record_nothing_and_paused_ones_hold():
    factories.webhook(name="disabled", state=State.DISABLED)
    factories.webhook(name="paused", state=State.PAUSED)
    factories.lead()
    assert list(Delivery.objects.values_list("webhook_name", "status")) == [("paused", Status.HELD)]


def statements(write):
    with CaptureQueriesContext(connection) as captured:
        write()
    return [query["sql"] for query in captured if "django_q" not in query["sql"]]


def test_the_number_of_statements_does_not_depend_on_the_webhooks():
    lead = factories.lead()
    counts = []
    webhooks = 0
    for wanted in (1, 10, 100):
        while webhooks < wanted:
            webhooks += 1
            factories.webhook(name=f"webhook {webhooks}")
        lead.source = f"with {wanted}"
        before = Delivery.objects.count()
        counts.append(len(statements(lead.save)))
        assert Delivery.objects.count() == before + wanted
    assert counts[0] == counts[1] == counts[2]


def test_history_outlives_the_lead_and_the_webhook():
    webhook = factories.webhook()
    lead = factories.lead()
    lead.delete()
    webhook.delete()
    delivery = Delivery.objects.get()
    assert (delivery.webhook, delivery.webhook_name) == (None, "LeadPro production")
    assert (delivery.event.label, delivery.event.type) == ("Olivia Hartley", "lead.created")


def test_an_office_stays_while_a_webhook_hears_it_alone():
    leeds, york = factories.office(), factories.office("York")
    only, both = factories.webhook(offices=[york]), factories.webhook(name="both", offices=[leeds, york])
    with pytest.raises(ValidationError, match="the only office of LeadPro production"):
        york.delete()
    assert list(only.offices.all()) == [york]
    leeds.delete()
    assert list(both.offices.all()) == [york]
