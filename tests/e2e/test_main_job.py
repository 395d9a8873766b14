"""The main job with real processes and a real browser: a saved lead reaches its receiver, signed; the history shows
every try, and replays."""

from __future__ import annotations

import json
import re

import jwt
from playwright.sync_api import Locator, Page, expect

from tests.program import Program
from tests.receiver import Answer, Receiver

# Until a delivery has had all its tries, at a hundredth of the waits.
SOON = 30_000

LEADS = "/admin/leads/lead/"
WEBHOOKS = "/admin/webhooks/webhook/"
HISTORY = "/admin/webhooks/delivery/"
INBOX = "/admin/inbox/"


def add_lead(page: Page, **changes: str) -> None:
    """As staff do it: the form, and Save."""
    page.goto(f"{LEADS}add/")
    page.select_option("[name=type]", "vendor")
    page.select_option("[name=office_id]", label="Leeds Central")
    values = {
        "first_name": "Zoë",
        "last_name": "Ashdown",
        "email": "zoe.ashdown@example.com",
        "phone": "07123 456789",
        "address": "51 Asimov Place",
        "postcode": "LS1 2NL",
    }
    for name, value in (values | changes).items():
        page.fill(f"[name={name}]", value)
    save(page)


def save(page: Page) -> None:
    page.click("[name=_save]")
    expect(page.locator(".lc-alert, .lc-message").filter(has_text="saved").first).to_be_visible()


def answer_with(page: Page, words: str) -> None:
    """Tell the test inbox what to answer from now on."""
    page.goto(INBOX)
    page.get_by_role("button", name=words).click()
    expect(page.get_by_role("button", name=words)).to_have_attribute("aria-pressed", "true")


def newest(page: Page, text: str) -> Locator:
    """The row of the history with this text; the list refreshes itself."""
    return page.locator("#result_list tbody tr", has_text=text).first


def act(page: Page, words: str) -> None:
    """Press the action at the top of the page."""
    page.get_by_role("link", name=words).filter(visible=True).click()


def confirm(page: Page, button: str) -> None:
    """Press the button of the dialog that is open, and wait for the page that follows."""
    with page.expect_navigation():
        page.locator("#modal-content").get_by_role("button", name=button).click()


def main_job(page: Page) -> None:
    add_lead(page)
    # The message leads to what was queued.
    page.locator(".lc-alert a[href*='/delivery/'], .lc-message a[href*='/delivery/']").first.click()
    expect(page.locator("main, #main")).to_contain_text("LeadPro practice")

    page.goto(INBOX)
    arrived = page.locator(".lc-inbox-list li", has_text="Zoë Ashdown")
    expect(arrived).to_contain_text("Verified", timeout=SOON)
    expect(arrived).to_contain_text("lead.created")
    arrived.locator("a").click()
    expect(page.locator("#inbox")).to_contain_text("its claims are the body")

    answer_with(page, "500 error")
    page.goto(f"{LEADS}?q=Ashdown")
    page.click("#result_list tbody th a")
    page.fill("[name=postcode]", "LS2 7EY")
    save(page)
    page.goto(HISTORY)
    row = newest(page, "lead.updated")
    expect(row).to_contain_text("Zoë Ashdown")
    expect(row).to_contain_text("Failure", timeout=SOON)
    expect(row).to_contain_text("500")
    assert row.locator(".field-shown_tries").inner_text().strip().startswith("3")

    row.locator("a[href*='/delivery/']").first.click()
    expect(page.locator("#main")).to_contain_text("The receiver answered 500, 3 times.")
    expect(page.locator("a[href*='?try=']")).to_have_count(3)
    expect(page.locator("#main")).to_contain_text('"postcode": "LS2 7EY"')
    expect(page.locator("#main")).to_contain_text("The inbox was told to answer 500.")
    failed = page.url

    answer_with(page, "200 OK")
    page.goto(failed)
    act(page, "Replay…")
    confirm(page, "Replay delivery")
    page.goto(HISTORY)
    expect(newest(page, "lead.updated")).to_contain_text("Success", timeout=SOON)
    page.goto(INBOX)
    # The same bytes under the same id: the fourth time now.
    expect(page.locator("#inbox")).to_contain_text("seen 4 times")


def test_a_lead_arrives_fails_and_is_replayed(sign_in):
    main_job(sign_in())


def test_a_receiver_elsewhere_gets_what_it_can_verify(demo: Program, sign_in, receiver: Receiver):
    page = sign_in()
    page.goto(f"{WEBHOOKS}add/")
    page.get_by_text("LeadPro", exact=True).click()
    page.fill("[name=name]", "Elsewhere")
    page.fill("[name=url]", receiver.url)
    page.click("[name=_save]")
    secret = page.locator("#secret-value").inner_text()
    page.reload()
    expect(page.locator("#secret-value")).to_have_count(0)

    page.get_by_role("button", name="Send Test").click()
    expect(page.locator("#main")).to_contain_text(re.compile(r"Test answered 200 in \d+ ms"))
    (test,) = receiver.wait_for(1)
    assert test.header("webhook-test") == "true"
    assert json.loads(test.body)["data"]["meta"] == {"virtual tour": "true"}
    page.get_by_role("link", name="Show in Webhook History").click()
    expect(page.locator("#main")).to_contain_text("Test")

    receiver.clear()
    receiver.always(Answer(503))
    add_lead(page)
    page.goto(f"{HISTORY}?q=Ashdown")
    row = newest(page, "Elsewhere")
    expect(row).to_contain_text("Failure", timeout=SOON)
    tries = receiver.wait_for(3)
    assert len({(each.body, each.header("webhook-id")) for each in tries}) == 1
    kind, token = tries[0].header("Authorization").split(" ")
    assert kind == "Bearer"
    assert jwt.decode(token, secret, algorithms=["HS256"]) == json.loads(tries[0].body)

    receiver.always(Answer(200))
    row.locator("a[href*='/delivery/']").first.click()
    act(page, "Replay…")
    confirm(page, "Replay delivery")
    replayed = receiver.wait_for(4)[3]
    assert (replayed.body, replayed.header("webhook-id")) == (tries[0].body, tries[0].header("webhook-id"))
    page.goto(f"{HISTORY}?q=Ashdown")
    expect(newest(page, "Elsewhere")).to_contain_text("Success", timeout=SOON)


def test_pause_holds_and_resume_sends(sign_in):
    page = sign_in()
    page.goto(WEBHOOKS)
    page.click("#result_list tbody th a")
    webhook = page.url
    act(page, "Pause…")
    confirm(page, "Pause webhook")
    expect(page.locator(".lc-head")).to_contain_text("Paused")
    add_lead(page)
    page.goto(HISTORY)
    expect(newest(page, "Zoë Ashdown")).to_contain_text("Held")
    page.goto(webhook)
    act(page, "Resume…")
    expect(page.locator("#modal-content")).to_contain_text("1 held delivery leaves in order")
    confirm(page, "Resume webhook")
    expect(page.locator(".lc-head")).to_contain_text("Enabled")
    page.goto(HISTORY)
    expect(newest(page, "Zoë Ashdown")).to_contain_text("Success", timeout=SOON)
