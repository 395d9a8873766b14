"""Every page in light, in dark and on a phone: nothing from elsewhere, nothing cut off sideways, nothing that axe finds
serious; and the keyboard reaches what the mouse does."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page, expect

from tests.axe import grave
from tests.e2e.test_main_job import HISTORY, INBOX, LEADS, SOON, WEBHOOKS

LISTS = (
    *(f"leads/{name}/" for name in ("office", "user", "apikey", "account", "pipeline", "customfield", "form")),
    *(f"leads/{name}/" for name in ("tag", "leadlist", "campaign", "company", "product")),
    *(f"leads/{name}/" for name in ("task", "leave")),
    "webhooks/automation/",
    "webhooks/inboundwebhook/",
    *(f"leads/{name}/" for name in ("activity", "opportunity", "activitytype", "opportunitytype")),
)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# What a theme changes is colours: the other rules of axe were asked in the light.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


# Colours that fade from one theme into the other have done so.
AT_REST = """() => Promise.allSettled(document.getAnimations()
    .filter((each) => each.effect.getTiming().iterations < Infinity)
    .map((each) => each.finished)).then(() => true)"""


def first(page: Page, path: str, selector: str = "#result_list tbody th a") -> str:
    """Where the first row of a list leads."""
    page.goto(path)
    return page.locator(selector).first.get_attribute("href") or ""


def made(page: Page, path: str, name: str) -> str:
    """Where a new record of this list leads: the demo has none."""
    page.goto(f"{path}add/")
    page.select_option("#id_account", index=1)
    page.fill("#id_name", name)
    page.get_by_role("button", name="Save", exact=True).click()
    return first(page, path)


def pages(page: Page) -> Iterator[str]:
    """Addresses of all of them, with the demo's data, for an administrator."""
    page.goto(HISTORY)
    expect(page.locator("#result_list")).not_to_contain_text("In Queue", timeout=SOON)
    yield "/admin/"
    for path in (LEADS, WEBHOOKS, *(f"/admin/{path}" for path in LISTS)):
        yield path
        yield f"{path}add/"
    lead = first(page, f"{LEADS}?q=Lindqvist")
    yield lead
    for name in ("activity", "opportunity"):
        yield f"/admin/leads/{name}/add/?lead={lead.split('/')[-3]}"
    page.goto(LEADS)
    one, other = (page.locator("input[name=_selected_action]").nth(row).input_value() for row in (0, 1))
    yield f"{LEADS}merge/?lead={one}&lead={other}"
    yield first(page, WEBHOOKS)
    yield first(page, "/admin/leads/user/")
    yield first(page, "/admin/leads/pipeline/")
    yield first(page, "/admin/leads/form/")
    yield first(page, "/admin/leads/activitytype/")
    yield first(page, "/admin/leads/opportunitytype/")
    company = made(page, "/admin/leads/company/", "Hartley Design")
    yield company
    yield company.replace("/change/", "/delete/")
    yield f"{company}#leads"
    yield f"/admin/leads/companyactivity/add/?company={company.split('/')[-3]}"
    yield f"{company}#activities"
    yield made(page, "/admin/leads/product/", "Survey")
    yield HISTORY
    yield first(page, HISTORY, "#result_list tbody a[href*='/delivery/']")
    yield f"{HISTORY}causes/"
    yield f"{HISTORY}replay/"
    inbound = first(page, "/admin/webhooks/inboundwebhook/")
    yield inbound
    yield inbound.replace("/change/", "/delete/")
    receipts = "/admin/webhooks/receipt/"
    yield receipts
    yield first(page, f"{receipts}?status__in=refused")
    yield f"{receipts}process/?inbound={inbound.split('/')[-3]}"
    yield INBOX
    yield f"{LEADS}?q=zzzz"
    yield "/admin/password_change/"


def wider(page: Page) -> list[str]:
    """The elements that make the page, or its main part, scroll sideways."""
    return page.evaluate(
        """() => [document.scrollingElement, document.querySelector("#main")].filter(Boolean)
            .filter((each) => each.scrollWidth > each.clientWidth + 1)
            .map((each) => `${each.tagName} is ${each.scrollWidth} px wide, not ${each.clientWidth}`)"""
    )


def test_every_page_is_whole_and_accessible(sign_in):
    page = sign_in("admin")
    faults: dict[str, list[str]] = {}
    for path in list(pages(page)):
        answer = page.goto(path)
        assert answer is not None and answer.status == 200, path
        looks = {"light": grave(page) + wider(page)}
        page.set_viewport_size(PHONE)
        looks["phone"] = grave(page) + wider(page)
        page.set_viewport_size(DESKTOP)
        page.keyboard.press("Control+e")
        page.wait_for_function("document.documentElement.classList.contains('dark')")
        page.evaluate(AT_REST)
        looks["dark"] = grave(page, **COLOURS) + wider(page)
        page.keyboard.press("Control+e")
        faults |= {f"{path} {look}": found for look, found in looks.items() if found}
    assert faults == {}


def test_the_keyboard_reaches_a_lead(sign_in):
    page = sign_in()
    page.keyboard.press("Control+k")
    page.keyboard.type("Lindqvist")
    result = page.locator("a", has_text="Harriet Lindqvist").filter(visible=True).first
    expect(result).to_be_visible()
    page.goto(LEADS)
    second = page.locator("#result_list tbody th .lc-first").nth(1).inner_text()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_contain_text("Version")
    expect(page.locator(".lc-head h2")).to_have_text(second)
