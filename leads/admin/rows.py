"""Lists and objects of a lead as rows of plain inputs: what staff edit where the API takes JSON.

Every column of a row is one input; the inputs of a column share a name and come in the order of the rows, so rows can
be added and removed without renumbering (static/leadcrm/rows.js), and without a script there is one spare row. A row
that is left empty is no row. What an input cannot show (an offset, a key beside "hours") stays as it is stored until
somebody changes that very row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import BASE_INPUT_CLASSES, SELECT_CLASSES

Cells = dict[str, str]

# The name of the hidden input that says which stored item a row shows.
WAS = "was"


@dataclass(frozen=True, slots=True)
class Column:
    """One input of each row; type is that of the HTML input. With options, (code, label) pairs, it is a select."""

    name: str
    label: str
    type: str = "text"
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Codec:
    """Between a stored value and rows.

    items   stored value -> its items, one for each row
    cells   item -> what the inputs show
    item    inputs of a changed or new row, item it was (None: new) -> item. What cannot be read is passed on as it
            came: the rules of the lead then refuse it by name.
    value   items, stored value -> value; None when nothing is left
    """

    columns: tuple[Column, ...]
    items: Callable[[Any], list[Any]]
    cells: Callable[[Any], Cells]
    item: Callable[[Cells, Any], Any]
    value: Callable[[list[Any], Any], Any]


class RowsWidget(forms.Widget):
    template_name = "admin/leads/widgets/rows.html"

    class Media:
        js = ["leadcrm/rows.js"]

    def __init__(self, columns: tuple[Column, ...], label: str, *, ordered: bool = False) -> None:
        self.columns = columns
        self.label = label
        # Rows can be moved up and down.
        self.ordered = ordered
        super().__init__()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Cells]:
        names = [WAS, *(column.name for column in self.columns)]
        lists = [data.getlist(f"{name}.{column}") for column in names]
        return [dict(zip(names, row, strict=True)) for row in zip_longest(*lists, fillvalue="")]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        # Of a hidden input beside the rows: it is there when all rows were removed.
        return name not in data

    def id_for_label(self, id_: str | None) -> str:
        return ""

    def get_context(self, name: str, value: list[Cells] | None, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        disabled = context["widget"]["attrs"].get("disabled", False)
        rows = [row for row in value or [] if not self.blank(row)]
        shown = rows if disabled else [*rows, {}]
        context |= {
            "columns": self.columns,
            "rows": [self._inputs(name, row) for row in shown],
            "spare": self._inputs(name, {}),
            "name": name,
            "label": self.label,
            "ordered": self.ordered,
            "disabled": disabled,
            "classes": " ".join(BASE_INPUT_CLASSES),
            "select_classes": " ".join(SELECT_CLASSES),
        }
        return context

    def blank(self, row: Mapping[str, str]) -> bool:
        """Nothing is typed in it; a select of a row always has something."""
        typed = [column.name for column in self.columns if not column.options]
        return not any(row.get(name, "").strip() for name in typed)

    def _inputs(self, name: str, row: Mapping[str, str]) -> dict[str, Any]:
        return {
            "was": (f"{name}.{WAS}", row.get(WAS, "")),
            "inputs": [(column, f"{name}.{column.name}", row.get(column.name, "")) for column in self.columns],
        }

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        # By the project's templates, which the renderer of forms does not know.
        return mark_safe(render_to_string(template_name, context))


class RowsField(forms.Field):
    """Its value is the list of rows as typed; `build` makes the stored value of them."""

    def __init__(self, codec: Codec, label: str, *, ordered: bool = False, **options: Any) -> None:
        self.codec = codec
        widget = RowsWidget(codec.columns, label, ordered=ordered)
        super().__init__(widget=widget, label=label, required=False, **options)

    def rows(self, stored: Any) -> list[Cells]:
        return [self.codec.cells(item) | {WAS: str(number)} for number, item in enumerate(self.codec.items(stored))]

    def to_python(self, value: list[Cells] | None) -> list[Cells]:
        return [row for row in value or [] if not self.widget.blank(row)]  # type: ignore[union-attr]

    def has_changed(self, initial: list[Cells] | None, data: list[Cells] | None) -> bool:
        return not self.disabled and [_plain(row) for row in self.to_python(initial)] != [
            _plain(row) for row in self.to_python(data)
        ]

    def build(self, rows: list[Cells], stored: Any) -> Any:
        items = self.codec.items(stored)
        built = []
        for row in rows:
            number = row.get(WAS, "")
            was = items[int(number)] if number.isascii() and number.isdigit() and int(number) < len(items) else None
            same = was is not None and _plain(self.codec.cells(was)) == _plain(row)
            built.append(was if same else self.codec.item({name: text.strip() for name, text in row.items()}, was))
        return self.codec.value(built, stored)


def _plain(row: Mapping[str, str]) -> Cells:
    """As a browser gives it back: inputs of one line know no line breaks."""
    return {name: text.replace("\r", "").replace("\n", "") for name, text in row.items() if name != WAS}


# --- appointment_availability: {"hours": ["2021-04-22T10:00:00.000Z", ...], ...} -------------------------------------


def _shown_time(moment: object) -> str:
    try:
        when = datetime.fromisoformat(str(moment))
    except ValueError:
        return str(moment)
    if when.tzinfo is not None:
        when = when.astimezone(UTC)
    return when.replace(tzinfo=None).isoformat(timespec="seconds" if when.second else "minutes")


def _read_time(text: str) -> str:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if when.tzinfo is not None:
        return text
    return when.isoformat(timespec="milliseconds") + "Z"


HOURS = Codec(
    columns=(Column("at", "Date and time (UTC)", "datetime-local"),),
    items=lambda stored: list((stored or {}).get("hours") or []),
    cells=lambda item: {"at": _shown_time(item)},
    item=lambda cells, was: _read_time(cells["at"]),
    value=lambda items, stored: {**(stored or {}), "hours": items} if items or len(stored or {}) > 1 else None,
)

# --- meta: {"any key": "text", ...} ----------------------------------------------------------------------------------


def _pairs(items: list[tuple[str, str]], stored: Any) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    for name, text in items:
        if not name and "" not in (stored or {}):
            raise ValidationError(f"Extra details must have a name beside “{text}”.", code="name")
        if name in pairs:
            raise ValidationError(f"Extra details must have the name “{name}” only once.", code="name")
        pairs[name] = text
    return pairs or None


PAIRS = Codec(
    columns=(Column("name", "Name"), Column("text", "Text")),
    items=lambda stored: list((stored or {}).items()),
    cells=lambda item: {"name": item[0], "text": item[1]},
    item=lambda cells, was: (cells["name"], cells["text"]),
    value=_pairs,
)

# --- questionnaire: [["question", "answer"], ...] --------------------------------------------------------------------

QUESTIONS = Codec(
    columns=(Column("question", "Question"), Column("answer", "Answer")),
    items=lambda stored: list(stored or []),
    cells=lambda item: {"question": item[0], "answer": item[1]},
    item=lambda cells, was: [cells["question"], cells["answer"]],
    value=lambda items, stored: items or None,
)

# --- texts: ["one", "two"] -------------------------------------------------------------------------------------------

TEXTS = Codec(
    columns=(Column("text", "Text"),),
    items=lambda stored: list(stored or []),
    cells=lambda item: {"text": item},
    item=lambda cells, was: cells["text"],
    value=lambda items, stored: items or None,
)

# --- comparable_props: [{"address": ..., "beds": 4, "coords": {"x": ..., "y": ...}, ...}, ...] -----------------------


def read_number(text: str) -> int | float | str | None:
    """What was typed as a number; text that is none is given back."""
    if not text or "_" in text:
        return text or None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def show_number(number: object) -> str:
    return "" if number is None else str(number)


_NUMBERS = ("beds", "distance", "months_ago", "original_asking_price", "price", "time_taken_to_sell")


def _comparable_cells(item: Mapping[str, Any]) -> Cells:
    coords = item.get("coords") or {}
    return {
        "address": item.get("address") or "",
        "date": _shown_time(item["date"])[:10] if item.get("date") else "",
        "x": show_number(coords.get("x")),
        "y": show_number(coords.get("y")),
    } | {name: show_number(item.get(name)) for name in _NUMBERS}


def _comparable(cells: Cells, was: Mapping[str, Any] | None) -> dict[str, Any]:
    shown = _comparable_cells(was or {})
    item = dict(was or {})
    given: dict[str, Any] = {"address": cells["address"] or None}
    given |= {name: read_number(cells[name]) for name in _NUMBERS}
    given["date"] = f"{cells['date']}T00:00:00.000Z" if cells["date"] else None
    given["coords"] = {axis: read_number(cells[axis]) for axis in "xy"} if cells["x"] or cells["y"] else None
    for name, value in given.items():
        inputs = ("x", "y") if name == "coords" else (name,)
        if all(cells[one] == shown[one].strip() for one in inputs):
            continue
        if value is None:
            item.pop(name, None)
        else:
            item[name] = value
    return item


COMPARABLES = Codec(
    columns=(
        Column("address", "Address"),
        Column("beds", "Beds", "number"),
        Column("price", "Price", "number"),
        Column("original_asking_price", "Asking price", "number"),
        Column("date", "Date", "date"),
        Column("months_ago", "Months ago", "number"),
        Column("time_taken_to_sell", "Days to sell", "number"),
        Column("distance", "Distance", "number"),
        Column("x", "Longitude (x)", "number"),
        Column("y", "Latitude (y)", "number"),
    ),
    items=lambda stored: list(stored or []),
    cells=_comparable_cells,
    item=_comparable,
    value=lambda items, stored: items,
)

CODECS: Mapping[str, Codec] = {
    "hours": HOURS,
    "pairs": PAIRS,
    "questions": QUESTIONS,
    "comparables": COMPARABLES,
    "texts": TEXTS,
}
