"""memory.worker: MB of the largest process of `manage.py worker`, at its peak, while receivers answer the worst and
bodies are as large as they may be. Resident memory (RSS, what it shares included), by the kernel's own highest mark.

cpu.idle: % of one core that all processes of a `manage.py worker` take which has nothing to do; the larger of the
embedded default (SQLite, ORM broker) and PostgreSQL with Redis.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from benchmarks.figure import Figure
from benchmarks.installation import Install, Installation
from benchmarks.size import Size

FIGURES = ("memory.worker", "cpu.idle")
HOSTILE = ("/body", "/headers", "/line", "/drip", "/gzip", "/chunks")
# Webhooks for each of them.
EACH = 3
LARGE = ("/plain", "/body")
# What has failed is tried again soon: more of the worst.
RETRY_SCALE = "0.01"
UP_WITHIN = 60.0
BEATS = "SELECT count(*) FROM webhooks_heartbeat"


def measure(install: Install, size: Size) -> Iterator[Figure]:
    here = install("postgresql", redis=True, WEBHOOK_RETRY_SCALE=RETRY_SCALE)
    yield Figure("memory.worker", _peak(here, size) / 1_000_000, "MB")
    idle = (install(), install("postgresql", redis=True))
    yield Figure("cpu.idle", max(_idle(idle, size.watch)), "% of a core")


def _peak(here: Installation, size: Size) -> float:
    """Bytes of the largest process, watched for so many seconds and until all the worst was answered at least once."""
    with here.process("hostile") as receivers:
        url = f"http://127.0.0.1:{receivers.ask('port')}"
        with here.process("crowd") as crowd:
            crowd.ask(
                "queue", url=url, hostile=HOSTILE, each=EACH, large=LARGE, saves=size.saves, large_saves=size.large
            )
        with here.worker():
            largest = 0
            until = time.monotonic() + size.watch
            limit = until + UP_WITHIN
            while time.monotonic() < until or not set(HOSTILE + LARGE) <= set(receivers.ask("answered")):
                if time.monotonic() > limit:
                    raise RuntimeError(f"the worker asked only {receivers.ask('answered')}")
                largest = max([largest, *map(highest, here.program.family())])
                time.sleep(0.1)
            return largest


def highest(process: psutil.Process) -> int:
    """The most memory that it has ever had, in bytes."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _idle(installations: Sequence[Installation], seconds: float) -> list[float]:
    """% of a core of each one's worker; all of them at once, as nobody has anything to do."""
    with ExitStack() as running:
        for here in installations:
            running.enter_context(here.worker())
        for here in installations:
            _wait_until_idle(here)
        before = [_seconds(here) for here in installations]
        began = time.monotonic()
        time.sleep(seconds)
        wall = time.monotonic() - began
        after = [_seconds(here) for here in installations]
    return [
        100 * sum(spent - then.get(pid, 0.0) for pid, spent in now.items()) / wall
        for then, now in zip(before, after, strict=True)
    ]


def _wait_until_idle(here: Installation) -> None:
    """Until it gives signs of life and has started all that it starts."""
    limit = time.monotonic() + UP_WITHIN
    while time.monotonic() < limit:
        then = _seconds(here)
        time.sleep(1.0)
        now = _seconds(here)
        if set(now) == set(then) and sum(now.values()) - sum(then.values()) < 0.1 and here.program.ask(BEATS) == [(1,)]:
            return
    raise RuntimeError("the worker does not come to rest")


def _seconds(here: Installation) -> dict[int, float]:
    """What each of its processes has had of a core so far."""
    found = {}
    for process in here.program.family():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found
