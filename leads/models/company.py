"""Companies: organisations that leads belong to, which LeadSquared calls accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from leads.models.entity import Entity, person_names, told_person
from leads.models.user import User


class Company(Entity):
    record_name = "company"
    noun = "account"
    told = {
        "id": "id",
        "name": "name",
        "type": "type",
        "industry": "industry",
        "email": "email",
        "phone": "phone",
        "website": "website",
        "address": "address",
        "city": "city",
        "postcode": "postcode",
        "country": "country",
        "number_of_employees": "number_of_employees",
        "notes": "notes",
        **told_person("owner"),
        "account_id": "account_id",
        "account_name": "account_name",
        "created_at": "created_at",
        "modified_at": "modified_at",
    }
    follow = {"owner_id": ("owner", "owner_name")}
    ours = {"owner": "owner__membership__account_id"}

    name = models.CharField(max_length=200)
    type = models.CharField(max_length=100, null=True, blank=True)
    industry = models.CharField(max_length=100, null=True, blank=True)
    email = models.EmailField(max_length=254, null=True, blank=True)
    phone = models.CharField(max_length=50, null=True, blank=True)
    website = models.CharField(max_length=500, null=True, blank=True)
    address = models.CharField(max_length=500, null=True, blank=True)
    city = models.CharField(max_length=100, null=True, blank=True)
    postcode = models.CharField(max_length=20, null=True, blank=True)
    country = models.CharField(max_length=100, null=True, blank=True)
    number_of_employees = models.PositiveIntegerField("employees", null=True, blank=True)
    notes = models.TextField(max_length=10_000, null=True, blank=True)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="companies", null=True, blank=True)

    class Meta(Entity.Meta):
        verbose_name_plural = "companies"
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["account", "name"], name="company_name")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {**super().names(), **person_names("owner")}
