"""The receivers that docs/receiving.md shows, run as they stand there: they take what we send, and nothing else."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from leads.models import Lead
from tests import factories, npm, services
from tests.program import ROOT
from tests.webhooks.outbound.claims import hurry
from webhooks.dialects import DIALECTS
from webhooks.models import Attempt, Delivery, Event, Status, Webhook
from webhooks.outbound import compose, deliver, replay, trial
from webhooks.outbound.selection import Selection
from webhooks.wire.exchange import Request

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGES = ("standardwebhooks@1.1.1", "express@5.1.0")

PAGE = (ROOT / "docs" / "receiving.md").read_text()
PROGRAMS = {name: code for code, name in re.findall(r"```\w+\n((?:<\?php )?(?:#|//) (\S+): .*?)```", PAGE, re.DOTALL)}
# Lines of a receiver, rather than a whole one.
(NEWEST,) = re.findall(r"```python\n(record, .*?)```", PAGE, re.DOTALL)


@dataclass(frozen=True)
class Expected:
    system: str
    says: str
    """Of a lead that is made with a first and a last name, and then given a lead status."""
    status: int = 204
    path: str = "/"
    headers: tuple[str, ...] = ("webhook-signature",)
    """Those that prove the sender."""


RECEIVERS = {
    "standard.py": Expected("standard", "lead.created Zoë Ashdown kept"),
    "standard.mjs": Expected("standard", "lead.created Zoë Ashdown"),
    "leadpro.py": Expected("leadpro", "lead.created Zoë Ashdown", headers=("Authorization", "webhook-signature")),
    "leadhub.php": Expected("leadhub", "lead.created Ashdown", headers=("X-LeadHub-Signature",)),
    "leadhub.py": Expected("leadhub", "lead.created Ashdown", headers=("X-LeadHub-Signature",)),
    "leadengine.py": Expected(
        "leadengine", "Zoë Ashdown None → Needs Info", headers=("X-LeadEngine-Signature", "X-LeadEngine-Secret")
    ),
    "leadsquared.py": Expected("leadsquared", "Lead_Post_Create Zoë Ashdown", 200),
    "save_lead.mjs": Expected("save_lead", "save_lead zoe@example.com Ashdown Ltd", 200, "/webhooks/leads"),
}
PATIENCE = 20.0


@dataclass
class Running:
    """A receiver as a process; what it says is gathered as it comes."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)
    _heard: threading.Condition = field(default_factory=threading.Condition)

    def listen(self) -> None:
        for line in self.process.stdout or ():
            with self._heard:
                self.lines.append(line.strip())
                self._heard.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        found = None

        def said() -> bool:
            nonlocal found
            found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
            return found is not None

        with self._heard:
            assert self._heard.wait_for(said, PATIENCE), f"{pattern} is not among {self.lines}"
        assert found is not None
        return found

    def said(self, count: int) -> list[str]:
        """What it has said of events, as soon as these are so many."""
        with self._heard:
            self._heard.wait_for(lambda: len(self._of_events()) >= count, PATIENCE)
            return self._of_events()

    def _of_events(self) -> list[str]:
        return [line for line in self.lines if re.match(r"(lead\.|form\.|save_lead |Lead_)", line)]

    def answer(self, request: Request) -> int:
        """What it answers to a request that somebody sends who is not us."""
        connection = http.client.HTTPConnection(self.url.split("/")[2], timeout=PATIENCE)
        try:
            target = f"{self.url}?{urlsplit(request.url).query}"
            connection.request(request.method, target, request.body, dict(request.headers))
            return connection.getresponse().status
        finally:
            connection.close()


Start = Callable[..., Running]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of npm that the receivers in JavaScript import."""
    folder = tmp_path_factory.mktemp("npm")
    npm.install(folder, *PACKAGES)
    return folder


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path, settings) -> Iterator[Start]:
    """Starts a receiver of the page with a secret; by default, waits until it listens."""
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    started: list[Running] = []

    def start(name: str, secret: str, listening: bool = True) -> Running:
        folder = request.getfixturevalue("packages") if name.endswith(".mjs") else tmp_path
        (folder / name).write_text(PROGRAMS[name])
        process = subprocess.Popen(
            command(name),
            cwd=folder,
            env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        receiver = Running(process)
        started.append(receiver)
        threading.Thread(target=receiver.listen, daemon=True).start()
        if listening:
            port = receiver.wait_for(r"(?:on port |http://127\.0\.0\.1:)(\d+)")[1]
            receiver.url = f"http://127.0.0.1:{port}{RECEIVERS[name].path}"
        return receiver

    yield start
    deliver.door.cache_clear()
    for receiver in started:
        receiver.process.kill()
        receiver.process.wait()


def command(name: str) -> list[str]:
    if name.endswith(".php"):
        if reason := services.no_php():
            # A skipped test is easily overlooked, a warning stands at the end of every run.
            warnings.warn(f"NOT RUN: docs/receiving.md's {name}: {reason}", stacklevel=2)
            pytest.skip(reason)
        return ["php", "-S", "127.0.0.1:0", name]
    return ["node" if name.endswith(".mjs") else sys.executable, name]


def secret_of(name: str) -> str:
    return DIALECTS[RECEIVERS[name].system].new_secret()


def webhook_to(receiver: Running, name: str, secret: str, **values: Any) -> Webhook:
    return factories.webhook(receiver.url, dialect=RECEIVERS[name].system, secret=secret, **values)


def new_lead(**values: Any) -> Lead:
    """Made, and then given a lead status: something that every system hears of."""
    named = {"first_name": "Zoë", "last_name": "Ashdown", "email": "zoe@example.com", "company_name": "Ashdown Ltd"}
    lead = factories.lead(**named | values)
    lead.set("lead_status", "Needs Info")
    lead.save()
    return lead


def run() -> set[int | None]:
    """Send whatever waits; the codes that came back."""
    waiting = list(Delivery.objects.filter(status=Status.QUEUED).values_list("pk", flat=True))
    hurry()
    deliver.run(stop=lambda: None, linger=0.1)
    return set(Delivery.objects.filter(pk__in=waiting).values_list("code", flat=True))


def test_every_program_of_the_page_is_run():
    assert set(PROGRAMS) == set(RECEIVERS)
    assert len(re.findall(r"^```\w", PAGE, re.MULTILINE)) == len([*RECEIVERS, NEWEST])


def test_the_page_tells_each_systems_own_tries_and_limit():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.endswith(" s |")]
    assert {row[0] for row in rows} >= {DIALECTS[expected.system].label for expected in RECEIVERS.values()}
    by_label = {dialect.label: dialect for dialect in DIALECTS.values()}
    for label, _, tries, waits, limit in rows:
        dialect = by_label[label]
        assert (int(re.match(r"\d+", tries)[0]), limit) == (dialect.retry.tries, f"{dialect.deadline:g} s"), label
        assert seconds(waits) == list(dialect.retry.waits), label


def seconds(waits: str) -> list[float]:
    """ "5 s, 30 min, 2, 5 h" in seconds: a number without a unit has the next one."""
    unit, found = 1, []
    for part in reversed(waits.split(", ")):
        number, _, given = part.partition(" ")
        unit = {"s": 1, "min": 60, "h": 3600}[given] if given else unit
        found.append(float(number) * unit)
    return found[::-1]


@pytest.mark.parametrize("name", RECEIVERS)
def test_it_takes_what_we_send_and_says_what_it_read(start: Start, name: str):
    secret = secret_of(name)
    receiver = start(name, secret)
    webhook_to(receiver, name, secret)
    new_lead()
    assert run() == {RECEIVERS[name].status}
    receiver.wait_for(re.escape(RECEIVERS[name].says))


@pytest.mark.parametrize("name", RECEIVERS)
def test_it_refuses_another_secret_and_none(start: Start, name: str):
    receiver = start(name, secret_of(name))
    webhook = webhook_to(receiver, name, secret_of(name))
    new_lead()
    assert run() == {401}
    webhook.secret = ""
    webhook.save()
    new_lead()
    assert run() == {401}
    assert receiver.said(0) == []


@pytest.mark.parametrize("name", RECEIVERS)
def test_it_refuses_what_others_made_of_it(start: Start, name: str):
    secret = secret_of(name)
    receiver = start(name, secret)
    webhook = webhook_to(receiver, name, secret)
    # As a proxy hands on what came by https.
    webhook.url = "https://hooks.example.com/"
    new_lead()
    event = Event.objects.filter(type="lead.status_changed" if name.startswith("leadengine") else "lead.created").get()
    heard_as = webhook.wire.hears(event.frozen)
    request, _ = compose.write(webhook, event, heard_as, "msg_1", datetime.now(UTC))
    assert receiver.answer(replace(request, body=request.body[:-1] + b" }")) == 401
    webhook.secret = secret_of(name)
    forged, _ = compose.write(webhook, event, heard_as, "msg_1", datetime.now(UTC))
    for header in RECEIVERS[name].headers:
        strange = ("", "é", "v1", "v1,é", "v1,AAAA", "sha256=", "Bearer x.y.z", "A" * 60_000)
        assert request.header(header) and forged.header(header), header
        for value in (forged.header(header), *strange):
            headers = tuple((each, value if each == header else kept) for each, kept in request.headers)
            assert receiver.answer(replace(request, headers=headers)) in (401, 431), (header, value[:20])
    unsigned = tuple(pair for pair in request.headers if pair[0] != RECEIVERS[name].headers[0])
    assert receiver.answer(replace(request, headers=unsigned)) == 401
    assert receiver.answer(request) == RECEIVERS[name].status
    receiver.wait_for(re.escape(RECEIVERS[name].says))


@pytest.mark.parametrize("name", RECEIVERS)
def test_without_a_secret_it_takes_nothing(start: Start, name: str):
    if name.endswith(".php"):
        receiver = start(name, "")
        assert receiver.answer(Request("POST", receiver.url, (), b"{}")) == 500
    else:
        assert start(name, "", listening=False).process.wait(PATIENCE) != 0


WATCHFUL = [name for name, expected in RECEIVERS.items() if "webhook-signature" in expected.headers]


@pytest.mark.parametrize("name", WATCHFUL)
def test_it_refuses_what_is_older_than_five_minutes(start: Start, name: str, monkeypatch):
    secret = secret_of(name)
    receiver = start(name, secret)
    webhook_to(receiver, name, secret)
    then = timezone.now() - timedelta(minutes=6)
    with monkeypatch.context() as patch:
        patch.setattr(compose, "timezone", SimpleNamespace(now=lambda: then))
        new_lead()
        assert run() == {401}
    # The next try of the same is as new as any.
    assert run() == {RECEIVERS[name].status}


@pytest.mark.parametrize("name", [name for name in WATCHFUL if name != "save_lead.mjs"])
def test_it_does_a_delivery_once_and_a_test_never(start: Start, name: str):
    secret = secret_of(name)
    receiver = start(name, secret)
    expected = RECEIVERS[name]
    webhook = webhook_to(receiver, name, secret, events=[expected.says.split()[0]])
    assert trial.send_test(webhook).code == expected.status
    new_lead()
    assert run() == {expected.status}
    assert replayed() == {expected.status}
    new_lead(last_name="Bell")
    assert run() == {expected.status}
    assert receiver.said(2) == [expected.says, expected.says.replace("Ashdown", "Bell")]


def replayed() -> set[int | None]:
    """Send everything again, as it was sent."""
    chosen = Selection(through=replay.newest(), tests=False)
    replay.carry_out(chosen, again=True, expected=replay.plan(chosen).adds(True), user_id=None)
    return run()


@pytest.mark.parametrize("name", ["standard.py", "standard.mjs"])
def test_either_secret_does_during_a_rotation(start: Start, name: str):
    old, new = secret_of(name), secret_of(name)
    receiver = start(name, new)
    webhook_to(receiver, name, old, next_secret=new, next_secret_at=timezone.now() + timedelta(days=1))
    new_lead()
    assert run() == {204}


def test_an_older_delivery_does_not_overwrite_a_newer_one(start: Start, tmp_path: Path):
    secret = secret_of("standard.py")
    receiver = start("standard.py", secret)
    webhook_to(receiver, "standard.py", secret, events=["lead.created", "lead.updated", "lead.deleted"])
    lead = new_lead()
    first = Delivery.objects.order_by("pk")[:1]
    Delivery.objects.filter(pk__in=[each.pk for each in first]).update(due_at=timezone.now() + timedelta(hours=1))
    deliver.run(stop=lambda: None, linger=0.0)
    assert receiver.said(1) == ["lead.updated Zoë Ashdown kept"]
    assert run() == {204}
    assert receiver.said(2)[1:] == ["lead.created Zoë Ashdown overtaken"]

    def newest() -> list[tuple[Any, ...]]:
        with sqlite3.connect(tmp_path / "standard.sqlite3") as db:
            return db.execute("SELECT record, version, json_extract(data, '$.lead_status') FROM newest").fetchall()

    assert newest() == [(f"lead/{lead.pk}", 2, "Needs Info")]
    pk = lead.pk
    lead.delete()
    assert run() == {204}
    assert receiver.said(3)[2:] == ["lead.deleted Zoë Ashdown kept"]
    assert newest() == [(f"lead/{pk}", 3, None)]


def test_three_lines_drop_what_is_stale_in_any_format(start: Start, monkeypatch):
    taken = "        event = json.loads(body)\n"
    whole = PROGRAMS["leadhub.py"]
    assert taken in whole and len(NEWEST.splitlines()) == 3
    program = whole.replace(taken, indent(NEWEST, " " * 8) + "        event = leads[record]\n")
    monkeypatch.setitem(PROGRAMS, "leadhub.py", program.replace("class Hook", "newest, leads = {}, {}\n\n\nclass Hook"))
    secret = secret_of("leadhub.py")
    receiver = start("leadhub.py", secret)
    webhook_to(receiver, "leadhub.py", secret, events=["lead.created", "lead.updated"])
    lead = new_lead()
    Delivery.objects.all().delete()
    lead.set("last_name", "Bell")
    lead.save()
    lead.set("last_name", "Carr")
    lead.save()
    first, later = Delivery.objects.order_by("pk").values_list("pk", flat=True)
    Delivery.objects.filter(pk=first).update(due_at=timezone.now() + timedelta(hours=1))
    deliver.run(stop=lambda: None, linger=0.0)
    assert run() == {204}
    assert Delivery.objects.get(pk=first).transmitted_at > Delivery.objects.get(pk=later).transmitted_at
    # What it knows of the lead: the older delivery came, and changed nothing.
    assert receiver.said(2) == ["lead.updated Carr", "lead.updated Carr"]


def test_what_was_answered_is_worked_off_after_a_restart(start: Start, tmp_path: Path):
    secret = secret_of("standard.py")
    receiver = start("standard.py", secret)
    webhook_to(receiver, "standard.py", secret, events=["lead.created"])
    new_lead()
    assert run() == {204}
    receiver.said(1)
    receiver.process.kill()
    receiver.process.wait()
    with sqlite3.connect(tmp_path / "standard.sqlite3") as db:
        # As if it had died between its answer and its work.
        assert db.execute("UPDATE inbox SET done = 0").rowcount == 1
    assert start("standard.py", secret).said(1) == ["lead.created Zoë Ashdown kept"]


def test_a_token_longer_than_pythons_server_takes_by_itself(start: Start):
    secret = secret_of("leadpro.py")
    receiver = start("leadpro.py", secret)
    webhook_to(receiver, "leadpro.py", secret, events=["lead.created"])
    home = factories.office("🏠" * 100)
    long = dict.fromkeys(("source", "advert_url", "advert_image", "host"), "🏠" * 255)
    rest = {"first_name": 50, "last_name": 50, "full_name": 100, "address": 100, "advert_address": 100}
    rest |= {"property_reference": 50, "title": 10, "postcode": 10, "advert_postcode": 10}
    long |= {key: "🏠" * length for key, length in rest.items()} | {"message": "🏠" * 8192}
    rows = {
        "meta": {"k": "v" * 1000},
        "questionnaire": [["?", "🏠" * 500]],
        "appointment_availability": {"hours": ["2021-04-22T10:00:00.000Z"] * 75},
        "comparable_props": [{"address": "🏠" * 1000}],
    }
    new_lead(office=home, **long, **rows)
    assert run() == {204}
    assert receiver.said(1) == ["lead.created " + "🏠" * 100]
    token = dict(json.loads(Attempt.objects.get().request_headers))["Authorization"]
    assert len(token) > 65_536


def test_the_three_lines_take_a_test_which_has_no_record():
    known: dict[str, Any] = {"newest": {}, "leads": {}, "json": json, "body": b"{}"}
    for headers in ({}, {"webhook-record": "lead/41;version=7"}, {"webhook-record": "lead/41;version=6"}):
        exec(NEWEST, known | {"self": SimpleNamespace(headers=headers)})
    assert (known["newest"], known["leads"]) == ({"lead/41": 7}, {"lead/41": {}})


def test_php_is_there_or_missed_loudly(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.warns(UserWarning, match="NOT RUN"), pytest.raises(pytest.skip.Exception):
        command("leadhub.php")
