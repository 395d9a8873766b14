"""Tasks: what somebody has to do until when, and who is reminded of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models
from django.db.models import Q

from leads.changes import Row, Unit
from leads.models.entity import NAMES_OF_LEAD, NAMES_OF_MAKER, MadeBySomebody, OfLead, person_names, told_person
from leads.models.lead import Lead
from leads.models.user import User


class TaskStatus(models.TextChoices):
    OPEN = "open", "Open"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"


class Task(MadeBySomebody, OfLead):
    """Of a lead or, where it has none, of the account."""

    record_name = "task"
    noun = "task"
    told = {
        "id": "id",
        "name": "name",
        "category": "category",
        "description": "description",
        "lead_id": "lead_id",
        "lead_name": "lead_name",
        "lead_email": "lead_email",
        "due_at": "due_at",
        "remind_at": "remind_at",
        "reminded_at": "reminded_at",
        "status": "status",
        "closed_at": "closed_at",
        **told_person("owner"),
        **told_person("created_by"),
        "office_id": "office_id",
        "account_id": "account_id",
        "account_name": "account_name",
        "created_at": "created_at",
        "modified_at": "modified_at",
    }
    follow = {
        "lead_id": NAMES_OF_LEAD,
        "owner_id": ("owner", "owner_name"),
        "created_by_id": NAMES_OF_MAKER,
    }
    ours = {"lead": "lead__account_id", "owner": "owner__membership__account_id"}

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="tasks", null=True, blank=True)
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=100, null=True, blank=True)
    description = models.TextField(max_length=10_000, null=True, blank=True)
    due_at = models.DateTimeField("due")
    remind_at = models.DateTimeField("reminder", null=True, blank=True)
    # When the reminder went out; another time to remind at is another reminder.
    reminded_at = models.DateTimeField(null=True, editable=False)
    status = models.CharField(max_length=9, choices=TaskStatus.choices, default=TaskStatus.OPEN)
    closed_at = models.DateTimeField(null=True, editable=False)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="tasks", null=True, blank=True)

    class Meta(OfLead.Meta):
        ordering = ["due_at", "id"]
        indexes = [
            models.Index(fields=["lead", "due_at"], name="task_of_lead"),
            models.Index(fields=["account", "due_at", "id"], name="task_due"),
            models.Index(
                fields=["remind_at"],
                name="task_to_remind",
                condition=Q(status="open", remind_at__isnull=False, reminded_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def switch(cls, pks: Iterable[int], to: TaskStatus) -> int:
        """Complete, cancel or reopen tasks, and say how many: only open ones are closed, only closed ones reopened."""
        meant = cls.objects.filter(pk__in=list(pks))
        if to == TaskStatus.OPEN:
            return meant.exclude(status=TaskStatus.OPEN).update(status=to)
        return meant.filter(status=TaskStatus.OPEN).update(status=to)

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        return {**super().names(), **person_names("owner"), **person_names("created_by")}

    @classmethod
    def derived(cls, before: Row | None, after: Row, work: Unit, settling: bool = True) -> Row:
        derived = super().derived(before, after, work, settling)
        if after["status"] == TaskStatus.OPEN:
            derived["closed_at"] = None
        elif after["closed_at"] is None:
            derived["closed_at"] = work.now
        if before is not None and before["remind_at"] != after["remind_at"]:
            derived["reminded_at"] = None
        return derived

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        if after is None:
            return []
        if before is None:
            return ["task.created"]
        told = []
        if "status" in changes and after["status"] != TaskStatus.OPEN:
            told.append(f"task.{after['status']}")
        if after["reminded_at"] is not None and "reminded_at" in changes:
            told.append("task.reminder")
        # A reminder alone is no change of what has to be done; nor is the time at which a task was closed.
        if changes.keys() - {"reminded_at", "closed_at"} - ({"status"} if told else set()):
            told.append("task.updated")
        return told
