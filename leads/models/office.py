from __future__ import annotations

from django.db import models, router

from leads.changes import unit
from leads.models.account import Account
from leads.models.once import Once


class Office(models.Model):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="offices")
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [
            Once(
                fields=["account", "name"],
                name="office_name_once_per_account",
                violation_error_message="This account has an office of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        with unit(using, savepoint=False):
            # Leads that were merged are seen nowhere: they do not hold it.
            leads = self.leads(manager="with_merged").using(using)  # type: ignore[attr-defined]
            leads.exclude(merged_into=None).update(office=None)
            return super().delete(using=using, keep_parents=keep_parents)
