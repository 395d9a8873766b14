"""Leaves in the admin: managers enter them, everybody of the account reads them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from leads.models import Leave, Membership
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/leave/"
ADD = f"{LIST}add/"


def page_of(leave: Leave, view: str = "change") -> str:
    return f"{LIST}{leave.pk}/{view}/"


def leave(crm: Any, first: int = 0, last: int = 2, **values: Any) -> Leave:
    """Of staff, from so many days after today to so many."""
    today = timezone.localdate()
    values = {"account": crm.account, "user": crm.staff} | values
    return Leave.objects.create(starts_on=today + timedelta(days=first), ends_on=today + timedelta(days=last), **values)


def new(crm: Any, **changes: Any) -> dict[str, Any]:
    return {"user": crm.staff.pk, "starts_on": "2027-01-04", "ends_on": "2027-01-08", "reason": "Holiday"} | changes


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("leave_form") | changes


def told() -> list[tuple[str, int | None]]:
    return list(Event.objects.filter(record="leave").order_by("pk").values_list("type", "actor_id"))


def test_managers_enter_change_and_delete_leaves(crm, sign_in):
    client = sign_in(crm.manager)
    response = client.post(ADD, filled(client, ADD) | new(crm), follow=True)
    assert "saved." in Page(response).text
    one = Leave.objects.get()
    assert (one.user, one.starts_on, one.ends_on) == (crm.staff, date(2027, 1, 4), date(2027, 1, 8))
    assert (one.account, one.reason, one.created_by) == (crm.account, "Holiday", crm.manager)
    data = filled(client, page_of(one))
    assert client.post(page_of(one), data).status_code == 302
    client.post(page_of(one), data | {"ends_on": "2027-01-09"})
    assert "Delete this leave of staff?" in Page(client.get(page_of(one, "delete"))).text
    client.post(page_of(one, "delete"), {"post": "yes"})
    assert not Leave.objects.exists()
    assert told() == [(f"leave.{what}", crm.manager.pk) for what in ("created", "updated", "deleted")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": ""}, "Person must be chosen."),
        ({"user": "999999"}, "Person must be one of those on offer."),
        ({"starts_on": ""}, "First day"),
        ({"starts_on": "soon"}, "First day must be a date."),
        ({"starts_on": "2027-02-30"}, "First day must be a date."),
        ({"ends_on": "2027-01-03"}, "Last day must not be before the first day."),
        (
            {"starts_on": "2026-01-01"},
            "First day must not overlap the leave of this person from 2026-12-30 to 2027-01-02.",
        ),
        ({"starts_on": "2027-01-02"}, "First day must not overlap the leave"),
        ({"reason": "a\x07b"}, "Reason must not contain control characters"),
    ],
)
def test_what_is_wrong_is_said(crm, sign_in, changes, said):
    Leave.objects.create(account=crm.account, user=crm.staff, starts_on=date(2026, 12, 30), ends_on=date(2027, 1, 2))
    before = told()
    response = sign_in(crm.manager).post(ADD, new(crm, **changes))
    assert response.status_code == 200
    assert said in Page(response).text
    assert (Leave.objects.count(), told()) == (1, before)


def test_people_are_those_of_the_account(crm, sign_in):
    client = sign_in(crm.manager)
    assert "Person must be one of those on offer." in Page(client.post(ADD, new(crm, user=crm.other_manager.pk))).text
    superuser = sign_in(crm.superuser)
    here = {"account": crm.account.pk}
    assert (
        "Person must be of the account." in Page(superuser.post(ADD, new(crm, user=crm.other_manager.pk, **here))).text
    )
    assert not Leave.objects.exists()
    superuser.post(ADD, new(crm, **here))
    assert Leave.objects.get().account == crm.account


def test_the_list_shows_the_accounts_leaves_and_who_is_away(crm, sign_in):
    leave(crm, -1, 2, reason="Ill")
    leave(crm, 5, 6, user=crm.staff_b, reason="Course")
    leave(crm, -9, -8, user=crm.manager, reason="Holiday")
    leave(crm, account=crm.other, user=crm.other_manager, reason="Elsewhere")
    for user in (crm.staff, crm.manager, crm.auditor):
        client = sign_in(user)
        text = Page(client.get(LIST)).text
        assert all(words in text for words in ("Ill", "Course", "Away today", "Ahead", "Past"))
        assert "Elsewhere" not in text
        for when, reason in (("today", "Ill"), ("ahead", "Course"), ("past", "Holiday")):
            found = client.get(f"{LIST}?when={when}").context["cl"].result_list
            assert [one.reason for one in found] == [reason]
    assert sign_in(crm.viewer).get(LIST).status_code == 403
    assert "Elsewhere" in Page(sign_in(crm.superuser).get(LIST)).text


def test_who_may_not_change_only_looks(crm, sign_in):
    one = leave(crm)
    for user in (crm.staff, crm.auditor):
        client = sign_in(user)
        assert Page(client.get(page_of(one))).form("leave_form").keys() <= {"csrfmiddlewaretoken"}
        for path in (ADD, page_of(one), page_of(one, "delete")):
            assert client.post(path, new(crm) | {"post": "yes"}).status_code == 403
    other = leave(crm, account=crm.other, user=crm.other_manager)
    assert sign_in(crm.manager).post(page_of(other), new(crm)).status_code == 404
    assert Leave.objects.count() == 2


def test_a_leave_of_somebody_who_left_the_account_can_still_be_changed(crm, sign_in):
    one = leave(crm)
    Membership.objects.filter(user=crm.staff).delete()
    client = sign_in(crm.manager)
    data = filled(client, page_of(one), reason="Moved on")
    assert client.post(page_of(one), data).status_code == 302
    assert Leave.objects.get().reason == "Moved on"
