"""Activities of a company: /api/v1/companies/{id}/activities and .../{id}, newest first."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from leads.api.errors import missing
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import key_of
from leads.api.typed import TypedResource
from leads.api.view import id_of
from leads.models import ActivityType, Company, CompanyActivity
from leads.models.apikey import Scope as KeyScope
from leads.models.kind import ActivityKind

_SCOPES = (KeyScope.CRM_READ, KeyScope.CRM_WRITE)


class CompanyActivityResource(TypedResource):
    model = CompanyActivity
    keys = tuple(
        key_of(CompanyActivity, name) for name in ("type", "status", "note", "score", "happened_at", "owner", "fields")
    )
    order = ("happened_at", "id")
    words = "an activity type of the account, for companies"

    @cached_property
    def company(self) -> Company:
        number = id_of(self.kwargs["company_pk"])
        company = Company.objects.filter(self.scope.in_account(), pk=number).first() if number is not None else None
        if company is None:
            raise missing("company")
        return company

    def records(self) -> QuerySet[Any]:
        return CompanyActivity.objects.filter(company=self.company)

    def new(self) -> CompanyActivity:
        return CompanyActivity(account=self.account, company=self.company)

    def kinds(self) -> QuerySet[Any]:
        return ActivityType.objects.filter(account=self.account, kind=ActivityKind.COMPANY)


class CompanyActivities(CompanyActivityResource, Many):
    needs = needs("companyactivity", *_SCOPES, MANY)


class OneCompanyActivity(CompanyActivityResource, One):
    needs = needs("companyactivity", *_SCOPES, ONE)
