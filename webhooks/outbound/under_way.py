"""Tries that are under way: how whoever sends waits for several at once, whatever they are."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Sequence
from typing import Protocol, TypeVar

from webhooks.wire.exchange import Failure, Response


class UnderWay(Protocol):
    """A request that has left, and an answer that may come: of send.Door by HTTP, of lapp.Lapps by a function."""

    @property
    def until(self) -> float:
        """When its time is up (time.monotonic())."""

    def fileno(self) -> int:
        """Of the socket on which the answer comes; -1 when finish() will not wait for one."""

    def finish(self) -> Response | Failure:
        """The answer, or why there is none; waits for it as long as there is time. Never raises."""


One = TypeVar("One", bound=UnderWay)


def first_ready(tries: Sequence[One]) -> list[One]:
    """Those that finish() need not wait for: what has begun to answer, or has no time left. Waits for the first."""
    waiting = {one.fileno(): one for one in tries}
    if -1 in waiting or len(tries) == 1:
        return [one for one in tries if len(tries) == 1 or one.fileno() == -1]
    poll = select.poll()
    for number in waiting:
        poll.register(number, select.POLLIN)
    left = min(one.until for one in tries) - time.monotonic()
    found = poll.poll(max(math.ceil(left * 1000), 0))
    now = time.monotonic()
    return [waiting[number] for number, _ in found] or [one for one in tries if one.until <= now]
