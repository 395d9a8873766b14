"""A value of a lead's field in words, for tables of changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.text import Truncator, capfirst

from leads.admin.display import absolute, plural
from leads.fields import BY_KEY

_LONGEST = 200
# Lists that are short enough to be written out; custom fields have no others.
_LISTED = frozenset({"labels", "texts"})


def words(key: str, value: Any) -> str:
    """ "Valuation booked" for a code, "Yes", "vip, urgent", "3 rows", "21 Nov 2026, 09:14:05 UTC"; "–" when unset."""
    field = BY_KEY.get(key)
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if field is not None and field.choices:
        return dict(field.choices).get(value, str(value))
    if field is not None and field.kind == "datetime":
        return absolute(datetime.fromisoformat(value))
    if isinstance(value, list) and (field is None or field.kind in _LISTED):
        names = [one["name"] if isinstance(one, dict) and "name" in one else str(one) for one in value]
        return Truncator(", ".join(names)).chars(_LONGEST)
    if isinstance(value, list):
        return plural(len(value), "row")
    if isinstance(value, dict):
        hours = value.get("hours")
        return plural(len(hours if isinstance(hours, list) else value), "row")
    return Truncator(str(value)).chars(_LONGEST)


def label(key: str) -> str:
    """Of a key of the catalogue, or of a custom field ("custom_fields.move_in"): its key in words, "Move in"."""
    if key in BY_KEY:
        return BY_KEY[key].label
    return capfirst(key.removeprefix("custom_fields.").replace("_", " "))
