"""A replay that is too big for one request: what was chosen, of which the worker adds some at a time."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from webhooks.models.delivery import Delivery


class Replay(models.Model):
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField(default=timezone.now)
    # The newest delivery when the question was asked: whatever this replay adds has a higher id.
    through = models.BigIntegerField()
    # Deliveries chosen; of these, added so far. A webhook that is disabled meanwhile gets none.
    chosen = models.PositiveIntegerField()
    added = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="replay_open", condition=Q(finished_at__isnull=True))]

    def __str__(self) -> str:
        return f"Replay of {self.chosen} deliveries"


class ReplayItem(models.Model):
    """One delivery whose bytes are still to be sent again; gone once that delivery is added."""

    replay = models.ForeignKey(Replay, on_delete=models.CASCADE, related_name="items", db_index=False)
    # The first delivery of the bytes.
    root = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["replay", "root"], name="replay_item_once")]

    def __str__(self) -> str:
        return f"{self.root_id} of {self.replay_id}"
