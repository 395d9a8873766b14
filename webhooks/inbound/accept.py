"""The second step: the request is kept as it came, before anything is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from leads import statement
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
    if _store(receipt):
        return receipt, False
    return _again(receipt)


def _again(receipt: Receipt) -> tuple[Receipt, bool]:
    same = Receipt.objects.filter(inbound=receipt.inbound, message_id=receipt.message_id)
    # What was long ago is another message of that name.
    same.filter(received_at__lt=receipt.received_at - REMEMBERED).update(message_id="")
    if _store(receipt):
        return receipt, False
    earlier = same.get()
    if earlier.read != receipt.read:
        raise Reused
    return earlier, True


def _store(receipt: Receipt) -> bool:
    """Whether it is stored now: not so where its message is there already."""
    moment = statement.moments()(receipt.received_at)
    values = {name: getattr(receipt, name) for name in _COLUMNS}
    values |= {"headers": json.dumps(receipt.headers), "faults": json.dumps(receipt.faults), "received_at": moment}
    stored = statement.run(_INSERT, list(values.values()))
    if stored:
        receipt.pk, receipt._state.adding = stored[0][0], False
    return bool(stored)


_COLUMNS: Final = tuple(field.attname for field in Receipt._meta.concrete_fields if not field.primary_key)
_INSERT: Final = f"{statement.insertion('webhooks_receipt', _COLUMNS, 1)} ON CONFLICT DO NOTHING RETURNING id"


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
