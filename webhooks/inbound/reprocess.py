"""Receipts that were refused, once more: after the mapping was mended, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from leads.api.errors import Problem
from webhooks.inbound import process
from webhooks.models import Receipt, ReceiptStatus

# At once, while somebody waits for the page; the worker does the rest.
AT_ONCE: Final = 200
OPEN: Final = (ReceiptStatus.REFUSED, ReceiptStatus.RECEIVED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of how many. left: those that the worker goes on with."""

    created: int = 0
    updated: int = 0
    ignored: int = 0
    tested: int = 0
    refused: int = 0
    left: int = 0

    @property
    def leads(self) -> int:
        return self.created + self.updated


def possible(receipts: QuerySet[Receipt]) -> QuerySet[Receipt]:
    """Those of them that can be processed again: what is applied, ignored or a test is done with."""
    return receipts.filter(status__in=OPEN, inbound__isnull=False)


def reprocess(receipts: QuerySet[Receipt]) -> Outcome:
    """Process them, each a unit of work of its own, oldest first. Not within a unit: one refusal undoes no other."""
    waiting = possible(receipts).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True)[: AT_ONCE + 1])
    counts = dict.fromkeys(("created", "updated", "ignored", "tested", "refused"), 0)
    for pk in ids[:AT_ONCE]:
        counts[_once_more(pk)] += 1
    left = 0
    if len(ids) > AT_ONCE:
        rest = possible(receipts).filter(pk__gte=ids[AT_ONCE])
        left = rest.update(status=ReceiptStatus.RECEIVED)
    return Outcome(**counts, left=left)


def _once_more(pk: int) -> str:
    receipt = Receipt.objects.select_related("inbound__list", "key__user").get(pk=pk)
    try:
        process.again(receipt)
    except Problem:
        return "refused"
    match receipt.status:
        case ReceiptStatus.APPLIED:
            return receipt.action
        case ReceiptStatus.TEST:
            return "tested"
    return "ignored"
