"""The sign of life of whatever works the queue, for the screens that say that nothing does."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """One row for the whole installation, however many workers write it: it says that at least one of them lives."""

    THE_ONE = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ONE)
    seen_at = models.DateTimeField()
    # A worker beats every few seconds, a plain qcluster every minute: each says when to miss it.
    next_by = models.DateTimeField()

    def __str__(self) -> str:
        return f"seen at {self.seen_at:%Y-%m-%d %H:%M:%S}"
