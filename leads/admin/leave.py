"""Leaves: who is away from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from leads.admin.deletion import Deletion
from leads.admin.display import badge, clip, day, person
from leads.admin.lead_fields import DayInput, Reference, person_choice
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm
from leads.models import Leave
from leads.models.leave import covering


class Day(forms.DateField):
    """The browser's own input of a date, which sends ISO dates whatever it shows."""

    widget = DayInput

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label, input_formats=["%Y-%m-%d"], error_messages={"invalid": f"{label} must be a date."}
        )

    def prepare_value(self, value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else value


class LeaveForm(OwnedForm):
    class Meta:
        model = Leave
        fields = ["account", "user", "starts_on", "ends_on", "reason"]
        widgets = ACCOUNT | {"reason": UnfoldAdminTextInputWidget}
        help_texts = {"reason": "Everybody of the account can read it."}

    def prepare(self) -> None:
        leave: Leave = self.instance
        self.fields["user"] = self._person(leave)
        self.fields["user"].error_messages["required"] = "Person must be chosen."
        self.fields["starts_on"] = Day("First day")
        self.fields["ends_on"] = Day("Last day")

    def _person(self, leave: Leave) -> Reference:
        words = {"key": "person", "label": "Person", "empty_label": "Select value"}
        return person_choice(self.scope, leave.account_id, leave.user_id, **words)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        account, user = data.get("account"), data.get("user")
        if account is not None and user is not None and user.membership.account_id != account.pk:
            self.add_error("user", "Person must be of the account.")
        first, last = data.get("starts_on"), data.get("ends_on")
        if user is not None and first is not None and last is not None:
            for name, words in Leave.misfit(user.pk, first, last, but=self.instance.pk).items():
                self.add_error(name, f"{self.fields[name].label} {words}.")
        return data


class WhenFilter(RadioFilter):
    title = parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("today", "Away today"), ("ahead", "Ahead"), ("past", "Past")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = timezone.localdate()
        match self.value():
            case "today":
                return queryset.filter(covering(today, today))
            case "ahead":
                return queryset.filter(starts_on__gt=today)
            case "past":
                return queryset.filter(ends_on__lt=today)
        return queryset


@admin.register(Leave)
class LeaveAdmin(OwnedAdmin):
    form = LeaveForm
    fields_of_form = ("user", ("starts_on", "ends_on"), "reason")
    columns = ("who", "first_day", "last_day", "state", "why")
    list_display_links = ("who",)
    list_select_related = ("account", "user")
    list_filter = (WhenFilter,)
    search_fields: Sequence[str] = ("user__first_name", "user__last_name", "user__username", "reason")
    search_help_text = "Person or reason"
    ordering = ("-starts_on", "-id")
    sortable_by = ("first_day",)
    empty_icon = "event_busy"
    empty_title = "No leaves yet"
    empty_text = "Who is away for some days is shown so in the list of people."

    @display(description="Person")
    def who(self, leave: Leave) -> SafeString:
        return person(str(leave.user), leave.user.email)

    @display(description="First day", ordering="starts_on")
    def first_day(self, leave: Leave) -> str:
        return day(leave.starts_on)

    @display(description="Last day")
    def last_day(self, leave: Leave) -> str:
        return day(leave.ends_on)

    @display(description="State")
    def state(self, leave: Leave) -> SafeString:
        today = timezone.localdate()
        if leave.starts_on > today:
            return badge("", "Ahead")
        return badge("held", "Away today") if leave.ends_on >= today else badge("cancelled", "Past")

    @display(description="Reason")
    def why(self, leave: Leave) -> SafeString:
        return clip(leave.reason or "")

    def deletion(self, request: HttpRequest, leave: Leave) -> Deletion:
        return Deletion(
            f"Delete this leave of {leave.user}?",
            f"{leave.user} is not away from {day(leave.starts_on)} to {day(leave.ends_on)} any more. "
            "Webhooks that listen to leave.deleted are told.",
        )
