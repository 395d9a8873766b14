"""How a webhook's URL answered when it was saved, for systems that ask it then."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webhooks.models.webhook import Webhook


class Handshake(models.Model):
    """The latest one. Stored with the webhook; it is asked for until asked_at is set, and never enforced."""

    webhook = models.OneToOneField(Webhook, on_delete=models.CASCADE, primary_key=True, related_name="handshake")
    wanted_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(null=True)
    code = models.PositiveSmallIntegerField(null=True)
    # Why there was no answer.
    error = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes = [models.Index(fields=["wanted_at"], name="handshake_owed", condition=models.Q(asked_at__isnull=True))]

    def __str__(self) -> str:
        return f"handshake of webhook {self.webhook_id}"
