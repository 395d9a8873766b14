"""Tags, lists and campaigns in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import Campaign, Lead, LeadList, Message, Tag
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

KINDS = pytest.mark.parametrize(
    ("model", "parameter", "key"),
    [(Tag, "tag", "tags"), (LeadList, "list", "lists"), (Campaign, "campaign", "campaigns")],
)


def list_of(model: Any) -> str:
    return f"/admin/leads/{model._meta.model_name}/"


def page_of(label: Any, view: str = "change") -> str:
    return f"{list_of(type(label))}{label.pk}/{view}/"


def filled(client: Any, path: str, model: Any, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form(f"{model._meta.model_name}_form") | changes


@KINDS
def test_the_list_counts_the_leads_that_the_user_sees_and_links_to_them(crm, sign_in, model, parameter, key):
    label = model.objects.create(account=crm.account, name="Spring")
    model.objects.create(account=crm.other, name="Of others")
    for office in (crm.leeds, crm.york):
        factories.lead(office=office, email=f"{office.pk}@example.com", **{key: ["Spring"]})
    for user, count in ((crm.staff, "1"), (crm.manager, "2"), (crm.auditor, "2")):
        page = Page(sign_in(user).get(list_of(model)))
        assert f"Spring {count}" in page.text, user
        assert "Of others" not in page.text
    link = f"/admin/leads/lead/?{parameter}={label.pk}"
    assert link in page.links
    factories.lead(email="without@example.com", full_name="Without it")
    found = Page(sign_in(crm.manager).get(link))
    assert "2 leads" in found.text
    assert "Without it" not in found.text
    assert sign_in(crm.viewer).get(list_of(model)).status_code == 403


@KINDS
def test_a_list_costs_the_same_however_many_there_are(crm, sign_in, model, parameter, key):
    client, costs = sign_in(crm.manager), []
    for start in (0, 20):
        for number in range(start, start + 20):
            model.objects.create(account=crm.account, name=f"{number}")
        client.get(list_of(model))
        with CaptureQueriesContext(connection) as queries:
            client.get(list_of(model))
        costs.append(len(queries))
    assert costs[0] == costs[1]


@KINDS
def test_a_manager_adds_and_renames(crm, sign_in, model, parameter, key):
    client = sign_in(crm.manager)
    add = f"{list_of(model)}add/"
    response = client.post(add, filled(client, add, model, name=" Spring ", account=crm.other.pk), follow=True)
    assert "Spring saved." in Page(response).text
    label = model.objects.get()
    assert (label.name, label.account) == ("Spring", crm.account)
    lead = factories.lead(office=crm.leeds, **{key: ["Spring"]})
    client.post(page_of(label), filled(client, page_of(label), model, name="SPRING 2026"))
    assert Lead.objects.get(pk=lead.pk).get(key) == ["SPRING 2026"]


@KINDS
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Name is required."),
        ("x" * 101, "at most 100 characters"),
        ("winter", "This account has one of that name."),
        ("a\x07b", "Name must not contain control characters"),
    ],
)
def test_a_bad_name_is_refused(crm, sign_in, model, parameter, key, name, message):
    model.objects.create(account=crm.account, name="Winter")
    label = model.objects.create(account=crm.account, name="Spring")
    client = sign_in(crm.manager)
    for path in (page_of(label), f"{list_of(model)}add/"):
        response = client.post(path, filled(client, path, model, name=name))
        assert response.status_code == 200
        assert message in Page(response).text
    assert set(model.objects.values_list("name", flat=True)) == {"Winter", "Spring"}


@KINDS
def test_a_superuser_chooses_the_account(crm, sign_in, model, parameter, key):
    client, add = sign_in(crm.superuser), f"{list_of(model)}add/"
    model.objects.create(account=crm.account, name="Spring")
    data = filled(client, add, model, name="Spring")
    assert "Account must be one of those on offer." in Page(client.post(add, data)).text
    client.post(add, data | {"account": crm.other.pk})
    assert model.objects.filter(name="Spring", account=crm.other).exists()


@KINDS
def test_deleting_says_how_many_leads_lose_it_and_tells_of_them(crm, sign_in, model, parameter, key):
    label = model.objects.create(account=crm.account, name="Spring")
    leads = [factories.lead(email=f"{number}@example.com", **{key: ["Spring"]}) for number in range(2)]
    client, events = sign_in(crm.manager), Event.objects.count()
    page = Page(client.get(page_of(label, "delete")))
    assert "Delete Spring?" in page.text
    assert "2 leads lose it. Webhooks that listen to lead.updated are told." in page.text
    assert model.objects.exists()
    client.post(page_of(label, "delete"), {"post": "yes"})
    assert not model.objects.exists()
    assert [Lead.objects.get(pk=lead.pk).get(key) for lead in leads] == [[], []]
    assert [event.type for event in Event.objects.order_by("pk")[events:]] == ["lead.field_changed", "lead.updated"] * 2


def test_deleting_a_campaign_says_what_becomes_of_its_messages(crm, sign_in):
    campaign = Campaign.objects.create(account=crm.account, name="Spring")
    message = Message.objects.create(lead=factories.lead(), type="outbound", body="Hello", campaign=campaign)
    client = sign_in(crm.manager)
    text = Page(client.get(page_of(campaign, "delete"))).text
    assert "No lead has it. 1 message of it stays, without a campaign." in text
    client.post(page_of(campaign, "delete"), {"post": "yes"})
    message.refresh_from_db()
    assert message.campaign is None


@KINDS
@pytest.mark.parametrize("user", ["staff", "auditor"])
def test_who_may_only_look_changes_nothing(crm, sign_in, model, parameter, key, user):
    label, client = model.objects.create(account=crm.account, name="Spring"), sign_in(getattr(crm, user))
    assert "Save" not in Page(client.get(page_of(label))).text
    assert client.post(page_of(label), {"name": "X"}).status_code == 403
    assert client.post(page_of(label, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(f"{list_of(model)}add/", {"name": "X"}).status_code == 403
    assert [*model.objects.values_list("name", flat=True)] == ["Spring"]


@KINDS
@pytest.mark.parametrize("view", ["change", "delete"])
def test_one_of_another_account_is_missing(crm, sign_in, model, parameter, key, view):
    label, client = model.objects.create(account=crm.other, name="Spring"), sign_in(crm.manager)
    for method in (client.get, client.post):
        assert method(page_of(label, view), {"name": "X", "post": "yes"}).status_code == 404
    assert model.objects.get().name == "Spring"
