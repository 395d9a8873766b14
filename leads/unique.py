"""Custom fields of which no two leads of the account have the same value, however it is capitalised.

A row of LeadKey says which lead had a value last. It is claimed when a unit of work ends, whoever writes; nobody gives
it back: whether the lead still has the value is asked of the lead when somebody else wants it. Accounts without such
fields pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections

from leads import setup as setups
from leads.changes import CHUNK, Row
from leads.custom import unique_fault
from leads.identity import digest, value_key
from leads.models.lead import Lead, invalid
from leads.models.lead_key import LeadKey, Pair
from leads.setup import Setup
from leads.validation import Violation

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from leads.models.custom_field import CustomField

# Of the values that leads share, so many are named.
_NAMED: Final = 3


def pairs_of(setup: Setup, customs: object) -> dict[str, Pair]:
    """Path -> what is claimed for the values of the unique fields among a lead's custom fields."""
    values = customs if isinstance(customs, Mapping) else {}
    keys = {one.path: value_key(values.get(one.key)) for one in setup.unique}
    return {path: (path, digest(key)) for path, key in keys.items() if key is not None}


def judge(
    account_id: int,
    values: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    ours: Collection[int | None],
    seen: Callable[[], QuerySet[Lead]],
) -> list[Violation]:
    """The values that another lead than `ours` has; it is named to whoever sees it. For whoever writes to hear of it
    at once: what counts is the claim."""
    setup = setups.of(account_id)
    if not setup.unique:
        return []
    wanted = set(pairs_of(setup, values.get("custom_fields")).items())
    wanted -= pairs_of(setup, (before or {}).get("custom_fields")).items()
    rows = LeadKey.among(account_id, [pair for _, pair in wanted]).filter(lead__isnull=False) if wanted else []
    keys = {(row.field, row.digest): row for row in rows}
    holders = _holders(setup, {pair: keys[pair] for _, pair in wanted if pair in keys}, DEFAULT_DB_ALIAS)
    others = {path: holders[pair] for path, pair in sorted(wanted) if holders.get(pair) not in {None, *ours}}
    named = set(seen().filter(pk__in=others.values()).values_list("pk", flat=True)) if others else set()
    return [_taken(path, pk if pk in named else None) for path, pk in others.items()]


def claim(changes: Sequence[tuple[Row | None, Row]], using: str) -> None:
    """What these leads have come to have is theirs alone. Raises ValidationError, naming whose it is already."""
    for account_id in {after["account_id"] for _, after in changes}:
        wanted: list[tuple[Pair, int]] = []
        for before, after in changes:
            setup = after["setup"]
            if after["account_id"] == account_id and setup.unique:
                had = pairs_of(setup, before["custom_fields"]).values() if before else ()
                has = pairs_of(setup, after["custom_fields"]).values()
                wanted += [(pair, after["id"]) for pair in has if pair not in had]
        for start in range(0, len(wanted), _AT_ONCE):
            _claim(account_id, wanted[start : start + _AT_ONCE], setups.of(account_id, using), using)


# Three parameters each, and a lead.
_AT_ONCE: Final = CHUNK // 4


def _claim(account_id: int, wanted: Sequence[tuple[Pair, int]], setup: Setup, using: str) -> None:
    rows = LeadKey.hold(account_id, dict(reversed(wanted)), using)
    others = {pair: rows[pair] for pair, pk in wanted if rows[pair].lead_id != pk}
    holders = _holders(setup, others, using)
    ours: dict[Pair, LeadKey] = {}
    for pair, pk in wanted:
        row = rows[pair]
        holder = row.lead_id if pair in ours else holders.get(pair)
        if holder not in (None, pk):
            raise invalid([_taken(pair[0], holder)])
        if row.lead_id != pk:
            row.lead_id = pk
            ours[pair] = row
    if ours:
        LeadKey.objects.using(using).bulk_update(ours.values(), ["lead"])


def _holders(setup: Setup, rows: Mapping[Pair, LeadKey], using: str) -> dict[Pair, int]:
    """Of the rows, those whose lead stands and still has the value."""
    if not rows:
        return {}
    leads = Lead.objects.using(using).filter(pk__in={row.lead_id for row in rows.values()})
    has = {pk: pairs_of(setup, customs).values() for pk, customs in leads.values_list("pk", "custom_fields")}
    return {pair: row.lead_id for pair, row in rows.items() if row.lead_id and pair in has.get(row.lead_id, ())}


def _taken(path: str, lead_id: int | None) -> Violation:
    whose = "another lead" if lead_id is None else f"lead {lead_id}"
    return Violation(path, "unique", f"belongs to {whose} already")


# --- a field becomes unique ------------------------------------------------------------------------------------------


def fault(field: CustomField, using: str = DEFAULT_DB_ALIAS) -> str | None:
    """Why the field cannot be unique, as a clause that names some of the leads; None where it can, or is not to be."""
    if not field.unique or field.is_unique(using):
        return None
    return unique_fault(field.kind, field.unique) or _clash(field, using)


def _clash(field: CustomField, using: str) -> str | None:
    leads: dict[str, list[int]] = {}
    for pk, key in _keys(field, using):
        leads.setdefault(key, []).append(pk)
    shared = [pks for pks in leads.values() if len(pks) > 1]
    if not shared:
        return None
    some = "; ".join(_enumerated(pks) for pks in shared[:_NAMED])
    return f"cannot be set while leads have the same value: {some}{'; and others' if len(shared) > _NAMED else ''}"


def begin(field: CustomField, using: str) -> None:
    """The values that leads have are theirs alone from now on. Raises ValidationError where two have the same."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        # A write that is under way may not have heard of it: it is waited for, and whoever comes waits for us.
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {connection.ops.quote_name(Lead._meta.db_table)} IN EXCLUSIVE MODE")
    if (reason := fault(field, using)) is not None:
        raise ValidationError({"unique": ValidationError(reason, code="unique")})
    path = field.definition.path
    rows = LeadKey.objects.using(using).filter(account_id=field.account_id, field=path)
    rows.delete()
    new = [
        LeadKey(account_id=field.account_id, field=path, digest=digest(key), lead_id=pk)
        for pk, key in _keys(field, using)
    ]
    LeadKey.objects.using(using).bulk_create(new, batch_size=_AT_ONCE)


def _keys(field: CustomField, using: str) -> Iterator[tuple[int, str]]:
    """(lead, what its value is compared by)"""
    leads = Lead.objects.using(using).filter(account_id=field.account_id).exclude(custom_fields={}).order_by("pk")
    for pk, customs in leads.values_list("pk", "custom_fields").iterator():
        if (key := value_key(customs.get(field.key))) is not None:
            yield pk, key


def _enumerated(pks: Sequence[int]) -> str:
    first, *others = pks[:_NAMED]
    return f"lead {first} and {', '.join(map(str, others))}"
