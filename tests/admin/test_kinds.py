"""Activity types and opportunity types in the admin."""

from __future__ import annotations

from typing import Any

import pytest

from leads.models import Activity, ActivityType, Company, CompanyActivity, Opportunity, OpportunityType
from tests import factories
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

ACTIVITY_TYPES = "/admin/leads/activitytype/"
OPPORTUNITY_TYPES = "/admin/leads/opportunitytype/"


def rows(name: str, *texts: str) -> dict[str, list[str]]:
    """The inputs of rows that were typed anew."""
    return {name: ["rows"], f"{name}.was": [""] * len(texts), f"{name}.name": list(texts)}


def page_of(kind: Any, view: str = "change") -> str:
    return f"/admin/leads/{kind._meta.model_name}/{kind.pk}/{view}/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    form = "activitytype_form" if "activitytype" in path else "opportunitytype_form"
    return Page(client.get(path)).form(form) | changes


def call_of(crm: Any) -> ActivityType:
    return ActivityType.objects.get(account=crm.account, code=21)


def deals_of(crm: Any) -> OpportunityType:
    return OpportunityType.objects.get(account=crm.account)


def test_the_lists_show_the_types_of_the_account(crm, sign_in):
    ActivityType.objects.filter(account=crm.other, code=21).update(name="Of others")
    ActivityType.objects.filter(account=crm.account, code=21).update(fields=["Result", "Next step"])
    for user in (crm.staff, crm.manager, crm.auditor):
        text = Page(sign_in(user).get(ACTIVITY_TYPES)).text
        assert "Inbound phone call 21 Lead activity Result, Next step View activities" in text
        assert "Sales activity 30 Sales activity" in text
        assert "Of others" not in text
        text = Page(sign_in(user).get(OPPORTUNITY_TYPES)).text
        assert "Opportunity 12000 Prospecting, Qualified, Proposal, Negotiation, Closed" in text
    assert "Of others" in Page(sign_in(crm.superuser).get(ACTIVITY_TYPES)).text
    assert sign_in(crm.viewer).get(ACTIVITY_TYPES).status_code == 403


@pytest.mark.parametrize(("code", "stored"), [("", 203), ("301", 301)])
def test_an_activity_type_has_the_code_given_or_the_next_free_one(crm, sign_in, code, stored):
    client = sign_in(crm.manager)
    data = filled(client, f"{ACTIVITY_TYPES}add/", name="Survey", kind="sales", code=code)
    response = client.post(f"{ACTIVITY_TYPES}add/", data | rows("fields", "Result", " Next step ", ""), follow=True)
    assert "Activity type Survey saved." in Page(response).text
    kind = ActivityType.objects.get(name="Survey")
    assert (kind.account, kind.code, kind.kind, kind.fields) == (crm.account, stored, "sales", ["Result", "Next step"])


def test_an_opportunity_type_has_its_stages_in_order(crm, sign_in):
    client, add = sign_in(crm.manager), f"{OPPORTUNITY_TYPES}add/"
    client.post(add, filled(client, add, name="Renewal") | rows("stages", "Due", "Signed") | rows("fields", "Term"))
    kind = OpportunityType.objects.get(name="Renewal")
    assert (kind.code, kind.stages, kind.fields) == (12_001, ["Due", "Signed"], ["Term"])
    data = filled(client, page_of(kind))
    assert data["stages.name"] == ["Due", "Signed", ""]
    client.post(page_of(kind), data | rows("stages", "Signed", "Asked", "Due"))
    kind.refresh_from_db()
    assert (kind.stages, kind.fields) == (["Signed", "Asked", "Due"], ["Term"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Name is required."),
        ({"name": "Meeting"}, "This account has one of that name."),
        ({"name": "a\x07"}, "Name must not contain control characters"),
        ({"code": "21"}, "This account has one of that code."),
        ({"code": "-1"}, "greater than or equal to 0"),
        ({"code": "1000000"}, "Code must be a whole number from 1 to 999999."),
        ({"code": "0"}, "Code must be a whole number from 1 to 999999."),
        ({"code": "x"}, "Enter a whole number."),
        ({"kind": "party"}, "party is not one of the available choices"),
        (rows("fields", "A", "a"), "Fields must have each label once."),
        (rows("fields", "A" * 101), "Fields must have labels of at most 100 characters."),
        (rows("fields", *(str(number) for number in range(51))), "Fields must be at most 50."),
        (rows("fields", "A\x00"), "Fields must not contain control characters"),
    ],
)
def test_what_is_wrong_with_an_activity_type_is_said_and_nothing_is_stored(crm, sign_in, changes, message):
    client, kind = sign_in(crm.manager), ActivityType.objects.get(account=crm.account, code=22)
    before = list(ActivityType.objects.order_by("pk").values())
    for path in (page_of(kind), f"{ACTIVITY_TYPES}add/"):
        response = client.post(path, {"name": ["Other"]} | filled(client, path) | changes)
        assert response.status_code == 200
        assert message in Page(response).text, path
    assert list(ActivityType.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (rows("stages"), "Stages must be at least one."),
        (rows("stages", "A", "a"), "Stages must have each stage once."),
        (rows("stages", "A" * 101), "Stages must have stages of at most 100 characters."),
        (rows("stages", "A\x01"), "Stages must not contain control characters"),
    ],
)
def test_what_is_wrong_with_stages_is_said(crm, sign_in, changes, message):
    client, kind = sign_in(crm.manager), deals_of(crm)
    for path in (page_of(kind), f"{OPPORTUNITY_TYPES}add/"):
        response = client.post(path, {"name": ["Other"]} | filled(client, path) | changes)
        assert message in Page(response).text, path
    assert OpportunityType.objects.get(account=crm.account).stages == kind.stages


def test_a_type_in_use_keeps_labels_places_and_kind(crm, sign_in):
    client, kind = sign_in(crm.manager), call_of(crm)
    ActivityType.objects.filter(pk=kind.pk).update(fields=["Result", "Next step"])
    Activity.objects.create(lead=factories.lead(office=crm.leeds), type=kind)
    for labels in (("Next step", "Result"), ("Result",), ("Mood", "Result", "Next step")):
        response = client.post(page_of(kind), filled(client, page_of(kind)) | rows("fields", *labels))
        assert "Fields of a kind that is in use keep their labels and places: add new ones behind them." in (
            Page(response).text
        )
    response = client.post(page_of(kind), filled(client, page_of(kind), kind="company"))
    assert "Kind of a type that is in use stays lead activity." in Page(response).text
    client.post(
        page_of(kind), filled(client, page_of(kind), name="Call in") | rows("fields", "Result", "Next step", "Mood")
    )
    kind.refresh_from_db()
    assert (kind.name, kind.kind, kind.fields) == ("Call in", "lead", ["Result", "Next step", "Mood"])


def test_a_type_that_nobody_uses_may_change_as_it_likes(crm, sign_in):
    client, kind = sign_in(crm.manager), call_of(crm)
    ActivityType.objects.filter(pk=kind.pk).update(fields=["Result", "Next step"])
    client.post(page_of(kind), filled(client, page_of(kind), kind="sales") | rows("fields", "Next step"))
    kind.refresh_from_db()
    assert (kind.kind, kind.fields) == ("sales", ["Next step"])


def test_a_stage_in_which_opportunities_stand_is_not_removed(crm, sign_in):
    client, kind, lead = sign_in(crm.manager), deals_of(crm), factories.lead(office=crm.leeds)
    for name in ("Roof", "Cellar"):
        Opportunity.objects.create(lead=lead, type=kind, name=name, stage="Proposal")
    response = client.post(page_of(kind), filled(client, page_of(kind)) | rows("stages", "Prospecting", "Closed"))
    assert "Stages must keep Proposal: 2 opportunities stand in it." in Page(response).text
    client.post(page_of(kind), filled(client, page_of(kind)) | rows("stages", "Proposal", "Prospecting"))
    kind.refresh_from_db()
    assert kind.stages == ["Proposal", "Prospecting"]


def test_a_type_in_use_is_not_deleted_and_says_why(crm, sign_in):
    client, lead = sign_in(crm.manager), factories.lead(office=crm.leeds)
    call, deals = call_of(crm), deals_of(crm)
    review = ActivityType.objects.get(account=crm.account, code=202)
    Activity.objects.create(lead=lead, type=call)
    company = Company.objects.create(account=crm.account, name="Hartley Design")
    for _ in range(2):
        CompanyActivity.objects.create(company=company, type=review)
    Opportunity.objects.create(lead=lead, type=deals, name="Roof", stage="Proposal")
    for kind, why in ((call, "1 activity"), (review, "2 company activities"), (deals, "1 opportunity")):
        for response in (client.get(page_of(kind, "delete")), client.post(page_of(kind, "delete"), {"post": "yes"})):
            text = Page(response).text
            assert f"{kind} cannot be deleted" in text
            assert f"This type has {why}. Give them another type or delete them first." in text
    assert f"/admin/leads/activity/?type={call.pk}" in Page(client.get(page_of(call, "delete"))).links
    free = ActivityType.objects.get(account=crm.account, code=201)
    assert "Nothing is of this type." in Page(client.get(page_of(free, "delete"))).text
    client.post(page_of(free, "delete"), {"post": "yes"})
    assert not ActivityType.objects.filter(pk=free.pk).exists()
    assert ActivityType.objects.filter(account=crm.account).count() == 4


def test_a_superuser_chooses_the_account(crm, sign_in):
    client, add = sign_in(crm.superuser), f"{OPPORTUNITY_TYPES}add/"
    data = filled(client, add, name="Renewal") | rows("stages", "Due")
    assert "Account must be one of those on offer." in Page(client.post(add, data)).text
    client.post(add, data | {"account": crm.other.pk})
    assert OpportunityType.objects.get(name="Renewal").account == crm.other


@pytest.mark.parametrize("user", ["staff", "auditor"])
def test_who_may_only_look_changes_nothing(crm, sign_in, user):
    client, kind = sign_in(getattr(crm, user)), deals_of(crm)
    page = Page(client.get(page_of(kind)))
    assert "Save" not in page.text
    assert "stages.name" not in page.form("opportunitytype_form")
    for path in (page_of(kind), page_of(kind, "delete"), f"{OPPORTUNITY_TYPES}add/"):
        assert client.post(path, {"name": "X", "post": "yes"} | rows("stages", "X")).status_code == 403
    assert OpportunityType.objects.get(account=crm.account).name == "Opportunity"


@pytest.mark.parametrize("view", ["change", "delete"])
def test_a_type_of_another_account_is_missing(crm, sign_in, view):
    client = sign_in(crm.manager)
    for kind in (
        ActivityType.objects.filter(account=crm.other).first(),
        OpportunityType.objects.get(account=crm.other),
    ):
        for method in (client.get, client.post):
            assert method(page_of(kind, view), {"name": "X", "post": "yes"}).status_code == 404
