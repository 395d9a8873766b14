"""What a lead's activities and opportunities have in common: a lead within the key's reach.

Each kind stands at two lists, all of them and those of one lead, and has its own address beside the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request

from leads.api.leads import find
from leads.api.resource import Many
from leads.api.shape import Offered
from leads.api.typed import TypedResource
from leads.models import Lead
from leads.models.apikey import Scope as KeyScope

SCOPES: Final = (KeyScope.CRM_READ, KeyScope.CRM_WRITE)


class OfLeadResource(TypedResource):
    def records(self) -> QuerySet[Any]:
        return self.model._default_manager.filter(self.scope.in_offices("lead__"))

    def offered(self) -> Mapping[str, Offered]:
        return {**super().offered(), "lead_id": Offered(self.scope.leads(), "a lead that you may see")}


class OfOneLead(OfLeadResource, Many):
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
