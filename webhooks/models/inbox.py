"""The built-in test receiver: what arrived, and how it answers next."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webhooks.models.webhook import Webhook


class Answer(models.TextChoices):
    OK = "ok", "200 OK"
    ERROR = "error", "500 error"
    BUSY = "busy", "429 for 30 s"
    SLOW = "slow", "Slow, 20 s"
    NONE = "none", "No answer"


class Signature(models.TextChoices):
    VERIFIED = "verified", "Verified"
    WRONG = "wrong", "Wrong signature"
    UNSIGNED = "unsigned", "Unsigned"


class InboxMode(models.Model):
    """How the inbox answers the requests to one webhook's address."""

    webhook = models.OneToOneField(Webhook, on_delete=models.CASCADE, related_name="inbox_mode")
    answer = models.CharField(max_length=10, choices=Answer.choices, default=Answer.OK)
    since = models.DateTimeField(default=timezone.now)


class InboxRequest(models.Model):
    """One request as it arrived."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="inbox_requests")
    received_at = models.DateTimeField(default=timezone.now)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=2000)
    # JSON text, [[name, value], ...].
    headers = models.TextField()
    body = models.BinaryField()
    message_id = models.CharField(max_length=200, blank=True)
    # Read from the signed payload where there is one, as the systems themselves advise.
    event = models.CharField(max_length=200, blank=True)
    label = models.CharField(max_length=255, blank=True)
    signature = models.CharField(max_length=10, choices=Signature.choices)
    signature_detail = models.CharField(max_length=255)
    # None while the answer is still out, or never came.
    answered = models.PositiveSmallIntegerField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["webhook", "-id"], name="inbox_newest"),
            models.Index(fields=["message_id"], name="inbox_message"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.received_at:%d %b %Y, %H:%M:%S}"
