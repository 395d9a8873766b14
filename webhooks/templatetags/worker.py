"""{% load worker %}: is anybody sending what is queued?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django import template

from webhooks import queue
from webhooks.outbound import turns

register = template.Library()

# A delivery leaves within a second where all is well; a busy minute is no reason for alarm.
LATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """missing: no worker gives a sign of life; late: for how many seconds the oldest due delivery has been waiting."""

    missing: bool
    seen: datetime | None
    late: float | None

    @property
    def well(self) -> bool:
        return not self.missing and self.late is None


@register.simple_tag
def worker_state() -> WorkerState:
    """Three to four statements, each at one end of an index."""
    missing = queue.worker_missing()
    waiting = turns.overdue()
    late = waiting if waiting is not None and waiting >= LATE_SECONDS else None
    return WorkerState(missing, queue.worker_seen() if missing else None, late)
