"""The rows of a mapping as inputs of a page: read as they were typed, judged row by row, shown again as they were.

The inputs of a row share its number, `row-3-field`; its transforms come as two lists, `row-3-do` and `row-3-by`. Rows
are taken in the order in which they were sent, so that a script adds and removes them without renumbering.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from leads.api.errors import Problem
from leads.api.parser import read_any
from leads.fields import GROUPS, Field
from leads.intake import NAMED
from leads.setup import Setup
from webhooks.inbound import rules
from webhooks.wire.mapping import MOST_ROWS, TRANSFORMS, Kind, Row, Step, path_fault, write

MOST_STEPS: Final = 10
LONGEST_BY: Final = 50
LONGEST_TEXT: Final = 1000
# What a transform goes by: how it is asked for, and what it looks like.
GOES_BY: Final[Mapping[str, tuple[str, str]]] = {
    "split": ("Separator", ","),
    "join": ("Separator", ", "),
    "date": ("Format, empty for ISO 8601", "%d/%m/%Y"),
}
_DOES: Final[Mapping[str, str]] = dict(TRANSFORMS)
_INPUT: Final = re.compile(r"row-([0-9]{1,6})-(field|from|value|fallback|do)")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")
_NAMED_GROUP: Final = "By name"

From = Literal["path", "constant"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A row as typed.

    value    a path, or the text of a constant
    number   of its inputs, on the page that it was typed in
    fault    what is wrong with it, a sentence
    """

    field: str = ""
    source: From = "path"
    value: str = ""
    fallback: str = ""
    steps: tuple[Step, ...] = ()
    number: str = ""
    fault: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.field or self.value or self.fallback or self.steps)

    @property
    def is_unfinished(self) -> bool:
        return not (self.field and self.value)

    @property
    def shown_steps(self) -> list[dict[str, Any]]:
        return [step_input(step) for step in self.steps]

    @property
    def has_more(self) -> bool:
        return bool(self.fallback or self.steps)


def step_input(step: Step) -> dict[str, Any]:
    label, example = GOES_BY.get(step.do, ("", ""))
    return {"do": step.do, "by": step.by, "words": _DOES.get(step.do, step.do), "label": label, "example": example}


def typed(data: QueryDict) -> list[Draft]:
    """Rows that were left empty are none."""
    numbers = dict.fromkeys(found[1] for name in data if (found := _INPUT.fullmatch(name)))
    drafts = [_typed(data, number) for number in numbers]
    return [draft for draft in drafts if not draft.is_blank]


def _typed(data: QueryDict, number: str) -> Draft:
    start = f"row-{number}-"
    does, bys = data.getlist(f"{start}do"), data.getlist(f"{start}by")
    bys += [""] * (len(does) - len(bys))
    return Draft(
        data.get(f"{start}field", ""),
        "constant" if data.get(f"{start}from") == "constant" else "path",
        data.get(f"{start}value", "").strip(),
        data.get(f"{start}fallback", "").strip(),
        tuple(Step(do, by) for do, by in zip(does, bys, strict=False) if do),
        number,
    )


def numbered(drafts: Iterable[Draft]) -> list[Draft]:
    """For a page that shows them anew."""
    return [replace(draft, number=str(number)) for number, draft in enumerate(drafts)]


def drafts_of(rows: Iterable[Row]) -> list[Draft]:
    return [
        Draft(
            row.field,
            "path" if row.constant is None else "constant",
            row.path if row.constant is None else _text(row.constant),
            _text(row.fallback),
            row.steps,
        )
        for row in rows
    ]


def judged(
    drafts: Sequence[Draft], targets: Mapping[str, Field], kinds: Mapping[str, Kind], setup: Setup
) -> tuple[list[Row], list[Draft]]:
    """The rows that can be used, and the drafts, each with its first fault. What is not there yet is a fault as well:
    where there is none, the rows can be stored."""
    rows: list[Row] = []
    told: list[Draft] = []
    taken: set[str] = set()
    for number, draft in enumerate(drafts, start=1):
        try:
            if number > MOST_ROWS:
                raise ValueError(f"There are more than {MOST_ROWS} rows.")
            row = _row(draft, targets, kinds)
            if row.field in taken:
                raise ValueError(f"{targets[row.field].label} is filled by a row above: choose another field.")
            for broken in rules.mapping_faults(write([row]), setup):
                raise ValueError(f"This row {broken.message}.")
        except ValueError as fault:
            told.append(replace(draft, fault=str(fault)))
            continue
        taken.add(row.field)
        rows.append(row)
        told.append(replace(draft, fault=""))
    return rows, told


def _row(draft: Draft, targets: Mapping[str, Field], kinds: Mapping[str, Kind]) -> Row:
    """ValueError says what is wrong with it."""
    if not draft.field:
        raise ValueError("Choose the field that this fills.")
    if draft.field not in targets:
        raise ValueError(f"{draft.field[:100]} is not a field of a lead any more: choose another one.")
    kind = kinds.get(draft.field, "any")
    for text in (draft.value, draft.fallback):
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"Write at most {LONGEST_TEXT} characters.")
    _check_steps(draft.steps)
    fallback = _read("The fallback", draft.fallback, kind) if draft.fallback else None
    if draft.source == "constant":
        if not draft.value:
            raise ValueError("Write the value that every lead gets.")
        return Row(draft.field, constant=_read("The value", draft.value, kind), fallback=fallback, steps=draft.steps)
    if not draft.value:
        raise ValueError("Click a value of the sample, or write its path.")
    if (fault := path_fault(draft.value)) is not None:
        raise ValueError(f"The path {fault}.")
    return Row(draft.field, draft.value, fallback=fallback, steps=draft.steps)


def _check_steps(steps: Sequence[Step]) -> None:
    if len(steps) > MOST_STEPS:
        raise ValueError(f"At most {MOST_STEPS} transforms are done.")
    for step in steps:
        if step.do not in _DOES:
            raise ValueError(f"{step.do[:50]} is no transform.")
        if len(step.by) > LONGEST_BY or "\0" in step.by:
            raise ValueError(f"{_DOES[step.do]}: write at most {LONGEST_BY} characters.")


def _read(subject: str, text: str, kind: Kind) -> Any:
    """A constant as typed, as the field takes it. ValueError."""
    match kind:
        case "several":
            return [part for each in text.split(",") if (part := each.strip())]
        case "number" | "integer":
            if not _NUMBER.fullmatch(text):
                raise ValueError(f"{subject} must be a number.")
            return float(text) if "." in text else int(text)
        case "boolean":
            if text.lower() not in ("yes", "no"):
                raise ValueError(f"{subject} must be yes or no.")
            return text.lower() == "yes"
        case "any":
            # Objects and lists that were stored by other means stay what they are.
            try:
                return read_any(text.encode(errors="replace"))
            except Problem:
                return text
    return text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


# --- the fields to choose from ---------------------------------------------------------------------------------------


class Options:
    """The options of every row's select: made once, as there are more than a hundred of them for each row."""

    def __init__(self, targets: Mapping[str, Field]) -> None:
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, _NAMED_GROUP)}
        for key, field in targets.items():
            groups[_NAMED_GROUP if key in NAMED else field.group].append((key, field.label))
        self.known = targets.keys()
        self.html = format_html_join(
            "",
            '<optgroup label="{}">{}</optgroup>',
            (
                (group, format_html_join("", '<option value="{}">{}</option>', fields))
                for group, fields in groups.items()
                if fields
            ),
        )

    def of(self, chosen: str) -> SafeString:
        """With this one selected; one that is gone stays chosen, to be seen."""
        if not chosen:
            return self.html
        if chosen not in self.known:
            gone = format_html('<option value="{0}" selected>{0} (gone)</option>', chosen)
            return mark_safe(gone + self.html)
        option = format_html('<option value="{}"', chosen)
        return mark_safe(self.html.replace(option, f"{option} selected", 1))
