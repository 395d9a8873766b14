"""Staff at work inside of Django, a process of its own: python -m tests.faults.staff

It answers questions (see benchmarks/process.py). What it saves is in nobody's ledger but the leads'.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import django
from django.utils import timezone

from benchmarks.process import serve

django.setup()

from leads.models import Lead  # noqa: E402
from tests import factories  # noqa: E402
from tests.faults.writer import EVENTS  # noqa: E402
from webhooks.dialects import DIALECTS  # noqa: E402
from webhooks.models import Delivery, Event, State, Status, Webhook  # noqa: E402
from webhooks.outbound import switch, waiting  # noqa: E402
from webhooks.outbound.compose import LARGEST_BODY  # noqa: E402

AT_ONCE = 500
QUESTIONS = ("add", "enable", "disable", "delete", "delete_lead", "poison", "end_leases", "try_now", "save_many")


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

    def delete_lead(self) -> list[Any]:
        """The oldest one: its number, version and address."""
        lead = Lead.objects.order_by("pk")[0]
        found = [lead.pk, lead.version, lead.address]
        lead.delete()
        return found

    def poison(self) -> dict[str, list[str]]:
        """Events that no program of ours would store, for every webhook: what is wrong -> the webhook-ids."""
        model = Event.objects.order_by("pk")[0]
        kinds = {
            "unknown event": {"type": "lead.exploded"},
            "what no renderer can write": {"snapshot": _with_address(model, "\ud800")},
            "body above 1 MiB": {"snapshot": _with_address(model, "x" * (LARGEST_BODY + 1))},
        }
        return {kind: self._deliveries(self._copy(model, **values)) for kind, values in kinds.items()}

    def end_leases(self) -> int:
        """As if the time of all that is claimed had passed."""
        passed = timezone.now() - timedelta(seconds=1)
        return Delivery.objects.filter(status=Status.SENDING).update(lease_until=passed)

    def try_now(self) -> int:
        return waiting.try_now(Delivery.objects.all())

    def save_many(self, count: int) -> int:
        """New leads, hundreds in one statement."""
        for start in range(0, count, AT_ONCE):
            leads = [self._lead() for _ in range(start, min(start + AT_ONCE, count))]
            Lead.objects.bulk_create(leads)
        return count

    def _copy(self, model: Event, **values: Any) -> Event:
        self._numbers += 1
        fields = {field.name: getattr(model, field.name) for field in Event._meta.fields if not field.primary_key}
        return Event.objects.create(**fields | {"uid": f"{self._numbers:026}"} | values)

    def _deliveries(self, event: Event) -> list[str]:
        made = []
        for webhook in Webhook.objects.all():
            model = webhook.deliveries.order_by("pk")[0]
            made.append(f"msg_{event.uid}_{webhook.pk}")
            model.pk, model.event, model.message_id = None, event, made[-1]
            if event.type not in EVENTS:
                model.sent_as = event.type
            model.save(force_insert=True)
        return made

    def _lead(self) -> Lead:
        self._numbers += 1
        return factories.new_lead(address=f"staff-{self._numbers}.1")


def _with_address(event: Event, address: str) -> str:
    return json.dumps(json.loads(event.snapshot) | {"address": address})


def main() -> None:
    staff = Staff()
    serve({name: getattr(staff, name) for name in QUESTIONS})


if __name__ == "__main__":
    main()
