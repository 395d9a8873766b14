"""Somebody who saves leads inside of Django, a process of its own: python -m tests.faults.writer NAME COMMITS

It answers questions (see benchmarks/process.py). Soon after each COMMIT it adds a line to the file COMMITS:
[lead, version, time.monotonic()]. Its leads are named after it, w0-1, w0-2, ..., and their address is "name.version".
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from typing import Any

import django
from django.db import connection, connections, transaction

from benchmarks.process import serve

django.setup()

from leads.changes import open_unit, unit  # noqa: E402
from leads.models import ApiKey, Lead, User  # noqa: E402
from leads.models.apikey import Scope  # noqa: E402
from leads.signals import happened  # noqa: E402
from tests import factories  # noqa: E402
from webhooks import queue  # noqa: E402
from webhooks.dialects import DIALECTS  # noqa: E402

EVENTS = ["lead.created", "lead.updated"]


class Undone(Exception):
    """What an experiment raises to have a transaction rolled back."""


class Writer:
    def __init__(self, name: str, commits: str) -> None:
        self.name = name
        self._file = os.open(commits, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._numbers = 0
        self._resting = threading.Event()
        self._done = threading.Event()
        self._load: threading.Thread | None = None
        self.told: Counter[str] = Counter()
        self.errors: list[str] = []

    # Questions

    def set_up(self, webhooks: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
        """An account whose webhooks are named after their systems (name: URL), and a key of its API; what a lead is."""
        account = factories.account()
        secrets = {}
        for name, url in webhooks.items():
            dialect = name.partition("-")[0]
            secrets[name] = DIALECTS[dialect].new_secret()
            factories.webhook(url, name=name, dialect=dialect, events=EVENTS, secret=secrets[name], **settings)
        user = User.objects.create_superuser("writer", "writer@example.com")
        key = ApiKey(user=user, account=account, name="Faults", scopes=[str(scope) for scope in Scope])
        secret = key.generate()
        key.save()
        return {"secrets": secrets, "key": secret, "lead": factories.VENDOR}

    def save(self, count: int) -> int:
        for _ in range(count):
            self.create()
        return count

    def load(self, rate: float, undone: float, seed: int) -> None:
        """Save about so many versions in a second until told to end, and roll back a part (0 to 1) more."""
        self._load = threading.Thread(target=self._work, args=(rate, undone, random.Random(seed)))
        self._load.start()

    def rest(self, resting: bool) -> None:
        (self._resting.set if resting else self._resting.clear)()

    def end(self) -> dict[str, Any]:
        """Ends the load; how many were saved and undone, and what went wrong."""
        self._done.set()
        if self._load:
            self._load.join()
        return {**self.told, "errors": self.errors}

    def killed_at_commit(self, times: int) -> int:
        """So many processes that save a lead and are killed between its COMMIT and whatever follows it."""
        for _ in range(times):
            lead = self._new()
            connections.close_all()
            child = os.fork()
            if not child:
                try:
                    connection.run_and_clear_commit_hooks = lambda: os.kill(os.getpid(), signal.SIGKILL)
                    lead.save()
                except Exception:
                    traceback.print_exc()
                finally:
                    os._exit(1)
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                raise RuntimeError("a saver was not killed")
        return times

    def fail(self, times: int, seed: int) -> int:
        """So many transactions in which something is raised, in all the places where that can be."""
        happened.connect(_raise_if_told)  # after our own receiver, whose event is stored first
        ways = (self._raise_within, self._raise_in_savepoint, self._raise_after_event, self._raise_in_both)
        choice = random.Random(seed)
        for number in range(times):
            ways[number % len(ways)](choice)
        return times

    def queued(self) -> int:
        """Tasks that wait in the broker."""
        return int(queue._broker().queue_size())

    def nudge_thrice(self) -> None:
        """From now on each nudge, and there is one for each save, is sent three times."""
        send = queue._send
        queue._pace.take = lambda: True
        queue._send = lambda *arguments: [send(*arguments) for _ in range(3)] and None

    # How it is done

    def create(self) -> Lead:
        lead = self._new()
        lead.save()
        self._committed(lead)
        return lead

    def update(self, lead: Lead) -> None:
        _next(lead)
        lead.save()
        self._committed(lead)

    def _new(self, version: str = "1", **values: Any) -> Lead:
        self._numbers += 1
        return factories.new_lead(address=f"{self.name}-{self._numbers}.{version}", **values)

    def _committed(self, lead: Lead) -> None:
        self.told["saved"] += 1
        os.write(self._file, json.dumps([lead.pk, lead.version, time.monotonic()]).encode() + b"\n")

    def _work(self, rate: float, undone: float, choice: random.Random) -> None:
        last: Lead | None = None
        due = time.monotonic()
        while not self._done.is_set():
            if self._resting.is_set():
                time.sleep(0.05)
                due = time.monotonic()
                continue
            try:
                if last is None or choice.random() < 0.7:
                    last = self.create()
                else:
                    self.update(last)
                if choice.random() < undone:
                    choice.choice((self._raise_within, self._raise_in_savepoint))(choice)
            except Exception as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                last = None
            due += choice.uniform(0, 2 / rate)
            self._done.wait(max(0.0, due - time.monotonic()))
        connections.close_all()

    # Ways to be undone. None of their leads' versions may be heard of, unless it is saved besides.

    def _raise_within(self, choice: random.Random) -> None:
        try:
            with unit():
                self._new("gone").save()
                raise Undone
        except Undone:
            self.told["undone"] += 1

    def _raise_in_savepoint(self, choice: random.Random) -> None:
        """The outer transaction commits a lead; the inner one's change of it is undone, and so is another lead."""
        with unit():
            kept = self._new()
            kept.save()
            try:
                with transaction.atomic():
                    with transaction.atomic():
                        kept.set("address", f"{kept.address}.gone")
                        kept.save()
                    self._new("gone").save()
                    raise Undone
            except Undone:
                self.told["undone"] += 1
        self._committed(Lead.objects.get(pk=kept.pk))

    def _raise_after_event(self, choice: random.Random) -> None:
        """Event and deliveries are stored, and then the transaction fails."""
        try:
            self._new("gone", title="fail").save()
        except Undone:
            self.told["undone"] += 1

    def _raise_in_both(self, choice: random.Random) -> None:
        """An update of a stored lead, in a savepoint of a transaction that fails as well."""
        lead = self.create()
        try:
            with unit():
                _next(lead)
                lead.save()
                with transaction.atomic():
                    _next(lead)
                    lead.save()
                raise Undone
        except Undone:
            self.told["undone"] += 1


def _next(lead: Lead) -> None:
    name, _, _ = lead.address.rpartition(".")
    lead.set("address", f"{name}.{lead.version + 1}")


def _raise_if_told(sender: Any, facts: Any, **_: Any) -> None:
    work = open_unit()
    if work and any(fact.snapshot.get("title") == "fail" for fact in facts):
        work.do_last()
        raise Undone


def main(name: str, commits: str) -> None:
    writer = Writer(name, commits)
    serve(
        {
            "pid": os.getpid,
            "set_up": writer.set_up,
            "save": writer.save,
            "load": writer.load,
            "rest": writer.rest,
            "end": writer.end,
            "killed_at_commit": writer.killed_at_commit,
            "fail": writer.fail,
            "queued": writer.queued,
            "nudge_thrice": writer.nudge_thrice,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
