"""Merging leads: /api/v1/leads/{id}/merge, /api/v1/merges, .../{id} and .../{id}/undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem
from leads.api.leads import find, wire
from leads.api.permissions import READING, Need, needs
from leads.api.resource import Listed, Resource, Retrieved
from leads.api.view import LARGEST_ID, View, unknown_keys
from leads.changes import unit
from leads.fields import BY_KEY, FIELDS
from leads.merge import CHOSEN, MOST_CHILDREN, merge, obstacle, undo
from leads.models import Merge
from leads.models.apikey import Scope as KeyScope
from leads.validation import blank_to_none, in_seconds

_MERGING: Final = Need(KeyScope.LEADS_WRITE, "leads.merge_lead")
# What `values` may hold: what PATCH takes, but for labels, which are united.
_CHOSEN: Final = {
    field.wire: field.key
    for field in FIELDS
    if field.writeable and field.key in (*CHOSEN, "pipeline_id", "stage", "custom_fields")
}


class MergeLeads(View):
    needs: ClassVar[Mapping[str, Need]] = {"POST": _MERGING}

    def post(self, request: Request, pk: str) -> Response:
        sent = self.sent
        with unit():
            lead = find(self, pk)
            faults = unknown_keys(sent, ("children", "values"), "a merge")
            children, values = sent.get("children"), sent.get("values")
            if not _is_ids(children):
                faults.append(Fault("children", "children", f"must be an array of 1 to {MOST_CHILDREN} ids of leads"))
            faults += _faults(values)
            if faults:
                raise Problem(400, faults=faults)
            given = blank_to_none({_CHOSEN[key]: value for key, value in (values or {}).items()})
            merged = merge(self.scope, lead.pk, children or [], given)
        lead.refresh_from_db()
        body = wire_merge(merged) | {"lead": wire(lead)}
        return Response(body, status=201, headers={"Location": reverse("merge", args=[merged.pk])})


def _is_ids(given: object) -> bool:
    return isinstance(given, list) and all(type(pk) is int and 0 < pk <= LARGEST_ID for pk in given)


def _faults(values: object) -> list[Fault]:
    if values is None:
        return []
    if not isinstance(values, dict):
        return [Fault("values", "object", "must be an object of the lead's keys")]
    faults = unknown_keys(values, _CHOSEN, "the values of a merge")
    if not isinstance(values.get("custom_fields", {}), dict):
        faults.append(Fault("custom_fields", "object", "must be an object of custom fields, by their keys"))
    return faults


class MergeResource(Resource):
    model = Merge

    def records(self) -> QuerySet[Any]:
        return self.scope.merges().select_related("master")

    def wire(self, record: Merge) -> dict[str, Any]:
        return wire_merge(record)


class Merges(MergeResource, Listed):
    needs = needs("lead", KeyScope.LEADS_READ, KeyScope.LEADS_WRITE, READING)


class OneMerge(MergeResource, Retrieved):
    needs = needs("lead", KeyScope.LEADS_READ, KeyScope.LEADS_WRITE, READING)


class UndoMerge(MergeResource):
    needs: ClassVar[Mapping[str, Need]] = {"POST": _MERGING}

    def post(self, request: Request, pk: str) -> Response:
        faults = unknown_keys(self.sent, (), "the undoing of a merge")
        if faults:
            raise Problem(400, faults=faults)
        with unit():
            found = self.find(pk)
            if (reason := obstacle(found)) is not None:
                raise Problem(409, f"Merge {found.pk} {reason}.", code="not_undone")
            undone = undo(found)
        return Response(wire_merge(undone.merge) | {"kept": [_path(key) for key in undone.kept]})


def wire_merge(merge: Merge) -> dict[str, Any]:
    return {
        "id": merge.pk,
        "master_id": merge.master_id,
        "children": merge.children,
        "merged_at": in_seconds(merge.merged_at),
        "merged_by": merge.merged_by,
        "undo_until": in_seconds(merge.undo_until),
        "undone_at": in_seconds(merge.undone_at) if merge.undone_at is not None else None,
        "undone_by": merge.undone_by or None,
    }


def _path(key: str) -> str:
    return BY_KEY[key].wire if key in BY_KEY else key
