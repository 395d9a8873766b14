"""Shared memory between the processes of one worker.

Made before the first fork. Each value is one aligned machine word, so that reading and writing need no lock. All
instants are time.monotonic(), which is one clock for the whole machine.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time

SLOTS = 128
# A deliver task that keeps watch says so at every look: one that has not for so long is busy, or dead.
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
        ("_watched", ctypes.c_double),
        ("_watcher", ctypes.c_int),
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
        self._watched = 0.0
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

    def watched(self) -> bool:
        """Is somebody going to look again? When two begin at the same moment, one of them says so in vain."""
        return time.monotonic() < self._watched

    def watched_by_another(self) -> bool:
        return self.watched() and self._watcher != os.getpid()

    def running(self, now: float, at_most: float) -> bool:
        """Does a living process run a task, and has it for less than so many seconds?"""
        return any(
            since and now - since < at_most and _alive(pid) for pid, since in zip(self._pids, self._since, strict=True)
        )


def new() -> Board:
    return Board.from_buffer(mmap.mmap(-1, ctypes.sizeof(Board)))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
