"""Companies in the admin: the list, the form, what belongs to one on its page, its activities; and a lead's company."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import ActivityType, Company, CompanyActivity, Lead, Opportunity, OpportunityType
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/company/"
ACTIVITIES = "/admin/leads/companyactivity/"


def company(crm: Any, name: str = "Hartley Design", **values: Any) -> Company:
    return Company.objects.create(**{"account": crm.account, "name": name} | values)


def page_of(one: Company, view: str = "change") -> str:
    return f"{LIST}{one.pk}/{view}/"


def filled(client: Any, path: str, form: str = "company_form", **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form(form) | changes


def told(since: int = 0) -> list[str]:
    return [event.type for event in Event.objects.order_by("pk")[since:]]


def review(account: Any, **values: Any) -> ActivityType:
    kinds = ActivityType.objects.filter(account=account, code=202)
    kinds.update(**values) if values else None
    return kinds.get()


def activity(one: Company, **values: Any) -> CompanyActivity:
    return CompanyActivity.objects.create(company=one, type=review(one.account), **values)


# --- the list ---


def test_the_list_counts_the_leads_that_the_user_sees_and_links_to_them(crm, sign_in):
    hartley = company(crm, type="Customer", owner=crm.staff)
    company(crm, "Of others", account=crm.other)
    for office in (crm.leeds, crm.york):
        factories.lead(office=office, email=f"{office.pk}@example.com", company_id=hartley.pk)
    for user, count in ((crm.staff, "1"), (crm.manager, "2"), (crm.auditor, "2")):
        page = Page(sign_in(user).get(LIST))
        assert f"Hartley Design Customer staff {count}" in page.text, user
        assert "Of others" not in page.text
    link = f"/admin/leads/lead/?company={hartley.pk}"
    assert link in page.links
    factories.lead(email="without@example.com", full_name="Without it")
    found = Page(sign_in(crm.manager).get(link)).text
    assert "2 leads" in found
    assert "Without it" not in found
    assert "Of others" in Page(sign_in(crm.superuser).get(LIST)).text
    assert sign_in(crm.viewer).get(LIST).status_code == 403


@pytest.mark.parametrize(
    "query",
    ["q=hartley", "q=hartley.example", "q=555+010", "type=Customer", "owner=me", "type=Customer&q=Design"],
)
def test_the_list_is_searched_and_filtered(crm, sign_in, query):
    company(crm, type="Customer", owner=crm.manager, website="https://hartley.example", phone="01865 555 010")
    company(crm, "Elsewhere", type="Partner")
    text = Page(sign_in(crm.manager).get(f"{LIST}?{query}")).text
    assert "Hartley Design" in text and "Elsewhere" not in text


@pytest.mark.parametrize("query", ["type=%00", "owner=none", "type=Nothing"])
def test_strange_questions_find_nothing_and_break_nothing(crm, sign_in, query):
    company(crm, owner=crm.staff)
    response = sign_in(crm.manager).get(f"{LIST}?{query}")
    assert response.status_code == 400 or "Hartley" not in Page(response).text


def test_the_list_costs_the_same_however_long_it_is(crm, sign_in):
    client, costs = sign_in(crm.manager), []
    for start in (0, 10):
        for number in range(start, start + 10):
            company(crm, f"{number}", owner=crm.staff)
        client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        costs.append(len(queries))
    assert costs[0] == costs[1]


# --- the form ---


def test_staff_add_and_mend_a_company_and_it_is_told(crm, sign_in):
    client = sign_in(crm.staff)
    sent = filled(
        client,
        f"{LIST}add/",
        name=" Hartley Design ",
        email="office@hartley.example",
        number_of_employees="12",
        notes="Two offices.\r\nBoth stay.",
        owner=crm.staff_b.pk,
        account=crm.other.pk,
    )
    assert "Company Hartley Design saved." in Page(client.post(f"{LIST}add/", sent, follow=True)).text
    one = Company.objects.get()
    assert (one.account, one.name, one.owner, one.number_of_employees, one.notes, one.phone) == (
        crm.account,
        "Hartley Design",
        crm.staff_b,
        12,
        "Two offices.\nBoth stay.",
        None,
    )
    # What was not changed is not told.
    client.post(page_of(one), filled(client, page_of(one)))
    assert told() == ["account.created"]
    client.post(page_of(one), filled(client, page_of(one), type="Customer", owner=""))
    one.refresh_from_db()
    assert (one.type, one.owner) == ("Customer", None)
    assert told() == ["account.created", "account.updated"]


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"name": " "}, "name", "Name is required."),
        ({"name": "x" * 201}, "name", "at most 200 characters"),
        ({"city": "a\x07b"}, "city", "City must not contain control characters"),
        ({"notes": "a\x07b"}, "notes", "Notes must not contain control characters"),
        ({"email": "office"}, "email", "E-mail must be an e-mail address"),
        ({"number_of_employees": "-1"}, "number_of_employees", "Employees must be 0 or more."),
        ({"number_of_employees": "many"}, "number_of_employees", "Employees must be a whole number."),
        ({"owner": "999999"}, "owner", "Owner must be one of those on offer."),
    ],
)
def test_what_is_wrong_is_said_under_the_field_and_nothing_is_stored(crm, sign_in, changes, key, message):
    one, client = company(crm), sign_in(crm.manager)
    before = Company.objects.values().get()
    for path in (page_of(one), f"{LIST}add/"):
        response = client.post(path, filled(client, path) | {"name": "Elsewhere"} | changes)
        errors = response.context["adminform"].form.errors
        assert [*errors] == [key] and message in errors[key][0], errors
        assert message in Page(response).text
    assert Company.objects.values().get() == before
    assert told() == ["account.created"]


def test_what_the_api_takes_as_an_email_the_form_takes_too(crm, sign_in):
    one, client = company(crm, email="jörg@bücher.example"), sign_in(crm.staff)
    client.post(page_of(one), filled(client, page_of(one), type="Customer"))
    one.refresh_from_db()
    assert (one.email, one.type) == ("jörg@bücher.example", "Customer")


def test_an_owner_of_another_account_is_refused(crm, sign_in):
    one, client = company(crm), sign_in(crm.manager)
    response = client.post(page_of(one), filled(client, page_of(one), owner=crm.other_manager.pk))
    assert [*response.context["adminform"].form.errors] == ["owner"]


def test_a_superuser_chooses_the_account_once(crm, sign_in):
    client, add = sign_in(crm.superuser), f"{LIST}add/"
    sent = filled(client, add, name="Hartley Design")
    assert "Account must be one of those on offer." in Page(client.post(add, sent)).text
    client.post(add, sent | {"account": crm.other.pk})
    one = Company.objects.get()
    assert one.account == crm.other
    client.post(page_of(one), filled(client, page_of(one), account=crm.account.pk, owner=crm.other_manager.pk))
    one.refresh_from_db()
    assert (one.account, one.owner) == (crm.other, crm.other_manager)


def test_auditors_only_look(crm, sign_in):
    one, client = company(crm), sign_in(crm.auditor)
    done = activity(one)
    page = Page(client.get(page_of(one)))
    assert "Save" not in page.text and "Add activity" not in page.text and "Edit activity" not in page.text
    assert client.post(page_of(one), {"name": "X"}).status_code == 403
    assert client.post(f"{LIST}add/", {"name": "X"}).status_code == 403
    assert client.post(f"{ACTIVITIES}{done.pk}/change/", {"note": "X"}).status_code == 403
    for user in (crm.auditor, crm.staff):
        client = sign_in(user)
        assert client.post(page_of(one, "delete"), {"post": "yes"}).status_code == 403
        assert client.post(f"{ACTIVITIES}{done.pk}/delete/", {"post": "yes"}).status_code == 403
    assert told() == ["account.created", "account_activity.created"]


@pytest.mark.parametrize("view", ["change", "delete", "history"])
def test_a_company_of_another_account_is_missing(crm, sign_in, view):
    one, client = company(crm, account=crm.other), sign_in(crm.manager)
    done = activity(one)
    for path in (page_of(one, view), f"{ACTIVITIES}{done.pk}/{view}/"):
        for method in (client.get, client.post):
            assert method(path, {"name": "X", "post": "yes"}).status_code == 404
    assert client.get(f"{ACTIVITIES}add/?company={one.pk}").status_code == 404
    assert told() == ["account.created", "account_activity.created"]


# --- what belongs to it ---


def test_the_page_shows_what_the_user_sees_of_its_leads_and_opportunities(crm, sign_in):
    one = company(crm, website="https://hartley.example")
    leads = [
        factories.lead(office=office, full_name=name, company_id=one.pk)
        for office, name in ((crm.leeds, "Near Lead"), (crm.york, "Far Lead"))
    ]
    type_ = OpportunityType.objects.get(account=crm.account)
    for lead in leads:
        deal = {"type": type_, "stage": "Prospecting", "company": one}
        Opportunity.objects.create(lead=lead, name=f"Roof of {lead}", **deal)
    page = Page(sign_in(crm.staff).get(page_of(one)))
    assert "Leads 1" in page.text and "Opportunities 1" in page.text
    assert "Near Lead" in page.text and "Far Lead" not in page.text
    assert f"/admin/leads/lead/{leads[0].pk}/change/" in page.links
    assert "https://hartley.example" in page.links
    page = Page(sign_in(crm.manager).get(page_of(one)))
    assert "Leads 2" in page.text and "Roof of Far Lead" in page.text


def test_a_website_that_is_no_address_is_no_link(crm, sign_in):
    one = company(crm, website="javascript:alert(1)")
    assert not [link for link in Page(sign_in(crm.manager).get(page_of(one))).links if "alert" in link]


def test_activities_are_added_and_mended_on_its_page(crm, sign_in):
    kind = review(crm.account, fields=["Mood", "Next step"])
    one, client = company(crm), sign_in(crm.staff)
    page = Page(client.get(page_of(one)))
    add = f"{ACTIVITIES}add/?company={one.pk}"
    assert "No activities yet" in page.text and add in page.links
    form = Page(client.get(add))
    assert "Mood" in form.text and "Inbound phone call" not in form.text
    sent = form.form("companyactivity_form") | {
        f"fields.{kind.pk}.2": "Visit",
        "status": "Done",
        "note": "Both offices stay.",
        "happened_at": "2026-11-20T09:00:00",
    }
    response = client.post(add, sent)
    assert response["Location"] == f"{page_of(one)}#activities"
    done = CompanyActivity.objects.get()
    assert (done.company, done.account, done.owner, done.fields) == (
        one,
        crm.account,
        crm.staff,
        {"Next step": "Visit"},
    )
    text = Page(client.get(page_of(one))).text
    assert "Activities 1" in text and "Account review Done" in text and "Next step Visit" in text
    path = f"{ACTIVITIES}{done.pk}/change/"
    client.post(path, filled(client, path, "companyactivity_form"))
    assert told() == ["account.created", "account_activity.created"]
    changes = {f"fields.{kind.pk}.1": "good", f"fields.{kind.pk}.2": ""}
    client.post(path, filled(client, path, "companyactivity_form", **changes))
    done.refresh_from_db()
    assert done.fields == {"Mood": "good"}
    assert told() == ["account.created", "account_activity.created", "account_activity.updated"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"type": "999999"}, "type"),
        ({"happened_at": "soon"}, "happened_at"),
        ({"score": "x"}, "score"),
        ({"owner": "999999"}, "owner"),
        ({"status": "x" * 51}, "status"),
        ({"note": "a\x07b"}, "note"),
    ],
)
def test_what_is_wrong_with_an_activity_is_said_under_the_field(crm, sign_in, changes, key):
    one, client = company(crm), sign_in(crm.staff)
    add = f"{ACTIVITIES}add/?company={one.pk}"
    response = client.post(add, filled(client, add, "companyactivity_form") | changes)
    assert [*response.context["adminform"].form.errors] == [key]
    assert not CompanyActivity.objects.exists()


def test_only_types_for_companies_of_the_account_are_taken(crm, sign_in):
    one, client = company(crm), sign_in(crm.staff)
    add = f"{ACTIVITIES}add/?company={one.pk}"
    for kind in (ActivityType.objects.get(account=crm.account, code=21), review(crm.other)):
        response = client.post(add, filled(client, add, "companyactivity_form", type=kind.pk))
        assert [*response.context["adminform"].form.errors] == ["type"]
    assert not CompanyActivity.objects.exists()


@pytest.mark.parametrize("key", ["", "x", "0", "999999", "9" * 30])
def test_an_activity_needs_a_company(crm, sign_in, key):
    assert sign_in(crm.staff).get(f"{ACTIVITIES}add/?company={key}").status_code == 404
    assert sign_in(crm.staff).get(f"{ACTIVITIES}?company={key}").status_code == 404


def test_the_way_back_to_the_list_of_activities_is_the_company(crm, sign_in):
    one = company(crm)
    response = sign_in(crm.staff).get(f"{ACTIVITIES}?company={one.pk}")
    assert response["Location"] == f"{page_of(one)}#activities"


def test_managers_delete_an_activity_after_a_question(crm, sign_in):
    one, client = company(crm), sign_in(crm.manager)
    done = activity(one)
    path = f"{ACTIVITIES}{done.pk}/delete/"
    assert "Delete this activity? It is removed from the page of Hartley Design." in Page(client.get(path)).text
    response = client.post(path, {"post": "yes"})
    assert response["Location"] == f"{page_of(one)}#activities"
    assert not CompanyActivity.objects.exists()


# --- delete ---


def test_deleting_says_what_goes_and_what_stays_and_tells_of_it(crm, sign_in):
    one, client = company(crm), sign_in(crm.manager)
    activity(one)
    lead = factories.lead(office=crm.leeds, company_id=one.pk)
    since = Event.objects.count()
    text = Page(client.get(page_of(one, "delete"))).text
    assert "Delete Hartley Design?" in text
    assert "1 activity of it goes with it. 1 lead of it stays, without a company." in text
    assert "Those that listen to lead.updated are told of its leads." in text
    response = client.post(page_of(one, "delete"), {"post": "yes"}, follow=True)
    assert "Company Hartley Design deleted." in Page(response).text
    assert not CompanyActivity.objects.exists()
    assert Lead.objects.get(pk=lead.pk).company is None
    assert sorted(told(since)) == ["account.deleted", "lead.field_changed", "lead.updated"]


def test_deleting_an_empty_one_says_little(crm, sign_in):
    text = Page(sign_in(crm.manager).get(page_of(company(crm), "delete"))).text
    assert "The company is removed for good. Webhooks that listen to account.deleted are told." in text


# --- a lead's company ---


def lead_page(lead: Lead) -> str:
    return f"/admin/leads/lead/{lead.pk}/change/"


def test_a_lead_is_linked_to_a_company(crm, sign_in):
    one, lead = company(crm), factories.lead(office=crm.leeds, company_name="Hartley")
    client, since = sign_in(crm.staff), Event.objects.count()
    client.post(lead_page(lead), filled(client, lead_page(lead), "lead_form", company_id=one.pk))
    lead.refresh_from_db()
    assert (lead.company, lead.get("company"), lead.get("company_name")) == (one, "Hartley Design", "Hartley")
    assert told(since) == ["lead.field_changed", "lead.updated"]
    page = Page(client.get(lead_page(lead)))
    assert page_of(one) in page.links
    client.post(lead_page(lead), filled(client, lead_page(lead), "lead_form", company_id=""))
    lead.refresh_from_db()
    assert lead.company is None


def test_a_company_of_another_account_is_refused_under_the_field(crm, sign_in):
    lead, theirs = factories.lead(office=crm.leeds), company(crm, account=crm.other)
    for user in (crm.staff, crm.superuser):
        client = sign_in(user)
        response = client.post(lead_page(lead), filled(client, lead_page(lead), "lead_form", company_id=theirs.pk))
        assert response.context["adminform"].form.errors == {
            "company_id": ["Linked company must be one of those on offer."]
        }
    assert Lead.objects.get(pk=lead.pk).company is None


def test_the_form_of_a_lead_finds_companies_of_the_account(crm, sign_in):
    company(crm)
    company(crm, "Hartley of others", account=crm.other)
    query = {"app_label": "leads", "model_name": "lead", "field_name": "company", "term": "hartley"}
    found = sign_in(crm.staff).get("/admin/autocomplete/", query).json()["results"]
    assert [one["text"] for one in found] == ["Hartley Design"]
    assert sign_in(crm.staff).get("/admin/autocomplete/", query | {"term": "h\x00"}).status_code == 200
    assert sign_in(crm.powerless).get("/admin/autocomplete/", query).status_code == 403
