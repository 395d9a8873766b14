"""What the API reads of a record's columns, kind by kind."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from leads.api.errors import Fault
from leads.api.shape import Offered, key_of, lay_over
from leads.models import Account, Activity, Company, Opportunity, Product, User

DEAL = tuple(key_of(Opportunity, name) for name in ("value", "expected_on", "fields"))


def laid(record: Any, keys: Any, **sent: Any) -> list[tuple[str | None, str, str]]:
    faults: list[Fault] = lay_over(record, keys, sent, "a record")
    return [(fault.field, fault.rule, fault.message) for fault in faults]


def test_amounts_and_days():
    deal = Opportunity()
    assert laid(deal, DEAL, value=1200.5, expected_on="2026-12-01") == []
    assert (deal.value, deal.expected_on) == (Decimal("1200.5"), date(2026, 12, 1))
    assert laid(deal, DEAL, value=None, expected_on=" ") == []
    assert (deal.value, deal.expected_on) == (None, None)
    assert laid(deal, DEAL, value=-5) == []
    assert deal.value == Decimal(-5)


@pytest.mark.parametrize(
    "sent, rule",
    [
        ({"value": "5"}, "number"),
        ({"value": True}, "number"),
        ({"value": 1.005}, "decimals"),
        ({"value": 10**12}, "range"),
        ({"value": -(10**12)}, "range"),
        ({"value": 10**400}, "digits"),
        ({"expected_on": "01.12.2026"}, "date"),
        ({"expected_on": "2026-02-30"}, "date"),
        ({"expected_on": "2026-12-01T09:00:00Z"}, "date"),
        ({"expected_on": "20261201"}, "date"),
        ({"expected_on": 20261201}, "text"),
        ({"fields": ["Result"]}, "string_values"),
        ({"fields": {"Result": 5}}, "string_values"),
        ({"fields": {"Result": "a\x00b"}}, "control_characters"),
    ],
)
def test_what_is_refused(sent: dict[str, Any], rule: str):
    deal = Opportunity()
    [(field, broken, message)] = laid(deal, DEAL, **sent)
    assert (field, broken) == (*sent, rule) and message
    assert (deal.value, deal.expected_on, deal.fields) == (None, None, {})


def test_no_price_is_below_nothing():
    price = (key_of(Product, "price"),)
    assert laid(Product(), price, price=0) == []
    assert laid(Product(), price, price=-0.01) == [("price", "range", "must be a number from 0 to 9999999999.99")]


def test_whole_numbers_below_nothing():
    score = (key_of(Activity, "score"),)
    assert laid(Activity(), score, score=-(2**31)) == []
    assert [rule for _, rule, _ in laid(Activity(), score, score=-(2**31) - 1)] == ["integer"]
    people = (key_of(Company, "number_of_employees"),)
    assert [rule for _, rule, _ in laid(Company(), people, number_of_employees=-1)] == ["integer"]


def test_an_email_is_one():
    email = (key_of(Company, "email"),)
    company = Company()
    assert laid(company, email, email=" office@hartley.example ") == []
    assert company.email == "office@hartley.example"
    assert [rule for _, rule, _ in laid(company, email, email="office")] == ["email"]
    assert laid(company, email, email="") == []
    assert company.email is None


def test_texts_by_label_are_laid_over_one_by_one():
    deal = Opportunity(fields={"Result": "Interested", "Next step": "Visit"})
    assert laid(deal, DEAL, fields={"Next step": None, "Mood": "good", "Doubt": ""}) == []
    assert deal.fields == {"Result": "Interested", "Mood": "good"}
    assert laid(deal, DEAL, fields=None) == []
    assert deal.fields == {}


def test_a_moment_that_was_not_set():
    cancelled = (key_of(Activity, "cancelled_at"),)
    activity = Activity(pk=1, cancelled_at=None)
    assert laid(activity, cancelled, cancelled_at=None) == []
    assert laid(activity, cancelled, cancelled_at="2026-11-21T09:00:00Z") == []
    assert activity.cancelled_at == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert laid(activity, cancelled, cancelled_at=None) == []
    assert activity.cancelled_at is None


@pytest.mark.django_db
def test_a_reference_is_one_of_those_on_offer():
    account = Account.objects.create(name="Skyline")
    dana, left = (User.objects.create(username=name) for name in ("dana", "left"))
    offered = {"owner_id": Offered(User.objects.filter(pk=dana.pk), "an active person of the account")}
    owner = (key_of(Company, "owner"),)
    company = Company(pk=1, account=account, owner=left)

    def faults(pk: Any) -> list[Fault]:
        return lay_over(company, owner, {"owner_id": pk}, "a company", offered)

    # Who gave them may have seen more.
    assert faults(left.pk) == []
    assert faults(dana.pk) == []
    assert company.owner == dana
    assert faults(left.pk) == [Fault("owner_id", "reference", "must be an active person of the account")]
    assert faults(2**63 - 1) == faults(left.pk)
    for worse in ("1", 0, True, 2**63, 1.0):
        assert [fault.rule for fault in faults(worse)] == ["reference"]
    assert company.owner == dana
    assert faults(None) == []
    assert company.owner is None


def test_what_answers_tell_besides_is_ignored():
    name = (key_of(Company, "name"),)
    company = Company(name="Hartley")
    sent = {"id": 5, "name": "Hartley Design", "owner_name": "Dana Moss"}
    assert lay_over(company, name, sent, "a company", ignored=("owner_name",)) == []
    assert (company.pk, company.name) == (None, "Hartley Design")
    assert [fault.field for fault in lay_over(company, name, sent, "a company")] == ["owner_name"]
