"""The page of one receipt, and how receipts are told wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leads.admin.base import scope_of
from leads.admin.display import MISSING, badge
from webhooks import looks
from webhooks.admin import exchange
from webhooks.inbound import reprocess
from webhooks.models import Receipt, ReceiptStatus

# Payloads: no list reads them.
HEAVY = ("body", "claims", "headers")

_TONES = {
    ReceiptStatus.RECEIVED: "queued",
    ReceiptStatus.APPLIED: "success",
    ReceiptStatus.REFUSED: "failure",
    ReceiptStatus.IGNORED: "cancelled",
}


def state(receipt: Receipt, *, large: bool = False) -> SafeString:
    return badge(_TONES.get(ReceiptStatus(receipt.status), ""), receipt.get_status_display(), large=large)


def named(request: HttpRequest, receipts: Iterable[Receipt]) -> list[Receipt]:
    """The same, each with its `lead` as far as the user sees it, else None."""
    rows = list(receipts)
    leads = {}
    if request.user.has_perm("leads.view_lead"):
        ids = {row.lead_id for row in rows if row.lead_id is not None}
        leads = scope_of(request).leads().in_bulk(ids) if ids else {}
    for row in rows:
        row.lead = leads.get(row.lead_id)  # type: ignore[attr-defined]
        row.tone = _TONES.get(ReceiptStatus(row.status), "")  # type: ignore[attr-defined]
    return rows


def lead(receipt: Any) -> SafeString | str:
    """Of a receipt that `named` has given its lead."""
    if receipt.lead is not None:
        address = reverse("admin:leads_lead_change", args=[receipt.lead_id])
        return format_html('<a class="lc-link lc-clip" href="{0}" title="{1}">{1}</a>', address, receipt.lead)
    if receipt.lead_id is None:
        return MISSING
    return format_html('<span class="lc-subtle">Lead {}, deleted</span>', str(receipt.lead_id))


def reason(receipt: Receipt) -> str:
    """The first thing that was wrong: "email must be an e-mail address (and 2 more)"."""
    if not receipt.faults:
        return ""
    first = receipt.faults[0]
    more = f" (and {len(receipt.faults) - 1} more)" if len(receipt.faults) > 1 else ""
    return f"{first.get('path') or first.get('field') or ''} {first.get('message', '')}".strip() + more


def context(request: HttpRequest, receipt: Receipt) -> dict[str, Any]:
    may_see = request.user.has_perm("webhooks.view_body")
    named(request, [receipt])
    shown: dict[str, Any] = {
        "receipt": receipt,
        "badge": state(receipt, large=True),
        "standing": _standing(receipt),
        "lead": lead(receipt),
        "may_see": may_see,
        "inbound_url": _inbound_url(request, receipt),
        "mapping_url": _mapping_url(request, receipt),
        "reason": reason(receipt),
    }
    if may_see:
        shown |= {
            "headers": [(str(name), str(value)) for name, value in dict(receipt.headers).items()],
            "body": _bytes(receipt.body),
            "claims": _bytes(receipt.claims) if receipt.claims else None,
        }
        looks.note(request.user, receipt)
    return shown


def _bytes(stored: Any) -> exchange.Bytes:
    octets = bytes(stored)
    return exchange.bytes_of(octets.decode(errors="backslashreplace"), len(octets))


def _inbound_url(request: HttpRequest, receipt: Receipt) -> str:
    if receipt.inbound_id is None or not request.user.has_perm("webhooks.view_inboundwebhook"):
        return ""
    return reverse("admin:webhooks_inboundwebhook_change", args=[receipt.inbound_id])


def _mapping_url(request: HttpRequest, receipt: Receipt) -> str:
    """Where its webhook is mapped by this very receipt."""
    if receipt.inbound_id is None or not request.user.has_perm("webhooks.change_inboundwebhook"):
        return ""
    return f"{reverse('admin:webhooks_inboundwebhook_mapping', args=[receipt.inbound_id])}?receipt={receipt.pk}"


def _standing(receipt: Receipt) -> tuple[str, str, str]:
    """Tone, and what it means in one sentence and the next."""
    match receipt.status:
        case ReceiptStatus.APPLIED:
            verb = "made a lead" if receipt.action == "created" else "updated a lead"
            return "success", f"This post {verb}.", ""
        case ReceiptStatus.REFUSED:
            if receipt.inbound_id is None:
                return "failure", "This post was refused.", "Its webhook was deleted: it cannot be processed again."
            return "failure", "This post was refused.", "Mend the mapping or the webhook, and process it again."
        case ReceiptStatus.IGNORED:
            return "neutral", "This post made no lead.", f"{reason(receipt)}.".replace("..", ".")
        case ReceiptStatus.TEST:
            return "neutral", "This was a test.", "It would have been taken, and made no lead."
    return "queued", "This post waits.", "The worker applies it within a minute."


def outcome(done: reprocess.Outcome) -> tuple[str, str]:
    """What is said afterwards: (what became leads, what did not)."""
    said = []
    if done.created:
        said.append(f"{_many(done.created)} became {'a new lead' if done.created == 1 else 'new leads'}.")
    if done.updated:
        said.append(f"{_many(done.updated)} updated {'a lead' if done.updated == 1 else 'leads'}.")
    if done.tested:
        said.append(f"{_many(done.tested)} would be taken now: {'a test' if done.tested == 1 else 'tests'}.")
    if done.ignored:
        said.append(f"{_many(done.ignored)} made no lead, by what the webhook takes.")
    if done.left:
        said.append(f"The worker goes on with {done.left:,} more.")
    refused = f"{_many(done.refused)} {'was' if done.refused == 1 else 'were'} refused again." if done.refused else ""
    return " ".join(said), refused


def _many(count: int) -> str:
    return "1 receipt" if count == 1 else f"{count:,} receipts"
