"""What the API reads of a record other than a lead: some of its columns, by the value rules of the lead's fields.

The rules are those of leads/validation.py, the limits those of the columns: neither is written down again here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from leads.api.errors import Fault
from leads.api.view import unknown_keys
from leads.fields import Field, Kind
from leads.validation import in_seconds, judge_value, read_moment


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record.

    field    its rules: `wire` is its name in the API, `key` the attribute of the record
    column   what null means where it is not required: the column's default
    fixed    cannot be changed once the record is there
    trimmed  blanks around a text are taken off, as the admin's forms do
    """

    field: Field
    column: models.Field[Any, Any]
    fixed: bool = False
    trimmed: bool = True

    @property
    def required(self) -> bool:
        return not (self.column.null or self.column.blank or self.column.has_default())


_KINDS: Mapping[type[models.Field[Any, Any]], Kind] = {
    models.CharField: "text",
    models.TextField: "text",
    models.BooleanField: "boolean",
    models.DateTimeField: "datetime",
    models.JSONField: "texts",
    models.PositiveSmallIntegerField: "integer",
    models.PositiveIntegerField: "integer",
}
# PostgreSQL's smallint and integer.
_HIGHEST: Mapping[type[models.Field[Any, Any]], int] = {models.PositiveSmallIntegerField: 2**15 - 1}
_HIGHEST_OF_OTHERS = 2**31 - 1


def key_of(model: type[models.Model], name: str, wire: str = "", *, fixed: bool = False, trimmed: bool = True) -> Key:
    """The key that a column is."""
    column: Any = model._meta.get_field(name)
    kind: Kind = "choice" if column.choices else _KINDS[type(column)]
    field = Field(
        name,
        name,
        kind,
        group="",
        wire=wire,
        max_length=column.max_length,
        choices=tuple(column.choices or ()),
        highest=_HIGHEST.get(type(column), _HIGHEST_OF_OTHERS),
    )
    return Key(field, column, fixed, trimmed)


def lay_over(record: models.Model, keys: Sequence[Key], sent: Mapping[str, Any], noun: str) -> list[Fault]:
    """Set what was sent on a record that is not saved yet; gives what is wrong with it."""
    new = record.pk is None
    faults = unknown_keys(sent, {"id", *(key.field.wire for key in keys)}, noun)
    for key in keys:
        field = key.field
        if field.wire not in sent and not (new and key.required):
            continue
        value, fault = _read(key, sent.get(field.wire))
        before = getattr(record, field.key)
        if fault is None and key.fixed and not new and value != before:
            fault = Fault(field.wire, "fixed", "cannot be changed any more")
        if fault is not None:
            faults.append(fault)
        elif new or field.kind != "datetime" or in_seconds(value) != in_seconds(before):
            setattr(record, field.key, value)
    return faults


def _read(key: Key, value: Any) -> tuple[Any, Fault | None]:
    """The value as the column holds it, or what is wrong with it."""
    field = key.field
    if field.kind == "text" and isinstance(value, str):
        value = value.strip() if key.trimmed or not value.strip() else value
    if value is None or (field.kind == "text" and value == ""):
        fault = Fault(field.wire, "required", "is required") if key.required else None
        return key.column.get_default(), fault
    if (violation := judge_value(field, value)) is not None:
        return None, Fault(field.wire, violation.rule, violation.message)
    return read_moment(value) if field.kind == "datetime" else value, None


def taken(record: models.Model, key: str, exclude: Sequence[str] = ()) -> list[Fault]:
    """By the model's own word and its constraints, but for those that name one of `exclude`."""
    try:
        record.clean()
        record.validate_constraints(exclude=set(exclude))
    except ValidationError:
        return [Fault(key, "unique", f"is the {key} of another {record._meta.verbose_name} of this account")]
    return []
