"""The page of the test inbox: what arrived for a webhook, why its signature holds or does not, and what is answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.forms import BaseDialogForm

from leads.admin.base import go_to, scope_of
from leads.admin.display import plural, span
from webhooks import conf
from webhooks.admin.exchange import Bytes, bytes_of
from webhooks.inbox.address import address
from webhooks.models import Answer, Delivery, InboxMode, InboxRequest, Kind, Webhook

SHOWN = 50
# Of a body; the rest is kept, but no browser shows it well.
SHOWN_BYTES = 256 * 1024
MOST_WEBHOOKS = 50


@dataclass(frozen=True, slots=True)
class Detail:
    """One request. headers and body are None for who may not view payloads: a token carries the payload too."""

    request: InboxRequest
    timestamp: str
    seen: str
    delivery: Delivery | None
    delivery_url: str
    size: int
    cut: bool
    headers: list[tuple[str, str]] | None
    body: Bytes | None


class ClearDialog(BaseDialogForm):
    form_before_template = "admin/webhooks/webhook/dialog.html"

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        count = InboxRequest.objects.filter(webhook=int(object_id or 0)).count()
        return {"title": "Clear the inbox?", "sentences": [f"{plural(count, 'request is', 'requests are')} removed."]}


def page(request: HttpRequest) -> HttpResponse:
    _may(request, "view_inboxrequest")
    webhooks = list(_webhooks(request)[:MOST_WEBHOOKS])
    webhook = _chosen(request, webhooks)
    context = {
        **admin.site.each_context(request),
        "title": "Test inbox",
        "webhooks": [(each, _page_of(each)) for each in webhooks] if len(webhooks) > 1 else [],
        "webhook": webhook,
        "may_add": request.user.has_perm("webhooks.add_webhook"),
    }
    if webhook is not None:
        context |= _context(request, webhook)
    return TemplateResponse(request, "admin/webhooks/inbox.html", context)


def _context(request: HttpRequest, webhook: Webhook) -> dict[str, Any]:
    received = InboxRequest.objects.filter(webhook=webhook).defer("headers", "body")
    mode = InboxMode.objects.filter(webhook=webhook).first()
    url = address(webhook)
    shown = list(received[:SHOWN])
    current = _current(request, webhook, shown)
    return {
        "address": url,
        "points_elsewhere": webhook.url != url,
        "webhook_url": reverse("admin:webhooks_webhook_change", args=[webhook.pk])
        if request.user.has_perm("webhooks.view_webhook")
        else "",
        "answers": Answer.choices,
        "answer": mode.answer if mode else Answer.OK,
        "may_answer": request.user.has_perm("webhooks.change_inboxmode"),
        "may_clear": request.user.has_perm("webhooks.delete_inboxrequest"),
        "count": received.count(),
        "received": shown,
        "page_url": _page_of(webhook),
        "current": current,
        "detail": _detail(request, webhook, current) if current else None,
    }


def answer(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """What the next requests get."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    _may(request, "change_inboxmode")
    webhook = _found(request, webhook_id)
    chosen = request.POST.get("answer", "")
    if chosen not in Answer.values:
        messages.error(request, "That is no answer of the inbox. Choose one of the buttons.")
    else:
        InboxMode.objects.update_or_create(webhook=webhook, defaults={"answer": chosen, "since": timezone.now()})
        messages.success(request, f"The next requests are answered: {Answer(chosen).label}.")
    return HttpResponseRedirect(_page_of(webhook))


def clear(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """A dialog: GET asks, POST removes."""
    _may(request, "delete_inboxrequest")
    webhook = _found(request, webhook_id)
    form = ClearDialog(request, webhook.pk, data=request.POST if request.method == "POST" else None)
    if not form.is_valid():
        words = {"dialog": {}, "form": form, "form_submit_text": "Clear inbox"}
        return render(request, "unfold/helpers/dialog.html", words)
    removed, _ = InboxRequest.objects.filter(webhook=webhook).delete()
    messages.success(request, f"{plural(removed, 'request')} removed.")
    return go_to(request, _page_of(webhook))


# Who may, and of which webhooks


def _may(request: HttpRequest, permission: str) -> None:
    """Raises Http404 where there is no inbox, PermissionDenied where it is not for this user."""
    if not conf.inbox_enabled():
        raise Http404
    if not request.user.has_perm(f"webhooks.{permission}"):
        raise PermissionDenied


def _webhooks(request: HttpRequest) -> QuerySet[Webhook]:
    scope = scope_of(request)
    if not scope.whole_account:
        return Webhook.objects.none()
    return Webhook.objects.filter(scope.in_account(), kind=Kind.WEBHOOK)


def _found(request: HttpRequest, webhook_id: int) -> Webhook:
    webhook = _webhooks(request).filter(pk=webhook_id).first()
    if webhook is None:
        raise Http404
    return webhook


def _chosen(request: HttpRequest, webhooks: list[Webhook]) -> Webhook | None:
    """The one that is asked for; else the one that received last; else the first."""
    if wanted := _number(request, "webhook"):
        return _found(request, wanted)
    last = InboxRequest.objects.filter(webhook__in=webhooks).order_by("-pk").values_list("webhook", flat=True).first()
    return next((webhook for webhook in webhooks if webhook.pk == last), next(iter(webhooks), None))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _page_of(webhook: Webhook) -> str:
    return f"{reverse('admin:webhooks_inbox')}?webhook={webhook.pk}"


# One request


def _current(request: HttpRequest, webhook: Webhook, newest: list[InboxRequest]) -> InboxRequest | None:
    """The one that is asked for, whole; the newest where none is, or where it was removed meanwhile."""
    wanted = _number(request, "request") or (newest[0].pk if newest else 0)
    found = InboxRequest.objects.filter(webhook=webhook, pk=wanted).first()
    if found is None and newest:
        return InboxRequest.objects.filter(pk=newest[0].pk).first()
    return found


def _detail(request: HttpRequest, webhook: Webhook, received: InboxRequest) -> Detail:
    headers = [(str(name), str(value)) for name, value in json.loads(received.headers)]
    body = bytes(received.body)
    allowed = request.user.has_perm("webhooks.view_body")
    delivery = _delivery(webhook, received)
    may_open = delivery is not None and request.user.has_perm("webhooks.view_delivery")
    shown = body[:SHOWN_BYTES].decode(errors="backslashreplace").replace("\0", "\\x00")
    return Detail(
        request=received,
        timestamp=_age(dict(headers).get("webhook-timestamp", ""), received),
        seen=_seen(received),
        delivery=delivery,
        delivery_url=reverse("admin:webhooks_delivery_change", args=[delivery.pk]) if delivery and may_open else "",
        size=len(body),
        cut=len(body) > SHOWN_BYTES,
        headers=headers if allowed else None,
        body=bytes_of(shown, len(body)) if allowed else None,
    )


def _age(timestamp: str, received: InboxRequest) -> str:
    """ "1 s before arrival"."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return ""
    seconds = received.received_at.timestamp() - int(timestamp)
    return f"{span(seconds)} before arrival" if seconds >= 0 else f"{span(-seconds)} after arrival"


def _seen(received: InboxRequest) -> str:
    if not received.message_id:
        return ""
    times = InboxRequest.objects.filter(
        webhook=received.webhook_id, message_id=received.message_id, pk__lte=received.pk
    ).count()
    return "first time seen" if times == 1 else f"seen {times} times"


def _delivery(webhook: Webhook, received: InboxRequest) -> Delivery | None:
    """The one that sent it: of the replays under this webhook-id, the newest that was there."""
    if not received.message_id:
        return None
    return (
        Delivery.of_message(received.message_id)
        .filter(account_id=webhook.account_id, created_at__lte=received.received_at)
        .order_by("-pk")
        .first()
    )


def _urls() -> list[Any]:
    view = admin.site.admin_view
    return [
        path("inbox/", view(page), name="webhooks_inbox"),
        path("inbox/<int:webhook_id>/answer/", view(answer), name="webhooks_inbox_answer"),
        path("inbox/<int:webhook_id>/clear/", view(clear), name="webhooks_inbox_clear"),
    ]


# Not a screen of a model: Unfold's site asks for addresses beside those.
_others = getattr(admin.site, "extra_urls", list)
admin.site.extra_urls = lambda: [*_others(), *_urls()]  # type: ignore[attr-defined]
