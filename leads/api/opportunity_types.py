"""Opportunity types: /api/v1/opportunity-types and .../{id}, with the stages that their opportunities go through."""

from __future__ import annotations

from leads.api.kinds import SCOPES, KindResource
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import key_of
from leads.models import OpportunityType


class OpportunityTypeResource(KindResource):
    model = OpportunityType
    keys = tuple(key_of(OpportunityType, name) for name in ("name", "code", "stages", "fields"))


class OpportunityTypes(OpportunityTypeResource, Many):
    needs = needs("opportunitytype", *SCOPES, MANY)


class OneOpportunityType(OpportunityTypeResource, One):
    needs = needs("opportunitytype", *SCOPES, ONE)
