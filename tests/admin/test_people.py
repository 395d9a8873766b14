"""People in the admin: who makes and touches whom, and with which rights they end up."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from leads import roles
from leads.models import ApiKey, Leave, Membership, User
from tests.admin.conftest import PASSWORD, new_user
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/user/"
ADD = "/admin/leads/user/add/"
STRONG = "a horse, a battery, a staple"


def page_of(user: User, view: str = "change") -> str:
    return f"{LIST}{user.pk}/{view}/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == 200
    return Page(response).form("user_form") | changes


def new(crm: Any, **changes: Any) -> dict[str, Any]:
    return {
        "username": "new",
        "first_name": "Nina",
        "last_name": "New",
        "email": "nina@example.com",
        "availability": "available",
        "password1": STRONG,
        "password2": STRONG,
        "role": roles.STAFF,
        "offices": [crm.leeds.pk],
        "is_active": "on",
    } | changes


def rights(user: User) -> tuple[set[str], Any, set[str], bool, bool]:
    user = User.objects.get(pk=user.pk)
    membership = Membership.objects.filter(user=user).first()
    return (
        {group.name for group in user.groups.all()},
        membership and membership.account,
        {office.name for office in membership.offices.all()} if membership else set(),
        user.is_active,
        user.is_superuser,
    )


def test_each_user_sees_the_people_of_their_account(crm, sign_in):
    for user, name, stranger in (
        (crm.manager, "staffb@example.com", "othermanager@example.com"),
        (crm.auditor, "staffb@example.com", "othermanager@example.com"),
        (crm.other_manager, "othermanager@example.com", "staffb@example.com"),
    ):
        text = Page(sign_in(user).get(LIST)).text
        assert (name in text, stranger in text) == (True, False)
    assert "root@example.com" in Page(sign_in(crm.superuser).get(LIST)).text
    assert sign_in(crm.staff).get(LIST).status_code == 403


def test_the_list_costs_the_same_however_many_there_are(crm, sign_in, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = sign_in(crm.manager)
    costs = []
    for number in range(2):
        client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        costs.append(len(queries))
        for more in range(5):
            new_user(f"more{number}{more}", crm.account, crm.leeds, crm.york, role=roles.STAFF)
    assert costs[0] == costs[1]


@pytest.mark.parametrize("role", [roles.STAFF, roles.MANAGER, roles.AUDITOR])
def test_managers_make_people_of_their_account(crm, sign_in, client, role):
    manager = sign_in(crm.manager)
    filled(manager, ADD)
    response = manager.post(ADD, new(crm, role=role), follow=True)
    assert "saved." in Page(response).text
    user = User.objects.get(username="new")
    assert rights(user) == ({role}, crm.account, {"Leeds Central"}, True, False)
    assert user.is_staff
    assert client.login(username="new", password=STRONG)
    assert client.get("/admin/leads/lead/").status_code == 200


def test_what_managers_may_not_give_is_not_given(crm, sign_in):
    extra = Group.objects.create(name="Extra")
    manager = sign_in(crm.manager)
    more = {
        "is_superuser": "on",
        "is_staff": "on",
        "account": crm.other.pk,
        "more_roles": [extra.pk],
        "groups": [extra.pk],
        "user_permissions": [permission.pk for permission in Permission.objects.all()[:5]],
    }
    manager.post(ADD, new(crm, **more))
    user = User.objects.get(username="new")
    assert rights(user) == ({roles.STAFF}, crm.account, {"Leeds Central"}, True, False)
    assert not user.user_permissions.exists()
    manager.post(page_of(user), filled(manager, page_of(user)) | more | {"role": roles.AUDITOR})
    assert rights(user) == ({roles.AUDITOR}, crm.account, {"Leeds Central"}, True, False)
    assert not User.objects.get(pk=user.pk).user_permissions.exists()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"username": "manager"}, "username"),
        ({"username": ""}, "username"),
        ({"role": "Extra"}, "role"),
        ({"role": ""}, "role"),
        ({"role": "Superuser"}, "role"),
        ({"offices": []}, "offices"),
        ({"offices": ["x"]}, "offices"),
        ({"offices": ["9" * 30]}, "offices"),
        ({"password2": "another horse entirely"}, "password2"),
        ({"password1": "12345678901", "password2": "12345678901"}, "password2"),
        ({"password1": "", "password2": ""}, "password1"),
        ({"email": "nope"}, "email"),
    ],
)
def test_a_bad_person_is_refused(crm, sign_in, changes, key):
    Group.objects.create(name="Extra")
    response = sign_in(crm.manager).post(ADD, new(crm, **changes))
    assert response.status_code == 200
    assert key in response.context["adminform"].form.errors
    assert not User.objects.filter(email="nina@example.com").exists()


def test_offices_of_others_are_refused(crm, sign_in):
    response = sign_in(crm.manager).post(ADD, new(crm, offices=[crm.whitby.pk]))
    assert "offices" in response.context["adminform"].form.errors
    data = new(crm, offices=[crm.whitby.pk], account=crm.account.pk)
    response = sign_in(crm.superuser).post(ADD, data)
    assert response.context["adminform"].form.errors["offices"] == ["Offices must belong to the account."]
    assert not User.objects.filter(username="new").exists()


def test_managers_change_their_people(crm, sign_in):
    client = sign_in(crm.manager)
    data = filled(client, page_of(crm.staff), first_name="Sam", role=roles.AUDITOR, offices=[crm.york.pk])
    assert client.post(page_of(crm.staff), data).status_code == 302
    assert rights(crm.staff) == ({roles.AUDITOR}, crm.account, {"York Minster Gate"}, True, False)
    data = filled(client, page_of(crm.staff))
    data.pop("is_active")
    client.post(page_of(crm.staff), data)
    assert not rights(crm.staff)[3]


def test_saving_a_person_unchanged_changes_nothing(crm, sign_in):
    extra = Group.objects.create(name="Extra")
    crm.staff.groups.add(extra)
    before = rights(crm.staff)
    for user in (crm.manager, crm.superuser):
        client = sign_in(user)
        assert client.post(page_of(crm.staff), filled(client, page_of(crm.staff))).status_code == 302
        assert rights(crm.staff) == before


@pytest.mark.parametrize("view", ["change", "delete", "password", "history"])
def test_people_of_other_accounts_are_missing(crm, sign_in, view):
    client = sign_in(crm.manager)
    for method in (client.get, client.post):
        for user in (crm.other_manager, crm.superuser):
            answer = method(page_of(user, view), new(crm) | {"post": "yes"})
            assert answer.status_code == method(f"{LIST}999999/{view}/", {"post": "yes"}).status_code == 404
    assert rights(crm.other_manager)[0] == {roles.MANAGER}


def test_nobody_but_a_superuser_touches_a_superuser(crm, sign_in):
    Membership.objects.create(user=crm.superuser, account=crm.account)
    _out_of_reach(crm, sign_in, crm.superuser)


@pytest.mark.parametrize("active", [True, False])
def test_nobody_touches_somebody_with_rights_that_they_lack(crm, sign_in, active):
    extra = Group.objects.create(name="Extra")
    extra.permissions.add(Permission.objects.get(codename="change_account"))
    powerful = new_user("powerful", crm.account, crm.leeds, role=roles.STAFF, is_active=active)
    powerful.groups.add(extra)
    _out_of_reach(crm, sign_in, powerful)


def _out_of_reach(crm: Any, sign_in: Any, user: User) -> None:
    before, password = rights(user), User.objects.get(pk=user.pk).password
    client = sign_in(crm.manager)
    assert "Save" not in Page(client.get(page_of(user))).text
    passwords = {"password1": STRONG, "password2": STRONG, "set_usable_password": "True", "usable_password": "true"}
    for view in ("change", "delete", "password"):
        assert client.post(page_of(user, view), new(crm) | passwords | {"post": "yes"}).status_code == 403, view
    assert client.get(page_of(user, "password")).status_code == 403
    assert (rights(user), User.objects.get(pk=user.pk).password) == (before, password)


def test_auditors_look_and_staff_do_not(crm, sign_in):
    client = sign_in(crm.auditor)
    assert client.get(page_of(crm.staff)).status_code == 200
    for path in (ADD, page_of(crm.staff), page_of(crm.staff, "delete"), page_of(crm.staff, "password")):
        assert client.post(path, new(crm) | {"post": "yes"}).status_code == 403
        assert sign_in(crm.staff).post(path, new(crm)).status_code == 403
        assert sign_in(crm.outsider).post(path, new(crm)).status_code == 302
    assert rights(crm.staff)[0] == {roles.STAFF}


def test_the_last_manager_stays_one(crm, sign_in):
    client = sign_in(crm.manager)
    for changes in ({"role": roles.AUDITOR}, {"role": roles.STAFF, "offices": [crm.leeds.pk]}):
        response = client.post(page_of(crm.manager), filled(client, page_of(crm.manager), **changes))
        assert "manager is the last active manager." in Page(response).text
    data = filled(client, page_of(crm.manager))
    data.pop("is_active")
    assert "is_active" in client.post(page_of(crm.manager), data).context["adminform"].form.errors
    assert "cannot be deleted" in Page(client.post(page_of(crm.manager, "delete"), {"post": "yes"})).text
    assert rights(crm.manager)[0] == {roles.MANAGER}
    second = new_user("second", crm.account, role=roles.MANAGER)
    assert (
        client.post(page_of(crm.manager), filled(client, page_of(crm.manager), role=roles.AUDITOR)).status_code == 302
    )
    assert rights(crm.manager)[0] == {roles.AUDITOR}
    client = sign_in(second)
    data = filled(client, page_of(second))
    data.pop("is_active")
    assert client.post(page_of(second), data).status_code == 200


def test_a_superuser_is_warned_when_an_account_loses_its_last_manager(crm, sign_in):
    client = sign_in(crm.superuser)
    data = filled(client, page_of(crm.manager), role=roles.AUDITOR)
    response = client.post(page_of(crm.manager), data, follow=True)
    assert "Northgate Homes has no active manager now." in Page(response).text


def test_superusers_choose_account_roles_and_superusers(crm, sign_in):
    extra = Group.objects.create(name="Extra")
    client = sign_in(crm.superuser)
    response = client.post(ADD, new(crm))
    assert "account" in response.context["adminform"].form.errors
    client.post(ADD, new(crm, account=crm.other.pk, offices=[crm.whitby.pk], more_roles=[extra.pk]))
    user = User.objects.get(username="new")
    assert rights(user) == ({roles.STAFF, "Extra"}, crm.other, {"Whitby Quayside"}, True, False)
    data = filled(client, page_of(user), account="", role="", is_superuser="on", more_roles=[])
    data.pop("offices")
    assert client.post(page_of(user), data).status_code == 302
    assert rights(user) == (set(), None, set(), True, True)


def test_deleting_somebody_says_what_stops_and_nobody_deletes_themself(crm, sign_in):
    ApiKey(account=crm.account, user=crm.staff, name="k", digest="d").save()
    client = sign_in(crm.manager)
    text = Page(client.get(page_of(crm.staff, "delete"))).text
    assert "Delete staff?" in text
    assert "1 API key made by staff stops working." in text
    client.post(page_of(crm.staff, "delete"), {"post": "yes"})
    assert not User.objects.filter(username="staff").exists()
    new_user("second", crm.account, role=roles.MANAGER)
    assert "Nobody deletes themself." in Page(client.post(page_of(crm.manager, "delete"), {"post": "yes"})).text


# --- passwords -------------------------------------------------------------------------------------------------------


def test_managers_set_a_new_password(crm, sign_in, client):
    manager = sign_in(crm.manager)
    page = Page(manager.get(page_of(crm.staff, "password")))
    data = page.form("user_form") | {"password1": STRONG, "password2": STRONG}
    response = manager.post(page_of(crm.staff, "password"), data)
    assert response.status_code == 302
    assert client.login(username="staff", password=STRONG)


def test_everybody_changes_their_own_password(crm, sign_in, client):
    staff = sign_in(crm.staff)
    path = "/admin/password_change/"
    words = Page(staff.get(path)).text
    assert "Change password" in words
    assert "Please" not in words
    data = {"old_password": PASSWORD, "new_password1": STRONG, "new_password2": STRONG}
    assert staff.post(path, data | {"old_password": "wrong"}).status_code == 200
    assert staff.post(path, data | {"new_password1": "short", "new_password2": "short"}).status_code == 200
    assert staff.post(path, data).status_code == 302
    assert staff.get("/admin/leads/lead/").status_code == 200
    assert client.login(username="staff", password=STRONG)
    assert sign_in(crm.outsider).get(path).status_code == 302


def test_a_role_offers_the_rights_of_our_own_pages_in_words(crm, sign_in):
    words = Page(sign_in(crm.superuser).get("/admin/leads/role/add/")).text
    for right in ("View lead", "Replay delivery", "Add API key"):
        assert right in words
    assert "log entry" not in words
    assert "CRM | lead" not in words


# --- what is told ----------------------------------------------------------------------------------------------------


def told(user: User) -> list[tuple[str, int | None]]:
    """(type, who did it) of each event of this person, oldest first."""
    events = Event.objects.filter(record="user", record_id=user.pk).order_by("pk")
    return list(events.values_list("type", "actor_id"))


def test_a_new_person_is_told_once_with_their_account(crm, sign_in):
    before = Event.objects.count()
    sign_in(crm.manager).post(ADD, new(crm, phone="07123", time_zone="Europe/London", availability="busy"))
    user = User.objects.get(username="new")
    assert (user.phone, user.time_zone, user.availability) == ("07123", "Europe/London", "busy")
    (event,) = Event.objects.all()[before:]
    assert (event.type, event.account, event.actor_id) == ("user.created", crm.account, crm.manager.pk)
    told_of = json.loads(event.snapshot)
    assert told_of["roles"] == [roles.STAFF]
    assert STRONG not in event.snapshot
    assert user.password not in event.snapshot


@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({"availability": "away"}, ["user.availability_changed", "user.updated"]),
        ({"is_active": ""}, ["user.activation_changed", "user.updated"]),
        ({"first_name": "Sam"}, ["user.updated"]),
        ({"role": roles.AUDITOR, "offices": []}, []),
        ({}, []),
    ],
)
def test_each_change_of_a_person_is_told(crm, sign_in, changes, types):
    client = sign_in(crm.manager)
    before = len(told(crm.staff))
    data = filled(client, page_of(crm.staff), **changes)
    if changes.get("is_active") == "":
        del data["is_active"]
    assert client.post(page_of(crm.staff), data).status_code == 302
    assert told(crm.staff)[before:] == [(type_, crm.manager.pk) for type_ in types]


def test_somebody_without_an_account_is_told_of_nowhere(crm, sign_in):
    client = sign_in(crm.superuser)
    before = Event.objects.count()
    data = filled(client, page_of(crm.superuser), first_name="Root", availability="busy")
    assert client.post(page_of(crm.superuser), data).status_code == 302
    assert User.objects.get(pk=crm.superuser.pk).availability == "busy"
    assert Event.objects.count() == before


def test_signing_in_out_and_passwords_tell_nothing(crm, sign_in, client):
    before, row = Event.objects.count(), User.objects.values().get(pk=crm.staff.pk)
    page = Page(client.get("/admin/login/"))
    (form,) = [form for form in page.forms if "password" in form]
    assert client.post("/admin/login/", form | {"username": "staff", "password": PASSWORD}).status_code == 302
    assert client.get("/admin/leads/lead/").status_code == 200
    client.post(
        "/admin/password_change/",
        dict.fromkeys(("new_password1", "new_password2"), STRONG) | {"old_password": PASSWORD},
    )
    client.post("/admin/logout/")
    manager = sign_in(crm.manager)
    data = Page(manager.get(page_of(crm.staff, "password"))).form("user_form")
    assert (
        manager.post(page_of(crm.staff, "password"), data | {"password1": STRONG, "password2": STRONG}).status_code
        == 302
    )
    after = User.objects.values().get(pk=crm.staff.pk)
    assert {key for key in row if row[key] != after[key]} == {"last_login", "password"}
    assert Event.objects.count() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"availability": "asleep"}, "asleep is not one of the available choices"),
        ({"time_zone": "Europe/Atlantis"}, "Time zone must be one of those on offer."),
        ({"phone": "a\x07b"}, "Phone must not contain control characters"),
        ({"first_name": "a\x07b"}, "must not contain control characters"),
    ],
)
def test_what_is_wrong_about_a_person_is_said(crm, sign_in, changes, said):
    client = sign_in(crm.manager)
    response = client.post(page_of(crm.staff), filled(client, page_of(crm.staff), **changes))
    assert said in Page(response).text
    assert told(crm.staff)[1:] == []


def test_everybody_sets_their_own_availability(crm, sign_in):
    for user in (crm.staff, crm.manager, crm.auditor, crm.powerless):
        client = sign_in(user)
        page = Page(client.get("/admin/"))
        assert "availability" in page.names
        before = len(told(user))
        response = client.post(
            "/admin/availability/", {"availability": "busy"}, headers={"referer": "http://testserver/admin/"}
        )
        assert response["Location"] == "http://testserver/admin/"
        assert "You are shown as busy." in Page(client.get("/admin/")).text
        assert told(user)[before:] == [("user.availability_changed", user.pk), ("user.updated", user.pk)]


def test_what_is_no_availability_is_refused(crm, sign_in):
    client = sign_in(crm.staff)
    for data in ({}, {"availability": "asleep"}, {"availability": ""}):
        assert client.post("/admin/availability/", data).status_code == 400
    assert client.get("/admin/availability/").status_code == 405
    assert sign_in(crm.outsider).post("/admin/availability/", {"availability": "busy"}).status_code == 302
    assert set(User.objects.values_list("availability", flat=True)) == {"available"}


def test_the_list_says_who_is_available_and_who_is_away_today(crm, sign_in):
    today = timezone.localdate()
    crm.staff.availability = "busy"
    crm.staff.save()
    for user, first, last in ((crm.staff_b, -1, 2), (crm.auditor, 1, 2), (crm.manager, -3, -1)):
        days = (today + timedelta(days=first), today + timedelta(days=last))
        Leave.objects.create(account=crm.account, user=user, starts_on=days[0], ends_on=days[1])
    text = Page(sign_in(crm.manager).get(LIST)).text
    until = today + timedelta(days=2)
    assert text.count("On leave") == 1
    assert f"On leave to {until.day} {until:%b %Y}" in text
    assert text.count("Busy Active") == 1
