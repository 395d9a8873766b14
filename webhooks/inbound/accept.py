"""The second step: the request is kept as it came, before anything is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from leads import statement
from webhooks.inbound.parcel import Sender
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus

# For so long what a sender calls its message stands for that message.
REMEMBERED: Final = timedelta(hours=24)
MASK: Final = "•••"
# A header with one of these in its name holds a secret, or says who somebody is.
_SECRET: Final = re.compile("auth|cookie|credential|jwt|key|passphrase|passw|secret|session|token")
_NOT_SECRET: Final = frozenset({"idempotency-key"})
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
        headers=_shown(headers),
        body=body,
        claims=sender.claims,
        sender=sender.name[:150],
        key=sender.key,
        message_id=_message_id(headers),
        hops=_hops(headers.get("webhook-hops", "")),
    )
    while not _store(receipt):
        same = Receipt.objects.filter(inbound=inbound, message_id=receipt.message_id)
        # What was long ago is another message of that name.
        if same.filter(received_at__lt=receipt.received_at - REMEMBERED).update(message_id=""):
            continue
        earlier = same.first()
        if earlier is not None and earlier.read != receipt.read:
            raise Reused
        if earlier is not None:
            return earlier, True
    return receipt, False


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
    """What is no number counts as none: only our own kind counts. What is too large for the column is a loop."""
    number = text.strip()
    if not (number.isascii() and number.isdigit()):
        return 0
    return int(number) if len(number) < 4 else 999


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    """As they are kept: no secrets, and no more of them than somebody reads."""
    shown = {}
    for name, value in list(headers.items())[:_MOST_HEADERS]:
        is_secret = (_SECRET.search(name) and name not in _NOT_SECRET) or "lck_" in value
        text = MASK if is_secret else value
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
