"""`manage.py reencrypt`: after a new key was put in front of WEBHOOK_ENCRYPTION_KEYS. Then the old ones may go."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from webhooks.models import Webhook
from webhooks.models.encrypted import EncryptedTextField

FIELDS = [field.attname for field in Webhook._meta.concrete_fields if isinstance(field, EncryptedTextField)]


class Command(BaseCommand):
    help = "Encrypt every stored secret with the first of WEBHOOK_ENCRYPTION_KEYS, so that the others can be dropped."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            webhooks = list(Webhook.objects.select_for_update(no_key=True))
            for webhook in webhooks:
                try:
                    for name in FIELDS:
                        setattr(webhook, name, getattr(webhook, name))
                except ValueError as error:
                    raise CommandError(f"{webhook.name}: {error}. Nothing was changed.") from None
                webhook.save(update_fields=FIELDS)
        self.stdout.write(f"The secrets of {len(webhooks)} webhooks are encrypted with the first key.")
