"""Messages: the thread on the lead's page, and the page to add or mend one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from leads.admin import message as screen
from leads.models import Campaign, Lead, Message
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/message/"


def add_to(lead: Lead, direction: str = "outbound") -> str:
    return f"{LIST}add/?lead={lead.pk}&type={direction}"


def page_of(message: Message, view: str = "change") -> str:
    return f"{LIST}{message.pk}/{view}/"


def thread_of(lead: Lead) -> str:
    return f"/admin/leads/lead/{lead.pk}/change/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("message_form") | changes


def message(lead: Lead, day: int = 1, **values: Any) -> Message:
    values = {"type": "outbound", "subject": "Hello", "body": "How are you?"} | values
    return Message.objects.create(lead=lead, date=datetime(2026, 11, day, 9, 14, 5, tzinfo=UTC), **values)


def test_the_thread_stands_on_the_leads_page_the_oldest_first(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    message(lead, 3, type="inbound", subject="Later", from_name="Olivia", from_address="o@example.com")
    message(lead, 2, subject="Sooner", body="One\n<b>two</b>", tone="Warm", word_limit=120)
    for user in (crm.staff, crm.manager, crm.auditor):
        response = sign_in(user).get(thread_of(lead))
        text = Page(response).text
        assert "Messages 2" in text
        assert text.index("Sooner") < text.index("Later")
        assert "Olivia <o@example.com> to Unknown · 3 Nov 2026, 09:14:05 UTC" in text
        assert "How it was generated Tone Warm Word limit 120" in text
        assert b"<b>two" not in response.content
    assert "Sooner" not in Page(sign_in(crm.viewer).get(thread_of(lead))).text


def test_a_long_thread_shows_its_newest_until_all_are_asked_for(crm, sign_in, monkeypatch):
    monkeypatch.setattr(screen, "SHOWN", 2)
    lead = factories.lead(office=crm.leeds)
    for day in (1, 2, 3):
        message(lead, day, subject=f"Day {day}")
    client = sign_in(crm.staff)
    text = Page(client.get(thread_of(lead))).text
    assert "Messages 3" in text
    assert "Show 1 earlier message" in text
    assert ("Day 1" in text, "Day 2" in text, "Day 3" in text) == (False, True, True)
    assert "Day 1" in Page(client.get(f"{thread_of(lead)}?messages=all")).text


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_a_message_is_added_between_user_and_lead(crm, sign_in, direction):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    campaign = Campaign.objects.create(account=crm.account, name="Spring 2026")
    Campaign.objects.create(account=crm.other, name="Of others")
    assert add_to(lead, direction) in Page(client.get(thread_of(lead))).links
    page = Page(client.get(add_to(lead, direction)))
    assert "Of others" not in page.text
    data = page.form("message_form")
    ends = {"from": ("staff", "staff@example.com"), "to": ("Olivia Hartley", "olivia.hartley@example.com")}
    if direction == "inbound":
        ends = {"from": ends["to"], "to": ends["from"]}
    for end, (name, address) in ends.items():
        assert (data[f"{end}_name"], data[f"{end}_address"]) == ([name], [address])
    events = Event.objects.count()
    data |= {"subject": "Your visit", "body": "One\r\ntwo", "date": "2026-11-20T10:30", "campaign": campaign.pk}
    response = client.post(add_to(lead, direction), data | {"tone": "Warm", "campaign_step": "2", "angle": ""})
    assert response["Location"] == f"{thread_of(lead)}#thread"
    assert "Message added." in Page(client.get(thread_of(lead))).text
    stored = Message.objects.get()
    assert stored.told() | {"id": 0, "body": stored.body.replace("\r\n", "\n")} == {
        "id": 0,
        "type": direction,
        "subject": "Your visit",
        "body": "One\ntwo",
        "from": {"name": ends["from"][0], "address": ends["from"][1]},
        "to": {"name": ends["to"][0], "address": ends["to"][1]},
        "date": "2026-11-20T10:30:00Z",
        "campaign": "Spring 2026",
        "angle": None,
        "framework": None,
        "test": None,
        "tone": "Warm",
        "campaign_step": 2,
        "word_limit": None,
    }
    lead = Lead.objects.get(pk=lead.pk)
    counted = "number_of_emails" if direction == "outbound" else "number_of_email_replies"
    assert lead.get(counted) == 1
    told = Event.objects.order_by("pk")[events:]
    assert {event.actor_name for event in told} == {"staff"}
    assert {event.type for event in told} == {"lead.field_changed", "lead.updated"}


@pytest.mark.parametrize(
    ("changes", "message_"),
    [
        ({"body": ""}, "Body is required."),
        ({"body": "x" * 40_000}, "at most 32768 characters"),
        ({"body": "a\x07"}, "Body must not contain control characters"),
        ({"subject": "x" * 256}, "at most 255 characters"),
        ({"date": ""}, "Date is required."),
        ({"date": "yesterday"}, "Date must be a date and time."),
        ({"type": "sideways"}, "sideways is not one of the available choices"),
        ({"campaign": "999999"}, "Campaign must be one of those on offer."),
        ({"word_limit": "-1"}, "greater than or equal to 0"),
        ({"campaign_step": "x"}, "Enter a whole number."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(crm, sign_in, changes, message_):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    response = client.post(add_to(lead), filled(client, add_to(lead), body="Hello") | changes)
    assert response.status_code == 200
    assert message_ in Page(response).text
    assert not Message.objects.exists()


def test_a_campaign_of_another_account_is_refused(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    other = Campaign.objects.create(account=crm.other, name="Of others")
    response = client.post(add_to(lead), filled(client, add_to(lead), body="Hello", campaign=other.pk))
    assert "Campaign must be one of those on offer." in Page(response).text
    assert not Message.objects.exists()


def test_a_message_is_mended_but_keeps_its_type(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    stored = message(lead)
    version, events = Lead.objects.get(pk=lead.pk).version, Event.objects.count()
    assert page_of(stored) in Page(client.get(thread_of(lead))).links
    data = filled(client, page_of(stored), body="Mended", type="inbound")
    response = client.post(page_of(stored), data)
    assert response["Location"] == f"{thread_of(lead)}#thread"
    stored.refresh_from_db()
    assert (stored.body, stored.type, stored.lead) == ("Mended", "outbound", lead)
    assert (Lead.objects.get(pk=lead.pk).version, Event.objects.count()) == (version, events)


def test_managers_delete_a_message_after_a_question(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.manager)
    stored = message(lead)
    assert sign_in(crm.staff).post(page_of(stored, "delete"), {"post": "yes"}).status_code == 403
    text = Page(client.get(page_of(stored, "delete"))).text
    assert "It is removed from the thread with Olivia Hartley. The lead's counters and dates stay as they are." in text
    response = client.post(page_of(stored, "delete"), {"post": "yes"})
    assert response["Location"] == f"{thread_of(lead)}#thread"
    assert not Message.objects.exists()


def test_auditors_only_look(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.auditor)
    stored = message(lead)
    links = Page(client.get(thread_of(lead))).links
    assert add_to(lead) not in links
    assert page_of(stored) not in links
    assert "Save" not in Page(client.get(page_of(stored))).text
    assert client.post(page_of(stored), {"body": "X"}).status_code == 403
    assert client.post(add_to(lead), {"body": "X", "type": "inbound"}).status_code == 403
    assert client.post(page_of(stored, "delete"), {"post": "yes"}).status_code == 403
    assert [*Message.objects.values_list("body", flat=True)] == ["How are you?"]


def test_messages_of_leads_beyond_the_users_reach_are_missing(crm, sign_in):
    cases = [
        (crm.staff, factories.lead(office=crm.york)),
        (crm.staff, factories.lead()),
        (crm.manager, factories.lead(account=crm.other)),
    ]
    for user, lead in cases:
        stored, client = message(lead), sign_in(user)
        for method in (client.get, client.post):
            assert method(page_of(stored), {"body": "X"}).status_code == 404
            assert method(add_to(lead), {"body": "X", "type": "inbound"}).status_code == 404
        if user == crm.manager:
            assert client.post(page_of(stored, "delete"), {"post": "yes"}).status_code == 404
    assert set(Message.objects.values_list("body", flat=True)) == {"How are you?"}


@pytest.mark.parametrize("key", ["", "x", "9" * 30, "-1"])
def test_a_message_needs_a_lead(crm, sign_in, key):
    client = sign_in(crm.manager)
    assert client.get(f"{LIST}add/?lead={key}").status_code == 404
    assert client.post(f"{LIST}add/?lead={key}", {"body": "X"}).status_code == 404


def test_there_is_no_list_of_messages_but_the_way_back_leads_to_the_thread(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    response = sign_in(crm.staff).get(f"{LIST}?lead={lead.pk}")
    assert response["Location"] == f"{thread_of(lead)}#thread"
    assert sign_in(crm.staff_b).get(f"{LIST}?lead={lead.pk}").status_code == 404
    assert sign_in(crm.viewer).get(f"{LIST}?lead={lead.pk}").status_code == 403
    assert sign_in(crm.manager).post(LIST, {"action": "delete_selected"}).status_code == 403
