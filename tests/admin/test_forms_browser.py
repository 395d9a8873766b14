"""Web forms in a browser: the hosted page without scripts, the way on afterwards, and the rows of the admin's form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from leads import roles
from leads.forms import page as hosted
from leads.models import CustomField, Form, Lead, Membership, User
from tests import factories
from tests.axe import grave
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

QUESTIONS = ("full_name", "email", "type", "phone", "address", "postcode", "property_bedrooms", "message")
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


@pytest.fixture
def form() -> Form:
    account = factories.account()
    CustomField.objects.create(
        account=account, key="views", label="Views", kind="choices", choices=["Sea", "Park"], position=1
    )
    CustomField.objects.create(account=account, key="pets", label="Pets", kind="yes_no", position=2)
    rows = [{"key": key, "label": key.replace("_", " "), "required": key == "email"} for key in QUESTIONS]
    rows += [{"key": f"custom_fields.{key}", "label": key, "required": False} for key in ("views", "pets")]
    rows += [{"key": "gdpr_checkbox", "label": "You may call me", "required": True}]
    return Form.objects.create(account=account, name="Valuation", title="What is your home worth?", fields=rows)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages without scripts, as far as the page itself is concerned; what the console complains of is told."""
    contexts: list[BrowserContext] = []

    def visitor(**look: Any) -> Page:
        contexts.append(browser.new_context(java_script_enabled=False, **look))
        return contexts[-1].new_page()

    yield visitor
    for context in contexts:
        context.close()


def test_a_visitor_without_scripts_mends_what_is_wrong(live_server: Any, visitor: Callable[..., Page], form: Form):
    page = visitor()
    page.goto(f"{live_server.url}{hosted.path_of(form)}")
    page.get_by_label("full name").fill("Olivia Hartley")
    page.get_by_label("email").fill("olivia@example")
    page.get_by_label("bedrooms").fill("three")
    page.get_by_label("Sea").check()
    page.get_by_label("No", exact=True).check()
    page.get_by_label("You may call me").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("email must be an e-mail address")
    expect(page.get_by_label("email")).to_be_focused()
    expect(page.get_by_label("full name")).to_have_value("Olivia Hartley")
    expect(page.get_by_label("bedrooms")).to_have_value("three")
    expect(page.get_by_label("Sea")).to_be_checked()
    expect(page.get_by_label("No", exact=True)).to_be_checked()
    page.get_by_label("email").fill("olivia@example.com")
    page.get_by_label("bedrooms").fill("3")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    lead = Lead.objects.get()
    assert (lead.email, lead.get("property_bedrooms")) == ("olivia@example.com", 3)
    assert lead.custom_fields == {"views": ["Sea"], "pets": False}


def test_a_visitor_is_sent_on_to_another_site(
    live_server: Any, visitor: Callable[..., Page], form: Form, receiver: Receiver
):
    """The browser itself refuses to go on where the page's policy does not name that site."""
    form.redirect_url = receiver.url
    form.save()
    page = visitor()
    page.goto(f"{live_server.url}{hosted.path_of(form)}")
    page.get_by_label("full name").fill("Olivia Hartley")
    page.get_by_label("email").fill("olivia@example.com")
    page.get_by_label("You may call me").check()
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(f"{receiver.url}**")
    assert receiver.wait_for(1)[0].method == "GET"


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_whole_and_accessible(live_server: Any, browser: Browser, form: Form, look: str):
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    address = f"{live_server.url}{hosted.path_of(form)}"
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(address)
    faults = grave(page)
    page.locator("form").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_be_visible()
    faults += grave(page)
    wide = page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    trap = page.locator("input[name=contact_url]").bounding_box()
    context.close()
    assert (faults, wide) == ([], 0)
    assert trap is not None and trap["x"] < -1000
    assert hosts == {live_server.url.split("/")[2]}
    # Of the answer 400, not of the policy.
    assert all("400" in words for words in complaints)


def test_rows_are_added_moved_and_removed(live_server: Any, page: Page, form: Form):
    manager = User.objects.create_user("dana", "dana@example.com", is_staff=True)
    Membership.objects.create(user=manager, account=form.account)
    manager.groups.add(Group.objects.get(name=roles.MANAGER))
    client = Client()
    client.force_login(manager)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    page.goto(f"{live_server.url}/admin/leads/form/{form.pk}/change/")
    rows = page.get_by_role("group", name="Fields")
    for _ in range(9):
        rows.get_by_role("button", name="Remove field").nth(2).click()
    rows.get_by_role("button", name="Move up").nth(1).click()
    rows.get_by_role("button", name="Add field").click()
    rows.locator("select[name='fields.key']").nth(2).select_option(label="Company")
    rows.locator("select[name='fields.required']").nth(2).select_option(label="Required")
    rows.get_by_role("button", name="Move down").nth(0).click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/leads/form/")
    form.refresh_from_db()
    assert form.fields == [
        {"key": "full_name", "label": "full name", "required": False},
        {"key": "email", "label": "email", "required": True},
        {"key": "company_name", "label": "Company", "required": True},
    ]
