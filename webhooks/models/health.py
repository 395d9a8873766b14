"""How a webhook's receiver does: what the engine has learned of it, for all of its processes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from webhooks.models.webhook import Webhook


class Health(models.Model):
    """One row per webhook that has been sent to. Written when something changes, not at each success."""

    webhook = models.OneToOneField(Webhook, on_delete=models.CASCADE, primary_key=True, related_name="health")
    # Whether the latest try that taught something was a success; of what was resumed nothing is known yet.
    succeeded = models.BooleanField(default=False)
    # Tries in a row that failed, and since when; 0 and null after a success.
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    # Deliveries that ended as Failure since then, with no success between them.
    ended = models.PositiveIntegerField(default=0)
    # Tries in a row, the latest ones, that the receiver itself failed (no answer, 5xx, 429), and since when; 0 and null
    # once it answers otherwise.
    strained = models.PositiveIntegerField(default=0)
    strained_since = models.DateTimeField(null=True)
    # Nothing is claimed before; after that one delivery at a time asks whether the receiver is back.
    closed_until = models.DateTimeField(null=True)
    # When the next delivery may leave, where a rate is kept.
    next_at = models.DateTimeField(null=True)
    # Deliveries up to this one leave at the pace of a drain: they piled up while nothing was sent.
    drain_to = models.BigIntegerField(null=True)
    # When a webhook that the policy has paused is asked by one of its held deliveries; null where it never is.
    probe_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["probe_at"], name="health_probe", condition=Q(probe_at__isnull=False))]

    def __str__(self) -> str:
        return f"health of webhook {self.webhook_id}"
