"""Staff at work inside of Django, a process of its own: python -m tests.faults.staff

It answers questions (see benchmarks/process.py). What it saves is in nobody's ledger but the leads'.
"""

from __future__ import annotations

from typing import Any

import django

from benchmarks.process import serve

django.setup()

from leads.models import Lead  # noqa: E402
from tests import factories  # noqa: E402
from tests.faults.writer import EVENTS  # noqa: E402
from webhooks.dialects import DIALECTS  # noqa: E402
from webhooks.models import State, Webhook  # noqa: E402
from webhooks.outbound import switch  # noqa: E402

AT_ONCE = 500


class Staff:
    def __init__(self) -> None:
        self._numbers = 0

    def add(self, urls: dict[str, str], **fields: Any) -> dict[str, str]:
        """Webhooks of the writer's account, each named after its system; returns their secrets."""
        secrets = {}
        for name, url in urls.items():
            dialect = name.partition("-")[0]
            secrets[name] = DIALECTS[dialect].new_secret()
            factories.webhook(url, name=name, dialect=dialect, events=EVENTS, secret=secrets[name], **fields)
        return secrets

    def enable(self, names: list[str]) -> None:
        for webhook in Webhook.objects.filter(name__in=names, state=State.DISABLED):
            switch.enable(webhook.pk)

    def disable(self, names: list[str]) -> int:
        """Returns how many deliveries were cancelled by that."""
        return sum(switch.disable(webhook.pk) for webhook in Webhook.objects.filter(name__in=names))

    def delete(self, name: str) -> int:
        """The same for a webhook that is deleted."""
        return switch.delete(Webhook.objects.get(name=name).pk)

    def save_many(self, count: int) -> int:
        """New leads, hundreds in one statement."""
        for start in range(0, count, AT_ONCE):
            leads = [self._lead() for _ in range(start, min(start + AT_ONCE, count))]
            Lead.objects.bulk_create(leads)
        return count

    def _lead(self) -> Lead:
        self._numbers += 1
        return factories.new_lead(address=f"staff-{self._numbers}.1")


def main() -> None:
    staff = Staff()
    serve({name: getattr(staff, name) for name in ("add", "enable", "disable", "delete", "save_many")})


if __name__ == "__main__":
    main()
