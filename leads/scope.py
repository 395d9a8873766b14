"""Who sees and writes which records: the one place of the office scope, for admin and API alike.

Superusers see everything; managers and auditors their account; staff the records of their offices. What somebody may do
with what they see is Django's permissions' matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Q, QuerySet

from leads import roles, unique
from leads.fields import BY_KEY
from leads.identity import folded
from leads.models import Account, ApiKey, Campaign, Company, Lead, LeadList, Membership, Merge, Office, Task, User
from leads.models.labels import Label
from leads.models.lead import keep_open
from leads.validation import Violation, judge_value

# What a reference must be, after "must be".
OFFICE: Final = "an office of the account that you may use"
OWNER: Final = "an active person of the account"
COMPANY: Final = "a company of the account"


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

    def merges(self) -> QuerySet[Merge]:
        """Those of the leads; who sees the whole account sees those of deleted leads too."""
        return Merge.objects.filter(self.in_account() if self.whole_account else self.in_offices("master__"))

    def offices(self) -> QuerySet[Office]:
        offices = Office.objects.filter(self.in_account())
        return offices if self.office_ids is None else offices.filter(pk__in=self.office_ids)

    def accounts(self) -> QuerySet[Account]:
        return Account.objects.all() if self.account_id is None else Account.objects.filter(pk=self.account_id)

    def users(self) -> QuerySet[User]:
        """The people of the account; somebody who sees single offices only sees nobody else."""
        return User.objects.filter(self.in_account("membership__")) if self.office_ids is None else User.objects.none()

    def tasks(self, user_id: int) -> QuerySet[Task]:
        """Those of the leads in reach. What has no lead is for who sees the whole account, and for its owner."""
        within = self.in_account()
        if self.office_ids is not None:
            within &= Q(lead__office_id__in=self.office_ids) | Q(lead=None, owner=user_id)
        return Task.objects.filter(within)

    def loses_task(self, user_id: int, lead: Lead | None, owner: User | None) -> bool:
        """Whether somebody who writes a task of this lead and owner does not see it afterwards."""
        return self.office_ids is not None and lead is None and (owner is None or owner.pk != user_id)

    def choosable_offices(self, account_id: int) -> QuerySet[Office]:
        """The offices that a record of this account may be given."""
        return self.offices().filter(account_id=account_id)

    def only_office(self, account_id: int) -> int | None:
        """The office of a new lead whose writer named none: theirs, when they have exactly one."""
        if self.whole_account:
            return None
        offices = self.choosable_offices(account_id).values_list("pk", flat=True)[:2]
        return offices[0] if len(offices) == 1 else None

    def choosable_parents(self, account_id: int) -> QuerySet[Lead]:
        return self.leads().filter(account_id=account_id)

    def choosable_owners(self, account_id: int) -> QuerySet[User]:
        """Who a lead of this account may be given to: its people, whichever offices they work for."""
        here = self.account_id in (None, account_id)
        return User.objects.filter(is_active=True, membership__account_id=account_id if here else _NO_ACCOUNT)

    def choosable_companies(self, account_id: int) -> QuerySet[Company]:
        """The companies of this account: they belong to no office."""
        return Company.objects.filter(self.in_account(), account_id=account_id)

    def judge(
        self,
        account_id: int,
        values: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
        lead_id: int | None = None,
        beside: Collection[int] = (),
    ) -> list[Violation]:
        """The rules of a lead that need the database: office, owner, company, parent, lists and campaigns are in reach.

        `values` and `before` are by catalogue key; at most one violation for each. `beside` are leads that are about
        to become a part of this one: what they have is its own.

        A reference that the writer leaves as it was is not judged: it may have been given by somebody who sees more.
        """
        stored = before or {}
        office_id, parent_id = values.get("office_id"), values.get("parent_id")
        owner_id = values.get("owner_id")
        found = []
        if office_id is None:
            if self.office_ids is not None:
                found.append(Violation("office_id", "office_required", "must be one of your offices"))
        elif office_id != stored.get("office_id") and not _there(self.choosable_offices(account_id), office_id):
            found.append(Violation("office_id", "reference", f"must be {OFFICE}"))
        changed = owner_id is not None and owner_id != stored.get("owner_id")
        if changed and not _there(self.choosable_owners(account_id), owner_id):
            found.append(Violation("owner_id", "reference", f"must be {OWNER}"))
        company_id = values.get("company_id")
        if company_id not in (None, stored.get("company_id")) and not _there(
            self.choosable_companies(account_id), company_id
        ):
            found.append(Violation("company_id", "reference", f"must be {COMPANY}"))
        if parent_id is not None and parent_id != stored.get("parent_id"):
            if lead_id is not None and connection.in_atomic_block:
                # Two changes at once, each fine by itself, could make a lead its own grandparent: one after the other.
                Account.objects.select_for_update(no_key=True).get(pk=account_id)
            if not _there(self.choosable_parents(account_id), parent_id):
                found.append(Violation("parent_id", "reference", "must be a lead of the same account that you may see"))
            elif connection.in_atomic_block and not keep_open(parent_id, connection.alias):
                found.append(Violation("parent_id", "reference", "must be a lead that was not merged meanwhile"))
            elif lead_id is not None and descends(parent_id, [lead_id]):
                found.append(Violation("parent_id", "cycle", "must not be the lead itself or one that belongs to it"))
        for key, model in _GIVEN_BY_NAME.items():
            unknown = _unknown(model, account_id, values.get(key), stored.get(key))
            if unknown:
                found.append(Violation(key, "reference", f"must be {key} that the account has, not {unknown[0]}"))
        return found + unique.judge(account_id, values, before, (lead_id, *beside), self.leads)


def _there(queryset: QuerySet[Any], pk: object) -> bool:
    # Anything else is told by the value rules.
    return type(pk) is int and queryset.filter(pk=pk).exists()


# Labels that have to be there before a lead gets them; a tag comes into being by being used.
_GIVEN_BY_NAME: Mapping[str, type[Label]] = {"lists": LeadList, "campaigns": Campaign}


def _unknown(model: type[Label], account_id: int, given: object, stored: object) -> list[str]:
    """The names that are no label of the account; those that the lead has already are not asked for."""
    kept = {folded(name) for name in _names(stored)}
    new = [name for name in _names(given) if folded(name) not in kept]
    if not new:
        return []
    there = set(model._default_manager.filter(account_id=account_id).values_list("key", flat=True))
    return [name for name in new if folded(name) not in there]


# How names of labels are judged, whichever they are.
_LABELS: Final = BY_KEY["lists"]


def _names(value: object) -> list[str]:
    """The names in a list of labels as a client sent it. What the value rules refuse is theirs to tell, and not for
    the database: a name too long, too many of them, characters that it cannot take."""
    if not isinstance(value, list) or judge_value(_LABELS, value) is not None:
        return []
    return [name.strip() for name in value]


def descends(lead_id: int, ancestors: Collection[int]) -> bool:
    """Whether the lead is one of these, or its parent is, or its parent's parent..."""
    seen: set[int] = set()
    current: int | None = lead_id
    while current is not None and current not in seen:
        if current in ancestors:
            return True
        seen.add(current)
        current = Lead.with_merged.filter(pk=current).values_list("parent_id", flat=True).first()
    return False


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


def hold_managers(account_id: int) -> None:
    """Let nobody else take a manager away before this transaction ends: of two who take each other away at once, one is
    the last. It comes before any lock of a person."""
    if connection.in_atomic_block:
        Account.objects.select_for_update(no_key=True).get(pk=account_id)


def is_last_manager(user_id: int, account_id: int) -> bool:
    """Whether this is the only active manager of the account, and within a transaction stays it."""
    hold_managers(account_id)
    return set(managers(account_id).values_list("pk", flat=True)) == {user_id}


def may_touch(writer: Any, user: User) -> bool:
    """Nobody changes a superuser, or somebody with a right that they lack: a new password would give it to them."""
    if writer.is_superuser:
        return True
    if user.is_superuser:
        return False
    own = Permission.objects.filter(Q(group__user=writer) | Q(user=writer))
    return not Permission.objects.filter(Q(group__user=user) | Q(user=user)).exclude(pk__in=own.values("pk")).exists()
