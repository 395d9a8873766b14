"""Conducts the steps: what came is kept, translated and applied, at once or again after the mapping was mended."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from leads import intake
from leads.api.errors import Fault, Problem, problem_of
from leads.changes import acting, unit
from leads.intake import Taken
from leads.scope import Scope
from leads.signals import Actor
from leads.validation import Violation
from webhooks import conf
from webhooks.inbound import accept, apply, translate
from webhooks.inbound.parcel import Sender
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus
from webhooks.wire import mapping

log = logging.getLogger(__name__)

JOB: Final = "inbound.apply"
# A receipt that nobody has answered for so long was left behind by a process that ended.
LEFT_BEHIND: Final = timedelta(seconds=60)
MOST_TRIES: Final = 5

Told = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would become of a document: the lead by catalogue key, or what is wrong."""

    action: str
    lead: Mapping[str, Any]
    faults: Told


def receive(
    inbound: InboundWebhook, sender: Sender, uid: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """The body of the answer, which is a 200. Raises Problem for every other one; the receipt is kept."""
    try:
        receipt, is_earlier = accept.accept(inbound, sender, uid, headers, body)
    except accept.Reused:
        message = "This message id came before, with another body."
        raise Problem(409, message, code="message_id_reused") from None
    return _process(inbound, receipt, sender.scope, alone=not (is_earlier or receipt.message_id))


def again(receipt: Receipt) -> dict[str, Any]:
    """Process a stored receipt once more. The same answers; what is applied already stays as it is."""
    if receipt.inbound is None:
        raise Problem(404, "The inbound webhook of this receipt was deleted.")
    return _process(receipt.inbound, receipt, _scope_of(receipt), alone=False)


def rehearse(inbound: InboundWebhook, document: Any, scope: Scope | None = None) -> Rehearsed:
    """What would become of a document now. Nothing is stored, and nobody is told. scope: the sender's, else all."""
    mapped = translate.translate(inbound, document)
    if mapped.faults:
        return Rehearsed("", {}, _told(mapped, []))
    try:
        with unit():
            taken = intake.take(
                inbound.account_id,
                mapped.values,
                inbound.policy,
                scope or Scope(inbound.account_id, None),
                finish=_rehearsed,
            )
            raise AssertionError(f"{taken.lead} must not be stored")
    except _Done as done:
        return Rehearsed(done.action, done.values, [])
    except intake.Refused as refused:
        return Rehearsed("", {}, _told(mapped, refused.violations))
    except ValidationError as error:
        return Rehearsed("", {}, _told_of(error))


def waiting() -> list[tuple[int]]:
    """Receipts that were kept and never answered."""
    left = Receipt.objects.filter(status=ReceiptStatus.RECEIVED, received_at__lt=timezone.now() - LEFT_BEHIND)
    left = left.filter(inbound__isnull=False)  # of one that was deleted nothing can be made
    return [(pk,) for pk in left.order_by("pk").values_list("pk", flat=True)[:1000]]


def finish(receipt_id: int) -> None:
    """The job: apply what was left behind. Its sender had no answer, and may post it again."""
    receipt = Receipt.objects.select_related("inbound").filter(pk=receipt_id, status=ReceiptStatus.RECEIVED).first()
    if receipt is None:
        return
    try:
        again(receipt)
    except Problem as problem:
        log.info("inbound: receipt %s: %s", receipt.uid, problem.message)


def _process(inbound: InboundWebhook, receipt: Receipt, scope: Scope, alone: bool) -> dict[str, Any]:
    """alone: nobody else is at the same receipt, unless it takes so long that the sweep is."""
    try:
        # Around the unit of work, as its end is when it is asked who acted.
        with acting(Actor("inbound", inbound.pk, inbound.name, receipt.hops + 1)):
            if alone:
                return _settled(inbound, receipt, scope)
            with unit():
                _hold(receipt)
                return _settled(inbound, receipt, scope)
    except _Unacceptable as refusal:
        code = refusal.problem.status_code
        if receipt.settled(status=ReceiptStatus.REFUSED, answered=code, faults=refusal.told):
            raise refusal.problem from None
        receipt.refresh_from_db()
        return _answer(receipt)
    except apply.Quicker:
        receipt.refresh_from_db()
        return _answer(receipt)
    except Exception as error:
        # Nothing is stored; the sweep tries again, and says what is wrong after some tries.
        problem = problem_of(error)
        _failed(receipt, problem)
        raise problem from error


def _settled(inbound: InboundWebhook, receipt: Receipt, scope: Scope) -> dict[str, Any]:
    if accept.is_settled(receipt):
        return _answer(receipt)
    receipt.tries += 1
    try:
        document = translate.document_of(receipt.read)
    except Problem as problem:
        raise _Unacceptable(problem, [_entry("", fault) for fault in problem.faults]) from None
    if not accept.is_test(receipt):
        if receipt.hops >= conf.MOST_HOPS:
            return _ignored(receipt, "hops", f"{receipt.hops} webhooks led to this one: the loop ends here")
        if not translate.is_wanted(inbound, document):
            return _ignored(receipt, "only_when", f"{inbound.only_path} is none of what this webhook takes")
    mapped = translate.translate(inbound, document)
    if mapped.faults:
        raise _unprocessable(_told(mapped, []))
    if accept.is_test(receipt):
        return _tested(inbound, receipt, document, scope)
    try:
        taken = apply.apply(inbound, receipt, mapped.values, scope)
    except intake.Refused as refused:
        raise _unprocessable(_told(mapped, refused.violations)) from None
    except ValidationError as error:
        raise _unprocessable(_told_of(error)) from None
    return _success(taken.lead.pk, taken.action)


def _answer(receipt: Receipt) -> dict[str, Any]:
    """The answer that a settled receipt had."""
    match receipt.status:
        case ReceiptStatus.APPLIED:
            return _success(receipt.lead_id, receipt.action)
        case ReceiptStatus.TEST:
            return _success(None, "test")
    return {"status": "ignored", "reason": receipt.faults[0]["message"] if receipt.faults else ""}


def _success(lead_id: int | None, action: str) -> dict[str, Any]:
    return {"status": "success", "id": lead_id, "action": action}


def _ignored(receipt: Receipt, rule: str, reason: str) -> dict[str, Any]:
    fault = {"path": "", "field": "", "rule": rule, "message": reason}
    receipt.settled(status=ReceiptStatus.IGNORED, answered=200, faults=[fault])
    return _answer(receipt)


def _tested(inbound: InboundWebhook, receipt: Receipt, document: Any, scope: Scope) -> dict[str, Any]:
    rehearsed = rehearse(inbound, document, scope)
    if rehearsed.faults:
        raise _unprocessable(rehearsed.faults)
    receipt.settled(status=ReceiptStatus.TEST, answered=200, faults=[])
    return _answer(receipt)


def _hold(receipt: Receipt) -> None:
    """Ours until the unit ends, and as it is now."""
    receipts = Receipt.objects.filter(pk=receipt.pk)
    if connection.features.has_select_for_update:
        receipts = receipts.select_for_update()
    receipt.refresh_from_db(from_queryset=receipts)


def _failed(receipt: Receipt, problem: Problem) -> None:
    try:
        with transaction.atomic():
            receipt.tries = Receipt.objects.values_list("tries", flat=True).get(pk=receipt.pk) + 1
            if receipt.tries >= MOST_TRIES:
                fault = {"path": "", "field": "", "rule": problem.code, "message": problem.message}
                receipt.settled(status=ReceiptStatus.REFUSED, answered=problem.status_code, faults=[fault])
            else:
                Receipt.objects.filter(pk=receipt.pk).update(tries=receipt.tries)
    except Exception:  # the database itself is away: the receipt waits as it is
        log.exception("inbound: receipt %s could not be noted", receipt.uid)


def _scope_of(receipt: Receipt) -> Scope:
    key = receipt.key
    return Scope.of(key.user, key) if key is not None else Scope(receipt.account_id, None)


class _Done(Exception):
    def __init__(self, action: str, values: Mapping[str, Any]) -> None:
        self.action, self.values = action, values
        super().__init__()


def _rehearsed(taken: Taken) -> None:
    raise _Done(taken.action, taken.lead.values())


class _Unacceptable(Exception):
    def __init__(self, problem: Problem, told: Told) -> None:
        self.problem, self.told = problem, told
        super().__init__()


def _unprocessable(told: Told) -> _Unacceptable:
    """Senders are told the path that they know; the message names our field."""
    faults = [Fault(one["path"] or one["field"] or None, one["rule"], _clause(one)) for one in told]
    return _Unacceptable(Problem(422, faults=faults), told)


def _clause(one: Mapping[str, Any]) -> str:
    return f"({one['field']}) {one['message']}" if one["path"] and one["path"] != one["field"] else str(one["message"])


def _told(mapped: mapping.Mapped, violations: Sequence[Violation]) -> list[dict[str, Any]]:
    faults = [{"path": one.path, "field": one.field, "rule": one.rule, "message": one.message} for one in mapped.faults]
    return faults + [
        {"path": mapped.paths.get(one.field, ""), "field": one.field, "rule": one.rule, "message": one.message}
        for one in violations
    ]


def _told_of(error: ValidationError) -> list[dict[str, Any]]:
    return [_entry("", fault) for fault in problem_of(error).faults]


def _entry(path: str, fault: Fault) -> dict[str, Any]:
    return {"path": path, "field": fault.field or "", "rule": fault.rule, "message": fault.message}
