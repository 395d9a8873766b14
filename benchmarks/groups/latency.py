"""latency.idle.embedded.*: ms from a save's commit to the last byte of the request at the receiver, all being idle.

The real `manage.py worker` on SQLite with django-q2's ORM broker; saver and receiver are processes of their own. Pauses
are random, so that saves meet every phase of the broker's poll, and long enough for the last save's task to have ended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from statistics import quantiles

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.process import Process
from benchmarks.size import Size

P50, P99 = FIGURES = ("latency.idle.embedded.p50", "latency.idle.embedded.p99")
# A deliver task waits 0.4 s for what comes meanwhile: within that, the worker would not be idle.
PAUSE = (0.6, 1.2)
WARM_UP = 3


def measure(install: Install, size: Size) -> Iterator[Figure]:
    here = install()
    with here.process("sink") as sink, here.process("saver") as saver:
        saver.ask("webhooks", url=f"http://127.0.0.1:{sink.hear(10)}/clocked", number=1)
        saver.ask("save_clocked")
        with here.worker():
            sink.hear(60)  # what was saved before: the worker is up
            found = [_save(saver, sink) for _ in range(WARM_UP + size.samples)][WARM_UP:]
    # The hundredth part of few samples is a guess: the inclusive method stays within what was seen.
    percentiles = quantiles(found, n=100, method="inclusive")
    yield Figure(P50, percentiles[49], "ms")
    yield Figure(P99, percentiles[98], "ms")


def _save(saver: Process, sink: Process) -> float:
    time.sleep(random.uniform(*PAUSE))
    version, committed = saver.ask("save_clocked")
    record, received = sink.hear(30)
    if not record.endswith(f";version={version}"):
        raise RuntimeError(f"version {version} was saved, {record} was received")
    return float(received - committed) / 1_000_000
