"""F25: kills while leads are posted to an inbound webhook. F26: two installations tell each other of every lead."""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from tests.faults.experiment import Check, Experiment, at_least, at_most, none
from tests.faults.stack import Stack
from tests.faults.trial import Trial
from tests.program import Program, drop_database, wait_until

KILLED = ("web worker", "whole tree", "web server")
POSTERS = 4
# Since when a receipt counts as left behind by a process that ended, and how often somebody looks.
LEFT_BEHIND = 90.0

# Seconds in which the posts between two kills have begun, a start of the program included.
EACH_SHARE = 60.0

# Prints the address's path and a key.
SET_UP = """
from tests import factories
from tests.webhooks.inbound.conftest import MAPPING, new_key
from webhooks.models import InboundWebhook
account = factories.account("Inbound")
inbound = InboundWebhook.objects.create(account=account, name="Website", mapping=MAPPING)
print(f"/in/{inbound.uid}", new_key(account))
"""
# A minute is long for a test.
AGE = """
from datetime import timedelta
from django.db.models import F
from webhooks.models import Receipt
Receipt.objects.filter(status="received").update(received_at=F("received_at") - timedelta(minutes=2))
"""


@dataclass(frozen=True, slots=True)
class Posts:
    """posts in all, each under a name of its own; pause: s at most from when a share of them has begun to a kill."""

    posts: int
    kills: int
    pause: float


class Posters:
    """Threads that post lead after lead. Where there is no answer, every other one is posted again by the same name."""

    def __init__(self, port: int, path: str, key: str, posts: int) -> None:
        # Name of the message -> the id that a 2xx named; what was posted without any answer; other answers.
        self.taken: dict[str, int] = {}
        self.unanswered: set[str] = set()
        self.refusals: list[int] = []
        self._port, self._path = port, path
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._names = iter(range(posts))
        self.begun = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(POSTERS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                number = next(self._names, None)
                self.begun += 1
            if number is None:
                return
            name = f"msg_{number}"
            while not self._posted(name) and number % 2:
                time.sleep(0.05)

    def _posted(self, name: str) -> bool:
        """Whether there was an answer."""
        headers = self._headers | {"webhook-id": name}
        body = json.dumps({"first_name": name, "email": f"{name}@example.com"})
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.connect()
                break
            except OSError:
                time.sleep(0.05)
            finally:
                if connection.sock is None:
                    connection.close()
        try:
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.unanswered.add(name)
            return False
        finally:
            connection.close()
        if answer.status == 200:
            self.taken[name] = json.loads(content)["id"]
        else:
            self.refusals.append(answer.status)
        return True


def killed_while_posting(stack: Stack, size: Posts, seed: int) -> list[Check]:
    with Trial(stack, seed, webhooks=()) as trial:
        path, key = trial.program.shell(SET_UP).split()
        trial.start()
        posters = Posters(trial.program.port, path, key, size.posts)
        for number, kind in enumerate(islice(cycle(KILLED), size.kills), 1):
            # However fast they are, some of it comes before and after each.
            share = size.posts * number // (size.kills + 1)
            wait_until(lambda share=share: posters.begun >= share, EACH_SHARE, "posts go on")
            time.sleep(trial.choice.uniform(0, size.pause))
            trial.kill(kind)
        posters.end()
        received = "SELECT count(*) FROM webhooks_receipt WHERE status = 'received'"
        ((left_behind,),) = trial.program.ask(received)
        trial.program.shell(AGE)
        wait_until(lambda: trial.program.ask(received) == [(0,)], LEFT_BEHIND, "what was left behind is applied")
        receipts = trial.program.ask("SELECT message_id, status, lead_id FROM webhooks_receipt")
        emails = dict(trial.program.ask("SELECT id, business_email FROM leads_lead WHERE first_name LIKE 'msg%'"))
        leads = Counter(emails.values())
        kept = {name: lead_id for name, _, lead_id in receipts}
        print(f"    {len(posters.unanswered)} posts without an answer, {left_behind} receipts left behind by the dead")
        return [
            at_least("kills", len(trial.kills), size.kills),
            at_least("posts taken with 2xx", len(posters.taken), size.posts // 2),
            none("2xx without its one receipt", [name for name, pk in posters.taken.items() if kept.get(name) != pk]),
            none(
                "messages with several receipts",
                [name for name, n in Counter(n for n, _, _ in receipts).items() if n > 1],
            ),
            none("2xx without its lead", [name for name in posters.taken if leads[f"{name}@example.com"] != 1]),
            none("people with several leads", [email for email, number in leads.items() if number > 1]),
            none("receipts that are not applied", [row for row in receipts if row[1] != "applied"]),
            none(
                "receipts without their lead",
                [row for row in receipts if emails.get(row[2]) != f"{row[0]}@example.com"],
            ),
            none("leads without a receipt", [pk for pk in emails if pk not in set(kept.values())]),
            none("other answers", posters.refusals),
        ]


# --- two installations ------------------------------------------------------------------------------------------------

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# Each message differs from the one before, so that each changes the lead, and would be told on for ever.
NEIGHBOUR = f"""
from tests import factories
from webhooks.models import InboundWebhook
account = factories.account("Loop")
mapping = [{{"field": "business_email", "path": "data/business_email"}}, {{"field": "about", "path": "timestamp"}}]
inbound = InboundWebhook.objects.create(
    account=account, name="Neighbour", verification="standard", secret="{SECRET}", mapping=mapping
)
print(f"/in/{{inbound.uid}}")
"""
TELL = f"""
from tests import factories
from webhooks import rules
from webhooks.outbound.address import Blocked
account = factories.account("Loop")
events = ["lead.created", "lead.updated"]
told = {{{{"account": account, "dialect": "standard", "secret": "{SECRET}", "events": events}}}}
factories.webhook("{{url}}", name="To the neighbour", **told)
try:
    rules.check_url("{{own}}")
except Blocked as refusal:
    print(refusal)
"""
BEGIN = """
from tests import factories
for number in range({count}):
    email = f"ping{{number}}@example.com"
    factories.lead(account=factories.account("Loop"), business_email=email, email=email)
"""


@dataclass(frozen=True, slots=True)
class Leads:
    leads: int
    seconds: float


def loop(stack: Stack, size: Leads, seed: int) -> list[Check]:
    with ExitStack() as running:
        programs = []
        for _ in range(2):
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="leadcrm-loop-")))
            # Each has a queue of its own.
            program = stack.install(folder, Q_BROKER_URL="")
            program.environment["WEBHOOK_ALLOWLIST"] = ""
            running.callback(drop_database, program.environment["DATABASE_URL"])
            running.callback(program.stop)
            programs.append(program)
        a, b = programs
        for one, other in ((a, b), (b, a)):
            one.environment["WEBHOOK_ALLOWLIST"] = f"127.0.0.1:{other.port}"
        paths = {program: program.shell(NEIGHBOUR).strip() for program in programs}
        refused = [
            one.shell(TELL.format(url=other.url + paths[other], own=one.url + paths[one])).strip()
            for one, other in ((a, b), (b, a))
        ]
        for program in programs:
            program.start()
        a.shell(BEGIN.format(count=size.leads))
        wait_until(lambda: len(_receipts(a)) + len(_receipts(b)) >= 3 * size.leads, 60, "the loop goes round")
        time.sleep(size.seconds)
        found = {"A": _receipts(a), "B": _receipts(b)}
        everything = [receipt for receipts in found.values() for receipt in receipts]
        ended = [receipt for receipt in everything if receipt[0] == "ignored"]
        return [
            Check("a URL of one's own, at save", "refused by both", f"by {sum(map(bool, refused))}", all(refused)),
            at_least("posts between the two", len(everything), 3 * size.leads),
            at_most("posts between the two", len(everything), 4 * size.leads),
            at_most("hops of what was taken", max(hops for status, hops in everything if status == "applied"), 2),
            at_least("loops that were ended", len(ended), size.leads),
            none("others", [receipt for receipt in everything if receipt[0] not in ("applied", "ignored")]),
        ]


def _receipts(program: Program) -> list[tuple[str, int]]:
    return [(status, hops) for status, hops in program.ask("SELECT status, hops FROM webhooks_receipt")]


EXPERIMENTS = (
    Experiment(
        "F25",
        "kill -9 while leads are posted",
        killed_while_posting,
        short=Posts(posts=300, kills=3, pause=0.1),
        full=Posts(posts=5000, kills=20, pause=0.1),
    ),
    Experiment("F26", "Two installations that tell each other", loop, short=Leads(1, 2), full=Leads(10, 20)),
)
