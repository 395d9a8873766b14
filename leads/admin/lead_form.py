"""The lead's form, made from the catalogue: a field of it for each of the lead's, judged by the lead's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.forms.utils import ErrorDict
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminNullBooleanSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from leads import fields, validation
from leads import setup as setups
from leads.admin import slots
from leads.admin.base import is_key, sentence
from leads.admin.rows import CODECS, RowsField, read_number, show_number
from leads.admin.words import label, words
from leads.fields import BY_KEY, Field
from leads.models import Account, Lead, Office
from leads.models.lead import judge
from leads.scope import Scope

# Where a lead comes from that somebody adds by hand.
SOURCE = "admin"

# A text of more characters than this is edited in a box.
_ONE_LINE = 255


class Text(forms.CharField):
    """Unset is None. What the browser does to line breaks, and we to blanks around it, is no change."""

    def __init__(self, *, lines: bool = False, **options: Any) -> None:
        self.lines = lines
        super().__init__(empty_value=None, **options)

    def to_python(self, value: Any) -> str | None:
        text: str | None = super().to_python(value)
        return text.replace("\r\n", "\n") if text else text

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and self._plain(initial) != self._plain(data)

    def _plain(self, value: Any) -> str:
        text = str(value or "").replace("\r\n", "\n").replace("\r", "\n").strip()
        return text if self.lines else text.replace("\n", "")


class Number(forms.Field):
    """An int or a float as typed; what is none is passed on, for the rules to refuse it by name."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> str:
        return show_number(value)

    def to_python(self, value: Any) -> int | float | str | None:
        return read_number(str(value or "").strip())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and initial != self.to_python(data)


class Choice(forms.ChoiceField):
    """Which codes there are is the rules' business."""

    def to_python(self, value: Any) -> str | None:
        return str(value) if value else None

    def valid_value(self, value: Any) -> bool:
        return True


class Reference(forms.ModelChoiceField):
    """The id of another record; which may be chosen says the queryset."""

    def __init__(self, queryset: Any, *, key: str, visible: Any = None, **options: Any) -> None:
        self.visible = visible
        super().__init__(queryset, **options)
        self.error_messages["invalid_choice"] = sentence(key, "must be one of those on offer")

    def label_from_instance(self, obj: Any) -> str:
        # The parent that somebody else gave may lie in an office whose leads this user does not see.
        if self.visible is not None and not self.visible.filter(pk=obj.pk).exists():
            return f"Lead {obj.pk}"
        return str(obj)


class ParentWidget(AutocompleteSelect):
    """Asks the admin's autocomplete view, which searches the leads that the user sees."""

    def __init__(self) -> None:
        super().__init__(Lead._meta.get_field("parent"), admin.site)

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        # What is no key cannot be looked up to be shown as selected.
        return super().optgroups(name, [one for one in value if is_key(str(one))], attrs)


class AccountOffice(Reference):
    def label_from_instance(self, obj: Office) -> str:
        return f"{obj.account.name} – {obj.name}"


@dataclass(frozen=True, slots=True)
class Difference:
    label: str
    theirs: str
    yours: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody saved a newer version while this one was being edited."""

    version: int
    steps: list[slots.Step]
    differences: list[Difference]


def keys_of(*groups: str) -> list[str]:
    """What staff fill in, in the catalogue's order."""
    return [
        field.key
        for field in fields.FIELDS
        if field.group in groups and (field.writeable or field.kind == "comparables") and "leadpro" in field.systems
    ]


EDITED = keys_of(*fields.GROUPS)


class LeadForm(forms.ModelForm):
    """A class of its own for each request, see `for_writer`."""

    scope: Scope
    readonly = False

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Lead
        fields: list[str] = []

    @classmethod
    def for_writer(cls, scope: Scope, *, readonly: bool) -> type[LeadForm]:
        return type("LeadForm", (cls,), {"scope": scope, "readonly": readonly})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conflict: Conflict | None = None
        lead: Lead = self.instance
        self.adding = lead.pk is None
        if self.adding and not self.scope.every_account:
            assert self.scope.account_id is not None
            lead.account_id = self.scope.account_id
        # As it is stored: the instance keeps it until everything is found right.
        self.before: dict[str, Any] | None = None if self.adding else lead.values()
        if self.adding and self.scope.every_account:
            self.fields["account_id"] = forms.ModelChoiceField(
                Account.objects.all(),
                label="Account",
                widget=UnfoldAdminSelectWidget,
                empty_label="Select value",
                error_messages={"required": "Account must be one of those on offer."},
            )
        for key in EDITED:
            self.fields[key] = self._field(BY_KEY[key])
            self.fields[key].disabled = self.readonly
            self.initial[key] = self._initial(key)
        self.initial["version"] = lead.version

    # --- the fields ---

    def _field(self, field: Field) -> forms.Field:
        options: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": False}
        match field.kind:
            case "text" | "email":
                lines = (field.max_length or 0) > _ONE_LINE
                widget = UnfoldAdminExpandableTextareaWidget if lines else UnfoldAdminTextInputWidget
                if field.kind == "email":
                    widget = UnfoldAdminEmailInputWidget
                return Text(lines=lines, widget=widget(), **options)
            case "number" | "integer":
                mode = "numeric" if field.kind == "integer" else "decimal"
                return Number(widget=UnfoldAdminTextInputWidget(attrs={"inputmode": mode}), **options)
            case "boolean":
                return forms.NullBooleanField(widget=UnfoldAdminNullBooleanSelectWidget(), **options)
            case "choice":
                kept = not field.nullable or bool(self.before and self.before.get(field.key))
                choices = field.choices if kept else (("", "Select value"), *field.choices)
                return Choice(choices=choices, widget=UnfoldAdminSelectWidget(), **options)
            case "hours" | "pairs" | "questions" | "comparables":
                return RowsField(CODECS[field.kind], field.label, help_text=field.help)
            case _:
                return self._reference(field.key, options)

    def _reference(self, key: str, options: dict[str, Any]) -> forms.Field:
        account_id = self.instance.account_id
        if key == "office_id":
            options |= {"key": key, "widget": UnfoldAdminSelectWidget(), "empty_label": "No office"}
            if account_id is None:
                return AccountOffice(
                    self.scope.offices().select_related("account").order_by("account__name", "name"), **options
                )
            if not self.scope.whole_account:
                options |= {"empty_label": None if self.instance.office_id else "Select value"}
            # What is chosen already stays on offer, whoever chose it.
            chosen_office = Office.objects.filter(pk=self.instance.office_id)
            return Reference(self.scope.choosable_offices(account_id) | chosen_office, **options)
        leads = self.scope.leads() if account_id is None else self.scope.choosable_parents(account_id)
        chosen = Lead.objects.filter(pk=self.instance.parent_id)
        return Reference(leads | chosen, key=key, visible=leads, widget=ParentWidget(), **options)

    def _initial(self, key: str) -> Any:
        if self.before is not None:
            stored = self.before[key]
        else:
            stored = self._only_office() if key == "office_id" else _default(key)
        field = self.fields[key]
        return field.rows(stored) if isinstance(field, RowsField) else stored

    def _only_office(self) -> int | None:
        own = self.scope.office_ids
        return next(iter(own)) if own is not None and len(own) == 1 else None

    # --- what was typed ---

    def clean(self) -> dict[str, Any]:
        if not self.adding and self.cleaned_data.get("version") != self.instance.version:
            self.conflict = self._conflict()
        return self.cleaned_data

    def _post_clean(self) -> None:
        """Judge the merged record, and lay it over the instance only when it is right."""
        if self.conflict is not None:
            self._errors = ErrorDict(renderer=self.renderer)
            self.add_error("version", ValidationError("Version must be the newest one.", code="conflict"))
            return
        lead: Lead = self.instance
        if self.adding and "account_id" in self.fields:
            account = self.cleaned_data.get("account_id")
            if account is None:
                return
            lead.account_id = account.pk
        typed = self._typed()
        if self.before is None:
            before = None
            merged = {key: _default(key) for key in EDITED}
            merged |= {key: value for key, value in typed.items() if value is not None}
        else:
            before = self.before | {name: getattr(lead, name) for name in _FOLLOWING}
            merged = self.before | typed
        # A name that is made of its parts is judged as it is going to be.
        whole = merged | validation.derive(merged, before)
        found = [
            *judge(whole, self.before, setup=setups.of(lead.account_id)),
            *self.scope.judge(lead.account_id, merged, self.before, lead.pk),
        ]
        for violation in found:
            if violation.field not in self.errors:
                words_ = sentence(violation.field, violation.message)
                name = violation.field if violation.field in self.fields else None
                self.add_error(name, ValidationError(words_, code=violation.rule))
        if self.errors:
            return
        for key in EDITED:
            if self.adding or key in typed:
                lead.set(key, merged[key])

    def _typed(self) -> dict[str, Any]:
        """What differs from what the page showed, as values of the lead. A field that was not sent is left alone."""
        typed = {}
        for key in EDITED:
            field, bound = self.fields[key], self[key]
            omitted = field.widget.value_omitted_from_data(self.data, self.files, bound.html_name)
            if omitted or key not in self.cleaned_data:
                continue
            if not self.adding and not field.has_changed(self.initial[key], bound.data):
                continue
            value = self.cleaned_data[key]
            if isinstance(field, RowsField):
                try:
                    value = field.build(value, None if self.before is None else self.before[key])
                except ValidationError as error:
                    self.add_error(key, error)
                    continue
            elif isinstance(field, Reference):
                value = value.pk if value is not None else None
            typed[key] = value
        return typed

    def _conflict(self) -> Conflict:
        version = self.cleaned_data.get("version") or 0
        steps = slots.steps_since(self.instance, version)
        changed = {key for step in steps for key in step.changes}
        assert self.before is not None
        differences = [
            Difference(label(key), self._words(key, self.before[key]), self._words(key, value))
            for key, value in self._typed().items()
            if not steps or key in changed
        ]
        return Conflict(self.instance.version, steps, differences)

    def _words(self, key: str, value: Any) -> str:
        if key == "office_id" and value is not None:
            return Office.objects.filter(pk=value).values_list("name", flat=True).first() or words(key, value)
        return words(key, value)


def _default(key: str) -> Any:
    """Of a new lead; what is not said elsewhere is unset."""
    return {"status": _BLANK.status, "stage": _BLANK.stage, "source": SOURCE, "comparable_props": []}.get(key)


_BLANK = Lead()


# What follows from other fields, and is stored.
_FOLLOWING = ("full_name_derived", "phone_e164", "callable")
