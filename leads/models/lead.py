"""The lead. Its fields and their rules are the catalogue's (leads/fields.py, leads/validation.py)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from leads import fields, validation
from leads.changes import Row
from leads.models.account import Account
from leads.models.office import Office
from leads.models.record import Record


def _text(key: str, **options: Any) -> Any:
    """The column of a text or choice field of the catalogue; unset is NULL, never ''."""
    field = fields.BY_KEY[key]
    longest = field.max_length or max(len(value) for value, _ in field.choices)
    if field.choices:
        options["choices"] = field.choices
    return models.CharField(field.label, max_length=longest, **({"null": True, "blank": True} | options))


class Lead(Record):
    record_name = "lead"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="leads")
    office = models.ForeignKey(Office, on_delete=models.PROTECT, related_name="leads", null=True, blank=True)
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, related_name="children", null=True, blank=True)
    type = _text("type")
    source = _text("source")
    status = _text("status", null=False, blank=False, default="UNREAD")
    stage = _text("stage", null=False, blank=False, default="NEW")
    title = _text("title")
    first_name = _text("first_name")
    last_name = _text("last_name")
    full_name = _text("full_name")
    full_name_derived = models.BooleanField(default=False, editable=False)
    email = _text("email")
    phone = _text("phone")
    phone_e164 = models.CharField(max_length=16, null=True, editable=False)
    callable = models.BooleanField(default=False, editable=False)
    address = _text("address")
    postcode = _text("postcode")
    property_reference = _text("property_reference")
    # Names as they were when the lead was referred: the office and account it came from may go.
    referred_by_office_id = models.BigIntegerField(null=True, editable=False)
    referred_by_office_name = models.CharField(max_length=100, null=True, editable=False)
    referred_by_account_id = models.BigIntegerField(null=True, editable=False)
    referred_by_account_name = models.CharField(max_length=100, null=True, editable=False)
    # The rest of the catalogue: nothing filters, sorts or acts on it.
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(Record.Meta):
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="lead_newest"),
            models.Index(fields=["office", "-created_at", "-id"], name="lead_office_newest"),
            models.Index(fields=["email"], name="lead_email"),
            models.Index(fields=["phone_e164"], name="lead_phone"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email or self.phone or f"Lead {self.pk}"

    # Access by catalogue key, wherever the value is stored.

    def get(self, key: str) -> Any:
        field = fields.BY_KEY[key]
        if key in ("office_name", "account_name"):
            related = getattr(self, key.removesuffix("_name"))
            return related.name if related else None
        if field.column:
            return getattr(self, key)
        return self.details.get(key, _EMPTY.get(key))

    def set(self, key: str, value: Any) -> None:
        if fields.BY_KEY[key].column:
            setattr(self, key, value)
        elif value is None:
            self.details.pop(key, None)
        else:
            self.details[key] = value

    def values(self) -> dict[str, Any]:
        """Every field of the catalogue, by key."""
        return {key: self.get(key) for key in fields.BY_KEY}

    # What a unit of work asks (leads/models/record.py).

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {
            "account_name": Subquery(Account.objects.filter(pk=OuterRef("account_id")).values("name")[:1]),
            "office_name": Subquery(Office.objects.filter(pk=OuterRef("office_id")).values("name")[:1]),
        }

    @classmethod
    def derived(cls, before: Row | None, after: Row) -> Row:
        return validation.derive(after, before)

    @classmethod
    def check_rules(cls, before: Row | None, after: Row) -> None:
        values, was = _by_key(after), _by_key(before) if before is not None else None
        violations = judge(values, was)
        if violations and was is not None:
            # A rule that was made stricter since does not stand in the way of what has nothing to do with it.
            known = {(violation.field, violation.rule) for violation in judge(was, was)}
            violations = [
                violation
                for violation in violations
                if (violation.field, violation.rule) not in known or values[violation.field] != was[violation.field]
            ]
        if violations:
            raise invalid(violations)

    @classmethod
    def differences(cls, before: Row | None, after: Row) -> dict[str, tuple[Any, Any]]:
        was = cls._told(before) if before is not None else {}
        now = cls._told(after)
        return {key: (was.get(key), value) for key, value in now.items() if was.get(key) != value}

    @classmethod
    def _told(cls, row: Row) -> dict[str, Any]:
        return {key: _json(_value(row, key)) for key in _TOLD}

    @classmethod
    def snapshot(cls, row: Row) -> dict[str, Any]:
        return {key: _json(_value(row, key)) for key in fields.BY_KEY}

    @classmethod
    def label(cls, row: Row) -> str:
        return row["full_name"] or row["email"] or row["phone"] or f"Lead {row['id']}"

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        if before is None:
            return ["lead.created"]
        if after is None:
            return ["lead.deleted"]
        return ["lead.stage_changed", "lead.updated"] if "stage" in changes else ["lead.updated"]


_EMPTY: Mapping[str, Any] = {"comparable_props": []}
_NAMES = frozenset({"office_name", "account_name"})
# What makes a lead another one; the names of its office and account change elsewhere.
_TOLD = [key for key in fields.BY_KEY if key not in _NAMES]


def _value(row: Row, key: str) -> Any:
    if fields.BY_KEY[key].column or key in _NAMES:
        return row[key]
    return row["details"].get(key, _EMPTY.get(key))


def _by_key(row: Row) -> dict[str, Any]:
    return {key: _value(row, key) for key in _TOLD}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def judge(
    values: Mapping[str, Any], before: Mapping[str, Any] | None = None, *, leads_api: bool = False
) -> list[validation.Violation]:
    """What the rules say of a merged record by catalogue key, before being what is stored (None: a new lead).

    Admin, API and the unit of work ask here, so that all of them choose the profile alike.
    """
    profile = validation.profile_for(
        values, leads_api=leads_api, reference_required=settings.LEADPRO_REFERENCE_REQUIRED
    )
    return validation.validate(values, profile, before)


def invalid(violations: list[validation.Violation]) -> ValidationError:
    """The violations as Django's forms and our API read them: by field, the rule being the code."""
    by_field: dict[str, list[ValidationError]] = {}
    for violation in violations:
        by_field.setdefault(violation.field, []).append(ValidationError(violation.message, code=violation.rule))
    return ValidationError(by_field)
