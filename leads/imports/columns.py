"""Which column of a file fills which field of a lead, and how its texts are read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from leads.imports.reading import Row
from leads.targets import Kind
from leads.validation import Violation

DATES: Final = (
    ("", "2026-11-21"),
    ("dmy", "21/11/2026, day first"),
    ("mdy", "11/21/2026, month first"),
)
SPLITS: Final = ((";", "Split at ;"), (",", "Split at ,"), ("|", "Split at |"))
# Characters that a spreadsheet takes for the beginning of a formula; see leads/exports/writing.py.
GUARDED: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """place counts from 0; by is one of DATES for a date, one of SPLITS for what takes several, else ""."""

    place: int
    field: str
    by: str = ""


def stored(columns: Sequence[Column]) -> list[dict[str, Any]]:
    return [{"place": one.place, "field": one.field, "by": one.by} for one in columns]


def restored(columns: Sequence[Mapping[str, Any]]) -> list[Column]:
    """What `stored` made."""
    return [Column(one["place"], one["field"], one["by"]) for one in columns]


def ways(kind: Kind) -> Sequence[tuple[str, str]]:
    """How texts for a field of this kind can be read; none where there is one way only."""
    return DATES if kind in ("datetime", "date") else SPLITS if kind == "several" else ()


def likely_way(kind: Kind, samples: Sequence[str]) -> str:
    """By the first cells of the column."""
    if kind == "several":
        return next((sign for sign, _ in SPLITS if any(sign in sample for sample in samples)), ";")
    if kind in ("datetime", "date"):
        found = [match for sample in samples if (match := _TURNED.fullmatch(sample.strip()))]
        if found:
            return "mdy" if any(int(match[2]) > 12 for match in found) else "dmy"
    return ""


def given(row: Row, columns: Sequence[Column], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """By field what a row brings; None for an empty cell. What cannot be read is left to the field's rules."""
    return {
        one.field: _value(row.cells[one.place] if one.place < len(row.cells) else "", kinds[one.field], one.by)
        for one in columns
    }


def shape_faults(row: Row, width: int) -> list[Violation]:
    if len(row.cells) <= width:
        return []
    message = f"has {len(row.cells)} cells, and there are {width} columns: a separator in a text needs quotation marks"
    return [Violation("row", "columns", message)]


def _value(cell: str, kind: Kind, by: str) -> Any:
    text = cell.strip()
    if text.startswith("'") and text[1:2] in GUARDED:
        text = text[1:]  # guarded by an export
    if not text:
        return None
    match kind:
        case "several":
            return [part.strip() for part in text.split(by or ";") if part.strip()]
        case "number" | "integer":
            return _number(text)
        case "boolean":
            return {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}.get(text.casefold(), text)
        case "datetime" | "date":
            return _moment(text, by, day_only=kind == "date")
        case "any":
            return _json(text)
    return text


_YES: Final = ("yes", "y", "true", "1")
_NO: Final = ("no", "n", "false", "0")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
# 21/11/2026, 21.11.2026, 11-21-2026, each with or without a time.
_TURNED = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)


def _number(text: str) -> int | float | str:
    # "1,200" is what Excel shows for 1200.
    plain = text.replace(",", "") if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text, re.ASCII) else text
    if not _NUMBER.fullmatch(plain):
        return text
    return float(plain) if "." in plain else int(plain)


def _moment(text: str, by: str, *, day_only: bool) -> str:
    """As the catalogue has it, in UTC; the same text where it is no date of that kind."""
    try:
        if by:
            match = _TURNED.fullmatch(text)
            if match is None:
                return text
            day, month = (match[1], match[2]) if by == "dmy" else (match[2], match[1])
            hour, minute, second = (part or "0" for part in match.groups()[3:])
            moment = datetime.fromisoformat(
                f"{match[3]}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}"  # UTC where it says nothing
            )
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if day_only:
        return moment.date().isoformat()
    return moment.isoformat(timespec="seconds") + ("" if moment.tzinfo else "Z")


def _json(text: str) -> Any:
    """Lists and objects are written as in the API, and by our own export."""
    try:
        return json.loads(text) if text[0] in "[{" else text
    except (ValueError, RecursionError):
        return text
