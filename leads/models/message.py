"""Messages between a lead and us: a thread, oldest first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router
from django.utils import timezone

from leads.changes import unit
from leads.models.campaign import Campaign
from leads.models.lead import Lead, refuse_merged
from leads.validation import in_seconds

LONGEST_BODY = 32 * 1024


class Direction(models.TextChoices):
    INBOUND = "inbound", "Inbound"
    OUTBOUND = "outbound", "Outbound"


# What a message that was generated says of its making (LeadEngine's names).
GENERATION = ("angle", "framework", "test", "tone", "campaign_step", "word_limit")


class MessageQuerySet(models.QuerySet["Message"]):
    def bulk_create(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError("Save messages one by one: the counters and dates of their leads follow each.")


class Message(models.Model):
    """Adding one is a fact about its lead, whose counters and dates follow. Mending its text or deleting it is none."""

    objects = MessageQuerySet.as_manager()

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="messages")
    type = models.CharField(max_length=8, choices=Direction.choices)
    subject = models.CharField(max_length=255, blank=True)
    body = models.TextField(max_length=LONGEST_BODY)
    from_name = models.CharField(max_length=255, blank=True)
    from_address = models.CharField(max_length=254, blank=True)
    to_name = models.CharField(max_length=255, blank=True)
    to_address = models.CharField(max_length=254, blank=True)
    date = models.DateTimeField(default=timezone.now)
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, related_name="messages", null=True, blank=True)
    angle = models.CharField(max_length=255, null=True, blank=True)
    framework = models.CharField(max_length=255, null=True, blank=True)
    test = models.CharField(max_length=50, null=True, blank=True)
    tone = models.CharField(max_length=50, null=True, blank=True)
    campaign_step = models.PositiveSmallIntegerField(null=True, blank=True)
    word_limit = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["date", "id"]
        indexes = [models.Index(fields=["lead", "date", "id"], name="message_thread")]

    def __str__(self) -> str:
        return self.subject or self.body[:60]

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        if self.campaign is not None and self.campaign.account_id != self.lead.account_id:
            raise ValidationError({"campaign": ValidationError("must be a campaign of the account", code="reference")})
        self.date = models.DateTimeField().to_python(self.date)
        added = self._state.adding
        with unit(using, savepoint=False) as work:
            work.touch(Lead, [self.lead_id])
            refuse_merged(work.before(Lead, self.lead_id))
            super().save(*args, using=using, **kwargs)
            if added:
                self._count(using)

    def _count(self, using: str) -> None:
        """What the lead's fields tell of its messages; the unit has locked the lead."""
        lead = Lead.objects.using(using).get(pk=self.lead_id)
        counters, dates = _FOLLOW[Direction(self.type)]
        for key in counters:
            lead.set(key, (lead.get(key) or 0) + 1)
        day = in_seconds(self.date)
        for key in dates:
            lead.set(key, max(lead.get(key) or "", day))
        lead.save(using=using, update_fields=["details"])

    def told(self) -> dict[str, Any]:
        """As the snapshot of its lead holds it."""
        return {
            "id": self.pk,
            "type": self.type,
            "subject": self.subject,
            "body": self.body,
            "from": {"name": self.from_name, "address": self.from_address},
            "to": {"name": self.to_name, "address": self.to_address},
            "date": in_seconds(self.date),
            "campaign": self.campaign.name if self.campaign else None,
            **{key: getattr(self, key) for key in GENERATION},
        }


# Type -> the counters that go up by one, and the dates that it moves forward.
_FOLLOW = {
    Direction.OUTBOUND: (("number_of_emails", "number_of_times_contacted"), ("last_contacted",)),
    Direction.INBOUND: (("number_of_email_replies",), ("last_email_reply_date",)),
}
