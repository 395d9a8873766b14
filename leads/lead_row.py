"""A lead's row, as Lead.rows reads it: what the rules, the snapshot and the changes make of it.

A row has the columns of the table under their names; its labels as [[id, name], ...] under tags_given, lists_given and
campaigns_given; the names of its account, office, owner and company; and under setup what its account has set up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from leads import fields
from leads.changes import Row
from leads.names import full_name

if TYPE_CHECKING:
    from leads.setup import StageRow

LABELS = tuple(field.key for field in fields.FIELDS if field.kind == "labels")

# Names for what other columns say: they change with these, and with records that are not the lead.
_NAMES = {
    "account_id": ("account_name",),
    "office_id": ("office_name",),
    "owner_id": ("owner", "owner_name"),
    "pipeline_id": ("pipeline",),
    "pipeline_stage_id": ("stage_name", "stage_outcome"),
    "company_id": ("company",),
}
# Those that are told as changes with the column that they follow.
_FOLLOWERS = {key: names for key, names in _NAMES.items() if key not in ("account_id", "office_id")}
_DETAILS = tuple(field.key for field in fields.FIELDS if not field.column and field.kind != "labels")
_APART = {"custom_fields", "modified_date"}.union(*_NAMES.values())
# Key -> the column of a row that makes a lead another one.
_COLUMNS = {key: f"{key}_given" for key in LABELS} | {
    field.key: field.key for field in fields.FIELDS if field.column and field.key not in _APART
}
_FOLLOWING = tuple(name for names in _FOLLOWERS.values() for name in names)
_IN_COLUMNS = (*_COLUMNS, *_FOLLOWING)
# What changes tell; the others follow from these, or never change.
CHANGING = (*_COLUMNS, *_DETAILS, "custom_fields", *_FOLLOWING)
_KIND = {key: field.kind for key, field in fields.BY_KEY.items()}

_EVENT_OF = {
    "owner_id": "lead.assigned",
    "pipeline_stage_id": "lead.stage_changed",
    "lead_status": "lead.status_changed",
    "score": "lead.score_changed",
}

_HISTORIES = {
    "lead_status": "lead_status_history",
    "life_cycle": "life_cycle_history",
    "sentiment": "sentiment_history",
}


def value(row: Row, key: str) -> Any:
    """Of a key of the catalogue, as the snapshot tells it."""
    kind = _KIND[key]
    if key in row["details"]:
        return row["details"][key]
    if kind == "labels":
        return _names(row, key)
    if kind == "datetime" and key in row:
        return moment(key, row[key] or row["created_at"])
    if key in _LOOKED_UP:
        return _LOOKED_UP[key](row)
    return row[key] if key in row else fields.EMPTY.get(kind)


def _names(row: Row, key: str) -> list[Any]:
    """Of the labels of one kind, with their ids but for tags."""
    pairs = row[_COLUMNS[key]]
    return [name for _, name in pairs] if key == "tags" else [{"id": pk, "name": name} for pk, name in pairs]


def moment(key: str, when: datetime) -> str:
    """createdAt as LeadPro tells it, with milliseconds; all others in whole seconds."""
    text = _in_milliseconds(when)
    return f"{text if key == 'created_at' else text[:19]}Z"


@lru_cache(maxsize=1024)
def _in_milliseconds(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds")[:23]


def _stage(row: Row) -> StageRow | None:
    stage: StageRow | None = row["setup"].stage(row["pipeline_stage_id"])
    return stage


_LOOKED_UP: Mapping[str, Callable[[Row], Any]] = {
    "owner": lambda row: row["owner_email"] or None,
    "owner_name": lambda row: full_name(row["owner_username"], row["owner_first_name"], row["owner_last_name"]),
    "pipeline": lambda row: getattr(row["setup"].pipeline(row["pipeline_id"]), "name", None),
    "stage_name": lambda row: getattr(_stage(row), "name", None),
    "stage_outcome": lambda row: getattr(_stage(row), "outcome", None),
    "company": lambda row: row["company_title"],
}


# Keys whose columns hold what is told, and the moments among the others.
_PLAIN = tuple(
    field.key
    for field in fields.FIELDS
    if field.column and field.kind != "datetime" and field.key not in (*_LOOKED_UP, "custom_fields")
)
_plain_values = itemgetter(*_PLAIN)
_MOMENTS = tuple(field.key for field in fields.FIELDS if field.column and field.kind == "datetime")
_BLANK = {field.key: fields.EMPTY.get(field.kind) for field in fields.FIELDS}


def by_key(row: Row) -> dict[str, Any]:
    """As the rules read it: by catalogue key, labels by name; what is unset may be missing."""
    values = dict(zip(_PLAIN, _plain_values(row), strict=True))
    values["created_date"] = moment("created_date", row["created_date"] or row["created_at"])
    values["custom_fields"] = row["custom_fields"]
    for key in LABELS:
        values[key] = [name for _, name in row[f"{key}_given"]]
    values.update(row["details"])
    return values


def snapshot(row: Row, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything, ready for JSON: the catalogue, the account's custom fields in their order, the thread."""
    told = _BLANK.copy()
    told.update(zip(_PLAIN, _plain_values(row), strict=True))
    for key in LABELS:
        told[key] = _names(row, key)
    for key in _MOMENTS:
        told[key] = moment(key, row[key] or row["created_at"])
    for key, look_up in _LOOKED_UP.items():
        told[key] = look_up(row)
    for key, now in row["details"].items():
        if key in _BLANK:
            told[key] = now
    told["custom_fields"] = {key: row["custom_fields"].get(key) for key in row["setup"].definitions}
    told["messages"] = messages
    return told


def beginnings(row: Row, told: Mapping[str, Any]) -> dict[str, tuple[None, Any]]:
    """Key -> (None, value) of what a new lead holds, `told` being its snapshot; a custom field by its path."""
    details = row["details"]
    keys = (*_COLUMNS, *(key for key in _DETAILS if key in details), *_FOLLOWING) if details else _IN_COLUMNS
    found: dict[str, tuple[None, Any]] = {}
    for key in keys:
        now = told[key]
        if now or (now is not None and now != [] and now != {}):
            found[key] = (None, now)
    return found | {f"custom_fields.{key}": (None, now) for key, now in row["custom_fields"].items() if now is not None}


def differences(before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
    """Key -> (before, after) of what differs; a custom field by its path, custom_fields.key."""
    keys = [key for key, column in _COLUMNS.items() if before[column] != after[column]]
    past, present = before["details"], after["details"]
    if past != present:
        other = {key for key in past.keys() | present.keys() if past.get(key) != present.get(key)}
        keys += [key for key in _DETAILS if key in other]
    keys += [name for key in keys for name in _FOLLOWERS.get(key, ())]
    found = {key: (value(before, key), value(after, key)) for key in keys}
    was, now = before["custom_fields"], after["custom_fields"]
    if was != now:
        found |= {f"custom_fields.{key}": (was.get(key), now.get(key)) for key in {**was, **now}}
    return {key: pair for key, pair in found.items() if pair[0] != pair[1]}


def event_types(before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
    if before is None:
        return ["lead.created", "lead.assigned"] if "owner_id" in changes else ["lead.created"]
    if after is None:
        return ["lead.deleted"]
    # A merge may leave all of its master's fields as they are.
    changed = [type_ for key, type_ in _EVENT_OF.items() if key in changes] + ["lead.field_changed"] * bool(changes)
    return [*changed, "lead.updated"]


def without_detours(before: Row, after: Row) -> Row:
    """The details, without what histories gained of a field that has come back to what it was."""
    details: Row = after["details"]
    for key, history in _HISTORIES.items():
        if after.get(key, details.get(key)) == before.get(key, before["details"].get(key)):
            details = details | {history: before["details"].get(history, [])}
    return details


def with_histories(before: Row | None, after: Row) -> Row:
    """The details, each history with what its field has come to since."""
    details: Row = after["details"]
    for key, history in _HISTORIES.items():
        now = after.get(key, after["details"].get(key))
        was = None if before is None else before.get(key, before["details"].get(key))
        past = details.get(history, [])
        if now is not None and now != was and past[-1:] != [now]:
            details = details | {history: [*past, now]}
    return details
