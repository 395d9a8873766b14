"""Errors as LeadSquared tells them: {"Status": "Error", "ExceptionType": "MX...", "ExceptionMessage": "..."}.

Its statuses are 400, 401, 404, 405, 429 and 500. Where it answers 500 to a body that is malformed, we answer 400.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from rest_framework.response import Response

from leads.api.errors import Problem, problem_of
from webhooks.api.leadsquared.keys import MOST_CALLS, WITHIN, TooMany
from webhooks.api.leadsquared.words import THEIRS

log = logging.getLogger(__name__)

_STATUSES: Mapping[int, int] = {403: 401, 409: 400, 411: 400, 413: 400, 415: 400}
_TYPES: Mapping[int, str] = {
    400: "MXInvalidInputException",
    401: "MXUnAuthorizedAccessException",
    404: "MXEntityNotFoundException",
    405: "MXMethodNotAllowedException",
    429: "MXAPIRateLimitExceededException",
    500: "MXInternalErrorException",
}
_MISSING = "MXMandatoryAttributeMissingException"


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to whatever was raised within a view."""
    if isinstance(error, TooMany):
        message = f"API calls exceeded the limit of {MOST_CALLS} in {WITHIN:g} second(s)"
        return _response(429, _TYPES[429], message, {"Retry-After": str(error.seconds)})
    problem = problem_of(error)
    status = 500 if problem.status_code >= 500 else _STATUSES.get(problem.status_code, problem.status_code)
    message, headers = _message(problem), dict(problem.headers)
    if status == 500:
        number = uuid.uuid4().hex
        log.error("LeadSquared's API: request %s failed", number, exc_info=error)
        message = f"{message} Request id: {number}."
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    missing = bool(problem.faults) and all(fault.rule == "required" for fault in problem.faults)
    return _response(status, _MISSING if missing else _TYPES.get(status, _TYPES[400]), message, headers)


def _message(problem: Problem) -> str:
    """All that is wrong, under their names."""
    if not problem.faults:
        return problem.message
    clauses = (
        f"{THEIRS.get(fault.field.partition('.')[0], fault.field)} {fault.message}" if fault.field else fault.message
        for fault in problem.faults
    )
    return " ".join(clause if clause.endswith(".") else f"{clause}." for clause in clauses)


def _response(status: int, kind: str, message: str, headers: Mapping[str, str]) -> Response:
    body = {"Status": "Error", "ExceptionType": kind, "ExceptionMessage": message}
    return Response(body, status=status, headers=dict(headers))
