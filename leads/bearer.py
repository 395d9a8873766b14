"""Who knocks with an API key, and what they may do: one question to the database for doors that many knock at.

It comes to the same as ApiKey.find, has_perms and Scope.of one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from leads import roles
from leads.models import ApiKey
from leads.models.apikey import NEEDS, digest
from leads.models.apikey import Scope as KeyScope
from leads.question import Question
from leads.scope import Scope


@dataclass(frozen=True, slots=True)
class Bearer:
    """may: whether the key has the scope that was asked for, and its maker all that this scope needs."""

    key: ApiKey
    may: bool
    scope: Scope


def bearer(secret: str, wanted: KeyScope) -> Bearer | None:
    """None unless there is a usable key with this secret."""
    key: Any = _QUESTIONS[wanted].first(digest(secret), timezone.now())
    if key is None:
        return None
    may = wanted in key.scopes and (key.by_superuser or all(getattr(key, name) for name in _names(wanted)))
    return Bearer(key, bool(may), _scope(key))


def _scope(key: Any) -> Scope:
    if key.by_superuser:
        return Scope(key.account_id, None)
    if key.sees_all and key.maker_account_id == key.account_id:
        return Scope(key.account_id, None)
    return Scope.of(key.user, key)


def _names(wanted: KeyScope) -> list[str]:
    return [f"may_{need.partition('.')[2]}" for need in NEEDS[wanted]]


def _asked(wanted: KeyScope) -> Question[ApiKey]:
    maker = Q(user=OuterRef("user_id")) | Q(group__user=OuterRef("user_id"))
    permissions = {
        name: Exists(Permission.objects.filter(maker, content_type__app_label=app, codename=codename))
        for name, (app, _, codename) in zip(
            _names(wanted), (need.partition(".") for need in NEEDS[wanted]), strict=True
        )
    }
    overseers = Group.objects.filter(user=OuterRef("user_id"), name__in=(roles.MANAGER, roles.AUDITOR))

    def ask(given: str, now: datetime) -> QuerySet[ApiKey]:
        return ApiKey.usable(given, now).annotate(
            by_superuser=F("user__is_superuser"),
            maker_account_id=F("user__membership__account_id"),
            sees_all=Exists(overseers),
            **permissions,
        )

    return Question(ask, str, datetime)


_QUESTIONS: Final = {KeyScope.INBOUND_WRITE: _asked(KeyScope.INBOUND_WRITE)}
