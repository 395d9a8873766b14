"""What the administrators are owed, or have been told, of a webhook's failures: for webhooks that notify on failure."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from webhooks.models.delivery import Delivery
from webhooks.models.issue import Cause
from webhooks.models.webhook import Webhook


class Alarm(models.Model):
    """One row per webhook and cause. It outlives an outage, so that the next one is not told within the same hour."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="alarms", db_index=False)
    cause = models.CharField(max_length=10, choices=Cause.choices)
    # Deliveries that ended as Failure and are not told yet, since when, and the latest of them.
    failures = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(null=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, related_name="+", null=True)
    told_at = models.DateTimeField(null=True)
    # A failure was told, and a recovery not yet.
    raised = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "cause"], name="alarm_once")]
        indexes = [models.Index(fields=["told_at"], name="alarm_owed", condition=Q(failures__gt=0))]

    def __str__(self) -> str:
        return f"alarm of webhook {self.webhook_id}: {self.get_cause_display()}"
