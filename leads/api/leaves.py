"""Leaves: /api/v1/leaves and .../{id}: who is away from when to when, the last day included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leads.api.entities import EntityResource
from leads.api.errors import Fault
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import Offered, key_of
from leads.models import Leave
from leads.models.apikey import Scope as KeyScope
from leads.scope import OWNER

_SCOPES: Final = (KeyScope.USERS_READ, KeyScope.USERS_WRITE)


class LeaveResource(EntityResource):
    model = Leave
    keys = tuple(key_of(Leave, name) for name in ("user", "starts_on", "ends_on", "reason"))

    def offered(self) -> Mapping[str, Offered]:
        return {"user_id": Offered(self.scope.choosable_owners(self.account.pk), OWNER)}

    def faults(self, leave: Leave, sent: Mapping[str, Any]) -> list[Fault]:
        faults = super().faults(leave, sent)
        if not faults:
            misfit = Leave.misfit(leave.user_id, leave.starts_on, leave.ends_on, but=leave.pk)
            faults = [Fault(key, "overlap" if key == "starts_on" else "order", words) for key, words in misfit.items()]
        return faults


class Leaves(LeaveResource, Many):
    needs = needs("leave", *_SCOPES, MANY)


class OneLeave(LeaveResource, One):
    needs = needs("leave", *_SCOPES, ONE)
