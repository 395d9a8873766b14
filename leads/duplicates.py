"""Leads that may be one person: same phone in E.164, same e-mail, same name at the same postcode. They are merged by
people only, and where somebody says that two are not the same nobody is asked again.

All of it asks the indexed columns that leads are recognised by (Lead.Meta).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from leads.changes import acting_now
from leads.models import Lead, NotSame
from leads.scope import Scope

# Reason -> the column that two leads have in common.
REASONS: Final[Mapping[str, str]] = {
    "phone": "phone_e164",
    "email": "email_key",
    "business_email": "business_email_key",
    "name_and_postcode": "likeness",
}
# So many are told of one lead; so many of a group are shown.
MOST: Final = 20
MOST_OF_GROUP: Final = 10
PAGE: Final = 25


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Another lead, and what it has in common: keys of REASONS."""

    lead: Lead
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Leads with one value in common, the oldest first, as far as they are shown; count: all of them."""

    account_id: int
    value: str
    count: int
    leads: Sequence[Lead]


def of(lead: Lead, scope: Scope) -> list[Duplicate]:
    """The standing leads of its account within the scope that it may be the same as, those of most reasons first."""
    has = {reason: value for reason, column in REASONS.items() if (value := getattr(lead, column)) is not None}
    same = Q()
    for reason, value in has.items():
        same |= Q(**{REASONS[reason]: value})
    if not has:
        return []
    others = scope.leads().filter(same, account_id=lead.account_id).exclude(pk=lead.pk).exclude(pk__in=_not(lead.pk))
    found = [
        Duplicate(other, [reason for reason, value in has.items() if getattr(other, REASONS[reason]) == value])
        for other in others.select_related("office").order_by("pk")[:MOST]
    ]
    return sorted(found, key=lambda one: -len(one.reasons))


def groups(
    scope: Scope, reason: str, after: tuple[int, str] | None = None
) -> tuple[list[Group], tuple[int, str] | None]:
    """A page of the groups that share a value, in the order of the values, and behind which one the next page begins.

    after   (account, value) of the last group of the page before
    """
    column, found = REASONS[reason], []
    while True:
        rows = _shared(scope, column, after)
        after = (rows[-1]["account_id"], rows[-1][column]) if len(rows) == PAGE else None
        found = _open(list(_with_leads(scope, column, rows)))
        if found or after is None:
            return found, after


def dismiss(leads: Iterable[Lead]) -> int:
    """Say that none of these is the same as another; gives how many pairs nobody had said it of."""
    pairs = list(combinations(sorted(lead.pk for lead in leads), 2))
    before = NotSame.objects.filter(_among(pairs)).count() if pairs else 0
    name = acting_now().name[:255]
    NotSame.objects.bulk_create(
        [NotSame(first_id=a, second_id=b, said_by=name) for a, b in pairs], ignore_conflicts=True
    )
    return len(pairs) - before


def _not(pk: int) -> list[int]:
    said = NotSame.objects.filter(Q(first=pk) | Q(second=pk)).values_list("first_id", "second_id")
    return [second if first == pk else first for first, second in said]


def _among(pairs: Collection[tuple[int, int]]) -> Q:
    pks = {pk for pair in pairs for pk in pair}
    return Q(first__in=pks, second__in=pks)


def _shared(scope: Scope, column: str, after: tuple[int, str] | None) -> list[dict[str, Any]]:
    """Values that several leads have: it stops where a page is full, as the index is in this order."""
    leads = scope.leads().filter(**{f"{column}__isnull": False})
    if after is not None:
        account_id, value = after
        leads = leads.filter(Q(account_id__gt=account_id) | Q(account_id=account_id, **{f"{column}__gt": value}))
    counted = leads.order_by().values("account_id", column).annotate(count=Count("pk")).filter(count__gt=1)
    return list(counted.order_by("account_id", column)[:PAGE])


def _with_leads(scope: Scope, column: str, rows: Sequence[Mapping[str, Any]]) -> Iterable[Group]:
    wanted = {(row["account_id"], row[column]): row["count"] for row in rows}
    accounts, values = {account_id for account_id, _ in wanted}, {value for _, value in wanted}
    place = Window(RowNumber(), partition_by=[F("account_id"), F(column)], order_by=F("pk").asc())
    leads: QuerySet[Lead] = scope.leads().filter(account_id__in=accounts, **{f"{column}__in": values})
    members: dict[tuple[int, str], list[Lead]] = {}
    for lead in leads.annotate(place=place).filter(place__lte=MOST_OF_GROUP).select_related("office").order_by("pk"):
        members.setdefault((lead.account_id, getattr(lead, column)), []).append(lead)
    for (account_id, value), count in wanted.items():
        yield Group(account_id, value, count, members.get((account_id, value), ()))


def _open(found: Sequence[Group]) -> list[Group]:
    """Without those of whose leads somebody said that they are all different."""
    pairs = {
        (group.account_id, group.value): list(combinations([lead.pk for lead in group.leads], 2)) for group in found
    }
    every = [pair for each in pairs.values() for pair in each]
    said = set(NotSame.objects.filter(_among(every)).values_list("first_id", "second_id")) if every else set()
    return [
        group
        for group in found
        if group.count > MOST_OF_GROUP or not said.issuperset(pairs[group.account_id, group.value])
    ]
