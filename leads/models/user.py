from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F

from leads.changes import Row, Unit
from leads.models.record import Columns, Record, RecordQuerySet
from leads.names import full_name
from leads.validation import in_seconds


class Availability(models.TextChoices):
    AVAILABLE = "available", "Available"
    BUSY = "busy", "Busy"
    AWAY = "away", "Away"
    OFFLINE = "offline", "Offline"


# What a change of is told; signing in changes last_login, and a password is nobody's business.
_COLUMNS = ("username", "first_name", "last_name", "email", "phone", "time_zone", "is_active", "availability")
_EVENT_OF = {"is_active": "user.activation_changed", "availability": "user.availability_changed"}


NO_TIME_ZONE: Final = "must be the name of a time zone, such as Europe/London"


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA's database."""
    return frozenset(available_timezones())


class People(UserManager.from_queryset(RecordQuerySet)):  # type: ignore[misc]
    # Migrations find nobody by name.
    use_in_migrations = False


class User(Record, AbstractUser):
    """Somebody who signs in. Which account and offices they belong to is their membership's.

    Facts about them are told in their account; of somebody without one nobody is told.
    """

    record_name = "user"

    phone = models.CharField(max_length=50, null=True, blank=True)
    time_zone = models.CharField(max_length=50, null=True, blank=True)
    availability = models.CharField(max_length=9, choices=Availability.choices, default=Availability.AVAILABLE)

    objects = People()  # type: ignore[misc]

    class Meta(Record.Meta, AbstractUser.Meta):
        verbose_name = "person"
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        return full_name(self.username, self.first_name, self.last_name) or ""

    def derive(self, before: Row | None, stored: Row | None, written: Collection[str] | None, work: Unit) -> Columns:
        # Signing in writes a column that is told to nobody: no version, which the unit would take back.
        if written is not None and not set(written) & set(_COLUMNS):
            return set()
        return super().derive(before, stored, written, work)

    # What a unit of work asks (leads/models/record.py).

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {
            "account_id": F("membership__account_id"),
            "account_name": F("membership__account__name"),
            "setup_token": F("membership__account__setup_token"),
            "office_id": models.Value(None, models.BigIntegerField()),
        }

    @classmethod
    def parts(cls, using: str, rows: Mapping[int, Row]) -> Mapping[int, Row]:
        """Their roles, by name."""
        of: dict[int, list[str]] = {pk: [] for pk in rows}
        groups = cls.groups.through._default_manager.using(using).filter(user__in=of)
        for pk, name in groups.order_by("group__name").values_list("user_id", "group__name"):
            of[pk].append(name)
        return {pk: {"roles": names} for pk, names in of.items()}

    @classmethod
    def check_rules(cls, before: Row | None, after: Row) -> None:
        zone = after["time_zone"]
        if zone is not None and (before is None or before["time_zone"] != zone) and zone not in time_zones():
            raise ValidationError({"time_zone": ValidationError(NO_TIME_ZONE, code="time_zone")})

    @classmethod
    def differences(cls, before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
        return {key: (before[key], after[key]) for key in _COLUMNS if before[key] != after[key]}

    @classmethod
    def beginnings(cls, row: Row, snapshot: Mapping[str, Any]) -> dict[str, tuple[None, Any]]:
        return {key: (None, row[key]) for key in _COLUMNS if row[key] not in (None, "")}

    @classmethod
    def snapshot(cls, row: Row, parts: Row) -> dict[str, Any]:
        return {
            "id": row["id"],
            "full_name": full_name(row["username"], row["first_name"], row["last_name"]),
            **{key: row[key] for key in _COLUMNS},
            "roles": parts.get("roles", []),
            "account_id": row["account_id"],
            "account_name": row["account_name"],
            "created_at": in_seconds(row["date_joined"]),
        }

    @classmethod
    def label(cls, row: Row) -> str:
        return full_name(row["username"], row["first_name"], row["last_name"]) or ""

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        if after is None:
            return []
        if before is None:
            return ["user.created"]
        told = [type_ for key, type_ in _EVENT_OF.items() if key in changes]
        return [*told, "user.updated"]
