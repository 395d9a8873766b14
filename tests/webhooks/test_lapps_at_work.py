"""Lapps in the real worker: the same queue, tries, history and time limit, and nothing left behind."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.program import Program, lives, wait_until

SEED = """
from leads.models import Account, Membership, User
from webhooks.models import Webhook
account = Account.objects.create(name="Harbour Homes")
owner = User.objects.create_user("ada", "ada@example.com")
Membership.objects.create(user=owner, account=account)
Webhook.objects.create(
    account=account, name="Lapp", dialect="leadsquared", kind="lapp", lapp={name!r}, events={events!r},
    timeout={timeout},
)
"""
SAVE = """
from leads.models import Account, Lead, User
Lead.objects.create(
    account=Account.objects.get(), owner=User.objects.get(), type="mortgage_request", first_name="Ada",
    last_name="Byron", email="ada@example.com", phone="+44 20 7946 0018", address="1 High Street", postcode="SW1A 1AA",
)
"""


class AtWork:
    """A program with one Lapp, that of `name`, and its worker."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def start(self, name: str, events: tuple[str, ...] = ("Lead_Post_Create",), timeout: int = 10) -> None:
        self.program.shell(SEED.format(name=name, events=list(events), timeout=timeout))
        self.program.start_worker()

    def save(self) -> None:
        self.program.shell(SAVE)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.program.ask(sql)

    def becomes(self, *statuses: str, seconds: float = 20) -> None:
        wanted = list(statuses)
        ask = "SELECT status FROM webhooks_delivery ORDER BY id"
        wait_until(lambda: [row[0] for row in self.ask(ask)] == wanted, seconds, f"deliveries are {wanted}")

    def tries(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT number, outcome, method, url, code, failure, error, response_body FROM webhooks_attempt ORDER BY id"
        )


@pytest.fixture
def at_work(new_program: Callable[..., Program]) -> AtWork:
    return AtWork(new_program(DJANGO_SETTINGS_MODULE="tests.lapps.program_settings", Q_WORKERS="2"))


def test_a_lead_that_is_made_gives_its_owner_a_task(at_work: AtWork) -> None:
    at_work.start("follow_up")
    at_work.save()
    at_work.becomes("success")
    ((number, outcome, method, url, code, failure, error, body),) = at_work.tries()
    assert (number, outcome, method, code, failure, error) == (1, "answered", "LAPP", 200, "", "")
    assert url == "lapp:follow_up?entityType=webhook&entityId=1&eventType=Lead_Post_Create"
    ((task, name, owner_id, lead_id),) = at_work.ask("SELECT id, name, owner_id, lead_id FROM leads_task")
    assert (name, owner_id, lead_id) == ("Follow up with Ada Byron", 1, 1)
    assert json.loads(body) == {"Status": "Success", "StatusReason": f"Task {task} was made."}
    told = at_work.ask("SELECT actor_kind, actor_id, actor_name, hops FROM webhooks_event WHERE type = 'task.created'")
    assert told == [("lapp", 1, "Follow up", 1)]


def test_what_is_done_once_is_not_done_again(at_work: AtWork) -> None:
    """Its first try fails after the work was done; the second one knows."""
    at_work.start("once_and_fail")
    at_work.save()
    at_work.becomes("success")
    assert [one[4] for one in at_work.tries()] == [500, 200]
    assert json.loads(at_work.tries()[1][7]) == {"first": False}
    assert at_work.ask("SELECT name FROM leads_tag") == [("lead 1",)]


def test_a_lapp_that_calls_itself_is_stopped_after_three_hops(at_work: AtWork) -> None:
    at_work.start("restless", events=("Lead_Post_Update",))
    at_work.save()
    # It changes the lead: heard, and so on.
    at_work.program.shell("from leads.models import Lead; Lead.objects.update(score=1)")
    at_work.becomes("success", "success", "success", "failure")
    assert at_work.ask("SELECT score FROM leads_lead") == [(4,)]
    assert sorted(one[4] for one in at_work.tries()) == [200, 200, 200, 508, 508, 508]
    hops = at_work.ask("SELECT hops FROM webhooks_event WHERE type = 'lead.updated' ORDER BY id")
    assert [row[0] for row in hops] == [0, 1, 2, 3]


def _running(at_work: AtWork, file: Path) -> list[psutil.Process]:
    wait_until(lambda: file.exists() and file.read_text(), 20, "the Lapp runs")
    return [psutil.Process(int(pid)) for pid in file.read_text().split()]


def _gone(everybody: list[psutil.Process], seconds: float = 2) -> None:
    wait_until(lambda: not any(map(lives, everybody)), seconds, f"they have ended: {everybody}")


@pytest.fixture
def told_where(new_program: Callable[..., Program], tmp_path: Path) -> tuple[AtWork, Path]:
    """One whose Lapp tells its process."""
    file = tmp_path / "pid"
    settings = "tests.lapps.program_settings"
    return AtWork(new_program(DJANGO_SETTINGS_MODULE=settings, Q_WORKERS="2", LAPP_TELLS=str(file))), file


def test_its_time_limit_ends_it(told_where: tuple[AtWork, Path]) -> None:
    at_work, file = told_where
    at_work.start("sleeper", timeout=1)
    at_work.save()
    everybody = _running(at_work, file)
    at_work.becomes("failure", seconds=30)
    tries = at_work.tries()
    assert [(one[0], one[1], one[5]) for one in tries] == [(number, "failed", "timeout") for number in (1, 2, 3)]
    assert tries[0][6] == "timed out. The Lapp had not ended within 1 s, and was ended."
    _gone(everybody)
    last = [int(pid) for pid in file.read_text().split()]
    wait_until(lambda: not any(map(psutil.pid_exists, last)), 2, "those of the last try have ended")


def test_a_killed_worker_leaves_nobody(told_where: tuple[AtWork, Path]) -> None:
    at_work, file = told_where
    at_work.start("sleeper", timeout=30)
    at_work.save()
    everybody = [*_running(at_work, file), *at_work.program.family()]
    assert at_work.program.worker is not None
    at_work.program.worker.kill()
    at_work.program.worker.wait(timeout=5)
    _gone(everybody)
    # Nobody has told how it ended: it goes out again.
    assert at_work.ask("SELECT status, tries FROM webhooks_delivery") == [("sending", 0)]


def test_a_process_of_the_pool_that_is_killed_takes_its_lapp_along(told_where: tuple[AtWork, Path]) -> None:
    at_work, file = told_where
    at_work.start("sleeper", timeout=30)
    at_work.save()
    run, *children = _running(at_work, file)
    nursery = psutil.Process(run.ppid())
    psutil.Process(nursery.ppid()).kill()
    _gone([run, *children, nursery])


def test_a_stop_cuts_it_and_it_goes_out_again(told_where: tuple[AtWork, Path]) -> None:
    at_work, file = told_where
    at_work.start("sleeper", timeout=30)
    at_work.save()
    everybody = [*_running(at_work, file), *at_work.program.family()]
    worker = at_work.program.worker
    assert worker is not None
    for _ in range(2):  # the second signal ends the grace
        worker.send_signal(signal.SIGINT)
    assert worker.wait(timeout=10) == 0
    _gone(everybody, seconds=0.5)
    assert at_work.ask("SELECT status, tries FROM webhooks_delivery") == [("queued", 0)]
    assert [(one[0], one[1]) for one in at_work.tries()] == [(0, "interrupted")]
