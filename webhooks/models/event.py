from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property

from leads.fields import BY_KEY
from leads.models import Account
from webhooks.wire import event as wire

_UNSET_OF = {"lead": dict.fromkeys(BY_KEY)}


def worth_storing(record: str, snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """What has to be stored of a snapshot of this kind of record: most fields of most leads are unset."""
    if record not in _UNSET_OF:
        return snapshot
    return {key: value for key, value in snapshot.items() if value is not None}


def whole(record: str, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A snapshot as it was before it was stored, in its order; what earlier releases stored is whole already."""
    return {**_UNSET_OF[record], **stored} if record in _UNSET_OF else stored


class Event(models.Model):
    """One frozen fact. Stored whether or not a webhook listens, never changed, and outlives its record."""

    # A time-ordered identifier (ULID); webhook-ids are made of it.
    uid = models.CharField(max_length=26, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    type = models.CharField(max_length=50)
    # The record may be gone: its kind, number and name are copies.
    record = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    label = models.CharField(max_length=255)
    email = models.CharField(max_length=254, blank=True)
    version = models.PositiveIntegerField()
    occurred_at = models.DateTimeField(default=timezone.now)
    # JSON text, frozen: read by compose, never by a query. The snapshot without what is None, see `whole`.
    snapshot = models.TextField()
    changes = models.TextField(default="{}")
    context = models.TextField(default="{}")
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=255)
    hops = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["record", "record_id", "-id"], name="event_record")]

    def __str__(self) -> str:
        return f"{self.type} of {self.label}"

    @cached_property
    def frozen(self) -> wire.Event:
        """What the dialects read."""
        return self.as_wire(
            whole(self.record, json.loads(self.snapshot)), json.loads(self.changes), json.loads(self.context)
        )

    def as_wire(
        self, snapshot: Mapping[str, Any], changes: Mapping[str, Any], context: Mapping[str, Any]
    ) -> wire.Event:
        return wire.Event(
            type=self.type,
            occurred_at=self.occurred_at,
            record=self.record,
            record_id=self.record_id,
            version=self.version,
            data=snapshot,
            changes=changes,
            actor={"kind": self.actor_kind, "id": self.actor_id, "name": self.actor_name},
            hops=self.hops,
            context=context,
        )


# As outbound/capture.py fills them, in this order.
COLUMNS = (
    "uid",
    "account_id",
    "type",
    "record",
    "record_id",
    "label",
    "email",
    "version",
    "occurred_at",
    "snapshot",
    "changes",
    "context",
    "actor_kind",
    "actor_id",
    "actor_name",
    "hops",
)
