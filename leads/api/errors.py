"""One shape for every error under /api/.

    {"status": 400, "code": "invalid", "message": "email is required.",
     "errors": [{"field": "email", "rule": "required", "message": "is required"}], "request_id": "5f3a..."}

`errors` holds one entry per broken rule, `field` being the path in the API's names (null when none is to blame), and is
empty when nothing of what was sent is to blame. `message` of an entry is a clause that follows the field's name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from leads.fields import BY_KEY
from leads.validation import Violation

log = logging.getLogger(__name__)

# Status -> (code, what is said when nobody knows better).
STATUSES: Mapping[int, tuple[str, str]] = {
    400: ("invalid", "This request cannot be understood."),
    401: ("unauthenticated", "Send an API key as Authorization: Bearer lck_... or as X-API-KEY: lck_..."),
    403: ("forbidden", "This API key may not do that."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This method is not allowed here."),
    409: ("conflict", "What this request builds on has changed meanwhile. Read it again."),
    410: ("merged", "This lead was merged into another one."),
    411: ("length_required", "Send the body with a Content-Length, not in chunks."),
    413: ("too_large", "The body is too large."),
    415: ("unsupported_media_type", "Send the body as application/json in UTF-8."),
    422: ("unprocessable", "What came breaks the rules of a lead."),
    500: ("error", "Something went wrong on our side. The request id tells us what."),
    503: ("unavailable", "The database does not answer. Try again in a moment."),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of `errors`."""

    field: str | None
    rule: str
    message: str


class Problem(exceptions.APIException):
    """An error with its place in the shape; faults make the message where none is given."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        code: str = "",
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        usual_code, usual_message = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
        self.status_code = status
        self.code = code or usual_code
        self.message = message or (_summary(faults) if faults else usual_message)
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        super().__init__(self.message, self.code)


def missing(noun: str) -> Problem:
    """The same words whether the record never was or lies beyond the key's reach."""
    return Problem(404, f"There is no such {noun}.")


def faults_of(violations: Iterable[Violation]) -> list[Fault]:
    """Broken rules of a lead, under the API's names."""
    return [Fault(_wire(violation.field), violation.rule, violation.message) for violation in violations]


def body(problem: Problem, request_id: str) -> dict[str, Any]:
    return {
        "status": problem.status_code,
        "code": problem.code,
        "message": problem.message,
        "errors": [asdict(fault) for fault in problem.faults],
        "request_id": request_id,
    }


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to whatever was raised within a view (REST framework's EXCEPTION_HANDLER)."""
    problem = problem_of(error)
    request_id = getattr(context["request"], "id", "")
    if problem.status_code >= 500:
        log.error("api: request %s failed", request_id, exc_info=error)
    headers = dict(problem.headers)
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    return Response(body(problem, request_id), status=problem.status_code, headers=headers)


def problem_of(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case ValidationError():
            return Problem(400, faults=_faults(error))
        case Http404() | exceptions.NotFound():
            return Problem(404)
        case PermissionDenied():
            return Problem(403)
        case SuspiciousOperation():
            return Problem(400)
        case exceptions.APIException():
            # Their own words may repeat what was sent; ours do not.
            return Problem(error.status_code)
        case ProtectedError() | IntegrityError():
            log.warning("api: a write met another one", exc_info=error)
            return Problem(409)
        case OperationalError() | InterfaceError():
            return Problem(503, headers={"Retry-After": "5"})
    return Problem(500)


def _faults(error: ValidationError) -> list[Fault]:
    """What the models and the unit of work refuse (leads.models.lead.invalid)."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    return [
        Fault(_wire(key), one.code or "invalid", str(one.messages[0])) for key, ones in by_field.items() for one in ones
    ]


def _wire(key: str) -> str | None:
    if key in ("", "__all__"):
        return None
    return BY_KEY[key].wire if key in BY_KEY else shown(key)


def _summary(faults: Sequence[Fault]) -> str:
    if len(faults) == 1:
        fault = faults[0]
        clause = f"{fault.field} {fault.message}" if fault.field else fault.message
        return clause if clause.endswith(".") else f"{clause}."
    names = [fault.field or fault.rule for fault in faults]
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"{len(faults)} things are wrong: {shown}."


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def shown(name: str, longest: int = 100) -> str:
    """A name from outside as errors repeat it: printable, and no longer than it takes to be recognised."""
    name = _UNPRINTABLE.sub("\ufffd", name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
