"""What leadcrm.css and leadcrm.js add to every page, in a real Chromium: reach by keyboard, names, and refreshing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from leads.models import Lead
from tests import factories
from tests.admin import people
from tests.admin.test_home import deliver
from tests.axe import grave
from webhooks import queue
from webhooks.models import Delivery, Event, State, Status, Webhook

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"desktop": (1440, 900), "laptop": (1024, 768), "phone": (390, 844)}
Opened = Callable[[str], Page]


@pytest.fixture
def opened(live_server: Any, page: Page) -> Iterator[Opened]:
    """Opens an address as a manager; what the console complains of, and a page wider than the screen, fail the test."""
    client = people.browser(people.manager())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_(path: str) -> Page:
        page.goto(f"{live_server.url}{path}")
        expect(page.locator("#main")).to_have_attribute("role", "main")
        return page

    yield open_
    assert complaints == []


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"))


def lead_delivery(hook: Webhook, lead: Lead) -> Delivery:
    """One of the lead that was answered at once."""
    event = Event.objects.filter(record_id=lead.pk).latest("pk")
    return deliver(hook, Status.SUCCESS, event=event, code=200, duration_ms=56, tries=1)


def search_for(page: Page, words: str) -> None:
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Search").get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_home_and_sign_in_bar_nobody(live_server: Any, opened: Opened, page: Page, size: str, scheme: Any) -> None:
    failing, paused = factories.webhook(), factories.webhook(name="LeadSquared", state=State.PAUSED)
    deliver(failing, Status.FAILURE, code=500)
    deliver(paused, Status.HELD)
    factories.lead(first_name="Muhammad", last_name="Fairweather-Cholmondeley of Saffron Walden")
    page.set_viewport_size({"width": SIZES[size][0], "height": SIZES[size][1]})
    page.emulate_media(color_scheme=scheme)
    opened("/admin/")
    assert grave(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/admin/login/")
    assert grave(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_j_k_x_and_enter_work_a_list(opened: Opened) -> None:
    older = factories.lead(first_name="Older", email="older@example.com")
    factories.lead(first_name="Newer", email="newer@example.com")
    page = opened("/admin/leads/lead/")
    page.keyboard.press("j")
    assert "Newer Hartley" in focused(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert "Older Hartley" in focused(page)
    page.keyboard.press("x")
    expect(page.locator("input.action-select:checked")).to_have_count(1)
    page.keyboard.press("x")
    page.keyboard.press("k")
    assert "Newer Hartley" in focused(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/leads/lead/{older.pk}/change/")


def test_letters_typed_into_a_field_stay_letters(opened: Opened) -> None:
    factories.lead()
    page = opened("/admin/leads/lead/")
    page.keyboard.press("/")
    page.keyboard.type("jkx")
    expect(page.locator("#searchbar")).to_have_value("jkx")
    expect(page.locator("input.action-select:checked")).to_have_count(0)


def test_filters_open_keep_the_focus_and_give_it_back(opened: Opened) -> None:
    factories.lead()
    page = opened("/admin/leads/lead/")
    button = page.get_by_role("button", name="Filters")
    button.focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="Filters")
    expect(sheet).to_be_visible()
    expect(sheet.locator(":focus")).to_have_count(1)
    for _ in range(50):
        page.keyboard.press("Tab")
        # Not by :focus, which a date input has not while its own button has the focus.
        assert sheet.evaluate("sheet => sheet.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(button).to_be_focused()


def test_the_account_menu_opens_moves_and_closes_by_keyboard(opened: Opened) -> None:
    page = opened("/admin/")
    menu = page.locator("#nav-sidebar-inner").get_by_role("button", name="manager")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Light")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Dark")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Light")).to_be_hidden()
    expect(menu).to_be_focused()


def test_the_menu_of_a_row_is_reached_by_keyboard(opened: Opened) -> None:
    delivery = deliver(factories.webhook(), Status.FAILURE)
    page = opened("/admin/webhooks/delivery/")
    button = page.get_by_role("button", name="Actions for")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Show")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{delivery.pk}/**")


def test_on_a_phone_rows_are_cards_of_few_lines_and_names_stay_whole(opened: Opened, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    hook = factories.webhook(name="LeadPro practice Northgate")
    lead = factories.lead(full_name="Muhammad Fairweather-Cholmondeley", stage="VALUATION_BOOKED")
    delivery = lead_delivery(hook, lead)
    waiting = lead_delivery(hook, lead)
    type(waiting).objects.filter(pk=waiting.pk).update(status=Status.QUEUED, due_at="2099-01-01T00:00:00Z")

    # A line has some 20 px: name, e-mail, the rest; in the history event, lead and webhook, the rest.
    for path, most in (("/admin/leads/lead/", 90), ("/admin/webhooks/delivery/", 100)):
        opened(path)
        row = page.locator("tr.data-row").first
        expect(row.locator("td.lc-seen").first).to_be_attached()
        assert (row.bounding_box() or {})["height"] < most
    expect(page.locator("tr.data-row .field-shown_tries.lc-bare")).to_have_count(2)

    opened(f"/admin/webhooks/delivery/{delivery.pk}/change/")
    assert "lead.updated to LeadPro" in page.locator("h1").inner_text()
    opened(f"/admin/leads/lead/{lead.pk}/change/")
    page.get_by_role("tab", name="Deliveries").click()
    card = page.locator("#lead-deliveries .lc-card")
    expect(card).to_be_visible()
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth")


def test_the_palette_finds_opens_and_forgets(opened: Opened) -> None:
    lead = factories.lead()
    page = opened("/admin/")
    search_for(page, "olivia")
    result = page.get_by_role("link", name="Olivia Hartley olivia.hartley@example.com")
    expect(result).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/leads/lead/{lead.pk}/change/")
    lead.delete()
    page = opened("/admin/")
    search_for(page, "olivia")
    expect(page.get_by_text("Nothing found for “olivia”.")).to_be_visible()


def test_enter_in_the_palette_opens_the_first_hit_also_before_it_is_there(opened: Opened) -> None:
    factories.lead()
    for words, seen in (("failures", True), ("failures by cause", False)):
        page = opened("/admin/")
        search_for(page, words)
        if seen:
            expect(page.get_by_role("link", name="Failures by cause Integrations")).to_be_visible()
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/webhooks/delivery/causes/")
    page = opened("/admin/")
    search_for(page, "nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing found for “nobody”.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/admin/$"))


def test_home_refreshes_itself_and_leaves_the_focus(opened: Opened) -> None:
    webhook = factories.webhook()
    page = opened("/admin/")
    page.clock.install()
    page = opened("/admin/")
    expect(page.get_by_text("No worker is running.")).to_be_visible()
    link = page.get_by_role("row").get_by_role("link", name=webhook.name)
    link.focus()
    queue.beat(600)
    deliver(webhook, Status.FAILURE)
    page.clock.run_for(31_000)
    expect(page.get_by_text("LeadPro production has been failing")).to_be_visible()
    expect(page.get_by_text("No worker is running.")).to_have_count(0)
    expect(page.get_by_role("row").get_by_role("link", name=webhook.name)).to_be_focused()


def test_times_go_on_by_themselves(opened: Opened) -> None:
    page = opened("/admin/")
    page.clock.install()
    factories.lead()
    page = opened("/admin/")
    page.clock.run_for(5 * 60_000)
    expect(page.locator("section", has_text="Latest leads").locator("time").first).to_have_text("5 min ago")
    assert Lead.objects.count() == 1
