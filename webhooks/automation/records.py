"""What the events that rules listen to are of: whether a lead is concerned, and which fields conditions may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.text import capfirst

from leads.events import EVENTS
from leads.models import Activity, Company, CompanyActivity, Lead, Leave, Opportunity, Product, Task, User
from leads.models.entity import Entity
from leads.models.record import Record
from leads.models.user import Availability
from webhooks.outbound import filter_fields
from webhooks.outbound.filter_fields import YES_NO, FilterField, Kind
from webhooks.wire.filter import FORM

# What stands in front of the dot of an event, and what the event is of.
MODELS: Mapping[str, type[Record]] = {
    "lead": Lead,
    "form": Lead,
    "account": Company,
    "account_activity": CompanyActivity,
    "activity": Activity,
    "sales_activity": Activity,
    "opportunity": Opportunity,
    "product": Product,
    "task": Task,
    "user": User,
    "leave": Leave,
}
# Those whose events have no lead that could be changed.
_LEADLESS = (Company, CompanyActivity, Product, User, Leave)

_KINDS: Mapping[type[models.Field[Any, Any]], Kind] = {
    models.BooleanField: "yes_no",
    models.DateTimeField: "moment",
    models.DateField: "date",
    models.IntegerField: "whole",
    models.BigAutoField: "whole",
    models.DecimalField: "number",
    models.ForeignKey: "whole",
    models.JSONField: "parts",
}


def label(event: str) -> str:
    """ "lead.stage_changed" as "Lead stage changed"; an account is LeadSquared's word for a company."""
    words = event.replace(".", " ").replace("_", " ")
    return capfirst(f"company{words.removeprefix('account')}" if event.startswith("account") else words)


CHOICES = tuple((event, label(event)) for event in EVENTS)


def model_of(event: str) -> type[Record]:
    return MODELS[event.partition(".")[0]]


def concerns_lead(event: str) -> bool:
    """Whether there is, or may be, a lead that actions can change."""
    return event != "lead.deleted" and model_of(event) not in _LEADLESS


def fields_of(event: str, account_id: int | None) -> dict[str, FilterField]:
    """What the conditions of a rule for this event may name, by key, in the order in which staff read them."""
    model = model_of(event)
    if model is Lead:
        # What its events never have would let nothing through.
        absent = {filter_fields.TYPE} if event == "form.submitted" else {filter_fields.TYPE, FORM}
        known = filter_fields.fields_of(account_id)
        return {key: field for key, field in known.items() if key not in absent}
    found = dict(_fields(model))
    own = filter_fields.fields_of(account_id) if account_id is not None else {}
    for key, chosen_as in _OF_ACCOUNT.items():
        if key in found and chosen_as in own:
            found[key] = replace(found[key], kind="choice", choices=own[chosen_as].choices, by_id=True)
    return found


@lru_cache(maxsize=32)
def _fields(model: type[Record]) -> Mapping[str, FilterField]:
    group = capfirst(str(model._meta.verbose_name))
    if model is User:
        return {
            key: FilterField(key, capfirst(key.replace("_", " ")), group, kind, choices, told=True)
            for key, kind, choices in _PERSON
        }
    assert issubclass(model, Entity)
    found = {}
    for key, source in model.told.items():
        column = _column(model, source) if isinstance(source, str) else None
        kind, choices = _kind(column)
        if key in _ALWAYS_THE_SAME:
            continue
        told = column is not None and key not in _STAMPS
        told = told or any(key in names for names in model.follow.values())
        kind = _NOT_AS_THEIR_COLUMN.get(key, kind)
        found[key] = FilterField(key, capfirst(key.replace("_", " ")), group, kind, choices, told=told)
    return found


# Ids of records of the account, and the filter that has the same ones to choose from.
_OF_ACCOUNT = {
    "office_id": "office_id",
    filter_fields.TYPE: filter_fields.TYPE,
    **dict.fromkeys(("owner_id", "created_by_id", "user_id"), "owner_id"),
}
_ALWAYS_THE_SAME = frozenset({"account_id", "account_name"})
_STAMPS = frozenset({"id", "created_at", "modified_at"})
# What the record tells of its type, and its type's fields.
_NOT_AS_THEIR_COLUMN: Mapping[str, Kind] = {"type_code": "whole", "office_id": "whole", "fields": "parts"}
_PERSON: tuple[tuple[str, Kind, tuple[tuple[str, str], ...] | None], ...] = (
    ("username", "text", None),
    ("first_name", "text", None),
    ("last_name", "text", None),
    ("full_name", "text", None),
    ("email", "text", None),
    ("phone", "text", None),
    ("time_zone", "text", None),
    ("is_active", "yes_no", YES_NO),
    ("availability", "choice", tuple((str(value), str(name)) for value, name in Availability.choices)),
)


def _column(model: type[Record], source: str) -> Any:
    try:
        return model._meta.get_field(source.removesuffix("_id"))
    except FieldDoesNotExist:
        return None


def _kind(column: Any) -> tuple[Kind, tuple[tuple[str, str], ...] | None]:
    if column is None:
        return "text", None
    if column.choices:
        return "choice", tuple((str(value), str(name)) for value, name in column.choices)
    kind: Kind = next((kind for type_, kind in _KINDS.items() if isinstance(column, type_)), "text")
    return kind, YES_NO if kind == "yes_no" else None
