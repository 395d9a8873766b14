"""`manage.py worker` as real processes: it ends when told, leaves nobody behind, and survives any of its own deaths."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from django_q.signing import SignedPackage

from tests.program import Program, lives, wait_until
from tests.receiver import Answer, Receiver
from webhooks import queue
from webhooks.worker import keeper, pool
from webhooks.worker.board import Board, new

SEED = """
from leads.models import Account
from webhooks.models import Webhook
account = Account.objects.create(name="Harbour Homes")
Webhook.objects.create(
    account=account, name="CRM", dialect="leadpro", url={url!r}, events=["lead.created"], secret="s" * 40, timeout=30
)
"""
# The rows commit and nobody tells the queue: what a kill between COMMIT and the nudge leaves behind.
SAVE_UNTOLD = """
from leads.models import Account, Lead
from webhooks import queue
queue.nudge = lambda *args: None
for number in range({count}):
    Lead.objects.create(
        account=Account.objects.get(), type="mortgage_request", first_name="Ada", last_name="Byron",
        email="ada@example.com", phone="+44 20 7946 0018", address="1 High Street", postcode="SW1A 1AA",
    )
"""
SAVE = SAVE_UNTOLD.replace("queue.nudge = lambda *args: None", "")


@dataclass(frozen=True)
class Tree:
    """The processes of one worker, told apart by who started whom, and in which order."""

    keeper: psutil.Process
    clock: psutil.Process
    sentinel: psutil.Process
    workers: list[psutil.Process]
    monitor: psutil.Process
    pusher: psutil.Process

    @property
    def everybody(self) -> list[psutil.Process]:
        return [self.keeper, self.clock, self.sentinel, *self.workers, self.monitor, self.pusher]


class Fixture:
    """A program whose worker sends to the receiver."""

    def __init__(self, program: Program, receiver: Receiver) -> None:
        self.program = program
        self.receiver = receiver
        self.everybody: set[psutil.Process] = set()
        program.shell(SEED.format(url=receiver.url))

    def start(self, command: str = "worker") -> None:
        self.program.start_worker(command)
        if command == "worker":
            self.wait_for_beat()

    def wait_for_beat(self, seconds: float = 30) -> None:
        """The clock writes it once the pool has begun a task."""
        since = datetime.now(UTC).replace(tzinfo=None)

        def beaten() -> bool:
            (row,) = self.ask("SELECT max(seen_at) FROM webhooks_heartbeat") or [(None,)]
            return row[0] is not None and _moment(row[0]) > since

        wait_until(beaten, seconds, "a beat")

    def tree(self) -> Tree:
        """As it is now; retried while it is being rebuilt."""
        limit = time.monotonic() + 30
        while True:
            try:
                assert self.program.worker is not None
                parent = psutil.Process(self.program.worker.pid)
                children = {child: _children(child) for child in parent.children() if lives(child)}
                (clock,) = [child for child, own in children.items() if not own]
                ((sentinel, pool),) = [(child, own) for child, own in children.items() if own]
                *workers, monitor, pusher = pool
                assert len(workers) == 2
            except (ValueError, AssertionError, psutil.NoSuchProcess):
                assert time.monotonic() < limit, "the worker never got all its processes"
                time.sleep(0.1)
                continue
            tree = Tree(parent, clock, sentinel, workers, monitor, pusher)
            self.everybody.update(tree.everybody)
            return tree

    def save(self, count: int = 1, told: bool = True) -> None:
        self.program.shell((SAVE if told else SAVE_UNTOLD).format(count=count))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.program.ask(sql)

    def statuses(self) -> list[str]:
        return [row[0] for row in self.ask("SELECT status FROM webhooks_delivery ORDER BY id")]

    def end(self, send: Callable[[], None]) -> float:
        """Seconds until all have ended, exit code 0 and nobody left."""
        self.tree()
        begun = time.monotonic()
        send()
        assert self.program.worker is not None
        assert self.program.worker.wait(timeout=30) == 0, self.program.output()
        took = time.monotonic() - begun
        self.nobody_left()
        return took

    def group(self, number: int) -> None:
        assert self.program.worker is not None
        os.killpg(self.program.worker.pid, number)

    def nobody_left(self, seconds: float = 0.0) -> None:
        everybody = self.everybody | self.program.family()
        wait_until(lambda: not any(map(lives, everybody)), seconds, f"no process is left: {everybody}")


def _children(process: psutil.Process) -> list[psutil.Process]:
    return sorted(filter(lives, process.children()), key=lambda child: (child.create_time(), child.pid))


@pytest.fixture
def worker(new_program: Callable[..., Program], receiver: Receiver) -> Iterator[Fixture]:
    fixture = Fixture(new_program(Q_WORKERS="2"), receiver)
    yield fixture
    for process in filter(lives, fixture.everybody):
        process.kill()


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_signal_to_the_whole_group(self, worker: Fixture, number: signal.Signals) -> None:
        for _ in range(3):
            worker.start()
            assert worker.end(lambda: worker.group(number)) < 5
        assert "Traceback" not in worker.program.output()

    def test_signal_to_every_single_process(self, worker: Fixture) -> None:
        """systemd's default: each process of the unit is signalled, whatever its session."""
        for _ in range(3):
            worker.start()
            everybody = worker.tree().everybody
            assert worker.end(lambda: [process.terminate() for process in everybody]) < 5  # noqa: B023

    def test_signal_at_any_moment_of_the_start(self, worker: Fixture) -> None:
        for pause in (0.7, 0.9, 1.1, 1.3, 1.5, 1.7):
            worker.program.start_worker()
            time.sleep(pause)
            worker.group(signal.SIGTERM)
            assert worker.program.worker is not None
            worker.program.worker.wait(timeout=10)
            worker.nobody_left(1)

    def test_says_that_it_is_gone(self, worker: Fixture) -> None:
        worker.start()
        worker.end(lambda: worker.group(signal.SIGINT))
        assert worker.program.shell("from webhooks import queue; print(queue.worker_missing())").strip() == "True"

    @pytest.mark.parametrize(("number", "least", "most"), [(signal.SIGINT, 7.5, 10.0), (signal.SIGTERM, 16.5, 20.0)])
    def test_open_try_has_its_grace_and_goes_out_again(
        self, worker: Fixture, number: signal.Signals, least: float, most: float
    ) -> None:
        worker.receiver.answer(Answer(silent=True))
        worker.start()
        worker.save()
        (first,) = worker.receiver.wait_for(1)
        took = worker.end(lambda: worker.group(number))
        assert least <= took <= most
        assert worker.ask("SELECT status, tries FROM webhooks_delivery") == [("queued", 0)]
        assert worker.ask("SELECT outcome, number FROM webhooks_attempt") == [("interrupted", 0)]
        worker.start()
        again = worker.receiver.wait_for(2)[1]
        assert (again.header("webhook-id"), again.body) == (first.header("webhook-id"), first.body)

    def test_second_signal_ends_the_grace(self, worker: Fixture) -> None:
        worker.receiver.always(Answer(silent=True))
        worker.start()
        worker.save()
        worker.receiver.wait_for(1)

        def twice() -> None:
            worker.group(signal.SIGINT)
            time.sleep(1)
            worker.group(signal.SIGINT)

        assert worker.end(twice) < 5
        assert worker.statuses() == ["queued"]

    def test_answer_within_the_grace_counts(self, worker: Fixture) -> None:
        worker.receiver.always(Answer(after=3))
        worker.start()
        worker.save()
        worker.receiver.wait_for(1)
        assert worker.end(lambda: worker.group(signal.SIGINT)) < 7
        assert worker.statuses() == ["success"] and len(worker.receiver.received) == 1

    def test_killed_parent_leaves_nobody(self, worker: Fixture) -> None:
        for _ in range(3):
            worker.start()
            tree = worker.tree()
            tree.keeper.kill()
            assert worker.program.worker is not None
            worker.program.worker.wait(timeout=5)
            worker.nobody_left(2)


class TestClock:
    def test_finds_what_no_nudge_told_of(self, worker: Fixture) -> None:
        worker.start()
        worker.save(told=False)
        worker.receiver.wait_for(1, seconds=4)
        assert worker.ask("SELECT count(*) FROM django_q_ormq") == [(0,)]

    def test_sends_the_retry(self, worker: Fixture) -> None:
        worker.receiver.answer(Answer(status=500))
        worker.start()
        worker.save()
        worker.receiver.wait_for(2)
        wait_until(lambda: worker.statuses() == ["success"], 5, "the second try succeeds")

    def test_asking_does_not_pile_up(self, worker: Fixture) -> None:
        """Due for a long time, with nobody to take it: the queue holds no more than what was nudged."""
        worker.start()
        for process in worker.tree().workers:
            process.suspend()
        worker.save(told=False)
        time.sleep(5)
        assert worker.ask("SELECT count(*) FROM django_q_ormq") == [(0,)]


@pytest.mark.faults
class TestDeaths:
    def test_idle_workers(self, worker: Fixture) -> None:
        """One of them holds the queue's lock, and takes it along."""
        worker.start()
        for _ in range(2):
            tree = worker.tree()
            for process in tree.workers:
                process.kill()
            killed = time.monotonic()
            count = len(worker.receiver.received)
            worker.save()
            worker.receiver.wait_for(count + 1, seconds=40)
            print(f"recovered after {time.monotonic() - killed:.1f} s")

    def test_found_before_anything_is_due(self, worker: Fixture) -> None:
        worker.start()
        tree = worker.tree()
        for process in tree.workers:
            process.kill()
        wait_until(lambda: not lives(tree.sentinel), 40, "the pool is rebuilt")
        worker.tree()
        worker.save()
        worker.receiver.wait_for(1, seconds=10)

    def test_hung_workers(self, worker: Fixture) -> None:
        worker.start()
        for process in worker.tree().workers:
            process.suspend()
        worker.save()
        worker.receiver.wait_for(1, seconds=40)

    def test_monitor(self, worker: Fixture) -> None:
        """It holds the lock of the results while it waits: its successor never gets one, and tasks would run twice."""
        worker.start()
        tree = worker.tree()
        tree.monitor.kill()
        wait_until(lambda: not lives(tree.sentinel), 75, "the pool is rebuilt")
        worker.save()
        worker.receiver.wait_for(1, seconds=10)

    @pytest.mark.parametrize("victim", ["sentinel", "pusher", "clock"])
    def test_others(self, worker: Fixture, victim: str) -> None:
        worker.start()
        for _ in range(3):
            getattr(worker.tree(), victim).kill()
            count = len(worker.receiver.received)
            worker.save(told=False)
            worker.receiver.wait_for(count + 1, seconds=40)
            worker.tree()

    def test_hung_sentinel(self, worker: Fixture) -> None:
        worker.start()
        tree = worker.tree()
        tree.sentinel.suspend()
        wait_until(lambda: not lives(tree.sentinel), 75, "the pool is rebuilt")
        worker.save()
        worker.receiver.wait_for(1, seconds=20)

    def test_hung_clock(self, worker: Fixture) -> None:
        worker.start()
        tree = worker.tree()
        tree.clock.suspend()
        wait_until(lambda: not lives(tree.clock), 75, "the clock is started again")
        assert worker.tree().sentinel == tree.sentinel
        worker.save(told=False)
        worker.receiver.wait_for(1, seconds=10)

    def test_busy_pool_is_left_alone(self, worker: Fixture) -> None:
        """Slow receivers and a delivery that is due for long: busy is not stuck."""
        worker.receiver.always(Answer(after=20))
        worker.start()
        tree = worker.tree()
        worker.save(count=4)
        limit = time.monotonic() + 60
        while time.monotonic() < limit and set(worker.statuses()) != {"success"}:
            assert worker.tree().sentinel == tree.sentinel
            time.sleep(0.5)
        assert len(worker.receiver.received) == 4
        assert "killed" not in worker.program.output()

    def test_end_of_a_stuck_pool(self, worker: Fixture) -> None:
        worker.start()
        time.sleep(2)  # the beat tells that a task has begun, and one that is stuck in it would be given its grace
        for process in worker.tree().workers:
            process.suspend()
        assert worker.end(lambda: worker.group(signal.SIGINT)) < 6


@pytest.mark.faults
class TestPatience:
    """A deliver task that keeps watch for what comes next."""

    @pytest.fixture
    def worker(self, new_program: Callable[..., Program], receiver: Receiver) -> Fixture:
        return Fixture(new_program(Q_WORKERS="1"), receiver)

    def test_other_tasks_need_not_wait_for_it(self, worker: Fixture) -> None:
        """It has the only process of the pool, and nothing to do."""
        worker.start()
        worker.save()
        wait_until(lambda: worker.statuses() == ["success"], 30, "the delivery")
        worker.program.shell("from django_q.tasks import async_task; async_task('math.sqrt', 4, save=True)")
        ended = "SELECT started, stopped FROM django_q_task WHERE func = 'math.sqrt'"
        wait_until(lambda: bool(worker.ask(ended)), 30, "the other task")
        ((started, stopped),) = worker.ask(ended)
        assert (_moment(stopped) - _moment(started)).total_seconds() < 8, "its patience is ten seconds"

    def test_it_sends_what_is_saved_meanwhile(self, worker: Fixture) -> None:
        worker.start()
        for number in range(1, 4):
            worker.save()
            wait_until(lambda: worker.statuses() == ["success"] * number, 30, "the delivery")  # noqa: B023


def _moment(stored: object) -> datetime:
    """SQLite has text there, PostgreSQL a datetime."""
    return datetime.fromisoformat(str(stored)).replace(tzinfo=None)


def test_plain_qcluster_sends_the_retry(worker: Fixture) -> None:
    """No clock there: the sweep, every minute, finds it."""
    worker.receiver.answer(Answer(status=500))
    worker.start("qcluster")
    worker.save()
    worker.receiver.wait_for(1, seconds=15)
    worker.receiver.wait_for(2, seconds=100)
    wait_until(lambda: worker.statuses() == ["success"], 5, "the second try succeeds")
    assert worker.program.shell("from webhooks import queue; print(queue.worker_missing())").strip() == "False"


class TestTap:
    """Where the pool's tasks come from."""

    class Broker:
        list_key = "tested"

        def __init__(self, *answers: Any) -> None:
            self.answers = list(answers)
            self.acknowledged: list[Any] = []

        def acknowledge(self, receipt: Any) -> None:
            self.acknowledged.append(receipt)

        def dequeue(self) -> Any:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    def tap(self, board: Board, *answers: Any) -> pool._Tap:
        return pool._Tap(self.Broker(*answers), board)

    @pytest.mark.django_db
    def test_what_the_clock_wants_needs_no_broker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool, "BROKER_PAUSE", 0)
        board = new()
        tap = self.tap(board, *[ConnectionError("down")] * 3)
        for _ in range(3):
            board.ask(1.0)
            ((receipt, package),) = tap.dequeue() or [(1, "")]
            assert receipt is None, "nobody acknowledges it to the broker"
            assert SignedPackage.loads(package)["func"] == "webhooks.tasks.deliver"
            assert not tap.dequeue()

    def test_nudges_do_not_pile_up_behind_one_that_nobody_has_begun(self) -> None:
        nudge = pool._deliver_task()
        job = SignedPackage.dumps({"func": queue.RUN_JOB})
        tap = self.tap(new(), *[[(number, nudge)] for number in range(4)], [(4, job)], [(5, nudge)], [(6, nudge)])
        unbegun = 0
        tap.unbegun = lambda: unbegun
        taken = []
        for _ in range(7):
            tasks = tap.dequeue() or []
            taken += [receipt for receipt, _ in tasks]
            unbegun += len(tasks)
            if taken == [0] and 2 in tap._broker.acknowledged:
                unbegun = 0
        assert taken == [0, 3, 4, 5], "and a nudge behind a job is handed on"
        assert tap._broker.acknowledged == [1, 2, 6], "those that are dropped do not come again"

    def test_nudges_are_dropped_while_somebody_looks_anyway(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nudge = pool._deliver_task()
        job = SignedPackage.dumps({"func": queue.RUN_JOB})
        board = new()
        tap = self.tap(board, *[[(number, nudge)] for number in range(3)], [(3, job)], [(4, nudge)])
        assert tap.dequeue() == [(0, nudge)]
        board.watch()
        assert not board.wait(0)
        assert tap.dequeue() == []
        assert board.wait(0) and not board.wait(0), "who keeps watch is woken, once"
        board.ask(1.0)
        assert tap.dequeue() == [] and board.wait(0), "by what the clock wants as well"
        assert tap.dequeue() == []
        assert not board.others_wait()
        assert tap.dequeue() == [(3, job)] and board.others_wait(), "other tasks are handed on, and waited for"
        assert tap._broker.acknowledged == [1, 2]
        board.begin()
        assert not board.others_wait()
        assert board.leave_watch()
        assert tap.dequeue() == [(4, nudge)]

    def test_takes_turns_with_the_broker(self) -> None:
        board = new()
        tap = self.tap(board, [(1, "a")], [(2, "b")])
        taken = []
        for _ in range(4):
            board.ask(1.0)
            taken += tap.dequeue() or []
        assert [receipt for receipt, _ in taken] == [None, 1, None, 2]

    def test_is_the_broker_otherwise(self) -> None:
        assert self.tap(new()).list_key == "tested"


class TestWatch:
    """Which deliver task waits for what comes."""

    def test_one_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        board = new()
        board.watch()
        assert board.watched() and not board.watched_by_another()
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("os.getpid", lambda: -1)
            assert board.watched_by_another()
            board.watch()
            assert not board.leave_watch()
        assert board.watched() and not board.watched_by_another()
        assert board.leave_watch()
        assert not board.watched() and not board.leave_watch()

    def test_only_who_keeps_it_is_woken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        board = new()
        board.wake()
        assert not board.wait(0), "nobody keeps watch"
        board.watch()
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("os.getpid", lambda: -1)
            assert not board.wait(0)
        assert board.wait(0)
        for _ in range(100_000):
            board.wake()  # a pipe that is full holds nobody up
        assert board.wait(0)

    def test_ends_with_whoever_does_not_look_again(self) -> None:
        board = new()
        board.watch()
        wait_until(lambda: not board.watched(), 5, "nobody watches for ever")

    def test_one_at_a_time_sends_what_imports_tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        board = new()
        assert board.take_bulk() and board.take_bulk()
        monkeypatch.setattr("os.getpid", lambda: -1)
        assert not board.take_bulk()
        wait_until(board.take_bulk, 5, "nobody does for ever")

    def test_a_new_pool_has_none(self) -> None:
        board = new()
        board.watch()
        board.forget_pool()
        assert not board.watched()


class TestFault:
    """The watchdog's judgement, without processes."""

    LONGEST = 65.0

    @pytest.fixture
    def board(self) -> Board:
        board = new()
        board.forget_pool()
        return board

    def test_new_pool(self, board: Board) -> None:
        assert keeper.fault(board, board.guarded, self.LONGEST) is None

    def test_unanswered(self, board: Board) -> None:
        now = board.guarded
        board.ask(now)
        assert keeper.fault(board, now + keeper.UNANSWERED - 1, self.LONGEST) is None
        board.ask(now + keeper.UNANSWERED - 1)
        board.guarded += keeper.UNANSWERED
        assert "began none" in (keeper.fault(board, now + keeper.UNANSWERED + 1, self.LONGEST) or "")

    def test_answered(self, board: Board) -> None:
        board.ask(time.monotonic())
        board.begin()
        board.end(settled=False)
        board.acknowledge()
        assert keeper.fault(board, time.monotonic() + keeper.UNANSWERED + 1, self.LONGEST) is None

    def test_running_task_is_waited_for(self, board: Board) -> None:
        board.begin()
        now = time.monotonic()
        board.ask(now)
        board.overdue = 500.0
        for later in (20.0, 40.0, 60.0):
            board.guarded = now + later
            assert keeper.fault(board, now + later, self.LONGEST) is None
        board.guarded = now + 70
        assert keeper.fault(board, now + 70, self.LONGEST) is not None

    def test_end_of_the_running_task_leaves_time_for_the_next(self, board: Board) -> None:
        now = time.monotonic()
        board.begin()
        board.ask(now + 1)
        board.end(settled=True)
        board.acknowledge()
        board.ended = board.acknowledged = board.guarded = now + 36
        assert keeper.fault(board, now + 37, self.LONGEST) is None
        assert keeper.fault(board, now + 37 + keeper.UNANSWERED, self.LONGEST) is not None

    def test_task_of_a_dead_process_is_none(self, board: Board) -> None:
        board.begin()
        now = time.monotonic()
        assert board.running(now, self.LONGEST)
        board._pids[os.getpid() % len(board._pids)] = 2**22 + 1
        assert not board.running(now, self.LONGEST)

    def test_results_that_nobody_takes(self, board: Board) -> None:
        board.begin()
        board.end(settled=True)
        now = time.monotonic()
        board.guarded = now + keeper.UNTAKEN
        assert keeper.fault(board, now + keeper.UNTAKEN - 1, self.LONGEST) is None
        assert "results" in (keeper.fault(board, now + keeper.UNTAKEN + 1, self.LONGEST) or "")
        board.acknowledge()
        assert keeper.fault(board, now + keeper.UNTAKEN + 1, self.LONGEST) is None

    def test_guard(self, board: Board) -> None:
        assert "guard" in (keeper.fault(board, board.guarded + keeper.SILENT + 1, self.LONGEST) or "")

    def test_late_while_tasks_come_to_nothing(self, board: Board) -> None:
        now = board.settled
        board.overdue = keeper.FRUITLESS + 1
        late = now + keeper.FRUITLESS + 1
        board.guarded = board.started = late
        assert "waited" in (keeper.fault(board, late, self.LONGEST) or "")
        assert keeper.fault(board, late, self.LONGEST, fruitless=2 * keeper.FRUITLESS) is None
        board.settled = late - 5
        assert keeper.fault(board, late, self.LONGEST) is None, "busy with more than it can send"

    def test_nobody_is_judged_by_the_time_in_which_all_were_stopped(self) -> None:
        """As when a virtual machine is: what was sent before is still to be written down."""

        class Child:
            alive = True
            killed = 0

            def kill(self) -> None:
                self.killed += 1

        judge, child = keeper.Keeper(), Child()
        judge._pool = child  # type: ignore[assignment]
        judge._board.guarded = time.monotonic() - keeper.SILENT - 1
        judge._latest_round -= keeper.SILENT
        judge._watch()
        assert not child.killed
        judge._judges_from -= keeper.AFTER_STOP
        judge._watch()
        assert child.killed, "but who is silent afterwards as well is no better than before"
