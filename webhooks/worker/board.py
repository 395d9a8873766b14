"""Shared memory between the processes of one worker.

Made before the first fork. Each value is one aligned machine word, so that reading and writing need no lock. All
instants are time.monotonic(), which is one clock for the whole machine.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import time
from contextlib import suppress

SLOTS = 128
# Who sends what imports tell says so at each look: a run that has not for so long is over.
BULK = 0.5
# A deliver task that keeps watch says so again and again: one that has not for so long is busy, or dead.
WATCH = 0.1


class Board(ctypes.Structure):
    # By when open work must have ended; 0 while nobody asked to stop.
    stop_at: float
    # The clock's latest turn, and the guard's.
    ticked: float
    guarded: float
    # A deliver task is wanted of the pusher. A flag and not a queue: what is not taken does not pile up.
    wanted: bool
    # Since when the pool owes the start of a task; paid when `started` is later.
    asked: float
    # The latest start and end of a task, and the latest result that the monitor took.
    started: float
    ended: float
    acknowledged: float
    # Since when the monitor owes a look at a result.
    owed: float
    # The latest task that settled a try, and for how long the oldest due delivery waited at the latest tick.
    settled: float
    overdue: float
    # By when whoever keeps watch looks again for what is due, and its process.
    _watched: float
    _watcher: int
    # By when whoever sends what imports tell looks for more of it, and its process.
    _bulk: float
    _bulk_sender: int
    # A task of another kind was handed on, and nobody has begun one since.
    _others_wait: bool
    # The two ends of the pipe that wakes it, the same numbers in all processes of the worker.
    _ear: int
    _bell: int
    # The tasks being run: process, start.
    _pids: ctypes.Array[ctypes.c_int]
    _since: ctypes.Array[ctypes.c_double]

    _fields_ = [
        *((name, ctypes.c_double) for name in ("stop_at", "ticked", "guarded")),
        ("wanted", ctypes.c_bool),
        *(
            (name, ctypes.c_double)
            for name in ("asked", "started", "ended", "acknowledged", "owed", "settled", "overdue")
        ),
        *((name, ctypes.c_double) for name in ("_watched", "_bulk")),
        ("_others_wait", ctypes.c_bool),
        *((name, ctypes.c_int) for name in ("_watcher", "_bulk_sender", "_ear", "_bell")),
        ("_pids", ctypes.c_int * SLOTS),
        ("_since", ctypes.c_double * SLOTS),
    ]

    def stopping(self) -> float | None:
        """What webhooks.queue.stop_at() answers in this worker's processes."""
        return self.stop_at or None

    def forget_pool(self) -> None:
        """A new pool starts without the debts of the old one."""
        now = time.monotonic()
        self.wanted = False
        self.asked = self.started = self.ended = self.acknowledged = self.owed = 0.0
        self.guarded = self.settled = now
        self._watched = self._bulk = 0.0
        self._others_wait = False
        ctypes.memset(self._since, 0, ctypes.sizeof(self._since))

    def ask(self, now: float) -> None:
        if self.asked <= self.started:
            self.asked = now
        self.wanted = True

    def begin(self) -> None:
        """Called by a worker before each task."""
        # Two processes in one slot need process numbers 128 apart; the one would then look idle a little early.
        slot = os.getpid() % SLOTS
        now = time.monotonic()
        self._pids[slot], self._since[slot] = os.getpid(), now
        self._others_wait = False
        self.started = now

    def end(self, settled: bool) -> None:
        """Called by a worker after each task, whatever came of it."""
        self._since[os.getpid() % SLOTS] = 0.0
        now = time.monotonic()
        if self.ended <= self.acknowledged:
            self.owed = now
        self.ended = now
        if settled:
            self.settled = now

    def acknowledge(self) -> None:
        """Called by the monitor after each result."""
        self.acknowledged = time.monotonic()

    def watch(self) -> None:
        """Called by a deliver task that has taken all there is: it will look again for what comes."""
        if not self.watched_by_another():
            self._watcher = os.getpid()
            self._watched = time.monotonic() + WATCH

    def leave_watch(self) -> bool:
        """Called by it before its last look: what comes after that look is not its business any more. Was it ours?"""
        ours = self._watcher == os.getpid() and bool(self._watched)
        if ours:
            self._watched = 0.0
        return ours

    def wake(self) -> None:
        """Called by the pusher: whoever keeps watch is to look now."""
        with suppress(BlockingIOError):  # it has been told often enough
            os.write(self._bell, b"!")

    def hand_on(self) -> None:
        """Called by the pusher for any other task: it must not have to wait for whoever only keeps watch."""
        self._others_wait = True
        self.wake()

    def others_wait(self) -> bool:
        return self._others_wait

    def wait(self, seconds: float) -> bool:
        """Rest for so long, or until somebody wakes whoever keeps watch, if it is us. Was it so?"""
        if self.watched_by_another() or not self._watched:
            time.sleep(seconds)
            return False
        woken = bool(select.select([self._ear], [], [], seconds)[0])
        if woken:
            with suppress(BlockingIOError):
                os.read(self._ear, 1024)
        return woken

    def watched(self) -> bool:
        """Is somebody going to look again? When two begin at the same moment, one of them says so in vain."""
        return time.monotonic() < self._watched

    def watched_by_another(self) -> bool:
        return self.watched() and self._watcher != os.getpid()

    def take_bulk(self) -> bool:
        """Called by a deliver task that would send what an import tells: one at a time does. Is it us?"""
        now = time.monotonic()
        if now < self._bulk and self._bulk_sender != os.getpid():
            return False
        self._bulk, self._bulk_sender = now + BULK, os.getpid()
        return True

    def running(self, now: float, at_most: float) -> bool:
        """Does a living process run a task, and has it for less than so many seconds?"""
        return any(
            since and now - since < at_most and _alive(pid) for pid, since in zip(self._pids, self._since, strict=True)
        )


def new() -> Board:
    board = Board.from_buffer(mmap.mmap(-1, ctypes.sizeof(Board)))
    board._ear, board._bell = os.pipe()
    os.set_blocking(board._ear, False)
    os.set_blocking(board._bell, False)
    return board


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
