"""Merge leads, and undo it: one of them, the master, becomes what all of them are; the others, its children, are kept.

A child keeps its row, its events and its deliveries, and is seen nowhere any more but on the page of its master. What
was written down about it moves to the master. Nothing is lost: for 30 days a merge can be undone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections, router
from django.db.models import Q
from django.utils import timezone

from leads import fields
from leads import setup as setups
from leads.changes import CHUNK, acting_now, unit
from leads.fields import BY_KEY
from leads.identity import folded
from leads.lead_row import LABELS
from leads.models import Activity, FormSubmission, Lead, Merge, Message, Opportunity, Task
from leads.models.lead import invalid, judge_change
from leads.models.merge import UNDONE_WITHIN
from leads.scope import Scope, descends
from leads.validation import Violation

MOST_CHILDREN: Final = 20

# One choice each: those that a writer sets, and that are no sum of what the leads have.
CHOSEN: Final = tuple(
    field.key
    for field in fields.FIELDS
    if (field.writeable or field.kind == "comparables")
    and not field.measured
    and field.kind not in ("labels", "custom")
    and field.key not in ("pipeline_id", "stage")  # they follow from the stage of the pipeline
)
_MEASURED: Final = tuple(field.key for field in fields.FIELDS if field.measured and field.key != "modified_date")
_STATE: Final = (*CHOSEN, *LABELS, *_MEASURED)
_CUSTOM: Final = "custom_fields."

# Kind -> whose rows belong to a lead, and by which column.
_RECORDS: Final[Mapping[str, tuple[Any, str]]] = {
    "leads": (Lead, "parent"),
    "messages": (Message, "lead"),
    "activities": (Activity, "lead"),
    "opportunities": (Opportunity, "lead"),
    "tasks": (Task, "lead"),
    "submissions": (FormSubmission, "lead"),
}


@dataclass(frozen=True, slots=True)
class Undone:
    """kept: the keys whose value stays as it became after the merge (custom_fields.key for the account's own)."""

    merge: Merge
    kept: Sequence[str]


def merge(
    scope: Scope,
    master_id: int,
    child_ids: Sequence[int],
    values: Mapping[str, Any] | None = None,
    versions: Mapping[int, int] | None = None,
) -> Merge:
    """Make the children parts of the master.

    values     by catalogue key, what the master is to have; custom_fields holds the keys that were chosen. What is not
               chosen stays as the master has it or, where it has nothing, is taken from the first child that has
               something. Labels are united, counts of messages added up.
    versions   of the leads as they were when somebody chose; None asks for none.

    The caller has made sure that its user may merge leads. Raises ValidationError for master_id, children, versions
    and the master's fields.
    """
    using = router.db_for_write(Lead)
    child_ids = list(child_ids)
    _check_ids(master_id, child_ids)
    with unit(using) as work:
        leads = _lock([master_id, *child_ids], child_ids, using)
        _check_leads(scope, leads, master_id, child_ids, versions)
        master, children = leads[master_id], [leads[pk] for pk in child_ids]
        work.touch(Lead, [master_id, *child_ids])
        work.doomed(Lead, child_ids)  # their last snapshots have their messages
        before = state(master)
        if descends(master_id, child_ids):
            Lead.objects.filter(pk=master_id).update(parent=None)
            master.parent_id = None
        moved = _move(child_ids, master_id)
        _write(master, _values(scope, master, children, values or {}))
        Lead.objects.filter(pk__in=child_ids).update(merged_into=master)
        after = state(master)
        merged = Merge.objects.using(using).create(
            account_id=master.account_id,
            master=master,
            children=child_ids,
            merged_at=work.now,
            merged_by=acting_now().name[:255],
            changes={key: [before.get(key), after.get(key)] for key in after if before.get(key) != after[key]},
            moved=moved,
        )
        work.step(Lead, master_id)
        work.note(Lead, master_id, "lead.merged", told(merged))
        for pk in child_ids:
            work.note(Lead, pk, "lead.deleted", told(merged))
    return merged


def undo(merge: Merge) -> Undone:
    """Bring the children back, with what came from them, and the master to what it was.

    What was changed of the master since stays. The caller has made sure that its user may merge leads, and sees this
    merge. Raises ValidationError where it cannot be undone (any more).
    """
    using = router.db_for_write(Lead)
    with unit(using) as work:
        came = merge.moved.get("leads", {}).values()
        _lock([pk for pk in (merge.master_id, *merge.children) if pk], [], using, [pk for pks in came for pk in pks])
        merge = Merge.objects.using(using).select_for_update(of=("self",)).select_related("master").get(pk=merge.pk)
        if (reason := obstacle(merge)) is not None:
            raise invalid([Violation("merge", "undo", reason)])
        master: Any = merge.master
        there = Lead.with_merged.filter(pk__in=merge.children, merged_into=master).values_list("pk", flat=True)
        children = sorted(there, key=merge.children.index)
        work.touch(Lead, [*children, master.pk])
        Lead.with_merged.filter(pk__in=children).update(merged_into=None)
        _move_back(merge, children)
        kept = _restore(master, merge.changes)
        work.step(Lead, master.pk, judged=False)
        merge.undone_at, merge.undone_by = work.now, acting_now().name[:255]
        merge.changes, merge.moved = {}, {}  # nobody needs them any more: they have values of leads of their own again
        merge.save(update_fields=["undone_at", "undone_by", "changes", "moved"])
        work.note(Lead, master.pk, "lead.updated", told(merge))
        for pk in children:
            work.note(Lead, pk, "lead.created", told(merge))
    return Undone(merge, kept)


def obstacle(merge: Merge) -> str | None:
    """Why it cannot be undone, as a clause; None while it can."""
    if merge.undone_at is not None:
        return "was undone already"
    if merge.master is None:
        return "cannot be undone: the lead that the others became a part of was deleted"
    if merge.master.merged_into_id is not None:
        return f"cannot be undone before the merge of {merge.master} into another lead is undone"
    if timezone.now() > merge.undo_until:
        return f"cannot be undone any more: that is possible for {UNDONE_WITHIN.days} days"
    return None


def told(merge: Merge) -> dict[str, Any]:
    """What the events of a merge say of it beside the lead."""
    return {
        "merge": {
            "id": merge.pk,
            "master_id": merge.master_id,
            "children": merge.children,
            "undone": merge.undone_at is not None,
        }
    }


def what_became_of(pk: int, scope: Scope) -> Lead | None:
    """The lead that a merged one is a part of now, where the scope has it; None for a lead that was not merged."""
    lead = Lead.with_merged.filter(pk=pk).first()
    if lead is None or lead.merged_into_id is None:
        return None
    while lead is not None and lead.merged_into_id is not None:
        lead = Lead.with_merged.filter(pk=lead.merged_into_id).first()
    return scope.leads().filter(pk=lead.pk).first() if lead is not None else None


# --- what is merged --------------------------------------------------------------------------------------------------


def _check_ids(master_id: int, child_ids: Sequence[int]) -> None:
    message = None
    if not 1 <= len(child_ids) <= MOST_CHILDREN:
        message = f"must be 1 to {MOST_CHILDREN} leads"
    elif master_id in child_ids:
        message = "must not hold the lead that they are merged into"
    elif len(set(child_ids)) < len(child_ids):
        message = "must not hold a lead twice"
    if message:
        raise invalid([Violation("children", "children", message)])


def _lock(ids: Sequence[int], parents: Sequence[int], using: str, more: Iterable[int] = ()) -> dict[int, Lead]:
    """The leads of these ids, merged or not. Locked in one order for everybody, and with them those that `parents` have
    below them: nobody can write to them, or anything about them, before the unit ends."""
    leads: Any = Lead.with_merged.using(using).filter(Q(pk__in={*ids, *more}) | Q(parent__in=parents))
    if connections[using].features.has_select_for_update:
        leads = leads.select_for_update(of=("self",))
    # What hangs on them is read once they are ours.
    list(leads.order_by("pk").values_list("pk"))
    related = ("account", "office", "owner", "pipeline", "pipeline_stage")
    return Lead.with_merged.using(using).select_related(*related).in_bulk(ids)


def _check_leads(
    scope: Scope,
    leads: Mapping[int, Lead],
    master_id: int,
    child_ids: Sequence[int],
    versions: Mapping[int, int] | None,
) -> None:
    def refuse(pk: int, rule: str, message: str) -> None:
        raise invalid([Violation("master_id" if pk == master_id else "children", rule, message)])

    seen = set(scope.leads().filter(pk__in=leads).values_list("pk", flat=True))
    for pk in (master_id, *child_ids):
        lead = leads.get(pk)
        if lead is not None and lead.merged_into_id is not None and (into := what_became_of(pk, scope)) is not None:
            refuse(pk, "merged", f"must not be merged already: {name(lead)} is a part of {name(into)}")
        if lead is None or pk not in seen:
            refuse(pk, "reference", f"must be leads that you may see, not {pk}")
            return
        if lead.account_id != leads[master_id].account_id:
            refuse(pk, "account", f"must be leads of the same account: {name(lead)} is not")
        if versions is not None and versions.get(pk) != lead.version:
            refuse(pk, "conflict", f"must be as they were when you chose: {name(lead)} was saved meanwhile")


def name(lead: Lead) -> str:
    return f"{lead} ({lead.pk})"


# --- what the master becomes -----------------------------------------------------------------------------------------


def value_of(lead: Lead, key: str) -> Any:
    """Of a key of the catalogue; None for a date that was not given, and follows from another."""
    return None if key == "created_date" and lead.created_date is None else lead.get(key)


def state(lead: Lead) -> dict[str, Any]:
    """All that a merge may change, by key. It takes JSON's values only."""
    values = {key: value_of(lead, key) for key in _STATE}
    values["full_name_derived"] = lead.full_name_derived
    return values | {f"{_CUSTOM}{key}": value for key, value in lead.custom_fields.items()}


def suggestion(master: Lead, children: Sequence[Lead]) -> dict[str, Lead]:
    """Key -> the first child that has something where the master has nothing. Custom fields by their paths."""
    family = {master.pk, *(child.pk for child in children)}
    found = {}
    for key in (*CHOSEN, *(f"{_CUSTOM}{key}" for key in setups.of(master.account_id).definitions)):
        if not is_empty(choice(master, key)):
            continue
        for child in children:
            value = choice(child, key)
            made = key == "full_name" and child.full_name_derived  # it is made of its parts again
            if not is_empty(value) and not made and not (key == "parent_id" and value in family):
                found[key] = child
                break
    return found


def choice(lead: Lead, key: str) -> Any:
    """What the lead brings to the choice of a field, a custom field by its path."""
    return lead.custom_fields.get(key.removeprefix(_CUSTOM)) if key.startswith(_CUSTOM) else value_of(lead, key)


def is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def chosen(picks: Mapping[str, Lead]) -> dict[str, Any]:
    """`values` of `merge`, from which lead is to give which field."""
    values = {key: choice(lead, key) for key, lead in picks.items() if not key.startswith(_CUSTOM)}
    customs = {key.removeprefix(_CUSTOM): choice(lead, key) for key, lead in picks.items() if key.startswith(_CUSTOM)}
    return values | ({"custom_fields": customs} if customs else {})


def _values(scope: Scope, master: Lead, children: Sequence[Lead], values: Mapping[str, Any]) -> dict[str, Any]:
    """The master's fields as they are going to be. What is filled in by itself and breaks a rule is left out."""
    customs = values.get("custom_fields") or {}
    asked = {*values, *(f"{_CUSTOM}{key}" for key in customs)}
    filling = {key: child for key, child in suggestion(master, children).items() if key not in asked}
    while True:
        filled = chosen(filling)
        whole = {key: value for key, value in (filled | dict(values)).items() if key != "custom_fields"}
        if more := {**filled.get("custom_fields", {}), **customs}:
            whole["custom_fields"] = master.custom_fields | more
        whole |= _sums(master, children)
        whole = _placed(master, whole)
        violations = _violations(scope, master, children, whole)
        loose = {violation.field for violation in violations} & filling.keys()
        if not loose:
            break
        filling = {key: child for key, child in filling.items() if key not in loose}
    if violations:
        raise invalid(violations)
    return whole


def _sums(master: Lead, children: Sequence[Lead]) -> dict[str, Any]:
    """What nobody chooses: labels of all, counts added up, the latest dates."""
    sums: dict[str, Any] = {}
    for key in LABELS:
        names = [name for lead in (master, *children) for name in lead.get(key)]
        sums[key] = list({folded(name): name for name in reversed(names)}.values())[::-1]
    for key in _MEASURED:
        given = [value for lead in (master, *children) if (value := lead.get(key)) is not None]
        if BY_KEY[key].kind == "integer":
            sums[key] = min(sum(given), BY_KEY[key].highest) if given else None
        elif BY_KEY[key].kind == "datetime":
            sums[key] = max(given, default=None)
    return sums


def _placed(lead: Lead, values: dict[str, Any]) -> dict[str, Any]:
    """A stage brings its pipeline and its code."""
    stage = setups.of(lead.account_id).stage(values.get("pipeline_stage_id"))
    if stage is None or {"pipeline_id", "stage"} & values.keys():
        return values
    return values | {"pipeline_id": stage.pipeline_id, "stage": stage.code}


def _violations(scope: Scope, master: Lead, children: Sequence[Lead], values: Mapping[str, Any]) -> list[Violation]:
    """At most one for each field."""
    before = master.values()
    whole = {**before, **values}
    found = judge_change(whole, before, setup=setups.of(master.account_id))
    found += scope.judge(master.account_id, whole, before, master.pk, [child.pk for child in children])
    if values.get("parent_id") in [child.pk for child in children]:
        found.append(Violation("parent_id", "cycle", "must not be one of the leads that are merged"))
    return list({violation.field: violation for violation in reversed(found)}.values())[::-1]


def _write(lead: Lead, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if value != lead.get(key):
            lead.set(key, value)
    lead.save()


# --- what comes along ------------------------------------------------------------------------------------------------


def records_of(child_ids: Sequence[int]) -> dict[str, int]:
    """Kind -> how many records would move to a master."""
    return {kind: _below(kind, child_ids, child_ids).count() for kind in _RECORDS}


def _below(kind: str, child_ids: Sequence[int], family: Sequence[int]) -> Any:
    """The rows of one kind that belong to the children; a lead of the family is none."""
    model, column = _RECORDS[kind]
    rows = model.objects.filter(**{f"{column}__in": child_ids})
    return rows.exclude(pk__in=family) if model is Lead else rows


def _move(child_ids: Sequence[int], master_id: int) -> dict[str, dict[str, list[Any]]]:
    """The records of the children, to the master. Gives their ids, by kind and child."""
    moved: dict[str, dict[str, list[Any]]] = {}
    for kind, (_, column) in _RECORDS.items():
        rows = _below(kind, child_ids, [master_id, *child_ids])
        ids: dict[str, list[Any]] = {}
        for child_id, pk in rows.order_by("pk").values_list(f"{column}_id", "pk"):
            ids.setdefault(str(child_id), []).append(pk if isinstance(pk, int) else str(pk))
        if ids:
            moved[kind] = ids
            rows.update(**{f"{column}_id": master_id})
    return moved


def _move_back(merge: Merge, children: Collection[int]) -> None:
    """Those that are still with the master."""
    for kind, ids in merge.moved.items():
        model, column = _RECORDS[kind]
        for child_id in children:
            for pks in _chunks(ids.get(str(child_id), [])):
                rows = model.objects.filter(pk__in=pks, **{f"{column}_id": merge.master_id})
                rows.update(**{f"{column}_id": child_id})


def _chunks(pks: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(pks), CHUNK):
        yield pks[start : start + CHUNK]


# --- what the master was ---------------------------------------------------------------------------------------------


def _restore(master: Lead, changes: Mapping[str, Sequence[Any]]) -> list[str]:
    """Give the master what it had where the merge's own value still stands; returns the keys of which it does not."""
    now, kept, customs = state(master), [], dict(master.custom_fields)
    there = list(Lead.with_merged.filter(merged_into=master))
    for key, (was, became) in changes.items():
        field = BY_KEY.get(key)
        if field is not None and field.kind == "labels":
            brought = {folded(name) for name in became} - {folded(name) for name in was}
            brought -= {folded(name) for child in there for name in child.get(key)}
            master.set(key, [name for name in now[key] if folded(name) not in brought])
        elif field is not None and field.kind == "integer" and field.measured:
            # Messages that came since are the master's own.
            left = (now[key] or 0) - ((became or 0) - (was or 0))
            master.set(key, was if now[key] == became else max(left, 0))
        elif now.get(key) != became or not _is_there(master, key, was):
            if now.get(key) != was:
                kept.append(key)
        elif field is not None:
            for each, value in _placed(master, {key: was}).items():
                master.set(each, value)
        elif key.startswith(_CUSTOM):
            customs = {name: value for name, value in customs.items() if f"{_CUSTOM}{name}" != key}
            if was is not None:
                customs[key.removeprefix(_CUSTOM)] = was
        else:
            master.full_name_derived = was
    master.custom_fields = customs
    master.save()
    return kept


def _is_there(master: Lead, key: str, value: Any) -> bool:
    """Whether the lead may name this again: what it named may have been deleted since."""
    field = BY_KEY.get(key)
    if value is None or field is None or field.kind != "reference":
        return True
    if key == "pipeline_stage_id":
        return setups.of(master.account_id).stage(value) is not None
    if key == "parent_id" and descends(value, [master.pk]):
        return False
    related: Any = Lead._meta.get_field(key).related_model
    return bool(related._default_manager.filter(pk=value).exists())
