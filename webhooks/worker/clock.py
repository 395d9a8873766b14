"""Once a second: is anything due? Then a task is wanted. So leave retries, and whatever no nudge told of, and so run
jobs that are due by the second."""

from __future__ import annotations

import logging
import time

from django.db import connections
from django.utils.module_loading import import_string

from leads import jobs
from webhooks import queue
from webhooks.outbound import turns
from webhooks.worker import kin
from webhooks.worker.board import Board

log = logging.getLogger(__name__)

TICK = 1.0
# An idle pool is asked for a task, too: to know that it answers before it is needed.
PROBE_EVERY = 10.0
BEAT_EVERY = 5.0
# Missed by so much, the worker counts as gone: a beat may wait 20 s for SQLite's lock.
BEAT_MISSED = 30.0
# A pool that answered within so long works, or is being rebuilt.
ANSWERED = 30.0
TIDY_EVERY = 60.0
# While the database is down, one line in so many seconds.
COMPLAIN_EVERY = 30.0
# Granularity of the sleep: how soon a stop is seen.
NAP = 0.25


def run(board: Board, keeper: int, longest_task: float) -> None:
    """The clock's process, from its fork to its end. `longest_task`: seconds."""
    kin.leave_session()
    kin.die_with(keeper)
    clock = Clock(board, longest_task)
    while not board.stop_at:
        now = time.monotonic()
        clock.tick(now)
        while not board.stop_at and time.monotonic() < now + TICK:
            time.sleep(NAP)
    clock.stop()


class Clock:
    def __init__(self, board: Board, longest_task: float) -> None:
        self._board = board
        self._longest_task = longest_task
        self._next_beat = self._next_tidy = self._next_complaint = 0.0

    def tick(self, now: float) -> None:
        """One turn; `now` is time.monotonic(). Never raises: no error of the database may stop the clock."""
        board = self._board
        board.ticked = now
        if now - board.started > PROBE_EVERY:
            board.ask(now)
        try:
            waited = turns.overdue()
            board.overdue = waited or 0.0
            if waited is not None:
                board.ask(now)
            for job in jobs.declared():
                for ids in import_string(job.waiting)() if job.by_the_second else ():
                    queue.enqueue(job.name, *ids)
            if now >= self._next_beat and self._pool_works(now):
                queue.beat(BEAT_MISSED)
                self._next_beat = now + BEAT_EVERY
            if now >= self._next_tidy:
                # Here as well as in the sweep: a broken schedule keeps the sweep from being scheduled.
                queue.tidy()
                self._next_tidy = now + TIDY_EVERY
        except Exception:
            board.overdue = 0.0
            if now >= self._next_complaint:
                log.exception("the clock found no database")
                self._next_complaint = now + COMPLAIN_EVERY
            connections.close_all()

    def stop(self) -> None:
        """Say at once that this worker is gone; if there is another one, it beats within seconds."""
        try:
            queue.beat(0)
        except Exception:
            log.warning("the last beat was not written", exc_info=True)

    def _pool_works(self, now: float) -> bool:
        # The row tells staff that deliveries are being sent, which a clock alone does not do.
        return now - self._board.started < ANSWERED or self._board.running(now, self._longest_task)
