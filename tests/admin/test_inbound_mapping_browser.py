"""The mapping page in a browser: a post comes in, its values are clicked, and the next post makes a lead."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from playwright.sync_api import Page, expect

from leads import roles
from leads.models import ApiKey, Lead, Membership, User
from leads.models.apikey import Scope
from tests import factories
from tests.axe import grave
from webhooks.models import InboundWebhook, Receipt

pytestmark = pytest.mark.django_db(transaction=True)

SENT = {
    "q1": "Olivia Hartley",
    "contact": {"work": {"email": "olivia@example.com"}},
    "town": "Leeds",
    "wishes": "garden,garage",
    "note": "<b onmouseover=alert(1)>hello</b>",
    "answers": [{"name": "Beds", "value": "3"}],
}


@pytest.fixture
def manager() -> User:
    user = User.objects.create_user("dana", "dana@example.com", is_staff=True)
    Membership.objects.create(user=user, account=factories.account())
    user.groups.add(Group.objects.get(name=roles.MANAGER))
    return user


@pytest.fixture
def inbound(manager: User) -> InboundWebhook:
    return InboundWebhook.objects.create(account=manager.membership.account, name="Website")


def test_a_lead_is_mapped_by_clicking(live_server: Any, page: Page, manager: User, inbound: InboundWebhook):
    key = ApiKey(account=inbound.account, user=manager, name="Zapier", scopes=[Scope.INBOUND_WRITE])
    secret = key.generate()
    key.save()

    def post() -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        sent = page.request.post(f"{live_server.url}/in/{inbound.uid}", data=SENT, headers=headers)
        return sent.status

    assert post() == 422
    client = Client()
    client.force_login(manager)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(f"{live_server.url}/admin/webhooks/inboundwebhook/{inbound.pk}/mapping/")

    rows = page.locator("#mapping-rows > [data-row]:visible")
    preview = page.locator("#mapping-preview")
    tree = page.get_by_role("list", name="Parts of the sample")
    expect(preview).to_contain_text("Map at least one field.")

    # A suggestion, by the keyboard.
    page.get_by_role("button", name="Use Business e-mail from contact/work/email").press("Enter")
    expect(rows).to_have_count(1)
    expect(preview).to_contain_text("This sample would make a new lead.")
    expect(tree).to_contain_text("Business e-mail")
    expect(rows.nth(0)).to_contain_text("olivia@example.com")

    # A click makes a row, and waits for its field.
    tree.get_by_role("button", name="contact").focus()
    page.keyboard.press("ArrowUp")
    expect(tree.get_by_role("button", name="q1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows.nth(1).get_by_label("Our field")).to_be_focused()
    rows.nth(1).get_by_label("Our field").select_option("full_name")
    expect(preview).to_contain_text("Olivia Hartley")

    # A click fills the row that is being written.
    page.get_by_role("button", name="Add row").click()
    rows.nth(2).get_by_label("Our field").select_option("tags")
    tree.get_by_role("button", name="wishes").click()
    expect(rows.nth(2).get_by_label("Path or value")).to_have_value("wishes")
    rows.nth(2).get_by_text("Transforms and fallback").click()
    rows.nth(2).get_by_label("Add transform").select_option("split")
    rows.nth(2).get_by_label("Split at: Separator").fill(",")
    expect(preview).to_contain_text("garden, garage")

    # Answers are reached by the names of their questions; what is wrong is told beside the row.
    tree.get_by_role("button", name="value 3").click()
    rows.nth(3).get_by_label("Our field").select_option("full_name")
    expect(rows.nth(3).get_by_label("Path or value")).to_have_value("answers/name=Beds/value")
    expect(rows.nth(3)).to_contain_text("Full name is filled by a row above")
    expect(rows.nth(3).get_by_label("Our field")).to_have_attribute("aria-invalid", "true")
    rows.nth(3).get_by_label("Our field").select_option("property_bedrooms")
    expect(rows.nth(3)).not_to_contain_text("Full name is filled")
    expect(rows.nth(3).get_by_label("Our field")).to_have_attribute("aria-invalid", "false")
    rows.nth(3).get_by_role("button", name="Remove row").click()
    expect(rows).to_have_count(3)
    assert (grave(page, "#mapping-form"), complaints) == ([], [])

    page.get_by_role("button", name="Send Test").click()
    expect(page.get_by_text("The test was refused.")).to_be_visible()
    page.get_by_role("button", name="Save mapping").last.click()
    expect(page.get_by_text("Mapping of Website saved: 3 rows.")).to_be_visible()
    assert not Lead.objects.exists()

    assert post() == 200
    lead = Lead.objects.get()
    assert (lead.full_name, lead.business_email) == ("Olivia Hartley", "olivia@example.com")
    assert lead.get("tags") == ["garden", "garage"]
    assert [receipt.status for receipt in Receipt.objects.order_by("pk")] == ["refused", "refused", "applied"]
    assert complaints == []


def test_the_page_fits_a_phone_and_finds_a_value_among_many(
    live_server: Any, page: Page, manager: User, inbound: InboundWebhook
):
    sent = b'{"groups": [%s], "wanted": "needle"}' % b",".join(b'{"name %d": "%s"}' % (n, b"x" * n) for n in range(200))
    Receipt.objects.create(
        inbound=inbound, account=inbound.account, inbound_name=inbound.name, uid="0" * 32, body=sent, status="refused"
    )
    client = Client()
    client.force_login(manager)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/admin/webhooks/inboundwebhook/{inbound.pk}/mapping/")
    page.get_by_label("Find in the sample").fill("name 17")
    shown = page.locator("#mapping-tree > li:visible")
    # groups, and 11 elements with a name each: 17, 170 to 179.
    expect(shown).to_have_count(1 + 2 * 11)
    page.get_by_label("Find in the sample").fill("needle")
    expect(shown).to_have_count(1)
    shown.get_by_role("button").click()
    expect(page.locator("#mapping-rows > [data-row]:visible").get_by_label("Path or value")).to_have_value("wanted")
    assert page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth") == 0
