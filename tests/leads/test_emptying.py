"""Of the tests themselves: nothing that one of them has committed meets the next one."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import TransactionTestCase
from django_q.models import Schedule

from leads import roles
from leads.models import Membership, User
from tests import factories
from tests.emptying import contents

pytestmark = pytest.mark.django_db(transaction=True)


def empty() -> None:
    TransactionTestCase()._fixture_teardown()


def test_what_a_test_stores_is_gone_and_what_migrate_made_is_there():
    before = contents()
    webhook = factories.webhook()
    lead = factories.lead(office=factories.office())
    user = User.objects.create_user("one", "one@example.com", "a password of some length")
    user.groups.add(Group.objects.get(name=roles.MANAGER))
    Membership.objects.create(user=user, account=lead.account).offices.set([lead.office])
    assert webhook.deliveries.exists() and contents().keys() > before.keys()
    empty()
    assert contents() == before
    assert "auth_group" in before


@pytest.mark.parametrize(
    "change",
    [
        lambda: Group.objects.all().delete(),
        lambda: Group.objects.create(name="Others"),
        lambda: Group.objects.get(name=roles.AUDITOR).permissions.clear(),
        lambda: Permission.objects.update(name="Anything"),
        lambda: Schedule.objects.all().delete(),
        lambda: Schedule.objects.update(minutes=1000),
    ],
    ids=["groups", "another group", "rights", "permissions", "schedules", "a schedule"],
)
def test_what_migrate_made_is_made_again_where_a_test_has_changed_it(change):
    def made() -> tuple[list[object], ...]:
        return (
            sorted(Group.objects.values_list("name", "permissions__codename", "permissions__name")),
            sorted(Schedule.objects.values_list("name", "func", "minutes")),
        )

    before = made()
    change()
    factories.lead()
    assert made() != before
    empty()
    assert made() == before
    # And what was made again is what stays from now on.
    after = contents()
    factories.lead()
    empty()
    assert contents() == after
