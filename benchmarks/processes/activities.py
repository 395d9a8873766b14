"""Somebody whose activities happen all at once, and what became of them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import timedelta

import django
from django.db.models import Max, Min

from benchmarks.process import serve

django.setup()

from leads.models import Activity, ActivityType  # noqa: E402
from tests import factories  # noqa: E402
from webhooks import conf  # noqa: E402
from webhooks.models import OPEN, Attempt, Body, Delivery, Webhook  # noqa: E402
from webhooks.wire.document import read  # noqa: E402


def webhooks(url: str, number: int) -> None:
    for index in range(number):
        factories.webhook(
            url, name=f"Webhook {index}", dialect="leadsquared", events=["LeadActivity_Post_Create"], secret=""
        )


def create(number: int) -> float:
    """Seconds that it took to store so many."""
    lead = factories.lead()
    kind = ActivityType.objects.filter(account=lead.account, kind="lead")[0]
    calls = [
        Activity(account=lead.account, lead=lead, type=kind, note=f"Call {n}: they ask for a visit on Friday.")
        for n in range(number)
    ]
    began = time.perf_counter()
    Activity.objects.bulk_create(calls)
    return time.perf_counter() - began


def waiting() -> bool:
    return Delivery.objects.filter(status__in=OPEN).exists()


def outcome() -> dict[str, float]:
    posts = Counter(Attempt.objects.values_list("delivery__webhook", flat=True))
    told: dict[int, set[str]] = defaultdict(set)
    for webhook_id, content in Body.objects.values_list("delivery__webhook", "content"):
        array = read(b'{"array":' + bytes(content) + b"}")["array"]
        told[webhook_id or 0].update(each["ProspectActivityId"] for each in array)
    known = set(map(str, Activity.objects.values_list("pk", flat=True)))
    lost = sum(len(known - told[pk]) for pk in Webhook.objects.values_list("pk", flat=True))
    lost += Delivery.objects.exclude(status="success").count()
    times = Delivery.objects.aggregate(begun=Min("created_at"), ended=Max("finished_at"))
    late = times["ended"] - times["begun"] - timedelta(seconds=conf.group_window())
    return {"posts": max(posts.values()), "lost": lost, "seconds": late.total_seconds()}


if __name__ == "__main__":
    serve({"webhooks": webhooks, "create": create, "waiting": waiting, "outcome": outcome})
