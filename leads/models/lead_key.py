"""What leads are known by when they come in: one row for each value, so that two posts of one person meet in it."""

from __future__ import annotations

from django.db import models

from leads.models.account import Account
from leads.models.lead import Lead


class LeadKey(models.Model):
    """A value of one field, as a digest. Whoever brings a lead in locks it first (leads/intake.py).

    Where no two leads may have the same value (a custom field that is unique), `lead` is the one that has it.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    # A key of the catalogue, or custom_fields.<key>.
    field = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="keys", null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "field", "digest"], name="lead_key_once_per_account")]

    def __str__(self) -> str:
        return f"{self.field} {self.digest[:8]}"
