"""Reminders of tasks: each is told once, when its time has come, by whichever worker finds it first."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from leads.changes import unit
from leads.jobs import Ids
from leads.models import Task
from leads.models.task import TaskStatus

log = logging.getLogger(__name__)

JOB: Final = "leads.remind"
# A run ends with so many, so that a worker that is told to stop need not wait for the rest: the clock asks for it.
AT_ONCE: Final = 500


def waiting() -> list[Ids]:
    """One run for all that is due; asked every second."""
    return [()] if _due(timezone.now()).exists() else []


def remind() -> None:
    """Tell every reminder that is due. Each is a unit of work of its own: one that fails keeps none of the others."""
    due = _due(timezone.now()).order_by("remind_at", "pk").values_list("pk", flat=True)
    for pk in list(due[:AT_ONCE]):
        try:
            _remind(pk)
        except Exception:
            log.exception("task %s: the reminder was not told", pk)


def _remind(pk: int) -> None:
    with unit() as work:
        # What another worker has locked is told by that one; SQLite lets one transaction write at a time.
        mine = _due(work.now).filter(pk=pk).select_for_update(skip_locked=True, of=("self",), no_key=True)
        task = mine.first()
        if task is not None:
            task.reminded_at = work.now
            task.save(update_fields=["reminded_at"])


def _due(now: datetime) -> QuerySet[Task]:
    return Task.objects.filter(status=TaskStatus.OPEN, reminded_at=None, remind_at__lte=now)
