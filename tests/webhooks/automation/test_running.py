"""What the worker makes of events: conditions, actions, waits, hops, and what is shown of them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail as outbox
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.changes import acting, unit
from leads.merge import merge, undo
from leads.models import CustomField, Lead, LeadList, Task
from leads.models.company import Company
from leads.scope import Scope
from leads.signals import Actor
from tests import factories
from tests.webhooks.automation.rules import automation, person, rule, setting, states, work
from webhooks import receivers
from webhooks.automation import doing, mail, running
from webhooks.automation.start import start
from webhooks.models import Automation, Delivery, Event, Run, RunMail, Runner, RunState, State, Status, Tally

pytestmark = pytest.mark.django_db(transaction=True)


def events(**where):
    return list(Event.objects.filter(**where).order_by("pk").values_list("type", "hops", "actor_kind"))


def reread(lead):
    return Lead.objects.get(pk=lead.pk)


def test_when_event_and_conditions_then_actions():
    met = rule("lead.created", setting("score", 50), conditions=[{"field": "source", "op": "is", "value": "rightmove"}])
    unmet = rule("lead.created", setting("score", 9), conditions=[{"field": "source", "op": "is", "value": "zoopla"}])
    lead = factories.lead(source="rightmove")
    assert lead.score == 0 and states() == [RunState.NEW] * 2, "the save itself does nothing but note it"
    work()
    assert reread(lead).score == 50
    run = Run.objects.get()
    assert (run.automation, run.state, run.record, run.lead_id) == (met, RunState.DONE, f"lead/{lead.pk}", lead.pk)
    assert (run.event.type, run.texts) == ("lead.created", ["Set Score to 50."])
    tallies = dict(Tally.objects.values_list("automation", "unmet"))
    assert tallies == {met.pk: 0, unmet.pk: 1}
    assert Tally.objects.get(pk=met.pk).done == 1 and Tally.objects.get(pk=met.pk).last_run_at is not None


def test_changes_of_a_rule_are_its_own_and_one_hop_on():
    made = rule("lead.created", setting("score", 50), {"do": "add_tag", "tag": "hot"}, name="Greet")
    lead = factories.lead()
    work()
    changed = Event.objects.filter(version=2)
    assert {event.type for event in changed} == {"lead.score_changed", "lead.field_changed", "lead.updated"}
    assert {(event.actor_kind, event.actor_id, event.actor_name, event.hops) for event in changed} == {
        ("rule", made.pk, "Greet", 1)
    }
    assert set(json.loads(changed[0].changes)) == {"score", "tags"}, "both actions are one change"
    assert reread(lead).version == 2


def test_an_account_of_its_own():
    rule("lead.created", setting("score", 50), account=factories.account("Harbour Lets"))
    rule("lead.created", setting("score", 50), is_active=False)
    factories.lead()
    assert states() == []


def test_each_action():
    leeds = factories.office()
    dana, ben = person("dana", leeds), person("ben", leeds)
    CustomField.objects.create(account=factories.account(), key="region", label="Region")
    vip = LeadList.objects.create(account=factories.account(), name="VIP")
    webhook = factories.webhook(dialect="standard", events=["lead.deleted"])
    made = rule(
        "lead.created",
        {"do": "assign", "person": dana.pk},
        setting("custom_fields.region", "north"),
        setting("pipeline_stage_id", factories.stage("CONTACTED").pk),
        {"do": "add_tag", "tag": "new one"},
        {"do": "add_to_list", "list": vip.pk},
        {"do": "create_task", "name": "Call {full_name}", "days": 2, "description": "{email}, {custom_fields.region}"},
        {"do": "create_task", "name": "Check", "days": 0, "owner": ben.pk},
        {"do": "send_mail", "to": "owner", "subject": "{full_name}", "body": "Of {owner_name}: {nothing here}"},
        {"do": "send_mail", "to": "lead", "subject": "Hello {first_name}", "body": "Hi"},
        {"do": "send_mail", "to": ben.pk, "subject": "Look", "body": "Score {score}, {tags}"},
        {"do": "post_to_webhook", "webhook": webhook.pk},
    )
    before = timezone.now()
    lead = factories.lead(office=leeds)
    work()
    run = Run.objects.get()
    assert run.state == RunState.DONE, run.reason
    lead = reread(lead)
    assert (lead.owner, lead.custom_fields, lead.stage) == (dana, {"region": "north"}, "CONTACTED")
    assert lead.get("tags") == ["new one"] and list(lead.lists.all()) == [vip]
    call, check = Task.objects.order_by("pk")
    assert (call.lead, call.name, call.owner) == (lead, "Call Olivia Hartley", dana)
    assert call.description == f"{lead.email}, north" and abs(call.due_at - before - timedelta(days=2)).seconds < 60
    assert (check.owner, check.account_id) == (ben, lead.account_id)
    letters = list(RunMail.objects.order_by("pk").values_list("to", "subject", "body"))
    assert letters == [
        ("dana@example.com", "Olivia Hartley", "Of Dana: {nothing here}"),
        (lead.email, "Hello Olivia", "Hi"),
        ("ben@example.com", "Look", "Score 0, new one"),
    ]
    delivery = Delivery.objects.get()
    assert (delivery.webhook, delivery.event.type, delivery.sent_as) == (webhook, "lead.created", "lead.created")
    assert (delivery.posted_by, delivery.posted_by_id, delivery.status) == ("rule", made.pk, Status.QUEUED)
    assert (
        run.texts[0] == "Assigned to Dana."
        and run.texts[-1] == "Posted to the webhook LeadPro production as lead.created."
    )


def test_leads_are_given_out_in_turn_within_an_office():
    leeds, york = factories.office(), factories.office("York")
    first, second, third = (person(name, leeds) for name in ("ada", "bea", "cid"))
    person("dan", york)
    person("eve", leeds, is_active=False)
    rule("lead.created", {"do": "assign_in_turn", "office": leeds.pk})

    def given():
        lead = factories.lead()
        work()
        return reread(lead).owner

    assert [given() for _ in range(4)] == [first, second, third, first]
    second.is_active = False
    second.save()
    assert [given() for _ in range(2)] == [third, first]


def test_who_has_the_fewest_open_leads_gets_the_next():
    leeds = factories.office()
    busy, free, elsewhere = person("ada", leeds), person("bea", leeds), person("cid")
    for number, (owner, stage) in enumerate(
        [(busy, "NEW"), (busy, "NEW"), (free, "NEW"), (free, "WON"), (free, "LOST")]
    ):
        factories.lead(owner_id=owner.pk, stage=stage, email=f"{number}@example.com")
    rule("lead.created", {"do": "assign_least_loaded", "office": leeds.pk}, name="office")
    lead = factories.lead(email="new@example.com")
    work()
    assert reread(lead).owner == free
    Automation.objects.update(steps=[{"do": "assign_least_loaded"}])
    lead = factories.lead(email="newer@example.com")
    work()
    assert reread(lead).owner == elsewhere


def test_what_cannot_be_done_ends_the_run_and_undoes_its_step():
    dana = person("dana")
    made = rule("lead.created", {"do": "add_tag", "tag": "x"}, {"do": "assign", "person": dana.pk})
    dana.is_active = False
    dana.save()
    lead = factories.lead()
    work()
    run = Run.objects.get()
    assert (run.state, run.reason) == (
        RunState.FAILED,
        f"Step 2: Person {dana.pk} is no active person of this account.",
    )
    assert reread(lead).get("tags") == [] and reread(lead).version == 1 and run.log == []
    assert Tally.objects.get(pk=made.pk).failed == 1


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"do": "send_mail", "to": "owner", "subject": "s", "body": "b"}, "The lead has no owner to send a mail to."),
        ({"do": "add_to_list", "list": 10**9}, "There is no list 1000000000 in this account."),
        ({"do": "post_to_webhook", "webhook": 10**9}, "Webhook 1000000000 is not there any more."),
        ({"do": "assign_in_turn"}, "There is no active person of this account to assign leads to."),
        (setting("postcode", None), "Postcode is required when type is vendor."),
        (setting("custom_fields.gone", "x"), "Custom fields.gone is not a custom field of this account."),
        ({"do": "shred"}, "There is no action “shred” any more."),
    ],
)
def test_why_a_run_failed_is_one_sentence(step, why):
    rule("lead.created", step)
    factories.lead()
    work()
    run = Run.objects.get()
    assert (run.state, run.reason) == (RunState.FAILED, why)


def test_a_webhook_that_is_disabled_or_cannot_hear_fails_the_run_and_a_paused_one_holds():
    webhook = factories.webhook()
    rule("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    factories.lead(type=None)
    work()
    assert Run.objects.latest("pk").reason.endswith("does not hear of this event.")
    webhook.events, webhook.state = ["lead.updated"], State.PAUSED
    webhook.save()
    factories.lead()
    work()
    assert Delivery.objects.get().status == Status.HELD
    webhook.state = State.DISABLED
    webhook.save()
    factories.lead()
    work()
    assert Run.objects.latest("pk").reason == "The webhook LeadPro production is disabled."


def test_an_automation_waits_between_its_steps():
    made = automation(
        "lead.created",
        setting("score", 1),
        {"do": "add_tag", "tag": "a"},
        setting("score", 2, wait=3600),
        setting("title", "Dr"),
    )
    lead = factories.lead()
    work()
    run = Run.objects.get()
    assert (run.state, run.step, reread(lead).score) == (RunState.WAITING, 2, 1)
    assert 3590 < (run.due_at - timezone.now()).total_seconds() <= 3600
    # It goes on as it began, whatever becomes of the automation's steps meanwhile.
    made.steps = [setting("score", 99)]
    made.save()
    assert running.due() == [] and not running.go_on()
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert running.due() == [()]
    work()
    lead = reread(lead)
    assert (lead.score, lead.title, Run.objects.get().state) == (2, "Dr", RunState.DONE)
    assert [event[2] for event in events(type="lead.updated")] == ["automation", "automation"]


def test_what_waits_stops_with_its_automation():
    for way in ("off", "gone"):
        made = automation("lead.created", setting("score", 1, wait=60), name=way)
        factories.lead()
        work()
        Run.objects.filter(name=way).update(due_at=timezone.now() - timedelta(seconds=1))
        made.delete() if way == "gone" else Automation.objects.filter(pk=made.pk).update(is_active=False)
        work()
        run = Run.objects.get(name=way)
        words = {"off": "It was switched off meanwhile.", "gone": "It was deleted meanwhile."}
        assert (run.state, run.reason) == (RunState.STOPPED, words[way])


def test_a_save_that_ends_after_its_rule_was_deleted_stops_nobody_else():
    gone, kept = rule("lead.created", setting("score", 1)), rule("lead.created", setting("score", 2))
    lead = factories.lead()
    gone.delete()
    # As the save has stored it: nothing keeps it from naming what is deleted before it ends.
    Run.objects.filter(automation=None).update(automation_id=gone.pk)
    work()
    assert states() == [RunState.STOPPED, RunState.DONE] and reread(lead).score == 2
    assert Run.objects.earliest("pk").reason == "It was deleted meanwhile."
    assert Tally.objects.get().automation == kept


@pytest.mark.parametrize("steps", [[], {}, ["assign"], [{"do": "set_field", "wait": "soon"}]])
def test_steps_that_nobody_can_read_fail_alone(steps):
    made = rule("lead.created", name="unreadable")
    rule("lead.created", setting("score", 2))
    Automation.objects.filter(pk=made.pk).update(steps=steps)
    lead = factories.lead()
    work()
    assert states() == [RunState.FAILED, RunState.DONE] and reread(lead).score == 2
    assert Run.objects.earliest("pk").reason == "Its steps cannot be read. Set them anew."


def test_rules_that_start_each_other_are_stopped_at_three_hops():
    rule("lead.status_changed", setting("score", 1), {"do": "add_tag", "tag": "x"}, name="other")
    ping = rule(
        "lead.score_changed",
        setting("lead_status", "Follow Up"),
        name="ping",
        conditions=[{"field": "score", "op": "greater", "value": 0}],
    )
    pong = rule("lead.status_changed", setting("score", 7), name="pong")
    lead = factories.lead()
    ping.steps, pong.steps = [setting("lead_status", None)], [setting("score", 5)]
    # They go on for ever: each time another value.
    Automation.objects.filter(name="other").delete()
    for number, (value, status) in enumerate(
        [(1, "Follow Up"), (2, "Needs Info"), (3, "Conversation"), (4, "Unknown")]
    ):
        rule(
            "lead.score_changed",
            setting("lead_status", status),
            name=f"ping {number}",
            conditions=[{"field": "score", "op": "is", "value": value}],
        )
        rule(
            "lead.status_changed",
            setting("score", value + 1),
            name=f"pong {number}",
            conditions=[{"field": "lead_status", "op": "is", "value": status}],
        )
    ping.delete()
    pong.delete()
    lead.score = 1
    lead.save()
    work()
    lead = reread(lead)
    # Three hops: ping 0, pong 0, ping 1. What they lead to is stopped.
    assert (lead.score, lead.lead_status) == (2, "Needs Info")
    stopped = Run.objects.get(state=RunState.STOPPED)
    assert (stopped.name, stopped.reason, stopped.event.hops) == ("pong 1", "loop: 3 hops", 3)
    assert max(Event.objects.values_list("hops", flat=True)) == 3


def test_hops_count_from_whatever_led_to_the_event():
    rule("lead.created", setting("score", 50))
    with acting(Actor("rule", 1, "elsewhere", hops=2)):
        factories.lead()
    work()
    assert events(type="lead.updated") == [("lead.updated", 3, "rule")]


def test_events_of_other_records_and_the_lead_they_are_of():
    made = rule("task.created", setting("score", 5), conditions=[{"field": "category", "op": "is", "value": "call"}])
    mail_of = rule(
        "account.created", {"do": "send_mail", "to": person("dana").pk, "subject": "{name}", "body": "{city}"}
    )
    lead = factories.lead()
    task = Task.objects.create(lead=lead, name="Call", category="call", due_at=timezone.now())
    Task.objects.create(lead=lead, name="Other", due_at=timezone.now())
    Task.objects.create(account=lead.account, name="Nobody's", category="call", due_at=timezone.now())
    Company.objects.create(account=lead.account, name="Hartley Design", city="York")
    work()
    assert reread(lead).score == 5
    runs = Run.objects.order_by("pk")
    assert [(run.automation_id, run.state, run.lead_id) for run in runs] == [
        (made.pk, RunState.DONE, lead.pk),
        (made.pk, RunState.FAILED, None),
        (mail_of.pk, RunState.DONE, None),
    ]
    assert runs[0].record == f"task/{task.pk}" and runs[1].reason == "What this is about, Nobody's, has no lead."
    assert list(RunMail.objects.values_list("subject", "body")) == [("Hartley Design", "York")]


def test_a_lead_that_is_gone_or_merged_fails_the_run():
    automation("lead.created", setting("score", 1, wait=60))
    gone, merged, master = (factories.lead(email=f"{name}@example.com") for name in ("gone", "merged", "master"))
    work()
    gone.delete()
    Lead.objects.filter(pk=merged.pk).update(merged_into=master)
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    work()
    reasons = list(Run.objects.order_by("pk").values_list("reason", flat=True))
    assert reasons == [
        "What this is about, Olivia Hartley, is of a lead that is gone.",
        "The lead was merged into another one.",
        "",
    ]


def test_runs_of_one_record_go_on_oldest_first():
    order = []
    for name in ("first", "second", "third"):
        rule("lead.created", {"do": "add_tag", "tag": name}, name=name)
    lead = factories.lead()
    running.judge()
    # Whatever is due the longest.
    for run, seconds in zip(Run.objects.order_by("pk"), (1, 2, 3), strict=True):
        Run.objects.filter(pk=run.pk).update(due_at=timezone.now() - timedelta(seconds=seconds))
    while running.go_on():
        order = reread(lead).get("tags")
    assert order == ["first", "second", "third"]


def test_one_task_at_a_time_and_a_killed_one_holds_nobody_up_for_long(monkeypatch):
    rule("lead.created", setting("score", 50))
    monkeypatch.setattr(running, "LINGER", 0.0)
    lead = factories.lead()
    Runner.objects.create(until=timezone.now() + timedelta(seconds=9))
    running.run()
    assert reread(lead).score == 0 and running.due() == []
    Runner.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert running.due() == [()]
    running.run()
    assert reread(lead).score == 50 and running.due() == []


def test_a_worker_that_dies_in_a_step_leaves_nothing_of_it(monkeypatch):
    made = automation("lead.created", setting("score", 1), setting("score", 2, wait=60), {"do": "add_tag", "tag": "x"})
    lead = factories.lead()
    work()
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))

    class Killed(BaseException):
        pass

    def die(*args):
        raise Killed

    add_tag = doing._DO["add_tag"]
    monkeypatch.setitem(doing._DO, "add_tag", die)
    with pytest.raises(Killed):
        work()
    assert reread(lead).score == 1 and Run.objects.get().state == RunState.WAITING
    monkeypatch.setitem(doing._DO, "add_tag", add_tag)
    work()
    lead = reread(lead)
    assert (lead.score, lead.get("tags"), Run.objects.get().state) == (2, ["x"], RunState.DONE)
    assert lead.version == 3 and Tally.objects.get(pk=made.pk).done == 1


# Mails


def letter(**values):
    rule("lead.created", {"do": "send_mail", "to": "lead", "subject": "Hello\n{first_name}", "body": "Hi {first_name}"})
    factories.lead(**values)
    work()
    return RunMail.objects.get()


def test_a_mail_leaves_once():
    found = letter()
    mail.send(found.pk)
    mail.send(found.pk)
    assert [(sent.to, sent.subject, sent.body) for sent in outbox.outbox] == [
        (["olivia.hartley@example.com"], "Hello Olivia", "Hi Olivia")
    ]
    assert mail.owed() == [] and RunMail.objects.get().sent_at is not None


def test_what_the_mail_server_refuses_is_owed_again(monkeypatch):
    found = letter()
    send = mail.EmailMessage.send
    monkeypatch.setattr(mail.EmailMessage, "send", lambda self: (_ for _ in ()).throw(ConnectionRefusedError))
    mail.send(found.pk)
    assert "ConnectionRefusedError" in RunMail.objects.get().error and mail.owed() == [(found.pk,)]
    monkeypatch.setattr(mail.EmailMessage, "send", send)
    mail.send(found.pk)
    assert len(outbox.outbox) == 1 and RunMail.objects.get().error == ""


def test_what_the_mail_server_says_of_whom_stands_in_no_log(monkeypatch, caplog):
    found = letter()
    refusal = SMTPRecipientsRefused({found.to: (550, b"unknown")})
    monkeypatch.setattr(mail.EmailMessage, "send", lambda self: (_ for _ in ()).throw(refusal))
    mail.send(found.pk)
    assert "SMTPRecipientsRefused" in caplog.text and found.to not in caplog.text


def test_a_mail_that_nobody_wants_any_more_is_given_up_and_says_so():
    letter()
    RunMail.objects.update(created_at=timezone.now() - timedelta(days=3, seconds=1))
    assert mail.owed() == [] and RunMail.objects.get().error == "It could not be sent within three days."


def test_a_mail_that_somebody_was_killed_over_is_sent_later():
    found = letter()
    RunMail.objects.update(taken_until=timezone.now() + timedelta(seconds=60))
    mail.send(found.pk)
    assert outbox.outbox == [] and mail.owed() == []
    RunMail.objects.update(taken_until=timezone.now() - timedelta(seconds=1))
    assert mail.owed() == [(found.pk,)]
    mail.send(found.pk)
    assert len(outbox.outbox) == 1


def test_a_placeholder_is_never_run_and_never_makes_a_header():
    assert letter(first_name="{email} %s", last_name="Bcc: x@example.com").subject == "Hello {email} %s"


# What a save pays


def statements(write):
    with CaptureQueriesContext(connection) as captured:
        write()
    return [query["sql"] for query in captured if "django_q" not in query["sql"]]


def test_a_save_pays_one_statement_for_twenty_rules_and_none_for_none():
    lead = factories.lead()

    def count(source):
        lead.source = source
        return len(statements(lead.save))

    without = count("a")
    for number in range(20):
        rule("lead.updated", setting("score", number), name=f"rule {number}")
    count("b")  # what the account's rules listen to is read anew once
    assert count("c") == without + 1 <= without + 3
    assert Run.objects.count() == 40
    Automation.objects.update(is_active=False)
    count("d")
    assert count("e") == without


def test_where_there_are_no_rules_a_lead_pays_nothing_and_other_records_one_small_read(monkeypatch):
    lead = factories.lead()
    task = Task.objects.create(lead=lead, name="Call", due_at=timezone.now())

    def counts(text):
        lead.source = task.name = text
        return len(statements(lead.save)), len(statements(task.save))

    counts("a")
    with_rules = counts("b")
    monkeypatch.setattr(receivers, "start", lambda events: 0)
    without = counts("c")
    assert with_rules[0] == without[0] and with_rules[1] <= without[1] + 1


def test_a_rule_counts_from_the_save_after_it():
    lead = factories.lead()
    lead.source = "a"
    lead.save()
    made = rule("lead.updated", setting("score", 1))
    lead.source = "b"
    lead.save()
    made.event = "lead.deleted"
    made.save()
    lead.source = "c"
    lead.save()
    assert Run.objects.count() == 1


def test_a_rollback_leaves_no_run():
    rule("lead.created", setting("score", 1))
    with pytest.raises(RuntimeError), unit():
        factories.lead()
        raise RuntimeError
    assert states() == [] and start([]) == 0


# Two workers at once


def test_two_at_once_share_the_work_and_do_nothing_twice():
    """Should the Runner's row fail to keep them apart."""
    rule("lead.created", {"do": "create_task", "name": "Call", "days": 1}, {"do": "assign_in_turn"})
    people = [person(name) for name in ("ada", "bea", "cid")]
    automation("lead.assigned", {"do": "add_tag", "tag": "given"})
    leads = [factories.lead(email=f"{number}@example.com") for number in range(12)]
    errors: list[BaseException] = []

    def worker() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=worker) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()  # what one had in hand when another looked
    assert errors == [] and set(states()) == {RunState.DONE} and len(states()) == 24
    assert sorted(Task.objects.values_list("lead", flat=True)) == [lead.pk for lead in leads]
    owners = [reread(lead).owner for lead in leads]
    assert Counter(owners) == dict.fromkeys(people, 4), "each had their turn"
    assert {tuple(reread(lead).get("tags")) for lead in leads} == {("given",)}
    assert sum(Tally.objects.values_list("done", flat=True)) == 24


def test_a_lead_that_comes_back_from_a_merge_is_not_greeted_again():
    rule("lead.created", {"do": "create_task", "name": "Call", "days": 1})
    master, child = factories.lead(), factories.lead()
    work()
    undo(merge(Scope(master.account_id, None), master.pk, [child.pk]))
    assert Event.objects.filter(type="lead.created", record_id=child.pk).count() == 2, "webhooks hear of it"
    work()
    assert Run.objects.count() == 2 and Task.objects.filter(lead=child).count() == 1
