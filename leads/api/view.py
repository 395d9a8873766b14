"""What every resource of the API has in common."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.views import APIView

from leads.api.authentication import refuse_in_query
from leads.api.errors import Fault, Problem, shown
from leads.api.parser import check_head
from leads.api.permissions import Need
from leads.models import Account, ApiKey
from leads.scope import Scope


class View(APIView):
    """One resource. `needs` says who may call a method, `parameters` what the query of a GET may name."""

    needs: ClassVar[Mapping[str, Need]] = {}
    parameters: ClassVar[Collection[str]] = ()
    # A POST without a body is one with an empty object.
    empty_body: ClassVar[bool] = False
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_in_query(request.query_params)
        super().initial(request, *args, **kwargs)
        if request.method in self.allowed_methods:
            self._check_parameters(request)
            check_head(request._request, may_be_empty=self.empty_body)

    @property
    def key(self) -> ApiKey:
        key: Any = self.request.auth
        assert isinstance(key, ApiKey), "authentication gives nothing else"
        return key

    @property
    def account(self) -> Account:
        return self.key.account

    @cached_property
    def scope(self) -> Scope:
        """The maker's scope within the key's account."""
        return Scope.of(self.request.user, self.key)

    @property
    def sent(self) -> dict[str, Any]:
        """The body of the request, read when first asked for. Raises Problem 400."""
        body: Any = self.request.data
        assert isinstance(body, dict), "the parser gives objects only"
        return body

    def _check_parameters(self, request: Request) -> None:
        known = self.parameters if request.method in ("GET", "HEAD") else ()
        faults = [
            Fault(shown(name), "unknown", "is not a parameter of this address")
            if name not in known
            else Fault(name, "once", "must be given once")
            for name, values in request.query_params.lists()
            if name not in known or len(values) > 1
        ]
        if faults:
            raise Problem(400, faults=faults)


def unknown_keys(sent: Mapping[str, Any], known: Collection[str], noun: str) -> list[Fault]:
    return [Fault(shown(key), "unknown", f"is not a field of {noun}") for key in sent if key not in known]


_ID = re.compile("[1-9][0-9]{0,18}")
LARGEST_ID = 2**63 - 1


def id_of(text: str) -> int | None:
    """The id that a part of an address or a parameter is; None where no record can have it."""
    return number if _ID.fullmatch(text) and (number := int(text)) <= LARGEST_ID else None
