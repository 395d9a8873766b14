"""What can happen to the records of an account, in the order in which one unit of work tells it."""

from __future__ import annotations

from typing import Final

LEAD_EVENTS: Final = (
    "lead.created",
    "form.submitted",
    "lead.assigned",
    "lead.stage_changed",
    "lead.status_changed",
    "lead.score_changed",
    "lead.field_changed",
    "lead.updated",
    "lead.merged",
    "lead.deleted",
)

# "account" is LeadSquared's word for a company.
OTHER_EVENTS: Final = (
    "account.created",
    "account.updated",
    "account.deleted",
    "account_activity.created",
    "account_activity.updated",
    "activity.created",
    "activity.updated",
    "sales_activity.created",
    "sales_activity.updated",
    "sales_activity.cancelled",
    "opportunity.created",
    "opportunity.stage_changed",
    "opportunity.field_changed",
    "opportunity.updated",
    "opportunity.deleted",
    "product.created",
    "product.updated",
    "product.deleted",
    "task.created",
    "task.updated",
    "task.completed",
    "task.cancelled",
    "task.reminder",
    "user.created",
    "user.activation_changed",
    "user.availability_changed",
    "user.updated",
    "leave.created",
    "leave.updated",
    "leave.deleted",
)

EVENTS: Final = (*LEAD_EVENTS, *OTHER_EVENTS)

ORDER: Final = {type_: place for place, type_ in enumerate(EVENTS)}
