"""Inbound webhooks: /api/v1/inbound-webhooks, .../{id} and .../{id}/rotate-secret.

The rules are the form's, webhooks/inbound/rules.py. A secret is told once, in the answer that makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from leads import setup as setups
from leads.api.errors import Fault, Problem, missing, shown
from leads.api.permissions import MANY, ONE, Need
from leads.api.resource import Many, One, Resource
from leads.api.shape import Offered, key_of
from leads.api.view import unknown_keys
from leads.models.apikey import Scope as KeyScope
from leads.scope import OFFICE, OWNER
from leads.validation import in_seconds
from webhooks.inbound import rules, secrets
from webhooks.inbound.address import address_of
from webhooks.models import InboundWebhook

_NEEDS: Final = {
    method: Need(KeyScope.WEBHOOKS_ADMIN, f"webhooks.{verb}_inboundwebhook")
    for method, verb in {"GET": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}.items()
}
_COLUMNS: Final = ("enabled", "verification", "signature_header", "only_path", "update", "source", "assign")
_REFERENCES: Final = ("list", "office", "pipeline", "owner")
# What is not a column with a rule of its own: read below.
_PARTS: Final = ("match", "mapping", "only_values", "protected", "secret")
_TOLD: Final = ("webhook_id", "address", "secret_until", "warning", "created_at")
USUAL_GRACE: Final = 1

_DESCRIPTION: Final = key_of(InboundWebhook, "description")


class InboundResource(Resource):
    model = InboundWebhook
    keys = (
        key_of(InboundWebhook, "name"),
        replace(_DESCRIPTION, field=replace(_DESCRIPTION.field, max_length=rules.LONGEST_DESCRIPTION)),
        *(key_of(InboundWebhook, name) for name in (*_COLUMNS, *_REFERENCES)),
    )
    unique = "name"
    # That this request has made.
    secret = ""

    def records(self) -> QuerySet[Any]:
        """They are the whole account's: who sees single offices only sees none of them."""
        return super().records() if self.scope.whole_account else InboundWebhook.objects.none()

    def new(self) -> InboundWebhook:
        if not self.scope.whole_account:
            raise Problem(403, "The maker of this API key works in single offices and cannot add an inbound webhook.")
        return InboundWebhook(account=self.account)

    def offered(self) -> Mapping[str, Offered]:
        account_id = self.account.pk
        return {
            "list_id": Offered(self.account.leadlists.all(), "a list of the account"),
            "office_id": Offered(self.scope.choosable_offices(account_id), OFFICE),
            "pipeline_id": Offered(self.account.pipelines.all(), "a pipeline of the account"),
            "owner_id": Offered(self.scope.choosable_owners(account_id), OWNER),
        }

    def store(self, inbound: InboundWebhook, sent: Mapping[str, Any]) -> None:
        new = inbound.pk is None
        found = self.faults(inbound, {key: value for key, value in sent.items() if key not in (*_PARTS, *_TOLD)})
        found += self._parts(inbound, sent)
        told = {fault.field for fault in found}
        setup = setups.of(inbound.account_id)
        # What was stored before stands in the way of nothing: a custom field that is gone, say.
        judged = [fault for fault in rules.faults(inbound, setup) if new or self._is_sent(fault.field, sent)]
        found += [
            Fault(fault.field, fault.rule, shown(fault.message, longest=500))
            for fault in judged
            if fault.field not in told
        ]
        found += self._secret(inbound, sent)
        if found:
            raise Problem(400, faults=found)
        if new:
            inbound.save()
        else:
            # The secret is rotated elsewhere meanwhile, unless there is none yet.
            columns = [*(key.field.key for key in self.keys), "match", "mapping", "only_values", "protected"]
            inbound.save(update_fields=[*columns, *(["secret"] if self.secret else [])])

    @staticmethod
    def _is_sent(column: str, sent: Mapping[str, Any]) -> bool:
        """Whether what was sent may have brought it about."""
        together = {"signature_header": ("verification",), "only_path": ("only_values",), "only_values": ("only_path",)}
        name = column.partition(".")[0]
        return any(key in sent for key in (name, *together.get(name, ())))

    @staticmethod
    def _parts(inbound: InboundWebhook, sent: Mapping[str, Any]) -> list[Fault]:
        """Set those whose value the rules judge as it is; null is none."""
        found = []
        if "match" in sent:
            match = "" if sent["match"] is None else sent["match"]
            if isinstance(match, str):
                inbound.match = match
            else:
                found.append(Fault("match", "text", "must be a text"))
        for name in ("mapping", "only_values", "protected"):
            if name in sent:
                setattr(inbound, name, [] if sent[name] is None else sent[name])
        return found

    def _secret(self, inbound: InboundWebhook, sent: Mapping[str, Any]) -> Iterable[Fault]:
        """Of a new one, or of one that turns from API keys to a secret of its own."""
        typed = sent.get("secret")
        if inbound.pk is not None and "secret" in sent:
            yield Fault("secret", "fixed", "counts when a webhook is made only: rotate it")
        elif typed is not None and not isinstance(typed, str):
            yield Fault("secret", "text", "must be a text")
        elif typed and (fault := secrets.fault(inbound.verification, typed)):
            yield Fault("secret", "secret", fault)
        elif secrets.stored(inbound) == "" and (fresh := typed or secrets.new(inbound.verification)):
            inbound.secret = self.secret = fresh

    def told(self) -> tuple[str, ...]:
        return _TOLD

    def wire(self, inbound: InboundWebhook) -> dict[str, Any]:
        until = secrets.grace(inbound, timezone.now())
        key = rules.unmapped(inbound)
        return super().wire(inbound) | {
            "match": inbound.match,
            "mapping": inbound.mapping,
            "only_values": inbound.only_values,
            "protected": inbound.protected,
            "webhook_id": inbound.uid,
            "address": address_of(inbound),
            "secret_until": in_seconds(until) if until else None,
            "warning": f"{key} is not mapped: each post makes a new lead." if key else None,
            "created_at": in_seconds(inbound.created_at),
        }


class InboundWebhooks(InboundResource, Many):
    needs = {method: _NEEDS[method] for method in MANY}

    def post(self, request: Request, **place: str) -> Response:
        response = super().post(request, **place)
        response.data["secret"] = self.secret or None
        response["Cache-Control"] = "no-store"
        return response


class OneInboundWebhook(InboundResource, One):
    needs = {method: _NEEDS[method] for method in ONE}

    def patch(self, request: Request, pk: str, **place: str) -> Response:
        response = super().patch(request, pk, **place)
        if self.secret:
            response.data["secret"] = self.secret
            response["Cache-Control"] = "no-store"
        return response


class RotateInboundSecret(InboundResource):
    """Answers with the next secret, this once, and until when the earlier one is good."""

    http_method_names = ["post"]
    needs: ClassVar = {"POST": _NEEDS["PATCH"]}
    empty_body = True

    def post(self, request: Request, pk: str) -> Response:
        inbound = self.find(pk)
        if faults := unknown_keys(self.sent, ("keep_days", "secret"), "this request"):
            raise Problem(400, faults=faults)
        days, typed = self._days(), self.sent.get("secret")
        if typed is not None and not isinstance(typed, str):
            raise Problem(400, faults=[Fault("secret", "text", "must be a text")])
        try:
            secret = secrets.rotate(inbound.pk, timedelta(days=days), typed or "")
        except secrets.WrongState as refusal:
            raise Problem(409, str(refusal)) from None
        except ValueError as fault:
            raise Problem(400, faults=[Fault("secret", "secret", str(fault))]) from None
        except InboundWebhook.DoesNotExist:
            raise missing(self.noun) from None
        until = secrets.grace(self.find(pk), timezone.now())
        told = {"secret": secret, "secret_until": in_seconds(until) if until else None}
        return Response(told, headers={"Cache-Control": "no-store"})

    def _days(self) -> int:
        days = self.sent.get("keep_days")
        if days is None:
            return USUAL_GRACE
        longest = secrets.LONGEST_GRACE.days
        if type(days) is not int or not 0 <= days <= longest:
            fault = Fault("keep_days", "integer", f"must be a whole number from 0 to {longest}")
            raise Problem(400, faults=[fault])
        return days
