"""What webhooks can subscribe to: GET /api/v1/webhook-events, by system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem
from leads.api.permissions import Need
from leads.api.view import View
from leads.models.apikey import Scope as KeyScope
from webhooks.dialects import DIALECTS, leadsquared
from webhooks.dialects.leadsquared.codes import NUMBERS
from webhooks.wire.dialect import Dialect

# Systems that number their events in an API of their own.
_NUMBERS: Mapping[str, Mapping[str, int]] = {leadsquared.DIALECT.name: NUMBERS}


class WebhookEvents(View):
    needs: ClassVar = {"GET": Need(KeyScope.WEBHOOKS_ADMIN, "webhooks.view_webhook")}
    parameters = ("system",)

    def get(self, request: Request) -> Response:
        wanted = request.query_params.get("system")
        if wanted is not None and wanted not in DIALECTS:
            raise Problem(400, faults=[Fault("system", "choice", f"must be one of {', '.join(DIALECTS)}")])
        return Response({"data": [_told(each) for each in DIALECTS.values() if wanted in (None, each.name)]})


def _told(dialect: Dialect) -> dict[str, Any]:
    numbers = _NUMBERS.get(dialect.name, {})
    events = [
        {"name": event, "label": dialect.in_words(event), "number": numbers.get(event)} for event in dialect.events
    ]
    return {"system": dialect.name, "label": dialect.label, "one_event": dialect.one_event, "events": events}
