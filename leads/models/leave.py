"""Leaves: from when to when somebody is away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import models
from django.db.models import Q

from leads.changes import Row
from leads.models.entity import NAMES_OF_MAKER, Entity, MadeBySomebody, person_names, told_person
from leads.models.user import User


class Leave(MadeBySomebody, Entity):
    """Whole days, the last one included. A person has no two at a time."""

    record_name = "leave"
    noun = "leave"
    told = {
        "id": "id",
        **told_person("user"),
        "starts_on": "starts_on",
        "ends_on": "ends_on",
        "reason": "reason",
        **told_person("created_by"),
        "account_id": "account_id",
        "account_name": "account_name",
        "created_at": "created_at",
        "modified_at": "modified_at",
    }
    follow = {"user_id": ("user", "user_name"), "created_by_id": NAMES_OF_MAKER}
    ours = {"user": "user__membership__account_id"}

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="leaves", verbose_name="person")
    starts_on = models.DateField("first day")
    ends_on = models.DateField("last day")
    reason = models.CharField(max_length=200, null=True, blank=True)

    class Meta(Entity.Meta):
        ordering = ["-starts_on", "-id"]
        indexes = [models.Index(fields=["account", "-starts_on", "-id"], name="leave_newest")]

    def __str__(self) -> str:
        return f"{self.user}: {self.starts_on} to {self.ends_on}"

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {**super().names(), **person_names("user"), **person_names("created_by")}

    @classmethod
    def faults(cls, before: Row | None, after: Row) -> Mapping[str, str]:
        # Whoever enters another one of this person meanwhile waits here, and finds this one.
        User.objects.select_for_update(of=("self",), no_key=True).filter(pk=after["user_id"]).first()
        return cls.misfit(after["user_id"], after["starts_on"], after["ends_on"], but=after["id"])

    @classmethod
    def misfit(cls, user_id: int, first: date, last: date, but: int | None = None) -> Mapping[str, str]:
        """Field -> why somebody cannot be away on these days, beside their leaves but the one that is changed."""
        if last < first:
            return {"ends_on": "must not be before the first day"}
        others = cls.objects.filter(covering(first, last), user=user_id)
        other = (others if but is None else others.exclude(pk=but)).first()
        if other is None:
            return {}
        return {"starts_on": f"must not overlap the leave of this person from {other.starts_on} to {other.ends_on}"}

    @classmethod
    def label(cls, row: Row) -> str:
        name = row["user_first_name"] or row["user_username"]
        return f"{name}: {row['starts_on']} to {row['ends_on']}"


def covering(first: date, last: date) -> Q:
    """Leaves with one of these days in them."""
    return Q(starts_on__lte=last, ends_on__gte=first)
