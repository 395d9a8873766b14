"""Two accounts with their offices, and somebody of each kind to sign in as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from leads import roles
from leads.models import Account, Membership, Office, User
from tests import factories
from tests.ground import Ground

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Crm:
    """staff works in leeds, staff_b in york; harrogate is nobody's; the other account has an office and a manager.

    viewer is staff of leeds without any right to change; powerless signs in to the admin and may do nothing;
    outsider may not even do that.
    """

    account: Account
    leeds: Office
    york: Office
    harrogate: Office
    other: Account
    whitby: Office
    superuser: User
    manager: User
    staff: User
    staff_b: User
    viewer: User
    auditor: User
    powerless: User
    outsider: User
    other_manager: User


def new_user(name: str, account: Account | None = None, *offices: Office, role: str = "", **values: Any) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, **({"is_staff": True} | values))
    if account is not None:
        Membership.objects.create(user=user, account=account).offices.set(offices)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture(scope="module")
def ground(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Ground[Crm]]:
    with django_db_blocker.unblock():
        ground = Ground(new_crm)
    yield ground
    with django_db_blocker.unblock():
        ground.close()


@pytest.fixture
def crm(db: None, ground: Ground[Crm]) -> Crm:
    return ground.rows()


def new_crm() -> Crm:
    account, other = factories.account(), factories.account("Harbour Lets")
    leeds, york, harrogate = (factories.office(name) for name in ("Leeds Central", "York Minster Gate", "Harrogate"))
    whitby = factories.office("Whitby Quayside", account=other)
    viewer = new_user("viewer", account, leeds)
    viewer.user_permissions.add(Permission.objects.get(codename="view_lead"))
    return Crm(
        account=account,
        leeds=leeds,
        york=york,
        harrogate=harrogate,
        other=other,
        whitby=whitby,
        superuser=new_user("root", is_superuser=True),
        manager=new_user("manager", account, role=roles.MANAGER),
        staff=new_user("staff", account, leeds, role=roles.STAFF),
        staff_b=new_user("staffb", account, york, role=roles.STAFF),
        viewer=viewer,
        auditor=new_user("auditor", account, role=roles.AUDITOR),
        powerless=new_user("powerless", account, leeds),
        outsider=new_user("outsider", account, leeds, role=roles.STAFF, is_staff=False),
        other_manager=new_user("othermanager", other, role=roles.MANAGER),
    )


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client(raise_request_exception=True)
        client.force_login(user)
        return client

    return sign_in
