"""Offices in the admin."""

from __future__ import annotations

from typing import Any

import pytest

from leads.models import Office
from tests import factories
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/office/"
ADD = "/admin/leads/office/add/"


def page_of(office: Office, view: str = "change") -> str:
    return f"{LIST}{office.pk}/{view}/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("office_form") | changes


def test_each_user_sees_their_offices(crm, sign_in):
    every = {crm.leeds, crm.york, crm.harrogate, crm.whitby}
    seen = {
        crm.staff: {crm.leeds},
        crm.manager: every - {crm.whitby},
        crm.auditor: every - {crm.whitby},
        crm.superuser: every,
        crm.other_manager: {crm.whitby},
    }
    for user, offices in seen.items():
        text = Page(sign_in(user).get(LIST)).text
        assert {office for office in every if office.name in text} == offices, user


def test_managers_add_and_rename_offices_of_their_account(crm, sign_in):
    client = sign_in(crm.manager)
    data = filled(client, ADD, name="Ripon", account=crm.other.pk)
    response = client.post(ADD, data, follow=True)
    assert "Office Ripon saved." in Page(response).text
    office = Office.objects.get(name="Ripon")
    assert office.account == crm.account
    client.post(page_of(office), filled(client, page_of(office), name="Ripon Market", account=crm.other.pk))
    office.refresh_from_db()
    assert (office.name, office.account) == ("Ripon Market", crm.account)


def test_superusers_choose_the_account_once(crm, sign_in):
    client = sign_in(crm.superuser)
    assert client.post(ADD, filled(client, ADD, name="Ripon")).status_code == 200
    client.post(ADD, filled(client, ADD, name="Ripon", account=crm.other.pk))
    office = Office.objects.get(name="Ripon")
    assert office.account == crm.other
    client.post(page_of(office), filled(client, page_of(office), account=crm.account.pk))
    office.refresh_from_db()
    assert office.account == crm.other


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "York Minster Gate", "a\x00b"])
def test_a_bad_name_is_refused(crm, sign_in, name):
    client = sign_in(crm.manager)
    before = set(Office.objects.values_list("name", flat=True))
    for path in (ADD, page_of(crm.leeds)):
        response = client.post(path, filled(client, path, name=name))
        assert response.status_code == 200
        assert "name" in response.context["adminform"].form.errors or response.context["errors"]
    assert set(Office.objects.values_list("name", flat=True)) == before


def test_another_account_may_have_an_office_of_that_name(crm, sign_in):
    client = sign_in(crm.other_manager)
    client.post(ADD, filled(client, ADD, name="Leeds Central"))
    assert Office.objects.filter(name="Leeds Central").count() == 2


@pytest.mark.parametrize("user", ["staff", "auditor"])
def test_who_may_only_look_changes_nothing(crm, sign_in, user):
    client = sign_in(getattr(crm, user))
    assert client.get(page_of(crm.leeds)).status_code == 200
    assert client.post(page_of(crm.leeds), {"name": "X"}).status_code == 403
    assert client.post(page_of(crm.leeds, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(ADD, {"name": "X"}).status_code == 403
    assert Office.objects.get(pk=crm.leeds.pk).name == "Leeds Central"


@pytest.mark.parametrize("view", ["change", "delete", "history"])
def test_an_office_of_others_is_missing(crm, sign_in, view):
    for user, office in ((crm.staff, crm.york), (crm.manager, crm.whitby)):
        client = sign_in(user)
        for method in (client.get, client.post):
            answer = method(page_of(office, view), {"name": "X", "post": "yes"}).status_code
            # A right that is missing altogether comes first, whatever the id.
            assert answer == method(f"{LIST}999999/{view}/", {"name": "X", "post": "yes"}).status_code
            assert answer in (403, 404)
    assert Office.objects.filter(pk__in=[crm.york.pk, crm.whitby.pk]).count() == 2


def test_an_office_with_leads_is_not_deleted_and_says_why(crm, sign_in):
    factories.lead(office=crm.leeds)
    client = sign_in(crm.manager)
    page = Page(client.get(page_of(crm.leeds, "delete")))
    assert "Leeds Central cannot be deleted" in page.text
    assert "1 lead is in it." in page.text
    assert f"/admin/leads/lead/?office={crm.leeds.pk}" in page.links
    response = client.post(page_of(crm.leeds, "delete"), {"post": "yes"})
    assert "cannot be deleted" in Page(response).text
    assert Office.objects.filter(pk=crm.leeds.pk).exists()


def test_an_empty_office_is_deleted_after_a_question(crm, sign_in):
    client = sign_in(crm.manager)
    assert "Delete Leeds Central?" in Page(client.get(page_of(crm.leeds, "delete"))).text
    assert Office.objects.filter(pk=crm.leeds.pk).exists()
    response = client.post(page_of(crm.leeds, "delete"), {"post": "yes"}, follow=True)
    assert "Office Leeds Central deleted." in Page(response).text
    assert not Office.objects.filter(pk=crm.leeds.pk).exists()


def test_offices_are_not_deleted_together(crm, sign_in):
    data = {"action": "delete_selected", "_selected_action": [crm.leeds.pk], "post": "yes"}
    assert sign_in(crm.superuser).post(LIST, data).status_code == 403
    assert Office.objects.filter(pk=crm.leeds.pk).exists()
