"""The test inbox behind the real web server."""

from __future__ import annotations

import http.client
import json

import jwt
import pytest

MAKE = """
from tests import factories
from webhooks.models import InboxMode
webhook = factories.webhook()
InboxMode.objects.create(webhook=webhook, answer={answer!r})
print(webhook.pk, webhook.secret)
"""
LOOK = """
from webhooks.models import InboxRequest
print(*(f"{each.signature}:{each.answered}" for each in InboxRequest.objects.order_by("pk")))
"""


def served(new_program, answer):
    """The program with its web server only, and a webhook: (program, id, secret)."""
    program = new_program()
    program.start_web()
    webhook_id, secret = program.shell(MAKE.format(answer=answer)).split()
    return program, int(webhook_id), secret


def post(program, webhook_id, secret, body, timeout=10.0):
    token = jwt.api_jws.encode(body, secret, algorithm="HS256")
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/inbox/{webhook_id}/", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_a_token_of_80_kb_comes_through(new_program):
    program, webhook_id, secret = served(new_program, "ok")
    body = json.dumps({"event": "lead.created", "data": {"message": "m" * 60_000}}).encode()
    assert post(program, webhook_id, secret, body) == 200
    assert program.shell(LOOK).split() == ["verified:200"]


def test_whoever_gives_up_waiting_frees_its_place(new_program):
    program, webhook_id, secret = served(new_program, "none")
    # More than may wait at once, one after the other.
    for _ in range(6):
        with pytest.raises(TimeoutError):
            post(program, webhook_id, secret, b"{}", timeout=0.8)
    assert program.shell(LOOK).split() == ["verified:None"] * 6
    assert program.answers()
