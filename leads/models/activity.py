"""What happened with a lead or a company: calls, meetings, sales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models import F
from django.utils import timezone

from leads.changes import Row, unit
from leads.models.company import Company
from leads.models.entity import (
    NAMES_OF_LEAD,
    NAMES_OF_MAKER,
    Entity,
    MadeBySomebody,
    OfLead,
    Source,
    person_names,
    told_person,
)
from leads.models.kind import ActivityKind, ActivityType, value_fault
from leads.models.lead import Lead
from leads.models.user import User

_OF_TYPE: Mapping[str, Source] = {
    "type_id": "type_id",
    "type": "type_name",
    "type_code": "type_code",
    "type_kind": "type_kind",
}
_WHAT: Mapping[str, Source] = {
    "status": "status",
    "note": "note",
    "score": "score",
    "happened_at": "happened_at",
    # Every field of the type, in the type's order: its place is its number.
    "fields": lambda row: {label: row["fields"].get(label) for label in row["type_fields"]},
    **told_person("owner"),
    **told_person("created_by"),
}
_FOLLOW: Mapping[str, Sequence[str]] = {
    "owner_id": ("owner", "owner_name"),
    "type_id": ("type", "type_code", "type_kind"),
    "created_by_id": NAMES_OF_MAKER,
}
_WHERE: Mapping[str, Source] = {
    "office_id": "office_id",
    "account_id": "account_id",
    "account_name": "account_name",
    "created_at": "created_at",
    "modified_at": "modified_at",
}


class AnyActivity(MadeBySomebody, Entity):
    """What activities of leads and of companies have in common."""

    ours = {"type": "type__account_id", "owner": "owner__membership__account_id"}

    status = models.CharField(max_length=50, null=True, blank=True)
    note = models.TextField(max_length=10_000, null=True, blank=True)
    score = models.IntegerField(default=0)
    happened_at = models.DateTimeField(default=timezone.now)
    fields = models.JSONField(default=dict, blank=True)

    class Meta(Entity.Meta):
        abstract = True
        ordering = ["-happened_at", "-id"]

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        of_type = {f"type_{name}": F(f"type__{name}") for name in ("name", "code", "kind", "fields")}
        return {**super().names(), **of_type, **person_names("owner"), **person_names("created_by")}

    @classmethod
    def faults(cls, before: Row | None, after: Row) -> Mapping[str, str]:
        fault = value_fault(after["fields"], after["type_fields"])
        return {"fields": fault} if fault else {}

    @classmethod
    def title(cls, row: Row) -> str:
        return str(row["type_name"])


class Activity(AnyActivity, OfLead):
    """Of a lead. A sales activity has events of its own, and can be cancelled."""

    record_name = "activity"
    noun = "activity"
    told = {
        "id": "id",
        "lead_id": "lead_id",
        "lead_name": "lead_name",
        "lead_email": "lead_email",
        **_OF_TYPE,
        **_WHAT,
        "cancelled_at": "cancelled_at",
        **_WHERE,
    }
    follow = {**_FOLLOW, "lead_id": NAMES_OF_LEAD}
    ours = {**AnyActivity.ours, "lead": "lead__account_id"}

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="activities")
    type = models.ForeignKey(ActivityType, on_delete=models.PROTECT, related_name="activities")
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="activities", null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, editable=False)

    class Meta(AnyActivity.Meta):
        verbose_name_plural = "activities"
        indexes = [
            models.Index(fields=["lead", "-happened_at", "-id"], name="activity_of_lead"),
            models.Index(fields=["account", "-happened_at", "-id"], name="activity_newest"),
        ]

    def __str__(self) -> str:
        return str(self.type)

    @property
    def is_sale(self) -> bool:
        return self.type.kind == ActivityKind.SALES

    @property
    def can_be_cancelled(self) -> bool:
        return self.is_sale and self.cancelled_at is None

    def cancel(self) -> None:
        """A sales activity; ValidationError for any other. One that was cancelled before stays as it is."""
        with unit() as work:
            self.refresh_from_db(from_queryset=Activity.objects.select_for_update(of=("self",)))
            if self.cancelled_at is None:
                self.cancelled_at = work.now
                self.save()

    @classmethod
    def faults(cls, before: Row | None, after: Row) -> Mapping[str, str]:
        faults = dict(super().faults(before, after))
        if after["type_kind"] == ActivityKind.COMPANY:
            faults["type"] = "must be a type for leads"
        elif before is not None and (before["type_kind"] == ActivityKind.SALES) != (
            after["type_kind"] == ActivityKind.SALES
        ):
            faults["type"] = "cannot be changed to or from a sales activity"
        if after["cancelled_at"] is not None and after["type_kind"] != ActivityKind.SALES:
            faults["cancelled_at"] = "is for sales activities only"
        return faults

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        row = after or before or {}
        noun = "sales_activity" if row["type_kind"] == ActivityKind.SALES else cls.noun
        if before is None:
            return [f"{noun}.created"]
        if after is None:
            return []
        cancelled = [f"{noun}.cancelled"] if after["cancelled_at"] and not before["cancelled_at"] else []
        return cancelled or [f"{noun}.updated"]


class CompanyActivity(AnyActivity):
    record_name = "company_activity"
    noun = "account_activity"
    told = {
        "id": "id",
        "company_id": "company_id",
        "company_name": "company_name",
        **_OF_TYPE,
        **_WHAT,
        **_WHERE,
    }
    follow = {**_FOLLOW, "company_id": ("company_name",)}
    ours = {**AnyActivity.ours, "company": "company__account_id"}

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="activities")
    type = models.ForeignKey(ActivityType, on_delete=models.PROTECT, related_name="company_activities")
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)

    class Meta(AnyActivity.Meta):
        verbose_name = "company activity"
        verbose_name_plural = "company activities"
        indexes = [models.Index(fields=["company", "-happened_at", "-id"], name="activity_of_company")]

    def __str__(self) -> str:
        return str(self.type)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.account_id is None and self.company_id is not None:
            self.account_id = self.company.account_id
        super().save(*args, **kwargs)

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {**super().names(), "company_name": F("company__name")}

    @classmethod
    def faults(cls, before: Row | None, after: Row) -> Mapping[str, str]:
        faults = dict(super().faults(before, after))
        if after["type_kind"] != ActivityKind.COMPANY:
            faults["type"] = "must be a type for companies"
        return faults

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        return [] if after is None else super().event_types(before, after, changes)
