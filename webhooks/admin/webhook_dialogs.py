"""The dialogs of a webhook's actions: each asks about one webhook by name, and says what will happen to how many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from leads.admin.display import plural
from webhooks.admin import webhook_health
from webhooks.models import Webhook
from webhooks.outbound import rotation, switch


class Dialog(BaseDialogForm):
    form_before_template = "admin/webhooks/webhook/dialog.html"

    @property
    def webhook(self) -> Webhook:
        """The action has looked at the scope already."""
        return Webhook.objects.get(pk=self.object_id)

    def title(self, webhook: Webhook) -> str:
        raise NotImplementedError

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        raise NotImplementedError

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        webhook = self.webhook
        return {"title": self.title(webhook), "sentences": list(self.sentences(webhook))}


class PauseDialog(Dialog):
    def title(self, webhook: Webhook) -> str:
        return f"Pause {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        count = switch.waiting(webhook.pk)
        if count:
            yield f"{plural(count, 'waiting delivery', 'waiting deliveries')} and all new ones are held."
        else:
            yield "No delivery waits. All new ones are held."
        yield f"When you resume, they are sent in order, {webhook_health.pace(webhook)}."


class ResumeDialog(Dialog):
    def title(self, webhook: Webhook) -> str:
        return f"Resume {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        if webhook.state_reason:
            yield f"It was paused because: {webhook.state_reason}"
        count = switch.waiting(webhook.pk)
        if not count:
            yield "Nothing is held. New events are sent as they come."
            return
        held = plural(count, "held delivery leaves", "held deliveries leave")
        yield f"{held} in order, {webhook_health.leaving(webhook, count)}."


class DisableDialog(Dialog):
    def title(self, webhook: Webhook) -> str:
        return f"Disable {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        yield f"{cancelled(webhook)} New events are not recorded for it."


class EnableDialog(Dialog):
    def title(self, webhook: Webhook) -> str:
        return f"Enable {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        yield "Events are recorded and sent from now on. What happened while it was disabled is not sent."


class SecretDialog(Dialog):
    """Where the system can do without a secret, staff may type the one that the receiver has."""

    typed_secret = forms.CharField(
        label="Secret",
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The one that the receiver has, if it has one already. Empty: one is generated, and shown once.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.webhook.wire.secret == "always":
            del self.fields["typed_secret"]

    @property
    def typed(self) -> str:
        return str(self.cleaned_data.get("typed_secret", ""))

    def clean_typed_secret(self) -> str:
        typed: str = self.cleaned_data["typed_secret"]
        if typed and (fault := rotation.fault(self.webhook.wire, typed)):
            raise ValidationError(fault)
        return typed


class RotateDialog(SecretDialog):
    overlap = forms.TypedChoiceField(
        label="The current secret signs",
        coerce=lambda days: timedelta(days=int(days)),
        initial=1,
        widget=UnfoldAdminSelectWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = timezone.now()
        field: Any = self.fields["overlap"]
        field.choices = [(0, "no more: switch at once")] + [
            (days, f"for {plural(24 * days, 'hour') if days == 1 else plural(days, 'day')}, until {_minute(now, days)}")
            for days in range(1, rotation.LONGEST_OVERLAP.days + 1)
        ]

    def title(self, webhook: Webhook) -> str:
        return f"Rotate the secret of {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        if webhook.wire.secret == "always":
            yield "The next secret is made now and shown once."
        if webhook.wire.webhook_headers == "always":
            yield "Until the chosen time, or until you press Switch now, both sign: the receiver may know either."
        else:
            yield "Until the chosen time, or until you press Switch now, the current one signs."


class SwitchNowDialog(Dialog):
    def title(self, webhook: Webhook) -> str:
        return f"Switch {webhook.name} to its next secret?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        held = rotation.keys(webhook, timezone.now())
        yield f"{rotation.tail(held.next)} signs from now on, and {rotation.tail(held.current)} no more."
        yield "A receiver that does not know the next secret yet refuses what we send."


class GenerateDialog(SecretDialog):
    def title(self, webhook: Webhook) -> str:
        return f"Generate a secret for {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        if webhook.wire.secret == "always":
            yield "It is shown once."
        yield "Everything is signed with it from now on."


class RemoveDialog(Dialog):
    def title(self, webhook: Webhook) -> str:
        return f"Remove the secret of {webhook.name}?"

    def sentences(self, webhook: Webhook) -> Iterator[str]:
        yield "From now on nothing is signed, so that the receiver cannot tell who sends."
        yield "The secret cannot be brought back; you can generate another one."


def cancelled(webhook: Webhook) -> str:
    """ "3 waiting deliveries are cancelled." """
    count = switch.waiting(webhook.pk)
    if not count:
        return "No delivery waits."
    return f"{plural(count, 'waiting delivery is', 'waiting deliveries are')} cancelled."


def _minute(now: datetime, days: int) -> str:
    local = timezone.localtime(now + timedelta(days=days))
    return f"{local.day} {local:%b}, {local:%H:%M %Z}"
