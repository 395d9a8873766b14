"""What stands around the form of an inbound webhook: head, alarm, address, secret, latest receipts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from leads import setup as setups
from leads.admin.display import plural
from webhooks.admin import receipt_page, reveal
from webhooks.admin.webhook_page import Button
from webhooks.inbound import rules, secrets
from webhooks.inbound.address import address_of, example
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus, Verification
from webhooks.outbound.rotation import tail

if TYPE_CHECKING:
    from webhooks.admin.inbound import InboundWebhookAdmin

PERIOD = timedelta(days=7)
_RECENT = 8


@dataclass(frozen=True, slots=True)
class Traffic:
    """leads and refused: of the last 7 days, a lead that was posted twice once; last: when anything came."""

    leads: int = 0
    refused: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong with how it is set up. short: the same in a few words, for the list."""

    tone: str
    strong: str
    rest: str
    short: str


@dataclass(frozen=True, slots=True)
class SecretCard:
    """Tails and times only."""

    current: str
    old_until: datetime | None
    lost: bool


def traffic(ids: Sequence[int]) -> Mapping[int, Traffic]:
    """By webhook; one to which nothing came in 7 days may be missing, or know only when something last came."""
    since = timezone.now() - PERIOD
    rows = Receipt.objects.filter(inbound__in=ids).order_by().values("inbound")
    latest = {row["inbound"]: row["last"] for row in rows.annotate(last=Max("received_at"))}
    counted = rows.filter(received_at__gte=since).annotate(
        leads=Count("lead_id", filter=Q(status=ReceiptStatus.APPLIED), distinct=True),
        refused=Count("pk", filter=Q(status=ReceiptStatus.REFUSED)),
    )
    week = {row["inbound"]: (row["leads"], row["refused"]) for row in counted}
    return {pk: Traffic(*week.get(pk, (0, 0)), last) for pk, last in latest.items()}


def state(inbound: InboundWebhook) -> tuple[str, str]:
    """The look and the word of its state."""
    return ("enabled", "Enabled") if inbound.enabled else ("disabled", "Disabled")


def alarm(inbound: InboundWebhook) -> Alarm | None:
    try:
        rows = inbound.rows
    except ValueError as error:
        return Alarm("failure", "Every post is refused.", f"The mapping cannot be read: {error}.", "Mapping unreadable")
    if not rows:
        return Alarm("failure", "Every post is refused.", "Nothing is mapped yet.", "Nothing is mapped yet")
    if inbound.verification != Verification.BEARER and not secrets.stored(inbound):
        lost = "Its secret cannot be decrypted" if secrets.stored(inbound) is None else "It has no secret"
        return Alarm("failure", "Every post is answered 401.", f"{lost}. Rotate it.", lost)
    key = rules.unmapped(inbound)
    if not key:
        return None
    label = rules.label_of(key, setups.of(inbound.account_id))
    rest = f"Leads are recognised by {label}, which is not mapped. Map it, or choose another field below."
    return Alarm("held", "Each post makes a new lead.", rest, f"{label} is not mapped")


def receipts_url(inbound: InboundWebhook, *statuses: str) -> str:
    """The list of its receipts, with these states only."""
    query = [("inbound", str(inbound.pk))] + ([("status__in", ",".join(statuses))] if statuses else [])
    return f"{reverse('admin:webhooks_receipt_changelist')}?{urlencode(query)}"


def linked(text: str, inbound: InboundWebhook, *statuses: str) -> SafeString:
    return format_html('<a class="lc-link" href="{}">{}</a>', receipts_url(inbound, *statuses), text)


def context(admin: InboundWebhookAdmin, request: HttpRequest, inbound: InboundWebhook) -> dict[str, Any]:
    may = admin.has_change_permission(request, inbound)
    sees_receipts = request.user.has_perm("webhooks.view_receipt")
    refused = inbound.receipts.filter(status=ReceiptStatus.REFUSED) if sees_receipts else Receipt.objects.none()
    may_process = sees_receipts and request.user.has_perm("webhooks.reprocess_receipt")
    # A page that fetches itself must not take the secret from the one that shows it.
    reveals = may and request.headers.get("X-Requested-With") != "XMLHttpRequest"
    return {
        "page": True,
        "stored": inbound,
        "badge": state(inbound),
        "meta": _meta(inbound),
        "alarm": alarm(inbound),
        "buttons": list(_buttons(admin, inbound)) if may else [],
        "mapping_url": reverse("admin:webhooks_inboundwebhook_mapping", args=[inbound.pk]) if may else "",
        "address": address_of(inbound),
        "example": example(inbound),
        "card": _card(inbound),
        "has_secret": inbound.verification != Verification.BEARER,
        "rows": _rows(inbound),
        "recent": receipt_page.named(request, inbound.receipts.defer(*receipt_page.HEAVY)[:_RECENT])
        if sees_receipts
        else [],
        "sees_receipts": sees_receipts,
        "all_receipts": receipts_url(inbound) if sees_receipts else "",
        "refused": refused.count(),
        "process_url": f"{reverse('admin:webhooks_receipt_process')}?inbound={inbound.pk}" if may_process else "",
        "fresh_secret": reveal.redeem(request, inbound) if reveals else "",
        "keys_url": reverse("admin:leads_apikey_changelist") if request.user.has_perm("leads.view_apikey") else "",
    }


def _meta(inbound: InboundWebhook) -> str:
    return f"{Verification(inbound.verification).label} · {plural(len(_rows(inbound)), 'field')} mapped"


def _rows(inbound: InboundWebhook) -> Sequence[Any]:
    try:
        return inbound.rows
    except ValueError:
        return ()


def _buttons(admin: InboundWebhookAdmin, inbound: InboundWebhook) -> Iterator[Button]:
    if inbound.verification == Verification.BEARER:
        return
    name = "end_grace" if secrets.grace(inbound, timezone.now()) else "rotate"
    found = admin.get_unfold_action(name)
    yield Button(found.description, found.icon, reverse(f"admin:{found.action_name}", args=[inbound.pk]))


def _card(inbound: InboundWebhook) -> SecretCard:
    current = secrets.stored(inbound)
    return SecretCard(tail(current) if current else "", secrets.grace(inbound, timezone.now()), current is None)
