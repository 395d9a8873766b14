"""Who gets a new lead: a person, people in turn, or whoever has the fewest open leads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from leads.assignment import candidates, owner_of
from leads.intake import Policy, take
from leads.models import Leave, Turn, User
from leads.scope import Scope
from tests import factories
from tests.admin.conftest import new_user
from tests.leads.test_intake import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def office():
    return factories.office()


@pytest.fixture
def people(office):
    """Three of the office, and one of another."""
    other = factories.office("York")
    people = [new_user(name, office.account, office) for name in ("ann", "ben", "cat")]
    new_user("dan", office.account, other)
    return people


def come(office, assign: str, number: int, **policy) -> User | None:
    policy |= {"office_id": office.pk if office else None, "assign": assign}
    lead = take(
        factories.account().pk, {"first_name": f"No {number}"}, Policy(**policy), Scope(factories.account().pk, None)
    )
    return lead.lead.owner


def test_in_turn_within_the_office(office, people):
    ann, ben, cat = people
    assert [come(office, "in_turn", number) for number in range(4)] == [ann, ben, cat, ann]
    ben.is_active = False
    ben.save()
    assert [come(office, "in_turn", number) for number in range(2)] == [cat, ann]
    # Without an office everybody of the account has turns of their own.
    assert {come(None, "in_turn", number).username for number in range(3)} == {"ann", "cat", "dan"}
    assert Turn.objects.count() == 2


def test_people_on_leave_are_passed_over_unless_all_are(office, people):
    ann, ben, cat = people
    today = timezone.localdate()
    Leave.objects.create(account=office.account, user=ann, starts_on=today, ends_on=today)
    Leave.objects.create(
        account=office.account, user=cat, starts_on=today + timedelta(days=1), ends_on=today + timedelta(days=9)
    )
    assert [come(office, "in_turn", number) for number in range(3)] == [ben, cat, ben]
    for person in (ben, cat):
        Leave.objects.create(account=office.account, user=person, starts_on=today, ends_on=today)
    assert set(candidates(office.account_id, office.pk)) == {ann, ben, cat}


def test_the_least_loaded(office, people):
    ann, ben, cat = people
    for owner, count in ((ann, 2), (cat, 1)):
        for _ in range(count):
            factories.lead(owner_id=owner.pk)
    factories.lead(owner_id=ben.pk, stage="WON")
    assert [come(office, "least_loaded", number) for number in range(3)] == [ben, ben, cat]


def test_who_comes_with_an_owner_and_who_is_there_already_take_no_turn(office, people):
    ann, ben, _ = people
    given = {"business_email": "jo@example.com", "owner_id": ben.pk}
    policy = Policy(assign="in_turn", office_id=office.pk)
    scope = Scope(office.account_id, None)
    assert take(office.account_id, given, policy, scope).lead.owner == ben
    assert take(office.account_id, {"business_email": "jo@example.com"}, policy, scope).lead.owner == ben
    assert not Turn.objects.exists()
    assert come(office, "in_turn", 1) == ann


def test_nobody_is_there(office):
    assert come(office, "in_turn", 1) is None
    assert come(office, "least_loaded", 2) is None
    assert owner_of(office.account_id, "person", None, office.pk) is None
    assert owner_of(office.account_id, "person", new_user("far", factories.account("Other")).pk, office.pk) is None


@pytest.mark.django_db(transaction=True)
def test_turns_of_many_at_once():
    office = factories.office()
    people = [new_user(name, office.account, office) for name in ("ann", "ben", "cat")]
    owners = at_once(6, lambda number: come(office, "in_turn", number))
    assert sorted(owners, key=lambda one: one.pk) == sorted(people * 2, key=lambda one: one.pk)
