"""The mails of runs. Each is stored with the step that sends it and leaves afterwards, as no transaction may stay open
for as long as a mail server takes.

It leaves at least once: a worker that is killed between the server's answer and its note of it sends the mail again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.db.models import Q
from django.utils import timezone

from webhooks.models import RunMail

JOB = "webhooks.run_mail"
# For so long whoever took a mail has it for itself; a conversation with the server takes a few times EMAIL_TIMEOUT.
TAKEN_FOR = timedelta(minutes=2)
OWED_FOR = timedelta(days=3)
GIVEN_UP = "It could not be sent within three days."

log = logging.getLogger(__name__)


def owed() -> list[tuple[int]]:
    """The ids of mails that are not sent yet, oldest first; those that nobody wants any more are given up."""
    now = timezone.now()
    unsent = RunMail.objects.filter(sent_at=None)
    unsent.filter(created_at__lt=now - OWED_FOR).exclude(error=GIVEN_UP).update(error=GIVEN_UP)
    free = unsent.filter(created_at__gte=now - OWED_FOR).filter(Q(taken_until=None) | Q(taken_until__lt=now))
    return [(pk,) for pk in free.order_by("pk").values_list("pk", flat=True)[:1000]]


def send(mail_id: int) -> None:
    """Send one mail, unless it is sent, or being sent by another worker. What the server refuses is owed again."""
    now = timezone.now()
    mine = RunMail.objects.filter(pk=mail_id, sent_at=None).filter(Q(taken_until=None) | Q(taken_until__lt=now))
    if not mine.update(taken_until=now + TAKEN_FOR):
        return
    mail = RunMail.objects.get(pk=mail_id)
    try:
        EmailMessage(mail.subject, mail.body, to=[mail.to]).send()
    except (SMTPException, OSError) as error:
        # Its words may name the recipient.
        why = type(error).__name__
        log.error("the mail %s of run %s could not be sent, and is tried again: %s", mail_id, mail.run_id, why)
        said = f"The mail server refused it, or did not answer: {why}."
        RunMail.objects.filter(pk=mail_id).update(taken_until=None, error=said)
        return
    RunMail.objects.filter(pk=mail_id).update(sent_at=timezone.now(), error="")
