"""Rules under the real worker: a save starts them, a wait ends by itself, and what they post leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from tests.program import Program, wait_until
from tests.receiver import Receiver

SEED = """
from leads.models import Account, Lead
from webhooks.models import Automation, Webhook
account = Account.objects.create(name="Harbour Homes")
webhook = Webhook.objects.create(
    account=account, name="CRM", dialect="leadsquared", url={url!r}, events=["Lead_Delete"]
)
Automation.objects.create(
    account=account, name="Greet", event="lead.created",
    conditions=[{{"field": "source", "op": "is", "value": "rightmove"}}],
    steps=[{{"do": "set_field", "field": "score", "value": 50}}, {{"do": "post_to_webhook", "webhook": webhook.pk}}],
)
Automation.objects.create(
    account=account, kind="automation", name="Later", event="lead.score_changed",
    steps=[{{"do": "add_tag", "tag": "first"}}, {{"do": "add_tag", "tag": "second", "wait": 2}}],
)
"""
SAVE = """
from leads.models import Account, Lead
Lead.objects.create(account=Account.objects.get(), first_name="Ada", email="ada@example.com", source="rightmove")
"""


def test_a_save_starts_rules_and_a_wait_ends_by_itself(program: Program, receiver: Receiver) -> None:
    program.shell(SEED.format(url=receiver.url))
    program.shell(SAVE)
    wait_until(lambda: program.ask("SELECT score FROM leads_lead") == [(50,)], 20, "the rule has set the score")
    wait_until(lambda: receiver.received, 20, "what it posts has left")
    assert "entityType=rule" in receiver.received[0].target and "Lead_Post_Create" in receiver.received[0].target
    tags = "SELECT name FROM leads_tag ORDER BY id"
    wait_until(lambda: program.ask(tags) == [("first",), ("second",)], 30, "the wait has ended by itself")
    states = "SELECT name, state FROM webhooks_run ORDER BY id"
    wait_until(lambda: program.ask(states) == [("Greet", "done"), ("Later", "done")], 20, "both are done")
    hops = "SELECT DISTINCT actor_kind, hops FROM webhooks_event ORDER BY hops"
    assert program.ask(hops) == [("system", 0), ("rule", 1), ("automation", 2)]
    stored = [log for (log,) in program.ask("SELECT log FROM webhooks_run ORDER BY id")]
    greet, later = [json.loads(log) if isinstance(log, str) else log for log in stored]
    said = [entry["text"] for entry in greet]
    assert said == ["Set Score to 50.", "Posted to the webhook CRM as Lead_Post_Create."]
    first, second = [datetime.fromisoformat(entry["at"]) for entry in later]
    assert (second - first).total_seconds() > 1.5, "not before its time"


TASKS = """
from leads.models import Account, Lead
from webhooks import queue
from webhooks.models import Automation
account = Account.objects.create(name="Harbour Homes")
Automation.objects.create(
    account=account, name="Call", event="lead.created",
    steps=[{"do": "create_task", "name": "Call", "days": 1}, {"do": "set_field", "field": "score", "value": 5}],
)
# Nobody is told: the worker's clock finds them.
queue.nudge_job = lambda *args: None
for number in range(60):
    Lead.objects.create(account=account, first_name="Ada", email=f"ada{number}@example.com")
"""
COUNTS = "SELECT (SELECT count(*) FROM leads_task), (SELECT count(*) FROM leads_lead WHERE score = 5)"


def test_a_worker_that_is_killed_does_nothing_twice_and_nothing_by_halves(new_program: Callable[..., Program]) -> None:
    program = new_program()
    program.shell(TASKS)
    program.start_worker()
    wait_until(lambda: program.ask(COUNTS)[0][0] >= 5, 30, "the worker has begun")
    for process in program.family():
        process.kill()
    tasks, scored = program.ask(COUNTS)[0]
    assert tasks == scored < 60, "each step whole, and killed in the middle"
    program.start_worker()
    wait_until(lambda: program.ask(COUNTS)[0] == (60, 60), 60, "another one has done the rest")
    per_lead = program.ask("SELECT count(DISTINCT lead_id), count(*) FROM leads_task")
    assert per_lead == [(60, 60)], "one for each lead"
    assert program.ask("SELECT DISTINCT state FROM webhooks_run") == [("done",)]
