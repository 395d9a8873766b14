"""Somebody who writes and signs the same request, again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from benchmarks.process import serve
from leads.events import LEAD_EVENTS
from tests.program import ROOT
from webhooks.dialects import DIALECTS
from webhooks.wire.dialect import Dialect
from webhooks.wire.event import Event
from webhooks.wire.signature import sign_standard

# A lead of which every field is set.
FULL = ROOT / "tests/golden/standard/updated/event.json"
MESSAGES = 10
# Characters of each.
LENGTH = 500
MESSAGE_ID = "msg_01KAJ5T4Q3V6Y8ZB2N4D6F8H0K_7"
TIMESTAMP = 1795252445


def write(dialect: str, times: int) -> list[float]:
    """Milliseconds that each took."""
    chosen = DIALECTS[dialect]
    event, heard_as = next(_heard(chosen))
    settings = {setting.name: setting.default for setting in chosen.settings}
    secrets = [chosen.new_secret()]
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        body = chosen.render(event, heard_as, settings)
        chosen.sign(body, secrets, settings, True)
        sign_standard(MESSAGE_ID, TIMESTAMP, body, secrets)
        took.append((time.perf_counter_ns() - began) / 1_000_000)
    return took


def _heard(dialect: Dialect) -> Iterator[tuple[Event, str]]:
    """An update if the system hears of it, else what it does hear of; and as what."""
    for type_ in ("lead.updated", *LEAD_EVENTS):
        event = Event(type_, datetime.now(UTC), "lead", 1842, 7, _lead(), _CHANGES, _ACTOR, context=_CONTEXT)
        heard_as = dialect.hears(event)
        if heard_as is not None:
            yield event, heard_as


def _lead() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(FULL.read_bytes())["data"]
    thread = data["messages"]
    text = "Would Tuesday at ten suit you? " * LENGTH
    messages = [{**thread[number % len(thread)], "body": text[:LENGTH]} for number in range(MESSAGES)]
    return data | {"messages": messages}


_CHANGES = {"lead_status": ["Conversation", "Meeting Booked"], "score": [0, 45]}
_ACTOR = {"kind": "user", "id": 3, "name": "Dana Moss"}
_CONTEXT = {"form": {"id": 4, "name": "Contact us", "fields": {}}}


if __name__ == "__main__":
    serve({"write": write})
