"""The second step: the request is kept as it came, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from webhooks.inbound.parcel import Sender
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus

# For so long what a sender calls its message stands for that message.
REMEMBERED: Final = timedelta(hours=24)
MASK: Final = "•••"
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_LONGEST_HEADER, _MOST_HEADERS = 1024, 50


class Reused(Exception):
    """Another body came under the name of an earlier one."""


def accept(
    inbound: InboundWebhook, sender: Sender, uid: str, headers: Mapping[str, str], body: bytes
) -> tuple[Receipt, bool]:
    """The stored receipt, and whether it is an earlier one: the same message, posted again. Raises Reused."""
    receipt = Receipt(
        inbound=inbound,
        account_id=inbound.account_id,
        inbound_name=inbound.name,
        uid=uid,
        headers=_shown(headers, inbound),
        body=body,
        claims=sender.claims,
        sender=sender.name[:150],
        key=sender.key,
        message_id=_message_id(headers),
        hops=_hops(headers.get("webhook-hops", "")),
    )
    if not receipt.message_id:
        receipt.save(force_insert=True)
        return receipt, False
    try:
        with transaction.atomic():
            receipt.save(force_insert=True)
        return receipt, False
    except IntegrityError:
        return _again(receipt)


def _again(receipt: Receipt) -> tuple[Receipt, bool]:
    same = Receipt.objects.filter(inbound=receipt.inbound, message_id=receipt.message_id)
    # What was long ago is another message of that name.
    same.filter(received_at__lt=timezone.now() - REMEMBERED).update(message_id="")
    earlier = same.first()
    if earlier is None:
        receipt.save(force_insert=True)
        return receipt, False
    if earlier.read != receipt.read:
        raise Reused
    return earlier, True


def _message_id(headers: Mapping[str, str]) -> str:
    """What the sender calls the message; "" where it has no name, or none that can be kept."""
    given = (headers.get("idempotency-key") or headers.get("webhook-id") or "").strip()
    return given if len(given) <= 255 and given.isprintable() else ""


def _hops(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _shown(headers: Mapping[str, str], inbound: InboundWebhook) -> dict[str, str]:
    """As they are kept: no secrets, and no more of them than somebody reads."""
    shown = {}
    for name, value in list(headers.items())[:_MOST_HEADERS]:
        text = value if name not in _SECRET_HEADERS else MASK
        shown[_storable(name)[:100]] = _storable(text)[:_LONGEST_HEADER]
    return shown


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def is_test(receipt: Receipt) -> bool:
    """Whether its sender only wanted to see whether we take it (LeadEngine's and our own Send Test)."""
    return str(receipt.headers.get("webhook-test", "")).strip().lower() == "true"


def is_settled(receipt: Receipt) -> bool:
    """Whether it is done with, so that the same message again changes nothing."""
    return receipt.status in (ReceiptStatus.APPLIED, ReceiptStatus.IGNORED, ReceiptStatus.TEST)
