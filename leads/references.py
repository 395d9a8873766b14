"""Other records by the names that people read, in place of ids: owner, office, pipeline, stage and company."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import QuerySet

from leads.fields import BY_KEY
from leads.identity import folded
from leads.models import Lead
from leads.scope import COMPANY, OFFICE, OWNER, Scope
from leads.setup import Setup
from leads.validation import Violation, judge_value

# What each is the name for.
NAMED: Final[Mapping[str, str]] = {
    "owner": "owner_id",
    "office_name": "office_id",
    "pipeline": "pipeline_id",
    "stage_name": "pipeline_stage_id",
    "company": "company_id",
}
_WORDS: Final[Mapping[str, str]] = {
    "owner": f"e-mail of {OWNER}",
    "office_name": f"name of {OFFICE}",
    "pipeline": "name of a pipeline of the account",
    "stage_name": "name of a stage of the lead's pipeline",
    "company": f"name of {COMPANY}",
}
# A text of any length that a database takes.
_TEXT: Final = BY_KEY["notes"]


def with_ids(
    given: Mapping[str, Any], lead: Lead, scope: Scope, setup: Setup
) -> tuple[dict[str, Any], list[Violation]]:
    """The same with ids in place of names, and what no record is called. An id that came as well is the one that
    counts."""
    values = {key: value for key, value in given.items() if key not in NAMED}
    found = []
    # The stage's name leans on the pipeline: it comes after it.
    for key, id_key in NAMED.items():
        if key not in given or given.get(id_key) is not None:
            continue
        value = given[key]
        if value is None or value == "":
            values.setdefault(id_key, None)
            continue
        pipeline_id = values.get("pipeline_id") or lead.pipeline_id
        pk = by_name(key, value, lead.account_id, scope, setup, pipeline_id) if is_name(value) else None
        if pk is None:
            found.append(Violation(key, "reference", f"must be the {_WORDS[key]}"))
        else:
            values[id_key] = pk
    return values, found


def is_name(value: object) -> bool:
    return isinstance(value, str) and judge_value(_TEXT, value) is None


def by_name(key: str, name: str, account_id: int, scope: Scope, setup: Setup, pipeline_id: object) -> int | None:
    """The id of what is called so; key: one of NAMED."""
    wanted = folded(name)
    match key:
        case "owner":
            return _first(scope.choosable_owners(account_id).filter(email__iexact=name.strip()))
        case "office_name":
            return _first(scope.choosable_offices(account_id).filter(name__iexact=name.strip()))
        case "company":
            return _first(scope.choosable_companies(account_id).filter(name__iexact=name.strip()))
        case "pipeline":
            return next((one.id for one in setup.pipelines if folded(one.name) == wanted), None)
    pipeline = setup.pipeline(pipeline_id) or next(iter(setup.pipelines), None)
    stages = pipeline.stages if pipeline else ()
    return next((one.id for one in stages if folded(one.name) == wanted), None)


def _first(rows: QuerySet[Any]) -> int | None:
    """The oldest one of that name."""
    pk: int | None = rows.order_by("pk").values_list("pk", flat=True).first()
    return pk
