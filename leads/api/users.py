"""Users: /api/v1/users and .../{id}, read only: the people that a lead of the account can be given to."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from leads.api.permissions import READING, needs
from leads.api.resource import Listed, Resource, Retrieved
from leads.models import User
from leads.models.apikey import Scope as KeyScope


class UserResource(Resource):
    model = User
    needs = needs("user", KeyScope.USERS_READ, "", READING)

    def records(self) -> QuerySet[Any]:
        return self.scope.choosable_owners(self.account.pk)

    def wire(self, user: User) -> dict[str, Any]:
        return {"id": user.pk, "name": user.full_name, "email": user.email}


class Users(UserResource, Listed):
    pass


class OneUser(UserResource, Retrieved):
    pass
