"""What webhooks adds to the lead's page."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from leads.changes import acting
from leads.signals import Actor
from tests import factories
from tests.admin import deliveries
from webhooks.admin import lead_panels
from webhooks.models import Delivery, Status
from webhooks.outbound import switch


@pytest.fixture
def webhook(crm):
    return factories.webhook("https://hooks.example.com/in")


@pytest.fixture
def request_of():
    def request_of(user):
        request = RequestFactory().get("/")
        request.user = user
        return request

    return request_of


def history(lead):
    return f"{reverse('admin:webhooks_delivery_changelist')}?lead={lead.pk}"


def test_the_timeline_tells_each_version_and_who_heard_it(crm, webhook, request_of):
    with acting(Actor("user", 3, "Dana Moss")):
        lead = factories.lead(office=crm.leeds)
    with acting(Actor("api_key", 1, "website")):
        lead.stage, lead.title = "VALUATION_BOOKED", "Dr"
        lead.save()
    first, second = Delivery.objects.order_by("pk")
    deliveries.failed(first)
    panel = lead_panels.timeline(request_of(crm.staff), lead)
    assert (panel.title, panel.place, panel.more) == ("Timeline", "aside", ("All", history(lead)))
    body = " ".join(panel.body.split())
    assert body.index("Updated: title, stage") < body.index("Created")
    assert "API key: website" in body
    assert "version 2" in body
    for delivery, state in ((first, "Failure"), (second, "In Queue")):
        assert f'{reverse("admin:webhooks_delivery_change", args=[delivery.pk])}"' in body
        assert f">{state}</span>" in body


def test_a_save_is_one_line_for_each_webhook_however_many_events_it_fires(crm, webhook, request_of):
    events = ["lead.created", "lead.assigned", "lead.stage_changed", "lead.updated"]
    warehouse = factories.webhook("https://hooks.example.com/w", name="Warehouse", dialect="standard", events=events)
    lead = factories.lead(office=crm.leeds)
    lead.stage, lead.title, lead.owner = "VALUATION_BOOKED", "Dr", crm.staff
    lead.save()
    told = list(Delivery.objects.filter(webhook=warehouse, event__version=2).order_by("pk"))
    assert [each.sent_as for each in told] == events[1:]
    deliveries.succeeded(told[0])
    deliveries.failed(told[1])
    panel = lead_panels.timeline(request_of(crm.manager), lead)
    newest = " ".join(panel.body.partition("version 1")[0].split())
    assert newest.count("<summary") == 1
    summary = re.sub("<[^>]*>", "", newest.partition("<summary")[2].partition("</summary>")[0]).partition(">")[2]
    assert summary == "Warehouse1 Failure, 1 In Queue, 1 Success"
    assert '<span class="lc-dot state-failure"' in newest.partition("</summary>")[0]
    opened = newest.partition("</summary>")[2].partition("</details>")[0]
    for each in told:
        assert f'{reverse("admin:webhooks_delivery_change", args=[each.pk])}"' in opened
        assert each.sent_as in opened
    # One delivery is a link, as ever.
    (other,) = Delivery.objects.filter(webhook=webhook, event__version=2)
    assert f'<a href="{reverse("admin:webhooks_delivery_change", args=[other.pk])}"' in newest
    # Deleted webhooks are told apart by their names.
    gone = [factories.webhook(f"https://hooks.example.com/{name}", name=name) for name in ("One", "Two")]
    lead.title = "Prof"
    lead.save()
    for each in gone:
        switch.delete(each.pk)
    body = lead_panels.timeline(request_of(crm.manager), lead).body
    assert "One" in body and "Two" in body


def test_many_events_of_a_save_push_no_version_out(crm, request_of):
    factories.webhook("https://hooks.example.com/w", name="Warehouse", dialect="standard")
    lead = factories.lead(office=crm.leeds)
    for number in range(12):
        lead.stage = "VALUATION_BOOKED" if number % 2 else "NEW"
        lead.title, lead.owner, lead.lead_score = f"No. {number}", (crm.staff, None)[number % 2], number
        lead.save()
    panel = lead_panels.timeline(request_of(crm.manager), lead)
    assert panel.body.count(" · version ") == 8


def test_the_timeline_is_bounded(crm, webhook, request_of):
    lead = factories.lead(office=crm.leeds)
    request = request_of(crm.manager)
    lead_panels.timeline(request, lead)
    with CaptureQueriesContext(connection) as few:
        lead_panels.timeline(request, lead)
    for number in range(12):
        lead.title = f"No. {number}"
        lead.save()
    with CaptureQueriesContext(connection) as many:
        panel = lead_panels.timeline(request, lead)
    assert len(many) == len(few)
    assert panel.body.count("<li>") == 8


def test_the_tab_has_the_newest_deliveries(crm, webhook, request_of):
    lead = factories.lead(office=crm.leeds)
    for number in range(24):
        lead.title = f"No. {number}"
        lead.save()
    panel = lead_panels.deliveries(request_of(crm.manager), lead)
    assert (panel.title, panel.place, panel.slug) == ("Deliveries 25", "tab", "deliveries")
    assert panel.body.count("<tr>") == 21
    assert history(lead) in panel.body


def test_no_panel_without_the_right(crm, webhook, request_of):
    lead = factories.lead(office=crm.leeds)
    request = request_of(crm.viewer)
    assert lead_panels.timeline(request, lead) is None
    assert lead_panels.deliveries(request, lead) is None
    assert lead_panels.queued(request, lead, 0) is None


def test_who_does_not_hear_of_a_lead_without_a_type(crm, webhook, request_of):
    elsewhere = factories.webhook("https://hooks.example.com/y", name="York only", offices=[crm.york])
    factories.webhook("https://hooks.example.com/z", name="Other account", account=crm.other)
    paused = factories.webhook("https://hooks.example.com/p", name="Paused partner")
    switch.pause(paused.pk)
    lead = factories.lead(office=crm.leeds, type=None)
    body = lead_panels.timeline(request_of(crm.staff), lead).body
    assert "Not sent to LeadPro production: type missing." in body
    assert body.count("Not sent to") == 1
    assert elsewhere.name not in body
    lead.type = "vendor"
    lead.save()
    assert "Not sent to" not in lead_panels.timeline(request_of(crm.staff), lead).body


def test_a_save_says_who_does_not_hear_of_it(crm, webhook, request_of):
    lead = factories.lead(office=crm.leeds, type=None)
    request = request_of(crm.staff)
    page = f"/admin/leads/lead/{lead.pk}/change/"
    assert lead_panels.unheard(request, lead, 0) == (
        f'<a href="{page}">Not sent to LeadPro production: type missing.</a>'
    )
    assert lead_panels.unheard(request, lead, lead.version) is None  # nothing was saved
    assert lead_panels.unheard(request_of(crm.viewer), lead, 0) is None
    for number in range(3):
        factories.webhook(f"https://hooks.example.com/{number}", name=f"More {number}")
    assert "Not sent to LeadPro production, More 0 and 2 more: type missing." in lead_panels.unheard(request, lead, 0)
    lead.type = "vendor"
    lead.save()
    assert lead_panels.unheard(request, lead, 1) is None


def test_a_save_says_what_it_queued(crm, webhook, request_of):
    held = factories.webhook("https://hooks.example.com/p", name="Paused partner")
    lead = factories.lead(office=crm.leeds)
    request = request_of(crm.staff)
    assert lead_panels.queued(request, lead, 0) == f'<a href="{history(lead)}">2 deliveries queued.</a>'
    switch.pause(held.pk)
    lead.title = "Dr"
    lead.save()
    assert "1 delivery queued, 1 delivery held." in lead_panels.queued(request, lead, 1)
    assert lead_panels.queued(request, lead, 2) is None


def test_steps_since_a_version_are_told_once_each(crm):
    lead = factories.lead(office=crm.leeds)
    with acting(Actor("user", 3, "Dana Moss")):
        lead.stage = "VALUATION_BOOKED"
        lead.save()
        lead.title = "Dr"
        lead.save()
    steps = lead_panels.steps_since(lead, 1)
    assert [(step.version, step.who) for step in steps] == [(2, "Dana Moss"), (3, "Dana Moss")]
    assert steps[0].changes["stage"] == ("NEW", "VALUATION_BOOKED")
    assert set(steps[1].changes) == {"title"}
    assert [step.version for step in lead_panels.steps_since(lead, 2)] == [3]


def test_a_move_of_stage_is_one_change_in_the_timeline(crm, request_of):
    lead = factories.lead(office=crm.leeds)
    lead.stage = "VALUATION_BOOKED"
    lead.title = "Dr"
    lead.save()
    body = lead_panels.timeline(request_of(crm.manager), lead).body
    told = {each.strip() for each in body.partition("Updated: ")[2].partition("<")[0].split(",")}
    assert told == {"stage", "title"}


def test_names_are_inert(crm, request_of):
    factories.webhook("https://hooks.example.com/in", name="<img src=x>")
    with acting(Actor("user", 3, "<script>alert(1)</script>")):
        lead = factories.lead(office=crm.leeds)
    request = request_of(crm.manager)
    body = lead_panels.timeline(request, lead).body + lead_panels.deliveries(request, lead).body
    assert "<script>" not in body
    assert "<img" not in body


def test_the_lead_page_shows_them(crm, webhook, sign_in):
    lead = factories.lead(office=crm.leeds)
    deliveries.put(Delivery.objects.get(), Status.FAILURE, tries=3, code=500)
    page = sign_in(crm.staff).get(reverse("admin:leads_lead_change", args=[lead.pk])).content.decode()
    assert "Timeline" in page
    assert "Deliveries 1" in page
