"""Custom fields: what an account keeps of its leads beside the fields that every lead has."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import JSONField, Max, Value
from django.db.models.fields.json import KeyTransform
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from leads import custom, unique
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, clip, mono, plural
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm, check_text
from leads.models import CustomField, Form, Lead

_LISTED = ("choice", "choices")


class LinesField(forms.CharField):
    """Texts, one in each line; empty lines are none."""

    def prepare_value(self, value: Any) -> str:
        return "\n".join(value) if isinstance(value, list) else str(value or "")

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        lines = (super().to_python(value) or "").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def validate(self, value: Any) -> None:
        """None at all is judged with the type."""

    def run_validators(self, value: Any) -> None:
        for line in value:
            super().run_validators(line)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and (initial or []) != self.to_python(data)


class CustomFieldForm(OwnedForm):
    choices = LinesField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="One in each line, in the order in which they are offered. "
        "A lead keeps a value that is not on offer any more until somebody changes it.",
    )

    class Meta:
        model = CustomField
        fields = ["account", "label", "key", "kind", "choices", "required", "unique", "position"]
        widgets = ACCOUNT | {
            "label": UnfoldAdminTextInputWidget,
            "key": UnfoldAdminTextInputWidget,
            "kind": UnfoldAdminSelectWidget,
            "required": UnfoldBooleanSwitchWidget,
            "unique": UnfoldBooleanSwitchWidget,
            "position": UnfoldAdminIntegerFieldWidget,
        }
        help_texts = {
            "key": "Its name in the API and in webhooks, such as move_in_date. It cannot be changed later.",
            "required": "A new lead needs a value, and one that has a value keeps one. Others stay as they are. "
            "Nobody can send a web form any more that does not ask for the field.",
            "unique": "No two leads have the same value, however it is capitalised, and leads that come in are "
            "recognised by it: for the numbers that other systems give to leads.",
            "position": "Fields stand in this order on the lead's page.",
        }

    def prepare(self) -> None:
        if self.adding:
            del self.fields["position"]
            return
        self.fields["key"].disabled = True
        self.fields["key"].help_text = "It cannot be changed any more: other systems know the field by it."

    def clean_kind(self) -> str:
        kind: str = self.cleaned_data["kind"]
        before = self.initial.get("kind")
        if not self.adding and kind != before and (count := leads_with_value(self.instance)):
            have = f"{plural(count, 'lead')} {'has' if count == 1 else 'have'}"
            raise ValidationError(f"Type cannot be changed while {have} a value. Add another field instead.")
        return kind

    def clean_choices(self) -> list[str]:
        choices: list[str] = self.cleaned_data["choices"]
        for choice in choices:
            check_text("Choices", choice)
        return choices

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        kind = data.get("kind")
        if kind not in _LISTED:
            # Hidden inputs are sent all the same.
            data["choices"] = []
        elif "choices" in data and (fault := custom.choices_fault(kind, data["choices"])) is not None:
            self.add_error("choices", f"Choices {fault}.")
        if kind not in custom.UNIQUE_KINDS:
            data["unique"] = False
        return data

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors and (reason := unique.fault(self.instance)) is not None:
            self.add_error("unique", f"Unique {reason}.")


def leads_with_value(field: CustomField) -> int:
    # Not as a look-up through the key: a key with two underscores would be read as one.
    leads = Lead.objects.filter(account_id=field.account_id).annotate(value=KeyTransform(field.key, "custom_fields"))
    return leads.filter(value__isnull=False).exclude(value=Value(None, JSONField())).count()


def open_forms_without(field: CustomField) -> list[Form]:
    """The account's open web forms that do not ask for the field."""
    forms = Form.objects.filter(account_id=field.account_id, is_open=True).order_by("name")
    key = f"custom_fields.{field.key}"
    return [form for form in forms if all(row.get("key") != key for row in form.fields)]


def _form_link(request: HttpRequest, form: Form) -> SafeString | str:
    if not request.user.has_perm("leads.view_form"):
        return form.name
    return format_html('<a href="{}">{}</a>', reverse("admin:leads_form_change", args=[form.pk]), form.name)


@admin.register(CustomField)
class CustomFieldAdmin(OwnedAdmin):
    form = CustomFieldForm
    fields_of_form = (("label", "key"), "kind", "choices", "required", "unique")
    columns = ("label", "key_code", "kind", "needed", "once", "offered")
    search_fields = ("label", "key")
    search_help_text = "Label or key"
    ordering = ("account__name", "position", "id")
    sortable_by = ()
    conditional_fields = {
        "choices": "kind == 'choice' || kind == 'choices'",
        "unique": " || ".join(f"kind == '{kind}'" for kind in custom.UNIQUE_KINDS),
    }
    empty_title = "No custom fields yet"
    empty_text = "They hold what you keep of a lead beside the fields that every lead has."

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        (name, options), *_ = super().get_fieldsets(request, obj)
        # A new one comes last.
        return [(name, options if obj is None else {"fields": [*options["fields"], "position"]})]

    @display(description="Key")
    def key_code(self, field: CustomField) -> SafeString:
        return mono(field.key)

    @display(description="Required")
    def needed(self, field: CustomField) -> SafeString | str:
        return "Required" if field.required else MISSING

    @display(description="Unique")
    def once(self, field: CustomField) -> SafeString | str:
        return "Unique" if field.unique else MISSING

    @display(description="Choices")
    def offered(self, field: CustomField) -> SafeString:
        return clip(", ".join(field.choices))

    def save_model(self, request: HttpRequest, obj: CustomField, form: Any, change: bool) -> None:
        if not change:
            last = CustomField.objects.filter(account_id=obj.account_id).aggregate(last=Max("position"))["last"]
            obj.position = 0 if last is None else last + 1
        super().save_model(request, obj, form, change)
        if obj.required and (broken := open_forms_without(obj)):
            names = format_html_join(", ", "{}", ((_form_link(request, each),) for each in broken))
            one = len(broken) == 1
            messages.warning(
                request,
                format_html(
                    "{} {} ask for {}, so that nobody can send {} any more: {}.",
                    plural(len(broken), "open web form"),
                    "does not" if one else "do not",
                    obj.label,
                    "it" if one else "them",
                    names,
                ),
            )

    def deletion(self, request: HttpRequest, field: CustomField) -> Deletion:
        count = leads_with_value(field)
        if not count:
            return Deletion(f"Delete {field}?", "No lead has a value of it.")
        return Deletion(
            f"Delete {field}?",
            f"{plural(count, 'lead')} {'has' if count == 1 else 'have'} a value of it. The values stay stored, but are "
            "not shown, sent or served any more. A new field with the same key brings them back.",
        )
