"""The corpus, by the test client and by a raw socket against the real web server."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from django.db import transaction
from django.test import Client

from leads.models import Lead
from tests.webhooks.inbound.corpus import CASES, MAPPING, Case
from webhooks.models import Event, InboundWebhook, Receipt


def faults_of(case: Case, status: int, headers: Any, content: bytes) -> list[str]:
    """What is wrong with an answer."""
    if status != case.status:
        return [f"{case.name}: {status} {content[:300]!r}"]
    found = []
    body = json.loads(content)
    if headers["Content-Type"] != "application/json" or headers["Cache-Control"] != "no-store":
        found.append(f"{case.name}: {headers}")
    if not re.fullmatch("[0-9a-f]{32}", headers["X-Request-ID"]):
        found.append(f"{case.name}: {headers}")
    if status == 200:
        return found if list(body) == ["status", "id", "action"] else [*found, f"{case.name}: {body}"]
    if list(body) != ["status", "code", "message", "errors", "request_id"] or body["status"] != status:
        found.append(f"{case.name}: {body}")
    if (
        (case.code and body["code"] != case.code)
        or body["request_id"] != headers["X-Request-ID"]
        or not body["message"]
    ):
        found.append(f"{case.name}: {body}")
    if case.faults and [(one["field"], one["rule"]) for one in body["errors"]] != list(case.faults):
        found.append(f"{case.name}: {body['errors']}")
    if "Traceback" in str(content) or len(content) > 5000:
        found.append(f"{case.name}: {content[:300]!r}")
    return found


def test_by_the_client(inbound: InboundWebhook, secret: str):
    InboundWebhook.objects.update(mapping=MAPPING)
    client = Client(raise_request_exception=False)
    found = []
    for case in CASES:
        headers = {"Authorization": f"Bearer {secret}", **case.headers}
        kind = headers.pop("Content-Type", "application/json")
        address = f"/in/{inbound.uid}" + (f"?{case.query}" if case.query else "")
        with transaction.atomic():
            started = time.thread_time()
            response = client.generic("POST", address, case.body, content_type=kind, headers=headers)
            if time.thread_time() - started > 2:
                found.append(f"{case.name}: too slow")
            found += faults_of(case, response.status_code, response.headers, response.content)
            found += [f"{case.name}: {one}" for one in rows_of(case)]
            transaction.set_rollback(True)
    assert found == []


def rows_of(case: Case) -> list[str]:
    """What is wrong with what is stored of it."""
    leads = Lead.objects.count(), Event.objects.filter(type="lead.created").count()
    receipts = [(bytes(one.body), one.answered) for one in Receipt.objects.all()]
    made, kept = int(case.status == 200), [(case.body, case.status)] * case.is_kept
    return [] if leads == (made, made) and receipts == kept else [f"{leads} {[code for _, code in receipts]}"]
