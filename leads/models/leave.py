"""Leaves: from when to when somebody is away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from leads.changes import Row
from leads.models.entity import Entity, MadeBySomebody, person_names, told_person
from leads.models.user import User


class Leave(MadeBySomebody, Entity):
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
    follow = {"user_id": ("user", "user_name")}
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
        return {"ends_on": "must not be before the first day"} if after["ends_on"] < after["starts_on"] else {}

    @classmethod
    def label(cls, row: Row) -> str:
        name = row["user_first_name"] or row["user_username"]
        return f"{name}: {row['starts_on']} to {row['ends_on']}"
