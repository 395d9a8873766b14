"""Two real instances tell each other of their leads, in each of our formats, by their workers and web servers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

from tests.program import Program, wait_until
from tests.webhooks.inbound.dialects import READ_BY, secret_of
from webhooks.dialects import leadpro

RUN = "from tests.webhooks.inbound import instances; instances.{}"
OPEN = "SELECT count(*) FROM webhooks_delivery WHERE status <> 'success'"
LEADS = "SELECT count(*) FROM leads_lead"
CHANGED = "SELECT first_name, count(*) FROM leads_lead GROUP BY first_name"
LONGEST = "SELECT max(length(claims)) FROM webhooks_receipt WHERE sender = 'JWT'"


def run(program: Program, *calls: str) -> dict[str, Any]:
    printed = program.shell("; ".join([RUN.format(calls[0]), *(f"instances.{call}" for call in calls[1:])]))
    return json.loads(printed) if printed.strip() else {}


def test_two_instances_keep_each_other_up_to_date_in_every_format(new_program: Callable[..., Program]) -> None:
    """LeadPro's lead is as large as one may be."""
    ours, theirs = new_program(), new_program()
    pair = ours, theirs

    def settled() -> bool:
        return [program.ask(OPEN) for program in (*pair, ours)] == [[(0,)]] * 3

    run(theirs, f"set_up('b', 'a', '{ours.url}')")
    before = run(ours, f"set_up('a', 'b', '{theirs.url}')", "write()", "told()")
    for program in pair:
        program.start()
    wait_until(lambda: theirs.ask(LEADS) == [(len(READ_BY),)] and settled(), 60, "all is told")
    assert run(theirs, "told()", "change()") == before
    [(claims,)] = theirs.ask(LONGEST)
    assert claims * 4 / 3 > 64 * 1024  # of a token in one header

    wait_until(settled, 60, "all is told back")
    assert [program.ask(CHANGED) for program in pair] == [[("Olive", len(READ_BY))]] * 2
    assert token_of(ours, 95_000) == (130_000, 200)
    assert token_of(ours, 99_000)[1] in (400, 431)
    for program in pair:
        program.stop()
        assert "Traceback" not in program.output()


def token_of(program: Program, length: int) -> tuple[int, int]:
    """Post a lead in LeadPro's format whose claims have so many bytes: the header's length in thousands, the answer."""
    sent = json.dumps({"event": "lead.updated", "data": {"email": "jo@example.com"}, "more": ""})
    claims = (sent[:-2] + "x" * (length - len(sent)) + sent[-2:]).encode()
    headers = dict(leadpro.sign(claims, [secret_of("leadpro of a")], {}, False)) | {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=20)
    connection.request("POST", "/in/a-leadpro", b"{}", headers)
    return round(len(headers["Authorization"]), -4), connection.getresponse().status
