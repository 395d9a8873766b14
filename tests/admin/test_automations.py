"""Rules and automations in the admin, as a browser without scripts and as htmx see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from leads.models import LeadList, Task
from tests import factories
from tests.admin.page import Page
from tests.webhooks.automation.rules import automation, person, rule, setting, work
from webhooks.admin import lead_panels
from webhooks.models import Automation, Delivery, Event, Run, RunMail

LIST = reverse("admin:webhooks_automation_changelist")
ADD = reverse("admin:webhooks_automation_add")


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


def change(made: Automation) -> str:
    return reverse("admin:webhooks_automation_change", args=[made.pk])


def form_of(response: Any) -> dict[str, list[str]]:
    return Page(response).form("automation_form")


def filled(**values: Any) -> dict[str, Any]:
    """A rule as it is typed: rows are conditions.0.field, steps.0.do and so on."""
    usual = {
        "name": "Greet",
        "is_active": "on",
        "kind": "rule",
        "event": "lead.created",
        "conditions": "rows",
        "steps": "rows",
        "steps.0.do": "set_field",
        "steps.0.field": "score",
        "steps.0.value": "50",
    }
    return usual | values


def test_a_rule_is_typed_and_stored(crm, manager):
    form = form_of(manager.get(ADD))
    assert (form["event"], form["kind"], form["is_active"]) == (["lead.created"], ["rule"], ["on"])
    newsletter = LeadList.objects.create(account=crm.account, name="Newsletter")
    typed = {
        "conditions.0.field": "source",
        "conditions.0.op": "is",
        "conditions.0.value": "rightmove",
        "steps.1.do": "add_to_list",
        "steps.1.list": str(newsletter.pk),
        "steps.2.do": "send_mail",
        "steps.2.to": "lead",
        "steps.2.subject": "Hello {first_name}",
        "steps.2.body": "One\r\nTwo",
    }
    response = manager.post(ADD, filled(**typed), follow=True)
    made = Automation.objects.get()
    assert response.redirect_chain[-1][0] == change(made)
    assert made.account == crm.account and made.is_active
    assert made.conditions == [{"field": "source", "op": "is", "value": "rightmove"}]
    assert made.steps == [
        {"do": "set_field", "field": "score", "value": 50},
        {"do": "add_to_list", "list": newsletter.pk},
        {"do": "send_mail", "to": "lead", "subject": "Hello {first_name}", "body": "One\nTwo"},
    ]
    # The page shows what is stored, and storing it again changes nothing.
    manager.post(change(made), form_of(response))
    again = Automation.objects.get()
    assert (again.conditions, again.steps, again.name) == (made.conditions, made.steps, made.name)
    text = Page(response).text
    assert "Source is “rightmove”" in text and "Set Score to 50" in text and "Add to the list Newsletter" in text


def test_an_automation_has_waits(crm, manager):
    waits = {"kind": "automation", "steps.0.wait": "3", "steps.0.unit": "hours"}
    manager.post(ADD, filled(**waits))
    made = Automation.objects.get()
    assert made.steps == [{"do": "set_field", "field": "score", "value": 50, "wait": 10800}]
    form = form_of(manager.get(change(made)))
    assert (form["steps.0.wait"], form["steps.0.unit"]) == (["3"], ["hours"])
    manager.post(change(made), {**form, "is_active": ""})
    assert not Automation.objects.get().is_active


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "a\x07"}, "Name"),
        ({"event": "lead.exploded"}, "lead.exploded is not one of the available choices"),
        ({"steps.0.do": ""}, "Give at least one step."),
        ({"steps.0.do": "shred"}, "Step 1: There is no action “shred”"),
        ({"steps.0.value": "many"}, "Step 1: Score must be a whole number, not “many”."),
        ({"steps.0.do": "assign", "steps.0.person": "999999"}, "Step 1: Person 999999 is no active person"),
        ({"event": "lead.updated"}, "It would start itself again"),
        ({"steps.0.wait": "1"}, "Step 1: A rule does all at once."),
        ({"kind": "automation", "steps.0.wait": "366"}, "Step 1: A wait must be"),
        ({"kind": "automation", "steps.0.wait": "-1"}, "Step 1: A wait must be"),
        ({"conditions.0.field": "source", "conditions.0.op": "is"}, "Source is what?"),
        ({f"steps.{number}.do": "add_tag" for number in range(1, 22)}, "There may be at most 20 steps."),
    ],
)
def test_what_cannot_be_is_refused_and_shown_as_typed(manager, typed, said):
    response = manager.post(ADD, filled(**typed))
    assert response.status_code == 200 and said in Page(response).text
    assert not Automation.objects.exists()
    if "event" not in typed and "steps.0.do" not in typed:
        assert form_of(response)["steps.0.field"] == ["score"]


def test_htmx_brings_the_steps_as_they_fit(crm, manager):
    url = reverse("admin:webhooks_automation_new_steps")
    dana = person("dana")
    # Another action: what was typed for the former one is gone.
    brought = Page(manager.post(url, filled(**{"steps.0.was": "set_field", "steps.0.do": "assign"})))
    assert "steps.0.person" not in brought.names  # names are of forms only
    assert "Person" in brought.text and str(dana) in brought.text and "Value" not in brought.text
    # Another field: its choices.
    stage = filled(**{"steps.0.was": "set_field", "steps.0.was_field": "score", "steps.0.field": "pipeline_stage_id"})
    assert "Contacted" in Page(manager.post(url, stage)).text
    rows = filled(**{"steps.1.do": "add_tag", "steps.1.tag": "x"})
    body = manager.post(f"{url}?add", rows).content.decode()
    assert "steps.2.do" in body and body.index("set_field") < body.index('"steps.1.tag" value="x"')
    body = manager.post(f"{url}?up=1", rows).content.decode()
    assert '"steps.0.tag" value="x"' in body
    body = manager.post(f"{url}?remove=0", rows).content.decode()
    assert '"steps.0.tag" value="x"' in body and "steps.1.do" not in body
    assert "Wait before it" not in body
    assert "Wait before it" in manager.post(url, {**rows, "kind": "automation"}).content.decode()
    assert manager.get(url).status_code == 405


def test_conditions_are_those_of_the_events_record(manager):
    url = reverse("admin:webhooks_automation_new_conditions")
    assert "Postcode" in Page(manager.post(f"{url}?add", filled())).text
    of_task = Page(manager.post(f"{url}?add", filled(event="task.completed"))).text
    assert "Remind at" in of_task and "Postcode" not in of_task


def test_a_rehearsal_of_what_is_typed_stores_and_does_nothing(crm, manager):
    for source in ("rightmove", "zoopla"):
        factories.lead(source=source, first_name=source.capitalize())
    typed = filled(**{"conditions.0.field": "source", "conditions.0.op": "is", "conditions.0.value": "rightmove"})
    before = Event.objects.count()
    response = manager.post(reverse("admin:webhooks_automation_new_rehearse"), typed, headers={"HX-Request": "true"})
    text = Page(response).text
    assert "Nothing was done. Of the last 2 events “Lead created”, 1 would start it." in text
    assert "not met: Source is “rightmove”" in text and "1. Set Score to 50" in text
    assert Event.objects.count() == before and not Automation.objects.exists()
    faulty = manager.post(reverse("admin:webhooks_automation_new_rehearse"), filled(name=""))
    assert "There is nothing to rehearse yet" in Page(faulty).text


def test_the_page_tells_what_ran_and_what_is_missing(crm, manager):
    dana = person("dana")
    made = rule("lead.created", {"do": "assign", "person": dana.pk})
    lead = factories.lead()
    work()
    dana.is_active = False
    dana.save()
    factories.lead(first_name="Ben")
    work()
    response = manager.get(change(made))
    page = Page(response)
    assert "Something that it names is missing." in page.text
    assert f"Step 1: Person {dana.pk} is no active person of this account." in page.text
    assert "Assigned to Dana." in page.text and reverse("admin:leads_lead_change", args=[lead.pk]) in page.links
    listed = Page(manager.get(LIST)).text
    assert "Rule · Lead created" in listed and "On" in listed
    manager.post(reverse("admin:webhooks_automation_delete", args=[made.pk]), {"post": "yes"})
    assert not Automation.objects.exists() and Run.objects.count() == 2


def test_a_delivery_says_who_posted_it(crm, manager, sign_in):
    webhook = factories.webhook("https://hooks.example.com/in")
    made = rule("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    factories.lead(office=crm.leeds)
    work()
    by_rule = reverse("admin:webhooks_delivery_change", args=[Delivery.objects.get(posted_by="rule").pk])
    page = Page(manager.get(by_rule))
    assert "Posted by Rule" in page.text and change(made) in page.links
    of_staff = Page(sign_in(crm.staff).get(by_rule))
    assert "Posted by Rule" in of_staff.text and change(made) not in of_staff.links
    by_itself = reverse("admin:webhooks_delivery_change", args=[Delivery.objects.get(posted_by="").pk])
    assert "Posted by" not in Page(manager.get(by_itself)).text
    made.delete()
    assert "which is gone" in Page(manager.get(by_rule)).text


def test_deleting_says_what_is_stopped(crm, manager):
    made = automation("lead.created", setting("score", 1, wait=60))
    factories.lead()
    work()
    text = Page(manager.get(reverse("admin:webhooks_automation_delete", args=[made.pk]))).text
    assert "1 run that it has begun will be stopped." in text


def test_who_sees_and_who_changes(crm, sign_in):
    made = rule("lead.created", setting("score", 1))
    theirs = rule("lead.created", setting("score", 1), account=crm.other, name="Theirs")
    auditor = sign_in(crm.auditor)
    assert "Theirs" not in Page(auditor.get(LIST)).text
    shown = auditor.get(change(made))
    assert shown.status_code == 200 and "Set Score to 1" in Page(shown).text
    assert "automation_form" not in Page(shown).by_id or "name" not in form_of(shown)
    assert auditor.post(change(made), filled()).status_code == 403
    assert auditor.get(ADD).status_code == 403
    factories.lead()
    rehearsal = auditor.post(reverse("admin:webhooks_automation_rehearse", args=[made.pk]))
    assert "1 would start it" in Page(rehearsal).text
    assert auditor.post(reverse("admin:webhooks_automation_new_rehearse"), filled()).status_code == 403
    staff = sign_in(crm.staff)
    for url in (LIST, ADD, change(made)):
        assert staff.get(url).status_code == 403
    manager = sign_in(crm.manager)
    assert manager.get(change(theirs)).status_code == 404
    assert manager.post(reverse("admin:webhooks_automation_rehearse", args=[theirs.pk]), filled()).status_code == 404


def test_a_superuser_chooses_the_account(crm, sign_in):
    root = sign_in(crm.superuser)
    office = {"steps.0.do": "assign_in_turn", "steps.0.office": str(crm.whitby.pk)}
    said = Page(root.post(ADD, filled(account=str(crm.account.pk), **office))).text
    assert f"There is no office {crm.whitby.pk} in this account." in said
    root.post(ADD, filled(account=str(crm.other.pk), **office))
    assert Automation.objects.get().account == crm.other
    assert "This field is required." in Page(root.post(ADD, filled())).text


# The lead's timeline


def timeline(user: Any, lead: Any) -> str:
    request = RequestFactory().get("/")
    request.user = user
    return " ".join(lead_panels.timeline(request, lead).body.split())


def test_the_timeline_tells_what_ran_what_it_did_and_why_not(crm):
    rule("lead.created", setting("score", 50), {"do": "add_tag", "tag": "hot"}, name="Greet")
    rule("lead.created", {"do": "send_mail", "to": "owner", "subject": "s", "body": "b"}, name="Warn")
    rule("lead.created", setting("score", 9), conditions=[{"field": "score", "op": "is", "value": 7}], name="Silent")
    automation("task.completed", setting("score", 7, wait=60), name="Later")
    lead = factories.lead(office=crm.leeds)
    task = Task.objects.create(lead=lead, name="Call", due_at=timezone.now())
    task.status = "completed"
    task.save()
    work()
    body = timeline(crm.manager, lead)
    assert "Greet" in body and "Set Score to 50." in body and "Added the tag hot." in body and "Rule: Done" in body
    assert "Warn" in body and "The lead has no owner to send a mail to." in body and "Rule: Failed" in body
    assert "Silent" not in body
    assert "Task completed: Call" in body and "Automation: Waiting" in body and "The next step is due" in body
    assert "Rule: Greet" in body, "who changed it"


def test_a_loop_shows_in_the_timeline(crm):
    rule("lead.created", setting("score", 1), name="Looped")
    lead = factories.lead()
    Event.objects.update(hops=3)
    work()
    assert "loop: 3 hops" in timeline(crm.manager, lead)


def test_a_mail_that_does_not_leave_shows(crm, manager):
    made = rule("lead.created", {"do": "send_mail", "to": "lead", "subject": "s", "body": "b"})
    factories.lead()
    work()
    RunMail.objects.update(error="The mail server refused it.", created_at=timezone.now() - timedelta(hours=1))
    assert "The mail server refused it." in Page(manager.get(change(made))).text
