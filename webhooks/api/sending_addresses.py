"""Where deliveries come from: GET /api/v1/sending-addresses, for programs that keep a receiver's firewall."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Problem
from leads.api.view import View
from leads.models import ApiKey
from webhooks import conf


class AnyKey(BasePermission):
    """Whatever its scopes: what is told is no secret of the account. Its maker must belong to the account still."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return False
        if view.scope.account_id != key.account_id:
            raise Problem(403, "The maker of this API key does not belong to its account any more.")
        return True


class SendingAddresses(View):
    permission_classes = [AnyKey]

    def get(self, request: Request) -> Response:
        """{"addresses": ["203.0.113.7", "2001:db8:7::/64"]}, as the operator wrote them; [] when none are told."""
        return Response({"addresses": list(conf.sending_addresses())})
