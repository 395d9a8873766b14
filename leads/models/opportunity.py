"""Opportunities: what a lead may buy, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import F

from leads.changes import Row
from leads.models.company import Company
from leads.models.entity import NAMES_OF_LEAD, NAMES_OF_MAKER, MadeBySomebody, OfLead, person_names, told_person
from leads.models.kind import OpportunityType, value_fault
from leads.models.lead import Lead
from leads.models.product import Product
from leads.models.user import User


class OpportunityStatus(models.TextChoices):
    OPEN = "open", "Open"
    WON = "won", "Won"
    LOST = "lost", "Lost"


class Opportunity(MadeBySomebody, OfLead):
    record_name = "opportunity"
    noun = "opportunity"
    told = {
        "id": "id",
        "name": "name",
        "lead_id": "lead_id",
        "lead_name": "lead_name",
        "lead_email": "lead_email",
        "company_id": "company_id",
        "company_name": "company_name",
        "type_id": "type_id",
        "type": "type_name",
        "type_code": "type_code",
        "stage": "stage",
        "status": "status",
        "value": "value",
        "expected_on": "expected_on",
        "product_id": "product_id",
        "product": "product_name",
        "description": "description",
        "fields": lambda row: {label: row["fields"].get(label) for label in row["type_fields"]},
        **told_person("owner"),
        **told_person("created_by"),
        "office_id": "office_id",
        "account_id": "account_id",
        "account_name": "account_name",
        "created_at": "created_at",
        "modified_at": "modified_at",
    }
    follow = {
        "lead_id": NAMES_OF_LEAD,
        "created_by_id": NAMES_OF_MAKER,
        "owner_id": ("owner", "owner_name"),
        "type_id": ("type", "type_code"),
        "company_id": ("company_name",),
        "product_id": ("product",),
    }
    ours = {
        "lead": "lead__account_id",
        "company": "company__account_id",
        "type": "type__account_id",
        "product": "product__account_id",
        "owner": "owner__membership__account_id",
    }

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="opportunities")
    company = models.ForeignKey(Company, on_delete=models.SET_NULL, related_name="opportunities", null=True, blank=True)
    type = models.ForeignKey(OpportunityType, on_delete=models.PROTECT, related_name="opportunities")
    name = models.CharField(max_length=200)
    stage = models.CharField(max_length=100)
    status = models.CharField(max_length=4, choices=OpportunityStatus.choices, default=OpportunityStatus.OPEN)
    value = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    expected_on = models.DateField("expected", null=True, blank=True)
    product = models.ForeignKey(Product, on_delete=models.SET_NULL, related_name="opportunities", null=True, blank=True)
    description = models.TextField(max_length=10_000, null=True, blank=True)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="opportunities", null=True, blank=True)
    fields = models.JSONField(default=dict, blank=True)

    class Meta(OfLead.Meta):
        verbose_name_plural = "opportunities"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["lead", "-id"], name="opportunity_of_lead"),
            models.Index(fields=["account", "-created_at", "-id"], name="opportunity_newest"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {
            **super().names(),
            **{f"type_{name}": F(f"type__{name}") for name in ("name", "code", "fields", "stages")},
            "company_name": F("company__name"),
            "product_name": F("product__name"),
            **person_names("owner"),
            **person_names("created_by"),
        }

    @classmethod
    def faults(cls, before: Row | None, after: Row) -> Mapping[str, str]:
        faults = {}
        if fault := value_fault(after["fields"], after["type_fields"]):
            faults["fields"] = fault
        kept = before is not None and all(before[key] == after[key] for key in ("stage", "type_id"))
        if not kept and after["stage"] not in after["type_stages"]:
            faults["stage"] = f"must be a stage of {after['type_name']}: {', '.join(after['type_stages'])}"
        return faults

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        told = super().event_types(before, after, changes)
        if before is None or after is None:
            return told
        moved = ["opportunity.stage_changed"] if changes.keys() & {"stage", "status"} else []
        return [*moved, "opportunity.field_changed", *told]
