"""Each record beside the lead tells what happened to it, once per unit of work, in its account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from leads.changes import acting, unit
from leads.models import (
    Account,
    Activity,
    ActivityType,
    Company,
    CompanyActivity,
    Lead,
    Leave,
    Membership,
    Office,
    Opportunity,
    OpportunityType,
    Product,
    Task,
    User,
)
from leads.models.task import TaskStatus
from leads.signals import Actor, Fact, happened

pytestmark = pytest.mark.django_db


@pytest.fixture
def told() -> Iterator[list[Fact]]:
    facts: list[Fact] = []

    def hear(facts_of: Any = None, **kwargs: Any) -> None:
        facts.extend(kwargs["facts"])

    happened.connect(hear, weak=False)
    yield facts
    happened.disconnect(hear)


def types(told: list[Fact]) -> list[str]:
    names = [fact.type for fact in told]
    told.clear()
    return names


@pytest.fixture
def account() -> Account:
    return Account.objects.create(name="Skyline")


@pytest.fixture
def lead(account: Account) -> Lead:
    return Lead.objects.create(account=account, full_name="Jane Smith", email="jane@example.com")


@pytest.fixture
def dana(account: Account) -> User:
    user = User.objects.create(username="dana", first_name="Dana", last_name="Moss", email="dana@example.com")
    Membership.objects.create(user=user, account=account)
    return user


def kind(account: Account, code: int) -> ActivityType:
    return ActivityType.objects.get(account=account, code=code)


def test_a_company(account: Account, dana: User, told: list[Fact]) -> None:
    company = Company.objects.create(account=account, name="Hartley Design", owner=dana)
    assert (told[0].snapshot["owner"], told[0].snapshot["owner_name"]) == ("dana@example.com", "Dana Moss")
    assert told[0].changes["name"] == (None, "Hartley Design")
    assert types(told) == ["account.created"]
    company.name = "Hartley"
    company.owner = None
    company.save()
    assert told[0].changes == {
        "name": ("Hartley Design", "Hartley"),
        "owner_id": (dana.pk, None),
        "owner": ("dana@example.com", None),
        "owner_name": ("Dana Moss", None),
    }
    assert (told[0].record, told[0].version) == ("company", 2)
    assert types(told) == ["account.updated"]
    company.save()
    assert types(told) == []
    company.delete()
    assert types(told) == ["account.deleted"]


def test_activities_of_leads_by_their_type(account: Account, lead: Lead, told: list[Fact]) -> None:
    call = Activity.objects.create(lead=lead, type=kind(account, 21), note="Rang twice")
    assert told[0].snapshot | {"lead_name": "Jane Smith", "type_code": 21, "account_id": account.pk} == told[0].snapshot
    assert types(told) == ["activity.created"]
    Activity.objects.filter(pk=call.pk).update(note="Rang once")
    assert types(told) == ["activity.updated"]
    sale = Activity.objects.create(lead=lead, type=kind(account, 30))
    sale.status = "Invoiced"
    sale.save()
    sale.cancelled_at = timezone.now()
    sale.save()
    assert types(told) == ["sales_activity.created", "sales_activity.updated", "sales_activity.cancelled"]
    call.cancelled_at = timezone.now()
    with pytest.raises(ValidationError, match="sales activities only"):
        call.save()
    call.delete()
    assert types(told) == []


def test_the_fields_of_a_kind(account: Account, lead: Lead, told: list[Fact]) -> None:
    call = kind(account, 21)
    call.fields = ["Result", "Next step"]
    call.save()
    activity = Activity.objects.create(lead=lead, type=call, fields={"Next step": "Visit"})
    assert list(told[0].snapshot["fields"].items()) == [("Result", None), ("Next step", "Visit")]
    told.clear()
    activity.fields = {"Result": "Interested", "Next step": "Visit"}
    activity.save()
    assert told[0].changes == {"fields.Result": (None, "Interested")}
    activity.fields = {"Mood": "good"}
    with pytest.raises(ValidationError, match="has no field Mood"):
        activity.save()
    call.fields = ["Next step", "Result"]
    with pytest.raises(ValidationError, match="keep their labels and places"):
        call.save()
    call.fields = ["Result", "Next step", "Mood"]
    call.save()


def test_an_activity_of_a_company(account: Account, lead: Lead, told: list[Fact]) -> None:
    company = Company.objects.create(account=account, name="Hartley Design")
    told.clear()
    review = CompanyActivity.objects.create(company=company, type=kind(account, 202))
    review.note = "All is well"
    review.save()
    assert types(told) == ["account_activity.created", "account_activity.updated"]
    with pytest.raises(ValidationError, match="must be a type for companies"):
        CompanyActivity.objects.create(company=company, type=kind(account, 21))
    with pytest.raises(ValidationError, match="must be a type for leads"):
        Activity.objects.create(lead=lead, type=kind(account, 202))


def test_an_opportunity(account: Account, lead: Lead, told: list[Fact]) -> None:
    type_ = OpportunityType.objects.get(account=account)
    deal = Opportunity.objects.create(lead=lead, type=type_, name="Roof", stage="Prospecting", value=Decimal("1200.50"))
    assert (told[0].snapshot["value"], told[0].snapshot["type_code"]) == (1200.5, 12_000)
    assert types(told) == ["opportunity.created"]
    deal.value = Decimal(1500)
    deal.expected_on = date(2026, 12, 1)
    deal.save()
    assert told[0].changes == {"value": (1200.5, 1500), "expected_on": (None, "2026-12-01")}
    assert types(told) == ["opportunity.field_changed", "opportunity.updated"]
    deal.status = "won"
    deal.save()
    assert types(told) == ["opportunity.stage_changed", "opportunity.field_changed", "opportunity.updated"]
    deal.stage = "Nowhere"
    with pytest.raises(ValidationError, match="must be a stage of Opportunity: Prospecting"):
        deal.save()
    deal.refresh_from_db()
    deal.delete()
    assert types(told) == ["opportunity.deleted"]


def test_a_product(account: Account, told: list[Fact]) -> None:
    product = Product.objects.create(account=account, name="Survey", price=Decimal(300))
    product.is_active = False
    product.save()
    product.delete()
    assert types(told) == ["product.created", "product.updated", "product.deleted"]


def test_a_task(lead: Lead, told: list[Fact]) -> None:
    due = datetime(2026, 12, 1, 9, tzinfo=UTC)
    task = Task.objects.create(lead=lead, name="Call back", due_at=due, remind_at=due - timedelta(hours=1))
    assert types(told) == ["task.created"]
    task.reminded_at = timezone.now()
    task.save()
    assert types(told) == ["task.reminder"]
    task.remind_at = due
    task.save()
    assert task.reminded_at is None
    assert types(told) == ["task.updated"]
    task.status = TaskStatus.COMPLETED
    task.save()
    assert told[0].snapshot["closed_at"] is not None
    assert types(told) == ["task.completed"]
    task.status = TaskStatus.OPEN
    task.save()
    assert types(told) == ["task.updated"]
    task.status, task.name = TaskStatus.CANCELLED, "Call"
    task.save()
    assert types(told) == ["task.updated", "task.cancelled"]


def test_a_person(account: Account, told: list[Fact]) -> None:
    with unit():
        user = User.objects.create_user("kim", "kim@example.com", "secret-12345")
        Membership.objects.create(user=user, account=account)
    assert (told[0].account_id, told[0].snapshot["email"]) == (account.pk, "kim@example.com")
    assert "password" not in str(told[0].snapshot)
    assert types(told) == ["user.created"]
    user.last_login = timezone.now()
    user.set_password("another-12345")
    user.save()
    assert types(told) == []
    user.is_active = False
    user.save()
    assert types(told) == ["user.activation_changed", "user.updated"]
    user.availability = "away"
    user.save()
    assert types(told) == ["user.availability_changed", "user.updated"]
    User.objects.create_superuser("root")
    assert types(told) == []


def test_signing_in_is_one_write(dana: User, django_assert_num_queries: Any) -> None:
    dana.last_login = timezone.now()
    with django_assert_num_queries(4):  # a savepoint, the row, the write, the savepoint's end
        dana.save(update_fields=["last_login"])
    stored = User.objects.get(pk=dana.pk)
    assert (stored.last_login, stored.version) == (dana.last_login, 1)
    with unit():
        dana.first_name = "Diana"
        dana.save()
        dana.last_login = None
        dana.save(update_fields=["last_login"])
    stored = User.objects.get(pk=dana.pk)
    assert (stored.last_login, stored.first_name, stored.version) == (None, "Diana", 2)


def test_a_leave(account: Account, dana: User, told: list[Fact]) -> None:
    leave = Leave.objects.create(account=account, user=dana, starts_on=date(2026, 12, 1), ends_on=date(2026, 12, 3))
    assert told[0].snapshot | {"user_name": "Dana Moss", "starts_on": "2026-12-01"} == told[0].snapshot
    leave.ends_on = date(2026, 12, 4)
    leave.save()
    leave.delete()
    assert types(told) == ["leave.created", "leave.updated", "leave.deleted"]
    with pytest.raises(ValidationError, match="must not be before the first day"):
        Leave.objects.create(account=account, user=dana, starts_on=date(2026, 12, 1), ends_on=date(2026, 11, 3))


def test_what_is_named_belongs_to_the_account(lead: Lead, dana: User, told: list[Fact]) -> None:
    other = Account.objects.create(name="Other")
    with pytest.raises(ValidationError, match="must be of the same account"):
        Activity.objects.create(lead=lead, type=kind(other, 21))
    with pytest.raises(ValidationError, match="must be of the same account"):
        Company.objects.create(account=other, name="Elsewhere", owner=dana)
    assert not told


def test_names_are_told_with_what_they_follow(account: Account, lead: Lead, dana: User, told: list[Fact]) -> None:
    office = Office.objects.create(account=account, name="Leeds")
    other = Lead.objects.create(account=account, office=office, full_name="Ben Hill")
    with acting(Actor("user", dana.pk, "Dana Moss")):
        task = Task.objects.create(lead=lead, name="Call back", due_at=timezone.now())
    told.clear()
    task.lead = other
    task.save()
    assert told[0].changes == {
        "lead_id": (lead.pk, other.pk),
        "lead_name": ("Jane Smith", "Ben Hill"),
        "lead_email": ("jane@example.com", None),
        "office_id": (None, office.pk),
    }
    assert types(told) == ["task.updated"]
    pk = dana.pk
    dana.delete()
    assert told[0].changes == {
        "created_by_id": (pk, None),
        "created_by": ("dana@example.com", None),
        "created_by_name": ("Dana Moss", None),
    }
    assert types(told) == ["task.updated"]


def test_what_is_of_a_lead_is_found_by_its_name(account: Account, lead: Lead, told: list[Fact]) -> None:
    Activity.objects.create(lead=lead, type=kind(account, 21))
    Task.objects.create(lead=lead, name="Call back", due_at=timezone.now())
    Task.objects.create(account=account, name="Order signs", due_at=timezone.now())
    assert [fact.label for fact in told] == ["Inbound phone call · Jane Smith", "Call back · Jane Smith", "Order signs"]
