"""What only a browser shows: pages that fetch themselves, and leave alone what somebody is at."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests import factories
from tests.admin import deliveries, people
from webhooks.models import Cause, Delivery, Issue, Status
from webhooks.outbound import rotation, switch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened(live_server: Any, page: Page) -> Any:
    """Opens an address as a manager; what the console complains of fails the test."""
    client = Client()
    client.force_login(people.manager())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_(path: str) -> Page:
        page.goto(f"{live_server.url}{path}")
        return page

    yield open_
    assert complaints == []


def test_a_webhooks_page_tells_of_its_pause_by_itself(opened: Callable[[str], Page]):
    webhook = factories.webhook()
    factories.lead()
    delivery = Delivery.objects.get()
    page = opened(f"/admin/webhooks/webhook/{webhook.pk}/change/")
    name = page.get_by_label("Name", exact=False).first
    name.fill("Half typed")
    secret = rotation.rotate(webhook.pk, timedelta(days=1))
    switch.pause_by_policy(webhook.pk, "The receiver answered 410 Gone: it wants nothing more.", delivery.pk)
    now = timezone.now()
    Issue.objects.create(
        webhook=webhook,
        account=webhook.account,
        cause=Cause.CLIENT_ERROR,
        first_at=now,
        last_at=now,
        count=1,
        detail="410 Gone",
    )
    alert = page.locator("#webhook-condition .lc-alert")
    expect(alert).to_contain_text("Paused by leadcrm", timeout=20_000)
    expect(alert).to_contain_text("410 Gone: it wants nothing more. 1 delivery is held, and so are new ones.")
    expect(page.locator("#webhook-health .lc-badge")).to_have_text("Paused")
    expect(page.locator("#webhook-issues")).to_contain_text("Answered 4xx")
    expect(name).to_have_value("Half typed")
    assert secret not in page.content()


def test_what_is_opened_in_the_timeline_stays_open(opened: Callable[[str], Page]):
    factories.webhook(
        name="Warehouse", dialect="standard", events=["lead.created", "lead.updated", "lead.stage_changed"]
    )
    lead = factories.lead(office=factories.office())
    lead.stage, lead.title = "VALUATION_BOOKED", "Dr"
    lead.save()
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    line = page.locator("#lead-timeline summary")
    expect(line).to_have_text(re.compile(r"Warehouse\s*2 In Queue"))
    rows = page.locator("#lead-timeline details a")
    expect(rows.first).to_be_hidden()
    line.focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    expect(rows.first).to_be_visible()
    deliveries.put(Delivery.objects.order_by("pk")[1], Status.SUCCESS, tries=1, code=200)
    expect(line).to_have_text(re.compile(r"Warehouse\s*1 In Queue, 1 Success"), timeout=20_000)
    expect(rows.first).to_be_visible()
    expect(line).to_be_focused()
    rows.first.click()
    expect(page).to_have_url(re.compile(r"/admin/webhooks/delivery/\d+/change/"))
