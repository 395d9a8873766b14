"""Activities of leads: /api/v1/activities and .../{id}, and those of one lead: /api/v1/leads/{id}/activities.

A sales activity has an address to cancel it: POST .../cancel, with an empty object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem
from leads.api.filters import Filters, by_id, moment
from leads.api.of_lead import SCOPES, OfLeadResource, OfOneLead
from leads.api.permissions import MANY, ONE, Need, needs
from leads.api.resource import Many, One
from leads.api.shape import key_of
from leads.api.view import unknown_keys
from leads.changes import unit
from leads.models import Activity, ActivityType
from leads.models.apikey import Scope as KeyScope
from leads.models.kind import ActivityKind

_KEYS = tuple(key_of(Activity, name) for name in ("type", "status", "note", "score", "happened_at", "owner", "fields"))
FILTERS: Final[Filters] = {
    "type_id": by_id("type_id", "an activity type"),
    "status": lambda value: Q(status=value),
    "owner_id": by_id("owner_id", "a user"),
    "happened_after": moment("happened_at__gte"),
    "happened_before": moment("happened_at__lt"),
}


class ActivityResource(OfLeadResource):
    model = Activity
    keys = (key_of(Activity, "lead", fixed=True), *_KEYS)
    order = ("happened_at", "id")
    words = "an activity type of the account, for leads"

    def kinds(self) -> QuerySet[Any]:
        return ActivityType.objects.filter(account=self.account).exclude(kind=ActivityKind.COMPANY)

    def type_faults(self, activity: Activity, stored: Activity | None) -> list[Fault]:
        if stored is not None and stored.is_sale != activity.is_sale:
            return [Fault("type_id", "fixed", "cannot be changed to or from a sales activity")]
        return []


class Activities(ActivityResource, Many):
    needs = needs("activity", *SCOPES, MANY)
    filters: ClassVar[Filters] = {"lead_id": by_id("lead_id", "a lead"), **FILTERS}


class LeadActivities(ActivityResource, OfOneLead):
    one = "activity"
    needs = needs("activity", *SCOPES, MANY)
    keys = _KEYS
    filters: ClassVar[Filters] = FILTERS


class OneActivity(ActivityResource, One):
    needs = needs("activity", *SCOPES, ONE)


class CancelActivity(ActivityResource):
    """One that was cancelled before is answered as it is."""

    needs: ClassVar[Mapping[str, Need]] = {"POST": Need(KeyScope.CRM_WRITE, "leads.change_activity")}

    def post(self, request: Request, pk: str) -> Response:
        with unit():
            activity: Activity = self.find(pk, lock=True)
            if faults := unknown_keys(self.sent, (), "this request"):
                raise Problem(400, faults=faults)
            if not activity.is_sale:
                raise Problem(409, "This is no sales activity: only those are cancelled.", code="no_sale")
            activity.cancel()
        return Response(self.wire(activity))
