"""Somebody who brings many leads at once."""

from __future__ import annotations

import time
from itertools import count

import django
from django.utils import timezone

from benchmarks.process import serve

django.setup()

from leads.models import Lead  # noqa: E402
from tests import factories  # noqa: E402
from webhooks.models import Delivery, Status  # noqa: E402

_number = count(1)


def webhooks(url: str, number: int) -> None:
    """So many webhooks of the account, all of which would hear every lead."""
    for index in range(number):
        factories.webhook(url, name=f"Webhook {index}")


def create(number: int) -> float:
    """Seconds that it took to store so many leads. What was queued before counts as sent."""
    Delivery.objects.filter(status=Status.QUEUED).update(status=Status.SUCCESS, finished_at=timezone.now())
    leads = [_vendor(next(_number)) for _ in range(number)]
    began = time.perf_counter()
    Lead.objects.bulk_create(leads)
    return time.perf_counter() - began


def _vendor(number: int) -> Lead:
    return factories.new_lead(
        last_name=f"Hartley {number}", email=f"vendor{number}@example.com", phone=f"07{100_000_000 + number}"
    )


if __name__ == "__main__":
    serve({"webhooks": webhooks, "create": create})
