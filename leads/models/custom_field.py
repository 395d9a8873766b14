from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router, transaction

from leads import custom
from leads.models.account import Account
from leads.models.account_setup import AccountSetup
from leads.models.once import Once


def check_key(key: str) -> None:
    if fault := custom.key_fault(key):
        raise ValidationError(f"Key {fault}.", code="key")


class CustomField(AccountSetup):
    """A field of the account's own; its values are in Lead.custom_fields, under its key."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="custom_fields")
    key = models.CharField(max_length=50, validators=[check_key])
    label = models.CharField(max_length=100)
    kind = models.CharField("type", max_length=10, choices=custom.KINDS, default="text")
    required = models.BooleanField(default=False)
    # No two leads of the account have the same value (leads/unique.py).
    unique = models.BooleanField(default=False)
    # Of a choice or choices: ["Detached", ...].
    choices = models.JSONField(default=list, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            Once(
                fields=["account", "key"],
                name="custom_field_key_once_per_account",
                violation_error_message="This account has a custom field of that key.",
            )
        ]

    def __str__(self) -> str:
        return self.label

    def save(self, *args: Any, using: str | None = None, update_fields: Any = None, **kwargs: Any) -> None:
        """Raises ValidationError for a field that becomes unique while two leads have the same value."""
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using, savepoint=False):
            if self.unique and self.is_kept(update_fields) and not self.is_unique(using):
                from leads import unique

                unique.begin(self, using)
            super().save(*args, using=using, update_fields=update_fields, **kwargs)

    def is_unique(self, using: str) -> bool:
        """Whether it is stored so."""
        return self.pk is not None and CustomField.objects.using(using).filter(pk=self.pk, unique=True).exists()

    @property
    def definition(self) -> custom.Definition:
        return custom.Definition(self.key, self.label, self.kind, self.required, tuple(self.choices), self.unique)
