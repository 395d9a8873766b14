"""What only a browser shows of the webhook's form: the builder, what follows the system, the preview in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from playwright.sync_api import Page, expect

from leads import roles
from leads.models import Campaign, LeadList, Membership, User
from tests import factories
from webhooks.models import Webhook

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/webhooks/webhook/add/"


@pytest.fixture
def opened(live_server: Any, page: Page) -> Any:
    """Opens an address as a manager; what the console complains of fails the test."""
    account = factories.account()
    LeadList.objects.create(account=account, name="Newsletter")
    LeadList.objects.create(account=account, name="VIP")
    Campaign.objects.create(account=account, name="Spring")
    manager = User.objects.create_user("dana", "dana@example.com", is_staff=True)
    Membership.objects.create(user=manager, account=account)
    manager.groups.add(Group.objects.get(name=roles.MANAGER))
    client = Client()
    client.force_login(manager)
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


def settled(page: Page) -> None:
    """htmx has put in what it fetched, and listens to it."""
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")).to_have_count(0)


def choose(page: Page, row: Any, label: str, value: str) -> None:
    row.locator("label").filter(has=page.get_by_text(label, exact=True)).locator("select").select_option(value)
    settled(page)


def press(page: Page, builder: Any, name: str) -> None:
    builder.get_by_role("button", name=name).click()
    settled(page)


def test_filters_are_built_by_choosing(opened: Callable[[str], Page]):
    page = opened(ADD)
    page.get_by_text("LeadEngine", exact=True).click()
    page.get_by_label("Name*").first.fill("LeadEngine production")
    page.get_by_label("Webhook URL").fill("https://hooks.example.com/in")
    builder = page.get_by_role("group", name="Filters", exact=True)
    press(page, builder, "Add filter")
    first = builder.get_by_role("group", name="Filter 1")
    expect(first.get_by_label("Field")).to_be_focused()
    expect(first.get_by_label("Condition")).to_have_count(0)
    choose(page, first, "Field", "lead_status")
    choose(page, first, "Condition", "changed_from_to")
    choose(page, first, "From", "Conversation")
    choose(page, first, "To", "Needs Info")
    press(page, builder, "By list")
    second = builder.get_by_role("group", name="Filter 2")
    second.get_by_label("Newsletter").check()
    settled(page)
    second.get_by_label("VIP").check()
    settled(page)
    summary = "Lead status changed from Conversation to Needs Info, and Lists is one of Newsletter, VIP"
    expect(builder.get_by_role("status")).to_have_text(summary)
    press(page, builder, "By campaign")
    press(page, builder, "Remove filter 3")
    expect(builder.get_by_role("group", name="Filter 3")).to_have_count(0)
    expect(builder.get_by_role("button", name="Add filter")).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/change/")
    expect(page.get_by_role("group", name="Filters", exact=True).get_by_role("status")).to_have_text(summary)
    assert [condition["field"] for condition in Webhook.objects.get().filters] == ["lead_status", "lists"]


def test_the_value_follows_the_field(opened: Callable[[str], Page]):
    page = opened(ADD)
    builder = page.get_by_role("group", name="Filters", exact=True)
    press(page, builder, "Add filter")
    row = builder.get_by_role("group", name="Filter 1")
    for field, kind in (("score", "number"), ("created_at", "datetime-local"), ("first_name", "text")):
        choose(page, row, "Field", field)
        expect(row.locator("input[name='filters.0.value']")).to_have_attribute("type", kind)
    choose(page, row, "Condition", "empty")
    expect(row.locator("[name='filters.0.value']")).to_have_count(0)


def test_the_spare_row_is_for_browsers_without_scripts(opened: Callable[[str], Page]):
    page = opened(ADD)
    expect(page.locator("[name='filters.9999.field']")).to_be_hidden()


def test_fields_follow_the_chosen_system(opened: Callable[[str], Page]):
    page = opened(ADD)
    switch = page.get_by_text("Send webhook-id, webhook-timestamp and webhook-signature")
    expect(switch).to_be_hidden()
    expect(page.locator("#id_typed_secret")).to_be_hidden()
    page.get_by_text("LeadHub", exact=True).click()
    expect(switch).to_be_visible()
    expect(page.locator("#id_typed_secret")).to_be_visible()
    page.get_by_text("save_lead (Tomba)", exact=True).click()
    page.locator("#id_save_lead__method").select_option("PUT")
    expect(page.get_by_text("Events are sent here by HTTP PUT.")).to_be_visible()
    page.get_by_text("LeadPro", exact=True).click()
    shown = page.get_by_text("Events are sent here by HTTP POST.").filter(visible=True)
    expect(shown).to_have_count(1)
    expect(page.locator("#id_typed_secret")).to_be_hidden()


def test_the_preview_comes_in_place_and_what_was_typed_stays(opened: Callable[[str], Page]):
    factories.lead(first_name="Ada", last_name="Lovelace")
    page = opened(ADD)
    page.get_by_label("Name*").first.fill("Ours")
    page.get_by_role("button", name="Preview").click()
    shown = page.get_by_role("region", name="Preview")
    expect(shown.get_by_text("There is no preview yet: the form has errors.")).to_be_visible()
    page.get_by_label("Webhook URL").fill("https://hooks.example.com/in")
    page.get_by_role("button", name="Preview").click()
    expect(shown.get_by_text("Preview. Nothing was sent, and nothing stored.")).to_be_visible()
    expect(shown).to_contain_text("Ada Lovelace")
    expect(shown.locator("[data-view=raw]")).to_be_hidden()
    shown.get_by_role("button", name="Raw").click()
    expect(shown.locator("[data-view=raw]")).to_be_visible()
    expect(page.get_by_label("Name*").first).to_have_value("Ours")
    assert not Webhook.objects.exists()


def test_the_type_decides_what_is_asked_for(opened: Any) -> None:
    """A Lapp has no URL; one that is there stays to be seen, as it is refused."""
    page = opened(ADD)
    url, lapp = page.locator("[name=url]"), page.locator("[name=lapp]")
    expect(page.locator("[name=kind]").first).to_be_hidden()
    page.locator("[name=dialect][value=leadsquared]").check(force=True)
    expect(url).to_be_visible()
    expect(lapp).to_be_hidden()
    expect(page.locator("[name=leadsquared__content_type]")).to_be_visible()
    url.fill("https://hooks.example.com/in")
    page.locator("[name=kind][value=lapp]").check(force=True)
    expect(url).to_be_visible()
    url.fill("")
    expect(url).to_be_hidden()
    for name in ("leadsquared__content_type", "typed_secret", "generate_secret", "send_webhook_headers"):
        expect(page.locator(f"[name={name}]")).to_be_hidden()
    expect(page.get_by_text("Custom headers", exact=True)).to_be_hidden()
    lapp.select_option("follow_up")
    expect(page.get_by_text("Gives the lead's owner a task")).to_be_visible()
    page.locator("[name=name]").fill("Follow up")
    page.locator("[name=leadsquared__events]").select_option("Lead_Post_Create")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("heading", name="Follow up", exact=True)).to_be_visible()
    assert Webhook.objects.get().lapp == "follow_up"
