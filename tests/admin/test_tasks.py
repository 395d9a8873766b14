"""Tasks in the admin: the list, the form, the buttons that close them, and the tab on the lead's page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.models import Task
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/task/"
ADD = f"{LIST}add/"


def page_of(task: Task, view: str = "change") -> str:
    return f"{LIST}{task.pk}/{view}/"


def task(name: str = "Call back", hours: float = 1, **values: Any) -> Task:
    """Due in so many hours; of no lead, unless one is given."""
    values.setdefault("account", values["lead"].account if "lead" in values else factories.account())
    return Task.objects.create(name=name, due_at=timezone.now() + timedelta(hours=hours), **values)


def new(**changes: Any) -> dict[str, Any]:
    return {"name": "Call back", "due_at": "2026-12-01T09:00", "remind_at": "2026-12-01T08:30:15"} | changes


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("task_form") | changes


def told() -> list[str]:
    return list(Event.objects.filter(record="task").order_by("pk").values_list("type", flat=True))


def names(client: Any, query: str = "") -> list[str]:
    response = client.get(LIST + query)
    assert response.status_code == 200
    return [one.name for one in response.context["cl"].result_list]


class TestList:
    def test_holds_the_tasks_of_leads_in_reach_and_ones_own(self, crm, sign_in):
        near, far = factories.lead(office=crm.leeds), factories.lead(office=crm.york)
        strange = factories.lead(account=crm.other, office=crm.whitby)
        task("near", lead=near)
        task("far", lead=far)
        task("strange", lead=strange)
        task("mine", owner=crm.staff)
        task("nobody's")
        assert set(names(sign_in(crm.staff))) == {"near", "mine"}
        assert set(names(sign_in(crm.staff_b))) == {"far"}
        for user in (crm.manager, crm.auditor):
            assert set(names(sign_in(user))) == {"near", "far", "mine", "nobody's"}
        assert set(names(sign_in(crm.superuser))) == {"near", "far", "strange", "mine", "nobody's"}
        for user in (crm.viewer, crm.powerless):
            assert sign_in(user).get(LIST).status_code == 403

    def test_shows_open_ones_the_next_due_first_until_others_are_asked_for(self, crm, sign_in):
        task("later", hours=5)
        task("sooner", hours=1, owner=crm.manager)
        task("late", hours=-1)
        Task.switch([task("done").pk], "completed")
        Task.switch([task("given up").pk], "cancelled")
        client = sign_in(crm.manager)
        assert names(client) == ["late", "sooner", "later"]
        assert names(client, "?due=overdue") == ["late"]
        assert names(client, "?owner=me") == ["sooner"]
        assert names(client, f"?owner={crm.manager.pk}") == ["sooner"]
        assert names(client, "?owner=none") == ["late", "later"]
        assert names(client, "?status=completed") == ["done"]
        assert names(client, "?status=cancelled") == ["given up"]
        assert len(names(client, "?status=all")) == 5
        assert names(client, "?q=soon") == ["sooner"]

    def test_costs_the_same_however_many_there_are(self, crm, sign_in):
        client = sign_in(crm.manager)
        costs = []
        for _ in range(2):
            task(lead=factories.lead(office=crm.leeds), owner=crm.staff)
            client.get(LIST)
            with CaptureQueriesContext(connection) as queries:
                client.get(LIST)
            costs.append(len(queries))
        assert costs[0] == costs[1]


class TestForm:
    def test_adds_a_task_and_tells_it(self, crm, sign_in):
        lead = factories.lead(office=crm.leeds)
        client = sign_in(crm.staff)
        data = filled(client, f"{ADD}?lead={lead.pk}") | new(category="Call", description="Twice,\r\nplease.")
        response = client.post(ADD, data, follow=True)
        assert "Task Call back saved." in Page(response).text
        made = Task.objects.get()
        assert (made.lead, made.owner, made.created_by, made.account) == (lead, crm.staff, crm.staff, crm.account)
        assert made.due_at == datetime(2026, 12, 1, 9, tzinfo=UTC)
        assert made.remind_at == datetime(2026, 12, 1, 8, 30, 15, tzinfo=UTC)
        (event,) = Event.objects.filter(record="task")
        assert (event.type, event.actor_kind, event.actor_id) == ("task.created", "user", crm.staff.pk)

    def test_a_task_needs_no_lead(self, crm, sign_in):
        sign_in(crm.manager).post(ADD, new(remind_at=""))
        made = Task.objects.get()
        assert (made.lead, made.owner, made.remind_at) == (None, None, None)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"name": ""}, "Name is required."),
            ({"name": "x" * 201}, "200"),
            ({"name": "a\x07b"}, "Name must not contain control characters"),
            ({"description": "a\x07b"}, "Description must not contain control characters"),
            ({"due_at": ""}, "Due is required."),
            ({"due_at": "tomorrow"}, "Due must be a date and time."),
            ({"remind_at": "2026-13-01T09:00"}, "Reminder must be a date and time."),
            ({"lead": "999999999"}, "Lead must be one of those on offer."),
            ({"lead": "x"}, "Lead must be one of those on offer."),
            ({"owner": "999999999"}, "Owner must be one of those on offer."),
        ],
    )
    def test_refuses_what_is_wrong_by_name(self, crm, sign_in, changes, said):
        response = sign_in(crm.manager).post(ADD, new(**changes))
        assert said in Page(response).text
        assert not Task.objects.exists()

    def test_refuses_leads_and_owners_out_of_reach(self, crm, sign_in):
        far = factories.lead(office=crm.york)
        strange = factories.lead(account=crm.other, office=crm.whitby)
        for user, changes, said in (
            (crm.staff, {"lead": far.pk, "owner": crm.staff.pk}, "Lead must be one of those on offer."),
            (crm.manager, {"lead": strange.pk}, "Lead must be one of those on offer."),
            (crm.manager, {"owner": crm.other_manager.pk}, "Owner must be one of those on offer."),
            (crm.staff, {"owner": crm.manager.pk}, "Lead must be chosen, or the owner be you"),
            (crm.staff, {}, "Lead must be chosen, or the owner be you"),
        ):
            assert said in Page(sign_in(user).post(ADD, new(**changes))).text, changes
        superuser = sign_in(crm.superuser)
        here = {"account": crm.account.pk}
        assert "Account must be one of those on offer." in Page(superuser.post(ADD, new())).text
        said = Page(superuser.post(ADD, new(lead=strange.pk, owner=crm.other_manager.pk, **here))).text
        assert "Lead must be of the task's account." in said
        assert "Owner must be of the task's account." in said
        assert not Task.objects.exists()
        superuser.post(ADD, new(lead=far.pk, owner=crm.staff.pk, **here))
        assert Task.objects.get().lead == far

    def test_saving_a_task_unchanged_changes_nothing(self, crm, sign_in):
        """Its moments have parts of seconds that the inputs do not show."""
        lead = factories.lead(office=crm.leeds)
        one = task(lead=lead, owner=crm.staff, remind_at=timezone.now(), description="One\nTwo")
        Task.objects.update(reminded_at=timezone.now())
        before, events = Task.objects.values().get(), told()
        client = sign_in(crm.staff)
        assert client.post(page_of(one), filled(client, page_of(one))).status_code == 302
        assert (Task.objects.values().get(), told()) == (before, events)

    def test_another_time_to_remind_at_is_another_reminder(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.leeds), remind_at=timezone.now())
        Task.objects.update(reminded_at=timezone.now())
        client = sign_in(crm.staff)
        client.post(page_of(one), filled(client, page_of(one), remind_at="2027-01-01T10:00:00"))
        one.refresh_from_db()
        assert one.reminded_at is None
        assert told() == ["task.created", "task.reminder", "task.updated"]

    def test_an_owner_who_is_inactive_by_now_stays(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.leeds), owner=crm.staff_b)
        crm.staff_b.is_active = False
        crm.staff_b.save()
        client = sign_in(crm.staff)
        assert "staffb (inactive)" in Page(client.get(page_of(one))).text
        client.post(page_of(one), filled(client, page_of(one), name="Ring"))
        assert Task.objects.values_list("name", "owner").get() == ("Ring", crm.staff_b.pk)

    def test_who_may_not_change_only_looks(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.leeds))
        client = sign_in(crm.auditor)
        page = Page(client.get(page_of(one)))
        assert page.form("task_form").keys() <= {"csrfmiddlewaretoken"}
        assert "Complete" not in page.text
        assert client.post(page_of(one), new()).status_code == 403
        assert client.post(ADD, new()).status_code == 403

    def test_out_of_reach_is_as_missing(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.york))
        client = sign_in(crm.staff)
        for view in ("change", "complete", "cancel", "reopen"):
            for path in (page_of(one, view), f"{LIST}999999/{view}/", f"{LIST}x/{view}/"):
                assert client.post(path, new()).status_code == 404, path
        assert Task.objects.get().status == "open"

    def test_only_managers_delete(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.leeds))
        assert sign_in(crm.staff).post(page_of(one, "delete"), {"post": "yes"}).status_code == 403
        client = sign_in(crm.manager)
        assert "webhooks are not told" in Page(client.get(page_of(one, "delete"))).text
        client.post(page_of(one, "delete"), {"post": "yes"})
        assert not Task.objects.exists()
        assert told() == ["task.created"]


class TestSwitches:
    def test_one_is_completed_cancelled_and_reopened(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.leeds))
        client = sign_in(crm.staff)
        for verb, said, status, type_ in (
            ("complete", "Task Call back completed.", "completed", "task.completed"),
            ("reopen", "Task Call back reopened.", "open", "task.updated"),
            ("cancel", "Task Call back cancelled.", "cancelled", "task.cancelled"),
        ):
            assert verb.capitalize() in Page(client.get(page_of(one))).text
            response = client.post(page_of(one, verb), follow=True)
            assert said in Page(response).text
            one.refresh_from_db()
            assert (one.status, one.closed_at is None) == (status, status == "open")
            event = Event.objects.latest("pk")
            assert (event.type, event.actor_id) == (type_, crm.staff.pk)

    def test_what_is_closed_is_not_closed_again(self, crm, sign_in):
        one = task()
        Task.switch([one.pk], "cancelled")
        client = sign_in(crm.manager)
        assert "was closed already." in Page(client.post(page_of(one, "complete"), follow=True)).text
        client.post(page_of(one, "reopen"))
        assert "was open already." in Page(client.post(page_of(one, "reopen"), follow=True)).text
        assert told() == ["task.created", "task.cancelled", "task.updated"]

    def test_takes_nothing_but_a_post(self, crm, sign_in):
        one = task()
        assert sign_in(crm.manager).get(page_of(one, "complete")).status_code == 405
        assert sign_in(crm.auditor).post(page_of(one, "complete")).status_code == 403
        assert Task.objects.get().status == "open"

    def test_goes_back_to_the_page_that_the_button_stands_on_and_nowhere_else(self, crm, sign_in):
        client = sign_in(crm.manager)
        for referer, back in (
            (f"http://testserver{LIST}?due=overdue", f"http://testserver{LIST}?due=overdue"),
            ("https://evil.example.com/", None),
            ("", None),
        ):
            one = task()
            response = client.post(page_of(one, "complete"), headers={"referer": referer})
            assert response["Location"] == (back or page_of(one))

    @pytest.mark.parametrize(
        ("action", "said", "types"),
        [
            ("complete_selected", "2 tasks completed.", ["task.completed"] * 2),
            ("cancel_selected", "2 tasks cancelled.", ["task.cancelled"] * 2),
            ("reopen_selected", "1 task reopened.", ["task.updated"]),
        ],
    )
    def test_several(self, crm, sign_in, action, said, types):
        lead = factories.lead(office=crm.leeds)
        ones = [task(lead=lead) for _ in range(3)]
        Task.switch([ones[0].pk], "completed")
        before = len(told())
        data = {"action": action, "_selected_action": [one.pk for one in ones], "index": 0}
        text = Page(sign_in(crm.staff).post(f"{LIST}?status=all", data, follow=True)).text
        assert said in text
        assert "already" in text
        assert told()[before:] == types

    def test_several_out_of_reach_stay(self, crm, sign_in):
        one = task(lead=factories.lead(office=crm.york))
        sign_in(crm.staff).post(LIST, {"action": "complete_selected", "_selected_action": [one.pk], "index": 0})
        assert sign_in(crm.auditor).post(LIST, {"action": "complete_selected"}).status_code == 403
        assert Task.objects.get().status == "open"


class TestTab:
    def test_stands_on_the_leads_page_with_its_buttons(self, crm, sign_in):
        lead = factories.lead(office=crm.leeds)
        open_, done = task("Visit", lead=lead, owner=crm.staff), task("Ring", lead=lead)
        Task.switch([done.pk], "completed")
        path = f"/admin/leads/lead/{lead.pk}/change/"
        for user, may in ((crm.staff, True), (crm.manager, True), (crm.auditor, False)):
            response = sign_in(user).get(path)
            page = Page(response)
            assert "Tasks 1" in page.text
            assert page.text.index("Visit") < page.text.index("Ring")
            assert (f"{page_of(open_, 'complete')}#tasks" in response.content.decode()) == may
            assert (f"{ADD}?lead={lead.pk}" in page.links) == may
        assert "Tasks 1" not in Page(sign_in(crm.viewer).get(path)).text
