"""Inbound webhooks: where other systems post leads, and what becomes of what they post."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from django.db import models
from django.utils import timezone

from leads import intake, statement
from leads.models import Account, LeadList, Office, Pipeline, User
from leads.models.intake_policy import IntakePolicy
from leads.models.once import Once
from webhooks.models.encrypted import EncryptedTextField
from webhooks.wire.mapping import LONGEST_PATH, Row, read


class Verification(models.TextChoices):
    """What proves who posts."""

    BEARER = "bearer", "API key"
    HMAC = "hmac", "HMAC signature"
    STANDARD = "standard", "Standard Webhooks signature"
    JWT = "jwt", "JWT"


def new_uid() -> str:
    """128 random bits: who was not given an address does not find it."""
    return secrets.token_urlsafe(16)


HMAC_HEADER: Final = "X-Signature"


class InboundWebhook(IntakePolicy):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="inbound_webhooks")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    uid = models.CharField("webhook id", max_length=22, unique=True, default=new_uid, editable=False)
    enabled = models.BooleanField(default=True)
    verification = models.CharField(max_length=10, choices=Verification.choices, default=Verification.BEARER)
    # Of all but API keys, which have their own.
    secret = EncryptedTextField(blank=True, editable=False)
    # The one before it, which is good for a while longer.
    old_secret = EncryptedTextField(blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    # Where an HMAC of the body stands.
    signature_header = models.CharField(max_length=100, blank=True, default=HMAC_HEADER)
    # Rows as webhooks.wire.mapping writes them.
    mapping = models.JSONField(default=list, blank=True)
    # Taken is only what has one of these values at this path; "" takes all.
    only_path = models.CharField("only when", max_length=LONGEST_PATH, blank=True)
    only_values = models.JSONField("is one of", default=list, blank=True)
    match = models.CharField("recognise leads by", max_length=64, blank=True, default="business_email")
    # Of the leads that come in: every one is put on the list; the others are for new ones.
    list = models.ForeignKey(LeadList, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    source = models.CharField(max_length=255, blank=True, default="inbound_webhook")
    office = models.ForeignKey(Office, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            Once(
                fields=["account", "name"],
                name="inbound_name_once_per_account",
                violation_error_message="This account has an inbound webhook of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rows(self) -> tuple[Row, ...]:
        """ValueError where what is stored cannot be read."""
        return _rows(json.dumps(self.mapping))

    @property
    def policy(self) -> intake.Policy:
        return intake.Policy(
            match=self.match,
            update=self.update,
            protected=frozenset(self.protected),
            source=self.source or None,
            office_id=self.office_id,
            pipeline_id=self.pipeline_id,
            assign=self.assign,
            owner_id=self.owner_id,
            lists=(self.list.name,) if self.list else (),
        )

    def secrets(self, now: datetime) -> Sequence[str]:
        """Those that are good at that time. ValueError where they cannot be decrypted."""
        old = self.old_secret if self.old_secret_until is not None and now < self.old_secret_until else ""
        return [secret for secret in (self.secret, old) if secret]


@lru_cache(maxsize=256)
def _rows(mapping: str) -> tuple[Row, ...]:
    """Each post asks for them, and reading them takes longer than what they are read for."""
    return read(json.loads(mapping))


class ReceiptStatus(models.TextChoices):
    RECEIVED = "received", "Received"
    APPLIED = "applied", "Applied"
    REFUSED = "refused", "Refused"
    IGNORED = "ignored", "Ignored"
    TEST = "test", "Test"


class Receipt(models.Model):
    """One verified request, kept as it came, and what became of it. It outlives its webhook and its lead."""

    inbound = models.ForeignKey(InboundWebhook, on_delete=models.SET_NULL, related_name="receipts", null=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    inbound_name = models.CharField(max_length=100)
    # Told to the sender, as X-Request-ID.
    uid = models.CharField(max_length=32, unique=True)
    received_at = models.DateTimeField(default=timezone.now)
    # {name: value} in the order of the request; the values of secrets are masked.
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    # What is read in place of the body, where a JWT says it.
    claims = models.BinaryField(default=b"")
    # Who was proven: "API key Zapier", "HMAC signature".
    sender = models.CharField(max_length=150, blank=True)
    # Of a Bearer key, whose reach it has; a later try has it too.
    key = models.ForeignKey("leads.ApiKey", on_delete=models.SET_NULL, related_name="+", null=True)
    # What the sender calls this message, for 24 hours; then "".
    message_id = models.CharField(max_length=255, blank=True)
    # How many webhooks led to it, this one not counted.
    hops = models.PositiveSmallIntegerField(default=0)
    status = models.CharField(max_length=8, choices=ReceiptStatus.choices, default=ReceiptStatus.RECEIVED)
    # created or updated.
    action = models.CharField(max_length=7, blank=True)
    lead_id = models.BigIntegerField(null=True)
    # The answer's code, and what was wrong: [{"path", "field", "rule", "message"}, ...].
    answered = models.PositiveSmallIntegerField(null=True)
    faults = models.JSONField(default=list)
    settled_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-received_at", "-id"]
        permissions = [("reprocess_receipt", "Can process receipts again")]
        indexes = [
            models.Index(fields=["account", "-received_at", "-id"], name="receipt_newest"),
            models.Index(fields=["inbound", "-received_at", "-id"], name="receipt_of_inbound"),
            models.Index(fields=["lead_id"], name="receipt_lead", condition=models.Q(lead_id__isnull=False)),
            models.Index(fields=["received_at"], name="receipt_owed", condition=models.Q(status="received")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["inbound", "message_id"], name="receipt_message_once", condition=~models.Q(message_id="")
            )
        ]

    def __str__(self) -> str:
        return f"{self.inbound_name} {self.received_at:%Y-%m-%d %H:%M:%S}"

    @property
    def read(self) -> bytes:
        """What is read: the claims of a JWT, else the body."""
        return bytes(self.claims or self.body)

    def settled(self, **values: Any) -> bool:
        """Note what became of it; the receipt is stored already. False where it is done with by somebody else."""
        for name, value in values.items():
            setattr(self, name, value)
        self.settled_at = timezone.now()
        moment = statement.moments()(self.settled_at)
        told = (self.status, self.action, self.lead_id, self.answered, json.dumps(self.faults), moment, self.tries)
        return bool(statement.count(_SETTLE, (*told, self.pk)))


_SETTLE: Final = (
    "UPDATE webhooks_receipt SET status = %s, action = %s, lead_id = %s, answered = %s, faults = %s, settled_at = %s,"
    " tries = %s WHERE id = %s AND status IN ('received', 'refused')"
)
