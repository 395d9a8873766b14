"""What can happen to a lead, in the order in which one unit of work tells it."""

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
    "lead.deleted",
)

ORDER: Final = {type_: place for place, type_ in enumerate(LEAD_EVENTS)}
