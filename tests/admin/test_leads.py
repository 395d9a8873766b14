"""Leads in the admin: who sees and changes which, the form by the rules, newer versions, and what is done to many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe

from leads import fields
from leads.admin import slots
from leads.admin.lead_form import EDITED
from leads.models import Campaign, CustomField, Lead, LeadList, Pipeline, Stage, Tag
from leads.signals import happened
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
ADD = "/admin/leads/lead/add/"


def page_of(lead: Lead, view: str = "change") -> str:
    return reverse(f"admin:leads_lead_{view}", args=[lead.pk]) if view == "change" else f"{LIST}{lead.pk}/{view}/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    """What the browser would send: the form as the page shows it, with these changes."""
    response = client.get(path)
    assert response.status_code == 200
    return Page(response).form("lead_form") | changes


def everything(crm: Any, **changes: Any) -> Lead:
    """A lead with something in every field, in forms that no input can show whole."""
    parent = factories.lead(office=crm.leeds, full_name="The parent")
    values: dict[str, Any] = {
        "office": crm.leeds,
        "parent_id": parent.pk,
        "title": "Dr",
        "message": "First line\nsecond line\n\n  indented\n",
        "advert_address": "1 Advert Row",
        "advert_postcode": "LS1 1AA",
        "advert_url": "https://example.com/a?b=c&d=e",
        "advert_image": "https://example.com/i.png",
        "host": " with blanks around ",
        "source": "rightmove",
        "appointment_availability": {
            "hours": ["2021-04-22T10:00:00.000Z", "2021-04-23", "2021-04-24T10:00:30+09:00"],
            "evenings": ["2021-04-25T19:00:00Z"],
        },
        "meta": {"virtual tour": "true", "": "no name", "tag": "<b>&\"'"},
        "questionnaire": [["Do you own it?", "Yes"], ["Why\nnow?", ""], ["", ""]],
        "gdpr_checkbox": False,
        "international": True,
        "average_sale_estimation": 250000,
        "average_rent_estimation": 0.1,
        "minimum_sale_estimation": -1.5,
        "maximum_sale_estimation": 123456789012.55,
        "property_reference": "REF-1",
        "property_bedrooms": 0,
        "property_type": "semi-detached",
        "comparable_props": [
            {"address": "68 Uftwen Road", "beds": 4, "coords": {"x": -0.082544, "y": 51.5422}},
            {"date": "2021-02-10T08:30:00.000+09:00", "price": 1782500.5, "time_taken_to_sell": None},
            {},
        ],
    }
    return factories.lead(**(values | changes))


def check_moved(lead: Lead, stored: dict[str, Any]) -> None:
    """The lead is as it was, but for its stage, which is Won."""
    now = Lead.objects.get(pk=lead.pk).values()
    won = factories.stage("WON")
    moved = {"stage": "WON", "pipeline_stage_id": won.pk, "stage_name": "Won", "stage_outcome": "win"}
    assert now | {"modified_date": None} == stored | moved | {"modified_date": None}


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_shows_each_user_their_leads(crm, sign_in):
    here = factories.lead(office=crm.leeds, full_name="Lead of Leeds")
    there = factories.lead(office=crm.york, full_name="Lead of York")
    nowhere = factories.lead(full_name="Lead without office")
    abroad = factories.lead(account=crm.other, office=crm.whitby, full_name="Lead of Whitby")
    seen = {
        crm.staff: {here},
        crm.staff_b: {there},
        crm.viewer: {here},
        crm.manager: {here, there, nowhere},
        crm.auditor: {here, there, nowhere},
        crm.superuser: {here, there, nowhere, abroad},
        crm.other_manager: {abroad},
    }
    for user, leads in seen.items():
        text = Page(sign_in(user).get(LIST)).text
        assert {lead for lead in (here, there, nowhere, abroad) if str(lead) in text} == leads, user


@pytest.mark.parametrize(("user", "status"), [("powerless", 403), ("outsider", 302)])
def test_the_list_needs_the_right(crm, sign_in, user, status):
    assert sign_in(getattr(crm, user)).get(LIST).status_code == status


def test_the_list_names_its_columns_and_is_sorted_by_the_newest(crm, sign_in):
    factories.lead(full_name="Older one", office=crm.leeds, phone="not a number", email="older@example.com")
    newer = factories.lead(full_name="Newer one")
    Lead.objects.filter(pk=newer.pk).update(created_at=timezone.now() + timedelta(hours=1))
    text = Page(sign_in(crm.manager).get(LIST)).text
    assert text.index("Newer one") < text.index("Older one")
    for head in ("Lead", "Status", "Lead status", "Stage", "Type", "Office", "Owner", "Callable", "Created"):
        assert head in text
    assert "older@example.com" in text
    assert "2 leads" in text


def test_a_page_has_25_leads_at_a_constant_cost_and_counts_no_more_than_it_must(crm, sign_in):
    client = sign_in(crm.manager)
    costs = []
    for count in (3, 30):
        for number in range(count):
            factories.lead(full_name=f"Lead {number}", office=crm.leeds if number % 2 else crm.york)
        client.get(LIST)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(LIST)
        costs.append(len(queries))
        counting = [query["sql"] for query in queries if "COUNT(*)" in query["sql"] and "leads_lead" in query["sql"]]
        assert all("LIMIT" in sql for sql in counting), counting
    assert costs[0] == costs[1]
    assert len(response.context["cl"].result_list) == 25


def test_a_count_is_not_taken_beyond_its_cap(crm, sign_in, monkeypatch):
    monkeypatch.setattr("leads.admin.paging.CAP", 3)
    for number in range(5):
        factories.lead(full_name=f"Lead {number}")
    assert "3+ leads" in Page(sign_in(crm.manager).get(LIST)).text


@pytest.mark.parametrize(
    "words",
    [
        "olivia",
        "HARTLEY olivia",
        "olivia.hartley@",
        "07123456789",
        "+44 7123 456789",
        "07123 456 789",
        "0044 7123 456789",
        "N1 3JY",
        "REF-77",
    ],
)
def test_search_finds(crm, sign_in, words):
    factories.lead(property_reference="REF-77", phone="07123456789")
    factories.lead(
        full_name="Somebody else", first_name="X", last_name="Y", email="e@example.com", phone="020", postcode="YO1"
    )
    text = Page(sign_in(crm.manager).get(LIST, {"q": words})).text
    assert "Olivia Hartley" in text
    assert "Somebody else" not in text


def test_nothing_found_and_nothing_there_say_so(crm, sign_in):
    client = sign_in(crm.manager)
    assert "No leads yet" in Page(client.get(LIST)).text
    factories.lead()
    assert "No leads match “zzzz”" in Page(client.get(LIST, {"q": "zzzz"})).text


def test_filters_narrow_the_list(crm, sign_in):
    factories.lead(
        full_name="Match",
        office=crm.leeds,
        type="landlord",
        status="BUSINESS",
        stage="WON",
        source="zoopla",
        lead_status="Follow Up",
    )
    factories.lead(full_name="Other", office=crm.york, phone="+1 202 555 0100")
    client = sign_in(crm.manager)
    today = timezone.localdate()
    for query in (
        {"office": crm.leeds.pk},
        {"type": "landlord"},
        {"status": ["BUSINESS", "DUPLICATE"]},
        {"stage": factories.stage("WON").pk},
        {"lead_status": ["Follow Up", "Unknown"]},
        {"source": "zoop"},
        {"callable": "yes"},
    ):
        text = Page(client.get(LIST, query)).text
        assert ("Match" in text, "Other" in text) == (True, False), query
    assert "Other" in Page(client.get(LIST, {"callable": "no"})).text
    within = {"created_at_from": today.isoformat(), "created_at_to": today.isoformat()}
    assert "Match" in Page(client.get(LIST, within)).text
    assert "Match" not in Page(client.get(LIST, {"created_at_from": (today + timedelta(days=1)).isoformat()})).text
    assert "Match" not in Page(client.get(LIST, {"created_at_to": (today - timedelta(days=1)).isoformat()})).text
    nowhere = factories.lead(full_name="Nowhere")
    assert str(nowhere) in Page(client.get(LIST, {"office": "none"})).text


@pytest.mark.parametrize(
    "query",
    [
        {"office": "x"},
        {"office": "9" * 30},
        {"type": "\x00"},
        {"status": "nope"},
        {"source": "\x00"},
        {"callable": "maybe"},
        {"created_at_from": "yesterday"},
        {"created_at_to": "9999-12-31"},
        {"created_at_from": "0001-01-01"},
        {"q": "\x00"},
        {"p": "999"},
        {"p": "x"},
        {"o": "99"},
        {"unknown__field": "1"},
    ],
)
def test_a_bad_query_is_no_error_of_the_server(crm, sign_in, query):
    factories.lead()
    assert sign_in(crm.manager).get(LIST, query).status_code in (200, 302, 400)


def test_an_office_of_others_is_no_filter(crm, sign_in):
    factories.lead(office=crm.york)
    text = Page(sign_in(crm.staff).get(LIST, {"office": crm.york.pk})).text
    assert "York Minster Gate" not in text
    assert "Olivia" not in text


def test_new_today_is_a_view(crm, sign_in):
    factories.lead(full_name="Made today")
    old = factories.lead(full_name="Made long ago")
    Lead.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))
    client = sign_in(crm.manager)
    page = Page(client.get(LIST))
    (link,) = {link for link in page.links if "created_at_from" in link}
    text = Page(client.get(link)).text
    assert "Made today" in text
    assert "Made long ago" not in text


def test_each_view_shows_its_leads_and_says_that_it_is_open(crm, sign_in):
    factories.lead(full_name="Lead of mine", owner_id=crm.manager.pk)
    factories.lead(full_name="Lead of nobody")
    factories.lead(full_name="Lead of staff", owner_id=crm.staff.pk)
    client = sign_in(crm.manager)
    views = {view["title"]: view["link"] for view in client.get(LIST).context["tab_list"][0]["items"]}
    assert list(views) == ["All leads", "New today", "Unassigned", "My leads", "Likely duplicates"]
    seen = {
        "All leads": {"Lead of mine", "Lead of nobody", "Lead of staff"},
        "Unassigned": {"Lead of nobody"},
        "My leads": {"Lead of mine"},
    }
    for title, names in seen.items():
        response = client.get(views[title])
        assert {name for name in seen["All leads"] if name in Page(response).text} == names, title
        assert [view["title"] for view in response.context["tab_list"][0]["items"] if view["active"]] == [title]


def test_the_list_names_stage_lead_status_and_owner(crm, sign_in):
    factories.lead(lead_status="Meeting Booked", stage="WON", owner_id=crm.staff.pk)
    factories.lead(full_name="Of nobody", owner_id=None)
    text = Page(sign_in(crm.manager).get(LIST)).text
    assert "Unread Meeting Booked Won Vendor – staff Callable" in text.replace("Yes", "")
    assert "Unread – New Vendor – Unassigned" in text


def test_filters_by_place_owner_and_labels_narrow_the_list(crm, sign_in):
    lettings = second_pipeline(crm)
    LeadList.objects.create(account=crm.account, name="Newsletter")
    Campaign.objects.create(account=crm.account, name="Spring")
    match = factories.lead(
        full_name="Match",
        pipeline_id=lettings.pk,
        owner_id=crm.staff.pk,
        tags=["vip"],
        lists=["Newsletter"],
        campaigns=["Spring"],
    )
    factories.lead(full_name="Other")
    client = sign_in(crm.manager)
    for query in (
        {"pipeline": lettings.pk},
        {"stage": [match.pipeline_stage_id]},
        {"owner": crm.staff.pk},
        {"tag": match.tags.get().pk},
        {"list": match.lists.get().pk},
        {"campaign": match.campaigns.get().pk},
    ):
        text = Page(client.get(LIST, query)).text
        assert ("Match" in text, "Other" in text) == (True, False), query
    assert "Lettings – Enquiry" in client.get(LIST).content.decode()


def test_what_another_account_has_is_no_filter_of_this_one(crm, sign_in):
    tag = Tag.objects.create(account=crm.other, name="Their tag")
    factories.lead(full_name="Mine")
    client = sign_in(crm.manager)
    theirs = factories.stage("NEW", account=crm.other)
    for query in (
        {"tag": tag.pk},
        {"list": "999999"},
        {"campaign": "x"},
        {"pipeline": theirs.pipeline_id},
        {"stage": [theirs.pk]},
        {"stage": ["x", "9" * 30]},
        {"owner": crm.other_manager.pk},
        {"lead_status": ["nope"]},
    ):
        text = Page(client.get(LIST, query)).text
        assert "Mine" not in text, query
        assert "Their tag" not in text


def test_names_are_text_whatever_they_hold(crm, sign_in):
    lead = factories.lead(full_name="<script>alert(1)</script>", email="o'b@example.com", office=crm.leeds)
    client = sign_in(crm.manager)
    for path in (LIST, page_of(lead), page_of(lead, "delete"), page_of(lead, "refer")):
        assert b"<script>alert" not in client.get(path).content


def second_pipeline(crm: Any) -> Pipeline:
    """Lettings of the account: Enquiry (NEW), Agreed (WON)."""
    pipeline = Pipeline.objects.create(account=crm.account, name="Lettings")
    for position, (name, code) in enumerate([("Enquiry", "NEW"), ("Agreed", "WON")]):
        Stage.objects.create(pipeline=pipeline, name=name, code=code, position=position)
    return pipeline


# --- the form --------------------------------------------------------------------------------------------------------


def test_every_field_that_staff_fill_in_is_on_the_form(crm, sign_in):
    response = sign_in(crm.manager).get(page_of(everything(crm)))
    names = {name.partition(".")[0] for name in Page(response).names}
    writeable = {field.key for field in fields.FIELDS if field.writeable and not field.measured}
    # The stage brings its pipeline and its code; each custom field has an input of its own.
    wanted = writeable - {"stage", "pipeline_id", "custom_fields"} | {"comparable_props"}
    assert set(EDITED) == wanted
    assert wanted <= names
    assert b"{&quot;" not in response.content  # no raw JSON


def test_saving_the_form_unchanged_changes_nothing(crm, sign_in):
    lead = everything(crm)
    stored, events = lead.values(), Event.objects.count()
    client = sign_in(crm.staff)
    response = client.post(page_of(lead), filled(client, page_of(lead)))
    assert response.status_code == 302
    lead = Lead.objects.get(pk=lead.pk)
    assert lead.values() == stored
    assert (lead.version, Event.objects.count()) == (1, events)


@pytest.mark.slow
def test_a_lead_with_as_many_rows_as_fit_can_be_saved(crm, sign_in):
    lead = factories.lead(
        office=crm.leeds,
        comparable_props=[{"beds": 1}] * 370,
        questionnaire=[["?", ""]] * 200,
        meta={str(number): "" for number in range(120)},
        appointment_availability={"hours": ["2021-04-22"] * 150},
    )
    stored = lead.values()
    client = sign_in(crm.staff)
    client.post(page_of(lead), filled(client, page_of(lead), pipeline_stage_id=factories.stage("WON").pk))
    check_moved(lead, stored)


def test_one_save_of_many_parts_is_one_set_of_events(crm, sign_in):
    lead = everything(crm)
    client = sign_in(crm.staff)
    data = filled(
        client,
        page_of(lead),
        pipeline_stage_id=factories.stage("WON").pk,
        message="New",
        **{"meta.name": ["a"], "meta.text": ["b"]},
    )
    data["meta.was"] = [""]
    before = Event.objects.count()
    client.post(page_of(lead), data)
    events = Event.objects.order_by("pk")[before:]
    assert [event.type for event in events] == ["lead.stage_changed", "lead.field_changed", "lead.updated"]
    assert {event.version for event in events} == {2}
    assert {event.actor_name for event in events} == {"staff"}
    moved = {"stage", "pipeline_stage_id", "stage_name", "stage_outcome"}
    assert set(events[1].frozen.changes) == moved | {"message", "meta"}


def test_each_kind_of_field_is_stored_as_the_model_wants_it(crm, sign_in):
    client = sign_in(crm.staff)
    data = filled(client, ADD)
    assert data["office_id"] == [str(crm.leeds.pk)]  # the only one: prefilled
    assert data["source"] == ["admin"]
    data |= {
        "first_name": " Zoë ",
        "last_name": "Müller",
        "email": "zoe@example.com",
        "phone": "07123 456789",
        "type": "vendor",
        "address": "1 High Street",
        "postcode": "N1 3JY",
        "message": "one\r\ntwo",
        "property_bedrooms": "3",
        "average_sale_estimation": "250000.50",
        "average_rent_estimation": "900",
        "gdpr_checkbox": "false",
        "international": "unknown",
        "property_type": "detached",
        "appointment_availability.was": ["", ""],
        "appointment_availability.at": ["2026-12-01T10:30", ""],
        "meta.was": ["", ""],
        "meta.name": ["virtual tour", ""],
        "meta.text": ["true", ""],
        "questionnaire.was": ["", ""],
        "questionnaire.question": ["Why?", ""],
        "questionnaire.answer": ["Because", ""],
    }
    data |= {f"comparable_props.{name}": [""] for name in ("was", "months_ago", "distance", "original_asking_price")}
    data |= {
        "comparable_props.address": ["68 Uftwen Road"],
        "comparable_props.beds": ["4"],
        "comparable_props.price": ["1782500.5"],
        "comparable_props.date": ["2021-02-10"],
        "comparable_props.time_taken_to_sell": ["76"],
        "comparable_props.x": ["-0.082544"],
        "comparable_props.y": ["51.5422"],
    }
    response = client.post(ADD, data)
    assert response.status_code == 302, Page(response).text
    lead = Lead.objects.get()
    values = {key: value for key, value in lead.values().items() if value not in (None, [], {})}
    ours = ("id", "created_at", "created_date", "modified_date", "account_id", "account_name", "office_name")
    assert {key: values.pop(key) for key in ours}
    assert values == {
        "first_name": "Zoë",
        "last_name": "Müller",
        "full_name": "Zoë Müller",
        "email": "zoe@example.com",
        "phone": "07123 456789",
        "type": "vendor",
        "source": "admin",
        "address": "1 High Street",
        "postcode": "N1 3JY",
        "message": "one\ntwo",
        "status": "UNREAD",
        "stage": "NEW",
        "pipeline_id": factories.stage("NEW").pipeline_id,
        "pipeline": "Sales pipeline",
        "pipeline_stage_id": factories.stage("NEW").pk,
        "stage_name": "New",
        "stage_outcome": "open",
        "score": 0,
        "office_id": crm.leeds.pk,
        "property_bedrooms": 3,
        "average_sale_estimation": 250000.5,
        "average_rent_estimation": 900,
        "gdpr_checkbox": False,
        "property_type": "detached",
        "appointment_availability": {"hours": ["2026-12-01T10:30:00.000Z"]},
        "meta": {"virtual tour": "true"},
        "questionnaire": [["Why?", "Because"]],
        "comparable_props": [
            {
                "address": "68 Uftwen Road",
                "beds": 4,
                "price": 1782500.5,
                "date": "2021-02-10T00:00:00.000Z",
                "time_taken_to_sell": 76,
                "coords": {"x": -0.082544, "y": 51.5422},
            }
        ],
    }
    assert (lead.full_name_derived, lead.phone_e164, lead.callable) == (True, "+447123456789", True)
    assert lead.account == crm.account
    assert [event.type for event in Event.objects.all()] == ["lead.created"]


def test_a_changed_row_leaves_its_neighbours_and_the_other_keys_as_they_are(crm, sign_in):
    lead = everything(crm)
    client = sign_in(crm.staff)
    data = filled(client, page_of(lead))
    data["appointment_availability.at"][1] = "2021-05-01T09:00"
    data["comparable_props.price"][1] = "5"
    client.post(page_of(lead), data)
    lead = Lead.objects.get(pk=lead.pk)
    assert lead.get("appointment_availability") == {
        "hours": ["2021-04-22T10:00:00.000Z", "2021-05-01T09:00:00.000Z", "2021-04-24T10:00:30+09:00"],
        "evenings": ["2021-04-25T19:00:00Z"],
    }
    assert lead.get("comparable_props")[:2] == [
        {"address": "68 Uftwen Road", "beds": 4, "coords": {"x": -0.082544, "y": 51.5422}},
        {"date": "2021-02-10T08:30:00.000+09:00", "price": 5, "time_taken_to_sell": None},
    ]


def test_emptied_rows_are_gone_and_the_rest_of_the_object_stays(crm, sign_in):
    lead = everything(crm)
    client = sign_in(crm.staff)
    data = filled(client, page_of(lead))
    for name in [name for name in data if name.partition(".")[2] and not name.endswith(".was")]:
        data[name] = ["" for _ in data[name]]
    client.post(page_of(lead), data)
    lead = Lead.objects.get(pk=lead.pk)
    assert lead.get("appointment_availability") == {"hours": [], "evenings": ["2021-04-25T19:00:00Z"]}
    assert (lead.get("meta"), lead.get("questionnaire"), lead.get("comparable_props")) == (None, None, [])


def test_rows_that_were_all_removed_are_gone(crm, sign_in):
    lead = everything(crm)
    client = sign_in(crm.staff)
    data = {name: value for name, value in filled(client, page_of(lead)).items() if not name.startswith("meta.")}
    client.post(page_of(lead), data)
    assert Lead.objects.get(pk=lead.pk).get("meta") is None


def test_what_was_not_sent_is_left_alone(crm, sign_in):
    lead = everything(crm)
    stored = lead.values()
    sign_in(crm.staff).post(page_of(lead), {"version": "1", "pipeline_stage_id": factories.stage("WON").pk})
    check_moved(lead, stored)


def test_the_stage_is_chosen_among_all_pipelines_and_brings_its_own(crm, sign_in):
    lettings = second_pipeline(crm)
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    html = client.get(page_of(lead)).content.decode()
    assert html.index('<optgroup label="Sales pipeline">') < html.index('<optgroup label="Lettings">')
    agreed = lettings.stages.get(name="Agreed")
    client.post(page_of(lead), filled(client, page_of(lead), pipeline_stage_id=str(agreed.pk)))
    lead = Lead.objects.get(pk=lead.pk)
    assert (lead.pipeline, lead.pipeline_stage, lead.stage) == (lettings, agreed, "WON")
    client.post(ADD, filled(client, ADD, email="a@example.com", pipeline_stage_id=str(agreed.pk)))
    added = Lead.objects.get(email="a@example.com")
    assert (added.pipeline, added.pipeline_stage, added.stage) == (lettings, agreed, "WON")
    assert Page(client.get(page_of(added))).text.count("Agreed") >= 2  # head and select


def test_a_stage_of_another_account_is_refused(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    theirs = factories.stage("WON", account=crm.other)
    for path in (page_of(lead), ADD):
        response = client.post(path, filled(client, path, email="a@example.com", pipeline_stage_id=str(theirs.pk)))
        assert response.context["adminform"].form.errors == {
            "pipeline_stage_id": ["Stage must be one of those on offer."]
        }
    assert [lead.stage for lead in Lead.objects.all()] == ["NEW"]


@pytest.mark.slow
def test_an_owner_is_a_person_of_the_account_and_may_be_taken_back(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    data = filled(client, page_of(lead), owner_id=str(crm.manager.pk))
    client.post(page_of(lead), data)
    assert Lead.objects.get().owner == crm.manager
    crm.manager.is_active = False
    crm.manager.save()
    assert "manager (inactive)" in Page(client.get(page_of(lead))).text
    client.post(page_of(lead), filled(client, page_of(lead), score="3"))
    assert (Lead.objects.get().owner, Lead.objects.get().score) == (crm.manager, 3)
    for owner in (crm.other_manager, crm.superuser):
        response = client.post(page_of(lead), filled(client, page_of(lead), owner_id=str(owner.pk)))
        assert response.context["adminform"].form.errors == {"owner_id": ["Owner must be one of those on offer."]}
    client.post(page_of(lead), filled(client, page_of(lead), owner_id=""))
    assert Lead.objects.get().owner is None


def test_labels_are_chosen_and_tags_may_be_typed(crm, sign_in):
    for name in ("Newsletter", "Landlords"):
        LeadList.objects.create(account=crm.account, name=name)
    LeadList.objects.create(account=crm.other, name="Of others")
    Campaign.objects.create(account=crm.account, name="Spring")
    Tag.objects.create(account=crm.account, name="VIP")
    lead, client = factories.lead(office=crm.leeds, lists=["Landlords"]), sign_in(crm.staff)
    page = Page(client.get(page_of(lead)))
    assert page.form("lead_form")["lists"] == ["", "Landlords"]
    assert "Of others" not in page.text
    data = page.form("lead_form") | {
        "tags": ["", "VIP", "typed in the list"],
        "tags.typed": "urgent, vip ,,cash buyer",
        "lists": ["", "Newsletter", "Landlords"],
        "campaigns": ["", "Spring"],
    }
    assert client.post(page_of(lead), data).status_code == 302
    lead = Lead.objects.get()
    assert set(lead.get("tags")) == {"VIP", "typed in the list", "urgent", "cash buyer"}
    assert (lead.get("lists"), lead.get("campaigns")) == (["Landlords", "Newsletter"], ["Spring"])
    response = client.post(page_of(lead), filled(client, page_of(lead), lists=["", "Of others"]))
    assert "Lists must be lists that the account has, not Of others." in Page(response).text
    client.post(page_of(lead), filled(client, page_of(lead)) | {"tags": [""], "lists": [""]})
    lead = Lead.objects.get()
    assert (lead.get("tags"), lead.get("lists"), lead.get("campaigns")) == ([], [], ["Spring"])
    assert not Tag.objects.filter(account=crm.other).exists()


def test_facts_about_messages_are_read_and_not_written(crm, sign_in):
    lead = factories.lead(office=crm.leeds, number_of_emails=7, last_contacted="2024-12-02T14:05:38Z")
    lead.set("lead_status", "Follow Up")
    lead.save()
    lead.set("lead_status", "Meeting Booked")
    lead.save()
    client = sign_in(crm.staff)
    page = Page(client.get(page_of(lead)))
    assert "E-mails 7" in page.text
    assert "Last contacted 2 Dec 2024, 14:05:38 UTC" in page.text
    assert "Lead status history Follow Up Meeting Booked" in page.text
    assert "number_of_emails" not in page.names
    data = page.form("lead_form") | {"number_of_emails": "99", "lead_status_history": "x", "number_of_employees": "12"}
    client.post(page_of(lead), data | {"created_date": "2020-01-02T03:04"})
    lead = Lead.objects.get()
    assert (lead.get("number_of_emails"), lead.get("number_of_employees")) == (7, 12)
    assert lead.get("lead_status_history") == ["Follow Up", "Meeting Booked"]
    assert lead.get("created_date") == "2020-01-02T03:04:00Z"
    # None of it is asked of a new lead.
    assert "Lead status history" not in Page(client.get(ADD)).text


# What is changed in the form, the field that is wrong then, and what it says.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"email": "nope"}, "email", "E-mail must be an e-mail address such as name@example.com."),
    ({"email": ""}, "email", "E-mail is required."),
    ({"first_name": "x" * 51}, "first_name", "First name must have 1 to 50 characters."),
    ({"type": ""}, "type", "Type cannot be emptied once it is set."),
    ({"type": "other"}, "type", "Type must be one of sale, vendor, landlord, let, mortgage_request."),
    ({"type": "sale"}, "property_reference", "Property reference is required when type is sale."),
    ({"address": ""}, "address", "Address is required when type is vendor."),
    ({"status": ""}, "status", "Status cannot be emptied once it is set."),
    ({"pipeline_stage_id": "complete"}, "pipeline_stage_id", "Stage must be one of those on offer."),
    ({"pipeline_stage_id": "999999"}, "pipeline_stage_id", "Stage must be one of those on offer."),
    ({"pipeline_stage_id": ""}, "pipeline_stage_id", "Stage cannot be emptied once it is set."),
    ({"score": ""}, "score", "Score cannot be emptied once it is set."),
    ({"score": "1.5"}, "score", "Score must be a whole number from -2147483647"),
    ({"lead_status": "Nope"}, "lead_status", "Lead status must be one of Follow Up,"),
    ({"business_email": "nope"}, "business_email", "Business e-mail must be an e-mail address"),
    ({"owner_id": "999999"}, "owner_id", "Owner must be one of those on offer."),
    ({"created_date": "yesterday"}, "created_date", "Created date must be an ISO 8601 date"),
    ({"lists": ["", "Nope"]}, "lists", "Lists must be lists that the account has, not Nope."),
    ({"campaigns": ["", "Nope"]}, "campaigns", "Campaigns must be campaigns that the account has, not Nope."),
    ({"tags": ["", "x" * 101]}, "tags", "Tags must hold names of at most 100 characters."),
    (
        {"import_tags.text": ["a\x07b"], "import_tags.was": [""]},
        "import_tags",
        "must not contain control characters",
    ),
    ({"property_bedrooms": "4.5"}, "property_bedrooms", "Bedrooms must be a whole number"),
    ({"property_bedrooms": "many"}, "property_bedrooms", "Bedrooms must be a whole number"),
    ({"average_sale_estimation": "1.234"}, "average_sale_estimation", "at most 2 decimal places."),
    ({"average_sale_estimation": "NaN"}, "average_sale_estimation", "Average sale estimate must be a number."),
    ({"average_sale_estimation": "1e999"}, "average_sale_estimation", "must be a number."),
    ({"average_sale_estimation": "9" * 5000}, "average_sale_estimation", "must be a number."),
    ({"average_sale_estimation": "1_000"}, "average_sale_estimation", "must be a number."),
    ({"message": "x" * 8193}, "message", "Message must have at most 8192 characters."),
    ({"message": "a\x07b"}, "message", "Message must not contain control characters"),
    ({"meta.name": ["a", "a"], "meta.text": ["1", "2"], "meta.was": ["", ""]}, "meta", "“a” only once."),
    ({"meta.name": [""], "meta.text": ["1"], "meta.was": [""]}, "meta", "must have a name beside “1”."),
    ({"meta.name": ["a"], "meta.text": ["é" * 600], "meta.was": [""]}, "meta", "must take at most 1024 bytes"),
    (
        {"appointment_availability.at": ["tomorrow"], "appointment_availability.was": [""]},
        "appointment_availability",
        "must hold ISO 8601 dates only",
    ),
    (
        {"comparable_props.beds": ["four"], "comparable_props.was": [""]},
        "comparable_props",
        "must have a number of at most 15 digits as beds.",
    ),
    (
        {"comparable_props.x": ["1"], "comparable_props.was": [""]},
        "comparable_props",
        "must have the numbers x and y",
    ),
]


@pytest.mark.slow
def test_errors_stand_under_the_field_and_name_field_and_rule(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    as_shown = filled(client, page_of(lead))
    before = (lead.values(), Event.objects.count())
    for changes, key, message in WRONG:
        response = client.post(page_of(lead), as_shown | changes)
        assert response.status_code == 200, changes
        form = response.context["adminform"].form
        assert [*form.errors] == [key], changes
        assert message in form.errors[key][0], changes
        page = Page(response)
        assert message in page.text, changes
        assert (Lead.objects.get(pk=lead.pk).values(), Event.objects.count()) == before, changes
        # What was typed is still there, and the head tells what is stored.
        selects = {"type", "pipeline_stage_id", "lead_status", "owner_id"}
        for name, value in changes.items():
            if isinstance(value, str) and value and "\x07" not in value and name not in selects:
                assert page.form("lead_form")[name] == [value], changes
        assert response.context["values"]["email"] == lead.email, changes


def test_the_first_tab_with_an_error_opens(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    response = client.post(page_of(lead), filled(client, page_of(lead), message="x" * 8193, host="h" * 256))
    assert "activeFieldsetTab: 'message'" in response.content.decode()


def test_a_lead_without_a_type_needs_one_way_to_reach_it(crm, sign_in):
    client = sign_in(crm.staff)
    response = client.post(ADD, filled(client, ADD))
    assert response.status_code == 200
    assert "Full name is required when there is neither e-mail nor phone." in Page(response).text
    assert (Lead.objects.count(), Event.objects.count()) == (0, 0)
    client.post(ADD, filled(client, ADD, phone="1"))
    assert Lead.objects.get().type is None


def test_a_derived_name_follows_its_parts_and_may_be_given_back(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    client.post(page_of(lead), filled(client, page_of(lead), last_name="Shaw"))
    lead.refresh_from_db()
    assert (lead.full_name, lead.full_name_derived) == ("Olivia Shaw", True)
    client.post(page_of(lead), filled(client, page_of(lead), full_name="Given Name", first_name="X"))
    lead.refresh_from_db()
    assert (lead.full_name, lead.full_name_derived) == ("Given Name", False)
    # Emptied parts take a derived name along, and that is told under the field, not after the save.
    client.post(page_of(lead), filled(client, page_of(lead), full_name=""))
    response = client.post(page_of(lead), filled(client, page_of(lead), first_name="", last_name="", full_name=""))
    assert response.context["adminform"].form.errors["full_name"] == ["Full name is required."]


def test_the_source_is_admin_unless_staff_say_otherwise(crm, sign_in):
    client = sign_in(crm.staff)
    client.post(ADD, filled(client, ADD, email="a@example.com", source=""))
    client.post(ADD, filled(client, ADD, email="b@example.com", source="walk-in"))
    assert dict(Lead.objects.values_list("email", "source")) == {"a@example.com": "admin", "b@example.com": "walk-in"}


# --- office, account and parent --------------------------------------------------------------------------------------


def test_staff_must_choose_one_of_their_offices(crm, sign_in):
    crm.staff.membership.offices.add(crm.york)
    client = sign_in(crm.staff)
    data = filled(client, ADD, email="a@example.com")
    assert data["office_id"] == [""]
    for office_id in ("", str(crm.harrogate.pk), str(crm.whitby.pk), "999999", "x", "9" * 30):
        response = client.post(ADD, data | {"office_id": office_id})
        assert [*response.context["adminform"].form.errors] == ["office_id"], office_id
    assert Lead.objects.count() == 0
    client.post(ADD, data | {"office_id": str(crm.york.pk)})
    assert Lead.objects.get().office == crm.york


def test_managers_may_leave_the_office_open_but_stay_in_their_account(crm, sign_in):
    client = sign_in(crm.manager)
    data = filled(client, ADD, email="a@example.com")
    response = client.post(ADD, data | {"office_id": str(crm.whitby.pk)})
    assert [*response.context["adminform"].form.errors] == ["office_id"]
    client.post(ADD, data)
    lead = Lead.objects.get()
    assert (lead.office, lead.account) == (None, crm.account)


def test_superusers_choose_the_account_once_and_an_office_of_it(crm, sign_in):
    client = sign_in(crm.superuser)
    data = filled(client, ADD, email="a@example.com")
    response = client.post(ADD, data)
    assert response.context["adminform"].form.errors["account_id"] == ["Account must be one of those on offer."]
    # The other faults are told as well.
    response = client.post(ADD, data | {"email": "nope", "type": "vendor", "score": "x"})
    wrong = {"account_id", "email", "full_name", "phone", "address", "postcode", "score"}
    assert set(response.context["adminform"].form.errors) == wrong
    assert not Lead.objects.exists()
    response = client.post(ADD, data | {"account_id": crm.other.pk, "office_id": crm.leeds.pk})
    assert [*response.context["adminform"].form.errors] == ["office_id"]
    client.post(ADD, data | {"account_id": crm.other.pk, "office_id": crm.whitby.pk})
    lead = Lead.objects.get()
    assert (lead.account, lead.office) == (crm.other, crm.whitby)
    client.post(page_of(lead), filled(client, page_of(lead), account_id=crm.account.pk, score="7"))
    lead = Lead.objects.get()
    assert (lead.account, lead.score) == (crm.other, 7)


def test_an_account_that_is_posted_by_others_is_ignored(crm, sign_in):
    client = sign_in(crm.manager)
    client.post(ADD, filled(client, ADD, email="a@example.com", account_id=crm.other.pk, account=crm.other.pk))
    assert Lead.objects.get().account == crm.account


@pytest.mark.slow
def test_the_parent_lies_in_the_writers_scope_and_makes_no_ring(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    child = factories.lead(office=crm.leeds, parent_id=lead.pk)
    grandchild = factories.lead(office=crm.leeds, parent_id=child.pk)
    elsewhere = factories.lead(office=crm.york)
    abroad = factories.lead(account=crm.other)
    client = sign_in(crm.staff)
    data = filled(client, page_of(lead))
    for parent in (lead.pk, child.pk, grandchild.pk, elsewhere.pk, abroad.pk, 999999, "x", "9" * 30):
        response = client.post(page_of(lead), data | {"parent_id": str(parent)})
        assert [*response.context["adminform"].form.errors] == ["parent_id"], parent
    fine = factories.lead(office=crm.leeds)
    client.post(page_of(lead), data | {"parent_id": str(fine.pk)})
    lead.refresh_from_db()
    assert lead.parent == fine
    superuser = sign_in(crm.superuser)
    response = superuser.post(page_of(lead), filled(superuser, page_of(lead), parent_id=str(abroad.pk)))
    assert [*response.context["adminform"].form.errors] == ["parent_id"]


def test_a_parent_in_another_office_is_kept_and_not_named(crm, sign_in):
    secret = factories.lead(office=crm.york, full_name="Secret Person")
    lead = factories.lead(office=crm.leeds, parent_id=secret.pk)
    client = sign_in(crm.staff)
    response = client.get(page_of(lead))
    assert "Secret Person" not in Page(response).text
    client.post(page_of(lead), filled(client, page_of(lead), pipeline_stage_id=factories.stage("WON").pk))
    lead.refresh_from_db()
    assert (lead.parent, lead.stage) == (secret, "WON")


def test_the_search_for_a_parent_finds_only_leads_in_scope(crm, sign_in):
    factories.lead(office=crm.leeds, full_name="Olivia Here")
    factories.lead(office=crm.york, full_name="Olivia There")
    query = {"app_label": "leads", "model_name": "lead", "field_name": "parent", "term": "olivia"}
    found = sign_in(crm.staff).get("/admin/autocomplete/", query).json()["results"]
    assert [result["text"] for result in found] == ["Olivia Here"]
    assert sign_in(crm.powerless).get("/admin/autocomplete/", query).status_code == 403


# --- a newer version -------------------------------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch):
    """What other apps add, without those that are there."""
    for name in ("_panels", "_notes", "_histories"):
        monkeypatch.setattr(slots, name, [])


def test_a_save_over_a_newer_version_is_refused_and_shows_what_changed(crm, sign_in, registered):
    when = timezone.now()
    slots.register_history(lambda lead, since: [slots.Step(2, "Dana Moss", when, {"pipeline_stage_id": (1, 6)})])
    lead = factories.lead(office=crm.leeds, message="As it was")
    mine, theirs = sign_in(crm.staff), sign_in(crm.manager)
    data = filled(
        mine,
        page_of(lead),
        message="My words",
        pipeline_stage_id=factories.stage("LOST").pk,
        office_id=str(crm.leeds.pk),
    )
    theirs.post(page_of(lead), filled(theirs, page_of(lead), pipeline_stage_id=factories.stage("WON").pk))
    events = Event.objects.count()
    response = mine.post(page_of(lead), data)
    assert response.status_code == 200
    lead.refresh_from_db()
    assert (lead.stage, lead.get("message"), lead.version, Event.objects.count()) == ("WON", "As it was", 2, events)
    page = Page(response)
    assert "Version 2 was saved while you were editing." in page.text
    assert "Dana Moss saved version 2" in page.text
    conflict = response.context["adminform"].form.conflict
    assert [(one.label, one.theirs, one.yours) for one in conflict.differences] == [("Stage", "Won", "Lost")]
    # The input is kept, saving again is refused again, and the page offers the newer version.
    assert page.form("lead_form")["message"] == ["My words"]
    assert page.form("lead_form")["version"] == ["1"]
    assert mine.post(page_of(lead), page.form("lead_form")).status_code == 200
    assert page_of(lead) in page.links
    mine.post(page_of(lead), filled(mine, page_of(lead), message="My words"))
    lead.refresh_from_db()
    assert (lead.stage, lead.get("message"), lead.version) == ("WON", "My words", 3)


def test_without_a_history_every_difference_is_shown(crm, sign_in, registered):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    data = filled(client, page_of(lead), title="Dr", office_id=str(crm.leeds.pk))
    Lead.objects.filter(pk=lead.pk).update(stage="WON", office=crm.leeds)
    response = client.post(page_of(lead), data)
    conflict = response.context["adminform"].form.conflict
    assert [(one.label, one.theirs, one.yours) for one in conflict.differences] == [
        ("Title", "–", "Dr"),
        ("Stage", "Won", "New"),
    ]


def test_differences_are_told_in_words(crm, sign_in, registered):
    lettings = second_pipeline(crm)
    for name in ("Newsletter", "Landlords"):
        LeadList.objects.create(account=crm.account, name=name)
    CustomField.objects.create(account=crm.account, key="pets", label="Pets", kind="yes_no")
    lead = factories.lead(office=crm.leeds, tags=["vip"])
    client = sign_in(crm.staff)
    data = filled(client, page_of(lead)) | {
        "owner_id": str(crm.staff.pk),
        "pipeline_stage_id": str(lettings.stages.get(name="Agreed").pk),
        "tags": ["", "vip", "urgent"],
        "lists": ["", "Newsletter", "Landlords"],
        "lead_status": "Follow Up",
        "custom_fields.pets": "true",
    }
    Lead.objects.filter(pk=lead.pk).update(owner=crm.manager)
    response = client.post(page_of(lead), data)
    conflict = response.context["adminform"].form.conflict
    assert {(one.label, one.theirs, one.yours) for one in conflict.differences} == {
        ("Owner", "manager", "staff"),
        ("Stage", "New", "Agreed"),
        ("Tags", "vip", "vip, urgent"),
        ("Lists", "–", "Newsletter, Landlords"),
        ("Lead status", "–", "Follow Up"),
        ("Pets", "–", "Yes"),
    }


@pytest.mark.parametrize("version", ["", "x", "0", "-1", "9" * 30])
def test_a_save_without_its_version_is_refused(crm, sign_in, version):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    response = client.post(
        page_of(lead), filled(client, page_of(lead), pipeline_stage_id=factories.stage("WON").pk, version=version)
    )
    assert response.status_code == 200
    lead.refresh_from_db()
    assert lead.stage == "NEW"


# --- what other apps add ---------------------------------------------------------------------------------------------


def test_other_apps_add_cards_tabs_and_words_after_saving(crm, sign_in, registered):
    asked = []
    slots.register_panel(lambda request, lead: slots.Panel("Timeline", mark_safe("<p>All of it</p>")))
    slots.register_panel(
        lambda request, lead: slots.Panel("Deliveries 2", mark_safe("<p>Two rows</p>"), "tab", "deliveries")
    )
    slots.register_panel(lambda request, lead: None)

    def note(request, lead, before):
        # Asked once everything is stored: the events of this save are there.
        asked.append((before, Event.objects.filter(record_id=lead.pk, version__gt=before).count()))
        return mark_safe('2 deliveries added. <a href="/there">View</a>')

    slots.register_note(note)
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    response = client.get(page_of(lead))
    text = Page(response).text
    assert "Timeline" in text
    assert "All of it" in text
    assert "Deliveries 2" in text
    assert "activeTab == 'deliveries'" in response.content.decode()
    response = client.post(
        page_of(lead), filled(client, page_of(lead), pipeline_stage_id=factories.stage("WON").pk), follow=True
    )
    assert "Lead Olivia Hartley saved. 2 deliveries added. View" in Page(response).text
    assert "/there" in Page(response).links
    response = client.post(ADD, filled(client, ADD, email="a@example.com"), follow=True)
    assert asked == [(1, 3), (0, 1)]


# --- rights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["change", "delete", "history", "refer"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_lead_of_others_answers_like_a_missing_one(crm, sign_in, view, method):
    cases = [
        (crm.staff, factories.lead(office=crm.york)),
        (crm.staff, factories.lead()),
        (crm.manager, factories.lead(account=crm.other)),
    ]
    for user, lead in cases:
        user.user_permissions.set(_permissions("delete_lead"))
        client = sign_in(user)
        before = Event.objects.count()
        theirs = getattr(client, method)(page_of(lead, view), {"post": "yes", "office_id": crm.leeds.pk})
        missing = getattr(client, method)(f"{LIST}999999/{view}/", {"post": "yes", "office_id": crm.leeds.pk})
        assert theirs.status_code == missing.status_code == 404
        assert _anonymised(theirs, lead.pk) == _anonymised(missing, 999999)
        assert (Event.objects.count(), Lead.objects.filter(pk=lead.pk).count()) == (before, 1)


def _permissions(*codenames: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=codenames)


def _anonymised(response: Any, pk: int) -> str:
    text = Page(response).text
    return text.replace(f"/{pk}/", "/pk/")


@pytest.mark.parametrize("pk", ["x", "1'", "9" * 40, "%00", "-1", "1.5"])
def test_an_id_that_is_none_is_missing(crm, sign_in, pk):
    client = sign_in(crm.manager)
    for view in ("change", "delete", "refer"):
        assert client.get(f"{LIST}{pk}/{view}/").status_code == 404, view


@pytest.mark.parametrize("user", ["viewer", "auditor"])
def test_who_may_only_look_changes_nothing(crm, sign_in, user):
    lead = everything(crm)
    client = sign_in(getattr(crm, user))
    response = client.get(page_of(lead))
    page = Page(response)
    assert response.status_code == 200
    assert "68 Uftwen Road" in response.content.decode()
    assert "Save" not in page.text
    assert "Refer to another office" not in page.text
    assert set(page.form("lead_form")) <= {"csrfmiddlewaretoken", "version", *_ROW_MARKS}
    before = (lead.values(), Event.objects.count())
    assert client.post(page_of(lead), {"version": "1", "stage": "WON"}).status_code == 403
    assert client.post(page_of(lead, "refer"), {"office_id": crm.york.pk, "_form_submitted": "1"}).status_code == 403
    assert client.post(page_of(lead, "delete"), {"post": "yes"}).status_code == 403
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, {"email": "a@example.com"}).status_code == 403
    for action in ("assign_owner", "change_stage", "add_tag", "add_to_list", "refer_selected", "delete_selected"):
        data = {"action": action, ACTION_CHECKBOX_NAME: lead.pk, "index": "0", "post": "yes", "chosen": "1"}
        assert client.post(LIST, data).status_code == 403, action
    lead = Lead.objects.get(pk=lead.pk)
    assert (lead.values(), Event.objects.count()) == before


_ROW_MARKS = {
    name
    for key in ("appointment_availability", "meta", "questionnaire", "comparable_props", "import_tags")
    for name in (key, f"{key}.was")
}


def test_staff_do_not_delete(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    assert client.post(page_of(lead, "delete"), {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", ACTION_CHECKBOX_NAME: lead.pk, "post": "yes"}
    assert client.post(LIST, data).status_code == 403
    assert Lead.objects.count() == 1


def test_reading_never_writes(crm, sign_in):
    lead = everything(crm)
    client = sign_in(crm.manager)
    client.get(LIST)
    paths = [LIST, f"{LIST}?q=a", ADD, *(page_of(lead, view) for view in ("change", "delete", "refer", "history"))]
    for path in paths:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        written = [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
        assert written == [], path


# --- refer -----------------------------------------------------------------------------------------------------------


def test_refer_moves_the_lead_beyond_the_writers_offices(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.staff)
    dialog = client.get(page_of(lead, "refer"))
    text = Page(dialog).text
    assert "Olivia Hartley is in Leeds Central." in text
    assert "York Minster Gate" in text
    assert "Whitby" not in text
    before = Event.objects.count()
    response = client.post(
        page_of(lead, "refer"), {"_form_submitted": "True", "office_id": crm.york.pk}, headers={"HX-Request": "true"}
    )
    assert response["HX-Redirect"] == LIST  # the lead is out of sight now
    lead.refresh_from_db()
    assert (lead.office, lead.version) == (crm.york, 2)
    assert (lead.referred_by_office_id, lead.referred_by_office_name) == (crm.leeds.pk, "Leeds Central")
    assert (lead.referred_by_account_id, lead.referred_by_account_name) == (crm.account.pk, "Northgate Homes")
    assert [event.type for event in Event.objects.order_by("pk")[before:]] == ["lead.field_changed", "lead.updated"]
    assert client.get(page_of(lead)).status_code == 404
    assert "Olivia Hartley referred to York Minster Gate." in Page(client.get(LIST)).text


def test_refer_without_scripts_goes_on_as_well(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    client = sign_in(crm.manager)
    response = client.post(page_of(lead, "refer"), {"_form_submitted": "True", "office_id": crm.york.pk})
    assert (response.status_code, response["Location"]) == (302, page_of(lead))


def test_refer_refuses_the_same_office_and_those_of_others(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    for user in (crm.staff, crm.manager, crm.superuser):
        client = sign_in(user)
        for office_id in (crm.leeds.pk, crm.whitby.pk, 999999, "x", ""):
            response = client.post(page_of(lead, "refer"), {"_form_submitted": "True", "office_id": office_id})
            assert response.status_code == 200
            assert "Office must be" in Page(response).text
    lead.refresh_from_db()
    assert (lead.office, lead.version) == (crm.leeds, 1)


def test_a_link_to_refer_does_nothing_by_itself(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    sign_in(crm.manager).get(page_of(lead, "refer"), {"office_id": crm.york.pk, "_form_submitted": "True"})
    lead.refresh_from_db()
    assert lead.office == crm.leeds


# --- many at once ----------------------------------------------------------------------------------------------------


def run(client: Any, action: str, leads: Any, **more: Any) -> Any:
    data = {"action": action, "select_across": "0", ACTION_CHECKBOX_NAME: [lead.pk for lead in leads]} | more
    return client.post(LIST, data)


def test_change_stage_asks_with_a_count_for_each_stage_and_then_does_it(crm, sign_in):
    new = [factories.lead(office=crm.leeds, full_name=f"New {number}") for number in range(3)]
    won = factories.lead(office=crm.leeds, stage="WON")
    client = sign_in(crm.staff)
    before = Event.objects.count()
    asked = run(client, "change_stage", [*new, won], index="0")
    page = Page(asked)
    assert "Change the stage of 4 leads?" in page.text
    assert "New 3 Won 1" in page.text
    assert Event.objects.count() == before
    response = client.post(LIST, page.forms[-1] | {"chosen": factories.stage("WON").pk}, follow=True)
    assert "Stage of 3 leads changed to Won." in Page(response).text
    assert set(Lead.objects.values_list("stage", "version")) == {("WON", 2), ("WON", 1)}
    types = [event.type for event in Event.objects.order_by("pk")[before:]]
    assert types == ["lead.stage_changed", "lead.field_changed", "lead.updated"] * 3


@pytest.mark.parametrize("chosen", ["", "NOPE", "\x00"])
def test_change_stage_wants_a_stage(crm, sign_in, chosen):
    lead = factories.lead(office=crm.leeds)
    response = run(sign_in(crm.staff), "change_stage", [lead], chosen=chosen)
    assert "New stage must be chosen." in Page(response).text
    lead.refresh_from_db()
    assert lead.stage == "NEW"


def test_actions_reach_only_leads_in_scope(crm, sign_in):
    here, there = factories.lead(office=crm.leeds), factories.lead(office=crm.york)
    abroad = factories.lead(account=crm.other, office=crm.whitby)
    run(sign_in(crm.staff), "change_stage", [here, there, abroad], chosen=factories.stage("WON").pk)
    assert set(Lead.objects.filter(stage="WON")) == {here}
    run(sign_in(crm.manager), "delete_selected", [here, abroad], post="yes")
    assert set(Lead.objects.all()) == {there, abroad}
    run(sign_in(crm.staff_b), "refer_selected", [there, abroad], chosen=str(crm.leeds.pk))
    assert set(Lead.objects.values_list("office__name", flat=True)) == {"Leeds Central", "Whitby Quayside"}


def test_leads_of_two_pipelines_are_moved_by_pipeline(crm, sign_in):
    lettings = second_pipeline(crm)
    sales = [factories.lead(office=crm.leeds, email=f"{number}@example.com") for number in range(2)]
    let = factories.lead(office=crm.leeds, pipeline_id=lettings.pk, email="let@example.com")
    client = sign_in(crm.staff)
    page = Page(run(client, "change_stage", [*sales, let]))
    assert "They stand in 2 pipelines. Only those in the pipeline of the stage that you choose are moved" in page.text
    assert "Sales pipeline – New 2 Lettings – Enquiry 1" in page.text
    agreed = lettings.stages.get(name="Agreed")
    response = client.post(LIST, page.forms[-1] | {"chosen": agreed.pk}, follow=True)
    told = "Stage of 1 lead changed to Agreed. 2 leads stand in another pipeline and stay there."
    assert told in Page(response).text
    assert set(Lead.objects.values_list("email", "pipeline_stage__name", "stage")) == {
        ("0@example.com", "New", "NEW"),
        ("1@example.com", "New", "NEW"),
        ("let@example.com", "Agreed", "WON"),
    }
    # A pipeline in which none of them stands offers nothing.
    page = Page(run(client, "change_stage", sales))
    assert "Agreed" not in page.text
    response = run(client, "change_stage", sales, chosen=agreed.pk)
    assert "New stage must be chosen." in Page(response).text


def test_assign_owner_asks_and_tells(crm, sign_in):
    leads = [factories.lead(office=crm.leeds, owner_id=owner) for owner in (None, None, crm.staff_b.pk)]
    client, before = sign_in(crm.staff), Event.objects.count()
    page = Page(run(client, "assign_owner", leads))
    assert "Assign 3 leads?" in page.text
    assert "Unassigned 2 staffb 1" in page.text
    assert "othermanager" not in page.text
    assert Event.objects.count() == before
    response = client.post(LIST, page.forms[-1] | {"chosen": crm.staff_b.pk}, follow=True)
    assert "2 leads assigned to staffb." in Page(response).text
    assert set(Lead.objects.values_list("owner", flat=True)) == {crm.staff_b.pk}
    types = [event.type for event in Event.objects.order_by("pk")[before:]]
    assert types == ["lead.assigned", "lead.field_changed", "lead.updated"] * 2
    response = client.post(LIST, page.forms[-1] | {"chosen": "none"}, follow=True)
    assert "3 leads unassigned." in Page(response).text
    for chosen in ("", crm.other_manager.pk, crm.superuser.pk, "x"):
        assert "Owner must be chosen." in Page(run(client, "assign_owner", leads, chosen=chosen)).text
    assert set(Lead.objects.values_list("owner", flat=True)) == {None}


def test_add_tag_takes_an_old_one_or_a_new_one(crm, sign_in):
    leads = [factories.lead(office=crm.leeds), factories.lead(office=crm.leeds, tags=["vip"])]
    client = sign_in(crm.staff)
    page = Page(run(client, "add_tag", leads))
    assert "Add a tag to 2 leads?" in page.text
    response = client.post(LIST, page.forms[-1] | {"chosen": " VIP "}, follow=True)
    assert "Tag vip added to 1 lead." in Page(response).text
    run(client, "add_tag", leads, chosen="urgent")
    assert [set(lead.get("tags")) for lead in Lead.objects.all()] == [{"vip", "urgent"}] * 2
    assert "Tag must be chosen." in Page(run(client, "add_tag", leads, chosen=" ")).text
    assert "Tags must hold names of at most 100" in Page(run(client, "add_tag", leads, chosen="x" * 101)).text
    assert "Tags must not contain control" in Page(run(client, "add_tag", leads, chosen="a\x00")).text
    assert set(Tag.objects.values_list("name", flat=True)) == {"vip", "urgent"}


def test_add_to_list_wants_a_list_of_the_account(crm, sign_in):
    leads = [factories.lead(office=crm.leeds), factories.lead(office=crm.leeds)]
    client = sign_in(crm.staff)
    run(client, "add_to_list", leads)
    assert "This account has no lists yet." in Page(client.get(LIST)).text
    mine = LeadList.objects.create(account=crm.account, name="Newsletter")
    theirs = LeadList.objects.create(account=crm.other, name="Of others")
    page = Page(run(client, "add_to_list", leads))
    assert "Add 2 leads to a list?" in page.text
    assert "Of others" not in page.text
    assert "List must be chosen." in Page(run(client, "add_to_list", leads, chosen=theirs.pk)).text
    response = client.post(LIST, page.forms[-1] | {"chosen": mine.pk}, follow=True)
    assert "2 leads added to Newsletter." in Page(response).text
    assert [lead.get("lists") for lead in Lead.objects.all()] == [["Newsletter"]] * 2


@pytest.mark.parametrize("action", ["assign_owner", "change_stage", "add_tag", "add_to_list"])
def test_leads_of_two_accounts_are_not_changed_together(crm, sign_in, action):
    leads = [factories.lead(office=crm.leeds), factories.lead(account=crm.other, office=crm.whitby)]
    client, before = sign_in(crm.superuser), Event.objects.count()
    assert run(client, action, leads, chosen="1").status_code == 302
    assert "Choose leads of one account:" in Page(client.get(LIST)).text
    assert Event.objects.count() == before


@pytest.mark.parametrize("pk", ["x", "", "9" * 30, "1; DROP TABLE"])
def test_a_selected_row_that_is_no_number_is_a_bad_request(crm, sign_in, pk):
    data = {"action": "change_stage", ACTION_CHECKBOX_NAME: pk, "chosen": "WON"}
    assert sign_in(crm.staff).post(LIST, data).status_code == 400


def test_actions_that_are_none_are_refused(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    assert run(sign_in(crm.manager), "explode", [lead]).status_code == 403


def test_refer_selected_asks_and_moves_each(crm, sign_in):
    leads = [factories.lead(office=crm.leeds), factories.lead(office=crm.york)]
    client = sign_in(crm.manager)
    page = Page(run(client, "refer_selected", leads, index="0"))
    assert "Refer 2 leads?" in page.text
    assert "Leeds Central 1 York Minster Gate 1" in page.text
    assert "Whitby" not in page.text
    response = client.post(LIST, page.forms[-1] | {"chosen": str(crm.york.pk)}, follow=True)
    assert "1 lead referred to York Minster Gate." in Page(response).text
    assert {lead.office for lead in Lead.objects.all()} == {crm.york}
    response = run(client, "refer_selected", leads, chosen=str(crm.whitby.pk))
    assert "Refer to must be chosen." in Page(response).text


def test_leads_of_two_accounts_are_not_referred_together(crm, sign_in):
    leads = [factories.lead(office=crm.leeds), factories.lead(account=crm.other, office=crm.whitby)]
    response = run(sign_in(crm.superuser), "refer_selected", leads, chosen=str(crm.york.pk))
    assert response.status_code == 302
    assert Lead.objects.get(pk=leads[0].pk).office == crm.leeds


def test_what_is_refused_at_the_end_of_the_action_undoes_all_of_it(crm, sign_in):
    leads = [factories.lead(office=crm.leeds), factories.lead(office=crm.leeds)]
    before = Event.objects.count()
    client = sign_in(crm.staff)

    def refuse(sender, facts, **kwargs):
        raise ValidationError("Not while the stock is taken.")

    happened.connect(refuse)
    try:
        response = run(client, "change_stage", leads, chosen=factories.stage("WON").pk)
    finally:
        happened.disconnect(refuse)
    assert response.status_code == 302
    assert "Not while the stock is taken." in Page(client.get(LIST)).text
    assert set(Lead.objects.values_list("stage", flat=True)) == {"NEW"}
    assert Event.objects.count() == before


def test_an_old_fault_of_a_lead_does_not_stand_in_the_way(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    # As raw data may come: past every rule.
    Lead.plain("default").filter(pk=lead.pk).update(postcode=None)
    run(sign_in(crm.staff), "change_stage", [lead], chosen=factories.stage("WON").pk)
    assert Lead.objects.get().stage == "WON"


# --- delete ----------------------------------------------------------------------------------------------------------


def test_delete_asks_and_then_tells(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    child = factories.lead(office=crm.leeds, parent_id=lead.pk, full_name="The child")
    client = sign_in(crm.manager)
    text = Page(client.get(page_of(lead, "delete"))).text
    assert "Delete Olivia Hartley?" in text
    assert "1 lead that belongs to it stays, without a parent." in text
    before = Event.objects.count()
    response = client.post(page_of(lead, "delete"), {"post": "yes"}, follow=True)
    assert "Lead Olivia Hartley deleted." in Page(response).text
    child.refresh_from_db()
    assert child.parent is None
    assert sorted(event.type for event in Event.objects.order_by("pk")[before:]) == [
        "lead.deleted",
        "lead.field_changed",
        "lead.updated",
    ]


def test_many_are_deleted_after_a_question(crm, sign_in):
    leads = [factories.lead(office=crm.leeds, full_name=f"Lead {number}") for number in range(3)]
    client = sign_in(crm.manager)
    page = Page(run(client, "delete_selected", leads, index="0"))
    assert "Delete 3 leads?" in page.text
    assert "Lead 2" in page.text
    assert Lead.objects.count() == 3
    client.post(LIST, page.forms[-1])
    assert Lead.objects.count() == 0
