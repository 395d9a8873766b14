"""The receiver. It takes any request to a webhook's address, keeps it raw, and answers as it was told to."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks import conf
from webhooks.inbox import hold
from webhooks.inbox.judge import judge, storable
from webhooks.models import Answer, InboxRequest, Webhook
from webhooks.outbound.compose import MASK

LARGEST_BODY = 2_621_440
# Of each webhook: so many requests, and so many bytes of bodies, the newest first.
KEPT_REQUESTS = 500
KEPT_BYTES = 32 * 1024 * 1024

SLOW_SECONDS = 20.0
# Longer than any sender of ours waits.
SILENT_SECONDS = 40.0


@csrf_exempt
def receive(request: HttpRequest, webhook_id: int) -> HttpResponse:
    if not conf.inbox_enabled():
        raise Http404
    webhook = Webhook.objects.select_related("inbox_mode").filter(pk=webhook_id).first()
    if webhook is None:
        raise Http404
    try:
        body = request.body if int(request.META.get("CONTENT_LENGTH") or 0) <= LARGEST_BODY else None
    except (RequestDataTooBig, ValueError):
        body = None
    except UnreadablePostError:
        return _answer(400, "The body broke off.")
    if body is None:
        return _answer(413, f"At most {LARGEST_BODY} bytes are taken.")
    return _reply(request, webhook, body)


def _reply(request: HttpRequest, webhook: Webhook, body: bytes) -> HttpResponse:
    headers = {name.lower(): value for name, value in request.headers.items()}
    judged = judge(webhook, headers, body, timezone.now())
    mode = webhook.inbox_mode.answer if hasattr(webhook, "inbox_mode") else Answer.OK
    kept = InboxRequest(
        webhook=webhook,
        method=(request.method or "")[:10],
        path=storable(request.get_full_path())[:2000],
        headers=json.dumps(_shown(headers, webhook), separators=(",", ":")),
        body=body,
        message_id=storable(headers.get("webhook-id", ""))[:200],
        event=judged.event,
        label=judged.label,
        signature=judged.signature,
        signature_detail=judged.detail,
    )
    if not judged.welcome:
        return _now(kept, 401, judged.detail)
    if mode == Answer.ERROR:
        return _now(kept, 500, "The inbox was told to answer 500.")
    if mode == Answer.BUSY:
        response = _now(kept, 429, "The inbox was told to answer 429.")
        response["Retry-After"] = "30"
        return response
    if mode == Answer.OK:
        return _now(kept, 200, "Received.")
    with hold.place() as free:
        if not free:
            return _now(kept, 503, f"{hold.MOST} requests are waiting for a slow answer already.")
        return _late(kept, mode, request.META.get("gunicorn.socket"))


def _shown(headers: Mapping[str, str], webhook: Webhook) -> list[tuple[str, str]]:
    """The values of custom headers, and of some that the system signs by, are secrets; this table is not encrypted."""
    try:
        secret = {name.lower() for name in (*webhook.custom_headers, *webhook.wire.secret_headers)}
    except ValueError:
        # They cannot be decrypted: whichever they are.
        secret = set(headers)
    return [(name, MASK if name in secret else value) for name, value in headers.items()]


def _now(kept: InboxRequest, status: int, words: str) -> HttpResponse:
    kept.answered = status
    _keep(kept)
    return _answer(status, words)


def _late(kept: InboxRequest, mode: str, client: socket.socket | None) -> HttpResponse:
    _keep(kept)
    if mode == Answer.NONE:
        hold.wait(SILENT_SECONDS, client)
        # Nobody reads this: whoever asked has given up long ago.
        return _answer(504, "The inbox was told not to answer.")
    if hold.wait(SLOW_SECONDS, client):
        InboxRequest.objects.filter(pk=kept.pk).update(answered=200)
    return _answer(200, "Received, slowly.")


def _keep(kept: InboxRequest) -> None:
    with transaction.atomic():
        kept.save()
        size = 0
        older = InboxRequest.objects.filter(webhook=kept.webhook).order_by("-pk")
        for number, (pk, length) in enumerate(older.values_list("pk", Length("body"))[: KEPT_REQUESTS + 1], start=1):
            size += length
            if number > KEPT_REQUESTS or (size > KEPT_BYTES and number > 1):
                older.filter(pk__lte=pk).order_by().delete()
                break


def _answer(status: int, words: str) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")
