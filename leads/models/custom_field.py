from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from leads import custom
from leads.models.account import Account
from leads.models.account_setup import AccountSetup


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
    # No two leads of the account have the same value.
    unique = models.BooleanField(default=False)
    # Of a choice or choices: ["Detached", ...].
    choices = models.JSONField(default=list, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "key"],
                name="custom_field_key_once_per_account",
                violation_error_message="This account has a custom field of that key.",
            )
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def definition(self) -> custom.Definition:
        return custom.Definition(self.key, self.label, self.kind, self.required, tuple(self.choices), self.unique)
