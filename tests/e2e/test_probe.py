"""A webhook that the policy paused: the worker asks for it by itself, and resumes it when its receiver is back."""

from __future__ import annotations

from collections.abc import Callable

from tests.mail_server import MailServer
from tests.program import Program, wait_until
from tests.receiver import Answer, Receiver

SET_UP = """
from django.db import transaction
from tests import factories
from tests.admin import people
from webhooks.models import Health
from webhooks.outbound import switch
manager = people.manager()
manager.email = "dana@example.com"
manager.save()
webhook = factories.webhook("{url}", dialect="leadsquared", name="Port", events=["Lead_Post_Create"], secret="")
Health.objects.create(webhook=webhook)
with transaction.atomic():
    switch.pause_by_policy(webhook.pk, "All tries have failed.", None, probe=True)
for each in range(3):
    factories.lead(email=f"lead{{each}}@example.com")
"""


def test_it_is_asked_for_until_it_answers_and_then_resumed(
    new_program: Callable[..., Program], receiver: Receiver
) -> None:
    with MailServer() as mailed:
        program = new_program(EMAIL_URL=mailed.url, WEBHOOK_RETRY_SCALE="0.003")
        receiver.always(Answer(500))
        program.shell(SET_UP.format(url=receiver.url))
        program.start()
        wait_until(lambda: len(receiver.received) >= 2, 30, "it is asked for twice")
        # By one delivery alone, which uses up none of its tries.
        assert len({request.header("webhook-id") for request in receiver.received}) == 1
        tries = program.ask("SELECT tries FROM webhooks_delivery WHERE status IN ('held', 'sending')")
        assert tries == [(0,)] * 3
        assert program.ask("SELECT state FROM webhooks_webhook") == [("paused",)]
        receiver.always(Answer(200))
        sent = "SELECT count(*) FROM webhooks_delivery WHERE status = 'success'"
        wait_until(lambda: program.ask(sent) == [(3,)], 30, "everything is sent")
        assert program.ask("SELECT state, state_reason FROM webhooks_webhook") == [("enabled", "")]
        wait_until(lambda: len(mailed.mails) == 2, 20, "both mails arrive")
    subjects = [str(mail.message["Subject"]) for mail in mailed.mails]
    assert subjects[0] == "Port was paused: All tries have failed."
    assert subjects[1].startswith("Port was resumed: Its receiver answers again")
