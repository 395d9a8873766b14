"""What an account's activity types and opportunity types have in common: a code, and further fields by their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leads.api.errors import Fault, Problem
from leads.api.resource import Resource
from leads.api.shape import taken
from leads.models.apikey import Scope as KeyScope
from leads.models.kind import Kind

SCOPES: Final = (KeyScope.SETUP_READ, KeyScope.SETUP_WRITE)


class KindResource(Resource):
    def faults(self, kind: Kind, sent: Mapping[str, Any]) -> list[Fault]:
        faults = super().faults(kind, sent)
        faults = faults or [*taken(kind, "name", exclude=["code"]), *taken(kind, "code", exclude=["name"])]
        return faults or [Fault(key, key, message) for key, message in kind.faults().items()]

    def remove(self, kind: Kind) -> None:
        if kind.is_used():
            message = f"{kind.name} is in use: give what is of this type another one, or delete it, first."
            raise Problem(409, message, code="in_use")
        kind.delete()
