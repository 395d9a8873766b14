"""When API keys were used, for doors that take so many calls in so many seconds."""

from __future__ import annotations

from django.db import models

from leads.models import ApiKey


class Calls(models.Model):
    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="+")
    # Of the latest calls that were taken: seconds since 1970, oldest first.
    at = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "calls"

    def __str__(self) -> str:
        return f"calls of {self.key_id}"
