"""What only a browser shows of the CRM's screens: rows, dialogs, tabs, and the key that is shown once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from leads import roles
from leads.models import ApiKey, Lead, LeadList, Membership, Task, User
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened(live_server: Any, page: Page) -> Any:
    """Opens an address as a manager; what the console complains of fails the test."""
    account = factories.account()
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


def test_rows_are_added_and_removed(opened: Callable[[str], Page]):
    lead = factories.lead(questionnaire=[["First?", "1"], ["Second?", "2"]])
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_text("Message", exact=True).first.click()
    rows = page.get_by_role("group", name="Questionnaire")
    rows.get_by_role("button", name="Remove row").first.click()
    rows.get_by_label("Question").nth(1).fill("Third?")
    rows.get_by_label("Answer").nth(1).fill("3")
    rows.get_by_role("button", name="Add row").click()
    rows.get_by_label("Question").nth(2).fill("Fourth?")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/leads/lead/")
    lead.refresh_from_db()
    assert lead.get("questionnaire") == [["Second?", "2"], ["Third?", "3"], ["Fourth?", ""]]


def test_every_row_may_go(opened: Callable[[str], Page]):
    lead = factories.lead(meta={"virtual tour": "true"})
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_text("Marketing", exact=True).click()
    rows = page.get_by_role("group", name="Extra details")
    for _ in range(2):
        rows.get_by_role("button", name="Remove row").first.click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/leads/lead/")
    lead.refresh_from_db()
    assert lead.get("meta") is None


def test_a_browser_sends_a_lead_back_as_it_was(opened: Callable[[str], Page]):
    lead = factories.lead(
        message="\nFirst line\nsecond line\n",
        appointment_availability={"hours": ["2021-04-22T10:00:00.000Z", "2021-04-23", "2021-04-24T10:00:30+09:00"]},
        comparable_props=[{"date": "2021-02-10T08:30:00.000+09:00", "price": 0.1, "coords": {"x": -0.08, "y": 51.5}}],
        questionnaire=[["Why\nnow?", ""]],
        average_sale_estimation=123456789012.55,
        gdpr_checkbox=False,
    )
    stored = lead.values()
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/leads/lead/")
    lead = Lead.objects.get()
    assert (lead.values(), lead.version) == (stored, 1)


def test_a_lead_is_referred_in_a_dialog(opened: Callable[[str], Page]):
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    lead = factories.lead(office=leeds)
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_text("Refer to another office…").click()
    dialog = page.locator("#dialog")
    dialog.get_by_role("button", name="Refer lead").click()
    expect(dialog).to_contain_text("Office must be chosen.")
    dialog.locator("select").select_option(label="York Minster Gate")
    dialog.get_by_role("button", name="Refer lead").click()
    expect(page.get_by_text("Olivia Hartley referred to York Minster Gate.")).to_be_visible()
    lead.refresh_from_db()
    assert lead.office == york


def test_the_first_tab_with_an_error_is_open(opened: Callable[[str], Page]):
    lead = factories.lead()
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_text("Message", exact=True).first.click()
    page.locator("#id_message").fill("x" * 8193)
    page.get_by_text("Marketing", exact=True).click()
    page.locator("#id_host").fill("h" * 256)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Message must have at most 8192 characters.")).to_be_visible()
    expect(page.get_by_text("Host must have at most 255 characters.")).to_be_hidden()


def test_an_api_key_is_shown_once(opened: Callable[[str], Page]):
    page = opened("/admin/leads/apikey/add/")
    page.locator("#id_name").fill("website")
    page.get_by_label("Read leads").check()
    page.get_by_role("button", name="Save", exact=True).click()
    secret = page.locator("#secret").inner_text()
    assert ApiKey.find(secret) is not None
    page.reload()
    expect(page.locator("#secret")).to_have_count(0)
    assert secret not in page.content()


def test_labels_are_chosen_and_tags_are_typed(opened: Callable[[str], Page]):
    account = factories.account()
    for name in ("Newsletter", "Landlords"):
        LeadList.objects.create(account=account, name=name)
    lead = factories.lead(tags=["vip"])
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    # What is for browsers without scripts is not shown.
    expect(page.get_by_text("New tags, with commas between them")).to_be_hidden()
    page.locator(".field-tags .select2-selection").click()
    page.keyboard.type("urgent,")
    page.keyboard.type("cash buyer")
    page.keyboard.press("Enter")
    page.locator(".field-lists .select2-selection").click()
    page.get_by_role("option", name="Landlords").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/leads/lead/")
    lead = Lead.objects.get(pk=lead.pk)
    assert set(lead.get("tags")) == {"vip", "urgent", "cash buyer"}
    assert lead.get("lists") == ["Landlords"]


def test_stages_are_moved_by_their_buttons(opened: Callable[[str], Page]):
    pipeline = factories.account().pipelines.get()
    page = opened(f"/admin/leads/pipeline/{pipeline.pk}/change/")
    rows = page.get_by_role("group", name="Stages")
    rows.get_by_role("button", name="Move row down").first.click()
    rows.get_by_role("button", name="Add row").click()
    rows.get_by_label("Name").last.fill("Archived")
    rows.get_by_label("Outcome").last.select_option("Loss")
    for _ in range(2):
        rows.get_by_role("button", name="Move row up").last.click()
        page.keyboard.press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/leads/pipeline/")
    names = list(pipeline.stages.order_by("position").values_list("name", flat=True))
    assert names[:2] == ["Contacted", "New"]
    assert "Archived" in names[-5:]
    assert len(names) == 14


def test_a_message_comes_back_to_its_thread(opened: Callable[[str], Page]):
    lead = factories.lead()
    page = opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_text("Messages 0").click()
    page.get_by_role("link", name="Add inbound message").click()
    page.get_by_label("Body").fill("Thursday at ten")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Thursday at ten")).to_be_visible()
    expect(page.get_by_text("Messages 1")).to_be_visible()
    page.get_by_role("link", name="Edit message").click()
    page.get_by_role("link", name="Go back").click()
    expect(page.get_by_text("Thursday at ten")).to_be_visible()


def test_a_task_is_closed_from_the_list_and_from_the_leads_page(opened: Callable[[str], Page]):
    lead = factories.lead()
    due = timezone.now() + timedelta(hours=1)
    for name in ("Ring", "Visit"):
        Task.objects.create(lead=lead, name=name, due_at=due)
    page = opened("/admin/leads/task/?q=i")
    page.get_by_role("button", name="Complete Ring").click()
    expect(page.get_by_text("Task Ring completed.")).to_be_visible()
    assert page.url.endswith("/admin/leads/task/?q=i")
    page = opened(f"/admin/leads/lead/{lead.pk}/change/#tasks")
    page.get_by_role("button", name="Cancel Visit").click()
    expect(page.get_by_text("Task Visit cancelled.")).to_be_visible()
    # The tab is still open.
    expect(page.get_by_role("button", name="Reopen Ring")).to_be_visible()
    assert set(Task.objects.values_list("name", "status")) == {("Ring", "completed"), ("Visit", "cancelled")}


def test_a_lead_is_found_for_a_task(opened: Callable[[str], Page]):
    lead = factories.lead()
    page = opened("/admin/leads/task/add/")
    page.get_by_label("Name").fill("Ring")
    page.locator("input[name=due_at]").fill("2026-12-01T09:00:00")
    page.locator(".form-row, .field-lead").locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("Hartley")
    page.locator(".select2-results__option", has_text="Hartley").first.click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("saved.")).to_be_visible()
    assert Task.objects.get().lead == lead


def test_the_account_menu_sets_ones_availability(opened: Callable[[str], Page]):
    page = opened("/admin/leads/lead/")
    menu = page.get_by_role("form", name="Your availability")
    expect(menu).to_be_hidden()
    page.get_by_text("dana@example.com").click()
    expect(menu.get_by_role("button", name="Available")).to_have_attribute("aria-pressed", "true")
    menu.get_by_role("button", name="Away").click()
    expect(page.get_by_text("You are shown as away.")).to_be_visible()
    assert page.url.endswith("/admin/leads/lead/")
    assert User.objects.get().availability == "away"
