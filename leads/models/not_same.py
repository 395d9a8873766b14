"""Pairs of leads that look like one person, and are not: somebody said so."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from leads.models.lead import Lead


class NotSame(models.Model):
    # In the order of their ids.
    first = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    said_at = models.DateTimeField(default=timezone.now)
    # The name of the person, as it was.
    said_by = models.CharField(max_length=255)

    class Meta:
        # Who may merge leads may say this.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="not_same_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="not_same_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} is not {self.second_id}"
