"""The real worker and what is delayed or sent together: never early, two seconds late at most when idle, never lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.program import Program, wait_until
from tests.receiver import Answer, Receiver

DELAY, WINDOW = 3, 4
LATEST = 2.0
# The worker's own look for what is due is by the database's clock, in milliseconds on SQLite.
CLOCK = 0.001
SEED = """
from leads.models import Account, Lead
from webhooks.models import Webhook
account = Account.objects.create(name="Harbour Homes")
activity = "LeadActivity_Post_Create"
hooks = ("Updates", "Lead_Post_Update", {delay}), ("Activities", activity, {delay}), ("At once", activity, 0)
for name, event, delay in hooks:
    Webhook.objects.create(
        account=account, name=name, dialect="leadsquared", url={url!r}, events=[event], execution_delay=delay
    )
Lead.objects.create(account=account, full_name="Ada Byron", email="ada@example.com")
"""
UPDATE = """
from leads.models import Lead
lead = Lead.objects.get()
lead.set("message", "Call me")
lead.save()
"""
ACT = """
from leads.models import Activity, ActivityType, Lead
lead = Lead.objects.get()
kind = ActivityType.objects.filter(account=lead.account, kind="lead")[0]
for number in {numbers}:
    Activity.objects.bulk_create([Activity(account=lead.account, lead=lead, type=kind) for _ in range(number)])
"""


@pytest.fixture
def worker(new_program: Callable[..., Program], receiver: Receiver) -> Iterator[Program]:
    program = new_program(Q_WORKERS="2", DJANGO_SETTINGS_MODULE="tests.short_window_settings", SHORT_WINDOW=str(WINDOW))
    program.shell(SEED.format(url=receiver.url, delay=DELAY))
    program.start_worker()
    wait_until(lambda: program.ask("SELECT seen_at FROM webhooks_heartbeat"), 30, "a beat")
    yield program
    program.stop()


def moment(stored: Any) -> datetime:
    found = stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def waited(program: Program, webhook: str) -> float:
    """Seconds from the first of its events to its first try."""
    ((happened, sent),) = program.ask(
        f"""
        SELECT min(event.occurred_at), min(attempt.started_at) FROM webhooks_delivery delivery
        JOIN webhooks_event event ON event.id = delivery.event_id
        JOIN webhooks_attempt attempt ON attempt.delivery_id = delivery.id
        WHERE delivery.webhook_name = '{webhook}'
        """
    )
    return (moment(sent) - moment(happened)).total_seconds()


def test_a_delayed_event_leaves_in_time(worker: Program, receiver: Receiver) -> None:
    worker.shell(UPDATE)
    receiver.wait_for(1, 30)
    wait_until(lambda: worker.ask("SELECT id FROM webhooks_attempt"), 10, "the try is stored")
    assert DELAY - CLOCK <= waited(worker, "Updates") <= DELAY + LATEST


def test_a_minute_is_sent_when_it_is_over_and_the_delay_after_it(worker: Program, receiver: Receiver) -> None:
    worker.shell(ACT.format(numbers=[1, 1]))
    receiver.wait_for(2, 60)
    wait_until(lambda: len(worker.ask("SELECT id FROM webhooks_attempt")) == 2, 10, "the tries are stored")
    assert WINDOW - CLOCK <= waited(worker, "At once") <= WINDOW + LATEST
    assert WINDOW + DELAY - CLOCK <= waited(worker, "Activities") <= WINDOW + DELAY + LATEST
    assert [len(json.loads(request.body)) for request in receiver.received] == [2, 2]
    assert {row[0] for row in worker.ask("SELECT status FROM webhooks_delivery")} == {"success"}


def test_workers_that_are_killed_while_they_gather_lose_nothing(worker: Program, receiver: Receiver) -> None:
    """Two at a time, killed as soon as the first post is bound, and again when some are sent."""
    receiver.always(Answer(after=0.2))
    worker.start_worker()
    worker.shell(ACT.format(numbers=[2500]))
    for moment_to_kill in ("sent_with_id IS NOT NULL", "status = 'success'"):
        found = f"SELECT id FROM webhooks_delivery WHERE {moment_to_kill} LIMIT 1"
        wait_until(lambda found=found: worker.ask(found), 60, moment_to_kill)
        for process in worker.family():
            process.kill()
        worker.start_worker()
        worker.start_worker()
    # A claim of the dead ends with its lease.
    wait_until(lambda: not worker.ask("SELECT id FROM webhooks_delivery WHERE status <> 'success'"), 150, "all sent")
    by_webhook: dict[str, list[str]] = {}
    by_id: dict[str, set[bytes]] = {}
    for request in receiver.received:
        message = request.header("webhook-id") or ""
        if message not in by_id:
            webhook = message.rpartition("_")[2]
            by_webhook.setdefault(webhook, []).extend(one["ProspectActivityId"] for one in json.loads(request.body))
        by_id.setdefault(message, set()).add(request.body)
    known = sorted(str(pk) for (pk,) in worker.ask("SELECT id FROM leads_activity"))
    # Each activity stands in one post of each webhook, and whatever was sent twice was the same.
    assert {webhook: sorted(ids) for webhook, ids in by_webhook.items()} == dict.fromkeys(by_webhook, known)
    assert len(by_webhook) == 2
    assert {len(bodies) for bodies in by_id.values()} == {1}
