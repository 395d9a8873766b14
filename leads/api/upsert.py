"""Leads that may be there already: POST /api/v1/leads/upsert changes the one that is known, or makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from leads import intake
from leads import setup as setups
from leads.api.errors import Fault, Problem, faults_of
from leads.api.leads import USUAL_SOURCE, wire
from leads.api.permissions import Need
from leads.api.view import View, unknown_keys
from leads.fields import BY_WIRE, FIELDS
from leads.models.apikey import Scope as KeyScope
from leads.validation import judge_value

_KEYS = ("match", "update", "protected", "lead")
_CUSTOM_FIELDS = BY_WIRE["custom_fields"]
_UPDATES = [code for code, _ in intake.UPDATES]


class Upsert(View):
    """By whichever key it is known, within the reach of the key: a lead of another office is none."""

    needs: ClassVar[Mapping[str, Need]] = {"POST": Need(KeyScope.LEADS_WRITE, "leads.add_lead")}

    def post(self, request: Request) -> Response:
        if not request.user.has_perm("leads.change_lead"):
            raise Problem(403, "The maker of this API key lacks the permission leads.change_lead.")
        given, policy, faults = self._read()
        if faults:
            raise Problem(400, faults=faults)
        try:
            taken = intake.take(self.account.pk, given, policy, self.scope)
        except intake.Refused as refused:
            raise Problem(400, faults=[_within(fault) for fault in faults_of(refused.violations)]) from None
        created = taken.action == "created"
        headers = {"Location": reverse("lead", args=[taken.lead.pk])} if created else {}
        return Response({"action": taken.action, "lead": wire(taken.lead)}, 201 if created else 200, headers=headers)

    def _read(self) -> tuple[dict[str, Any], intake.Policy, list[Fault]]:
        sent = self.sent
        faults = unknown_keys(sent, _KEYS, "an upsert")
        match, update, protected = (_given(sent, key, usual) for key, usual in _DEFAULTS.items())
        matchable = intake.matchable(setups.of(self.account.pk))
        if not isinstance(match, str) or match not in matchable:
            faults.append(Fault("match", "match", f"must be one of {', '.join(matchable)}"))
        if update not in _UPDATES:
            faults.append(Fault("update", "choice", f"must be one of {', '.join(_UPDATES)}"))
        if not isinstance(protected, list | tuple) or not all(isinstance(one, str) for one in protected):
            faults.append(Fault("protected", "texts", "must be an array of names of fields"))
            protected = []
        policy = replace(_USUAL, match=str(match), update=str(update), protected=frozenset(map(_key, protected)))
        lead = sent.get("lead")
        if not isinstance(lead, dict):
            return {}, policy, [*faults, Fault("lead", "object", "must be an object, the fields of a lead")]
        faults += [_within(fault) for fault in unknown_keys(lead, BY_WIRE, "a lead")]
        customs = _given(lead, "custom_fields", {})
        if (violation := judge_value(_CUSTOM_FIELDS, customs)) is not None:
            faults += map(_within, faults_of([violation]))
            customs = {}
        given = {field.key: lead[field.wire] for field in FIELDS if field.wire in lead and _is_given(field)}
        return given | {f"{intake.CUSTOM}{key}": value for key, value in customs.items()}, policy, faults


_DEFAULTS: Mapping[str, Any] = {"match": "business_email", "update": _UPDATES[0], "protected": ()}
_USUAL = intake.Policy(source=USUAL_SOURCE, leads_api=True)


def _given(sent: Mapping[str, Any], key: str, usual: Any) -> Any:
    """null is "not given" as well."""
    return usual if sent.get(key) is None else sent[key]


def _is_given(field: Any) -> bool:
    """What is read-only is ignored, so that what was read can be sent back."""
    return bool(field.writeable and field.kind != "custom")


def _key(name: str) -> str:
    """The catalogue's, of a name in the API."""
    return BY_WIRE[name].key if name in BY_WIRE else name


def _within(fault: Fault) -> Fault:
    return Fault(f"lead.{fault.field}" if fault.field else "lead", fault.rule, fault.message)
