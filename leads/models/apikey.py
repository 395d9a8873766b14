"""API keys: shown once, stored as a digest, scoped."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from leads.models.account import Account

# "Last used" is written at most this often for a key.
LAST_USED_STEP = timedelta(minutes=1)


class Scope(models.TextChoices):
    LEADS_READ = "leads:read", "Read leads"
    LEADS_WRITE = "leads:write", "Create, change and delete leads"
    CRM_READ = "crm:read", "Read companies, activities, opportunities, products and tasks"
    CRM_WRITE = "crm:write", "Create, change and delete companies, activities, opportunities, products and tasks"
    OFFICES_READ = "offices:read", "Read offices"
    OFFICES_WRITE = "offices:write", "Create, change and delete offices"
    SETUP_READ = "setup:read", "Read pipelines, tags, lists, campaigns, types, custom fields and forms"
    SETUP_WRITE = "setup:write", "Change pipelines, tags, lists, campaigns, types, custom fields and forms"
    USERS_READ = "users:read", "Read the people that leads can be given to, and their leaves"
    USERS_WRITE = "users:write", "Change people's names and availability, and their leaves"
    INBOUND_WRITE = "inbound:write", "Post leads to inbound webhooks"
    WEBHOOKS_ADMIN = (
        "webhooks:admin",
        "Read, create, change and delete webhooks, inbound webhooks, rules and automations",
    )


_SETUP = ("pipeline", "tag", "leadlist", "campaign", "activitytype", "opportunitytype", "customfield", "form")
_CRM = ("company", "companyactivity", "activity", "opportunity", "product", "task")


def _changing(*models: str) -> tuple[str, ...]:
    return tuple(f"leads.{verb}_{model}" for model in models for verb in ("add", "change", "delete"))


# What the maker must be allowed, and stay allowed, for a key to carry the scope.
NEEDS: Mapping[str, tuple[str, ...]] = {
    Scope.LEADS_READ: ("leads.view_lead",),
    Scope.LEADS_WRITE: _changing("lead"),
    Scope.CRM_READ: tuple(f"leads.view_{model}" for model in _CRM),
    Scope.CRM_WRITE: _changing(*_CRM),
    Scope.OFFICES_READ: ("leads.view_office",),
    Scope.OFFICES_WRITE: _changing("office"),
    Scope.SETUP_READ: tuple(f"leads.view_{model}" for model in _SETUP),
    Scope.SETUP_WRITE: _changing(*_SETUP),
    Scope.USERS_READ: ("leads.view_user", "leads.view_leave"),
    Scope.USERS_WRITE: ("leads.change_user", *_changing("leave")),
    Scope.INBOUND_WRITE: ("leads.add_lead", "leads.change_lead"),
    Scope.WEBHOOKS_ADMIN: tuple(
        f"webhooks.{verb}_{model}"
        for model in ("webhook", "automation", "inboundwebhook")
        for verb in ("view", "add", "change", "delete")
    ),
}


class ApiKey(models.Model):
    """What an integrator's program signs in with. It may never do more than the user who made it."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    # The one before it was generated anew, which is good for a while longer; None when there is none.
    old_digest = models.CharField(max_length=64, unique=True, null=True, editable=False)
    old_until = models.DateTimeField(null=True, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    def generate(self) -> str:
        """Give the key its secret and return it: the only time that anyone sees it."""
        secret = f"lck_{secrets.token_urlsafe(32)}"
        self.prefix = secret[:12]
        self.digest = digest(secret)
        return secret

    def regenerate(self, grace: timedelta) -> str:
        """Give it another secret and return that. The one that it had is good for the grace; an older one stops."""
        self.old_digest, self.old_until = (self.digest, timezone.now() + grace) if grace else (None, None)
        secret = self.generate()
        self.save(update_fields=["prefix", "digest", "old_digest", "old_until"])
        return secret

    def stop_old(self) -> None:
        """The secret that it had before opens nothing any more."""
        self.old_digest = self.old_until = None
        self.save(update_fields=["old_digest", "old_until"])

    @property
    def old_works(self) -> bool:
        return self.old_until is not None and self.old_until > timezone.now()

    @classmethod
    def find(cls, secret: str) -> Self | None:
        """The usable key with this secret: not revoked, not expired, its maker active."""
        return cls.usable(digest(secret), timezone.now()).select_related("user", "account").first()

    @classmethod
    def usable(cls, given: str, now: datetime) -> QuerySet[Self]:
        """The keys with this digest that open anything at this time: one, or none."""
        return cls.objects.filter(
            Q(digest=given) | Q(old_digest=given, old_until__gt=now), revoked_at=None, user__is_active=True
        ).filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def used(self) -> None:
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at >= LAST_USED_STEP:
            type(self).objects.filter(pk=self.pk).update(last_used_at=now)


def digest(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()
