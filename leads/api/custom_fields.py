"""Custom fields: /api/v1/custom-fields and .../{id}. Other systems know a field by its key, and its values by its type:
neither can be changed once it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Max

from leads import custom, unique
from leads.api.errors import Fault
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One, Resource
from leads.api.shape import key_of
from leads.models import CustomField
from leads.models.apikey import Scope as KeyScope

_SCOPES = (KeyScope.SETUP_READ, KeyScope.SETUP_WRITE)
_POSITION = key_of(CustomField, "position")


class CustomFieldResource(Resource):
    model = CustomField
    keys = (
        key_of(CustomField, "key", fixed=True),
        key_of(CustomField, "label"),
        key_of(CustomField, "kind", "type", fixed=True),
        key_of(CustomField, "required"),
        key_of(CustomField, "unique"),
        key_of(CustomField, "choices"),
        _POSITION,
    )
    unique = "key"

    def new(self) -> CustomField:
        """After those that are there."""
        last = self.records().aggregate(last=Max("position"))["last"]
        position = 0 if last is None else min(last + 1, _POSITION.field.highest)
        return CustomField(account=self.account, position=position)

    def faults(self, field: CustomField, sent: Mapping[str, Any]) -> list[Fault]:
        if faults := super().faults(field, sent):
            return faults
        judged = {
            "key": custom.key_fault(field.key),
            "choices": custom.choices_fault(field.kind, field.choices),
            "unique": unique.fault(field),
        }
        return [Fault(key, key, message) for key, message in judged.items() if message is not None]


class CustomFields(CustomFieldResource, Many):
    needs = needs("customfield", *_SCOPES, MANY)


class OneCustomField(CustomFieldResource, One):
    needs = needs("customfield", *_SCOPES, ONE)
