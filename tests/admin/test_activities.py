"""Activities of leads: the tab on the lead's page, the list of all, the form, and cancelling a sales activity."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from leads.admin import activity as screen
from leads.models import Activity, ActivityType, Lead
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/activity/"


def add_to(lead: Lead, **query: Any) -> str:
    return "&".join([f"{LIST}add/?lead={lead.pk}", *(f"{name}={value}" for name, value in query.items())])


def page_of(activity: Activity, view: str = "change") -> str:
    return f"{LIST}{activity.pk}/{view}/"


def tab_of(lead: Lead) -> str:
    return f"/admin/leads/lead/{lead.pk}/change/"


def kind(lead: Lead, code: int = 21, **values: Any) -> ActivityType:
    kinds = ActivityType.objects.filter(account_id=lead.account_id, code=code)
    kinds.update(**values) if values else None
    return kinds.get()


def activity(lead: Lead, code: int = 21, day: int = 1, **values: Any) -> Activity:
    when = datetime(2026, 11, day, 9, 14, 5, 123456, tzinfo=UTC)
    return Activity.objects.create(lead=lead, type=kind(lead, code), **{"happened_at": when} | values)


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("activity_form") | changes


def told(since: int = 0) -> list[str]:
    return [event.type for event in Event.objects.exclude(type__startswith="lead.").order_by("pk")[since:]]


def test_the_tab_on_the_leads_page_has_the_newest_first(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    kind(lead, 22, fields=["Result", "Next step"])
    activity(lead, 21, 2, note="Sooner", owner=crm.staff, score=5)
    activity(lead, 22, 3, note="Later <b>bold</b>", status="Reached", fields={"Next step": "Visit"})
    for user in (crm.staff, crm.manager, crm.auditor):
        response = sign_in(user).get(tab_of(lead))
        text = Page(response).text
        assert "Activities 2" in text
        assert text.index("Later") < text.index("Sooner")
        assert "3 Nov 2026, 09:14:05 UTC · Unassigned Later <b>bold</b> Next step Visit" in text
        assert "2 Nov 2026, 09:14:05 UTC · staff · score 5 Sooner" in text
        assert b"<b>bold" not in response.content
    assert "Sooner" not in Page(sign_in(crm.viewer).get(tab_of(lead))).text


def test_of_many_the_newest_are_shown_until_all_are_asked_for(crm, sign_in, monkeypatch):
    monkeypatch.setattr(screen, "SHOWN", 2)
    lead = factories.lead(office=crm.leeds)
    for day in (1, 2, 3):
        activity(lead, day=day, note=f"Day {day}")
    client = sign_in(crm.staff)
    text = Page(client.get(tab_of(lead))).text
    assert "Activities 3" in text
    assert "Show 1 earlier activity" in text
    assert ("Day 1" in text, "Day 2" in text, "Day 3" in text) == (False, True, True)
    assert "Day 1" in Page(client.get(f"{tab_of(lead)}?activities=all")).text


def test_an_activity_is_added_and_told(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    call = kind(lead, fields=["Result", "Next step"])
    kind(Lead(account=crm.other), name="Of others")
    add = add_to(lead, back="lead")
    assert add in Page(client.get(tab_of(lead))).links
    page = Page(client.get(add))
    assert "Of others" not in page.text
    assert "Account review" not in page.text, "that is for companies"
    data = page.form("activity_form")
    assert (data["type"], data["owner"]) == ([str(call.pk)], [str(crm.staff.pk)])
    data |= {"note": "One\r\ntwo", "happened_at": "2026-11-20T10:30", "score": "-3", "status": " Reached "}
    data |= {f"fields.{call.pk}.1": "Interested", f"fields.{call.pk}.2": " "}
    assert client.post(add, data)["Location"] == f"{tab_of(lead)}#activities"
    stored = Activity.objects.get()
    assert (stored.lead, stored.account, stored.type, stored.owner) == (lead, crm.account, call, crm.staff)
    assert (stored.note, stored.score, stored.status) == ("One\ntwo", -3, "Reached")
    assert (stored.happened_at, stored.fields) == (
        datetime(2026, 11, 20, 10, 30, tzinfo=UTC),
        {"Result": "Interested"},
    )
    event = Event.objects.get(type="activity.created")
    assert (event.actor_name, event.record, event.record_id) == ("staff", "activity", stored.pk)
    assert stored.created_by == crm.staff


def test_an_activity_is_mended_and_told_once(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    call = kind(lead, fields=["Result", "Next step"])
    stored = activity(lead, note="Rang twice", fields={"Result": "Interested", "Next step": "Visit"})
    data = filled(client, page_of(stored))
    assert (data[f"fields.{call.pk}.1"], data[f"fields.{call.pk}.2"]) == (["Interested"], ["Visit"])
    assert client.post(page_of(stored), data)["Location"] == LIST
    assert told() == ["activity.created"], "nothing was changed"
    data |= {"note": "Rang once", f"fields.{call.pk}.2": ""}
    assert client.post(f"{page_of(stored)}?back=lead", data)["Location"] == f"{tab_of(lead)}#activities"
    assert told() == ["activity.created", "activity.updated"]
    before, stored = stored, Activity.objects.get()
    assert (stored.note, stored.fields) == ("Rang once", {"Result": "Interested"})
    assert stored.happened_at == before.happened_at


def test_the_fields_follow_the_type(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    call, other = kind(lead, fields=["Result", "Next step"]), kind(lead, 22, fields=["Next step", "Duration"])
    stored = activity(lead, fields={"Result": "Interested", "Next step": "Visit"})
    page = Page(client.get(f"{page_of(stored)}?type={other.pk}"))
    data = page.form("activity_form")
    assert data["type"] == [str(other.pk)]
    assert (data[f"fields.{other.pk}.1"], data[f"fields.{other.pk}.2"]) == (["Visit"], [""])
    # Without scripts the inputs are still those of the type before: what both have stays, and nothing is mixed up.
    data = filled(client, page_of(stored), type=other.pk)
    assert f"fields.{call.pk}.1" in data
    client.post(page_of(stored), data)
    stored.refresh_from_db()
    assert (stored.type, stored.fields) == (other, {"Next step": "Visit"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": ""}, "Type is required."),
        ({"type": "999999"}, "Type must be one of those on offer."),
        ({"note": "a\x07"}, "Note must not contain control characters"),
        ({"note": "x" * 10_001}, "at most 10000 characters"),
        ({"status": "x" * 51}, "at most 50 characters"),
        ({"score": "x"}, "Enter a whole number."),
        ({"score": ""}, "Score is required."),
        ({"score": "3000000000"}, "less than or equal to 2147483647"),
        ({"happened_at": ""}, "When is required."),
        ({"happened_at": "yesterday"}, "When must be a date and time."),
        ({"owner": "999999"}, "Owner must be one of those on offer."),
        ({"further": "x" * 2001}, "Fields must have at most 2,000 characters in Result."),
        ({"further": "a\x07"}, "Result must not contain control characters"),
    ],
)
def test_what_is_wrong_is_said_under_the_field_and_nothing_is_stored(crm, sign_in, changes, message):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    call = kind(lead, fields=["Result"])
    stored = activity(lead, note="As it was")
    if "further" in changes:
        changes = {f"fields.{call.pk}.1": changes["further"]}
    for path in (add_to(lead), page_of(stored)):
        response = client.post(path, filled(client, path) | changes)
        assert response.status_code == 200
        assert message in Page(response).text
    assert [*Activity.objects.values_list("note", flat=True)] == ["As it was"]


def test_references_of_another_account_are_refused(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.manager)
    theirs = ActivityType.objects.get(account=crm.other, code=21)
    for changes, message in (
        ({"type": theirs.pk}, "Type must be one of those on offer."),
        ({"owner": crm.other_manager.pk}, "Owner must be one of those on offer."),
        ({"type": kind(lead, 202).pk}, "Type must be one of those on offer."),
    ):
        assert message in Page(client.post(add_to(lead), filled(client, add_to(lead)) | changes)).text
    assert not Activity.objects.exists()


def test_a_sales_activity_stays_one_and_tells_events_of_its_own(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    sale = kind(lead, 30)
    client.post(add_to(lead), filled(client, add_to(lead), type=sale.pk, status="Offered"))
    stored = Activity.objects.get()
    client.post(page_of(stored), filled(client, page_of(stored), status="Invoiced"))
    response = client.post(page_of(stored), filled(client, page_of(stored), type=kind(lead, 21).pk))
    assert "Type must be one of those on offer." in Page(response).text
    assert told() == ["sales_activity.created", "sales_activity.updated"]


def test_a_sales_activity_is_cancelled_after_a_question(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    sale, call = activity(lead, 30), activity(lead, 21)
    cancel = page_of(sale, "cancel")
    links = Page(client.get(tab_of(lead))).links
    assert cancel in links
    assert page_of(call, "cancel") not in links
    text = Page(client.get(cancel)).text
    assert "Sales activity of Olivia Hartley" in text
    assert "sales_activity.cancelled are told. It cannot be undone." in text
    assert Activity.objects.filter(cancelled_at__isnull=False).count() == 0, "only asked"
    response = client.post(cancel, {"_form_submitted": "on"}, HTTP_HX_REQUEST="true")
    assert response["HX-Refresh"] == "true"
    sale.refresh_from_db()
    assert sale.cancelled_at is not None
    page = Page(client.get(tab_of(lead)))
    assert "Sales activity of Olivia Hartley cancelled." in page.text
    assert cancel not in page.links
    text = Page(client.get(page_of(sale))).text
    assert "Cancel sales activity" not in text
    assert f"Cancelled {sale.cancelled_at.day} {sale.cancelled_at:%b %Y, %H:%M}" in text
    assert client.post(page_of(sale), filled(client, page_of(sale))).status_code == 302
    assert client.post(cancel, {"_form_submitted": "on"})["Location"] == f"{tab_of(lead)}#activities"
    assert told() == ["sales_activity.created", "activity.created", "sales_activity.cancelled"]
    assert client.get(page_of(call, "cancel")).status_code == 404
    assert client.post(page_of(call, "cancel"), {"_form_submitted": "on"}).status_code == 404


def test_the_list_of_all_has_what_the_user_sees(crm, sign_in):
    here, there = factories.lead(office=crm.leeds), factories.lead(office=crm.york, first_name="Ben")
    nowhere = factories.lead(first_name="Free")
    strange = factories.lead(account=crm.other, office=crm.whitby, first_name="Strange")
    activity(here, status="Reached", owner=crm.staff)
    sale = activity(there, 30, 3)
    sale.cancel()
    activity(nowhere, 22)
    activity(strange)

    def names(user: Any, query: str = "") -> list[str]:
        text = Page(sign_in(user).get(f"{LIST}{query}")).text
        return [name for name in ("Olivia", "Ben", "Free", "Strange") if f"{name} Hartley" in text]

    assert names(crm.staff) == ["Olivia"]
    assert names(crm.staff_b) == ["Ben"]
    assert names(crm.manager) == names(crm.auditor) == ["Olivia", "Ben", "Free"]
    assert names(crm.superuser) == ["Olivia", "Ben", "Free", "Strange"]
    assert sign_in(crm.viewer).get(LIST).status_code == 403
    assert names(crm.manager, f"?type={kind(there, 30).pk}") == ["Ben"]
    assert names(crm.manager, f"?type={kind(strange).pk}") == []
    assert names(crm.manager, "?owner=none") == ["Ben", "Free"]
    assert names(crm.staff, "?owner=me") == ["Olivia"]
    assert names(crm.manager, "?happened_at_from=2026-11-03") == ["Ben"]
    assert names(crm.manager, "?happened_at_to=2026-11-02") == ["Olivia", "Free"]
    assert names(crm.manager, "?q=reached") == ["Olivia"]
    text = Page(sign_in(crm.manager).get(LIST)).text
    assert "Sales activity Cancelled" in text
    assert "Inbound phone call Reached staff" in text


def test_from_the_list_the_lead_is_chosen_first(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    page = Page(client.get(f"{LIST}add/"))
    assert "Which lead is it about?" in page.text
    assert "lead" in page.names
    assert "Lead must be chosen." in Page(client.get(f"{LIST}add/?lead=")).text
    response = client.post(add_to(lead), filled(client, add_to(lead)))
    assert response["Location"] == LIST
    assert sign_in(crm.auditor).get(f"{LIST}add/").status_code == 403


@pytest.mark.parametrize("key", ["x", "9" * 30, "-1"])
def test_an_activity_needs_a_lead(crm, sign_in, key):
    client = sign_in(crm.manager)
    assert client.get(f"{LIST}add/?lead={key}").status_code == 404
    assert client.post(f"{LIST}add/?lead={key}", {"note": "X"}).status_code == 404
    assert client.post(f"{LIST}add/", {"note": "X"}).status_code == 404


def test_activities_of_leads_beyond_the_users_reach_are_missing(crm, sign_in):
    cases = [
        (crm.staff, factories.lead(office=crm.york)),
        (crm.staff, factories.lead()),
        (crm.manager, factories.lead(account=crm.other)),
    ]
    for user, lead in cases:
        stored, client = activity(lead, 30, note="As it was"), sign_in(user)
        for path in (page_of(stored), page_of(stored, "cancel"), add_to(lead)):
            assert client.get(path).status_code == 404
            assert client.post(path, {"note": "X", "_form_submitted": "on"}).status_code == 404
        if user == crm.manager:
            assert client.post(page_of(stored, "delete"), {"post": "yes"}).status_code == 404
    assert Activity.objects.filter(note="As it was", cancelled_at=None).count() == 3


def test_auditors_only_look(crm, sign_in):
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.auditor)
    stored = activity(lead, 30, note="As it was")
    links = Page(client.get(tab_of(lead))).links
    assert not [link for link in links if link.startswith(LIST) and link != LIST]
    assert "Save" not in Page(client.get(page_of(stored))).text
    for path in (page_of(stored), page_of(stored, "cancel"), page_of(stored, "delete"), add_to(lead)):
        assert client.post(path, {"note": "X", "post": "yes", "_form_submitted": "on"}).status_code == 403
    assert [*Activity.objects.values_list("note", "cancelled_at")] == [("As it was", None)]


def test_managers_delete_an_activity_after_a_question(crm, sign_in):
    stored, client = activity(factories.lead(office=crm.leeds)), sign_in(crm.manager)
    assert sign_in(crm.staff).post(page_of(stored, "delete"), {"post": "yes"}).status_code == 403
    assert "No webhook is told: what was sent of it stays sent." in Page(client.get(page_of(stored, "delete"))).text
    client.post(page_of(stored, "delete"), {"post": "yes"})
    assert not Activity.objects.exists()
    assert told() == ["activity.created"]
