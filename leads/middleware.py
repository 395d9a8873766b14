"""Who acts in a request, for the facts of its changes."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from leads.changes import acting
from leads.models import ApiKey
from leads.signals import SYSTEM, Actor


def actor_of(request: HttpRequest) -> Actor:
    key = getattr(request, "auth", None)
    if isinstance(key, ApiKey):
        return Actor("api_key", key.pk, key.name)
    user = getattr(request, "user", None)
    return Actor("user", user.pk, str(user)) if user is not None and user.is_authenticated else SYSTEM


def actor(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        # Asked late: the API signs its callers in only within the view.
        with acting(lambda: actor_of(request)):
            return get_response(request)

    return middleware
