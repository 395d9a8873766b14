"""The Lapps that come with leadcrm. Those of other apps stand in their own lapps.py: docs/lapps.md."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from leads.models import Lead, Task
from leads.models.task import TaskStatus
from webhooks.lapp import Call, lapp

FOLLOW_UP = "Follow-up"
FOLLOW_UP_IN = timedelta(hours=24)


@lapp(
    label="Follow up",
    description="Gives the lead's owner a task, due in 24 hours. Where a follow-up task of the lead is open, or the "
    "event is not about a lead, nothing is done.",
)
def follow_up(body: Any, query: Mapping[str, str], call: Call) -> dict[str, str]:
    if call.test:
        return _said("This is a test: no task is made.")
    if call.record != "lead":
        return _said("It is not about a lead: no task is made.")
    with call.once() as first:
        if not first:
            return _said("This event was followed up already.")
        # Locked, as two events of one lead may be here at once.
        lead = Lead.objects.select_for_update().filter(account_id=call.account_id, pk=call.record_id).first()
        if lead is None:
            return _said("The lead is not there any more.")
        tasks = Task.objects.filter(lead=lead, category=FOLLOW_UP, status=TaskStatus.OPEN)
        if task := tasks.first():
            return _said(f"Task {task.pk} is open.")
        due = timezone.now() + FOLLOW_UP_IN
        name = f"Follow up with {lead}"[:200]
        task = Task.objects.create(
            lead=lead, owner=lead.owner, name=name, category=FOLLOW_UP, due_at=due, remind_at=due
        )
        return _said(f"Task {task.pk} was made.")


def _said(why: str) -> dict[str, str]:
    """An answer as LeadSquared's best practices want it."""
    return {"Status": "Success", "StatusReason": why}
