"""The menu and what else stands around every page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import override_settings

from leadcrm import sidebar
from leads import roles
from leads.models import User
from tests import factories
from tests.admin import people
from tests.admin.test_home import deliver
from webhooks.models import Status

pytestmark = pytest.mark.django_db

ALL = {
    "Home",
    "Leads",
    "Companies",
    "Products",
    "Rules and automations",
    "Tasks",
    "Leaves",
    "Opportunities",
    "Activities",
    "Imports",
    "Pipelines",
    "Opportunity types",
    "Activity types",
    "Tags",
    "Lists",
    "Campaigns",
    "Custom fields",
    "Offices",
    "Forms",
    "Accounts",
    "Webhooks",
    "Webhook History",
    "Inbound webhooks",
    "Receipts",
    "Test inbox",
    "API keys",
    "People",
    "Roles",
}
BY_ROLE = {
    roles.STAFF: {
        "Home",
        "Leads",
        "Companies",
        "Products",
        "Tasks",
        "Leaves",
        "Opportunities",
        "Activities",
        "Imports",
        "Pipelines",
        "Opportunity types",
        "Activity types",
        "Tags",
        "Lists",
        "Campaigns",
        "Offices",
        "Forms",
        "Webhook History",
    },
    roles.MANAGER: ALL - {"Accounts", "Roles"},
    roles.AUDITOR: ALL - {"Accounts", "Roles", "Test inbox", "Imports"},
    "": {"Home"},
}


@pytest.fixture(autouse=True)
def nothing_cached() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def menu(user: User, path: str = "/admin/") -> dict[str, dict]:
    response = people.browser(user).get(path)
    assert response.status_code == 200
    return {entry["title"]: entry for group in response.context["sidebar_navigation"] for entry in group["items"]}


@pytest.mark.parametrize("role", BY_ROLE)
def test_each_role_has_the_items_that_it_may_open(role: str) -> None:
    user = people.person(role)
    client = people.browser(user)
    shown = menu(user)
    assert set(shown) == BY_ROLE[role]
    for title, entry in shown.items():
        assert client.get(entry["link"]).status_code == 200, title


def test_a_superuser_has_every_item() -> None:
    assert set(menu(people.superuser())) == ALL


def test_there_is_no_test_inbox_where_it_is_switched_off() -> None:
    with override_settings(WEBHOOK_INBOX=False):
        assert "Test inbox" not in menu(people.manager())


def test_an_item_whose_page_does_not_exist_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    item = sidebar.Item("Inbound", "call_received", "webhooks_inbound_changelist")
    monkeypatch.setattr(sidebar, "MENU", (*sidebar.MENU, ("Later", (item,))))
    assert "Inbound" not in menu(people.superuser())


@pytest.mark.parametrize("title", sorted(ALL))
def test_one_item_is_active_on_its_page(title: str) -> None:
    user = people.superuser()
    link = menu(user)[title]["link"]
    assert [name for name, entry in menu(user, link).items() if entry["active"]] == [title]


def test_the_history_has_a_badge_with_the_failures_of_24_hours() -> None:
    manager, webhook = people.manager(), factories.webhook()
    assert "badge" not in menu(manager)["Webhook History"]
    deliver(webhook, Status.FAILURE)
    deliver(webhook, Status.FAILURE, hours=25)
    deliver(webhook, Status.FAILURE, test=True)
    deliver(webhook, Status.SUCCESS)
    assert "badge" not in menu(manager)["Webhook History"], "counted anew on each page"
    cache.clear()
    assert menu(manager)["Webhook History"]["badge"] == "1"


def test_the_badge_stops_at_99() -> None:
    webhook = factories.webhook()
    for _ in range(100):
        deliver(webhook, Status.FAILURE)
    assert menu(people.manager())["Webhook History"]["badge"] == "99+"


def test_a_badge_counts_what_the_user_sees() -> None:
    deliver(factories.webhook(), Status.FAILURE)
    elsewhere = people.manager(account=factories.account("Harbour Lettings"))
    assert "badge" not in menu(elsewhere)["Webhook History"]
    assert "badge" not in menu(people.person(roles.STAFF))["Webhook History"]


def test_the_account_stands_below_the_name() -> None:
    assert "Northgate Homes" in people.browser(people.manager()).get("/admin/").content.decode()
    assert "All accounts" in people.browser(people.superuser()).get("/admin/").content.decode()


def test_the_environment_is_told_outside_production() -> None:
    client = people.browser(people.manager())
    with override_settings(ENVIRONMENT="Staging"):
        assert '<span class="lc-badge tone-warning">Staging</span>' in client.get("/admin/").content.decode()
    assert "tone-warning" not in client.get("/admin/").content.decode()


def test_a_page_has_no_inline_script() -> None:
    for content in (people.browser(people.manager()).get("/admin/"), people.Client().get("/admin/login/")):
        assert "<script>" not in content.content.decode()
        assert "script-src 'self' 'unsafe-eval'" in content["Content-Security-Policy"]


def test_signing_in_says_what_was_wrong() -> None:
    people.manager()
    page = people.Client().post("/admin/login/", {"username": "manager", "password": "wrong"}).content.decode()
    assert 'role="alert"' in page
    assert "Please enter the correct" in page or "enter the correct" in page
