"""The processes of one `manage.py worker`, told apart by who started whom, in which order, and in whose place."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from tests.program import lives

WORKER, MONITOR, PUSHER = "worker", "monitor", "pusher"


class Unsettled(Exception):
    """Not all the processes are there just now."""


class Tree:
    """One for the life of a keeper: it remembers who was whose successor. Look at it after each death."""

    def __init__(self, pid: int, workers: int) -> None:
        self.keeper = psutil.Process(pid)
        self._workers = workers
        self._sentinel: psutil.Process | None = None
        # Of the sentinel's children.
        self._roles: dict[psutil.Process, str] = {}

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until all the processes are there. AssertionError when that takes too long."""
        limit = time.monotonic() + seconds
        while True:
            try:
                return self.look()
            except (Unsettled, psutil.NoSuchProcess) as reason:
                assert time.monotonic() < limit, f"the worker never got all its processes: {reason}"
                time.sleep(0.05)

    def look(self) -> None:
        parents = {child: _children(child) for child in _children(self.keeper)}
        sentinels = [child for child, own in parents.items() if own]
        clocks = [child for child, own in parents.items() if not own]
        if len(sentinels) != 1 or len(clocks) != 1:
            raise Unsettled("clock and sentinel")
        (self.clock,) = clocks
        children = parents[sentinels[0]]
        if len(children) != self._workers + 2:
            raise Unsettled(f"{len(children)} children of the sentinel")
        if sentinels[0] != self._sentinel:
            self._sentinel, self._roles = sentinels[0], {}
        # The order in which a sentinel starts them, and in which it replaces several at once.
        vacant = [*[WORKER] * self._workers, MONITOR, PUSHER]
        self._roles = {child: role for child, role in self._roles.items() if child in children}
        for role in self._roles.values():
            vacant.remove(role)
        self._roles |= dict(zip((child for child in children if child not in self._roles), vacant, strict=True))

    @property
    def sentinel(self) -> psutil.Process:
        assert self._sentinel is not None
        return self._sentinel

    @property
    def workers(self) -> list[psutil.Process]:
        return [child for child, role in self._roles.items() if role == WORKER]

    def one(self, role: str) -> psutil.Process:
        return next(child for child, its in self._roles.items() if its == role)

    def everybody(self) -> list[psutil.Process]:
        return [self.keeper, *self.keeper.children(recursive=True)]

    def busy(self, ports: set[int]) -> list[psutil.Process]:
        """Workers that hold a connection from one of these ports: they have a request out."""
        return [
            worker
            for worker in self.workers
            if any(one.laddr and one.laddr.port in ports for one in worker.net_connections("tcp"))
        ]

    def idle(self) -> tuple[list[psutil.Process], list[psutil.Process]]:
        """Of the workers that wait for a task: who reads the queue, with its lock, and who waits for the lock."""
        places = {worker: _place(worker) for worker in self.workers}
        return (
            [worker for worker, place in places.items() if "pipe" in place],
            [worker for worker, place in places.items() if "futex" in place],
        )


def _place(process: psutil.Process) -> str:
    """Where in the kernel its main thread waits, "" where that is not told."""
    try:
        return Path(f"/proc/{process.pid}/task/{process.pid}/wchan").read_text()
    except OSError:
        return ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    return sorted(filter(lives, process.children()), key=lambda child: (child.create_time(), child.pid))
