"""Who sees and writes which records: the one place of the office scope, for admin and API alike.

Superusers see everything; managers and auditors their account; staff the records of their offices. What somebody may do
with what they see is Django's permissions' matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from django.db.models import Q, QuerySet

from leads import roles
from leads.models import Account, ApiKey, Lead, Membership, Office, User


@dataclass(frozen=True, slots=True)
class Scope:
    """account_id None: every account. office_ids None: every office of the account, and what has no office."""

    account_id: int | None
    office_ids: frozenset[int] | None

    @classmethod
    def of(cls, user: Any, key: ApiKey | None = None) -> Self:
        """The scope of a signed-in user; with an API key, that user's within the key's account."""
        if user.is_superuser:
            return cls(key.account_id if key else None, None)
        membership = Membership.objects.filter(user=user).first() if user.is_active else None
        if membership is None or (key is not None and key.account_id != membership.account_id):
            return cls(_NO_ACCOUNT, frozenset())
        if user.groups.filter(name__in=(roles.MANAGER, roles.AUDITOR)).exists():
            return cls(membership.account_id, None)
        return cls(membership.account_id, frozenset(membership.offices.values_list("pk", flat=True)))

    @property
    def every_account(self) -> bool:
        return self.account_id is None

    @property
    def whole_account(self) -> bool:
        """Sees records without an office too."""
        return self.office_ids is None

    def in_account(self, prefix: str = "") -> Q:
        """Records of the account, whatever their office; prefix is the look-up up to the record."""
        return Q() if self.account_id is None else Q(**{f"{prefix}account_id": self.account_id})

    def in_offices(self, prefix: str = "") -> Q:
        """Records of the account and of the offices."""
        within = self.in_account(prefix)
        return within if self.office_ids is None else within & Q(**{f"{prefix}office_id__in": self.office_ids})

    def leads(self) -> QuerySet[Lead]:
        return Lead.objects.filter(self.in_offices())

    def offices(self) -> QuerySet[Office]:
        offices = Office.objects.filter(self.in_account())
        return offices if self.office_ids is None else offices.filter(pk__in=self.office_ids)

    def accounts(self) -> QuerySet[Account]:
        return Account.objects.all() if self.account_id is None else Account.objects.filter(pk=self.account_id)

    def users(self) -> QuerySet[User]:
        """The people of the account; somebody who sees single offices only sees nobody else."""
        return User.objects.filter(self.in_account("membership__")) if self.office_ids is None else User.objects.none()

    def choosable_offices(self, account_id: int) -> QuerySet[Office]:
        """The offices that a record of this account may be given."""
        return self.offices().filter(account_id=account_id)

    def choosable_parents(self, account_id: int) -> QuerySet[Lead]:
        return self.leads().filter(account_id=account_id)


_NO_ACCOUNT = 0


def is_manager(user: Any, account_id: int) -> bool:
    """Manager, admin and administrator of an account all mean this: an active user of its Manager group."""
    return bool(
        user.is_active
        and user.groups.filter(name=roles.MANAGER).exists()
        and Membership.objects.filter(user=user, account_id=account_id).exists()
    )


def managers(account_id: int) -> QuerySet[User]:
    return User.objects.filter(is_active=True, groups__name=roles.MANAGER, membership__account_id=account_id)
