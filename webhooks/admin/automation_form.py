"""The form of a rule or an automation. What conditions and steps can name follows from its event and account."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from leads.admin.base import is_key
from leads.admin.owned import check_text
from leads.events import ORDER
from leads.models import Account
from leads.scope import Scope
from webhooks.admin.automation_steps import StepsField
from webhooks.admin.webhook_filters import FiltersField
from webhooks.automation import records, steps
from webhooks.automation.world import World
from webhooks.models import Automation, AutomationKind
from webhooks.wire.filter import read

FIRST_EVENT = "lead.created"


def events() -> list[tuple[str, list[tuple[str, str]]]]:
    """To choose from, by what they are of."""

    def group(choice: tuple[str, str]) -> str:
        return capfirst(str(records.model_of(choice[0])._meta.verbose_name_plural))

    return [(name, list(choices)) for name, choices in groupby(records.CHOICES, group)]


class AutomationForm(forms.ModelForm):
    """Of the rules that `scope` may set up; a class of its own for each request, see `automation_form`."""

    scope: Scope

    account = forms.ModelChoiceField(
        Account.objects.order_by("name"), widget=UnfoldAdminSelectWidget(), help_text="It cannot be changed later."
    )
    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        validators=[partial(check_text, "Name")],
        help_text="Shown in the timeline of leads. For example: Greet new buyers.",
    )
    is_active = forms.BooleanField(
        label="On",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Switched off, it hears nothing, and what waits is stopped.",
    )
    kind = forms.ChoiceField(
        choices=AutomationKind.choices,
        initial=AutomationKind.RULE,
        widget=UnfoldAdminSelectWidget(),
        help_text="A rule does everything at once. An automation can wait before each step.",
    )
    event = forms.ChoiceField(
        label="When",
        initial=FIRST_EVENT,
        widget=UnfoldAdminSelectWidget(),
        help_text="One change can fire several events: an update of a lead also fires Lead field changed.",
    )
    conditions = FiltersField()
    steps = StepsField()

    class Meta:
        model = Automation
        fields = ("account", "name", "is_active", "kind", "event", "conditions", "steps")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule: Automation = self.instance
        if rule.pk is not None or not self.scope.every_account:
            del self.fields["account"]
        field: Any = self.fields["event"]
        field.choices = events()
        event = self._given("event", rule.event or FIRST_EVENT)
        self.world = World(self._chosen_account(), event if event in ORDER else FIRST_EVENT)
        self._prepare_builders()

    def _given(self, name: str, stored: str) -> str:
        return str(self.data.get(self.add_prefix(name), "")) if self.is_bound else str(self.initial.get(name) or stored)

    def _chosen_account(self) -> int | None:
        if "account" not in self.fields:
            return self.instance.account_id or self.scope.account_id or None
        typed = self._given("account", "")
        chosen = Account.objects.filter(pk=int(typed)) if is_key(typed) else Account.objects.none()
        return chosen.values_list("pk", flat=True).first()

    def _prepare_builders(self) -> None:
        args = [self.instance.pk] if self.instance.pk is not None else []
        new = "" if args else "new_"
        follows = ("account", "event") if "account" in self.fields else ("event",)
        conditions: Any = self.fields["conditions"]
        conditions.label = "Conditions"
        conditions.help_text = "All of them must hold. None: every event of this type. A row without a field is none."
        conditions.widget.fields = self.world.fields
        conditions.widget.noun, conditions.widget.none = "condition", "No conditions: every event of this type."
        conditions.widget.follows = follows
        conditions.widget.url = reverse(f"admin:webhooks_automation_{new}conditions", args=args)
        steps_: Any = self.fields["steps"]
        steps_.widget.world = self.world
        steps_.widget.kind = self._given("kind", self.instance.kind)
        steps_.widget.follows = (*follows, "kind")
        steps_.widget.url = reverse(f"admin:webhooks_automation_{new}steps", args=args)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not self.world.account_id and "account" not in self.errors:
            raise ValidationError("You belong to no account, so that this rule would have none.")
        if {"kind", "event"}.issubset(cleaned) and self.world.account_id:
            self._clean_steps(cleaned)
        return cleaned

    def _clean_steps(self, cleaned: dict[str, Any]) -> None:
        given = cleaned.get("steps", [])
        if "conditions" in cleaned:
            conditions = read(cleaned["conditions"])
            stored, faults = steps.faults(cleaned["kind"], cleaned["event"], conditions, given, self.world)
        else:  # whether it would start itself again cannot be told
            stored, faults = steps.read(cleaned["kind"], given, self.world)
        for number, sentence in faults:
            self.add_error("steps", sentence if number is None else f"Step {number + 1}: {sentence}")
        cleaned["steps"] = stored

    def _post_clean(self) -> None:
        if self.instance.pk is None and "account" not in self.fields:
            self.instance.account_id = self.scope.account_id
        super()._post_clean()  # type: ignore[misc]


def automation_form(scope: Scope) -> type[forms.ModelForm]:
    form: type[forms.ModelForm] = type("RuleForm", (AutomationForm,), {"scope": scope})
    return form
