"""What the shipped groups (leads/roles.py) may do with webhooks and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leads.roles import AUDITOR, MANAGER, STAFF, grant

WEBHOOKS: Mapping[str, Mapping[str, Sequence[str]]] = {
    STAFF: {"delivery": ("view",)},
    MANAGER: {
        "webhook": ("view", "add", "change", "delete"),
        "automation": ("view", "add", "change", "delete"),
        "inboundwebhook": ("view", "add", "change", "delete"),
        "receipt": ("view", "reprocess"),
        "delivery": ("view", "replay", "cancel"),
        "event": ("view",),
        "body": ("view",),
        "inboxrequest": ("view", "delete"),
        "inboxmode": ("change",),
    },
    AUDITOR: {
        "webhook": ("view",),
        "automation": ("view",),
        "inboundwebhook": ("view",),
        "receipt": ("view",),
        "delivery": ("view",),
        "event": ("view",),
    },
}


def grant_all(app_config: Any, using: str, **kwargs: Any) -> None:
    from django.contrib.auth.management import create_permissions

    create_permissions(app_config, verbosity=0, using=using)
    grant("webhooks", WEBHOOKS, using)
