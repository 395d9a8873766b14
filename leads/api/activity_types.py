"""Activity types: /api/v1/activity-types and .../{id}."""

from __future__ import annotations

from leads.api.kinds import SCOPES, KindResource
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import key_of
from leads.models import ActivityType


class ActivityTypeResource(KindResource):
    model = ActivityType
    keys = tuple(key_of(ActivityType, name) for name in ("name", "code", "kind", "fields"))


class ActivityTypes(ActivityTypeResource, Many):
    needs = needs("activitytype", *SCOPES, MANY)


class OneActivityType(ActivityTypeResource, One):
    needs = needs("activitytype", *SCOPES, ONE)
