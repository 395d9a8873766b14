"""Deliveries as the history's tests want them: made by saving leads, then put where a test needs them."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone

from leads.models import Office
from tests import factories
from webhooks.models import Attempt, Body, Delivery, Outcome, Status, Webhook

BODY = b'{"event":"lead.created","data":{"full_name":"Olivia <b>Hartley</b>"}}'
HTML = '<html><script>alert("answer")</script><b>down</b></html>'


def made(office: Office, webhook: Webhook, **lead: Any) -> Delivery:
    """The delivery to this webhook of a new lead of the office."""
    record = factories.lead(account=office.account, office=office, **lead)
    return Delivery.objects.get(event__record_id=record.pk, webhook=webhook)


def failed(delivery: Delivery, code: int = 500, times: int = 3) -> Delivery:
    for number in range(1, times + 1):
        tried(delivery, number, code)
    return put(delivery, Status.FAILURE, tries=times, code=code, error=f"{code} Internal Server Error")


def succeeded(delivery: Delivery) -> Delivery:
    tried(delivery, 1, 200)
    return put(delivery, Status.SUCCESS, tries=1, code=200)


def tried(delivery: Delivery, number: int, code: int) -> Attempt:
    Body.objects.get_or_create(delivery=delivery, defaults={"content": BODY})
    return Attempt.objects.create(
        delivery=delivery,
        number=number,
        outcome=Outcome.ANSWERED,
        started_at=timezone.now(),
        duration_ms=121,
        method="POST",
        url="https://hooks.example.com/in",
        request_headers=json.dumps(
            [["Content-Type", "application/json"], ["Authorization", "Bearer aaa.bbb.ccc"], ["X-Api-Key", "••••••"]]
        ),
        code=code,
        reason="Internal Server Error" if code == 500 else "OK",
        response_headers='[["Content-Type", "text/html"]]',
        response_body=HTML,
        response_size=len(HTML),
    )


def put(delivery: Delivery, status: Status, **values: Any) -> Delivery:
    now = timezone.now()
    sent = {"transmitted_at": now, "duration_ms": 121} if values.get("tries") else {}
    ended = {"finished_at": now} if status in ("success", "failure", "cancelled") else {}
    Delivery.objects.filter(pk=delivery.pk).update(status=status, **sent, **ended, **values)
    delivery.refresh_from_db()
    return delivery
