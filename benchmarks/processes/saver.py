"""Somebody who saves one lead, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import django
from django.db import models, transaction
from django.utils import timezone

from benchmarks.process import serve

django.setup()

from django_q.models import OrmQ  # noqa: E402

from benchmarks.processes import records  # noqa: E402
from benchmarks.processes.statements import statements  # noqa: E402
from leads.models import Lead  # noqa: E402
from tests import factories  # noqa: E402
from webhooks.models import Automation, Delivery, Run, State, Status, Webhook  # noqa: E402

_lead: list[Lead] = []
_number = count(1)


def webhooks(url: str, number: int) -> None:
    """The lead, and so many webhooks of its account, all of which would hear it."""
    _lead[:] = [records.lead()]
    for index in range(number):
        factories.webhook(url, name=f"Webhook {index}")


def matching(number: int) -> None:
    """So many are enabled from now on, and a save has read so. What is queued counts as sent; the queue is empty."""
    enabled = list(Webhook.objects.order_by("pk").values_list("pk", flat=True)[:number])
    Webhook.objects.update(state=State.DISABLED)
    Webhook.objects.filter(pk__in=enabled).update(state=State.ENABLED)
    _timed(_save)
    Delivery.objects.filter(status=Status.QUEUED).update(status=Status.SUCCESS, finished_at=timezone.now())
    OrmQ.objects.all().delete()


def make_rules(number: int) -> None:
    """So many rules of the lead's account that listen to every change of it."""
    steps = [{"do": "add_tag", "tag": "seen"}]
    for index in range(number):
        name = f"Rule {index}"
        Automation.objects.create(account=_lead[0].account, name=name, event="lead.updated", steps=steps)


def listening(number: int) -> None:
    """So many of them are on from now on; the first save after that reads so. What was noted before counts as done."""
    Run.objects.all().delete()
    OrmQ.objects.all().delete()
    active = list(Automation.objects.order_by("pk").values_list("pk", flat=True)[:number])
    Automation.objects.update(is_active=False)
    Automation.objects.filter(pk__in=active).update(is_active=True)
    _timed(_save)


def save(times: int, bare: bool) -> list[float]:
    """Milliseconds that each save took, the nudge after it included."""
    return [_timed(_save_bare if bare else _save) for _ in range(times)]


def count_statements(bare: bool) -> int:
    """How many statements one save sends to the database, BEGIN and COMMIT included, and nothing after COMMIT."""
    with statements() as seen:
        _timed(_save_bare if bare else _save)
    return seen.index("COMMIT") + 1


def save_clocked() -> list[int]:
    """The lead's new version, and when its transaction was committed (time.monotonic_ns())."""
    committed: list[int] = []
    _change()
    with transaction.atomic():
        # The first of the transaction's callbacks: the nudge comes after it.
        transaction.on_commit(lambda: committed.append(time.monotonic_ns()))
        _save()
    return [_lead[0].version, *committed]


def _save() -> None:
    _lead[0].save()


def _save_bare() -> None:
    """The same row, without change tracking, hence without facts and receivers."""
    with transaction.atomic():
        models.Model.save(_lead[0])


def _timed(saved: Callable[[], None]) -> float:
    _change()
    began = time.perf_counter()
    saved()
    return (time.perf_counter() - began) * 1000


def _change() -> None:
    _lead[0].set("message", f"Could somebody call me? I have tried {next(_number)} times.")


if __name__ == "__main__":
    serve(
        {
            "webhooks": webhooks,
            "matching": matching,
            "make_rules": make_rules,
            "listening": listening,
            "save": save,
            "statements": count_statements,
            "save_clocked": save_clocked,
        }
    )
