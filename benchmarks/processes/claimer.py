"""A worker process that claims a batch and gives it back, again and again, from a table of any length."""

from __future__ import annotations

import time

import django
from django.db import connection, transaction

from benchmarks.process import serve

django.setup()

from benchmarks.processes import records  # noqa: E402
from benchmarks.processes.rows import multiply  # noqa: E402
from tests import factories  # noqa: E402
from webhooks import conf  # noqa: E402
from webhooks.models import Delivery, Lane, Status  # noqa: E402
from webhooks.outbound.claim import claim as claim_shares  # noqa: E402
from webhooks.outbound.shares import share_out  # noqa: E402
from webhooks.outbound.turns import look  # noqa: E402

WEBHOOKS = 10


def fill(finished: int, waiting: int) -> None:
    """So many deliveries that were a success, and then so many that wait; of these one in ten is due in an hour."""
    first = factories.webhook(name="Webhook 0").pk
    for number in range(1, WEBHOOKS):
        factories.webhook(name=f"Webhook {number}")
    records.lead()
    original = Delivery.objects.order_by("pk")[0].pk
    webhook = {"webhook_id": f"{first} + n % {WEBHOOKS}", "webhook_name": f"'Webhook ' || n % {WEBHOOKS}"}
    webhook["message_id"] = "'msg_01KAJ5T4Q3V6Y8ZB2N4D6F8H0K_' || n"
    if finished:
        made = f"now() - ({finished} - n) * interval '0.1 second' - interval '1 hour'"
        times = dict.fromkeys(("created_at", "due_at", "transmitted_at", "finished_at"), made)
        success = {"status": f"'{Status.SUCCESS}'", "tries": "1", "code": "200", "duration_ms": "40 + n % 200"}
        multiply(Delivery, original, finished, webhook | times | success)
    made = f"now() - ({waiting} - n) * interval '1 millisecond'"
    later = f"n / {WEBHOOKS} % 10 = 9"
    due = f"CASE WHEN {later} THEN now() + interval '1 hour' + n * interval '1 millisecond' ELSE {made} END"
    lane = f"CASE WHEN {later} THEN {Lane.RETRY.value} ELSE {Lane.LIVE.value} END"
    multiply(Delivery, original, waiting, webhook | {"created_at": made, "due_at": due, "lane": lane})
    Delivery.objects.filter(pk__lt=original + WEBHOOKS).delete()
    with connection.cursor() as cursor:
        # What the server would do by itself within a minute.
        cursor.execute(f"VACUUM (ANALYZE) {Delivery._meta.db_table}")


def claim(times: int) -> list[float]:
    """Milliseconds that each claim of a batch took, the look at whose turn it is included."""
    return [_claim() for _ in range(times)]


def _claim() -> float:
    with transaction.atomic():
        began = time.perf_counter()
        claims = claim_shares(share_out(look(), lambda turn: conf.CLAIM_BATCH, conf.CLAIM_BATCH))
        milliseconds = (time.perf_counter() - began) * 1000
        transaction.set_rollback(True)
    if len(claims) != conf.CLAIM_BATCH:
        raise RuntimeError(f"{len(claims)} of {conf.CLAIM_BATCH} deliveries were claimed")
    return milliseconds


if __name__ == "__main__":
    serve({"fill": fill, "claim": claim})
