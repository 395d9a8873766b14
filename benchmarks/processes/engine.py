"""One worker process' share of the program: webhooks.outbound.deliver.run, signature and history included.

Deliveries are queued by the program's own capture and outbox before the clock starts; what is timed is one run of each
of the processes that share them, until the last delivery is settled.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import django
from django.db import transaction

from benchmarks.process import serve

django.setup()

from benchmarks.processes import records  # noqa: E402
from leads.signals import Fact, happened  # noqa: E402
from tests import factories  # noqa: E402
from webhooks.models import Delivery, Status  # noqa: E402
from webhooks.outbound import deliver  # noqa: E402
from webhooks.outbound.capture import capture  # noqa: E402
from webhooks.outbound.outbox import fan_out  # noqa: E402

_facts: list[Fact] = []


def webhook(url: str) -> None:
    """One webhook, and a lead whose change it will hear again and again."""
    factories.webhook(url)

    def keep(sender: Any, facts: Sequence[Fact], **_: Any) -> None:
        # One save tells several; this is the one that LeadPro hears of.
        _facts[:] = [fact for fact in facts if fact.type == "lead.updated"]

    lead = records.lead()
    happened.connect(keep)
    lead.set("message", "Could somebody call me after five?")
    lead.save()
    happened.disconnect(keep)
    deliver.run(stop=lambda: None, linger=0.0)


def queue(count: int) -> None:
    """Queue so many deliveries, each of another event with a body of its own."""
    (fact,) = _facts
    with transaction.atomic():
        for start in range(0, count, 1000):
            numbers = range(start, min(start + 1000, count))
            facts = [replace(fact, version=n, snapshot={**fact.snapshot, "message": f"Call {n}"}) for n in numbers]
            fan_out(capture(facts))


def send() -> dict[str, float]:
    """Send what is queued, until nothing is: how many were settled here, and from when to when (time.monotonic())."""
    began = time.monotonic()
    settled = deliver.run(stop=lambda: None, claim_for=600.0, linger=0.0)
    return {"settled": settled, "began": began, "ended": time.monotonic()}


def unsent() -> int:
    """How many deliveries of all that were queued are not a success."""
    return Delivery.objects.exclude(status=Status.SUCCESS).count()


if __name__ == "__main__":
    serve({"webhook": webhook, "queue": queue, "send": send, "unsent": unsent})
