"""The process that was started: takes the signals, keeps the clock and the pool, and rebuilds what does not work.

It touches neither the database nor the queue: whatever hangs there cannot hang it.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from django.db import connections

from webhooks import queue
from webhooks.worker import board as boards
from webhooks.worker import clock, kin, pool
from webhooks.worker.board import Board

log = logging.getLogger(__name__)

# How long tries that are open when the signal comes may go on.
GRACE = {signal.SIGINT: 8.0, signal.SIGTERM: 17.0, signal.SIGHUP: 17.0}
# After that they store what came of them and the processes end; what has not ended by then is killed.
AFTER_GRACE = 1.7
# A pool that is stopped while it runs nothing needs no grace.
IDLE_END = 3.0

# The watchdog's bounds, in seconds. A healthy pool begins a task within milliseconds of being asked.
UNANSWERED = 12.0
# The monitor may have to wait for SQLite's lock, for 20 s at most.
UNTAKEN = 30.0
# The guard and the clock may wait 20 s for SQLite's lock, once or twice in a round.
SILENT = 45.0
# The oldest due delivery has waited so long, and nothing was settled meanwhile: each further time only after twice as
# long, as there are honest reasons (a webhook that is paced, an endpoint that is being probed).
FRUITLESS = 120.0
# A process that ends by itself so soon is started again with a growing pause.
HEALTHY_AGE = 30.0
LONGEST_PAUSE = 15.0

ROUND = 0.5
# A round that comes so late: the machine was stopped, and with it all who are to be judged. They may have results of
# before, and get so long to tell them.
STOPPED = 5.0
AFTER_STOP = 30.0


def fault(board: Board, now: float, longest_task: float, fruitless: float = FRUITLESS) -> str | None:
    """Why the pool has to be rebuilt, None while it works or cannot be judged.

    Lateness alone is no fault: a pool may be busy with slow receivers, or with more than it can send. It is one when
    the pool does nothing about it. Being asked and beginning no task is such a sign, unless it still runs some; so is a
    late delivery when tasks do run but none of them gets anything done.
    """
    if now - board.guarded > SILENT:
        return "its guard has not gone round"
    if board.ended > board.acknowledged and now - board.owed > UNTAKEN:
        return "nobody takes the results of its tasks"
    if board.running(now, longest_task):
        return None
    if board.asked > board.started and now - max(board.asked, board.ended) > UNANSWERED:
        return "it was asked for a task and began none"
    if board.overdue > fruitless and now - board.settled > fruitless:
        return f"the oldest due delivery has waited {board.overdue:.0f} s and nothing was settled meanwhile"
    return None


class Keeper:
    def __init__(self) -> None:
        self._board = boards.new()
        self._fork = multiprocessing.get_context("fork")
        self._longest_task = pool.longest_task()
        self._pool = _Child("pool", self._start_pool)
        self._clock = _Child("clock", lambda: self._start(clock.run, self._longest_task))
        self._fruitless = FRUITLESS
        self._latest_round = time.monotonic()
        self._judges_from = 0.0
        self._signals: list[signal.Signals] = []

    def run(self) -> None:
        """Work until a signal comes, then end within its grace. The second signal ends the grace."""
        self._listen()
        kin.adopt()
        queue.obey(self._board.stopping, self._board)
        # What is loaded by now is shared by all the processes for as long as nobody writes to it.
        gc.freeze()
        log.info("worker %d started", os.getpid())
        while not self._signals:
            self._clock.keep()
            self._pool.keep()
            self._rest()
            self._watch()
        self._end()
        log.info("worker %d ended", os.getpid())

    def _listen(self) -> None:
        # The handlers only take a note: anything more would run in the middle of whatever this process was doing.
        for number in GRACE:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, lambda number, _: self._signals.append(signal.Signals(number)))
        self._wake, write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def _start_pool(self) -> BaseProcess:
        self._board.forget_pool()
        return self._start(pool.run)

    def _start(self, target: Callable[..., None], *args: float) -> BaseProcess:
        connections.close_all()
        process = self._fork.Process(target=target, args=(self._board, os.getpid(), *args))
        process.start()
        return process

    def _rest(self) -> None:
        """Until a signal or the death of a child, for one round at most."""
        wait([self._wake, *(child.sentinel for child in (self._pool, self._clock) if child.alive)], timeout=ROUND)
        with suppress(BlockingIOError):
            os.read(self._wake, 1024)

    def _watch(self) -> None:
        now = time.monotonic()
        if now - self._latest_round > STOPPED:
            self._judges_from = now + AFTER_STOP
        self._latest_round = now
        if now < self._judges_from:
            return
        if self._clock.alive and now - max(self._board.ticked, self._clock.born) > SILENT:
            log.error("the clock stands still: it is started again")
            self._clock.kill()
        if not self._pool.alive:
            return
        reason = fault(self._board, now, self._longest_task, self._fruitless)
        if reason is None:
            if self._board.overdue < FRUITLESS:
                self._fruitless = FRUITLESS
            return
        log.error("the pool is killed and started again: %s", reason)
        if now - self._board.settled > self._fruitless:
            self._fruitless *= 2
        self._pool.kill()

    def _end(self) -> None:
        begun = time.monotonic()
        self._board.stop_at = begun + GRACE[self._signals.pop(0)]
        while self._pool.alive or self._clock.alive:
            self._rest()
            now = time.monotonic()
            if self._signals:
                self._signals.clear()
                self._board.stop_at = min(self._board.stop_at, now)
            idle = now - begun > IDLE_END and not self._board.running(now, self._longest_task)
            if idle or now > self._board.stop_at + AFTER_GRACE:
                if self._pool.alive and not idle:
                    log.warning("the pool did not end by itself and is killed")
                break
        self._pool.kill()
        self._clock.kill()


class _Child:
    """A process that is started again when it ends, the sooner it ended the later."""

    def __init__(self, name: str, start: Callable[[], BaseProcess]) -> None:
        self._name = name
        self._start = start
        self._process: BaseProcess | None = None
        self._pause = 0.0
        self.born = 0.0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def sentinel(self) -> int:
        assert self._process is not None
        return self._process.sentinel

    def keep(self) -> None:
        if self.alive:
            return
        now = time.monotonic()
        if self._process is not None:
            log.error("the %s ended with code %s and is started again", self._name, self._process.exitcode)
            self.kill()
            healthy = now - self.born > HEALTHY_AGE
            self._pause = 0.0 if healthy else min(max(1.0, 2 * self._pause), LONGEST_PAUSE)
        if now >= self.born + self._pause:
            self._process = self._start()
            self.born = now

    def kill(self) -> None:
        """Nothing of it is left afterwards, descendants included."""
        if self._process is not None:
            kin.kill_group(self._process)
            self._process = None
