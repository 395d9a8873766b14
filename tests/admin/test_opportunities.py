"""Opportunities: the tab on the lead's page, the list of all, and the form."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from leads.models import Activity, ActivityType, Company, Lead, Opportunity, OpportunityType, Product
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/opportunity/"


def add_to(lead: Lead, **query: Any) -> str:
    return "&".join([f"{LIST}add/?lead={lead.pk}", *(f"{name}={value}" for name, value in query.items())])


def page_of(opportunity: Opportunity, view: str = "change") -> str:
    return f"{LIST}{opportunity.pk}/{view}/"


def tab_of(lead: Lead) -> str:
    return f"/admin/leads/lead/{lead.pk}/change/"


def kind(lead: Lead, **values: Any) -> OpportunityType:
    kinds = OpportunityType.objects.filter(account_id=lead.account_id, code=12_000)
    kinds.update(**values) if values else None
    return kinds.get()


def renewals(lead: Lead) -> OpportunityType:
    return OpportunityType.objects.create(
        account_id=lead.account_id, name="Renewal", stages=["Due", "Proposal"], fields=["Term"]
    )


def opportunity(lead: Lead, name: str = "Roof", **values: Any) -> Opportunity:
    return Opportunity.objects.create(lead=lead, name=name, **{"type": kind(lead), "stage": "Proposal"} | values)


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("opportunity_form") | changes


def told() -> list[str]:
    return [event.type for event in Event.objects.filter(type__startswith="opportunity.").order_by("pk")]


def test_the_tab_on_the_leads_page_has_the_newest_first(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    opportunity(lead, "Roof", value=Decimal("1200.50"), owner=crm.staff)
    opportunity(lead, "Cellar <b>", status="won", expected_on=date(2026, 12, 1))
    for user in (crm.staff, crm.manager, crm.auditor):
        text = Page(sign_in(user).get(tab_of(lead))).text
        assert "Opportunities 2" in text
        link = "View opportunity" if user == crm.auditor else "Edit opportunity"
        assert f"Roof Open {link} Type Opportunity Stage Proposal Value 1,200.50 Expected – Owner staff" in text
        assert "Value – Expected 1 Dec 2026 Owner Unassigned" in text
        assert text.index("Cellar <b>") < text.index("Roof")
    assert "Cellar" not in Page(sign_in(crm.viewer).get(tab_of(lead))).text


def test_an_opportunity_is_added_and_told(crm, sign_in):
    company = Company.objects.create(account=crm.account, name="Hartley Design")
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    Lead.objects.filter(pk=lead.pk).update(company=company)
    survey = Product.objects.create(account=crm.account, name="Survey")
    Product.objects.create(account=crm.account, name="Given up", is_active=False)
    Product.objects.create(account=crm.other, name="Of others")
    deals = kind(lead, fields=["Budget"])
    add = add_to(lead, back="lead")
    assert add in Page(client.get(tab_of(lead))).links
    page = Page(client.get(add))
    assert "Given up" not in page.text
    assert "Of others" not in page.text
    data = page.form("opportunity_form")
    assert (data["company"], data["owner"], data["stage"]) == ([str(company.pk)], [str(crm.staff.pk)], ["Prospecting"])
    data |= {"name": "Roof", "stage": "Qualified", "value": "1200.5", "expected_on": "2026-12-01"}
    data |= {"product": survey.pk, "description": "All of it", f"fields.{deals.pk}.1": "12k"}
    assert client.post(add, data)["Location"] == f"{tab_of(lead)}#opportunities"
    stored = Opportunity.objects.get()
    assert (stored.lead, stored.account, stored.type, stored.company) == (lead, crm.account, deals, company)
    assert (stored.name, stored.stage, stored.status) == ("Roof", "Qualified", "open")
    assert (stored.value, stored.expected_on) == (Decimal("1200.50"), date(2026, 12, 1))
    assert (stored.product, stored.owner, stored.description) == (survey, crm.staff, "All of it")
    assert (stored.fields, stored.created_by) == ({"Budget": "12k"}, crm.staff)
    assert told() == ["opportunity.created"]


def test_a_superuser_adds_one_with_what_the_leads_account_has(crm, sign_in):
    lead, client = factories.lead(account=crm.other, office=crm.whitby), sign_in(crm.superuser)
    data = filled(client, add_to(lead), name="Harbour wall")
    assert (data["type"], data["owner"]) == ([str(kind(lead).pk)], [""])
    client.post(add_to(lead), data)
    assert Opportunity.objects.get().account == crm.other


def test_each_change_tells_what_it_is(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.manager)
    stored = opportunity(lead, value=Decimal(1200), description="One\ntwo")
    client.post(page_of(stored), filled(client, page_of(stored)))
    assert told() == ["opportunity.created"], "nothing was changed"
    Event.objects.all().delete()
    response = client.post(f"{page_of(stored)}?back=lead", filled(client, page_of(stored), value="1500"))
    assert response["Location"] == f"{tab_of(lead)}#opportunities"
    assert told() == ["opportunity.field_changed", "opportunity.updated"]
    Event.objects.all().delete()
    client.post(page_of(stored), filled(client, page_of(stored), stage="Negotiation"))
    assert told() == ["opportunity.stage_changed", "opportunity.field_changed", "opportunity.updated"]
    Event.objects.all().delete()
    client.post(page_of(stored), filled(client, page_of(stored), status="won"))
    assert told() == ["opportunity.stage_changed", "opportunity.field_changed", "opportunity.updated"]
    Event.objects.all().delete()
    text = Page(client.get(page_of(stored, "delete"))).text
    assert "Webhooks that listen to opportunity.deleted are told." in text
    assert client.post(page_of(stored, "delete"), {"post": "yes"})["Location"] == LIST
    assert told() == ["opportunity.deleted"]


def test_stages_and_fields_follow_the_type(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    kind(lead, fields=["Budget", "Term"])
    other = renewals(lead)
    stored = opportunity(lead, fields={"Budget": "12k", "Term": "2 years"})
    response = client.get(f"{page_of(stored)}?type={other.pk}")
    data = Page(response).form("opportunity_form")
    assert (data["type"], data["stage"], data[f"fields.{other.pk}.1"]) == ([str(other.pk)], ["Proposal"], ["2 years"])
    assert b">Due</option>" in response.content
    assert b"Prospecting" not in response.content
    client.post(page_of(stored), data)
    stored.refresh_from_db()
    assert (stored.type, stored.stage, stored.fields) == (other, "Proposal", {"Term": "2 years"})
    data = filled(client, page_of(stored), type=kind(lead).pk)
    response = client.post(page_of(stored), data | {"stage": "Due"})
    assert "Stage must be one of those on offer." in Page(response).text


def test_a_stage_that_its_type_has_lost_stays_until_it_is_changed(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    stored = opportunity(lead)
    kind(lead, stages=["New"])
    data = filled(client, page_of(stored), name="Cellar")
    assert data["stage"] == ["Proposal"]
    client.post(page_of(stored), data)
    stored.refresh_from_db()
    assert (stored.name, stored.stage) == ("Cellar", "Proposal")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Name is required."),
        ({"name": "a\x07"}, "Name must not contain control characters"),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"type": "999999"}, "Type must be one of those on offer."),
        ({"stage": "Nowhere"}, "Stage must be one of those on offer."),
        ({"stage": ""}, "Stage is required."),
        ({"status": "gone"}, "gone is not one of the available choices"),
        ({"value": "x"}, "Value must be a number."),
        ({"value": "1" * 13}, "no more than 12 digits before the decimal point"),
        ({"value": "1.234"}, "no more than 2 decimal places"),
        ({"expected_on": "soon"}, "Expected must be a date."),
        ({"company": "999999"}, "Linked company must be one of those on offer."),
        ({"product": "999999"}, "Product must be one of those on offer."),
        ({"owner": "x"}, "Owner must be one of those on offer."),
        ({"description": "x" * 10_001}, "at most 10000 characters"),
    ],
)
def test_what_is_wrong_is_said_under_the_field_and_nothing_is_stored(crm, sign_in, changes, message):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    stored = opportunity(lead)
    for path in (add_to(lead), page_of(stored)):
        response = client.post(path, {"name": ["Roof"]} | filled(client, path, name="Cellar") | changes)
        assert response.status_code == 200
        assert message in Page(response).text
    assert [*Opportunity.objects.values_list("name", flat=True)] == ["Roof"]


def test_references_of_another_account_are_refused(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.manager)
    theirs = {
        "type": OpportunityType.objects.get(account=crm.other).pk,
        "company": Company.objects.create(account=crm.other, name="Elsewhere").pk,
        "product": Product.objects.create(account=crm.other, name="Survey").pk,
        "owner": crm.other_manager.pk,
    }
    for name, pk in theirs.items():
        response = client.post(add_to(lead), filled(client, add_to(lead), name="Roof") | {name: pk})
        label = "Linked company" if name == "company" else name.capitalize()
        assert f"{label} must be one of those on offer." in Page(response).text
    assert not Opportunity.objects.exists()


def test_the_list_of_all_has_what_the_user_sees(crm, sign_in):
    here, there = factories.lead(office=crm.leeds), factories.lead(office=crm.york, first_name="Ben")
    strange = factories.lead(account=crm.other, office=crm.whitby, first_name="Strange")
    opportunity(here, "Roof", value=Decimal(1200), owner=crm.staff)
    opportunity(there, "Cellar", type=renewals(there), stage="Due", status="won")
    opportunity(strange, "Harbour")

    def names(user: Any, query: str = "") -> list[str]:
        text = Page(sign_in(user).get(f"{LIST}{query}")).text
        return [name for name in ("Roof", "Cellar", "Harbour") if f"{name} " in text]

    assert names(crm.staff) == ["Roof"]
    assert names(crm.staff_b) == ["Cellar"]
    assert names(crm.manager) == names(crm.auditor) == ["Roof", "Cellar"]
    assert names(crm.superuser) == ["Roof", "Cellar", "Harbour"]
    assert sign_in(crm.viewer).get(LIST).status_code == 403
    assert names(crm.manager, f"?type={kind(here).pk}") == ["Roof"]
    assert names(crm.manager, "?stage=Due") == ["Cellar"]
    assert names(crm.manager, "?status=won") == ["Cellar"]
    assert names(crm.manager, f"?owner={crm.staff.pk}") == ["Roof"]
    assert names(crm.manager, "?q=Ben") == ["Cellar"]
    assert "Roof Olivia Hartley Opportunity Proposal Open 1,200 staff" in Page(sign_in(crm.manager).get(LIST)).text


def test_who_deletes_a_lead_is_told_what_goes_with_it(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.manager)
    page = f"/admin/leads/lead/{lead.pk}/delete/"
    opportunity(lead)
    assert "1 opportunity goes with it." in Page(client.get(page)).text
    opportunity(lead, "Cellar")
    call = ActivityType.objects.get(account=crm.account, code=21)
    Activity.objects.create(lead=lead, type=call)
    assert "1 activity and 2 opportunities go with it." in Page(client.get(page)).text
    client.post(page, {"post": "yes"})
    assert told() == ["opportunity.created"] * 2 + ["opportunity.deleted"] * 2
    assert not Activity.objects.exists()


def test_opportunities_are_found_by_their_name_within_reach(crm, sign_in):
    opportunity(factories.lead(office=crm.leeds), "Slate roof")
    opportunity(factories.lead(office=crm.york), "Roof garden")
    for user, names in ((crm.staff, {"Slate roof"}), (crm.manager, {"Slate roof", "Roof garden"})):
        text = Page(sign_in(user).get("/admin/search/?extended=1&s=roof")).text
        assert {name for name in ("Slate roof", "Roof garden") if name in text} == names


def test_opportunities_of_leads_beyond_the_users_reach_are_missing(crm, sign_in):
    cases = [
        (crm.staff, factories.lead(office=crm.york)),
        (crm.staff, factories.lead()),
        (crm.manager, factories.lead(account=crm.other)),
    ]
    for user, lead in cases:
        stored, client = opportunity(lead), sign_in(user)
        for path in (page_of(stored), add_to(lead)):
            assert client.get(path).status_code == 404
            assert client.post(path, {"name": "X"}).status_code == 404
        if user == crm.manager:
            assert client.post(page_of(stored, "delete"), {"post": "yes"}).status_code == 404
    assert Opportunity.objects.filter(name="Roof").count() == 3


def test_auditors_only_look_and_staff_delete_nothing(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.auditor)
    stored = opportunity(lead)
    assert add_to(lead, back="lead") not in Page(client.get(tab_of(lead))).links
    assert "Save" not in Page(client.get(page_of(stored))).text
    for path in (page_of(stored), page_of(stored, "delete"), add_to(lead)):
        assert client.post(path, {"name": "X", "post": "yes"}).status_code == 403
    assert sign_in(crm.staff).post(page_of(stored, "delete"), {"post": "yes"}).status_code == 403
    assert [*Opportunity.objects.values_list("name", flat=True)] == ["Roof"]
