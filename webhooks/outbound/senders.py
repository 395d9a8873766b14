"""Threads that send: as many as are stuck waiting for receivers, and none of them all stuck at one.

More threads make fast receivers slower, as they share one interpreter; slow receivers need many. So every few
milliseconds the threads that have waited for more than a moment are counted, and their number follows. Whose parcel is
next is decided when a thread is free: live ones first, webhook by webhook, each within its window.

A thread has several requests to one receiver on their way and reads each answer as it comes. With one at a time, either
side sleeps while the other works, and to be woken takes longer than to send.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from webhooks import lapp
from webhooks.models import Lane
from webhooks.outbound.parcel import Parcel, Result
from webhooks.outbound.under_way import UnderWay, first_ready
from webhooks.outbound.windows import SLOW, WIDEST, WIDEST_LAPP, Window, Windows
from webhooks.wire.exchange import Failure, Request, Response
from webhooks.wire.policy import is_strained

STUCK_AFTER = 0.005
# Threads for receivers that answer, and for those that do not, or not soon: the latter cannot starve the former.
MOST = 32
MOST_DOUBTFUL = 64
# A lease must outlast the try by this much when its bytes leave.
MARGIN = 2.0
# Results that are worth a transaction.
PILE = 100
# Requests that one thread has on their way side by side, and how many it sends before it is another webhook's turn.
ABREAST = 8
BURST = 32

# Sends a request that may take so many seconds.
Begin = Callable[[Request, float], UnderWay]


@dataclass(slots=True, eq=False)
class _Line:
    """The parcels of one webhook in one lane that no thread has taken yet."""

    window: Window
    parcels: deque[Parcel] = field(default_factory=deque)
    # Its turn comes.
    queued: bool = False


@dataclass(slots=True, eq=False)
class _Try:
    """A parcel that a thread has taken, at `at` by the clock and `started` by time.monotonic()."""

    parcel: Parcel
    window: Window
    thread: int
    doubtful: bool
    at: datetime = field(default_factory=partial(datetime.now, UTC))
    started: float = field(default_factory=time.monotonic)


class Senders:
    """Takes parcels, hands back results. All methods are for the one thread that conducts."""

    def __init__(self, begin: Begin, windows: Windows, ends_by: float = math.inf) -> None:
        """ends_by: no try begins that might end later (time.monotonic())."""
        self._begin = begin
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
        self._still_until = 0.0
        # By delivery.
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
            return self._waiting - self._kept_back()

    @property
    def expected(self) -> int:
        """Parcels in hand that have ended or soon will: neither out for long nor kept back for such receivers."""
        with self._lock:
            return len(self._lease_ends) - self._doubtful - self._kept_back()

    @property
    def ids(self) -> set[int]:
        """The deliveries in hand."""
        return set(self._lease_ends)

    @property
    def in_hand(self) -> int:
        """Parcels whose result was not collected yet."""
        return len(self._lease_ends)

    @property
    def webhooks(self) -> set[int]:
        """Those that have a parcel in hand."""
        return set(self._held)

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
                    line.window.narrow(WIDEST_LAPP if parcel.request.method == lapp.METHOD else WIDEST)
                line.parcels.append(parcel)
                if not line.queued:
                    self._queue(line, lane)
                self._waiting += 1
            if self._waiting:
                self._wanted = max(self._wanted, 1)
                self._work_to_do.notify(self._waiting)
        self._spawn()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nobody begins or ends a try meanwhile.

        Whoever composes and whoever sends share one interpreter and would only slow each other down, after which
        everybody would wait for the database with nothing left to send.
        """
        with self._lock:
            yield
            self._still_until = time.monotonic()

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
                if not one.doubtful and self._out_for(one, now) > SLOW:
                    one.doubtful = True
                    self._doubtful += 1
                    if not one.window.doubtful:
                        one.window.suspect()
                        suspects.add(_line_of(one.parcel)[0])
            out = [one for one in self._started.values() if not one.doubtful]
            stuck = len({one.thread for one in out if self._out_for(one, now) > STUCK_AFTER})
            doubtful = max(self._doubtful, min(self._doubtful + self._doubtful_next(), MOST_DOUBTFUL))
            wanted = min(2 * stuck + 1, self._useful(), MOST) + doubtful
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

    def _kept_back(self) -> int:
        """Parcels that wait for receivers which do not answer, or not soon."""
        return sum(len(line.parcels) for line in self._lines.values() if line.window.doubtful)

    def _useful(self) -> int:
        """Threads that receivers which answer could keep busy: two in place of each that could bear what is in flight
        there, as one that has sent its burst waits for the last answers; and one."""
        windows = [line.window for line in self._lines.values() if not line.window.doubtful]
        return sum(2 * math.ceil(window.size / ABREAST) for window in windows) + 1

    def _out_for(self, one: _Try, now: float) -> float:
        """For how many seconds it has been open and could have ended."""
        return now - max(one.started, self._still_until)

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
        while (taken := self._take()) is not None:
            self._send(*taken)

    def _send(self, line: _Line, first: _Try) -> None:
        """Send this one and, while the receiver keeps answering, more of its line beside it."""
        out: dict[UnderWay, _Try] = {}
        begun = 0
        following: _Try | None = first
        while following or out:
            if following:
                begun += 1
                parcel = following.parcel
                latest = min(self._lease_ends.get(parcel.claimed.id, 0.0) - MARGIN, self._ends_by)
                if following.started + parcel.deadline > latest:
                    self._finish(following, parcel)
                else:
                    out[self._begin(parcel.request, parcel.deadline)] = following
            else:
                for exchange in first_ready(list(out)):
                    self._conclude(out.pop(exchange), exchange.finish())
            following = self._beside(line) if begun < BURST and len(out) < ABREAST else None

    def _conclude(self, one: _Try, exchange: Response | Failure) -> None:
        seconds = time.monotonic() - one.started
        if is_strained(exchange):
            one.window.strained()
        else:
            one.window.answered(seconds)
        self._finish(one, Result(one.parcel, exchange, one.at, round(seconds * 1000)))

    def _take(self) -> tuple[_Line, _Try] | None:
        """The next parcel for this thread, and its line; None when it may go."""
        with self._lock:
            while True:
                if self._threads > self._wanted:
                    self._threads -= 1
                    # It may be the one that was woken for a parcel.
                    self._work_to_do.notify()
                    return None
                line = self._next_line()
                if line is not None:
                    return line, self._taken(line)
                self._work_to_do.wait()

    def _beside(self, line: _Line) -> _Try | None:
        """Another one of this line, if it may leave now. Doubtful receivers get one at a time of each thread."""
        with self._lock:
            may = self._wanted and line.parcels and line.window.is_open and not line.window.doubtful
            return self._taken(line) if may else None

    def _taken(self, line: _Line) -> _Try:
        parcel, window = line.parcels.popleft(), line.window
        one = _Try(parcel, window, threading.get_ident(), window.doubtful)
        window.in_flight += 1
        self._doubtful += one.doubtful
        self._waiting -= 1
        self._started[parcel.claimed.id] = one
        return one

    def _queue(self, line: _Line, lane: int) -> None:
        line.queued = True
        self._turns[lane].append(line)

    def _next_line(self) -> _Line | None:
        for lane, turns in enumerate(self._turns):
            for _ in range(len(turns)):
                line = turns.popleft()
                line.queued = False
                if not line.parcels:
                    continue
                may = line.window.is_open and not (line.window.doubtful and self._doubtful >= MOST_DOUBTFUL)
                if len(line.parcels) > 1 or not may:
                    self._queue(line, lane)
                if may:
                    return line
        return None

    def _finish(self, one: _Try, how: Result | Parcel) -> None:
        with self._lock:
            one.window.in_flight -= 1
            self._doubtful -= one.doubtful
            del self._started[one.parcel.claimed.id]
            if self._waiting:
                self._work_to_do.notify()
            # Whoever waits for a pile does not wait for receivers that may never answer.
            was_last = len(self._started) == self._doubtful and self._waiting == self._kept_back()
        self._done.append(how)
        if was_last or len(self._done) >= PILE:
            self._piled_up.set()


def _line_of(parcel: Parcel) -> tuple[int, int]:
    return parcel.claimed.webhook_id or 0, parcel.claimed.lane
