"""Threads that send: as many as are stuck waiting for receivers, and none of them all stuck at one.

More threads make fast receivers slower, as they share one interpreter; slow receivers need many. So every few
milliseconds the sends that have been out for more than a moment are counted, and the threads follow. Whose parcel is
next is decided when a thread is free: live ones first, webhook by webhook, each within its window.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from webhooks.models import Lane
from webhooks.outbound.parcel import Parcel, Result
from webhooks.outbound.windows import SLOW, Window, Windows
from webhooks.wire.exchange import Failure, Request, Response
from webhooks.wire.policy import is_strained

STUCK_AFTER = 0.005
# Threads for receivers that answer, and for those that do not, or not soon: the latter cannot starve the former.
MOST = 32
MOST_DOUBTFUL = 64
# A lease must outlast the try by this much when its bytes leave.
MARGIN = 2.0
# Results that are worth a transaction.
PILE = 50

Send = Callable[[Request, float], Response | Failure]


@dataclass(slots=True, eq=False)
class _Line:
    """The parcels of one webhook in one lane that no thread has taken yet."""

    window: Window
    parcels: deque[Parcel] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class _Try:
    """A request that is out since `started` (time.monotonic())."""

    webhook_id: int
    window: Window
    started: float
    doubtful: bool


class Senders:
    """Takes parcels, hands back results. All methods are for the one thread that conducts."""

    def __init__(self, send: Send, windows: Windows, ends_by: float = math.inf) -> None:
        """ends_by: no try begins that might end later (time.monotonic())."""
        self._send = send
        self._windows = windows
        self._ends_by = ends_by
        # Guards all that follows, but for _done, which bears several hands by itself.
        self._lock = threading.Lock()
        self._work_to_do = threading.Condition(self._lock)
        self._lines: dict[tuple[int, int], _Line] = {}
        self._turns: tuple[deque[_Line], ...] = tuple(deque() for _ in Lane)
        self._waiting = 0
        self._doubtful = 0
        self._threads = self._wanted = 0
        # By thread.
        self._started: dict[int, _Try] = {}
        self._done: deque[Result | Parcel] = deque()
        self._piled_up = threading.Event()
        # What is in hand by delivery: its webhook, and until when (time.monotonic()) its lease holds.
        self._lease_ends: dict[int, float] = {}
        self._held: dict[int, int] = {}
        self.bytes = 0
        """Of the bodies in hand."""

    @property
    def waiting(self) -> int:
        """Parcels that no thread has taken yet."""
        return self._waiting

    @property
    def ready(self) -> int:
        """Those of them that are for receivers which answer: the others may wait for long."""
        with self._lock:
            return sum(len(line.parcels) for line in self._lines.values() if not line.window.doubtful)

    @property
    def ids(self) -> set[int]:
        """The deliveries in hand."""
        return set(self._lease_ends)

    @property
    def in_hand(self) -> int:
        """Parcels whose result was not collected yet."""
        return len(self._lease_ends)

    def held_for(self, webhook_id: int) -> int:
        """Parcels of one webhook in hand."""
        return self._held.get(webhook_id, 0)

    def slow(self) -> bool:
        """Is a try out that may go on for long?"""
        now = time.monotonic()
        with self._lock:
            return any(one.doubtful or now - one.started > SLOW for one in self._started.values())

    def submit(self, parcels: Iterable[Parcel], lease_ends: float) -> None:
        """Send these, each only if the lease (time.monotonic()) still covers it then."""
        with self._lock:
            for parcel in parcels:
                webhook_id, lane = _line_of(parcel)
                self._lease_ends[parcel.claimed.id] = lease_ends
                self.bytes += len(parcel.request.body)
                self._held[webhook_id] = self._held.get(webhook_id, 0) + 1
                line = self._lines.get((webhook_id, lane))
                if line is None:
                    line = self._lines[webhook_id, lane] = _Line(self._windows.of(webhook_id))
                if not line.parcels:
                    self._turns[lane].append(line)
                line.parcels.append(parcel)
                self._waiting += 1
            if self._waiting:
                self._wanted = max(self._wanted, 1)
                self._work_to_do.notify(self._waiting)
        self._spawn()

    def renewed(self, ids: set[int], lease_ends: float) -> None:
        for pk in self._lease_ends.keys() & ids:
            self._lease_ends[pk] = lease_ends

    def collect(self, within: float) -> tuple[list[Result], list[Parcel]]:
        """What has been finished, and what was not sent for its lease; waits for a pile, at most so many seconds."""
        self._piled_up.wait(within)
        self._piled_up.clear()
        results: list[Result] = []
        unsent: list[Parcel] = []
        while self._done:
            one = self._done.popleft()
            if isinstance(one, Result):
                results.append(one)
                self._forget(one.parcel)
            else:
                unsent.append(one)
                self._forget(one)
        return results, unsent

    def adjust(self) -> set[int]:
        """More threads where sends are stuck, one fewer where they are not; the webhooks that were fine till now, and
        may be in a black hole with many others: that takes no time-out to see."""
        now = time.monotonic()
        suspects = set()
        with self._lock:
            for one in self._started.values():
                if not one.doubtful and now - one.started > SLOW:
                    one.doubtful = True
                    self._doubtful += 1
                    if not one.window.doubtful:
                        one.window.suspect()
                        suspects.add(one.webhook_id)
            stuck = sum(now - one.started > STUCK_AFTER and not one.doubtful for one in self._started.values())
            doubtful = max(self._doubtful, min(self._doubtful + self._doubtful_next(), MOST_DOUBTFUL))
            wanted = min(2 * stuck + 1, MOST) + doubtful
            self._wanted = max(wanted, self._wanted - 1 - (self._wanted - wanted) // 4)
            if self._waiting or self._threads > self._wanted:
                # A window may have opened meanwhile, which wakes nobody.
                self._work_to_do.notify()
        self._spawn()
        return suspects

    def recall(self, wanted: Callable[[Parcel], bool] = lambda _: True) -> list[Parcel]:
        """Take back what no thread has taken and is wanted back."""
        back: list[Parcel] = []
        with self._lock:
            for line in self._lines.values():
                taken = [parcel for parcel in line.parcels if wanted(parcel)]
                if taken:
                    kept = [parcel for parcel in line.parcels if not wanted(parcel)]
                    line.parcels.clear()
                    line.parcels.extend(kept)
                    back += taken
            self._waiting -= len(back)
        for parcel in back:
            self._forget(parcel)
        return back

    def dismiss(self) -> None:
        """Let the threads go, each after what it is sending."""
        with self._lock:
            self._wanted = 0
            self._work_to_do.notify_all()

    def _doubtful_next(self) -> int:
        """Parcels for doubtful receivers that could leave now."""
        return sum(
            min(len(line.parcels), max(line.window.size - line.window.in_flight, 0))
            for line in self._lines.values()
            if line.window.doubtful
        )

    def _forget(self, parcel: Parcel) -> None:
        webhook_id, _ = _line_of(parcel)
        del self._lease_ends[parcel.claimed.id]
        self.bytes -= len(parcel.request.body)
        self._held[webhook_id] -= 1
        if not self._held[webhook_id]:
            del self._held[webhook_id]

    def _spawn(self) -> None:
        with self._lock:
            number = min(self._wanted - self._threads, self._waiting)
            self._threads += max(number, 0)
        for _ in range(number):
            threading.Thread(target=self._work, name="sender", daemon=True).start()

    def _work(self) -> None:
        me = threading.get_ident()
        while (taken := self._take(me)) is not None:
            parcel, window = taken
            started = time.monotonic()
            latest = min(self._lease_ends.get(parcel.claimed.id, 0.0) - MARGIN, self._ends_by)
            if started + parcel.deadline > latest:
                self._finish(me, window, parcel)
                continue
            at = datetime.now(UTC)
            exchange = self._send(parcel.request, parcel.deadline)
            seconds = time.monotonic() - started
            if is_strained(exchange):
                window.strained()
            else:
                window.answered(seconds)
            self._finish(me, window, Result(parcel, exchange, at, round(seconds * 1000)))

    def _take(self, me: int) -> tuple[Parcel, Window] | None:
        """The next parcel for this thread, None when it may go."""
        with self._lock:
            while True:
                if self._threads > self._wanted:
                    self._threads -= 1
                    # It may be the one that was woken for a parcel.
                    self._work_to_do.notify()
                    return None
                line = self._next_line()
                if line is not None:
                    window = line.window
                    window.in_flight += 1
                    self._doubtful += window.doubtful
                    parcel = line.parcels.popleft()
                    self._started[me] = _Try(_line_of(parcel)[0], window, time.monotonic(), window.doubtful)
                    self._waiting -= 1
                    return parcel, window
                self._work_to_do.wait()

    def _next_line(self) -> _Line | None:
        for lane in self._turns:
            for _ in range(len(lane)):
                line = lane.popleft()
                if not line.parcels:
                    continue
                may = line.window.is_open and not (line.window.doubtful and self._doubtful >= MOST_DOUBTFUL)
                if may and len(line.parcels) == 1:
                    return line
                lane.append(line)
                if may:
                    return line
        return None

    def _finish(self, me: int, window: Window, one: Result | Parcel) -> None:
        with self._lock:
            window.in_flight -= 1
            self._doubtful -= self._started.pop(me).doubtful
            if self._waiting:
                self._work_to_do.notify()
        self._done.append(one)
        if len(self._done) >= PILE or len(self._done) >= len(self._lease_ends):
            self._piled_up.set()


def _line_of(parcel: Parcel) -> tuple[int, int]:
    return parcel.claimed.webhook_id or 0, parcel.claimed.lane
