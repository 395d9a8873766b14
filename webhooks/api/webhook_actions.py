"""What is done with a webhook: /api/v1/webhooks/{id}/enable, pause, disable, test, rotate-secret and switch-secret.

They turn the switches that the admin's page turns (outbound/switch.py, rotation.py and trial.py). A body may be left
out where nothing has to be said in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem, missing, shown
from leads.api.permissions import Need
from leads.api.view import unknown_keys
from leads.models.apikey import Scope as KeyScope
from leads.validation import in_seconds
from webhooks.api.webhooks import WebhookResource
from webhooks.models import State, Webhook
from webhooks.outbound import rotation, switch, trial

USUAL_OVERLAP: Final = 1
_LONGEST: Final = rotation.LONGEST_OVERLAP.days


class Action(WebhookResource):
    http_method_names = ["post"]
    needs: ClassVar = {"POST": Need(KeyScope.WEBHOOKS_ADMIN, "webhooks.change_webhook")}
    empty_body = True
    # The keys that its body may have.
    takes: ClassVar[Sequence[str]] = ()

    def post(self, request: Request, pk: str) -> Response:
        webhook = self.find(pk)
        if faults := unknown_keys(self.sent, self.takes, "this request"):
            raise Problem(400, faults=faults)
        try:
            return self.done(webhook)
        except switch.WrongState as refusal:
            raise Problem(409, str(refusal)) from None
        except Webhook.DoesNotExist:
            raise missing(self.noun) from None

    def done(self, webhook: Webhook) -> Response:
        raise NotImplementedError


class Switch(Action):
    """To a state, in which it may be already: then nothing happens."""

    state: ClassVar[State]

    def done(self, webhook: Webhook) -> Response:
        if webhook.state != self.state:
            self.turn(webhook)(webhook.pk)
        return Response(self.wire(self.find(str(webhook.pk))))

    def turn(self, webhook: Webhook) -> Callable[[int], Any]:
        raise NotImplementedError


class Enable(Switch):
    """What a paused webhook holds is sent; what happened while it was disabled is not."""

    state = State.ENABLED

    def turn(self, webhook: Webhook) -> Callable[[int], Any]:
        return switch.resume if webhook.state == State.PAUSED else switch.enable


class Pause(Switch):
    state = State.PAUSED

    def turn(self, webhook: Webhook) -> Callable[[int], Any]:
        return switch.pause


class Disable(Switch):
    state = State.DISABLED

    def turn(self, webhook: Webhook) -> Callable[[int], Any]:
        return switch.disable


class SendTest(Action):
    """Takes as long as the receiver does, at most the webhook's time limit."""

    def done(self, webhook: Webhook) -> Response:
        try:
            delivery = trial.send_test(webhook)
        except ValueError as error:
            raise Problem(409, f"No test was sent: {shown(str(error), longest=300)}.") from None
        return Response(
            {
                "delivery": delivery.pk,
                "status": delivery.status,
                "code": delivery.code,
                "error": delivery.error,
                "duration_ms": delivery.duration_ms,
            }
        )


class Keys(Action):
    """Answers with what signs from when on; a secret that was made, or typed, this once."""

    def answer(self, webhook: Webhook, secret: str | None) -> Response:
        held = rotation.keys(self.find(str(webhook.pk)), timezone.now())
        signs_from = held.next_at if held.next else held.since
        told = in_seconds(signs_from) if signs_from else None
        return Response({"secret": secret, "signs_from": told}, headers={"Cache-Control": "no-store"})


class RotateSecret(Keys):
    """Without a secret so far, the first one: it signs at once."""

    takes = ("overlap_days", "secret")

    def done(self, webhook: Webhook) -> Response:
        days, typed = self._days(), self._typed(webhook)
        try:
            if rotation.keys(webhook, timezone.now()).current:
                secret = rotation.rotate(webhook.pk, timedelta(days=days), typed)
            else:
                secret = rotation.generate(webhook.pk, typed)
        except ValueError as fault:
            raise Problem(400, faults=[Fault("secret", "secret", f"is refused: {fault}")]) from None
        return self.answer(webhook, secret)

    def _days(self) -> int:
        days = self.sent.get("overlap_days")
        if days is None:
            return USUAL_OVERLAP
        if type(days) is not int or not 0 <= days <= _LONGEST:
            fault = Fault("overlap_days", "integer", f"must be a whole number from 0 to {_LONGEST}")
            raise Problem(400, faults=[fault])
        return days

    def _typed(self, webhook: Webhook) -> str:
        typed = self.sent.get("secret")
        if typed is not None and not isinstance(typed, str):
            raise Problem(400, faults=[Fault("secret", "text", "must be a text")])
        if typed and webhook.wire.secret == "always":
            words = f"is made by leadcrm for {webhook.wire.label}: leave it out"
            raise Problem(400, faults=[Fault("secret", "generated", words)])
        return typed or ""


class SwitchSecret(Keys):
    """Ends the overlap."""

    def done(self, webhook: Webhook) -> Response:
        rotation.switch_now(webhook.pk)
        return self.answer(webhook, None)
