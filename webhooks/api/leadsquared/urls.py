"""Addresses below /v2/: in any case, as LeadSquared's are, and with or without a slash at the end."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from webhooks.api.leadsquared.views import Create, Delete, Elsewhere, Retrieve, Update

_CALLS: Final = {f"webhook.svc/{view.__name__.lower()}": view.as_view() for view in (Create, Update, Retrieve, Delete)}
_elsewhere: Final = Elsewhere.as_view()


@csrf_exempt
def service(request: HttpRequest, place: str = "") -> HttpResponseBase:
    """Nothing of a browser signs in here, so that no page can act for its reader."""
    return _CALLS.get(place.lower().removesuffix("/"), _elsewhere)(request)


urlpatterns = [path("", service), path("<path:place>", service)]
