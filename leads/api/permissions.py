"""What an API key may do: what its scopes name, and never more than the person who made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from leads.api.errors import Problem
from leads.models import ApiKey


@dataclass(frozen=True, slots=True)
class Need:
    """What one method of one resource asks for: a scope of the key, and a permission of its maker."""

    scope: str
    permission: str


READING: Final = ("GET",)
# Of the list of a kind of records, and of each of them.
MANY: Final = ("GET", "POST")
ONE: Final = ("GET", "PATCH", "DELETE")

_VERBS: Final = {"GET": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}


def needs(model: str, reading: str, writing: str, methods: Sequence[str]) -> Mapping[str, Need]:
    """The usual needs of records: a scope to read and one to write, and Django's permission for each method."""
    return {
        method: Need(reading if method == "GET" else writing, f"leads.{_VERBS[method]}_{model}") for method in methods
    }


class KeyMay(BasePermission):
    """Reads `needs` of the view, {method: Need}. A method without an entry is refused, or has no handler: a 405."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return False
        method = "GET" if request.method == "HEAD" else request.method
        need = view.needs.get(method)
        if need is None:
            return str(method).lower() not in view.http_method_names or not hasattr(view, str(method).lower())
        if need.scope not in key.scopes:
            raise Problem(403, f"This API key lacks the scope {need.scope}.")
        if view.scope.account_id != key.account_id:
            raise Problem(403, "The maker of this API key does not belong to its account any more.")
        if not request.user.has_perm(need.permission):
            raise Problem(403, f"The maker of this API key lacks the permission {need.permission}.")
        return True
