"""Receipts of one inbound webhook: /api/v1/inbound-webhooks/{id}/receipts, .../{receipt} and .../{receipt}/process,
and /api/v1/inbound-webhooks/{id}/process-refused."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Problem, missing
from leads.api.filters import moment, one_of
from leads.api.permissions import Need
from leads.api.resource import Listed, Resource, Retrieved
from leads.api.view import id_of, unknown_keys
from leads.models.apikey import Scope as KeyScope
from leads.validation import in_seconds
from webhooks import looks
from webhooks.inbound import process, reprocess
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus

_VIEW: Final = Need(KeyScope.WEBHOOKS_ADMIN, "webhooks.view_receipt")
_PROCESS: Final = Need(KeyScope.WEBHOOKS_ADMIN, "webhooks.reprocess_receipt")
_PAYLOAD: Final = ("headers", "body", "claims")


class OfInbound(Resource):
    model = Receipt

    @cached_property
    def inbound(self) -> InboundWebhook:
        """The webhook in the address, within the key's reach: the whole account's, or none."""
        number = id_of(self.kwargs["inbound_pk"])
        known = InboundWebhook.objects.filter(self.scope.in_account())
        inbound = known.filter(pk=number).first() if number is not None and self.scope.whole_account else None
        if inbound is None:
            raise missing("inbound webhook")
        return inbound

    def records(self) -> QuerySet[Any]:
        return Receipt.objects.filter(inbound=self.inbound)

    def wire(self, receipt: Receipt) -> dict[str, Any]:
        return {
            "id": receipt.pk,
            "request_id": receipt.uid,
            "received_at": in_seconds(receipt.received_at),
            "status": receipt.status,
            "action": receipt.action or None,
            "lead_id": receipt.lead_id,
            "answered": receipt.answered,
            "errors": receipt.faults,
            "sender": receipt.sender,
            "message_id": receipt.message_id or None,
            "hops": receipt.hops,
            "tries": receipt.tries,
            "settled_at": in_seconds(receipt.settled_at) if receipt.settled_at else None,
        }


class Receipts(OfInbound, Listed):
    needs: ClassVar = {"GET": _VIEW}
    order = ("received_at", "id")
    filters = {
        "status": one_of("status", ReceiptStatus.values),
        "received_after": moment("received_at__gte"),
        "received_before": moment("received_at__lt"),
    }

    def records(self) -> QuerySet[Any]:
        return super().records().defer(*_PAYLOAD)


class OneReceipt(OfInbound, Retrieved):
    """With the payload, for keys whose maker may view payloads; that look is logged."""

    needs: ClassVar = {"GET": _VIEW}

    def wire(self, receipt: Receipt) -> dict[str, Any]:
        told = super().wire(receipt)
        if not self.request.user.has_perm("webhooks.view_body"):
            return told | dict.fromkeys(_PAYLOAD)
        looks.note(self.request.user, receipt)
        return told | {
            "headers": receipt.headers,
            "body": _text(receipt.body),
            "claims": _text(receipt.claims) if receipt.claims else None,
        }


class ProcessReceipt(OfInbound):
    """What came is read by the mapping as it is now. What is done with already stays as it is."""

    http_method_names = ["post"]
    needs: ClassVar = {"POST": _PROCESS}
    empty_body = True

    def post(self, request: Request, pk: str, **place: str) -> Response:
        receipt = self.find(pk)
        if faults := unknown_keys(self.sent, (), "this request"):
            raise Problem(400, faults=faults)
        process.again(receipt)
        return Response(self.wire(self.find(pk)))


class ProcessRefused(OfInbound):
    """All that the webhook has refused: as many as one request waits for, and the worker the others."""

    http_method_names = ["post"]
    needs: ClassVar = {"POST": _PROCESS}
    empty_body = True

    def post(self, request: Request, **place: str) -> Response:
        refused = self.records().filter(status=ReceiptStatus.REFUSED)
        if faults := unknown_keys(self.sent, (), "this request"):
            raise Problem(400, faults=faults)
        done = reprocess.reprocess(refused)
        names = ("created", "updated", "ignored", "tested", "refused", "left")
        return Response({name: getattr(done, name) for name in names})


def _text(stored: Any) -> str:
    return bytes(stored).decode(errors="backslashreplace")
