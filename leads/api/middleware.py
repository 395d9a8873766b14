"""What every answer under /api/ and /in/ has, whoever gave it: a request id, and the one error shape."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from leads.api.errors import Problem, body

ROOTS = ("/api/", "/in/")


def answers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The outermost middleware: refusals of the ones within (an unknown host, an unknown address) pass it as well."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not f"{request.path_info}/".startswith(ROOTS):
            return get_response(request)
        # Ours, not the caller's: what stands in logs must not come from outside.
        request.id = uuid.uuid4().hex  # type: ignore[attr-defined]
        response = get_response(request)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith("application/json"):
            response = _shaped(response.status_code, request)
        response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        response["Cache-Control"] = "no-store"
        return response

    return middleware


def _shaped(status: int, request: HttpRequest) -> HttpResponse:
    content = json.dumps(body(Problem(status), request.id), ensure_ascii=False)  # type: ignore[attr-defined]
    return HttpResponse(content, status=status, content_type="application/json")
