"""Who has looked at whose data: in the admin's log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils import timezone

# Of django.contrib.admin's log, whose own flags are 1 to 3.
VIEWED = 4
# Looking again within so long is the same look: pages fetch themselves while something waits.
ONE_LOOK = timedelta(hours=1)


def note(user: Any, record: Model) -> None:
    look = {
        "user_id": user.pk,
        "content_type": ContentType.objects.get_for_model(type(record)),
        "object_id": str(record.pk),
        "action_flag": VIEWED,
    }
    if not LogEntry.objects.filter(**look, action_time__gte=timezone.now() - ONE_LOOK).exists():
        LogEntry.objects.create(**look, object_repr=str(record)[:200], change_message="Payload viewed.")
