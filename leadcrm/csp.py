"""Which Content-Security-Policy a page gets: a strict one, and under /admin/ one that the admin's scripts live with."""

from collections.abc import Callable
from typing import Any

from csp.constants import HEADER, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

STRICT: dict[str, list[str]] = {
    "default-src": [NONE],
    "img-src": [SELF],
    "style-src": [SELF],
    "script-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "base-uri": [NONE],
}

# Unfold's Alpine evaluates expressions and sets styles, hence the two exceptions; nothing inline is a script.
ADMIN = STRICT | {
    "img-src": [SELF, "data:"],
    "style-src": [SELF, UNSAFE_INLINE],
    "script-src": [SELF, UNSAFE_EVAL],
}


class PolicyMiddleware(CSPMiddleware):
    """The policy of the settings is written once, and not for each answer; who asks for another one gets it."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._usual = build_policy()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        # Debug views are the parent's to tell apart.
        if settings.DEBUG or hasattr(request, "_csp_nonce") or any(name.startswith("_csp") for name in vars(response)):
            return super().process_response(request, response)
        response.setdefault(HEADER, self._usual)
        return response


def admin_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, below PolicyMiddleware, which reads what is left on the response here."""
    prefix = reverse("admin:index")

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(prefix):
            response._csp_replace = ADMIN  # type: ignore[attr-defined]
        return response

    return middleware
