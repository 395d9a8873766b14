"""Whose turn it was, where an account's new leads are given to the people of an office in turn."""

from __future__ import annotations

from typing import Self

from django.db import models

from leads.models.account import Account

# Of leads without an office: everybody of the account takes turns.
NO_OFFICE = 0


class Turn(models.Model):
    """One for all that leads come in by, so that nobody gets the first lead of each."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    # The id of an office, or NO_OFFICE: not a relation, which a constraint could not hold to one row without an office.
    office_id = models.BigIntegerField(default=NO_OFFICE)
    # The id of the person who got the last one.
    last = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "office_id"], name="turn_once_per_office")]

    def __str__(self) -> str:
        return f"turn of office {self.office_id}"

    @classmethod
    def locked(cls, account_id: int, office_id: int | None) -> Self:
        """In a transaction; made where it is not there yet."""
        place = {"account_id": account_id, "office_id": office_id or NO_OFFICE}
        cls.objects.bulk_create([cls(**place)], ignore_conflicts=True)
        return cls.objects.select_for_update().get(**place)
