"""Companies: /api/v1/companies and .../{id}."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import Q

from leads.api.entities import EntityResource
from leads.api.filters import Filters, by_id
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import key_of
from leads.models import Company
from leads.models.apikey import Scope as KeyScope

_SCOPES = (KeyScope.CRM_READ, KeyScope.CRM_WRITE)


class CompanyResource(EntityResource):
    """To delete one ends its activities; its leads and opportunities stay, without a company."""

    model = Company
    keys = tuple(
        key_of(Company, name)
        for name in (
            "name",
            "type",
            "industry",
            "email",
            "phone",
            "website",
            "address",
            "city",
            "postcode",
            "country",
            "number_of_employees",
            "notes",
            "owner",
        )
    )


class Companies(CompanyResource, Many):
    filters: ClassVar[Filters] = {
        "name": lambda value: Q(name=value),
        "type": lambda value: Q(type=value),
        "owner_id": by_id("owner_id", "a user"),
    }
    needs = needs("company", *_SCOPES, MANY)


class OneCompany(CompanyResource, One):
    needs = needs("company", *_SCOPES, ONE)
