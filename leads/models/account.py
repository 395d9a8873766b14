from __future__ import annotations

from django.db import models


class Account(models.Model):
    """A tenant: its offices, people, leads and webhooks see nothing of another account."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
