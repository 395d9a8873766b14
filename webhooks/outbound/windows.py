"""How much one receiver may have in flight, learned from how it answers. For one process; kept from task to task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# In flight for one receiver at most: when it answers in time, and when it takes its time.
WIDEST = 32
WIDEST_SLOW = 16
SLOW = 1.0
# Runs of a Lapp side by side: each takes a process, and a core.
WIDEST_LAPP = 4
# A receiver that the database knows to be fine starts with so many.
START = 8
# Claimed for so many seconds, so that nobody waits for the next claim; at least and at most so many for each request
# that may be in flight. What is claimed by one process, no other can take.
AHEAD = 0.1
LEAST_AHEAD, MOST_AHEAD = 2, 14
FORGET_AFTER = 10_000


@dataclass(slots=True)
class Window:
    """One receiver's. It opens by one with each good answer; a strained receiver gets one request at a time."""

    size: int = 1
    widest: int = WIDEST
    in_flight: int = 0
    slow: bool = False
    # An answer takes so long, the latest ones counting most.
    seconds: float = 0.0
    # Nothing leaves until what the strain means is written down.
    resting: bool = False

    @property
    def doubtful(self) -> bool:
        """It has not answered lately, or takes so long that its requests could occupy everybody's threads."""
        return self.size == 1 or self.slow

    @property
    def is_open(self) -> bool:
        return self.in_flight < self.size and not self.resting

    @property
    def ahead(self) -> int:
        """How many deliveries to have in hand."""
        if self.size == 1:
            return 1
        return self.size * min(max(round(AHEAD / max(self.seconds, 0.001)), LEAST_AHEAD), MOST_AHEAD)

    def answered(self, seconds: float) -> None:
        self.slow = seconds > SLOW
        self.seconds += (seconds - self.seconds) / 8
        self.size = min(self.size + 1, WIDEST_SLOW if self.slow else WIDEST, self.widest)

    def narrow(self, widest: int) -> None:
        """No more than so many from now on."""
        self.widest, self.size = widest, min(self.size, widest)

    def suspect(self) -> None:
        """A try takes so long that it may never end: no more until it does."""
        self.size, self.slow = 1, True

    def strained(self) -> None:
        self.size, self.resting = 1, True


class Windows:
    """By webhook."""

    def __init__(self) -> None:
        self._windows: dict[int, Window] = {}

    def of(self, webhook_id: int, fine: bool = False) -> Window:
        """`fine`: what is known of a receiver that this process has not sent to yet."""
        window = self._windows.get(webhook_id)
        if window is None:
            if len(self._windows) >= FORGET_AFTER:
                self._windows = {pk: each for pk, each in self._windows.items() if each.in_flight}
            window = self._windows[webhook_id] = Window(START if fine else 1)
        return window

    def rested(self, webhook_ids: Iterable[int] | None = None) -> None:
        """These, or all, may be sent to again."""
        for webhook_id in list(self._windows) if webhook_ids is None else webhook_ids:
            self.of(webhook_id).resting = False
