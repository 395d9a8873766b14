"""The filters of a webhook as rows of a form: field, condition, value.

A script is not needed: a spare row takes what is typed, and the server reads it by field. With htmx, whatever is chosen
in a row brings the builder anew, with the conditions and inputs that fit the field (typed.py); the
rows stay in the form and nothing is stored before it is saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import BASE_INPUT_CLASSES, SELECT_CLASSES

from webhooks.outbound import filter_fields
from webhooks.outbound.filter_fields import FilterField, Misfit
from webhooks.rules import MOST_FILTERS
from webhooks.wire.filter import OPERATORS, Condition, read

_NUMBER = re.compile("[0-9]{1,4}")
# Of the row for browsers without scripts, which is no row before something is chosen in it.
_SPARE = "9999"
_WITHOUT_VALUE = frozenset({"empty", "not_empty", "changed"})
_INPUT_TYPES = {"number": "number", "whole": "number", "moment": "datetime-local", "date": "date"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row as typed. was: the field for which its condition and values were shown."""

    field: str = ""
    op: str = ""
    values: tuple[str, ...] = ()
    before: str = ""
    was: str = ""

    @classmethod
    def of(cls, condition: Condition) -> Row:
        value = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        texts = tuple(filter_fields.as_text(each) for each in value if each is not None)
        return cls(condition.field, condition.op, texts, filter_fields.as_text(condition.before), condition.field)


@dataclass(frozen=True, slots=True)
class Input:
    """One value input of a row: kind is select, checks, or the type of an HTML input."""

    label: str
    name: str
    kind: str
    values: tuple[str, ...]
    choices: tuple[tuple[str, str], ...] = ()
    blank: str = "–"

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""


class FiltersWidget(forms.Widget):
    """Its value is the list of rows. `fields` and `url` are given by the form, which knows the account."""

    template_name = "admin/webhooks/webhook/filters.html"

    def __init__(self) -> None:
        super().__init__()
        self.fields: Mapping[str, FilterField] = {}
        self.url = ""
        # Fields of the same form that decide what there is to choose.
        self.follows: tuple[str, ...] = ()
        # What a row is, and what is said where there is none.
        self.noun = "filter"
        self.none = "No filters: all leads."
        # What has the focus when the builder comes anew: the number of a row, or the button below.
        self.focus: int | None = None

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        start = f"{name}."
        numbers = dict.fromkeys(
            parts[0] for key in data if key.startswith(start) and len(parts := key[len(start) :].split(".")) == 2
        )
        rows = []
        for number in numbers:
            if not _NUMBER.fullmatch(number):
                continue
            texts = {part: data.get(f"{name}.{number}.{part}", "") for part in ("field", "op", "before", "was")}
            row = Row(values=tuple(data.getlist(f"{name}.{number}.value")), **texts)
            if number == _SPARE and not row.field:
                continue
            # What was shown for another field does not fit this one. The spare row was shown for any.
            fits = row.was in ("", row.field)
            rows.append(row if fits else Row(row.field, was=row.field))
        return rows

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        # Of a hidden input beside the rows: it is there when all rows were removed.
        return name not in data

    def id_for_label(self, id_: str | None) -> str:
        return ""

    def get_context(self, name: str, value: list[Row] | None, attrs: dict[str, Any] | None) -> dict[str, Any]:
        rows = list(value or [])
        shown = [self._shown(name, number, row) for number, row in enumerate(rows)]
        return super().get_context(name, value, attrs) | {
            "name": name,
            "rows": shown,
            "spare": self._spare(name),
            "url": self.url,
            "follows": ", ".join(f"change from:#id_{field}" for field in self.follows),
            "noun": self.noun,
            "none": self.none,
            "focus": self.focus,
            "focus_below": self.focus is not None and self.focus >= len(rows),
            "full": len(rows) >= MOST_FILTERS,
            "summary": self._summary(rows),
            "quick": [pair for pair in (("lists", "By list"), ("campaigns", "By campaign")) if pair[0] in self.fields],
            "select_classes": " ".join(SELECT_CLASSES),
            "input_classes": " ".join(BASE_INPUT_CLASSES),
        }

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        # By the project's templates, which the renderer of forms does not know.
        return mark_safe(render_to_string(template_name, context))

    def _read(self, row: Row) -> Condition | None:
        """None where the row cannot be read, or not yet."""
        try:
            return filter_fields.condition(self.fields, row.field, row.op, row.values, row.before)
        except Misfit:
            return None

    def _summary(self, rows: Iterable[Row]) -> str:
        return filter_fields.in_words(filter(None, map(self._read, rows)), self.fields)

    def _shown(self, name: str, number: int, row: Row) -> dict[str, Any]:
        field = self.fields.get(row.field)
        operators = field.operators if field else ()
        op = row.op if row.op in operators else next(iter(operators), "")
        return {
            "number": number,
            "row": row,
            "start": f"{name}.{number}",
            "faulty": bool(row.field) and self._read(row) is None,
            "groups": self._groups(row.field),
            "operators": [(one, field.operator_words(one), one == op) for one in operators] if field else [],
            "inputs": self._inputs(f"{name}.{number}", field, op, row) if field else [],
        }

    def _spare(self, name: str) -> dict[str, Any]:
        """For browsers without scripts: every condition, and values as text."""
        start = f"{name}.{_SPARE}"
        return {
            "number": _SPARE,
            "row": Row(),
            "start": start,
            "groups": self._groups(""),
            "operators": [(op, filter_fields.WORDS[op], False) for op in OPERATORS],
            "inputs": [Input("From", f"{start}.before", "text", ()), Input("Value", f"{start}.value", "text", ())],
        }

    def _groups(self, chosen: str) -> list[tuple[str, list[tuple[str, str, bool]]]]:
        groups = [
            (group, [(field.key, field.label, field.key == chosen) for field in fields])
            for group, fields in groupby(self.fields.values(), key=lambda field: field.group)
        ]
        if chosen and chosen not in self.fields:
            groups.append(("Gone", [(chosen, chosen, True)]))
        return groups

    def _inputs(self, start: str, field: FilterField, op: str, row: Row) -> list[Input]:
        if op in _WITHOUT_VALUE:
            return []
        if op == "changed_from_to":
            before = (row.before,) if row.before else ()
            return [
                self._input("From", f"{start}.before", field, before, "Any value"),
                self._input("To", f"{start}.value", field, row.values, "Any value"),
            ]
        if op == "one_of":
            return [self._several(f"{start}.value", field, row.values)]
        if op == "contains":
            return [Input("Text", f"{start}.value", "text", row.values)]
        return [self._input("Value", f"{start}.value", field, row.values)]

    def _input(self, label: str, name: str, field: FilterField, values: tuple[str, ...], blank: str = "–") -> Input:
        if field.choices is not None:
            return Input(label, name, "select", values, _with_gone(field, values), blank)
        kind = _INPUT_TYPES.get(field.kind, "text")
        if kind == "datetime-local":
            values = tuple(value.removesuffix("Z") for value in values)
            label = f"{label} (UTC)"
        return Input(label, name, kind, values)

    def _several(self, name: str, field: FilterField, values: tuple[str, ...]) -> Input:
        if field.choices is not None:
            return Input("Values", name, "checks", values, _with_gone(field, values))
        joined = ", ".join(map(filter_fields.quoted, values)) if len(values) > 1 else "".join(values)
        return Input("Values, with commas between them", name, "text", (joined,))


def _with_gone(field: FilterField, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The choices, and what a row has that is none of them any more."""
    choices = field.choices or ()
    known = {value for value, _ in choices}
    return (*choices, *((value, f"{value} (gone)") for value in values if value and value not in known))


class FiltersField(forms.Field):
    """Its value is what Webhook.filters stores."""

    widget: FiltersWidget

    def __init__(self) -> None:
        super().__init__(
            widget=FiltersWidget(),
            label="Filters",
            required=False,
            help_text="Only events of leads that meet all of them. None: all leads. A row without a field is none.",
        )

    def prepare_value(self, value: Any) -> list[Row]:
        """Rows of what is stored; rows as typed stay as they are."""
        if value and isinstance(value, list) and isinstance(value[0], Row):
            return value
        try:
            return [Row.of(condition) for condition in read(value or [])]
        except ValueError:
            # A row that has to be removed by hand: without it, saving would make the webhook hear everything.
            return [Row("unreadable", was="unreadable")]

    def to_python(self, value: list[Row] | None) -> list[dict[str, Any]]:
        """ValidationError with every fault."""
        faults: list[str] = []
        found: list[Condition] = []
        for row in value or []:
            if not row.field:
                continue
            try:
                found.append(filter_fields.condition(self.widget.fields, row.field, row.op, row.values, row.before))
            except Misfit as misfit:
                faults.append(str(misfit))
        if len(found) > MOST_FILTERS:
            faults.append(f"There may be at most {MOST_FILTERS} filters.")
        if faults:
            raise ValidationError(faults)
        return [condition.as_json() for condition in found]

    def has_changed(self, initial: Any, data: list[Row] | None) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except ValidationError:
            return True
