"""How a lead comes in: the one way for the API, inbound webhooks, forms and imports.

What came is laid over the lead that it names, or makes a new one; it is judged, stored and told as one unit of work.
Whoever brings a value that leads are known by holds its key row first, so that the same post a hundred times at once
makes one lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet

from leads import lead_row, statement
from leads import setup as setups
from leads.changes import Row, Unit, unit
from leads.fields import BY_KEY, EMPTY, FIELDS
from leads.identity import digest, folded, text_key
from leads.models import Lead, LeadKey
from leads.models.lead import judge
from leads.question import Question
from leads.scope import COMPANY, OFFICE, OWNER, Scope
from leads.setup import Setup
from leads.validation import Violation, derive, judge_value, read_phone

CUSTOM: Final = "custom_fields."

Update = Literal["overwrite", "fill_empty", "mirror", "keep"]
# What becomes of a lead that is there already.
UPDATES: Final = (
    ("overwrite", "Overwrite with what came"),
    ("fill_empty", "Fill empty fields only"),
    ("mirror", "Overwrite, and empty what came empty"),
    ("keep", "Leave the lead as it is"),
)

# Given by a name that people read, in place of the id: what each is the name for.
NAMED: Final[Mapping[str, str]] = {
    "owner": "owner_id",
    "office_name": "office_id",
    "pipeline": "pipeline_id",
    "stage_name": "pipeline_stage_id",
    "company": "company_id",
}
# By which keys of the catalogue leads are known, beside the account's unique custom fields, and their columns.
MATCHED: Final[Mapping[str, str]] = {
    "business_email": "business_email_key",
    "email": "email_key",
    "phone": "phone_e164",
}
_SEVERAL: Final = frozenset(field.key for field in FIELDS if field.kind in ("labels", "texts"))
_GIVEN: Final = frozenset(field.key for field in FIELDS if field.writeable) | NAMED.keys()


@dataclass(frozen=True, slots=True)
class Policy:
    """By which rules leads come in one way.

    match      by which field a lead that is there is known (`matchable`); "" makes each one a new lead
    update     what becomes of one that is there: one of UPDATES
    protected  keys that keep the value they have, whatever came
    source, office_id, pipeline_id, owner_id   of new leads that bring none
    lists      names of lists that each lead is put on, whether it is new or not
    """

    match: str = "business_email"
    update: str = "overwrite"
    protected: frozenset[str] = frozenset()
    source: str | None = None
    office_id: int | None = None
    pipeline_id: int | None = None
    owner_id: int | None = None
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    lead: Lead
    action: Literal["created", "updated"]


class Refused(Exception):
    """What came breaks rules; nothing is stored."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = violations
        super().__init__(violations)


def matchable(setup: Setup) -> dict[str, str]:
    """Key -> label of the fields that leads are known by."""
    own = (one for one in setup.definitions.values() if one.unique)
    return {key: BY_KEY[key].label for key in MATCHED} | {one.path: one.label for one in own}


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
        row = _known(account_id, given, policy, scope, setup, work)
        action: Literal["created", "updated"] = "updated" if row is not None else "created"
        lead = Lead(account_id=account_id) if row is None else _lead_of(row)
        _lay(lead, row, given, policy, scope, setup)
        taken = Taken(lead, action)
        if finish is not None:
            finish(taken)
    return taken


# --- which lead is it ------------------------------------------------------------------------------------------------


def _known(
    account_id: int, given: Mapping[str, Any], policy: Policy, scope: Scope, setup: Setup, work: Unit
) -> Row | None:
    """The row of the lead that is known by what came, locked; nobody else makes or finds one by it until the unit
    ends."""
    if not policy.match or policy.match not in matchable(setup):
        return None
    key = key_of(policy.match, given.get(policy.match))
    if key is None:
        return None
    owner_id, column = _hold(account_id, policy.match, key), MATCHED.get(policy.match)
    while (pk := _found(account_id, column, key, owner_id, scope)) is not None:
        is_first = bool(work.touch(Lead, [pk]))
        row = work.before(Lead, pk) if is_first else Lead.rows(DEFAULT_DB_ALIAS, [pk]).get(pk)
        # Whoever wrote to it while we waited for it may have made another one of it.
        if row is not None and not Lead.hidden(row) and (column is None or row[column] == key):
            return row
    return None


def _found(account_id: int, column: str | None, key: str, owner_id: int | None, scope: Scope) -> int | None:
    """The first lead with this key in this column; without a column the one that owns the key."""
    if column is not None and scope.whole_account and scope.account_id == account_id:
        answer = _FOUND[column].first(account_id, key)
        return answer[0] if answer else None
    leads = scope.leads().filter(account_id=account_id)
    leads = leads.filter(**{column: key}) if column else leads.filter(pk=owner_id or 0)
    return _only(leads)


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


def _lead_of(row: Row) -> Lead:
    columns = [field.attname for field in Lead._meta.concrete_fields]
    lead = Lead.from_db(DEFAULT_DB_ALIAS, columns, [row[column] for column in columns])
    lead.details, lead.custom_fields = dict(lead.details), dict(lead.custom_fields)
    return lead


def key_of(match: str, value: Any) -> str | None:
    """What a value is compared by; None where leads cannot be known by it."""
    if match == "phone":
        return read_phone(value)[0]
    return text_key(value if isinstance(value, str) or value is None else str(value))


def _hold(account_id: int, field: str, key: str) -> int | None:
    """The lead that has the key to itself, if one does. Its key row is ours until the unit ends: a row, because what
    is not there yet cannot be locked."""
    row = (account_id, field, digest(key))
    held = _HELD.first(*row)
    if held is None:
        statement.count(_NEW_KEY, row)
        (held,) = _HELD(*row)
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


# --- what becomes of it ----------------------------------------------------------------------------------------------


def _lay(lead: Lead, row: Row | None, given: Mapping[str, Any], policy: Policy, scope: Scope, setup: Setup) -> None:
    """Lay what came over the lead, judge the whole and save it. row: as the lead is stored; None for a new one."""
    before = None if row is None else _BLANK | lead_row.by_key(row)
    if before is not None and policy.update == "keep":
        given = {}
    found = [Violation(key, "unknown", "is not a field of a lead") for key in given if not _is_field(key)]
    values, misnamed = _named({key: given[key] for key in given if _is_field(key)}, lead, scope, setup)
    values = _wanted(values, before, policy, setup)
    if policy.lists:
        listed = values.get("lists", before["lists"] if before else [])
        values["lists"] = _union(listed if isinstance(listed, list) else [], policy.lists)
    found += misnamed
    found += _violations(lead, values, before, scope, setup, {one.field for one in found})
    if found:
        raise Refused(found)
    new = {key: value for key, value in values.items() if before is None or value != before[key]}
    for key, value in new.items():
        lead.set(key, value)
    if before is None or new:
        lead.save()


# What a lead has in fields that are not set.
_BLANK: Final = {field.key: EMPTY.get(field.kind) for field in FIELDS}


def _is_field(key: str) -> bool:
    return key in _GIVEN or key.startswith(CUSTOM)


def _wanted(given: dict[str, Any], before: Mapping[str, Any] | None, policy: Policy, setup: Setup) -> dict[str, Any]:
    """By catalogue key what is to be set, by the policy: of what came, and of what a new lead gets."""
    own = {key.removeprefix(CUSTOM): value for key, value in given.items() if key.startswith(CUSTOM)}
    values = {
        key: _unset(key) if _is_empty(value) else value
        for key, value in given.items()
        if not key.startswith(CUSTOM) and _is_wanted(key, value, before and before[key], policy)
    }
    if before is None:
        usual = {key: getattr(policy, key) for key in ("source", "office_id", "pipeline_id", "owner_id")}
        values = {key: value for key, value in usual.items() if value is not None} | values
    else:
        values.pop("source", None)  # it says where the lead came from first
        for key in _SEVERAL & values.keys():
            if policy.update != "mirror" and isinstance(values[key], list):
                values[key] = _union(before[key], values[key])
    stored = before["custom_fields"] if before else {}
    own = {key: value for key, value in own.items() if _is_wanted(f"{CUSTOM}{key}", value, stored.get(key), policy)}
    if own:
        values["custom_fields"] = {**stored, **own}
    return values


def _is_wanted(key: str, value: Any, stored: Any, policy: Policy) -> bool:
    if _is_empty(value):
        return policy.update == "mirror" and not _is_empty(stored) and key not in policy.protected
    if _is_empty(stored):
        return True
    if key in _SEVERAL and policy.update == "fill_empty":
        return False
    return policy.update != "fill_empty" and key not in policy.protected


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _unset(key: str) -> Any:
    return EMPTY.get(BY_KEY[key].kind, None)


def _union(there: Sequence[str], more: Sequence[Any]) -> list[Any]:
    """What is there, and what is not yet, however it is capitalised."""
    known = {folded(one) for one in there}
    new = {folded(one) if isinstance(one, str) else one: one for one in reversed(more)}
    return [*there, *(one for key, one in reversed(new.items()) if key not in known)]


def _values_of_new(lead: Lead) -> dict[str, Any]:
    """Without the account's name, which no rule asks for and only the database knows."""
    return {key: lead.get(key) for key in BY_KEY if key != "account_name"}


def _violations(
    lead: Lead,
    values: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    scope: Scope,
    setup: Setup,
    named: set[str],
) -> list[Violation]:
    """At most one for each field."""
    merged = {**(before or _values_of_new(lead)), **values}
    if before is None:
        merged |= derive(merged)
        if "email" not in values:
            named = named | {"email"}  # it follows from another one, which is the one to blame
    place = [(BY_KEY[key], values[key]) for key in setups.PLACE if values.get(key) is not None]
    found = [violation for field, value in place if (violation := judge_value(field, value)) is not None]
    found += judge(merged, before, setup=setup)
    found += scope.judge(lead.account_id, merged, before, lead.pk)
    first: dict[str, Violation] = {}
    for violation in found:
        if violation.field not in named:
            first.setdefault(violation.field, violation)
    return list(first.values())


# --- names for other records -----------------------------------------------------------------------------------------


def _named(given: dict[str, Any], lead: Lead, scope: Scope, setup: Setup) -> tuple[dict[str, Any], list[Violation]]:
    """The same with ids in place of names, and what no record is called."""
    values = {key: value for key, value in given.items() if key not in NAMED}
    found = []
    # The stage's name leans on the pipeline: it comes after it.
    for key, id_key in NAMED.items():
        if key not in given or given.get(id_key) is not None:
            continue
        value = given[key]
        if _is_empty(value):
            values.setdefault(id_key, None)
            continue
        pipeline_id = values.get("pipeline_id") or lead.pipeline_id
        pk = _by_name(key, value, lead.account_id, scope, setup, pipeline_id) if isinstance(value, str) else None
        if pk is None:
            found.append(Violation(key, "reference", f"must be the {_WORDS[key]}"))
        else:
            values[id_key] = pk
    return values, found


_WORDS: Final[Mapping[str, str]] = {
    "owner": f"e-mail of {OWNER}",
    "office_name": f"name of {OFFICE}",
    "pipeline": "name of a pipeline of the account",
    "stage_name": "name of a stage of the lead's pipeline",
    "company": f"name of {COMPANY}",
}


def _by_name(key: str, name: str, account_id: int, scope: Scope, setup: Setup, pipeline_id: object) -> int | None:
    wanted = folded(name)
    match key:
        case "owner":
            return _only(scope.choosable_owners(account_id).filter(email__iexact=name.strip()))
        case "office_name":
            return _only(scope.choosable_offices(account_id).filter(name__iexact=name.strip()))
        case "company":
            return _only(scope.choosable_companies(account_id).filter(name__iexact=name.strip()))
        case "pipeline":
            return next((one.id for one in setup.pipelines if folded(one.name) == wanted), None)
    pipeline = setup.pipeline(pipeline_id) or next(iter(setup.pipelines), None)
    stages = pipeline.stages if pipeline else ()
    return next((one.id for one in stages if folded(one.name) == wanted), None)


def _only(rows: QuerySet[Any]) -> int | None:
    """The first one of that name."""
    pk: int | None = rows.order_by("pk").values_list("pk", flat=True).first()
    return pk
