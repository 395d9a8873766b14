"""Somebody who saves leads at an even pace, one after the other."""

from __future__ import annotations

import time
from itertools import count

import django
from django.db import transaction

from benchmarks.process import serve

django.setup()

from benchmarks.processes import records  # noqa: E402
from leads.models import Lead  # noqa: E402
from tests import factories  # noqa: E402

_leads: list[Lead] = []
_number = count(1)


def prepare(url: str, leads: int) -> None:
    """One webhook, which hears these leads."""
    _leads[:] = [records.lead() for _ in range(leads)]
    factories.webhook(url)


def save(times: int, per_second: float) -> list[tuple[str, int]]:
    """What was saved, as webhook-record says it, and when its transaction was committed (time.monotonic_ns())."""
    began = time.monotonic()
    saved = []
    for number in range(times):
        lead = _leads[number % len(_leads)]
        lead.set("message", f"Could somebody call me? I have tried {next(_number)} times.")
        # Who is late saves at once, and so keeps the pace.
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        committed: list[int] = []
        with transaction.atomic():
            # The first of the transaction's callbacks: the nudge comes after it.
            transaction.on_commit(lambda committed=committed: committed.append(time.monotonic_ns()))
            lead.save()
        saved.append((f"lead/{lead.pk};version={lead.version}", *committed))
    return saved


if __name__ == "__main__":
    serve({"prepare": prepare, "save": save})
