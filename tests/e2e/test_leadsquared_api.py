"""A program written for LeadSquared's webhook API, with the host and the keys of this installation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.program import Program, wait_until
from tests.receiver import Receiver

SCRIPT = Path(__file__).with_name("leadsquared_script.py")
SET_UP = """
from tests.admin import people
from tests.api.conftest import key_of
manager = people.manager()
client = key_of(manager, manager.membership.account, ["webhooks:admin"])
print(client.key.prefix, client.secret)
"""
LEAD = """
from tests import factories
print(factories.lead().pk)
"""


def run(program: Program, keys: list[str], url: str, delete: bool) -> list[tuple[int, dict]]:
    command = [sys.executable, "-I", str(SCRIPT), program.url, *keys, url]
    done = subprocess.run(command, input="d" if delete else "", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [(status, body) for status, body in json.loads(done.stdout)]


def test_a_program_for_leadsquared_needs_another_host_and_keys_only(
    new_program: Callable[..., Program], receiver: Receiver
) -> None:
    program = new_program(LOG_LEVEL="DEBUG")
    program.start()
    keys = program.shell(SET_UP).split()
    created, first, updated, second, *rest = run(program, keys, receiver.url, delete=False)
    pk = created[1]["Message"]["Id"]
    assert created == updated == (200, {"Status": "Success", "Message": {"Id": pk}})
    for (status, body), description in ((first, "Description of webhook"), (second, "Updated description")):
        assert status == 200 and body["RecordCount"] == 1
        (row,) = body["Response"]
        told = {"WebhookId": pk, "URL": receiver.url, "EventCode": "Lead_Post_Create", "StatusCode": 0}
        assert row | told | {"Description": description, "WebhookProperties": None} == row
    assert [(status, body["ExceptionType"]) for status, body in rest] == [
        (400, "MXInvalidInputException"),
        (404, "MXEntityNotFoundException"),
        (401, "MXUnAuthorizedAccessException"),
    ]
    # What was made so is a webhook like any other.
    lead = program.shell(LEAD).strip()
    posts = lambda: [each for each in receiver.received if each.method == "POST"]  # noqa: E731
    wait_until(posts, 20, "the lead is posted")
    (post,) = posts()
    assert post.target.endswith(f"?entityType=webhook&entityId={pk}&eventType=Lead_Post_Create")
    assert post.header("x-api-key") == "second" and json.loads(post.body)["ProspectID"] == lead
    answers = run(program, keys, receiver.url, delete=True)
    refused, deleted, left = answers[4:7]
    assert (refused[0], refused[1]["ExceptionType"]) == (405, "MXMethodNotAllowedException")
    assert deleted == (200, {"Status": "Success", "Message": {"Id": str(int(pk) + 1)}})
    assert [row["WebhookId"] for row in left[1]["Response"]] == [pk]
    logged = program.output()
    assert "/v2/Webhook.svc/" in logged
    for key in keys:
        assert key not in logged and key[4:] not in logged
