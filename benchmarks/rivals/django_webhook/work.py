"""Saves leads, each of which queues a task, and says when all of them were sent and their events marked so."""

import json
import secrets
import time

import django

from benchmarks.bodies import bodies
from benchmarks.process import serve

django.setup()

from django_webhook.models import Webhook, WebhookEvent, WebhookSecret, WebhookTopic  # noqa: E402

from benchmarks.rivals.django_webhook.crm.models import Lead  # noqa: E402

TOPIC = "crm.Lead/create"
_queued = 0


def prepare(url: str) -> None:
    webhook = Webhook.objects.create(url=url)
    webhook.topics.add(WebhookTopic.objects.get(name=TOPIC))
    WebhookSecret.objects.create(webhook=webhook, token=secrets.token_urlsafe(32))


def queue(count: int, database: str) -> None:
    global _queued
    for body in bodies(database, count):
        Lead.objects.create(document=json.loads(body))
    _queued += count


def settled() -> None:
    while WebhookEvent.objects.filter(status="SUCCESS").count() < _queued:
        time.sleep(0.01)


if __name__ == "__main__":
    serve({"prepare": prepare, "queue": queue, "settled": settled})
