"""The judge on three small ledgers: each thing that can be wrong is told by its own name, and by no other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import standardwebhooks

from tests.faults.ledger import Balance, Lead, Ledgers, Receipt, Row, Told, Try, balance, read_received

SECRETS = {"standard": "whsec_" + "c2VjcmV0" * 4, "leadpro": "s" * 43}
AT = 1_000.0
WALL = 1_790_000_000.0
GOOD = Try("answered", 200)
LOST = Try("lost", None)

ALL = (
    "lost",
    "unexpected",
    "torn",
    "strange_ids",
    "copies",
    "unexplained",
    "mismatched",
    "badly_signed",
    "hidden",
    "unfinished",
)


def body(version: int = 1, address: str = "") -> bytes:
    return json.dumps({"data": {"address": address or f"a.{version}"}}).encode()


def receipt(webhook: str, version: int = 1, content: bytes | None = None, **headers: str) -> Receipt:
    content = body(version) if content is None else content
    secret = SECRETS[webhook]
    message_id = headers.get("webhook-id", f"msg_{webhook}_{version}")
    key: Any = secret if webhook == "standard" else secret.encode()
    signed = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(WALL)),
        "webhook-signature": standardwebhooks.Webhook(key).sign(
            message_id, datetime.fromtimestamp(WALL, UTC), content.decode()
        ),
        "webhook-record": f"lead/1;version={version}",
    }
    if webhook == "leadpro":
        signed["authorization"] = f"Bearer {jwt.encode(json.loads(content), secret, algorithm='HS256')}"
    return Receipt(webhook, signed | headers, content, AT + version, WALL)


def row(webhook: str, version: int = 1, **changes: Any) -> Row:
    made = Row(Told(webhook, 1, version), f"msg_{webhook}_{version}", "success", 1, body(version), (GOOD,), 1)
    return replace(made, **changes)


@pytest.fixture
def ledgers() -> Ledgers:
    """Two versions of a lead, each told to two webhooks; nothing is wrong."""
    told = [(webhook, version) for webhook in SECRETS for version in (1, 2)]
    commits = {(1, 1): AT, (1, 2): AT + 1.5}
    received, history = [receipt(*one) for one in told], [row(*one) for one in told]
    return Ledgers([Lead(1, 2, "a.2")], received, history, SECRETS, commits)


def wrong(found: Balance) -> set[str]:
    return {name for name in ALL if getattr(found, name)}


def test_nothing(ledgers: Ledgers):
    found = balance(ledgers)
    assert wrong(found) == set()
    assert (found.events, found.requests, found.duplicates) == (4, 4, 0)
    assert (found.longest_wait, found.silence) == (1.0, 1.0)


def test_lost(ledgers: Ledgers):
    found = balance(replace(ledgers, received=ledgers.received[1:]))
    assert wrong(found) == {"lost"} and found.lost == [Told("standard", 1, 1)]


def test_never_captured(ledgers: Ledgers):
    """No table of ours knows of it; the lead does."""
    found = balance(replace(ledgers, received=ledgers.received[1:], history=ledgers.history[1:]))
    assert wrong(found) == {"lost"}


def test_rolled_back(ledgers: Ledgers):
    found = balance(replace(ledgers, committed=[Lead(1, 1, "a.1")]))
    assert wrong(found) == {"unexpected"} and len(found.unexpected) == 2


def test_half_written(ledgers: Ledgers):
    assert wrong(balance(replace(ledgers, committed=[Lead(1, 2, "a.1")]))) == {"torn"}


def test_copy_after_a_lost_claim(ledgers: Ledgers):
    again = replace(ledgers, received=[*ledgers.received, ledgers.received[0]])
    assert wrong(balance(again)) == {"copies", "unexplained", "hidden"}
    lost = row("standard", attempts=(LOST, GOOD))
    found = balance(replace(again, history=[lost, *ledgers.history[1:]]))
    assert wrong(found) == {"copies"}
    assert (found.duplicates, found.deaths) == (1, 1)


def test_sent_twice_though_nobody_died(ledgers: Ledgers):
    twice = row("standard", attempts=(GOOD, GOOD), counted=2)
    found = balance(
        replace(ledgers, received=[*ledgers.received, ledgers.received[0]], history=[twice, *ledgers.history[1:]])
    )
    assert wrong(found) == {"copies", "unexplained"}


def test_an_id_for_each_try(ledgers: Ledgers):
    other = receipt("standard", **{"webhook-id": "msg_other"})
    assert wrong(balance(replace(ledgers, received=[*ledgers.received, other]))) == {"strange_ids"}


@pytest.mark.parametrize("content", [body(1, "b.1"), body(1) + b" ", b"no JSON"])
def test_another_body(ledgers: Ledgers, content: bytes):
    changed = receipt("standard", content=content)
    assert wrong(balance(replace(ledgers, received=[changed, *ledgers.received[1:]]))) == {"mismatched"}


@pytest.mark.parametrize("webhook", ["standard", "leadpro"])
@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-timestamp": str(int(WALL) + 1)},
        {"authorization": "Bearer " + jwt.encode({"data": {}}, "s" * 43, algorithm="HS256")},
    ],
)
def test_another_signature(ledgers: Ledgers, webhook: str, headers: dict[str, str]):
    received = [one for one in ledgers.received if one.id != f"msg_{webhook}_1"]
    found = balance(replace(ledgers, received=[*received, receipt(webhook, **headers)]))
    assert wrong(found) == {"badly_signed"}


def test_signed_too_long_ago(ledgers: Ledgers):
    late = replace(ledgers.received[0], wall=WALL + 301)
    assert wrong(balance(replace(ledgers, received=[late, *ledgers.received[1:]]))) == {"badly_signed"}


@pytest.mark.parametrize("changes", [{"attempts": (), "counted": 0}, {"tries": 2}])
def test_try_without_an_attempt(ledgers: Ledgers, changes: dict[str, Any]):
    assert wrong(balance(replace(ledgers, history=[row("standard", **changes), *ledgers.history[1:]]))) == {"hidden"}


def test_not_ended(ledgers: Ledgers):
    found = balance(replace(ledgers, history=[row("standard", status="sending"), *ledgers.history[1:]]))
    assert wrong(found) == {"unfinished"} and found.unfinished == {"sending": 1}


def test_silence_counts_only_while_something_waits(ledgers: Ledgers):
    late = [replace(one, at=AT + 50) if one.told and one.told.version == 2 else one for one in ledgers.received]
    found = balance(replace(ledgers, received=late, commits={(1, 1): AT, (1, 2): AT + 40}))
    assert (found.silence, found.longest_wait) == (10.0, 10.0)


def test_a_line_that_was_cut_off_was_never_answered():
    line = json.dumps({"webhook": "standard", "headers": {}, "body": "\u00e9", "at": 1, "wall": 2})
    (only,) = read_received([f"{line}\n", line[:20]])
    assert only.body == b"\xe9"
