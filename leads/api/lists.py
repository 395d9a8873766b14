"""Lists: /api/v1/lists and .../{id}."""

from __future__ import annotations

from leads.api.labels import SCOPES, LabelResource
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.models import LeadList


class Lists(LabelResource, Many):
    model = LeadList
    needs = needs("leadlist", *SCOPES, MANY)


class OneList(LabelResource, One):
    model = LeadList
    needs = needs("leadlist", *SCOPES, ONE)
