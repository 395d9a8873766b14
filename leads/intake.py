"""How a lead comes in: the one way for the API, inbound webhooks, forms and imports.

What came is laid over the lead that it names (leads/recognition.py), or makes a new one; it is judged, stored and told
as one unit of work, so that the same post a hundred times at once makes one lead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal

from django.db import DEFAULT_DB_ALIAS

from leads import assignment, lead_row
from leads import setup as setups
from leads.changes import Row, unit
from leads.fields import BY_KEY, EMPTY, FIELDS
from leads.identity import folded
from leads.models import Lead
from leads.models.intake_policy import PERSON, UPDATES, IntakePolicy
from leads.models.lead import judge
from leads.recognition import CUSTOM, MATCHED, known, matchable
from leads.references import NAMED, with_ids
from leads.scope import Scope
from leads.setup import Setup
from leads.validation import Violation, derive, judge_value

__all__ = [
    "CUSTOM",
    "MATCHED",
    "NAMED",
    "UPDATES",
    "Policy",
    "Refused",
    "Taken",
    "faults",
    "lay",
    "lead_of",
    "matchable",
    "put",
    "take",
]

_SEVERAL: Final = frozenset(field.key for field in FIELDS if field.kind in ("labels", "texts"))
_GIVEN: Final = frozenset(field.key for field in FIELDS if field.writeable and field.kind != "custom") | NAMED.keys()


@dataclass(frozen=True, slots=True)
class Policy:
    """By which rules leads come in one way.

    match      by which field a lead that is there is known (`matchable`); "" makes each one a new lead
    update     what becomes of one that is there: one of UPDATES
    protected  keys that keep the value they have, whatever came
    source, office_id, pipeline_id   of new leads that bring none
    assign, owner_id   who gets a new lead that brings no owner: one of assignment.ASSIGNMENTS, and the person
    tags, lists, campaigns   names of labels that each lead gets, whether it is new or not
    leads_api  asks what the leads API asks of a lead (leads/validation.py)
    """

    match: str = "business_email"
    update: str = "overwrite"
    protected: frozenset[str] = frozenset()
    source: str | None = None
    office_id: int | None = None
    pipeline_id: int | None = None
    assign: str = PERSON
    owner_id: int | None = None
    tags: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    leads_api: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    lead: Lead
    action: Literal["created", "updated"]


class Refused(Exception):
    """What came breaks rules; nothing is stored."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = violations
        super().__init__(violations)


def take(
    account_id: int,
    given: Mapping[str, Any],
    policy: Policy,
    scope: Scope,
    finish: Callable[[Taken], None] | None = None,
) -> Taken:
    """Store what came as a lead, with its events, or nothing. Raises Refused.

    given    by catalogue key, custom_fields.<key> for the account's own, and the names in NAMED; None stands for a
             value that came empty
    scope    within which leads are looked for, and references are chosen
    finish   called before the unit of work ends, for what is to be stored with the lead
    """
    with unit() as work:
        setup = setups.of(account_id)
        row = known(account_id, given, policy.match, scope, setup, work)
        action: Literal["created", "updated"] = "updated" if row is not None else "created"
        lead = Lead(account_id=account_id) if row is None else lead_of(row)
        if row is not None:
            work.left(Lead, row)
        if lay(lead, row, given, policy, scope, setup):
            lead.save()
        taken = Taken(lead, action)
        if finish is not None:
            finish(taken)
    return taken


def put(
    lead: Lead, values: Mapping[str, Any], before: Mapping[str, Any] | None, scope: Scope, leads_api: bool = False
) -> list[Violation]:
    """Judge the lead as it would be with these values, by catalogue key, and set them; it is not saved yet.

    Gives what is wrong, at most one violation for each field; nothing is set then. before is what is stored.
    """
    setup = setups.of(lead.account_id)
    merged = {**(before or _values_of_new(lead)), **values}
    if before is None:
        merged |= derive(merged)
    # Where the lead stands is judged as it was given, not as what follows mends it.
    place = [(BY_KEY[key], values[key]) for key in setups.PLACE if values.get(key) is not None]
    found = [violation for field, value in place if (violation := judge_value(field, value)) is not None]
    found += judge(merged, before, setup=setup, leads_api=leads_api)
    found += scope.judge(lead.account_id, merged, before, lead.pk)
    first: dict[str, Violation] = {}
    for violation in found:
        first.setdefault(violation.field, violation)
    if first:
        return list(first.values())
    for key, value in values.items():
        # What comes as it was read is not set: it would be on purpose, and a date would lose its parts of seconds.
        if before is None or value != before[key]:
            lead.set(key, value)
    return []


def _values_of_new(lead: Lead) -> dict[str, Any]:
    """Without the names of other records, which no rule asks for and only the database knows."""
    values = {**_BLANK, **dict(zip(_OWN, _own_values(lead.__dict__), strict=True))}
    return values | {key: lead.get(key) for key in _ASKED} | lead.details


_BLANK: Final = {field.key: EMPTY.get(field.kind) for field in FIELDS}
_COLUMNS: Final = {column.attname for column in Lead._meta.concrete_fields}
# Fields whose columns hold what the rules read, and those that a lead has to be asked for.
_OWN: Final = tuple(field.key for field in FIELDS if field.key in _COLUMNS and field.kind != "datetime")
_ASKED: Final = tuple(
    field.key for field in FIELDS if field.kind == "labels" or (field.column and field.kind == "datetime")
)
_own_values: Final = itemgetter(*_OWN)


def faults(policy: IntakePolicy, setup: Setup, ask: Collection[str]) -> dict[str, str]:
    """Column -> what is wrong with the policy, as a clause; ask: the keys of the fields that may come."""
    found = {}
    if policy.match and policy.match not in matchable(setup):
        found["match"] = f"must be one of {', '.join(matchable(setup))}, or empty"
    if wrong := [key for key in policy.protected if key not in ask]:
        found["protected"] = f"must hold fields that may come only, not {wrong[0]}"
    return found


# --- what becomes of it ----------------------------------------------------------------------------------------------


def lead_of(row: Row) -> Lead:
    """The lead whose row this is; what is set on it leaves the row as it is."""
    columns = [field.attname for field in Lead._meta.concrete_fields]
    lead = Lead.from_db(DEFAULT_DB_ALIAS, columns, [row[column] for column in columns])
    lead.details, lead.custom_fields = dict(lead.details), dict(lead.custom_fields)
    return lead


def lay(lead: Lead, row: Row | None, given: Mapping[str, Any], policy: Policy, scope: Scope, setup: Setup) -> bool:
    """Lay what came over the lead and judge the whole: whether there is something to save. Raises Refused.

    row   the lead as it is stored; None for a new one
    """
    before = None if row is None else _BLANK | lead_row.by_key(row)
    if before is not None and policy.update == "keep":
        given = {}
    found = [Violation(key, "unknown", "is not a field of a lead") for key in given if not _is_field(key)]
    values, misnamed = with_ids({key: given[key] for key in given if _is_field(key)}, lead, scope, setup)
    found += misnamed
    values = _wanted(values, before, policy)
    if before is None:
        values = _usual(lead.account_id, policy, values.get("office_id"), scope) | values
    for key in ("tags", "lists", "campaigns"):
        if more := getattr(policy, key):
            values[key] = _union(values.get(key, before[key] if before else []), more)
    told = {one.field for one in found}
    if "email" not in values and {"business_email", "personal_email"} & values.keys():
        told.add("email")  # it follows from another one, which is the one to blame
    if before is None and values.get("owner_id") is None and not found:
        values |= _owner(lead.account_id, policy, values.get("office_id"))
    found += [one for one in put(lead, values, before, scope, policy.leads_api) if one.field not in told]
    if found:
        raise Refused(found)
    return before is None or any(value != before[key] for key, value in values.items())


def _is_field(key: str) -> bool:
    return key in _GIVEN or key.startswith(CUSTOM)


def _usual(account_id: int, policy: Policy, office_id: Any, scope: Scope) -> dict[str, Any]:
    """What a new lead gets that it does not bring."""
    usual = {"source": policy.source, "office_id": policy.office_id, "pipeline_id": policy.pipeline_id}
    if office_id is None and policy.office_id is None:
        usual["office_id"] = scope.only_office(account_id)
    return {key: value for key, value in usual.items() if value is not None}


def _owner(account_id: int, policy: Policy, office_id: Any) -> dict[str, int]:
    owner_id = assignment.owner_of(account_id, policy.assign, policy.owner_id, office_id)
    return {} if owner_id is None else {"owner_id": owner_id}


def _wanted(given: Mapping[str, Any], before: Mapping[str, Any] | None, policy: Policy) -> dict[str, Any]:
    """By catalogue key what is to be set of what came, by the policy."""
    own = {key.removeprefix(CUSTOM): value for key, value in given.items() if key.startswith(CUSTOM)}
    values = {
        key: EMPTY.get(BY_KEY[key].kind) if _is_empty(value) else value
        for key, value in given.items()
        if not key.startswith(CUSTOM) and _is_wanted(key, value, before and before[key], policy)
    }
    if before is not None:
        values.pop("source", None)  # it says where the lead came from first
        for key in _SEVERAL & values.keys():
            if policy.update != "mirror":
                values[key] = _union(before[key], values[key])
    stored = before["custom_fields"] if before else {}
    own = {key: value for key, value in own.items() if _is_wanted(f"{CUSTOM}{key}", value, stored.get(key), policy)}
    return values | ({"custom_fields": {**stored, **own}} if own else {})


def _is_wanted(key: str, value: Any, stored: Any, policy: Policy) -> bool:
    if _is_empty(value):
        return policy.update == "mirror" and not _is_empty(stored) and key not in policy.protected
    return _is_empty(stored) or (policy.update != "fill_empty" and key not in policy.protected)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _union(there: Any, more: Any) -> Any:
    """What is there, and what is not yet, however it is capitalised; what is no list of texts is left to be refused."""
    for each in (there, more):
        if not isinstance(each, list | tuple) or not all(isinstance(one, str) for one in each):
            return each
    new = {folded(one): one for one in reversed(more)}
    for one in there:
        new.pop(folded(one), None)
    return [*there, *reversed(new.values())]
