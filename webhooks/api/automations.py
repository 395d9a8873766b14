"""Rules and automations: /api/v1/automations, .../{id} and .../{id}/rehearse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem
from leads.api.permissions import MANY, ONE, Need
from leads.api.resource import Many, One, Resource
from leads.api.shape import key_of
from leads.api.view import unknown_keys
from leads.changes import unit
from leads.models.apikey import Scope as KeyScope
from leads.validation import in_seconds
from webhooks.api.filters import read_filters, refused
from webhooks.automation import records, steps
from webhooks.automation.rehearsal import rehearse
from webhooks.automation.world import World
from webhooks.models import Automation, Tally
from webhooks.wire.filter import read

_NEEDS: Final = {
    method: Need(KeyScope.WEBHOOKS_ADMIN, f"webhooks.{verb}_automation")
    for method, verb in {"GET": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}.items()
}
_TOLD: Final = ("created_at", "last_run_at", "runs")
_EVENT: Final = key_of(Automation, "event")


class AutomationResource(Resource):
    model = Automation
    keys = (
        key_of(Automation, "name"),
        key_of(Automation, "kind"),
        key_of(Automation, "is_active"),
        replace(_EVENT, field=replace(_EVENT.field, kind="choice", choices=records.CHOICES)),
    )

    def records(self) -> QuerySet[Any]:
        """They are the whole account's, as webhooks are."""
        found = super().records() if self.scope.whole_account else Automation.objects.none()
        return found.select_related("tally")

    def new(self) -> Automation:
        if not self.scope.whole_account:
            raise Problem(403, "The maker of this API key works in single offices and cannot add a rule.")
        return Automation(account=self.account)

    def store(self, automation: Automation, sent: Mapping[str, Any]) -> None:
        plain = {key: value for key, value in sent.items() if key not in ("conditions", "steps", *_TOLD)}
        found = self.faults(automation, plain)
        judged = automation.pk is None or not sent.keys().isdisjoint(("kind", "event", "conditions", "steps"))
        if not found and judged:
            found = self._judge(automation, sent)
        if found:
            raise Problem(400, faults=found)
        automation.save()

    def _judge(self, automation: Automation, sent: Mapping[str, Any]) -> list[Fault]:
        """Conditions and steps lean on the event, and the steps on the conditions."""
        world = World(automation.account_id, automation.event)
        given = sent.get("conditions", automation.conditions)
        automation.conditions, found = read_filters("conditions", given, lambda: world.fields)
        conditions = read(automation.conditions)
        stored, faults = steps.faults(
            automation.kind, automation.event, conditions, sent.get("steps", automation.steps), world
        )
        automation.steps = stored
        return found + [
            refused("steps" if number is None else f"steps.{number}", "step", sentence) for number, sentence in faults
        ]

    def wire(self, automation: Automation) -> dict[str, Any]:
        tally = getattr(automation, "tally", None) or Tally()
        return super().wire(automation) | {
            "conditions": automation.conditions,
            "steps": automation.steps,
            "created_at": in_seconds(automation.created_at),
            "last_run_at": in_seconds(tally.last_run_at) if tally.last_run_at else None,
            "runs": {what: getattr(tally, what) for what in ("done", "failed", "stopped", "unmet")},
        }


class Automations(AutomationResource, Many):
    needs = {method: _NEEDS[method] for method in MANY}


class OneAutomation(AutomationResource, One):
    needs = {method: _NEEDS[method] for method in ONE}


class Rehearse(AutomationResource):
    """What it would have done when the newest events of its type came. Nothing is done."""

    needs = {"POST": _NEEDS["PATCH"]}

    def post(self, request: Request, pk: str) -> Response:
        with unit():
            automation = self.find(pk)
            if faults := unknown_keys(self.sent, (), "a rehearsal"):
                raise Problem(400, faults=faults)
            try:
                conditions = automation.read_conditions
            except ValueError:
                raise Problem(400, "The conditions of this rule cannot be read. Set them anew.") from None
            lines = rehearse(automation.account_id, automation.event, conditions, automation.steps)
        return Response(
            {
                "events": len(lines),
                "matches": sum(line.matches for line in lines),
                "data": [
                    {
                        "event": line.event.uid,
                        "record": f"{line.event.record}/{line.event.record_id}",
                        "name": line.event.label,
                        "occurred_at": in_seconds(line.event.occurred_at),
                        "matches": line.matches,
                        "unmet": line.unmet or None,
                        "would": list(line.does),
                    }
                    for line in lines
                ],
            }
        )
