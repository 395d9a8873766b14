"""What the engine did to a webhook by itself, for the people who look after it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from leads.models import Account
from webhooks.models.delivery import Delivery
from webhooks.models.webhook import Webhook


class Told(models.TextChoices):
    """What a notice is about."""

    PAUSED = "paused", "was paused"
    RESUMED = "resumed", "was resumed"
    FAILED = "failed", "failed"
    RECOVERED = "recovered", "works again"


class Notice(models.Model):
    """One per change of state. Stored with the change; the mail follows, and is owed until mailed_at is set."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    # Null once the webhook is deleted; the name stays.
    webhook = models.ForeignKey(Webhook, on_delete=models.SET_NULL, related_name="notices", null=True)
    webhook_name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Told.choices, default=Told.PAUSED)
    # Why, in a sentence; of a pause it is Webhook.state_reason.
    text = models.CharField(max_length=255)
    # The delivery whose answer led to it.
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, related_name="+", null=True)
    created_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="notice_owed", condition=Q(mailed_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.webhook_name} {self.get_kind_display()}: {self.text}"
