"""Leads that may be the same person: /api/v1/leads/{id}/duplicates. They are merged by people only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from leads import duplicates
from leads.api.leads import find, wired
from leads.api.permissions import Need
from leads.api.view import View
from leads.models.apikey import Scope as KeyScope


class Duplicates(View):
    needs: ClassVar[Mapping[str, Need]] = {"GET": Need(KeyScope.LEADS_READ, "leads.view_lead")}

    def get(self, request: Request, pk: str) -> Response:
        found = duplicates.of(find(self, pk), self.scope)
        leads = {lead["id"]: lead for lead in wired([one.lead for one in found])}
        told = [{"reasons": one.reasons, "lead": leads[one.lead.pk]} for one in found if one.lead.pk in leads]
        return Response({"data": told})
