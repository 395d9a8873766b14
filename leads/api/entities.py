"""Records that tell their columns as they are: their answers are what their events carry (leads/models/entity.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS

from leads.api.errors import missing
from leads.api.resource import Resource
from leads.api.shape import Offered
from leads.models.entity import Entity
from leads.scope import OWNER


class EntityResource(Resource):
    model: ClassVar[type[Entity]]

    def told(self) -> Collection[str]:
        return self.model.told

    def offered(self) -> Mapping[str, Offered]:
        return {"owner_id": Offered(self.scope.choosable_owners(self.account.pk), OWNER)}

    def wire(self, record: Any) -> dict[str, Any]:
        """As it is stored. Raises Problem 404 where somebody deleted it meanwhile."""
        for told in self.wired([record]):
            return told
        raise missing(self.noun)

    def wired(self, records: Sequence[Any]) -> list[dict[str, Any]]:
        """A record that was deleted since is left out."""
        rows = self.model.rows(DEFAULT_DB_ALIAS, [record.pk for record in records])
        return [self.model.snapshot(rows[record.pk], {}) for record in records if record.pk in rows]
