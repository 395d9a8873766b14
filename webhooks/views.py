"""POST /in/<webhook id>: where other systems post leads (docs/inbound.md)."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from leads.api.authentication import refuse_in_query
from leads.api.errors import Problem, body, problem_of
from leads.api.parser import body_of
from leads.question import Question
from webhooks.inbound import process
from webhooks.inbound.verify import Missing, Unverified, sender
from webhooks.models import InboundWebhook, Verification

log = logging.getLogger(__name__)

LARGEST_BODY: Final = 256 * 1024  # bytes


# Nothing is done in the name of whoever sits at a browser: neither session nor cookie is looked at.
@csrf_exempt
def receive(request: HttpRequest, uid: str) -> HttpResponse:
    request_id: str = request.id  # type: ignore[attr-defined]  # leads.api.middleware
    try:
        return JsonResponse(_receive(request, uid, request_id))
    except Exception as error:
        problem = problem_of(error)
        if problem.status_code == 500:
            log.error("inbound: request %s failed", request_id, exc_info=error)
        return JsonResponse(body(problem, request_id), status=problem.status_code, headers=problem.headers)


def _receive(request: HttpRequest, uid: str, request_id: str) -> dict[str, Any]:
    if request.method != "POST":
        raise Problem(405, "Send leads by POST.", headers={"Allow": "POST"})
    sent = body_of(request, LARGEST_BODY)
    headers = {name.lower(): value for name, value in request.headers.items()}
    refuse_in_query(request.GET)
    inbound = _INBOUND.first(uid) if _UID.fullmatch(uid) else None
    try:
        who = sender(inbound, headers, sent, timezone.now())
        assert inbound is not None, "there is a sender"
    except Unverified as refusal:
        log.info("inbound: request %s to %s: %s", request_id, inbound or "nothing", refusal)
        raise Problem(401, str(refusal), headers={"WWW-Authenticate": 'Bearer realm="leadcrm"'}) from None
    except Missing as missing:
        log.info("inbound: request %s to %s: %s", request_id, inbound or "nothing", missing.__cause__ or "beyond reach")
        raise Problem(404, "There is no inbound webhook at this address.") from None
    if who.key is not None:
        who.key.used()
    if inbound.verification != Verification.JWT:
        _check_media_type(request)
    return process.receive(inbound, who, request_id, headers, sent)


_UID: Final = re.compile("[A-Za-z0-9_-]{1,22}")
_INBOUND: Final = Question(
    lambda uid: (
        InboundWebhook.objects.filter(uid=uid, enabled=True).annotate(setup_token=F("account__setup_token")).order_by()
    ),
    str,
)


def _check_media_type(request: HttpRequest) -> None:
    given = (request.content_type or "").lower()
    charset = (request.content_params or {}).get("charset", "utf-8").strip('"').lower()
    is_json = given in ("", "application/json") or (given.startswith("application/") and given.endswith("+json"))
    if not is_json or charset not in ("utf-8", "utf8"):
        raise Problem(415)
