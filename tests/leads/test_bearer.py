"""One question says of a key what ApiKey.find, has_perms and Scope.of say one after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from leads import roles
from leads.bearer import bearer
from leads.models import Account, ApiKey, Membership, User
from leads.models.apikey import NEEDS
from leads.models.apikey import Scope as KeyScope
from leads.scope import Scope
from tests import factories
from tests.admin.conftest import new_user

pytestmark = pytest.mark.django_db

WANTED = KeyScope.INBOUND_WRITE


def key_of(user: User, account: Account, **values: Any) -> str:
    key = ApiKey(user=user, account=account, name="Zapier", scopes=[WANTED])
    secret = key.generate()
    for name, value in values.items():
        setattr(key, name, value)
    key.save()
    return secret


def makers() -> dict[str, User]:
    account, other = factories.account(), factories.account("Southbank Lettings")
    a, b = factories.office("Leeds"), factories.office("York")
    plain = new_user("plain", account, role="")
    granted = new_user("granted", account, a, role="")
    granted.user_permissions.add(*Permission.objects.filter(codename__in=("add_lead", "change_lead")))
    half = new_user("half", account, role="")
    half.user_permissions.add(Permission.objects.get(codename="add_lead"))
    alone = new_user("alone", account, role=roles.MANAGER)
    Membership.objects.filter(user=alone).delete()
    return {
        "superuser": User.objects.create_superuser("root", "root@example.com", "x" * 12),
        "manager": new_user("manager", account, role=roles.MANAGER),
        "auditor": new_user("auditor", account, role=roles.AUDITOR),
        "staff": new_user("staff", account, a, b, role=roles.STAFF),
        "stranger": new_user("stranger", other, role=roles.MANAGER),
        "plain": plain,
        "granted": granted,
        "half": half,
        "alone": alone,
    }


def test_it_comes_to_the_same_for_everybody():
    account = factories.account()
    seen = set()
    for who, maker in makers().items():
        secret = key_of(maker, account)
        found, key = bearer(secret, WANTED), ApiKey.find(secret)
        assert found is not None, who
        assert found.key == key, who
        assert found.scope == Scope.of(key.user, key), who
        assert found.may == key.user.has_perms(NEEDS[WANTED]), who
        seen.add((found.may, found.scope.whole_account))
    assert len(seen) == 4


def test_a_key_without_the_scope_may_not():
    account = factories.account()
    secret = key_of(new_user("manager", account, role=roles.MANAGER), account)
    ApiKey.objects.update(scopes=[KeyScope.LEADS_WRITE])
    assert not bearer(secret, WANTED).may


@pytest.mark.parametrize(
    "values, opens",
    [
        ({}, True),
        ({"expires_at": timedelta(minutes=1)}, True),
        ({"expires_at": timedelta(0)}, False),
        ({"revoked_at": timedelta(0)}, False),
    ],
)
def test_only_usable_keys_open(values: dict[str, timedelta], opens: bool):
    account = factories.account()
    given = {name: timezone.now() + wait for name, wait in values.items()}
    secret = key_of(new_user("manager", account, role=roles.MANAGER), account, **given)
    assert (bearer(secret, WANTED) is not None) is opens
    User.objects.update(is_active=False)
    assert bearer(secret, WANTED) is None


def test_the_secret_before_opens_until_its_grace_is_over():
    account = factories.account()
    maker = new_user("manager", account, role=roles.MANAGER)
    old = key_of(maker, account)
    key = ApiKey.objects.get()
    key.old_digest, key.old_until = key.digest, timezone.now() + timedelta(minutes=1)
    new = key.generate()
    key.save()
    assert bearer(old, WANTED).key == bearer(new, WANTED).key == key
    ApiKey.objects.update(old_until=timezone.now())
    assert bearer(old, WANTED) is None
    assert bearer(new, WANTED).key == key
