"""F7: Redis forgets everything, then is gone for a while. In the short form it is gone for 20 s instead of 5 min."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from tests import services
from tests.faults.experiment import Check, Experiment, at_least, at_most, none
from tests.faults.stack import Stack
from tests.faults.trial import Trial
from tests.faults.visitors import Answer

SLOWEST = 1.0
# The time-outs that the settings give Redis: 2 s to connect, 3 s to answer.
SOCKET = 5.0
CATCH_UP = 60.0
BETWEEN_FLUSHES = 1.0


@dataclass(frozen=True, slots=True)
class Outage:
    flushes: int
    seconds: float
    rate: float


def redis_outage(stack: Stack, size: Outage, seed: int) -> list[Check]:
    """Under load: FLUSHALL, many times, then no server at its port. What was queued in it is lost each time."""
    with services.redis() as url, Trial(replace(stack, redis=url), seed) as trial, Redis.from_url(url) as client:
        trial.start()
        visitors = trial.visit(size.rate)
        for _ in range(size.flushes):
            time.sleep(trial.choice.uniform(0, 2 * BETWEEN_FLUSHES))
            client.flushall()
        gone = time.monotonic()
        client.shutdown(nosave=True)
        time.sleep(size.seconds)
        with _again(url):
            back = time.monotonic()
            caught_up = _caught_up(trial, back + 2 * CATCH_UP) - back
            answers = visitors.end()
            trial.drain(within=CATCH_UP)
            found = trial.balance()
        meanwhile = [answer for answer in answers if gone <= answer.at <= back]
        return [
            at_least("FLUSHALL", size.flushes, size.flushes),
            at_least("seconds without Redis", back - gone, size.seconds, " s"),
            at_least("requests to the API meanwhile", len(meanwhile), size.seconds * size.rate / 4),
            at_most("their p99", percentile(meanwhile, 0.99), SLOWEST, " s"),
            at_most("slowest of them", max(answer.seconds for answer in meanwhile), SOCKET, " s"),
            none("of them not stored", [answer for answer in meanwhile if answer.status >= 300 or not answer.status]),
            at_most("caught up after", caught_up, CATCH_UP, " s"),
            none("2xx of the API without a row", trial.unstored(answers)),
            *trial.checks(found, duplicates=0),
            at_most("longest wait", found.longest_wait, CATCH_UP, " s"),
        ]


def percentile(answers: list[Answer], part: float) -> float:
    ordered = sorted(answer.seconds for answer in answers)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@contextmanager
def _again(url: str) -> Iterator[None]:
    """A new, empty Redis at the same port."""
    port = urlsplit(url).port
    assert port
    with tempfile.TemporaryDirectory(prefix="leadcrm-redis-") as folder:
        server = services.start_redis(Path(folder), port)
        try:
            _wait_for(url)
            yield
        finally:
            server.kill()
            server.wait()


def _wait_for(url: str) -> None:
    limit = time.monotonic() + 10
    with Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except NoConnection:
                assert time.monotonic() < limit, "Redis did not start again"
                time.sleep(0.02)


def _caught_up(trial: Trial, limit: float) -> float:
    """When nothing waits any more that waited at the beginning."""
    ((newest,),) = trial.program.ask("SELECT coalesce(max(id), 0) FROM webhooks_delivery")
    waiting = f"SELECT count(*) FROM webhooks_delivery WHERE status IN ('queued', 'sending') AND id <= {newest}"
    while trial.program.ask(waiting) != [(0,)] and time.monotonic() < limit:
        time.sleep(0.1)
    return time.monotonic()


EXPERIMENTS = (
    Experiment(
        "F7",
        "Redis forgets, and is gone",
        redis_outage,
        short=Outage(flushes=4, seconds=20, rate=15),
        full=Outage(flushes=20, seconds=300, rate=15),
        stacks=("postgresql",),
    ),
)
