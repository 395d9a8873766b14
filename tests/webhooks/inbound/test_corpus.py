"""The corpus, by the test client and by a raw socket against the real web server."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psutil
from django.db import transaction
from django.test import Client

from leads.models import Lead
from tests.program import Program
from tests.webhooks.inbound.conftest import SAMPLE
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


SET_UP = f"""
from tests import factories
from tests.webhooks.inbound.conftest import new_key
from webhooks.models import InboundWebhook
account = factories.account()
inbound = InboundWebhook.objects.create(account=account, name="Website", mapping={MAPPING!r})
print(f"/in/{{inbound.uid}}", new_key(account))
"""


class Wire:
    """Raw requests to an inbound webhook of a running program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.path, self.key = program.shell(SET_UP).split()

    def post(self, case: Case) -> tuple[int, dict[str, str], bytes]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **case.headers}
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value).encode("latin-1")
        target = self.path + (f"?{case.query}" if case.query else "")
        length = b"Content-Length: %d\r\n" % len(case.body)
        return self.ask(f"POST {target} HTTP/1.1\r\n".encode() + fields + length, case.body)

    def ask(self, head: bytes, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with (
            socket.create_connection(("127.0.0.1", self.program.port), timeout=10) as sock,
            sock.makefile("rb") as file,
        ):
            with suppress(OSError):  # answered, and closed, before it has all been sent
                sock.sendall(head + b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n" + body)
            answer = file.read()
        head, _, content = answer.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        return int(status.split()[1]), dict(field.split(": ", 1) for field in fields), content


RAW = {
    "the same length twice": (b"Content-Length: 2\r\nContent-Length: 2\r\n", 400),
    "two lengths": (b"Content-Length: 2\r\nContent-Length: 3\r\n", 400),
    "a negative length": (b"Content-Length: -2\r\n", 400),
    "a length in words": (b"Content-Length: two\r\n", 400),
    "a length beyond reason": (b"Content-Length: 99999999999999999999999\r\n", 413),
    "a length above the limit": (b"Content-Length: 262145\r\n", 413),
    "no length": (b"", 400),
    "a length too short": (b"Content-Length: 1\r\n", 400),
    "chunks": (b"Transfer-Encoding: chunked\r\n", 411),
    "chunks and a length": (b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", 400),
    "gzip": (b"Content-Length: 2\r\nContent-Encoding: gzip\r\n", 415),
}


def test_by_a_raw_socket(new_program):
    """Each answered within a second, and nothing half-written in the end."""
    # One thread: each that meets the deepest bodies for the first time takes memory it keeps, and which does is chance.
    program = new_program(WEB_THREADS="1")
    program.start_web()
    wire = Wire(program)
    found = []
    process = psutil.Process(program.web.pid).children()[0]
    # What is loaded once, and a connection to the database, is no growth; from the third time on there is none.
    for case in (*CASES, *CASES):
        wire.post(case)
    memory = process.memory_info().rss
    for case in CASES:
        started = time.monotonic()
        found += faults_of(case, *wire.post(case))
        if time.monotonic() - started > 1:
            found.append(f"{case.name}: {time.monotonic() - started:.1f} s")
    for name, (fields, wanted) in RAW.items():
        head = f"POST {wire.path} HTTP/1.1\r\nAuthorization: Bearer {wire.key}\r\nContent-Type: application/json\r\n"
        status, _, content = wire.ask(head.encode() + fields, b"{}")
        if status != wanted:
            found.append(f"{name}: {status} {content[:100]!r}")
    assert found == []
    assert program.answers()
    assert process.memory_info().rss - memory < 20 * 2**20
    rows = program.ask("SELECT status, count(*) FROM webhooks_receipt GROUP BY status")
    kept = [case.status for case in CASES if case.is_kept] * 3
    empty = 2  # "no length" and "a length too short"
    assert dict(rows) == {"applied": kept.count(200), "refused": len(kept) - kept.count(200) + empty}
    # Of the people that were posted each is there once.
    people = program.ask("SELECT business_email, count(*) FROM leads_lead GROUP BY business_email ORDER BY 1")
    assert people == [("deep@example.com", 1), ("test@leadmagnets.io", 1)]
    assert "Traceback" not in program.output()


def test_the_same_post_a_hundred_times_at_once_makes_one_lead(new_program):
    program = new_program(WEB_PROCESSES="2")
    program.start_web()
    wire = Wire(program)
    for name, actions in (("", {"created": 1, "updated": 99}), ("msg_1", {"created": 100})):
        email = f"a{name}@example.com"
        case = Case("one", 200, json.dumps(SAMPLE | {"email": email}).encode(), headers={"webhook-id": name})
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(wire.post, [case] * 100))
        assert {status for status, _, _ in answers} == {200}
        bodies = [json.loads(content) for _, _, content in answers]
        assert Counter(body["action"] for body in bodies) == actions
        ((lead_id,),) = program.ask(f"SELECT id FROM leads_lead WHERE email = '{email}'")
        assert {body["id"] for body in bodies} == {lead_id}
        kept = program.ask(f"SELECT count(*) FROM webhooks_receipt WHERE message_id = '{name}'")
        assert kept == [(1 if name else 100,)]
        assert program.ask(f"SELECT count(*) FROM webhooks_event WHERE record_id = {lead_id}") == [(1,)]
