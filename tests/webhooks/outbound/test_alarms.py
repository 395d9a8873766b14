"""Notify on failure: which mails come of which failures, to a mail server on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from leads import jobs, roles
from leads.models import Activity, ActivityType
from tests import factories
from tests.mail_server import MailServer
from tests.receiver import Answer, Receiver
from tests.webhooks.outbound.claims import hurry
from tests.webhooks.outbound.test_notify import user
from webhooks import tasks
from webhooks.dialects import DIALECTS
from webhooks.models import Alarm, Delivery, Health, Notice, State, Status, Told, Webhook
from webhooks.outbound import alarms, claim, deliver, gather, health, notify, switch, trial

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> Iterator[None]:
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    settings.SITE_URL = "https://crm.example.com"
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def mailed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    # Jobs are done as they are asked for.
    known = {notify.JOB: notify.mail}
    monkeypatch.setattr(
        "webhooks.queue._send", lambda path, name="", *ids: known[name](*ids) if name in known else None
    )
    with MailServer() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        yield server


@pytest.fixture
def webhook(receiver: Receiver) -> Webhook:
    user("manager", factories.account(), roles.MANAGER)
    return factories.webhook(
        receiver.url, dialect="leadsquared", name="Port", events=["Lead_Post_Create"], notify_on_failure=True, secret=""
    )


def run() -> None:
    deliver.run(stop=lambda: None, linger=0.0)


def fail(receiver: Receiver, number: int = 1, answer: Answer | None = None) -> None:
    """So many deliveries end as Failure, after all their tries."""
    receiver.always(answer or Answer(500, body=b"Out of order"))
    for each in range(number):
        factories.lead(email=f"lead{each}@example.com")
    for _ in range(200):
        if not Delivery.objects.filter(status=Status.QUEUED).exists():
            return
        Health.objects.update(closed_until=None)
        hurry()
        run()
    raise AssertionError("they do not end")


def succeed(receiver: Receiver) -> None:
    receiver.always(Answer(200))
    factories.lead()
    Health.objects.update(closed_until=None)
    run()


def an_hour_later() -> None:
    Alarm.objects.update(told_at=timezone.now() - alarms.APART)


def subjects(mailed: MailServer) -> list[str]:
    return [str(mail.message["Subject"]) for mail in mailed.mails]


def test_the_first_failure_is_mailed_at_once_and_only_when_it_is_final(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    receiver.always(Answer(500, body=b"Out of order\r\nUntil Monday"))
    factories.lead()
    run()
    assert Delivery.objects.get().tries == 1 and mailed.mails == []
    hurry()
    run()
    assert Delivery.objects.get().tries == 2 and mailed.mails == []
    hurry()
    run()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries) == (Status.FAILURE, 3)
    (mail,) = mailed.mails
    assert mail.recipients == ("manager@example.com",)
    assert mail.message["Subject"].startswith("Port failed: ") and "500" in mail.message["Subject"]
    lines = mail.text.splitlines()
    assert "Webhook: Port" in lines
    assert f"Event: Lead_Post_Create of lead/{delivery.event.record_id}, {delivery.message_id}" in lines
    assert "Answer: 500 Answer" in lines
    assert "The answer began: Out of order Until Monday" in lines
    root = "https://crm.example.com/admin/webhooks"
    assert f"{root}/webhook/{webhook.pk}/change/" in lines
    assert f"{root}/delivery/{delivery.pk}/change/" in lines
    assert any(line.startswith(root) and line.endswith(f"?webhook={webhook.pk}") for line in lines)
    assert "Olivia" not in mail.text


def test_every_active_administrator_of_the_account_gets_it(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    account = webhook.account
    user("second", account, roles.MANAGER)
    user("gone", account, roles.MANAGER, is_active=False)
    user("staff", account, roles.STAFF)
    user("auditor", account, roles.AUDITOR)
    user("elsewhere", factories.account("Harbour Lets"), roles.MANAGER)
    fail(receiver)
    assert mailed.mails[0].recipients == ("manager@example.com", "second@example.com")


def test_an_outage_is_one_mail_then_one_an_hour_then_one_when_it_is_over(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    fail(receiver)
    fail(receiver, 7)
    assert len(mailed.mails) == 1 and list(alarms.owed()) == []
    an_hour_later()
    fail(receiver, 2)
    assert len(mailed.mails) == 2
    # The first of the two ends the hour, whatever came with it.
    assert "deliveries ended as Failure since" in subjects(mailed)[1]
    told = int(subjects(mailed)[1].split("failed: ")[1].split()[0])
    left = Alarm.objects.get().failures
    assert told + left == 9
    succeed(receiver)
    assert len(mailed.mails) == 3 and subjects(mailed)[2].startswith("Port works again: A delivery succeeded.")
    assert (f"{left} more had ended" in subjects(mailed)[2]) == bool(left)
    succeed(receiver)
    assert len(mailed.mails) == 3


def test_what_nobody_told_within_the_hour_the_sweep_does(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    fail(receiver)
    fail(receiver, 2)
    tasks.sweep()
    assert len(mailed.mails) == 1
    an_hour_later()
    for _ in range(2):
        for (pk,) in alarms.owed():
            alarms.remind(pk)
    assert len(mailed.mails) == 2
    assert "failed: 2 deliveries ended as Failure since" in subjects(mailed)[1]
    assert jobs.named(alarms.JOB).waiting == "webhooks.outbound.alarms.owed"


def test_a_receiver_that_comes_and_goes_is_two_mails_an_hour(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    for _ in range(4):
        fail(receiver)
        succeed(receiver)
    assert [subject.split(":")[0] for subject in subjects(mailed)] == ["Port failed", "Port works again"]
    assert Alarm.objects.get().failures == 3
    an_hour_later()
    alarms.remind(Alarm.objects.get().pk)
    assert "3 deliveries ended as Failure" in subjects(mailed)[2] and "Others have succeeded" in subjects(mailed)[2]
    # That it works again nobody has to be told once more.
    succeed(receiver)
    assert len(mailed.mails) == 3


def test_each_cause_has_its_own_mail(mailed: MailServer, receiver: Receiver, webhook: Webhook) -> None:
    fail(receiver)
    fail(receiver, answer=Answer(404))
    fail(receiver, answer=Answer(403))
    assert [alarm.cause for alarm in Alarm.objects.order_by("pk")] == ["5xx", "4xx"]
    assert len(mailed.mails) == 2
    succeed(receiver)
    assert len(mailed.mails) == 3


def test_without_the_choice_nobody_is_told_of_failures(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    Webhook.objects.update(notify_on_failure=False)
    fail(receiver)
    succeed(receiver)
    assert mailed.mails == [] and not Alarm.objects.exists()


def test_it_is_for_every_system_that_wants_it(mailed: MailServer, receiver: Receiver, webhook: Webhook) -> None:
    for name in ("standard", "leadpro", "save_lead", "leadhub"):
        Webhook.objects.update(dialect=name, events=list(DIALECTS[name].events), secret=DIALECTS[name].new_secret())
        Alarm.objects.all().delete()
        mailed.mails.clear()
        fail(receiver)
        assert len(mailed.mails) == 1, name


def test_a_test_is_no_failure(mailed: MailServer, receiver: Receiver, webhook: Webhook) -> None:
    receiver.always(Answer(500))
    assert trial.send_test(webhook).status == Status.FAILURE
    assert mailed.mails == []


def test_what_ends_without_a_try_is_told_too(
    mailed: MailServer, receiver: Receiver, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.lead()
    with monkeypatch.context() as patch:
        patch.setattr("webhooks.outbound.compose._Letterhead.render", lambda *given: 1 / 0)
        run()
    assert Delivery.objects.get().status == Status.FAILURE
    (mail,) = mailed.mails
    assert "cannot be written as leadsquared" in mail.text
    an_hour_later()
    factories.lead(email="lost@example.com")
    lost = Delivery.objects.filter(status=Status.QUEUED)
    past = timezone.now() - timedelta(minutes=5)
    lost.update(status=Status.SENDING, lease_until=past, lost=claim.conf.MAX_LOST - 1)
    claim.reclaim()
    assert len(mailed.mails) == 2 and "worker lost" in subjects(mailed)[1]


def test_what_was_sent_together_counts_as_so_many_deliveries(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    Webhook.objects.update(events=["LeadActivity_Post_Create"])
    lead = factories.lead()
    kind = ActivityType.objects.filter(account=lead.account, kind="lead")[0]
    for _ in range(3):
        Activity.objects.create(lead=lead, type=kind)
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    gather.gather(webhook.pk)
    receiver.always(Answer(500))
    for _ in range(3):
        run()
        hurry()
    assert set(Delivery.objects.values_list("status", flat=True)) == {Status.FAILURE} and len(receiver.received) == 3
    (mail,) = mailed.mails
    assert "3 deliveries ended as Failure" in mail.text


def test_notice_and_failure_are_there_together_or_not_at_all(receiver: Receiver, webhook: Webhook) -> None:
    factories.lead()
    delivery = Delivery.objects.get()
    lesson = health.Lesson(webhook.pk, delivery.pk, timezone.now(), False, strained=True, final=True, cause="5xx")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        health.learn([lesson])
        assert Notice.objects.count() == 1
        raise ZeroDivisionError
    assert (Notice.objects.count(), Alarm.objects.count()) == (0, 0)


def test_of_a_paused_webhook_a_success_is_no_recovery(mailed: MailServer, receiver: Receiver, webhook: Webhook) -> None:
    fail(receiver)
    switch.pause(webhook.pk)
    lesson = health.Lesson(webhook.pk, Delivery.objects.get().pk, timezone.now(), True)
    with transaction.atomic():
        health.learn([lesson])
    assert not Alarm.objects.get().raised and len(mailed.mails) == 1


def test_a_webhook_that_was_deleted_owes_nothing(mailed: MailServer, receiver: Receiver, webhook: Webhook) -> None:
    fail(receiver)
    Alarm.objects.update(failures=5)
    an_hour_later()
    pk = Alarm.objects.get().pk
    switch.delete(webhook.pk)
    alarms.remind(pk)
    assert len(mailed.mails) == 1 and Notice.objects.get().kind == Told.FAILED


def test_a_webhook_whose_choice_was_taken_back_owes_nothing(
    mailed: MailServer, receiver: Receiver, webhook: Webhook
) -> None:
    fail(receiver)
    Alarm.objects.update(failures=5, since=timezone.now())
    an_hour_later()
    Webhook.objects.update(notify_on_failure=False)
    alarms.remind(Alarm.objects.get().pk)
    assert len(mailed.mails) == 1 and list(alarms.owed()) == []
    assert Webhook.objects.get().state == State.ENABLED
