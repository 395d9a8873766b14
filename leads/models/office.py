from __future__ import annotations

from django.db import models

from leads.models.account import Account


class Office(models.Model):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="offices")
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"],
                name="office_name_once_per_account",
                violation_error_message="This account has an office of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name
