"""Failures in groups: what has gone wrong with a webhook, once per cause and not once per delivery."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from leads.models import Account
from webhooks.models.webhook import Webhook


class Cause(models.TextChoices):
    """Why a try failed, as people tell such things apart."""

    DNS = "dns", "Name not found"
    REFUSED = "refused", "Connection refused"
    TLS = "tls", "TLS failed"
    TIMEOUT = "timeout", "Timed out"
    RESET = "reset", "Connection closed"
    PROTOCOL = "protocol", "Not an HTTP answer"
    BLOCKED = "blocked", "Address or URL not allowed"
    REDIRECT = "3xx", "Answered 3xx"
    CLIENT_ERROR = "4xx", "Answered 4xx"
    SERVER_ERROR = "5xx", "Answered 5xx"
    OTHER = "other", "Other"


class Issue(models.Model):
    """Open from the first failed try of its cause until a try of the webhook succeeds."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="issues", db_index=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    cause = models.CharField(max_length=10, choices=Cause.choices)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # Failed tries.
    count = models.PositiveIntegerField()
    # The latest one's explanation.
    detail = models.CharField(max_length=255, blank=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "cause"], name="issue_open", condition=Q(closed_at__isnull=True))
        ]
        indexes = [
            models.Index(fields=["webhook", "-last_at"], name="issue_webhook"),
            models.Index(fields=["account", "-last_at"], name="issue_account"),
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()} at webhook {self.webhook_id}"
