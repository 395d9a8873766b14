"""Lapps in processes of their own: what they are told, what becomes of bad ones, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import factories
from tests.program import ROOT, environment, lives, wait_until
from tests.webhooks.outbound.claims import hurry
from webhooks import conf, lapp
from webhooks.models import Attempt, Delivery, Kind, Status, Webhook
from webhooks.outbound import deliver, replay, trial
from webhooks.outbound import lapp as running
from webhooks.outbound.lapp import Lapps
from webhooks.outbound.selection import Selection
from webhooks.outbound.under_way import first_ready
from webhooks.outbound.windows import WIDEST_LAPP
from webhooks.wire.exchange import KEPT_BODY, Failure, FailureKind, Request, Response
from webhooks.worker import errand, nursery


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """The Lapps of tests/lapps, here and where they run."""
    before = dict(lapp._registered)
    import tests.lapps.lapps  # noqa: F401

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "tests.lapps.settings")
        yield
    lapp._registered.clear()
    lapp._registered.update(before)
    sys.modules.pop("tests.lapps.lapps")


@contextmanager
def at_home() -> Iterator[Lapps]:
    lapps = Lapps()
    try:
        yield lapps
    finally:
        lapps.close()


@pytest.fixture(scope="module")
def lapps(registered: None) -> Iterator[Lapps]:
    with at_home() as lapps:
        # What starts it takes its time, and the first run does.
        assert called(lapps, "quiet", deadline=30.0)
        yield lapps


def asked(url: str, body: bytes = b'{"a": 1}', **changes: str) -> Request:
    headers = {"webhook-id": "msg_1", lapp.WEBHOOK: "12", lapp.ACCOUNT: "7", "webhook-hops": "0"} | changes
    return Request(lapp.METHOD, f"lapp:{url}", tuple(headers.items()), body)


def called(lapps: Lapps, url: str, deadline: float = 10.0, **changes: str) -> Response | Failure:
    return lapps.send(asked(url, **changes), deadline=deadline)


def answered(lapps: Lapps, url: str, **changes: str) -> Response:
    answer = called(lapps, url, **changes)
    assert isinstance(answer, Response), answer
    return answer


def failed(lapps: Lapps, url: str, deadline: float = 10.0) -> Failure:
    answer = called(lapps, url, deadline)
    assert isinstance(answer, Failure), answer
    assert answer.message.startswith(f"{answer.kind.words}. ")
    return answer


def processes(file: Path) -> list[psutil.Process]:
    """Those that a Lapp has told of, once it has."""
    wait_until(lambda: file.exists() and file.read_text(), 10, "the Lapp tells its process")
    return [psutil.Process(int(pid)) for pid in file.read_text().split()]


def gone(everybody: list[psutil.Process]) -> None:
    wait_until(lambda: not any(map(lives, everybody)), 2, f"they have ended: {everybody}")


# What it is told


def test_it_is_told_what_there_is_to_tell(lapps: Lapps) -> None:
    record = {"webhook-record": "lead/3;version=2", "webhook-hops": "1", "webhook-test": "true"}
    answer = answered(lapps, "echo?entityType=webhook&eventType=Lead_Post_Create&empty=&twice=1&twice=2", **record)
    assert (answer.status, answer.reason, answer.truncated) == (200, "OK", False)
    assert answer.header("content-type") == "application/json"
    told = json.loads(answer.body)
    assert answer.size == len(answer.body)
    assert told.pop("pid") != os.getpid()
    assert told == {
        "body": {"a": 1},
        "query": {"entityType": "webhook", "eventType": "Lead_Post_Create", "empty": "", "twice": "2"},
        "id": "msg_1",
        "account": 7,
        "webhook": 12,
        "record": ["lead", 3, 2],
        "hops": 1,
        "test": True,
        "raw": '{"a": 1}',
    }


def test_a_body_that_is_no_json_is_text(lapps: Lapps) -> None:
    answer = lapps.send(asked("echo", body=b"FirstName=Ada"), deadline=10)
    assert isinstance(answer, Response)
    told = json.loads(answer.body)
    assert (told["body"], told["record"], told["test"]) == ("FirstName=Ada", ["", 0, 0], False)


def test_nothing_returned_is_an_empty_answer(lapps: Lapps) -> None:
    answer = answered(lapps, "quiet")
    assert (answer.status, answer.body, answer.size, answer.headers) == (200, b"", 0, ())


def test_a_large_body_comes_whole(lapps: Lapps) -> None:
    body = json.dumps({"text": "x" * 1_000_000}).encode()
    answer = lapps.send(asked("echo", body=body), deadline=10)
    assert isinstance(answer, Response)
    assert answer.size > 2 * len(body) and len(answer.body) == KEPT_BODY


def test_each_run_has_a_process_of_its_own_that_knows_nothing_of_ours(lapps: Lapps) -> None:
    pids = {json.loads(answered(lapps, "echo").body)["pid"] for _ in range(3)}
    assert len(pids) == 3
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        looked = json.loads(answered(lapps, "looker").body)
    assert looked["sockets"] == []
    assert not [path for path in looked["files"] if "sqlite" in path]
    # Input, output, errors, the socket of the run, and what looking takes.
    assert looked["descriptors"] <= 7
    assert (looked["threads"], looked["leads_its_group"]) == (1, True)
    assert looked["nice"] == psutil.Process().nice() + nursery.NICE


def test_a_process_that_keeps_to_one_core_does_not_keep_its_lapps_there(registered: None) -> None:
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) == 1:
        pytest.skip("this machine has one core")
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        with at_home() as lapps:
            looked = json.loads(answered(lapps, "looker").body)
    finally:
        os.sched_setaffinity(0, everywhere)
    assert set(looked["cores"]) == everywhere


def test_several_run_side_by_side(lapps: Lapps, tmp_path: Path) -> None:
    slow = lapps.begin(asked(f"sleeper?pid={tmp_path / 'pid'}"), deadline=2.0)
    others = [lapps.begin(asked(f"echo?n={number}"), deadline=10.0) for number in range(6)]
    told = set()
    while others:
        for one in first_ready([slow, *others]):
            assert one is not slow
            others.remove(one)
            answer = one.finish()
            assert isinstance(answer, Response)
            told.add(json.loads(answer.body)["query"]["n"])
    assert told == set("012345")
    assert isinstance(slow.finish(), Failure)


# What becomes of bad ones


@pytest.mark.parametrize("name", ["sleeper", "spinner"])
def test_its_time_limit_ends_it_and_whatever_it_started(lapps: Lapps, tmp_path: Path, name: str) -> None:
    found: list[psutil.Process] = []
    looking = threading.Thread(target=lambda: found.extend(processes(tmp_path / "pid")))
    looking.start()
    begun = time.monotonic()
    failure = failed(lapps, f"{name}?pid={tmp_path / 'pid'}", deadline=1.0)
    assert 0.9 < time.monotonic() - begun < 3.0
    looking.join()
    assert failure.kind is FailureKind.TIMEOUT
    assert failure.message == "timed out. The Lapp had not ended within 1 s, and was ended."
    assert 900 < failure.duration_ms < 3000 and failure.sent_ms is not None
    assert len(found) == (3 if name == "sleeper" else 1)
    gone(found)


def test_an_exception_is_told_with_the_end_of_its_traceback(lapps: Lapps) -> None:
    answer = answered(lapps, "broken?why=the+lead+has+no+postcode")
    assert (answer.status, answer.reason) == (500, "Internal Server Error")
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    what, _, where = answer.body.decode().partition("\n\n")
    assert what == "LookupError: the lead has no postcode"
    assert "in deep" in where and where.rstrip().endswith('raise LookupError(query.get("why", "no such thing"))')
    assert "errand.py" not in where


def test_a_long_traceback_is_cut_from_its_beginning(lapps: Lapps) -> None:
    answer = answered(lapps, f"broken?levels=500&why={'x' * 9000}")
    text = answer.body.decode()
    assert len(answer.body) <= KEPT_BODY and answer.size == len(answer.body)
    assert text.startswith("LookupError: xxx") and len(text.partition("\n\n")[0]) == errand.LONGEST_MESSAGE
    assert text.rstrip().endswith('"no such thing"))')


@pytest.mark.parametrize("query", ["", "?nan=1"])
def test_what_is_no_json_is_refused(lapps: Lapps, query: str) -> None:
    answer = answered(lapps, f"no_json{query}")
    assert answer.status == 500
    assert answer.body.startswith(b"It returned what cannot be written as JSON: ")


def test_of_a_flood_the_beginning_is_kept(lapps: Lapps) -> None:
    answer = answered(lapps, "flood?characters=5000000")
    assert (answer.status, answer.size, answer.truncated) == (200, 10_000_002, True)
    assert len(answer.body) == KEPT_BODY


def test_memory_has_an_end(lapps: Lapps) -> None:
    answer = answered(lapps, "glutton")
    assert answer.status == 500 and answer.body.startswith(b"MemoryError")


@pytest.mark.parametrize(("how", "why"), [("0", ""), ("7", ": exit code 7"), ("signal", ": signal 9")])
def test_a_process_that_ends_by_itself(lapps: Lapps, how: str, why: str) -> None:
    failure = failed(lapps, f"leaver?how={how}")
    assert failure.kind is FailureKind.RESET
    assert failure.message == f"connection closed. Its process ended without an answer{why}."
    assert failure.duration_ms < 5000


def test_sys_exit_is_an_exception_like_others(lapps: Lapps) -> None:
    answer = answered(lapps, "leaver?how=exit")
    assert answer.status == 500 and answer.body.startswith(b"SystemExit: 3")


def test_one_that_is_not_there_any_more(lapps: Lapps) -> None:
    failure = failed(lapps, "bygone?entityType=webhook")
    assert failure.kind is FailureKind.UNKNOWN
    assert failure.message == "not sent. No Lapp is called bygone here. Choose another one, or bring its function back."


def test_a_loop_ends(lapps: Lapps) -> None:
    answer = answered(lapps, "echo", **{"webhook-hops": str(conf.MOST_HOPS)})
    assert (answer.status, answer.reason, answer.body) == (508, "Loop Detected", errand.LOOP)


# How it ends


def test_a_cut_ends_what_runs(lapps: Lapps, tmp_path: Path) -> None:
    run = lapps.begin(asked(f"sleeper?pid={tmp_path / 'pid'}"), deadline=30.0)
    found = processes(tmp_path / "pid")
    threading.Timer(0.2, lapps.cut).start()
    begun = time.monotonic()
    answer = run.finish()
    assert isinstance(answer, Failure) and answer.kind is FailureKind.INTERRUPTED
    assert time.monotonic() - begun < 2.0
    gone(found)
    assert answered(lapps, "quiet").status == 200


def test_a_cut_does_not_wait_for_the_first_start(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "NURSERY", ("-c", "import time; time.sleep(60)"))
    with at_home() as lapps:
        threading.Timer(0.3, lapps.cut).start()
        begun = time.monotonic()
        assert failed(lapps, "quiet").kind is FailureKind.INTERRUPTED
        assert time.monotonic() - begun < 5.0


def test_a_nursery_that_does_not_start_is_told_of(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "NURSERY", ("-c", "raise SystemExit(1)"))
    with at_home() as lapps:
        failure = failed(lapps, "quiet")
        assert failure.message == "not sent. The process that runs Lapps did not start; the worker's log says why."
        monkeypatch.undo()
        assert answered(lapps, "quiet").status == 200


def the_nursery(lapps: Lapps) -> psutil.Process:
    assert lapps._nursery is not None
    return psutil.Process(lapps._nursery._process.pid)


@pytest.mark.slow
@pytest.mark.parametrize("end", [psutil.Process.kill, None])
def test_a_nursery_that_has_ended_is_replaced(
    registered: None, monkeypatch: pytest.MonkeyPatch, end: Callable[[psutil.Process], None] | None
) -> None:
    if end is None:
        # By itself, as it had nothing to do.
        idle = "from webhooks.worker import nursery; nursery.IDLE = 0.3; nursery.main()"
        monkeypatch.setattr(running, "NURSERY", ("-c", idle))
    with at_home() as lapps:
        assert answered(lapps, "quiet").status == 200
        first = the_nursery(lapps)
        if end is not None:
            end(first)
        gone([first])
        assert answered(lapps, "quiet").status == 200
        assert the_nursery(lapps) != first


def test_the_nursery_hears_no_signal_but_the_end_of_whoever_needs_it(registered: None) -> None:
    with at_home() as lapps:
        assert answered(lapps, "quiet").status == 200
        nurse = the_nursery(lapps)
        for end in (psutil.Process.terminate, lambda process: process.send_signal(2)):
            end(nurse)
        assert answered(lapps, "quiet").status == 200
        assert the_nursery(lapps) == nurse
    assert not psutil.pid_exists(nurse.pid), "it was waited for"


SLEEP = """
import django; django.setup()
from webhooks.outbound.lapp import Lapps
from webhooks.outbound.selection import Selection
from webhooks.wire.exchange import Request
headers = (("webhook-id", "msg_1"), ("lapp-webhook", "12"), ("lapp-account", "7"))
Lapps().send(Request("LAPP", "lapp:sleeper?pid={file}", headers, b""), deadline=60)
"""


@pytest.mark.slow
def test_a_killed_worker_takes_everybody_along(registered: None, tmp_path: Path) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.lapps.settings", "DATABASE_URL": "sqlite://:memory:"}
    owner = subprocess.Popen(
        [sys.executable, "-c", SLEEP.format(file=tmp_path / "pid")], cwd=ROOT, env=environment(9) | settings
    )
    try:
        found = [*processes(tmp_path / "pid"), *psutil.Process(owner.pid).children(recursive=True)]
        assert len({process.pid for process in found}) == 4  # the nursery, the run, and what that has started
    finally:
        owner.kill()
        owner.wait()
    gone(found)


# With the engine


@pytest.fixture
def engine(lapps: Lapps, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    monkeypatch.setattr(deliver, "lapps", lambda: lapps)
    return lambda: deliver.run(stop=lambda: None, linger=0.0, patience=0.0)


def made(name: str, **values: Any) -> Webhook:
    known = {"dialect": "leadsquared", "kind": Kind.LAPP, "url": "", "secret": "", "events": ["Lead_Post_Create"]}
    return factories.webhook(lapp=name, **known | values)


@pytest.mark.django_db(transaction=True)
class TestEngine:
    def test_a_delivery_reaches_its_lapp_and_the_history(self, engine: Callable[[], int]) -> None:
        webhook, lead = made("echo"), factories.lead()
        assert engine() == 1
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.tries, delivery.code) == (Status.SUCCESS, 1, 200)
        attempt = delivery.attempts.get()
        assert (attempt.method, attempt.code, attempt.reason) == ("LAPP", 200, "OK")
        query = f"entityType=webhook&entityId={webhook.pk}&eventType=Lead_Post_Create"
        assert attempt.url == f"lapp:echo?{query}"
        assert json.loads(attempt.request_headers) == [
            ["webhook-id", delivery.message_id],
            ["lapp-webhook", str(webhook.pk)],
            ["lapp-account", str(webhook.account_id)],
            ["webhook-record", f"lead/{lead.pk};version=1"],
            ["webhook-hops", "0"],
        ]
        told = json.loads(attempt.response_body)
        assert told["raw"].encode() == bytes(delivery.body.content)
        assert told["body"]["ProspectID"] == str(lead.pk)
        assert (told["id"], told["account"], told["webhook"]) == (delivery.message_id, webhook.account_id, webhook.pk)

    def test_what_is_of_http_means_nothing_to_it(self, engine: Callable[[], int]) -> None:
        """Left from when it was a webhook: it gets JSON, unsigned, and none of the headers."""
        form = {"content_type": "application/x-www-form-urlencoded"}
        made("echo", settings=form, custom_headers={"X-Api-Key": "hush-hush"}, secret="s" * 43)
        factories.lead()
        assert engine() == 1
        attempt = Attempt.objects.get()
        assert "hush" not in attempt.response_body and "X-Api-Key" not in attempt.request_headers
        assert "signature" not in attempt.request_headers
        assert json.loads(attempt.response_body)["body"]["ProspectID"]

    def test_an_exception_is_a_failed_try_like_any_500(self, engine: Callable[[], int]) -> None:
        made("broken")
        factories.lead()
        for _ in range(3):
            assert engine() == 1
            hurry()
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.tries, delivery.error) == (Status.FAILURE, 3, "500 Internal Server Error")
        assert all(one.response_body.startswith("LookupError") for one in delivery.attempts.all())

    def test_one_that_is_gone_is_a_failure_with_a_clear_sentence(self, engine: Callable[[], int]) -> None:
        made("bygone")
        factories.lead()
        assert engine() == 1
        assert Attempt.objects.get().error.startswith("not sent. No Lapp is called bygone here.")

    def test_send_test_tells_that_it_is_one(self, engine: Callable[[], int]) -> None:
        delivery = trial.send_test(made("echo"))
        assert (delivery.status, delivery.test) == (Status.SUCCESS, True)
        told = json.loads(delivery.attempts.get().response_body)
        assert (told["test"], told["record"]) == (True, ["", 0, 0])

    def test_a_replay_comes_under_the_same_id(self, engine: Callable[[], int]) -> None:
        made("echo")
        factories.lead()
        assert engine() == 1
        chosen = Selection(statuses=("success",)).narrowed(through=replay.newest())
        replay.carry_out(chosen, again=True, expected=1, user_id=None)
        assert engine() == 1
        first, second = (json.loads(one.response_body) for one in Attempt.objects.order_by("pk"))
        assert (first["id"], first["raw"]) == (second["id"], second["raw"])

    @pytest.mark.slow
    def test_no_more_than_a_few_run_side_by_side(self, engine: Callable[[], int], monkeypatch: Any) -> None:
        out, most = set(), 0
        begin, ended = Lapps.begin, Lapps.ended

        def counted(lapps: Lapps, request: Request, *, deadline: float) -> running.Run:
            nonlocal most
            run = begin(lapps, request, deadline=deadline)
            out.add(run)
            most = max(most, len(out))
            return run

        def forgotten(lapps: Lapps, run: running.Run) -> None:
            out.discard(run)
            ended(lapps, run)

        monkeypatch.setattr(Lapps, "begin", counted)
        monkeypatch.setattr(Lapps, "ended", forgotten)
        made("quiet")
        for _ in range(40):
            factories.lead()
        assert engine() == 40
        assert 1 < most <= WIDEST_LAPP
