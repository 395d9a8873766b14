"""Tell the people who look after a webhook what the engine did to it by itself: by a notice, and by a mail of it.

The notice is stored in the transaction of the change that it tells of, so that neither is there without the other; the
mail follows as a job. A mail leaves at most once: the job takes the notice by setting `mailed_at` where that is null,
commits, and only then speaks to the mail server, as no transaction may stay open for as long as a server takes. What
the server refuses is owed again, and the next sweep tries it. A worker that is killed between the two has taken a
notice that nobody mails any more; it still stands in the admin. A mail is no use after `OWED_FOR`, and is given up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.urls import reverse
from django.utils import timezone

from leads import jobs
from leads.models import User
from leads.scope import Scope
from webhooks.models import Delivery, Health, Notice, State, Status, Told, Webhook

JOB = "webhooks.mail_notice"
OWED_FOR = timedelta(days=3)
# So many held deliveries are counted, and no further.
MOST_COUNTED = 10_000
REPLAY = "What ended as Failure can be replayed from its history:"
# So many characters of an answer stand in a mail.
ANSWER_BEGINS = 200

log = logging.getLogger(__name__)


def tell(webhook: Webhook, text: str, delivery_id: int | None, kind: Told = Told.PAUSED) -> Notice:
    """Store a notice in the open transaction, and have it mailed once that is committed.

    text: in sentences, as Webhook.state_reason; delivery_id: of the delivery whose answer led to it.
    """
    notice = Notice.objects.create(
        account_id=webhook.account_id,
        webhook=webhook,
        webhook_name=webhook.name,
        kind=kind,
        text=text[: Notice._meta.get_field("text").max_length],
        delivery_id=delivery_id,
    )
    jobs.start(JOB, notice.pk)
    return notice


def owed() -> Sequence[tuple[int]]:
    """The ids of notices that are not mailed yet, oldest first."""
    since = timezone.now() - OWED_FOR
    unmailed = Notice.objects.filter(mailed_at__isnull=True, created_at__gte=since)
    return [(pk,) for pk in unmailed.order_by("pk").values_list("pk", flat=True)]


def mail(notice_id: int) -> None:
    """Mail one notice to the account's administrators, unless it is mailed, or being mailed by another worker.

    Where nobody can be mailed it counts as mailed, with a line in the log. An error of the mail server is logged, and
    the notice is owed again.
    """
    taken_at = timezone.now()
    if not Notice.objects.filter(pk=notice_id, mailed_at__isnull=True).update(mailed_at=taken_at):
        return
    sent = False
    try:
        notice = Notice.objects.select_related("webhook", "delivery__event").get(pk=notice_id)
        addresses = recipients(notice.account_id)
        if addresses:
            EmailMessage(_subject(notice), _body(notice), to=addresses).send()
        else:
            log.warning("notice %s is mailed to nobody: the account has no administrator with an address", notice_id)
        sent = True
    except (SMTPException, OSError) as error:
        log.error("notice %s could not be mailed, and is tried again: %s", notice_id, type(error).__name__)
    finally:
        if not sent:
            Notice.objects.filter(pk=notice_id, mailed_at=taken_at).update(mailed_at=None)


def recipients(account_id: int) -> list[str]:
    """The e-mail addresses of the account's active users who may change its webhooks, each once."""
    may = User.objects.with_perm("webhooks.change_webhook", backend="django.contrib.auth.backends.ModelBackend")
    found: dict[str, str] = {}
    for user in may.filter(membership__account_id=account_id).exclude(email="").order_by("pk"):
        # Webhooks are the whole account's: who works for single offices does not see them.
        if Scope.of(user).whole_account and _is_address(user.email):
            found.setdefault(user.email.lower(), user.email)
    return list(found.values())


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _subject(notice: Notice) -> str:
    """Without line breaks, whatever the webhook's name holds: they would begin headers of their own."""
    return _line(str(notice))


def _body(notice: Notice) -> str:
    """Facts and links. Nothing of what was sent; of what was received the status line and, where somebody asked to be
    told of failures, how the answer began."""
    lines = [
        f"Webhook: {_line(notice.webhook_name)}",
        f"When: {_when(notice.created_at)}",
        f"{'Why' if notice.kind == Told.PAUSED else 'What'}: {_line(notice.text)}",
    ]
    if notice.delivery is not None:
        lines += _delivery_lines(notice.delivery, begin=notice.kind == Told.FAILED)
    if notice.webhook is None:
        lines += ["", "The webhook was deleted meanwhile."]
    else:
        lines += ["", *_state_lines(notice), _link("admin:webhooks_webhook_change", notice.webhook.pk)]
        if notice.kind == Told.FAILED:
            causes = f"{_link('admin:webhooks_delivery_causes')}?webhook={notice.webhook.pk}"
            lines += ["", "Its failures by cause:", causes]
    if notice.delivery is not None:
        lines += ["", "What was sent and received:", _link("admin:webhooks_delivery_change", notice.delivery.pk)]
    lines += ["", "You get this mail because you may change the webhooks of this account."]
    if notice.kind in (Told.FAILED, Told.RECOVERED):
        lines += ["It is about failures: whether a webhook tells of them is chosen on its page."]
    return "\n".join(lines) + "\n"


def _delivery_lines(delivery: Delivery, begin: bool) -> list[str]:
    """begin: with the first part of the answer."""
    about = f"{delivery.sent_as} ({delivery.message_id})"
    if delivery.event is not None:
        about = f"{delivery.sent_as} of {delivery.event.record}/{delivery.event.record_id}, {delivery.message_id}"
    last = delivery.attempts.first()
    if last is None:
        answer = delivery.error or "none"
    elif last.code is None:
        answer = last.error or "none"
    else:
        answer = f"{last.code} {last.reason}"
    lines = [f"Event: {_line(about)}", f"Answer: {_line(answer)}"]
    if begin and last is not None and (text := _line(last.response_body[: 2 * ANSWER_BEGINS])):
        cut = len(text) > ANSWER_BEGINS or len(last.response_body) > 2 * ANSWER_BEGINS
        lines.append(f"The answer began: {text[:ANSWER_BEGINS]}{'…' if cut else ''}")
    return lines


def _state_lines(notice: Notice) -> list[str]:
    webhook = notice.webhook
    assert webhook is not None
    if webhook.state != State.PAUSED:
        state = State(webhook.state).label.lower()
        if notice.kind == Told.PAUSED:
            return [f"The webhook is {state} by now:"]
        return [f"The webhook is {state}. {REPLAY}"]
    held = Delivery.objects.filter(webhook=webhook, status=Status.HELD).order_by().values("pk")[: MOST_COUNTED + 1]
    count = held.count()
    number = f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"
    verb = "delivery is" if count == 1 else "deliveries are"
    lines = [f"The webhook is paused: {number} {verb} held, and so are new ones. Nothing is lost."]
    if Health.objects.filter(pk=webhook.pk, probe_at__isnull=False).exists():
        lines.append("One of them is tried from time to time, and when that succeeds the webhook resumes by itself.")
    return [*lines, "When the receiver is ready, resume the webhook, and they are sent in order.", REPLAY]


def _link(view: str, *args: int) -> str:
    return f"{settings.SITE_URL}{reverse(view, args=args)}"


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M:%S} UTC"


def _line(text: str) -> str:
    """One line: whatever a receiver or a person wrote, it cannot look like a line of ours."""
    return " ".join(text.split())
