"""The configuration that staff edit: which events go where, in which system's format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models.signals import m2m_changed
from django.dispatch import receiver
from django.utils import timezone

from leads.models import Account, Office
from leads.models.account_setup import AccountSetup, renew
from webhooks import dialects
from webhooks.models.encrypted import EncryptedJSONField, EncryptedTextField
from webhooks.wire import filter as contents
from webhooks.wire.dialect import Dialect


class State(models.TextChoices):
    ENABLED = "enabled", "Enabled"
    PAUSED = "paused", "Paused"
    DISABLED = "disabled", "Disabled"


class Kind(models.TextChoices):
    """What takes the deliveries: a URL, or one of our own functions (webhooks/lapp.py)."""

    WEBHOOK = "webhook", "Webhook"
    LAPP = "lapp", "Lapp"


# Of these and its offices follows what a webhook hears. Who does is kept in memory (outbound/outbox.py).
_HEARING = frozenset({"account", "account_id", "dialect", "events", "filters", "state"})


class Webhook(AccountSetup):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="webhooks")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    dialect = models.CharField("system", max_length=20, choices=dialects.choices)
    kind = models.CharField("type", max_length=10, choices=Kind.choices, default=Kind.WEBHOOK)
    # The one that its kind asks for; the other one is empty.
    url = models.CharField("webhook URL", max_length=2000, blank=True)
    lapp = models.CharField("Lapp", max_length=50, blank=True)
    # Names from the dialect's own list of events.
    events = models.JSONField(default=list)
    offices = models.ManyToManyField(Office, blank=True, related_name="webhooks")
    # Conditions as webhooks.wire.filter writes them. All must hold; none hears everything.
    filters = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ENABLED, editable=False)
    state_since = models.DateTimeField(default=timezone.now, editable=False)
    # Why the failure policy paused it; empty when a person turned the switch.
    state_reason = models.CharField(max_length=255, blank=True, editable=False)
    secret = EncryptedTextField(blank=True, editable=False)
    secret_since = models.DateTimeField(null=True, editable=False)
    # Rotation: shown beside the secret at once, signs alone from next_secret_at on.
    next_secret = EncryptedTextField(blank=True, editable=False)
    next_secret_at = models.DateTimeField(null=True, editable=False)
    # The dialect's own settings, {name: value}.
    settings = models.JSONField(default=dict, blank=True)
    # {name: value}; the values are secrets.
    custom_headers: models.Field[Any, Any] = EncryptedJSONField(default=dict, blank=True)
    send_webhook_headers = models.BooleanField("send webhook-id, webhook-timestamp and webhook-signature", default=True)
    timeout = models.PositiveSmallIntegerField(null=True, blank=True)
    # Deliveries per second at most; null: as fast as the receiver answers.
    rate_limit = models.PositiveSmallIntegerField(null=True, blank=True)
    keep_order = models.BooleanField("keep order per record", default=False)
    # Seconds from an event to its first try, where the system has such a delay.
    execution_delay = models.PositiveIntegerField(default=0)
    # Mails to the account's administrators when deliveries end as Failure; see outbound/alarms.py.
    notify_on_failure = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def is_kept(cls, columns: Collection[str] | None) -> bool:
        return columns is None or not _HEARING.isdisjoint(columns)

    @property
    def wire(self) -> Dialect:
        return dialects.DIALECTS[self.dialect]

    @property
    def conditions(self) -> tuple[contents.Condition, ...]:
        """ValueError where what is stored cannot be read: such a webhook hears nothing."""
        return contents.read(self.filters)

    @property
    def deadline(self) -> float:
        """Seconds that one try may take in all."""
        return float(self.timeout or self.wire.deadline)

    def secrets(self, now: datetime) -> Sequence[str]:
        """The secrets in force at that time; the first one signs where a format carries one signature."""
        if not self.next_secret:
            return [self.secret] if self.secret else []
        if self.next_secret_at is not None and now >= self.next_secret_at:
            return [self.next_secret]
        return [self.secret, self.next_secret]

    def setting(self, name: str) -> Any:
        """The value of one of the dialect's own settings."""
        setting = next(setting for setting in self.wire.settings if setting.name == name)
        if setting.of_http and self.kind == Kind.LAPP:
            return setting.default
        return self.settings.get(name, setting.default)


@receiver(m2m_changed, sender=Webhook.offices.through)
def renew_of_offices(sender: Any, instance: Webhook | Office, action: str, using: str, **kwargs: Any) -> None:
    if action.startswith("post_"):
        renew([instance.account_id], using)
