"""Products in the admin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from leads.models import Opportunity, OpportunityType, Product
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/product/"
ADD = f"{LIST}add/"


def product(crm: Any, name: str = "Survey", **values: Any) -> Product:
    return Product.objects.create(**{"account": crm.account, "name": name} | values)


def page_of(one: Product, view: str = "change") -> str:
    return f"{LIST}{one.pk}/{view}/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("product_form") | changes


def told() -> list[str]:
    return [event.type for event in Event.objects.filter(record="product").order_by("pk")]


def test_the_list_has_the_accounts_products(crm, sign_in):
    product(crm, code="SUR-1", category="Services", price=Decimal("349.50"))
    product(crm, "Valuation", is_active=False)
    product(crm, "Of others", account=crm.other)
    for user in (crm.staff, crm.manager, crm.auditor):
        text = Page(sign_in(user).get(LIST)).text
        assert "Survey SUR-1 Services 349.50 Active" in text
        assert "Valuation" in text and "Of others" not in text
    client = sign_in(crm.manager)
    for query in ("q=sur-1", "active=yes", "q=services"):
        text = Page(client.get(f"{LIST}?{query}")).text
        assert "Survey" in text and "Valuation" not in text, query
    assert sign_in(crm.viewer).get(LIST).status_code == 403


def test_a_manager_adds_mends_and_deletes_one_and_it_is_told(crm, sign_in):
    client = sign_in(crm.manager)
    client.post(ADD, filled(client, ADD, name=" Survey ", price="349.5", description="Of a house.\r\nIn a day."))
    one = Product.objects.get()
    assert (one.account, one.name, one.price, one.is_active, one.code, one.description) == (
        crm.account,
        "Survey",
        Decimal("349.50"),
        True,
        None,
        "Of a house.\nIn a day.",
    )
    client.post(page_of(one), filled(client, page_of(one)))
    assert told() == ["product.created"]
    sent = filled(client, page_of(one), price="")
    del sent["is_active"]
    client.post(page_of(one), sent)
    one.refresh_from_db()
    assert (one.price, one.is_active) == (None, False)
    lead = factories.lead(office=crm.leeds)
    type_ = OpportunityType.objects.get(account=crm.account)
    deal = Opportunity.objects.create(lead=lead, type=type_, name="House", stage="Prospecting", product=one)
    text = Page(client.get(page_of(one, "delete"))).text
    assert "Delete Survey?" in text and "1 opportunity about it stays, without a product." in text
    client.post(page_of(one, "delete"), {"post": "yes"})
    deal.refresh_from_db()
    assert deal.product is None
    assert told() == ["product.created", "product.updated", "product.deleted"]


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"name": ""}, "name", "Name is required."),
        ({"name": "Valuation"}, "name", "This account has a product of that name."),
        ({"code": "x" * 51}, "code", "at most 50 characters"),
        ({"price": "-1"}, "price", "Price must be 0 or more."),
        ({"price": "much"}, "price", "Price must be a number."),
        ({"price": "0.001"}, "price", "2 decimal places"),
        ({"price": "99999999999"}, "price", "10 digits before the decimal point"),
        ({"description": "a\x07b"}, "description", "Description must not contain control characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(crm, sign_in, changes, key, message):
    product(crm, "Valuation")
    one, client = product(crm), sign_in(crm.manager)
    before = list(Product.objects.values())
    for path in (page_of(one), ADD):
        response = client.post(path, filled(client, path) | {"name": "Another"} | changes)
        assert message in Page(response).text
        errors = response.context["adminform"].form.errors
        assert [*errors] == [key]
    assert list(Product.objects.values()) == before


@pytest.mark.parametrize("user", ["staff", "auditor"])
def test_who_may_only_look_changes_nothing(crm, sign_in, user):
    one, client = product(crm), sign_in(getattr(crm, user))
    assert "Save" not in Page(client.get(page_of(one))).text
    assert client.post(page_of(one), {"name": "X"}).status_code == 403
    assert client.post(page_of(one, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(ADD, {"name": "X"}).status_code == 403
    assert told() == ["product.created"]


@pytest.mark.parametrize("view", ["change", "delete", "history"])
def test_one_of_another_account_is_missing(crm, sign_in, view):
    one, client = product(crm, account=crm.other), sign_in(crm.manager)
    for method in (client.get, client.post):
        assert method(page_of(one, view), {"name": "X", "post": "yes"}).status_code == 404
    assert Product.objects.get().name == "Survey"
