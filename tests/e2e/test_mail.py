"""A receiver that says 410: its webhook is paused, and a mail of it reaches the account's administrators."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.mail_server import MailServer
from tests.program import Program, wait_until
from tests.receiver import Answer, Receiver

SET_UP = """
from leads import roles
from tests import factories
from tests.admin import people
manager = people.manager()
manager.email = "dana@example.com"
manager.save()
webhook = factories.webhook("{url}", timeout=5)
factories.lead()
factories.lead(email="second@example.com")
print(webhook.pk)
"""


def test_a_farewell_pauses_the_webhook_and_is_mailed_once(
    new_program: Callable[..., Program], receiver: Receiver
) -> None:
    with MailServer() as mailed:
        mailed.refusals = {"DATA": "451 come again"}
        program = new_program(EMAIL_URL=mailed.url, DEFAULT_FROM_EMAIL="CRM <crm@example.com>")
        receiver.always(Answer(410))
        program.start()
        pk = program.shell(SET_UP.format(url=receiver.url)).strip()
        wait_until(lambda: "could not be mailed" in program.output(), 20, "the mail is refused")
        assert program.ask("SELECT state, state_reason FROM webhooks_webhook") == [
            ("paused", "The receiver answered 410 Gone: it wants nothing more.")
        ]
        mailed.refusals = {}
        # The sweep of every minute comes sooner.
        program.shell("from webhooks import tasks; tasks.sweep(); tasks.sweep()")
        wait_until(lambda: mailed.mails, 20, "the mail arrives")
        program.shell("from webhooks import tasks; tasks.sweep()")
    (mail,) = mailed.mails
    assert mail.recipients == ("dana@example.com",)
    assert str(mail.message["From"]) == "CRM <crm@example.com>"
    assert str(mail.message["Subject"]).startswith("LeadPro production was paused: The receiver answered 410 Gone")
    assert "Answer: 410 Answer" in mail.text
    assert f"{program.url}/admin/webhooks/webhook/{pk}/change/" in mail.text.splitlines()
    assert "Hartley" not in mail.text


def test_developers_and_the_demo_read_it_on_their_console(
    new_program: Callable[..., Program], receiver: Receiver
) -> None:
    program = new_program()
    receiver.always(Answer(200, headers=(("Webhook-Delivery", "disable"),)))
    program.start()
    program.shell(SET_UP.format(url=receiver.url))
    wait_until(lambda: "You get this mail because" in program.output(), 20, "the mail is printed")
    printed = program.output()
    assert "To: dana@example.com" in printed
    assert re.search(r"^Subject: LeadPro production was paused: ", printed, re.MULTILINE)
    assert "The webhook is paused: " in printed


FAILING = """
from leads import roles
from tests import factories
from tests.admin import people
manager = people.manager()
manager.email = "dana@example.com"
manager.save()
factories.webhook(
    "{url}", dialect="leadsquared", name="Port", events=["Lead_Post_Create"], secret="", notify_on_failure=True
)
for each in range(8):
    factories.lead(email=f"lead{{each}}@example.com")
"""


def test_an_outage_is_mailed_once_and_once_more_when_it_is_over(
    new_program: Callable[..., Program], receiver: Receiver
) -> None:
    with MailServer() as mailed:
        program = new_program(EMAIL_URL=mailed.url, WEBHOOK_RETRY_SCALE="0.002")
        receiver.always(Answer(503))
        program.start()
        program.shell(FAILING.format(url=receiver.url))
        failed = "SELECT count(*) FROM webhooks_delivery WHERE status = 'failure'"
        wait_until(lambda: program.ask(failed) == [(8,)], 60, "all of them end as Failure")
        wait_until(lambda: mailed.mails, 20, "the mail arrives")
        receiver.always(Answer(200))
        program.shell("from tests import factories; factories.lead()")
        wait_until(lambda: len(mailed.mails) == 2, 20, "the other one arrives")
        program.shell("from webhooks import tasks; tasks.sweep()")
    first, last = mailed.mails
    assert first.recipients == ("dana@example.com",)
    assert str(first.message["Subject"]).startswith("Port failed: ") and "Answer: 503" in first.text
    assert str(last.message["Subject"]).startswith("Port works again: ")
