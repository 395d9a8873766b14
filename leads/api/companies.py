"""Companies: /api/v1/companies and .../{id}."""

from __future__ import annotations

from leads.api.entities import EntityResource
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
    needs = needs("company", *_SCOPES, MANY)


class OneCompany(CompanyResource, One):
    needs = needs("company", *_SCOPES, ONE)
