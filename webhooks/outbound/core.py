"""Keeps a process that has much to send on one core.

Its threads share one interpreter, so that one of them runs at a time. Where they may run anywhere they pass it from
core to core, each of which reads anew what another one has in its cache: a delivery takes up to a third longer.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection
from contextlib import suppress

# The sockets' names.
MARK = "\0leadcrm core {}"


class Core:
    """One that none of our processes on this machine has: which are taken is told by Linux's sockets without files,
    which end with whoever made them. Elsewhere, and where none is left, everything stays as it is."""

    def __init__(self) -> None:
        self._mark: socket.socket | None = None
        self._before: Collection[int] = ()

    def take(self) -> None:
        """Keep all threads, and those that they start, on one core: the one on which this runs, if it is free."""
        if self._mark is not None or not hasattr(os, "sched_setaffinity"):
            return
        allowed = os.sched_getaffinity(0)
        if len(allowed) == 1:
            return
        try:
            here = _here()
        except OSError:  # without /proc
            return
        for core in sorted(allowed, key=lambda core: (core != here, core)):
            mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                mark.bind(MARK.format(core))
            except OSError:
                mark.close()
                continue
            self._mark, self._before = mark, allowed
            _keep_to({core})
            return

    def leave(self) -> None:
        if self._mark is not None:
            _keep_to(self._before)
            self._mark.close()
            self._mark = None


def _here() -> int:
    """The core that runs this, where the system had put us as it had least to do, most likely."""
    with open("/proc/thread-self/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[36])


def _keep_to(cores: Collection[int]) -> None:
    for thread in threading.enumerate():
        with suppress(OSError):  # it may have ended
            os.sched_setaffinity(thread.native_id or 0, cores)
