from __future__ import annotations

import secrets
from typing import Any

from django.db import models, router, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver


def new_token() -> str:
    return secrets.token_hex(8)


class Account(models.Model):
    """A tenant: its offices, people, leads and webhooks see nothing of another account."""

    name = models.CharField(max_length=100, unique=True)
    # Of what the account has set up (leads/setup.py): renewed by each change, and by each save.
    setup_token = models.CharField(max_length=16, default=new_token, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, using: str | None = None, update_fields: Any = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        # What this instance remembers of the token may be old.
        self.setup_token = new_token()
        if update_fields is not None:
            update_fields = {*update_fields, "setup_token"}
        with transaction.atomic(using):  # with its first pipeline
            super().save(*args, using=using, update_fields=update_fields, **kwargs)


@receiver(post_save, sender=Account)
def give_pipeline(sender: Any, instance: Account, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
    """An account can take leads from its first moment on."""
    if created and not raw:
        from leads.models.pipeline import Pipeline

        Pipeline.make_default(instance, using)
