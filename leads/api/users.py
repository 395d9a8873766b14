"""Users: /api/v1/users and .../{id}: the people of the account. They are made, and given their roles, in the admin."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem
from leads.api.permissions import READING, needs
from leads.api.resource import Listed, Resource, Retrieved
from leads.api.shape import key_of
from leads.changes import unit
from leads.models import User
from leads.models.apikey import Scope as KeyScope
from leads.models.user import NO_TIME_ZONE, time_zones
from leads.scope import hold_managers, is_last_manager, may_touch

_KEYS: Final = ("first_name", "last_name", "phone", "time_zone", "availability", "is_active")


class UserResource(Resource):
    model = User
    keys = tuple(key_of(User, name) for name in _KEYS)

    def records(self) -> QuerySet[Any]:
        return User.objects.filter(membership__account_id=self.account.pk)

    def told(self) -> Collection[str]:
        return ("name", "email")

    def faults(self, user: User, sent: Mapping[str, Any]) -> list[Fault]:
        was_active = user.is_active
        faults = super().faults(user, sent)
        if user.time_zone is not None and user.time_zone not in time_zones():
            faults.append(Fault("time_zone", "time_zone", NO_TIME_ZONE))
        if was_active and not user.is_active:
            maker = self.request.user
            if user.pk == maker.pk:
                faults.append(Fault("is_active", "own", "must stay true of the maker of this API key"))
            elif not maker.is_superuser and is_last_manager(user.pk, self.account.pk):
                words = "must stay true of the last active manager: make somebody else a manager first"
                faults.append(Fault("is_active", "last_manager", words))
        return faults

    def wire(self, user: User) -> dict[str, Any]:
        return {"id": user.pk, "name": user.full_name, "email": user.email, **super().wire(user)}


class Users(UserResource, Listed):
    needs = needs("user", KeyScope.USERS_READ, "", READING)


class OneUser(UserResource, Retrieved):
    needs = needs("user", KeyScope.USERS_READ, KeyScope.USERS_WRITE, ("GET", "PATCH"))

    def patch(self, request: Request, pk: str) -> Response:
        with unit():
            if "is_active" in self.sent:
                hold_managers(self.account.pk)
            user = self.find(pk, lock=True)
            if not may_touch(request.user, user):
                raise Problem(403, "The maker of this API key may not change somebody with more rights than theirs.")
            self.store(user, self.sent)
        return Response(self.wire(user))
