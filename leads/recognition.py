"""Which lead is meant by what comes in: found by a value that leads are known by, and held until the unit of work ends.

Whoever brings such a value holds its key row first (leads/models/lead_key.py): of two at once the second finds what the
first has made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet

from leads import statement
from leads.changes import Row, Unit
from leads.fields import BY_KEY
from leads.identity import digest, text_key, value_key
from leads.merge import what_became_of
from leads.models import Lead, LeadKey
from leads.question import Question
from leads.scope import Scope
from leads.setup import Setup
from leads.validation import derive, judge_value, read_phone

CUSTOM: Final = "custom_fields."

# By which keys of the catalogue leads are known, beside the account's unique custom fields, and their columns.
MATCHED: Final[Mapping[str, str]] = {
    "business_email": "business_email_key",
    "email": "email_key",
    "phone": "phone_e164",
}


def matchable(setup: Setup) -> dict[str, str]:
    """Key -> label of the fields that leads are known by."""
    return {key: BY_KEY[key].label for key in MATCHED} | {one.path: one.label for one in setup.unique}


def known(account_id: int, given: Mapping[str, Any], match: str, scope: Scope, setup: Setup, work: Unit) -> Row | None:
    """The row of the lead that is known by what came, locked; nobody else makes or finds one by it until the unit ends.

    By `match` first, else by the unique custom fields in order: a new lead could not have their values.
    """
    fields = [match, *(one.path for one in setup.unique if one.path != match)]
    keys = {field: key for field in fields if field in matchable(setup) and (key := key_of(field, given)) is not None}
    if not match or not keys:
        return None
    owners = _owners(account_id, keys)
    for field, key in keys.items():
        if field in MATCHED:
            row = _by_column(account_id, MATCHED[field], key, scope, work)
        else:
            row = _of_owner(owners[field], field, key, scope, work)
        if row is not None:
            return row
    return None


def key_of(field: str, given: Mapping[str, Any]) -> str | None:
    """What the value that came is compared by; None where there is none, or one that is going to be refused."""
    value = given.get(field)
    if field == "email" and not value:
        value = derive({key: each for key, each in given.items() if key in BY_KEY}).get("email")
    if field not in MATCHED:
        return value_key(value)
    if not isinstance(value, str) or judge_value(BY_KEY[field], value) is not None:
        return None
    return read_phone(value)[0] if field == "phone" else text_key(value)


# --- the key row -----------------------------------------------------------------------------------------------------


def _owners(account_id: int, keys: Mapping[str, str]) -> dict[str, int | None]:
    """Field -> the lead that had its key to itself last. Several are held as an import holds its own, so that two do
    not wait for each other."""
    if len(keys) == 1:
        return {field: _hold(account_id, field, key) for field, key in keys.items()}
    pairs = {field: (field, digest(key)) for field, key in keys.items()}
    rows = LeadKey.hold(account_id, dict.fromkeys(pairs.values()))
    return {field: rows[pair].lead_id for field, pair in pairs.items()}


def _hold(account_id: int, field: str, key: str) -> int | None:
    """The lead that had the key to itself last, if one did. Its key row is ours until the unit ends: a row, because
    what is not there yet cannot be locked."""
    row = (account_id, field, digest(key))
    while (held := _HELD.first(*row)) is None:  # and gone again, where its lead was deleted meanwhile
        statement.count(_NEW_KEY, row)
    owner_id: int | None = held[0]
    return owner_id


_NEW_KEY: Final = "INSERT INTO leads_leadkey (account_id, field, digest) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_HELD: Final = Question(
    lambda account_id, field, digest: _locked(
        LeadKey.objects.filter(account_id=account_id, field=field, digest=digest).values_list("lead_id")
    ),
    int,
    str,
    str,
)


def _locked(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_for_update(of=("self",), no_key=True) if connection.features.has_select_for_update else rows


# --- the lead --------------------------------------------------------------------------------------------------------


def _by_column(account_id: int, column: str, key: str, scope: Scope, work: Unit) -> Row | None:
    """The oldest with this key within the scope; else, of those that were merged, what the oldest is a part of now."""
    while (pk := _found(account_id, column, key, scope)) is not None:
        row = _row(pk, work)
        # Whoever wrote to it while we waited for it may have made another one of it.
        if row is not None and not Lead.hidden(row) and row[column] == key:
            return row
    for (pk,) in _MERGED[column](account_id, key):
        if (row := _master(pk, scope, work)) is not None:
            return row
    return None


def _of_owner(owner_id: int | None, field: str, key: str, scope: Scope, work: Unit) -> Row | None:
    """The lead that had the value last, or what it is a part of now; None where it has another one since."""
    owner = Lead.with_merged.filter(pk=owner_id).first() if owner_id is not None else None
    if owner is None or not _has(owner.custom_fields, field, key):
        return None
    if owner.merged_into_id is None and scope.leads().filter(pk=owner.pk).exists():
        row = _row(owner.pk, work)
        if row is not None and not Lead.hidden(row):
            return row if _has(row["custom_fields"], field, key) else None
    return _master(owner.pk, scope, work)


def _has(customs: Mapping[str, Any], field: str, key: str) -> bool:
    return value_key(customs.get(field.removeprefix(CUSTOM))) == key


def _master(pk: int, scope: Scope, work: Unit) -> Row | None:
    while (master := what_became_of(pk, scope)) is not None:
        row = _row(master.pk, work)
        if row is not None and not Lead.hidden(row):
            return row
    return None


def _row(pk: int, work: Unit) -> Row | None:
    """As it is stored now, locked."""
    return work.before(Lead, pk) if work.touch(Lead, [pk]) else Lead.rows(DEFAULT_DB_ALIAS, [pk]).get(pk)


def _found(account_id: int, column: str, key: str, scope: Scope) -> int | None:
    """The first standing lead with this key."""
    if scope.whole_account and scope.account_id == account_id:
        answer = _FOUND[column].first(account_id, key)
        return answer[0] if answer else None
    leads = scope.leads().filter(account_id=account_id, **{column: key})
    return leads.order_by("pk").values_list("pk", flat=True).first()


_FOUND: Final = {
    column: Question(
        lambda account_id, key, column=column: (
            Lead.objects.filter(account_id=account_id, **{column: key}).order_by("pk").values_list("pk")[:1]
        ),
        int,
        str,
    )
    for column in MATCHED.values()
}
_MERGED: Final = {
    column: Question(
        lambda account_id, key, column=column: (
            Lead.with_merged.filter(account_id=account_id, merged_into__isnull=False, **{column: key})
            .order_by("pk")
            .values_list("pk")
        ),
        int,
        str,
    )
    for column in MATCHED.values()
}
