"""Records that tell their columns as they are: companies, activities, opportunities, products, tasks, leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F
from django.utils import timezone

from leads.changes import Row, Unit, acting_user
from leads.models.account import Account
from leads.models.lead import keep_open
from leads.models.record import Columns, Record
from leads.names import full_name
from leads.validation import in_seconds

# A column of the row, or what makes a value of several.
Source = str | Callable[[Row], Any]

PERSON = ("email", "username", "first_name", "last_name")
# What is told with the id of a lead, and with that of who made the record.
NAMES_OF_LEAD = ("lead_name", "lead_email", "office_id")
NAMES_OF_MAKER = ("created_by", "created_by_name")
# Columns that say when, and which state, and not what.
_STAMPS = frozenset({"id", "version", "created_at", "modified_at"})


def told_person(relation: str) -> dict[str, Source]:
    """How a snapshot tells of somebody: id, e-mail and name; `person_names` gives the row what is needed."""
    return {
        f"{relation}_id": f"{relation}_id",
        relation: lambda row: row[f"{relation}_email"] or None,
        f"{relation}_name": lambda row: full_name(*(row[f"{relation}_{name}"] for name in PERSON[1:])),
    }


def person_names(relation: str) -> dict[str, Any]:
    return {f"{relation}_{name}": F(f"{relation}__{name}") for name in PERSON}


class Entity(Record):
    """A subclass says what it tells.

    noun      what stands in front of the dot of its events
    told      key of the snapshot -> where its value is in the row
    follow    column -> keys that are names for what it says, and are told as changed with it
    ours      relation -> path to the account of what it names, which has to be the record's own
    A column of the name `fields` is a JSON object; what changes of it is told as fields.<label>.
    """

    noun: ClassVar[str]
    told: ClassVar[Mapping[str, Source]]
    follow: ClassVar[Mapping[str, Sequence[str]]] = {}
    ours: ClassVar[Mapping[str, str]] = {}

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="%(class)s_records")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    modified_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(Record.Meta):
        abstract = True

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {
            "account_name": F("account__name"),
            "setup_token": F("account__setup_token"),
            "office_id": models.Value(None, models.BigIntegerField()),
            **{f"{relation}_account_id": F(path) for relation, path in cls.ours.items()},
        }

    @classmethod
    def stamps(cls, before: Row | None, after: Row, changed: bool, work: Unit) -> Row:
        stamps = super().stamps(before, after, changed, work)
        if before is not None:
            stamps["modified_at"] = work.now if changed else before["modified_at"]
        return stamps

    @classmethod
    def next_stamps(cls, work: Unit) -> dict[str, Any]:
        return super().next_stamps(work) | {"modified_at": work.now}

    @classmethod
    def check_rules(cls, before: Row | None, after: Row) -> None:
        faults = dict(cls.faults(before, after))
        if before is not None and before["account_id"] != after["account_id"]:
            faults["account"] = "cannot be changed"
        for relation in cls.ours:
            named = after[f"{relation}_id"]
            # A person who has left the account since does not stand in the way of what has nothing to do with them.
            new = named is not None and (before is None or before[f"{relation}_id"] != named)
            if new and after[f"{relation}_account_id"] != after["account_id"]:
                faults[relation] = "must be of the same account"
        if faults:
            raise ValidationError({key: ValidationError(text, code="rule") for key, text in faults.items()})

    @classmethod
    def faults(cls, before: Row | None, after: Row) -> Mapping[str, str]:
        """Field -> what is wrong with the row that is about to be committed."""
        return {}

    @classmethod
    def snapshot(cls, row: Row, parts: Row) -> dict[str, Any]:
        return {key: _value(row, source) for key, source in cls.told.items()} | dict(parts)

    @classmethod
    def differences(cls, before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
        changed = [key for key in _columns(cls) if before[_source(cls, key)] != after[_source(cls, key)]]
        keys = [key for column in changed for key in (column, *cls.follow.get(column, ()))]
        pairs = {key: (_value(before, cls.told[key]), _value(after, cls.told[key])) for key in keys}
        was, now = before.get("fields") or {}, after.get("fields") or {}
        pairs |= {f"fields.{label}": (was.get(label), now.get(label)) for label in {**was, **now}}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    @classmethod
    def beginnings(cls, row: Row, snapshot: Mapping[str, Any]) -> dict[str, tuple[None, Any]]:
        keys = [key for column in _columns(cls) for key in (column, *cls.follow.get(column, ()))]
        found = {key: (None, snapshot[key]) for key in keys if snapshot[key] is not None}
        fields = row.get("fields") or {}
        return found | {f"fields.{label}": (None, value) for label, value in fields.items() if value is not None}

    @classmethod
    def label(cls, row: Row) -> str:
        return cls.title(row)

    @classmethod
    def title(cls, row: Row) -> str:
        """What it is called by itself."""
        return row["name"] or f"{str(cls._meta.verbose_name).capitalize()} {row['id']}"

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        return [f"{cls.noun}.{'created' if before is None else 'deleted' if after is None else 'updated'}"]


class OfLead(Entity):
    """A record of a lead: it is in the lead's account and office, goes with it, and is found by its name."""

    class Meta(Entity.Meta):
        abstract = True

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        of_lead = {"lead_name": F("lead__full_name"), "lead_email": F("lead__email"), "office_id": F("lead__office_id")}
        return {**super().names(), **of_lead, "lead_merged_into_id": F("lead__merged_into_id")}

    def lock_before(self, written: Collection[str] | None, using: str) -> None:
        lead_id = self.lead_id  # type: ignore[attr-defined]
        if lead_id is not None and (written is None or not {"lead", "lead_id"}.isdisjoint(written)):
            keep_open(lead_id, using)

    def derive(self, before: Row | None, stored: Row | None, written: Collection[str] | None, work: Unit) -> Columns:
        lead_id = self.lead_id  # type: ignore[attr-defined]
        if lead_id is not None and (stored is None or stored["lead_id"] != lead_id):
            keep_open(lead_id, work.using)  # it is judged at the unit's end
        return super().derive(before, stored, written, work)

    @classmethod
    def check_rules(cls, before: Row | None, after: Row) -> None:
        super().check_rules(before, after)
        if after["lead_merged_into_id"] is not None:
            raise ValidationError({"lead": ValidationError("must be a lead that was not merged", code="merged")})

    @classmethod
    def label(cls, row: Row) -> str:
        lead = row["lead_name"] or row["lead_email"]
        return f"{cls.title(row)} · {lead}" if lead else cls.title(row)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.account_id is None and self.lead_id is not None:  # type: ignore[attr-defined]
            self.account_id = self.lead.account_id  # type: ignore[attr-defined]
        super().save(*args, **kwargs)


class MadeBySomebody(models.Model):
    """Who made the record, where it was a person who was signed in."""

    created_by = models.ForeignKey(
        "leads.User", on_delete=models.SET_NULL, related_name="+", null=True, blank=True, editable=False
    )

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding and self.created_by_id is None:
            self.created_by_id = acting_user()
        super().save(*args, **kwargs)


def _value(row: Row, source: Source) -> Any:
    """Ready for JSON: moments in whole seconds, amounts as numbers."""
    value = row[source] if isinstance(source, str) else source(row)
    if isinstance(value, datetime):
        return in_seconds(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


@lru_cache(maxsize=32)
def _columns(model: type[Entity]) -> Sequence[str]:
    """The keys whose values are columns of the record's own that say what it is."""
    own = {field.attname for field in model._meta.concrete_fields} - _STAMPS
    return [key for key, source in model.told.items() if isinstance(source, str) and source in own]


def _source(model: type[Entity], key: str) -> str:
    source = model.told[key]
    assert isinstance(source, str)
    return source
