from __future__ import annotations

from django.conf import settings
from django.db import models

from leads.models.account import Account
from leads.models.office import Office


class Membership(models.Model):
    """A user's one account, and the offices whose leads they work on."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="membership")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="memberships")
    offices = models.ManyToManyField(Office, blank=True, related_name="memberships")

    def __str__(self) -> str:
        return f"{self.user} of {self.account}"
