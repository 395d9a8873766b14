"""A value of a lead's field in words, for tables of changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.text import Truncator

from leads.admin.display import absolute, plural
from leads.fields import BY_KEY

_LONGEST = 200


def words(key: str, value: Any) -> str:
    """ "Valuation booked" for a code, "Yes", "3 rows", "21 Nov 2026, 09:14:05 UTC"; "–" when unset."""
    field = BY_KEY.get(key)
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if field is not None and field.choices:
        return dict(field.choices).get(value, str(value))
    if field is not None and field.kind == "datetime":
        return absolute(datetime.fromisoformat(value))
    if isinstance(value, list):
        return plural(len(value), "row")
    if isinstance(value, dict):
        hours = value.get("hours")
        return plural(len(hours if isinstance(hours, list) else value), "row")
    return Truncator(str(value)).chars(_LONGEST)


def label(key: str) -> str:
    return BY_KEY[key].label if key in BY_KEY else key
