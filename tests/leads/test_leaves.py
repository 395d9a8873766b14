"""A person has no two leaves at a time, whoever enters them, and when."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from leads.changes import unit
from leads.models import Leave, Membership, User
from tests import factories
from tests.leads.test_concurrency import Other

CHRISTMAS = date(2026, 12, 25)


def leave(user: User, first: int, last: int) -> Leave:
    """From so many days after Christmas to so many."""
    days = [CHRISTMAS + timedelta(days=number) for number in (first, last)]
    return Leave.objects.create(account=factories.account(), user=user, starts_on=days[0], ends_on=days[1])


def person(name: str = "dana") -> User:
    user = User.objects.create(username=name)
    Membership.objects.create(user=user, account=factories.account())
    return user


@pytest.mark.django_db
@pytest.mark.parametrize(("first", "last"), [(0, 0), (4, 4), (-3, 0), (4, 9), (1, 2), (-5, 9)])
def test_days_in_common_are_refused(first: int, last: int) -> None:
    dana = person()
    leave(dana, 0, 4)
    with pytest.raises(
        ValidationError, match="must not overlap the leave of this person from 2026-12-25 to 2026-12-29"
    ):
        leave(dana, first, last)
    assert Leave.objects.count() == 1


@pytest.mark.django_db
def test_days_beside_each_other_are_not(told) -> None:
    dana = person()
    for first, last in ((0, 4), (5, 5), (-1, -1)):
        leave(dana, first, last)
    leave(person("kim"), 0, 4)
    with unit():
        # Judged as it comes to, not step by step.
        first, second = Leave.objects.filter(user=dana, starts_on__gte=CHRISTMAS).order_by("starts_on")
        second.ends_on += timedelta(days=3)
        second.save()
        second.starts_on -= timedelta(days=2)
        second.save()
        first.ends_on -= timedelta(days=2)
        first.save()
    assert [fact.type for fact in told].count("leave.updated") == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time.")
def test_two_at_once_of_one_person_are_not_both_stored() -> None:
    dana = person()
    other = Other(lambda: leave(dana, 2, 6))
    with unit() as work:
        leave(dana, 0, 4)
        work.settle()
        other.start_and_wait_for_us()
    other.join(10)
    assert isinstance(other.error, ValidationError)
    assert Leave.objects.count() == 1
