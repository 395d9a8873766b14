"""Threads that send: as many as are stuck waiting for receivers.

More threads make fast receivers slower, as they share one interpreter; slow receivers need many. So every step counts
the sends that have been out for more than a moment, and aims at twice as many threads and one.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from webhooks.outbound.parcel import Parcel, Result
from webhooks.wire.exchange import Failure, Request, Response

STUCK_AFTER = 0.005
MOST = 32
# A lease must outlast the try by this much when its bytes leave.
MARGIN = 2.0

Send = Callable[[Request, float], Response | Failure]


class Senders:
    """Takes parcels, hands back results. All methods are for the one thread that conducts."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._todo: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Result | Parcel] = queue.SimpleQueue()
        self._started: dict[int, float] = {}
        self._lease_ends: dict[int, float] = {}
        self._threads = 0

    @property
    def waiting(self) -> int:
        """Parcels that no thread has taken yet."""
        return self._todo.qsize()

    @property
    def ids(self) -> set[int]:
        """The deliveries in hand."""
        return set(self._lease_ends)

    @property
    def in_hand(self) -> int:
        """Parcels whose result was not collected yet."""
        return len(self._lease_ends)

    def submit(self, parcels: Iterable[Parcel], lease_ends: float) -> None:
        """Send these, each only if the lease (time.monotonic()) still covers it then."""
        for parcel in parcels:
            self._lease_ends[parcel.claimed.id] = lease_ends
            self._todo.put(parcel)
        if self._threads == 0 and self.in_hand:
            self._spawn()

    def renewed(self, ids: set[int], lease_ends: float) -> None:
        for pk in self._lease_ends.keys() & ids:
            self._lease_ends[pk] = lease_ends

    def collect(self, within: float) -> tuple[list[Result], list[Parcel]]:
        """What has been finished, waiting for the first one at most so long; and what was not sent for its lease."""
        results: list[Result] = []
        unsent: list[Parcel] = []
        try:
            one: Result | Parcel = self._done.get(timeout=within) if within else self._done.get_nowait()
            while True:
                if isinstance(one, Result):
                    results.append(one)
                    del self._lease_ends[one.parcel.claimed.id]
                else:
                    unsent.append(one)
                    del self._lease_ends[one.claimed.id]
                one = self._done.get_nowait()
        except queue.Empty:
            return results, unsent

    def adjust(self) -> None:
        """More threads where sends are stuck, one fewer where they are not."""
        now = time.monotonic()
        stuck = sum(now - started > STUCK_AFTER for started in list(self._started.values()))
        wanted = min(2 * stuck + 1, MOST)
        if wanted > self._threads:
            for _ in range(min(wanted - self._threads, self.waiting)):
                self._spawn()
        elif wanted < self._threads and not self.waiting:
            self._todo.put(None)
            self._threads -= 1

    def recall(self, wanted: Callable[[Parcel], bool] = lambda _: True) -> list[Parcel]:
        """Take back what no thread has taken and is wanted back."""
        back: list[Parcel] = []
        for _ in range(self.waiting):
            try:
                parcel = self._todo.get_nowait()
            except queue.Empty:
                break
            if parcel is not None and wanted(parcel):
                del self._lease_ends[parcel.claimed.id]
                back.append(parcel)
            else:
                self._todo.put(parcel)
        return back

    def dismiss(self) -> None:
        """Let the threads go, each after what it is sending."""
        for _ in range(self._threads):
            self._todo.put(None)
        self._threads = 0

    def _spawn(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name="sender", daemon=True).start()

    def _work(self) -> None:
        me = threading.get_ident()
        while (parcel := self._todo.get()) is not None:
            started = time.monotonic()
            if started + parcel.deadline + MARGIN > self._lease_ends.get(parcel.claimed.id, 0.0):
                self._done.put(parcel)
                continue
            self._started[me] = started
            at = datetime.now(UTC)
            exchange = self._send(parcel.request, parcel.deadline)
            del self._started[me]
            self._done.put(Result(parcel, exchange, at, round((time.monotonic() - started) * 1000)))
