"""What a web form asks, as rows to add, order and remove: the field, its label, and whether an answer is required.

Every column of a row is one input, as in rows.py: rows come in their order, and a row that is left empty is no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import BASE_INPUT_CLASSES, SELECT_CLASSES

from leads.forms.questions import Question
from leads.validation import Violation

Row = dict[str, Any]

_COLUMNS = ("key", "label", "required")
_PARTS = {"key": "the field", "label": "the label", "required": "required"}


class QuestionsWidget(forms.Widget):
    class Media:
        js = ["leadcrm/rows.js"]

    def __init__(self, known: Mapping[str, Question]) -> None:
        self.known = known
        super().__init__()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        lists = [data.getlist(f"{name}.{column}") for column in _COLUMNS]
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in zip_longest(*lists, fillvalue="")]
        return [row | {"required": row["required"] == "yes"} for row in rows]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        # Of a hidden input beside the rows: it is there when all rows were removed.
        return name not in data

    def id_for_label(self, id_: str | None) -> str:
        return ""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        disabled = bool((attrs or {}).get("disabled"))
        rows = [row for row in value or [] if not _blank(row)]
        context = {
            "name": name,
            "rows": [self._shown(row) for row in rows],
            "spare": self._shown({}),
            "disabled": disabled,
            "input_classes": " ".join(BASE_INPUT_CLASSES),
            "select_classes": " ".join(SELECT_CLASSES),
        }
        return mark_safe(render_to_string("admin/leads/form/questions.html", context))

    def _shown(self, row: Row) -> Row:
        key = str(row.get("key") or "")
        groups = [(group, list(ones)) for group, ones in groupby(self.known.values(), lambda one: one.group)]
        # A custom field that is gone stays to be seen until somebody takes it off.
        gone = key if key and key not in self.known else ""
        return {"key": key, "label": row.get("label", ""), "required": row.get("required"), "gone": gone} | {
            "groups": groups
        }


class QuestionsField(forms.Field):
    """Its value is the list that Form.fields holds. Whether it is right is leads/forms/questions.py's business."""

    def __init__(self, known: Mapping[str, Question], **options: Any) -> None:
        self.known = known
        super().__init__(widget=QuestionsWidget(known), required=False, **options)

    def to_python(self, value: Sequence[Row] | None) -> list[Row]:
        return [row | {"label": self._label(row)} for row in value or [] if not _blank(row)]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and (initial or []) != self.to_python(data)

    def _label(self, row: Row) -> str:
        """Left empty it is the field's own."""
        label = str(row["label"]).strip()
        return label or (self.known[row["key"]].label if row["key"] in self.known else "")


def in_words(fault: Violation) -> str:
    """ "Field 2: the label must differ from the others."; for the rows as a whole "The form must ask for more: …"."""
    _, number, part = [*fault.field.split("."), "", ""][:3]
    if not number:
        return f"The form {fault.message}." if fault.rule != "rows" else f"Fields {fault.message}."
    return f"Field {int(number) + 1}: {_PARTS.get(part, part)} {fault.message}."


def _blank(row: Mapping[str, Any]) -> bool:
    return not row.get("key") and not str(row.get("label") or "").strip()
