"""What became of a merge of leads, and what it takes to undo it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from leads.models.account import Account
from leads.models.lead import Lead

UNDONE_WITHIN = timedelta(days=30)


class Merge(models.Model):
    """Some leads, the children, became parts of another one, the master. It outlives that one, and its undoing, without
    any values."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="merges")
    master = models.ForeignKey(Lead, on_delete=models.SET_NULL, related_name="merges", null=True)
    # Their ids, in the order in which they were given.
    children = models.JSONField(default=list)
    merged_at = models.DateTimeField(default=timezone.now)
    # Names of the people or API keys, as they were.
    merged_by = models.CharField(max_length=255)
    # What the merge changed of the master: {key: [before, after]}, see leads/merge.py.
    changes = models.JSONField(default=dict)
    # What came to the master: {kind: {"id of the child": [ids]}}.
    moved = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-id"]
        # Who may merge leads, and see them, may as much with what became of it.
        default_permissions = ()
        indexes = [models.Index(fields=["account", "-id"], name="merge_newest")]

    def __str__(self) -> str:
        return f"Merge {self.pk}"

    @property
    def undo_until(self) -> Any:
        return self.merged_at + UNDONE_WITHIN


@receiver(pre_delete, sender=Lead)
def forget_values(sender: Any, instance: Lead, using: str, **kwargs: Any) -> None:
    """What its master was goes with it."""
    Merge.objects.using(using).filter(master=instance).update(changes={}, moved={})
