"""Records with a type of the account's, and the type's own fields: activities and opportunities."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django.db.models import QuerySet

from leads.api.entities import EntityResource
from leads.api.errors import Fault
from leads.api.shape import Offered
from leads.models.kind import value_fault


class TypedResource(EntityResource):
    """A subclass names the types that its records may have: they are of the account, and `words` what they are."""

    model: ClassVar[Any]
    words: ClassVar[str]

    def kinds(self) -> QuerySet[Any]:
        raise NotImplementedError

    def offered(self) -> Mapping[str, Offered]:
        return {**super().offered(), "type_id": Offered(self.kinds(), self.words)}

    def faults(self, record: Any, sent: Mapping[str, Any]) -> list[Fault]:
        stored = copy(record) if record.pk is not None else None
        if faults := super().faults(record, sent):
            return faults
        if stored is not None and stored.type_id != record.type_id:
            # What both types ask stays, and what only the other one asked goes.
            kept = {*record.type.fields, *(sent.get("fields") or ())}
            record.fields = {label: text for label, text in record.fields.items() if label in kept}
        fault = value_fault(record.fields, record.type.fields)
        return self.type_faults(record, stored) + ([Fault("fields", "fields", fault)] if fault else [])

    def type_faults(self, record: Any, stored: Any) -> list[Fault]:
        """What is wrong with the record beside its type; stored is the record as it was, None when it is new."""
        return []
