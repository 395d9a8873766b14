"""What activities and opportunities have in common: a lead within the key's reach, and a type with fields of its own.

Each kind stands at two lists, all of them and those of one lead, and has its own address beside the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api import filters, pagination
from leads.api.entities import EntityResource
from leads.api.errors import Fault
from leads.api.leads import find
from leads.api.resource import Many
from leads.api.shape import Offered
from leads.models import Lead
from leads.models.apikey import Scope as KeyScope
from leads.models.kind import value_fault

SCOPES: Final = (KeyScope.CRM_READ, KeyScope.CRM_WRITE)


class OfLeadResource(EntityResource):
    """A subclass names the types that its records may have: they are of the account, and `words` what they are."""

    model: ClassVar[Any]
    words: ClassVar[str]

    def kinds(self) -> QuerySet[Any]:
        raise NotImplementedError

    def records(self) -> QuerySet[Any]:
        return self.model._default_manager.filter(self.scope.in_offices("lead__"))

    def offered(self) -> Mapping[str, Offered]:
        leads = Offered(self.scope.leads(), "a lead that you may see")
        return {**super().offered(), "lead_id": leads, "type_id": Offered(self.kinds(), self.words)}

    def faults(self, record: Any, sent: Mapping[str, Any]) -> list[Fault]:
        stored = copy(record) if record.pk is not None else None
        if faults := super().faults(record, sent):
            return faults
        if stored is not None and stored.type_id != record.type_id:
            # What both types ask stays, and what only the other one asked goes.
            kept = {*record.type.fields, *(sent.get("fields") or ())}
            record.fields = {label: text for label, text in record.fields.items() if label in kept}
        fault = value_fault(record.fields, record.type.fields)
        return self.type_faults(record, stored) + ([Fault("fields", "fields", fault)] if fault else [])

    def type_faults(self, record: Any, stored: Any) -> list[Fault]:
        """What is wrong with the record beside its type; stored is the record as it was, None when it is new."""
        return []


class OfLeadMany(OfLeadResource, Many):
    filters: ClassVar[filters.Filters] = {}

    def get(self, request: Request, **place: str) -> Response:
        records = self.records().filter(filters.condition(request.query_params, self.filters))
        page = pagination.page(records, self.order, request)
        return Response(pagination.listed(request, page, self.wired(page.rows)))


class OfOneLead(OfLeadMany):
    """Of the lead in the address: it is not asked for again.

    one  the name of the address that each of them has
    """

    one: ClassVar[str]

    @cached_property
    def lead(self) -> Lead:
        return find(self, self.kwargs["lead_pk"])

    def records(self) -> QuerySet[Any]:
        return self.model._default_manager.filter(lead=self.lead)

    def new(self) -> Any:
        return self.model(account=self.account, lead=self.lead)

    def address(self, request: Request, record: Any) -> str:
        return reverse(self.one, args=[record.pk])
