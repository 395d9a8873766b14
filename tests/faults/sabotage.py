"""Ways to break the program on purpose, in all of its processes: settings for them, and the lines that they change.

The settings are those of the program with one application more, which breaks what SABOTAGE names when Django is ready.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.apps import AppConfig

from tests.faults.stack import Stack


def broken(stack: Stack, how: Callable[[], None]) -> Stack:
    """The same stack, under a program that is broken."""
    settings = ("DJANGO_SETTINGS_MODULE", "tests.faults.sabotaged_settings"), ("SABOTAGE", how.__name__)
    return replace(stack, environment=settings)


class Sabotage(AppConfig):
    name = "tests.faults"
    label = "sabotage"

    def ready(self) -> None:
        globals()[os.environ["SABOTAGE"]]()


def no_sweep() -> None:
    """Nobody looks for what is due: neither the clock, each second, nor the schedule, each minute."""
    from webhooks import tasks
    from webhooks.worker.board import Board

    Board.ask = lambda self, now: None
    tasks.sweep = lambda: 0


def rows_after_commit() -> None:
    """Event and deliveries are stored when the lead's transaction has been committed."""
    from django.db import transaction

    from leads.changes import unit
    from leads.signals import happened
    from webhooks import receivers

    def late(sender: Any, facts: Any, **_: Any) -> None:
        def store() -> None:
            with unit():
                receivers.record(sender, facts)

        transaction.on_commit(store)

    happened.disconnect(dispatch_uid="webhooks.receivers.record")
    happened.connect(late, weak=False, dispatch_uid="late")


def id_per_attempt() -> None:
    """Each try has a webhook-id of its own."""
    from webhooks.outbound import compose

    honest = compose._Letterhead.request
    tries = itertools.count()
    compose._Letterhead.request = lambda self, body, heard_as, message_id, *rest: honest(
        self, body, heard_as, f"{message_id}_{next(tries)}", *rest
    )


def lease_below_deadline() -> None:
    """A claim ends before its try may, and no check at the start minds. The guard before a send lets nothing leave."""
    from django.core.checks.registry import registry

    from webhooks import conf, queue

    conf.lease = lambda: 3.0
    registry.registered_checks.discard(queue.check_settings)


def lease_below_deadline_unguarded() -> None:
    """The same without the guard, and without renewing what is out."""
    from webhooks.outbound import claim, senders

    lease_below_deadline()
    senders.MARGIN = -60.0
    claim.renew = lambda held: {each.id for each in held}
