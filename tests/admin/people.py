"""People who sign in to the admin."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from leads import roles
from leads.models import Account, Membership, Office, User
from tests import factories


def person(role: str, *offices: Office, account: Account | None = None, name: str = "") -> User:
    """An active user of one shipped group; role "" is a member of the account in no group."""
    user = User.objects.create_user(name or role.lower() or "nobody", is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    membership = Membership.objects.create(user=user, account=account or factories.account())
    membership.offices.set(offices)
    return user


def manager(**values: Any) -> User:
    return person(roles.MANAGER, **values)


def superuser() -> User:
    return User.objects.create_superuser("admin")


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
