"""django-q2's cluster, in a session of its own. The only module beside webhooks.queue that knows django-q2.

It relies on internals of django-q2 1.11.1 (the version is pinned): Sentinel, its `reincarnate` and `stop_event`, the
pusher's use of broker.dequeue(), and the moments at which the signals of django_q.signals are sent. What that buys is
proven by tests/webhooks/test_worker.py.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.core.signing import BadSignature
from django.db import close_old_connections, connections
from django.utils import timezone
from django_q import humanhash
from django_q.brokers import Broker, get_broker
from django_q.brokers.orm import ORM
from django_q.cluster import Sentinel
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signals import post_execute, post_execute_in_worker, post_spawn, pre_execute
from django_q.signing import SignedPackage

from webhooks import queue
from webhooks.outbound import deliver
from webhooks.worker import kin
from webhooks.worker.board import Board

log = logging.getLogger(__name__)

# A worker that overstayed its time gets so long to flush what it has in hand.
LAST_WORDS = 1.0
# A broker that fails is asked again after so long.
BROKER_PAUSE = 1.0


def longest_task() -> float:
    """After so many seconds django-q2 has ended a task, one way or the other."""
    return float(Conf.TIMEOUT) + 5


def run(board: Board, keeper: int) -> None:
    """The sentinel's process, from its fork to its end."""
    kin.leave_session()
    kin.die_with(keeper)
    kin.die_with_me()
    # weak=False: these functions have no other owner.
    pre_execute.connect(lambda **_: board.begin(), weak=False)
    post_execute_in_worker.connect(lambda task, **_: board.end(settled=_settled(task)), weak=False)
    post_execute.connect(lambda **_: board.acknowledge(), weak=False)
    post_spawn.connect(lambda **_: _warm_up(), weak=False)
    # Once for all of the pool: it reads every certificate that is trusted.
    deliver.door()
    tap = _Tap(get_broker(), board)
    sentinel = _Sentinel(_Stop(board), threading.Event(), uuid.uuid4(), broker=tap, start=False)
    tap.unbegun = sentinel.task_queue.qsize
    kin.ignore_signals()  # its constructor took two of them back
    sentinel.start()


def _settled(task: dict[str, Any]) -> bool:
    return task["success"] and task["func"] in (queue.DELIVER, queue.SWEEP) and bool(task["result"])


def _warm_up() -> None:
    """In each worker process at its start."""
    try:
        deliver.warm_up()
    except Exception:  # it would end the process, and the next one
        log.exception("the first delivery will take a moment longer")


class _Stop:
    """The sentinel's stop event. Not one of multiprocessing: whoever sets such a one may find its lock held by a dead
    process, and wait for ever."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def is_set(self) -> bool:
        return bool(self._board.stop_at)

    def wait(self, timeout: float) -> bool:
        # Called once in each round of the guard: the sign that it goes round.
        self._board.guarded = time.monotonic()
        if not self.is_set():
            time.sleep(timeout)
        return self.is_set()


class _Tap:
    """The broker, with a tap: a deliver task that the clock wants goes to the workers from here.

    It takes the same way as any other (pusher, queue, worker, monitor) but needs no broker: retries leave while Redis
    is down, SQLite sees no write for it, and it cannot pile up.

    Nor can nudges: under load ten come in a second and a deliver task lasts twenty. One is dropped when a deliver task
    will see what it tells of: the one that was handed on last and that nobody has begun, or one that keeps watch, which
    is then woken. More of them would look for the same deliveries, and take each other's time.
    """

    def __init__(self, broker: Broker, board: Board) -> None:
        self._broker = broker
        self._board = board
        self._tapped = False
        self._failing = False
        self._delivers_last = False
        # How many tasks that were handed on no worker has begun.
        self.unbegun: Callable[[], int] = lambda: 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def dequeue(self) -> list[tuple[Any, str]] | None:
        # By turns, so that neither source starves the other.
        if self._board.wanted and not self._tapped:
            self._tapped, self._board.wanted = True, False
            return self._needed([(None, _deliver_task())])
        self._tapped = False
        try:
            if isinstance(self._broker, ORM) and not _any_queued(self._broker):
                time.sleep(Conf.POLL)
                return None
            tasks = self._needed(self._broker.dequeue() or [])
        except Exception:
            # Let through, it would end the pusher and stop the pool for ten seconds each time.
            if not self._failing:
                log.exception("the broker of the queue does not answer")
            self._failing = True
            close_old_connections()
            time.sleep(BROKER_PAUSE)
            return None
        if self._failing:
            log.warning("the broker of the queue answers again")
        self._failing = False
        return tasks

    def _needed(self, tasks: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
        needed = []
        for receipt, package in tasks:
            delivers = _delivers(package)
            watched = delivers and self._board.watched()
            if watched:
                self._board.wake()
            elif not delivers:
                self._board.hand_on()
            if not (watched or (delivers and self._delivers_last and self.unbegun())):
                self._delivers_last = delivers
                needed.append((receipt, package))
            elif receipt is not None:
                self._broker.acknowledge(receipt)
        return needed


def _delivers(package: str) -> bool:
    try:
        return bool(SignedPackage.loads(package)["func"] == queue.DELIVER)
    except (TypeError, BadSignature):
        return False  # the pusher says what is wrong with it


def _any_queued(broker: ORM) -> bool:
    """What the broker would ask, by a statement of our own: building its query anew for each poll, twenty times a
    second, is most of what an idle worker costs."""
    connection = connections[Conf.ORM]
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {quote(OrmQ._meta.db_table)} WHERE {quote('key')} = %s AND {quote('lock')} < %s LIMIT 1",
            [broker.list_key, connection.ops.adapt_datetimefield_value(timezone.now())],
        )
        return cursor.fetchone() is not None


def _deliver_task() -> str:
    """A package as django_q.tasks.async_task makes it."""
    return SignedPackage.dumps(
        {
            "id": humanhash.uuid()[1],
            "name": "clock",
            "func": queue.DELIVER,
            "args": (),
            "kwargs": {},
            "save": False,
            "started": timezone.now(),
        }
    )


class _Sentinel(Sentinel):
    def reincarnate(self, process: Any) -> None:
        overstayed = process in self.pool and process.timer.value == 0
        super().reincarnate(process)
        if overstayed:
            # The workers ignore SIGTERM, by which alone the above would end it.
            process.join(LAST_WORDS)
            if process.is_alive():
                process.kill()
