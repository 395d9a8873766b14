"""What Lapps have done, so that a delivery that comes again does not do it again."""

from __future__ import annotations

from django.db import models


class LappCall(models.Model):
    """Written in the transaction of what was done, by `Call.once` in webhooks/lapp.py."""

    # The wire's webhook-id, which has the webhook in it.
    message_id = models.CharField(max_length=60, primary_key=True)
    done_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.message_id
