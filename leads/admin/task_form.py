"""The form of a task."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from leads.admin.base import is_key
from leads.admin.lead_fields import Moment, Reference, person_choice
from leads.admin.owned import ACCOUNT, OwnedForm, check_text
from leads.models import Lead, Task
from leads.validation import in_seconds, is_iso_date, read_moment

_MOMENTS = ("due_at", "remind_at")


class LeadWidget(AutocompleteSelect):
    """Asks the admin's autocomplete view, which searches the leads that the user sees."""

    def __init__(self) -> None:
        super().__init__(Task._meta.get_field("lead"), admin.site, attrs={"data-placeholder": "No lead"})

    def optgroups(self, name: str, value: Any, attrs: dict[str, Any] | None = None) -> Any:
        # What is no key cannot be looked up to be shown as selected.
        return super().optgroups(name, [one for one in value if is_key(str(one))], attrs)


class TaskForm(OwnedForm):
    """The status is changed by buttons of its own."""

    writer_id: int

    class Meta:
        model = Task
        fields = ["account", "name", "category", "lead", "owner", "due_at", "remind_at", "description"]
        widgets = ACCOUNT | {
            "name": UnfoldAdminTextInputWidget,
            "category": UnfoldAdminTextInputWidget,
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        }
        help_texts = {"category": "Such as Call, Visit or Paperwork."}

    def prepare(self) -> None:
        task: Task = self.instance
        leads = self.scope.leads()
        if task.account_id is not None:
            leads = leads.filter(account_id=task.account_id)
        # What is chosen already stays on offer, whoever chose it.
        self.fields["lead"] = Reference(
            leads | Lead.objects.filter(pk=task.lead_id or 0), key="lead", required=False, widget=LeadWidget()
        )
        self.fields["owner"] = self._owner(task)
        self.fields["due_at"] = Moment(label="Due", help_text="In UTC.")
        self.fields["remind_at"] = Moment(
            label="Reminder",
            required=False,
            help_text="In UTC. At this time webhooks that listen to task.reminder are told.",
        )
        for name in _MOMENTS:
            stored = getattr(task, name)
            self.initial[name] = in_seconds(stored) if stored else None

    def _owner(self, task: Task) -> forms.Field:
        return person_choice(self.scope, task.account_id, task.owner_id, required=False, empty_label="Unassigned")

    def clean_description(self) -> str | None:
        text: str | None = self.cleaned_data["description"]
        if not text:
            return text
        check_text("Description", text)
        return text.replace("\r\n", "\n")

    def clean_due_at(self) -> Any:
        return self._moment("due_at")

    def clean_remind_at(self) -> Any:
        return self._moment("remind_at")

    def _moment(self, name: str) -> Any:
        text = self.cleaned_data[name]
        if text == self.initial[name]:
            # As it is stored, parts of seconds included: another time to remind at would be another reminder.
            return getattr(self.instance, name)
        if text is None:
            return None
        if not is_iso_date(text):
            raise forms.ValidationError(f"{self.fields[name].label} must be a date and time.")
        return read_moment(text)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        account = data.get("account")
        account_id = account.pk if account else self.instance.account_id
        lead, owner = data.get("lead"), data.get("owner")
        if lead is not None and lead.account_id != account_id:
            self.add_error("lead", "Lead must be of the task's account.")
        if owner is not None and self._is_new("owner", owner) and owner.membership.account_id != account_id:
            self.add_error("owner", "Owner must be of the task's account.")
        if self.scope.loses_task(self.writer_id, lead, owner) and not self.errors:
            self.add_error("lead", "Lead must be chosen, or the owner be you: you would not see the task any more.")
        return data

    def _is_new(self, name: str, chosen: Any) -> bool:
        return bool(getattr(self.instance, f"{name}_id") != chosen.pk)
