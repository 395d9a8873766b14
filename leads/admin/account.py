"""Accounts, the tenants. Superusers make and change them; managers and auditors look at their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.db.models.deletion import Collector
from django.http import HttpRequest

from leads.admin.base import Admin, scope_of
from leads.admin.deletion import Deletion
from leads.models import Account

_GOES = (
    "The account is removed, with its pipelines, custom fields, tags, lists and campaigns, its web forms with what is "
    "known of their submissions, and its API keys. Programs that use one of these keys stop working."
)


@admin.register(Account)
class AccountAdmin(Admin):
    fields = ("name",)
    list_display = ("name",)
    search_fields = ("name",)
    search_help_text = "Account"
    empty_title = "No accounts yet"
    empty_text = "An account has its own offices, people, leads and webhooks."

    def scoped(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        return queryset.filter(pk__in=scope_of(request).accounts().values("pk"))

    # Whatever somebody's groups say.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def deletion(self, request: HttpRequest, account: Account) -> Deletion:
        kept = (account.leads, account.memberships, account.offices)
        if any(rows.exists() for rows in kept) or _protected(account):
            return Deletion(
                f"{account} cannot be deleted",
                "It has offices, people, leads, webhooks or a history. Delete its leads, people, offices and webhooks "
                "first. A history cannot be deleted.",
                possible=False,
            )
        return Deletion(f"Delete {account}?", _GOES)


def _protected(account: Account) -> bool:
    try:
        Collector(using="default", origin=account).collect([account])
    except (ProtectedError, RestrictedError):
        return True
    return False
