"""Leads: /api/v1/leads, .../{id} and .../{id}/refer.

The catalogue (leads/fields.py) says which keys there are, what they hold and who may set them: LeadPro's first, in its
names and its order, then ours and LeadEngine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from leads import intake
from leads import setup as setups
from leads.api import filters, pagination
from leads.api.errors import Fault, Problem, faults_of, missing
from leads.api.permissions import Need
from leads.api.view import View, id_of, unknown_keys
from leads.changes import unit
from leads.fields import BY_KEY, BY_WIRE, EMPTY, FIELDS
from leads.merge import what_became_of
from leads.models import Lead
from leads.models.apikey import Scope as KeyScope
from leads.models.lead import keep_parent_open
from leads.refer import refer
from leads.setup import Setup
from leads.validation import blank_to_none

USUAL_SOURCE = "homepage"


class Leads(View):
    needs: ClassVar[Mapping[str, Need]] = {
        "GET": Need(KeyScope.LEADS_READ, "leads.view_lead"),
        "POST": Need(KeyScope.LEADS_WRITE, "leads.add_lead"),
    }
    parameters = (*filters.FILTERS, *pagination.PARAMETERS)

    def get(self, request: Request) -> Response:
        leads = self.scope.leads().filter(filters.condition(request.query_params))
        page = pagination.page(leads, ("created_at", "id"), request)
        return Response(pagination.listed(request, page, wired(page.rows)))

    def post(self, request: Request) -> Response:
        with unit():
            lead = Lead(account=self.account)
            store(self, lead, self.sent)
        return Response(wire(lead), status=201, headers={"Location": f"{request.path.rstrip('/')}/{lead.pk}"})


class OneLead(View):
    needs: ClassVar[Mapping[str, Need]] = {
        "GET": Need(KeyScope.LEADS_READ, "leads.view_lead"),
        "PATCH": Need(KeyScope.LEADS_WRITE, "leads.change_lead"),
        "DELETE": Need(KeyScope.LEADS_WRITE, "leads.delete_lead"),
    }

    def get(self, request: Request, pk: str) -> Response:
        return Response(wire(find(self, pk)))

    def patch(self, request: Request, pk: str) -> Response:
        with unit():
            number, parent = id_of(pk), id_of(str(self.sent.get(BY_KEY["parent_id"].wire)))
            if number is not None and parent is not None:
                keep_parent_open(parent, number, DEFAULT_DB_ALIAS)
            lead = find(self, pk, lock=True)
            store(self, lead, self.sent)
        return Response(wire(lead))

    def delete(self, request: Request, pk: str) -> Response:
        with unit():
            find(self, pk, lock=True).delete()
        return Response(status=204)


class Refer(View):
    """To any office of the account, also one that the key's maker does not see: the lead is then out of their reach."""

    needs: ClassVar[Mapping[str, Need]] = {"POST": Need(KeyScope.LEADS_WRITE, "leads.change_lead")}

    def post(self, request: Request, pk: str) -> Response:
        sent = self.sent
        with unit():
            lead = find(self, pk)
            faults = unknown_keys(sent, ("office_id",), "a referral")
            if sent.get("office_id") is None:
                faults.append(Fault("office_id", "required", "is required"))
            if faults:
                raise Problem(400, faults=faults)
            try:
                lead = refer(lead, sent["office_id"])
            except Lead.DoesNotExist:
                raise missing("lead") from None
        return Response(wire(lead))


def find(view: View, pk: str, lock: bool = False) -> Lead:
    """The lead of this id within the key's reach; locked, it is the one that is being changed until the unit ends."""
    leads = view.scope.leads().select_related("account", "office", "owner", "pipeline", "pipeline_stage", "company")
    if lock:
        leads = leads.select_for_update(of=("self",), no_key=True)
    number = id_of(pk)
    lead = leads.filter(pk=number).first() if number is not None else None
    if lead is None:
        raise _gone(view, number)
    return lead


def _gone(view: View, pk: int | None) -> Problem:
    """Also of a lead that was merged, unless what it is a part of now lies within the key's reach."""
    master = what_became_of(pk, view.scope) if pk is not None else None
    if master is None:
        return missing("lead")
    address = {"Location": reverse("lead", args=[master.pk])}
    return Problem(410, f"Lead {pk} was merged into lead {master.pk}.", headers=address)


def store(view: View, lead: Lead, sent: Mapping[str, Any]) -> None:
    """Lay what was sent over the lead, judge the whole and save it. Raises Problem 400, naming every fault."""
    before = None if lead.pk is None else lead.values()
    faults = unknown_keys(sent, BY_WIRE, "a lead")
    given = _given(sent, before, setups.of(lead.account_id))
    if before is None:
        given.setdefault("source", USUAL_SOURCE)
        given.setdefault("office_id", view.scope.only_office(view.account.pk))
    faults += faults_of(intake.put(lead, given, before, view.scope, leads_api=True))
    if faults:
        raise Problem(400, faults=faults)
    lead.save()


def _given(sent: Mapping[str, Any], before: Mapping[str, Any] | None, setup: Setup) -> dict[str, Any]:
    """What was sent that the writer may set, by catalogue key."""
    given = blank_to_none(
        {
            field.key: sent[field.wire]
            for field in FIELDS
            if field.wire in sent and field.writeable and (before is None or not field.post_only)
        }
    )
    if before is None:
        # null is "not given" as well.
        given = {key: value for key, value in given.items() if value is not None}
    for key, value in given.items():
        empty = EMPTY.get(BY_KEY[key].kind)
        if value is None and empty is not None:
            given[key] = empty.copy()
    if isinstance(custom := sent.get("custom_fields"), dict):
        # Key by key. Clearing what was never set stores nothing.
        stored = before["custom_fields"] if before else {}
        unset = {key for key in setup.definitions if key not in stored and custom.get(key) is None}
        given["custom_fields"] = {**stored, **{key: value for key, value in custom.items() if key not in unset}}
    return given


def wire(lead: Lead) -> dict[str, Any]:
    return wired([lead])[0]


def wired(leads: Sequence[Lead]) -> list[dict[str, Any]]:
    """Every key of the catalogue, null when unset: what events of the leads carry, under LeadPro's names."""
    rows = Lead.rows(DEFAULT_DB_ALIAS, [lead.pk for lead in leads])
    return [_wire(Lead.snapshot(rows[lead.pk], {})) for lead in leads if lead.pk in rows]


def _wire(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {field.wire: _plain(field.kind, snapshot[field.key]) for field in FIELDS}


def _plain(kind: str, value: Any) -> Any:
    """Whole numbers without a fraction: 10000, never 10000.0; labels by their names."""
    if kind == "labels":
        return [one["name"] if isinstance(one, dict) else one for one in value]
    return _whole(value)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
