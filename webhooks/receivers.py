"""From the CRM's signal to the outbox: the one place where the two apps meet at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leads.signals import Fact, happened
from webhooks import queue
from webhooks.outbound.capture import capture
from webhooks.outbound.outbox import fan_out


def connect() -> None:
    happened.connect(record, dispatch_uid="webhooks.receivers")


def record(sender: Any, facts: Sequence[Fact], **kwargs: Any) -> None:
    """Store the facts as events with their deliveries, in the transaction of the change, and nudge the queue."""
    if fan_out(capture(facts)):
        queue.nudge()
