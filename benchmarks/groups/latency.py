"""latency.*: ms from a save's commit to the last byte of the request at the receiver.

The real `manage.py worker`; savers and receiver are processes of their own. idle.embedded: SQLite and django-q2's ORM
broker; idle.redis: PostgreSQL and Redis. Pauses are random, so that saves meet every phase of the broker's poll, and
long enough for the last save's task to look no more: it waits to be woken, for ten seconds in all. 200.postgresql: 200
saves a second, with the ORM broker.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import quantiles

from benchmarks.figure import Figure
from benchmarks.installation import Install, Installation
from benchmarks.process import Process
from benchmarks.size import Size

SUSTAINED = "latency.200.postgresql.p95"
# Savers on a slow machine may fall behind: then p95 is that of another load.
PACE = "latency.200.postgresql.rate"
IDLE = ("redis", "embedded")
FIGURES = (*(f"latency.idle.{kind}.{at}" for kind in IDLE for at in ("p50", "p99")), SUSTAINED, PACE)
# From one save to the installation's next. A deliver task looks again and again for 0.4 s: within that, the worker
# would not be idle.
PAUSE = (0.6, 1.2)
WARM_UP = 3
PER_SECOND = 200
LEADS = 100


def measure(install: Install, size: Size) -> Iterator[Figure]:
    found = _idle({"redis": install("postgresql", redis=True), "embedded": install()}, size.samples)
    for kind in IDLE:
        yield Figure(f"latency.idle.{kind}.p50", _percentile(found[kind], 50), "ms")
        yield Figure(f"latency.idle.{kind}.p99", _percentile(found[kind], 99), "ms")
    late, rate = _sustained(install("postgresql"), size.sustained)
    yield Figure(SUSTAINED, _percentile(late, 95), "ms")
    yield Figure(PACE, rate, "events/s")


def _percentile(found: list[float], which: int) -> float:
    # The hundredth part of few samples is a guess: the inclusive method stays within what was seen.
    return quantiles(found, n=100, method="inclusive")[which - 1]


def _idle(installations: Mapping[str, Installation], samples: int) -> dict[str, list[float]]:
    """What each one's saves took. They take turns: for most of the time nobody has anything to do."""
    with ExitStack() as running:
        up = {kind: _up(here, running) for kind, here in installations.items()}
        rounds = [{kind: _save(*both) for kind, both in up.items()} for _ in range(WARM_UP + samples)]
    return {kind: [late[kind] for late in rounds[WARM_UP:]] for kind in installations}


def _up(here: Installation, running: ExitStack) -> tuple[Process, Process]:
    """Saver and sink of an installation whose worker is up."""
    sink, saver = (running.enter_context(here.process(name)) for name in ("sink", "saver"))
    saver.ask("webhooks", url=f"http://127.0.0.1:{sink.hear(10)}/clocked", number=1)
    saver.ask("save_clocked")
    running.enter_context(here.worker())
    sink.hear(60)  # what was saved before
    return saver, sink


def _save(saver: Process, sink: Process) -> float:
    time.sleep(random.uniform(*PAUSE) / len(IDLE))
    version, committed = saver.ask("save_clocked")
    record, received = sink.hear(30)
    if not record.endswith(f";version={version}"):
        raise RuntimeError(f"version {version} was saved, {record} was received")
    return float(received - committed) / 1_000_000


def _sustained(here: Installation, seconds: float) -> tuple[list[float], float]:
    """What each save took, and how many there were per second."""
    with here.process("sink") as sink, here.process("stream") as saver, here.worker():
        saver.ask("prepare", url=f"http://127.0.0.1:{sink.hear(10)}/clocked", leads=LEADS)
        _stream(saver, sink, LEADS)  # the worker is up, and its connections are open
        return _stream(saver, sink, round(seconds * PER_SECOND))


def _stream(saver: Process, sink: Process, times: int) -> tuple[list[float], float]:
    saver.tell("save", times=times, per_second=PER_SECOND)
    received: dict[str, int] = {}
    while len(received) < times:
        record, now = sink.hear(60)
        received.setdefault(record, now)
    saved = saver.hear(60)
    first, last = saved[0][1], saved[-1][1]
    rate = (times - 1) / ((last - first) / 1_000_000_000)
    return [(received[record] - committed) / 1_000_000 for record, committed in saved], rate
