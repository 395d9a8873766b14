"""Messages: a thread that its lead's counters, dates and snapshot follow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from leads.models import Campaign, Lead, Message
from leads.models.lead import THREAD_BYTES
from leads.models.message import LONGEST_BODY
from tests import factories
from webhooks.models import Event

pytestmark = pytest.mark.django_db

MORNING = datetime(2025, 5, 6, 8, 58, 10, tzinfo=UTC)


def message(lead: Lead, type: str = "outbound", **values) -> Message:
    return Message.objects.create(lead=lead, type=type, **({"body": "Hello", "date": MORNING} | values))


def snapshot() -> dict:
    return Event.objects.latest("id").frozen.data


def test_an_outbound_message_counts():
    lead = factories.lead()
    message(lead)
    told = snapshot()
    assert (told["number_of_emails"], told["number_of_times_contacted"]) == (1, 1)
    assert (told["last_contacted"], told["number_of_email_replies"]) == ("2025-05-06T08:58:10Z", None)
    assert Event.objects.filter(type="lead.updated").count() == 1


def test_an_inbound_message_counts():
    lead = factories.lead()
    message(lead, "inbound")
    told = snapshot()
    assert (told["number_of_email_replies"], told["last_email_reply_date"]) == (1, "2025-05-06T08:58:10Z")
    assert told["number_of_emails"] is None


def test_messages_add_to_a_base_that_was_imported():
    lead = factories.lead(number_of_emails=7, last_contacted="2030-01-01T00:00:00+01:00")
    message(lead)
    assert snapshot()["number_of_emails"] == 8
    assert snapshot()["last_contacted"] == "2029-12-31T23:00:00Z"


def test_the_thread_is_told_oldest_first_with_all_its_parts():
    lead = factories.lead()
    spring = Campaign.objects.create(account=lead.account, name="Spring")
    later = message(lead, "inbound", date=MORNING + timedelta(minutes=1), from_name="Olivia", from_address="o@x.com")
    first = message(lead, subject="Hello", campaign=spring, tone="Informal", campaign_step=1, word_limit=225)
    assert snapshot()["messages"] == [
        {
            "id": first.pk,
            "type": "outbound",
            "subject": "Hello",
            "body": "Hello",
            "from": {"name": "", "address": ""},
            "to": {"name": "", "address": ""},
            "date": "2025-05-06T08:58:10Z",
            "campaign": "Spring",
            "angle": None,
            "framework": None,
            "test": None,
            "tone": "Informal",
            "campaign_step": 1,
            "word_limit": 225,
        },
        {
            "id": later.pk,
            "type": "inbound",
            "subject": "",
            "body": "Hello",
            "from": {"name": "Olivia", "address": "o@x.com"},
            "to": {"name": "", "address": ""},
            "date": "2025-05-06T08:59:10Z",
            "campaign": None,
            **dict.fromkeys(("angle", "framework", "test", "tone", "campaign_step", "word_limit")),
        },
    ]


def test_a_deleted_lead_is_told_with_its_thread():
    lead = factories.lead()
    message(lead)
    lead.delete()
    event = Event.objects.latest("id")
    assert event.type == "lead.deleted"
    assert [one["body"] for one in json.loads(event.snapshot)["messages"]] == ["Hello"]


def test_of_a_long_thread_the_newest_messages_are_told():
    lead = factories.lead()
    for number in range(THREAD_BYTES // LONGEST_BODY + 3):
        message(lead, subject=str(number), body="é" * (LONGEST_BODY // 2), date=MORNING + timedelta(minutes=number))
    told = snapshot()["messages"]
    assert [one["subject"] for one in told] == [str(number) for number in range(3, THREAD_BYTES // LONGEST_BODY + 3)]
    assert sum(len(one["body"].encode()) for one in told) <= THREAD_BYTES
    assert snapshot()["number_of_emails"] == THREAD_BYTES // LONGEST_BODY + 3


def test_a_date_may_come_as_text():
    message(factories.lead(), date="2025-05-06T10:58:10+02:00")
    assert snapshot()["messages"][0]["date"] == snapshot()["last_contacted"] == "2025-05-06T08:58:10Z"


def test_a_campaign_of_another_account_is_refused():
    lead = factories.lead()
    with pytest.raises(ValidationError) as error:
        message(lead, campaign=Campaign.objects.create(account=factories.account("Elsewhere"), name="Spring"))
    assert error.value.error_dict["campaign"][0].code == "reference"
    assert not Message.objects.exists()


def test_messages_are_saved_one_by_one():
    with pytest.raises(ValueError, match="one by one"):
        Message.objects.bulk_create([Message(lead=factories.lead(), type="inbound", body="Hello")])


def test_mending_a_text_is_no_fact():
    lead = factories.lead()
    one = message(lead)
    before = Event.objects.count()
    one.body = "Hello again"
    one.save()
    assert Event.objects.count() == before
