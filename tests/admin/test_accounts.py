"""Accounts and roles in the admin: superusers only change them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission

from leads.models import Account
from tests import factories
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/account/"
ADD = "/admin/leads/account/add/"
ROLES = "/admin/leads/role/"


def test_superusers_add_rename_and_delete_accounts(crm, sign_in):
    client = sign_in(crm.superuser)
    client.post(ADD, Page(client.get(ADD)).form("account_form") | {"name": "Third"})
    account = Account.objects.get(name="Third")
    client.post(f"{LIST}{account.pk}/change/", {"name": "Renamed"})
    account.refresh_from_db()
    assert account.name == "Renamed"
    asked = Page(client.get(f"{LIST}{account.pk}/delete/")).text
    assert "Delete Renamed?" in asked
    for goes in ("pipelines", "custom fields", "tags, lists and campaigns", "web forms", "API keys"):
        assert goes in asked
    client.post(f"{LIST}{account.pk}/delete/", {"post": "yes"})
    assert not Account.objects.filter(pk=account.pk).exists()


def test_an_account_that_holds_something_is_not_deleted(crm, sign_in):
    client = sign_in(crm.superuser)
    response = client.post(f"{LIST}{crm.other.pk}/delete/", {"post": "yes"})
    assert "Harbour Lets cannot be deleted" in Page(response).text
    # Nor is one of which only the history is left.
    third = factories.account("Third")
    factories.lead(account=third).delete()
    response = client.post(f"{LIST}{third.pk}/delete/", {"post": "yes"})
    assert "Third cannot be deleted" in Page(response).text
    assert Account.objects.count() == 3


@pytest.mark.parametrize("name", ["", "Harbour Lets", "x" * 101])
def test_a_bad_name_is_refused(crm, sign_in, name):
    response = sign_in(crm.superuser).post(ADD, {"name": name})
    assert [*response.context["adminform"].form.errors] == ["name"]
    assert Account.objects.count() == 2


@pytest.mark.parametrize("user", ["manager", "auditor"])
def test_managers_and_auditors_look_at_their_own(crm, sign_in, user):
    client = sign_in(getattr(crm, user))
    text = Page(client.get(LIST)).text
    assert "Northgate Homes" in text
    assert "Harbour Lets" not in text
    assert client.get(f"{LIST}{crm.account.pk}/change/").status_code == 200
    assert client.get(f"{LIST}{crm.other.pk}/change/").status_code == 404
    for path in (ADD, f"{LIST}{crm.account.pk}/change/", f"{LIST}{crm.account.pk}/delete/"):
        assert client.post(path, {"name": "X", "post": "yes"}).status_code == 403
    # Whatever rights a group of somebody's own may give.
    getattr(crm, user).user_permissions.set(Permission.objects.filter(content_type__model="account"))
    client = sign_in(getattr(crm, user))
    assert client.post(f"{LIST}{crm.account.pk}/change/", {"name": "X"}).status_code == 403
    assert {account.name for account in Account.objects.all()} == {"Northgate Homes", "Harbour Lets"}


def test_staff_have_no_accounts_to_look_at(crm, sign_in):
    assert sign_in(crm.staff).get(LIST).status_code == 403


# --- roles -----------------------------------------------------------------------------------------------------------


def test_roles_are_the_superusers(crm, sign_in):
    manager = Group.objects.get(name="Manager")
    for user in (crm.manager, crm.auditor, crm.staff):
        user.user_permissions.set(Permission.objects.filter(content_type__model="group"))
        client = sign_in(user)
        for path in (ROLES, f"{ROLES}add/", f"{ROLES}{manager.pk}/change/", f"{ROLES}{manager.pk}/delete/"):
            assert client.get(path).status_code == 403
            assert client.post(path, {"name": "X", "post": "yes"}).status_code == 403


def test_superusers_make_roles_and_cannot_lose_the_shipped_ones(crm, sign_in):
    client = sign_in(crm.superuser)
    view_lead = Permission.objects.get(codename="view_lead")
    client.post(f"{ROLES}add/", {"name": "Readers", "permissions": [view_lead.pk]})
    readers = Group.objects.get(name="Readers")
    assert [*readers.permissions.all()] == [view_lead]
    staff = Group.objects.get(name="Staff")
    client.post(f"{ROLES}{staff.pk}/change/", {"name": "Renamed", "permissions": [view_lead.pk]})
    staff.refresh_from_db()
    assert staff.name == "Staff"
    assert "cannot be deleted" in Page(client.post(f"{ROLES}{staff.pk}/delete/", {"post": "yes"})).text
    client.post(f"{ROLES}{readers.pk}/delete/", {"post": "yes"})
    assert {group.name for group in Group.objects.all()} == {"Staff", "Manager", "Auditor"}


def test_the_screens_of_other_programs_are_not_there():
    assert {model._meta.app_label for model in admin.site._registry} == {"leads", "webhooks"}
