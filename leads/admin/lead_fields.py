"""The fields of the lead's form, one class for each kind of value. Which values are right is the rules' business."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import (
    BASE_INPUT_CLASSES,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from leads.admin.base import is_key
from leads.admin.display import MISSING, at, number
from leads.admin.rows import read_number, show_number
from leads.admin.words import label
from leads.models import Lead, User
from leads.scope import Scope
from leads.sentences import sentence


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


class MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"step": "1"})


class Moment(forms.Field):
    """A time in UTC in whole seconds, "2024-12-02T14:05:38Z" as the catalogue has it."""

    widget = MomentInput

    def prepare_value(self, value: Any) -> str:
        return str(value or "").removesuffix("Z")

    def to_python(self, value: Any) -> str | None:
        text = str(value or "").strip()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return text or None
        return text if moment.tzinfo is not None else f"{moment.isoformat(timespec='seconds')}Z"

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and self.to_python(self.prepare_value(initial)) != self.to_python(data)


class DayInput(UnfoldAdminTextInputWidget):
    input_type = "date"


class Choice(forms.ChoiceField):
    """One of the codes of a field, or another one that is stored."""

    def to_python(self, value: Any) -> str | None:
        return str(value) if value else None

    def valid_value(self, value: Any) -> bool:
        return True


class StageChoice(forms.TypedChoiceField):
    """The id of a stage; the choices are grouped by pipeline."""

    def __init__(self, **options: Any) -> None:
        super().__init__(coerce=int, empty_value=None, **options)
        self.error_messages["invalid_choice"] = sentence("stage", "must be one of those on offer")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and str(initial or "") != str(data or "")


class SeveralWidget(UnfoldAdminSelect2MultipleWidget):
    """Several of a list. With `typed`, others may be added: by typing them into the list, and without scripts in an
    input beside it, with commas between them."""

    choices: Any

    def __init__(self, label: str, *, typed: bool = False) -> None:
        self.label, self.typed = label, typed
        super().__init__({"data-tags": "true", "data-token-separators": '[","]'} if typed else {})
        # Without the class by which Django's own script would ask the server for what is on offer.
        self.attrs["class"] = "unfold-admin-autocomplete"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        names = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        if self.typed:
            names = [*names, *str(data.get(f"{name}.typed") or "").split(",")]
        return [text for one in names if (text := str(one).strip())]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        # A hidden input of the same name is there when nothing is chosen.
        return name not in data

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        # What was typed, and what is not on offer any more, stays chosen.
        listed = {str(code) for code, _ in self.choices}
        self.choices = [*self.choices, *((one, one) for one in dict.fromkeys(value) if one not in listed)]
        return super().optgroups(name, value, attrs)

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        select = super().render(name, value, attrs, renderer)
        context = {
            "name": name,
            "select": select,
            "label": self.label,
            "typed": self.typed,
            "disabled": (attrs or {}).get("disabled", False),
            "classes": " ".join(BASE_INPUT_CLASSES),
        }
        return mark_safe(render_to_string("admin/leads/widgets/several.html", context))


class Several(forms.MultipleChoiceField):
    """Names, or the choices of a custom field, as ["one", "two"]; None when there are none."""

    def to_python(self, value: Any) -> list[str] | None:  # type: ignore[override]
        return list(dict.fromkeys(value)) if value else None

    def validate(self, value: Any) -> None:
        """Any: the rules say what may be chosen."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and set(initial or ()) != set(data or ())


class Reference(forms.ModelChoiceField):
    """The id of another record; which may be chosen says the queryset.

    key   of the catalogue: its label is the field's own unless another one is given
    """

    def __init__(self, queryset: Any, *, key: str, **options: Any) -> None:
        super().__init__(queryset, **{"label": label(key), **options})
        self.error_messages["invalid_choice"] = f"{self.label} must be one of those on offer."


class References(forms.ModelMultipleChoiceField):
    """Several of them."""

    def _check_values(self, value: Any) -> Any:
        # What is no key cannot be looked up.
        for one in value if isinstance(value, list | tuple) else ():
            if not is_key(str(one)):
                raise forms.ValidationError(
                    self.error_messages["invalid_pk_value"], code="invalid_pk_value", params={"pk": one}
                )
        return super()._check_values(value)  # type: ignore[misc]


class Parent(Reference):
    def __init__(self, queryset: Any, *, visible: Any, **options: Any) -> None:
        self.visible = visible
        super().__init__(queryset, key="parent_id", widget=Autocomplete(Lead._meta.get_field("parent")), **options)

    def label_from_instance(self, obj: Lead) -> str:
        # The parent that somebody else gave may lie in an office whose leads this user does not see.
        return str(obj) if self.visible.filter(pk=obj.pk).exists() else f"Lead {obj.pk}"


class Autocomplete(AutocompleteSelect):
    """Asks the admin's autocomplete view, which searches the records that the user sees."""

    def __init__(self, relation: Any) -> None:
        super().__init__(relation, admin.site)

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        # What is no key cannot be looked up to be shown as selected.
        return super().optgroups(name, [one for one in value if is_key(str(one))], attrs)


class AccountOffice(Reference):
    """Before the account is known: an office says whose it is."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.account.name} – {obj.name}"


class Owner(Reference):
    def label_from_instance(self, obj: Any) -> str:
        return str(obj) if obj.is_active else f"{obj} (inactive)"


class AccountOwner(Reference):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.membership.account.name} – {obj}"


def person_choice(scope: Scope, account_id: int | None, chosen_id: int | None, **options: Any) -> Reference:
    """Of the people to whom something of the account may be given, and who was chosen already. Before the account is
    known: of everybody, who says whose they are."""
    options = {"key": "owner_id", "widget": UnfoldAdminSelectWidget()} | options
    by_name = ("first_name", "last_name", "username")
    if account_id is None:
        people = User.objects.filter(is_active=True, membership__isnull=False).select_related("membership__account")
        return AccountOwner(people.order_by("membership__account__name", *by_name), **options)
    people = scope.choosable_owners(account_id) | User.objects.filter(pk=chosen_id)
    return Owner(people.order_by(*by_name), **options)


class FactWidget(forms.Widget):
    """Nothing to fill in: the value as text."""

    def id_for_label(self, id_: str | None) -> str:
        return ""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        return format_html('<div class="lc-fact">{}</div>', _fact(value))


def _fact(value: Any) -> SafeString | str:
    if value is None or value == []:
        return MISSING
    if isinstance(value, list):
        return format_html(
            '<ol class="lc-steps">{}</ol>', format_html_join("", "<li>{}</li>", ((one,) for one in value))
        )
    if isinstance(value, int):
        return number(value)
    return at(datetime.fromisoformat(value))


class Fact(forms.Field):
    """What staff only read: a count, a time or a history of the catalogue."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=FactWidget(), required=False, disabled=True, **options)
