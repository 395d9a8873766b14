"""Campaigns: /api/v1/campaigns and .../{id}."""

from __future__ import annotations

from leads.api.labels import SCOPES, LabelResource
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.models import Campaign


class Campaigns(LabelResource, Many):
    model = Campaign
    needs = needs("campaign", *SCOPES, MANY)


class OneCampaign(LabelResource, One):
    model = Campaign
    needs = needs("campaign", *SCOPES, ONE)
