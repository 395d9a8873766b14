"""Rules and automations as tests want them, and a worker's turn."""

from __future__ import annotations

from typing import Any

from leads.models import Account, Membership, Office, User
from tests import factories
from webhooks.automation import running
from webhooks.models import Automation, AutomationKind, Run


def rule(event: str, *steps: dict[str, Any], **values: Any) -> Automation:
    """An active rule of the first account; its steps are not judged."""
    values.setdefault("account", factories.account())
    return Automation.objects.create(**{"name": "Rule", "event": event, "steps": list(steps)} | values)


def automation(event: str, *steps: dict[str, Any], **values: Any) -> Automation:
    return rule(event, *steps, **{"kind": AutomationKind.AUTOMATION, "name": "Automation"} | values)


def setting(key: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"do": "set_field", "field": key, "value": value, **more}


def person(name: str, *offices: Office, account: Account | None = None, **values: Any) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", first_name=name.capitalize(), **values)
    Membership.objects.create(user=user, account=account or factories.account()).offices.set(offices)
    return user


def work() -> None:
    """Everything that is due, as the worker's task does it, but without its patience."""
    while running.judge() or running.go_on():
        pass


def states() -> list[str]:
    return list(Run.objects.order_by("pk").values_list("state", flat=True))
