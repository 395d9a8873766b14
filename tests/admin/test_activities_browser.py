"""Activities and opportunities in a browser: fields that follow the type, and the dialog that cancels a sale."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from leads.models import Activity, ActivityType, Lead, Opportunity, OpportunityType
from tests import factories
from tests.admin import people
from tests.axe import grave

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened(live_server: Any, page: Page) -> Iterator[Callable[[str], Page]]:
    """Opens an address as a manager; what the console complains of fails the test."""
    cookie = people.browser(people.manager()).cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_(path: str) -> Page:
        page.goto(f"{live_server.url}{path}")
        return page

    yield open_
    assert complaints == []


@pytest.fixture
def lead() -> Lead:
    lead = factories.lead()
    ActivityType.objects.filter(account=lead.account, code=22).update(fields=["Result", "Next step"])
    return lead


def test_the_fields_follow_the_type_and_what_was_typed_stays(opened: Callable[[str], Page], lead: Lead):
    page = opened(f"/admin/leads/activity/add/?lead={lead.pk}&back=lead")
    page.get_by_label("Note").fill("Rang twice")
    expect(page.locator("#further")).to_have_text("This type has none.")
    page.get_by_label("Type*").select_option(label="Outbound phone call")
    page.get_by_label("Next step").fill("Visit")
    assert grave(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#activities-group")).to_contain_text("Rang twice")
    stored = Activity.objects.get()
    assert (stored.type.code, stored.note, stored.fields) == (22, "Rang twice", {"Next step": "Visit"})


def test_stages_follow_the_type_of_an_opportunity(opened: Callable[[str], Page], lead: Lead):
    OpportunityType.objects.create(account=lead.account, name="Renewal", stages=["Due", "Signed"], fields=["Term"])
    page = opened(f"/admin/leads/opportunity/add/?lead={lead.pk}")
    page.get_by_label("Name").fill("Cellar")
    page.get_by_label("Type*").select_option(label="Renewal")
    page.get_by_label("Term").fill("2 years")
    page.get_by_label("Stage").select_option("Signed")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list")).to_contain_text("Cellar")
    stored = Opportunity.objects.get()
    assert (stored.type.name, stored.stage, stored.fields) == ("Renewal", "Signed", {"Term": "2 years"})


def test_a_sales_activity_is_cancelled_in_a_dialog(opened: Callable[[str], Page], lead: Lead):
    sale = Activity.objects.create(lead=lead, type=ActivityType.objects.get(account=lead.account, code=30))
    page = opened(f"/admin/leads/lead/{lead.pk}/change/#activities")
    page.get_by_role("link", name="Cancel sales activity…").click()
    expect(page.locator("#dialog")).to_contain_text("It cannot be undone.")
    page.get_by_role("button", name="Cancel sales activity").click()
    expect(page.locator("#activities-group")).to_contain_text("Cancelled")
    expect(page.get_by_role("link", name="Cancel sales activity…")).to_have_count(0)
    sale.refresh_from_db()
    assert sale.cancelled_at is not None


def test_from_the_list_a_lead_is_found_by_its_name(opened: Callable[[str], Page], lead: Lead):
    page = opened("/admin/leads/activity/add/")
    assert grave(page) == []
    page.locator(".select2-selection").click()
    page.keyboard.type("Hartley")
    page.locator(".select2-results__option", has_text="Olivia Hartley").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Note")).to_be_visible()
    assert f"lead={lead.pk}" in page.url
