"""Notices, and the mail of each: to a mail server on the loopback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from leads import jobs, roles
from leads.models import Account, Membership, Office, User
from tests import factories
from tests.mail_server import MailServer
from webhooks.models import Attempt, Delivery, Event, Notice, Outcome, Status, Webhook
from webhooks.outbound import notify, switch

GONE = "The receiver answered 410 Gone."


@pytest.fixture
def mailed(settings: Any) -> Iterator[MailServer]:
    settings.SITE_URL = "https://crm.example.com"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with MailServer() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        yield server


def user(name: str, account: Account, *groups: str, offices: tuple[Office, ...] = (), **values: Any) -> User:
    made = User.objects.create_user(name, values.pop("email", f"{name}@example.com"), is_staff=True, **values)
    made.groups.set(Group.objects.filter(name__in=groups))
    Membership.objects.create(user=made, account=account).offices.set(offices)
    return made


def gone(webhook: Webhook) -> Delivery:
    """A delivery that was answered 410, with one behind it."""
    factories.lead(account=webhook.account)
    factories.lead(account=webhook.account, email="second@example.com")
    delivery = Delivery.objects.filter(webhook=webhook).order_by("pk")[0]
    Delivery.objects.filter(pk=delivery.pk).update(status=Status.FAILURE, code=410, tries=1)
    Attempt.objects.create(
        delivery=delivery,
        number=1,
        outcome=Outcome.ANSWERED,
        started_at=timezone.now(),
        code=410,
        reason="Gone\r\nBcc: all@example.com",
        response_body="Olivia Hartley is not here",
    )
    return delivery


@pytest.mark.django_db
def test_the_mail_says_what_happened_and_why_and_where_to_go(mailed: MailServer) -> None:
    manager = user("manager", factories.account(), roles.MANAGER)
    webhook = factories.webhook(name="Port:\r\nBcc: all@example.com")
    delivery = gone(webhook)
    switch.pause(webhook.pk)
    notify.mail(notify.tell(webhook, GONE, delivery.pk).pk)
    (mail,) = mailed.mails
    assert mail.recipients == (manager.email,)
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == f"Port: Bcc: all@example.com was paused: {GONE}"
    assert mail.message["From"] == "leadcrm@localhost"
    assert mail.message.get_content_type() == "text/plain"
    lines = mail.text.splitlines()
    event = Event.objects.get(deliveries=delivery)
    assert "Webhook: Port: Bcc: all@example.com" in lines
    assert f"Why: {GONE}" in lines
    assert f"Event: lead.created of lead/{event.record_id}, {delivery.message_id}" in lines
    assert "Answer: 410 Gone Bcc: all@example.com" in lines
    assert "The webhook is paused: 1 delivery is held, and so are new ones. Nothing is lost." in lines
    assert f"https://crm.example.com{reverse('admin:webhooks_webhook_change', args=[webhook.pk])}" in lines
    assert f"https://crm.example.com{reverse('admin:webhooks_delivery_change', args=[delivery.pk])}" in lines
    assert "Olivia" not in mail.text


@pytest.mark.django_db
def test_only_those_are_told_who_may_change_the_webhook(mailed: MailServer) -> None:
    account, other = factories.account(), factories.account("Harbour Lets")
    user("manager", account, roles.MANAGER)
    user("second", account, roles.MANAGER, email="Second@example.com")
    user("again", account, roles.MANAGER, email="second@example.com")
    user("gone", account, roles.MANAGER, is_active=False)
    user("silent", account, roles.MANAGER, email="")
    user("slip", account, roles.MANAGER, email="no address")
    user("staff", account, roles.STAFF)
    user("auditor", account, roles.AUDITOR)
    user("elsewhere", other, roles.MANAGER)
    # Webhooks are not shown to people of single offices, whatever rights they have.
    user("office", account, offices=(factories.office(),)).user_permissions.add(
        Permission.objects.get(codename="change_webhook")
    )
    # May be given the right by hand.
    user("trusted", account, roles.AUDITOR).user_permissions.add(Permission.objects.get(codename="change_webhook"))
    user("root", account, is_superuser=True)
    User.objects.create_superuser("operator", "operator@example.com")
    notify.mail(notify.tell(factories.webhook(), GONE, None).pk)
    (mail,) = mailed.mails
    assert mail.recipients == (
        "manager@example.com",
        "Second@example.com",
        "trusted@example.com",
        "root@example.com",
    )


@pytest.mark.django_db
def test_a_notice_for_nobody_is_mailed_with_a_line_in_the_log(
    mailed: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    notice = notify.tell(factories.webhook(), GONE, None)
    with caplog.at_level(logging.WARNING):
        notify.mail(notice.pk)
    assert f"notice {notice.pk} is mailed to nobody" in caplog.text
    assert (mailed.mails, notify.owed()) == ([], [])


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_what_the_server_refuses_is_owed_until_it_is_taken(
    mailed: MailServer, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    user("manager", factories.account(), roles.MANAGER)
    notice = notify.tell(factories.webhook(), GONE, None)
    mailed.refusals = {verb: "451 come again"}
    notify.mail(notice.pk)
    assert "could not be mailed" in caplog.text
    assert "manager@example.com" not in caplog.text
    assert (mailed.mails, list(notify.owed())) == ([], [(notice.pk,)])
    mailed.refusals = {}
    notify.mail(*notify.owed()[0])
    notify.mail(notice.pk)
    assert (len(mailed.mails), list(notify.owed())) == (1, [])


@pytest.mark.django_db
def test_a_server_that_is_not_there_and_a_fault_of_ours_leave_it_owed(
    settings: Any, mailed: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user("manager", factories.account(), roles.MANAGER)
    notice = notify.tell(factories.webhook(), GONE, None)
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9
    notify.mail(notice.pk)
    assert list(notify.owed()) == [(notice.pk,)]
    settings.EMAIL_PORT = port
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(EmailMessage, "send", lambda self: 1 / 0)
        notify.mail(notice.pk)
    assert list(notify.owed()) == [(notice.pk,)]
    notify.mail(notice.pk)
    assert len(mailed.mails) == 1


@pytest.mark.django_db
def test_a_mail_that_is_days_late_is_given_up(mailed: MailServer) -> None:
    notice = notify.tell(factories.webhook(), GONE, None)
    Notice.objects.update(created_at=timezone.now() - notify.OWED_FOR - timedelta(minutes=1))
    assert list(notify.owed()) == []
    assert Notice.objects.get(pk=notice.pk).mailed_at is None


@pytest.mark.django_db(transaction=True)
def test_two_workers_mail_it_once(mailed: MailServer) -> None:
    user("manager", factories.account(), roles.MANAGER)
    notices = [notify.tell(factories.webhook(), GONE, None).pk for _ in range(5)]
    gate = threading.Barrier(4)

    def work() -> None:
        gate.wait()
        for pk in notices:
            notify.mail(pk)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(mailed.mails) == len(notices)
    assert list(notify.owed()) == []


@pytest.mark.django_db(transaction=True)
def test_notice_and_job_go_with_the_transaction_that_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, Any]] = []
    monkeypatch.setattr("webhooks.queue._send", lambda path, *args: started.append((path, args)))
    webhook = factories.webhook()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        notify.tell(webhook, GONE, None)
        raise ZeroDivisionError
    assert (Notice.objects.count(), started) == (0, [])
    with transaction.atomic():
        notice = notify.tell(webhook, "x" * 300, None)
        assert started == []
    assert started == [("webhooks.tasks.run_job", (notify.JOB, notice.pk))]
    assert Notice.objects.get().text == "x" * 255


@pytest.mark.django_db
def test_the_sweep_knows_the_job(mailed: MailServer) -> None:
    user("manager", factories.account(), roles.MANAGER)
    webhook = factories.webhook()
    notice = notify.tell(webhook, GONE, None)
    assert jobs.named(notify.JOB).waiting == "webhooks.outbound.notify.owed"
    # What it tells of may be gone by then.
    switch.delete(webhook.pk)
    notify.mail(notice.pk)
    assert mailed.mails[0].message["Subject"] == f"LeadPro production was paused: {GONE}"
    assert "The webhook was deleted meanwhile." in mailed.mails[0].text
