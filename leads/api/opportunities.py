"""Opportunities: /api/v1/opportunities and .../{id}, and those of one lead: /api/v1/leads/{id}/opportunities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.models import Q, QuerySet

from leads.api.errors import Fault
from leads.api.filters import Filters, by_id, moment, one_of
from leads.api.of_lead import SCOPES, OfLeadResource, OfOneLead
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import Offered, key_of
from leads.models import Company, Opportunity, OpportunityType, Product
from leads.models.opportunity import OpportunityStatus

_KEYS = tuple(
    key_of(Opportunity, name)
    for name in (
        *("type", "name", "company", "stage", "status", "value", "expected_on", "product", "owner", "description"),
        "fields",
    )
)
FILTERS: Final[Filters] = {
    "company_id": by_id("company_id", "a company"),
    "type_id": by_id("type_id", "an opportunity type"),
    "stage": lambda value: Q(stage=value),
    "status": one_of("status", OpportunityStatus.values),
    "owner_id": by_id("owner_id", "a user"),
    "created_after": moment("created_at__gte"),
    "created_before": moment("created_at__lt"),
}


class OpportunityResource(OfLeadResource):
    model = Opportunity
    keys = (key_of(Opportunity, "lead", fixed=True), *_KEYS)
    order = ("created_at", "id")
    words = "an opportunity type of the account"

    def kinds(self) -> QuerySet[Any]:
        return OpportunityType.objects.filter(account=self.account)

    def offered(self) -> Mapping[str, Offered]:
        companies = Company.objects.filter(account=self.account)
        products = Product.objects.filter(account=self.account, is_active=True)
        return {
            **super().offered(),
            "company_id": Offered(companies, "a company of the account"),
            "product_id": Offered(products, "an active product of the account"),
        }

    def type_faults(self, opportunity: Opportunity, stored: Opportunity | None) -> list[Fault]:
        # One that its type has lost may stay.
        kept = stored is not None and (stored.type_id, stored.stage) == (opportunity.type_id, opportunity.stage)
        stages = opportunity.type.stages
        if kept or opportunity.stage in stages:
            return []
        return [Fault("stage", "stage", f"must be a stage of {opportunity.type}: {', '.join(stages)}")]


class Opportunities(OpportunityResource, Many):
    needs = needs("opportunity", *SCOPES, MANY)
    filters: ClassVar[Filters] = {"lead_id": by_id("lead_id", "a lead"), **FILTERS}


class LeadOpportunities(OpportunityResource, OfOneLead):
    one = "opportunity"
    needs = needs("opportunity", *SCOPES, MANY)
    keys = _KEYS
    filters: ClassVar[Filters] = FILTERS


class OneOpportunity(OpportunityResource, One):
    needs = needs("opportunity", *SCOPES, ONE)
