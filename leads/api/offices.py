"""Offices: /api/v1/offices and .../{id}, with LeadPro's two keys, id and name."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from leads.api.errors import Problem
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One, Resource
from leads.api.shape import key_of
from leads.models import Lead, Office
from leads.models.apikey import Scope as KeyScope

_SCOPES = (KeyScope.OFFICES_READ, KeyScope.OFFICES_WRITE)


class OfficeResource(Resource):
    model = Office
    keys = (key_of(Office, "name"),)
    unique = "name"

    def records(self) -> QuerySet[Any]:
        return self.scope.offices()

    def new(self) -> Office:
        if not self.scope.whole_account:
            raise Problem(403, "The maker of this API key works in single offices and cannot add one.")
        return Office(account=self.account)

    def remove(self, office: Office) -> None:
        leads = Lead.objects.filter(office=office).count()
        if leads:
            raise Problem(
                409,
                f"{office.name} still has {leads:,} {'lead' if leads == 1 else 'leads'}: "
                "refer them to other offices first.",
                code="in_use",
            )
        office.delete()


class Offices(OfficeResource, Many):
    needs = needs("office", *_SCOPES, MANY)


class OneOffice(OfficeResource, One):
    needs = needs("office", *_SCOPES, ONE)
