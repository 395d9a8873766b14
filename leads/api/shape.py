"""What the API reads of a record other than a lead: some of its columns, by the value rules of the lead's fields.

The rules are those of leads/validation.py, the limits those of the columns: neither is written down again here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from leads.api.errors import Fault
from leads.api.view import unknown_keys
from leads.custom import date_fault
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


@dataclass(frozen=True, slots=True)
class Offered:
    """The records that a reference may be given, and the words for them: "an active person of the account"."""

    records: models.QuerySet[Any]
    words: str


_KINDS: Mapping[type[models.Field[Any, Any]], Kind] = {
    models.CharField: "text",
    models.TextField: "text",
    models.EmailField: "email",
    models.BooleanField: "boolean",
    models.DateTimeField: "datetime",
    models.DateField: "text",
    models.DecimalField: "number",
    models.IntegerField: "integer",
    models.PositiveSmallIntegerField: "integer",
    models.PositiveIntegerField: "integer",
    models.ForeignKey: "reference",
}
# PostgreSQL's smallint and integer.
_LOWEST: Mapping[type[models.Field[Any, Any]], int] = {models.IntegerField: -(2**31)}
_HIGHEST: Mapping[type[models.Field[Any, Any]], int] = {models.PositiveSmallIntegerField: 2**15 - 1}
_HIGHEST_OF_OTHERS = 2**31 - 1


def key_of(model: type[models.Model], name: str, wire: str = "", *, fixed: bool = False, trimmed: bool = True) -> Key:
    """The key that a column is; a relation is known by the id of what it names."""
    column: Any = model._meta.get_field(name)
    field = Field(
        column.attname,
        name,
        _kind(column),
        group="",
        wire=wire,
        max_length=column.max_length,
        choices=tuple(column.choices or ()),
        decimals=getattr(column, "decimal_places", None),
        lowest=_LOWEST.get(type(column), 0),
        highest=_HIGHEST.get(type(column), _HIGHEST_OF_OTHERS),
    )
    return Key(field, column, fixed, trimmed)


def _kind(column: Any) -> Kind:
    if isinstance(column, models.JSONField):
        return "pairs" if column.default is dict else "texts"
    return "choice" if column.choices else _KINDS[type(column)]


def lay_over(
    record: models.Model,
    keys: Sequence[Key],
    sent: Mapping[str, Any],
    noun: str,
    offered: Mapping[str, Offered] | None = None,
    ignored: Collection[str] = (),
) -> list[Fault]:
    """Set what was sent on a record that is not saved yet; gives what is wrong with it.

    offered   by key, what the references may be. One that stays as it was is not judged: somebody who sees more may
              have given it.
    ignored   what answers tell besides the keys, and nobody can set
    """
    new = record.pk is None
    faults = unknown_keys(sent, {"id", *ignored, *(key.field.wire for key in keys)}, noun)
    for key in keys:
        field = key.field
        if field.wire not in sent and not (new and key.required):
            continue
        before = getattr(record, field.key)
        value, fault = _read(key, sent.get(field.wire), before)
        if fault is None and key.fixed and not new and value != before:
            fault = Fault(field.wire, "fixed", "cannot be changed any more")
        if fault is None and field.kind == "reference" and value not in (None, before):
            fault = _reference_fault(field, value, (offered or {})[field.key])
        if fault is not None:
            faults.append(fault)
        elif new or field.kind != "datetime" or _told(value) != _told(before):
            setattr(record, field.key, value)
    return faults


def _read(key: Key, value: Any, before: Any) -> tuple[Any, Fault | None]:
    """The value as the column holds it, or what is wrong with it."""
    field = key.field
    if field.kind in _TEXTS and isinstance(value, str):
        value = value.strip() if key.trimmed or not value.strip() else value
    if value is None or (field.kind in _TEXTS and value == ""):
        fault = Fault(field.wire, "required", "is required") if key.required else None
        return key.column.get_default(), fault
    if field.kind == "pairs" and isinstance(value, dict):
        # Key by key: what is not sent stays, and null takes away.
        value = {**before, **value}
        value = {name: text for name, text in value.items() if text is not None and text != ""}
    if (violation := judge_value(field, value)) is not None:
        return None, Fault(field.wire, violation.rule, violation.message)
    try:
        return _READERS.get(type(key.column), _as_it_is)(key, value), None
    except _Refused as refused:
        return None, Fault(field.wire, refused.rule, str(refused))


_TEXTS = frozenset({"text", "email"})


class _Refused(ValueError):
    """Says, as a clause that follows the key, what its value must be."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def _as_it_is(key: Key, value: Any) -> Any:
    return value


def _amount(key: Key, value: float) -> Decimal:
    """Within what the column has room for, and its validators let pass."""
    column: Any = key.column
    highest = (10**column.max_digits - 1) / Decimal(10**column.decimal_places)
    lowest = max([-highest, *(one.limit_value for one in column.validators if isinstance(one, MinValueValidator))])
    amount = Decimal(str(value))
    if not lowest <= amount <= highest:
        raise _Refused("range", f"must be a number from {lowest} to {highest}")
    return amount


def _day(key: Key, text: str) -> date:
    if fault := date_fault(text):
        raise _Refused("date", fault)
    return date.fromisoformat(text)


_READERS: Mapping[type[models.Field[Any, Any]], Callable[[Key, Any], Any]] = {
    models.DateTimeField: lambda key, text: read_moment(text),
    models.DateField: _day,
    models.DecimalField: _amount,
}


def _reference_fault(field: Field, pk: int, offered: Offered) -> Fault | None:
    if offered.records.filter(pk=pk).exists():
        return None
    return Fault(field.wire, "reference", f"must be {offered.words}")


def _told(moment: datetime | None) -> str | None:
    """As answers tell it: who sends back what was read does not take its parts of a second."""
    return in_seconds(moment) if moment is not None else None


def taken(record: models.Model, key: str, exclude: Sequence[str] = ()) -> list[Fault]:
    """By the model's own word and its constraints, but for those that name one of `exclude`."""
    try:
        record.clean()
        record.validate_constraints(exclude=set(exclude))
    except ValidationError:
        return [Fault(key, "unique", f"is the {key} of another {record._meta.verbose_name} of this account")]
    return []
