"""grouped.*: what `manage.py worker` makes of activities that happen within one minute and are heard by three webhooks
of LeadSquared: 500 in one post. The minute is shorter here.

posts: how many each webhook was sent. lost: activities that no post told some webhook of. seconds: from the end of the
minute until the last post was answered and written down.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.figure import Figure
from benchmarks.installation import Database, Install
from benchmarks.process import Process
from benchmarks.size import Size

DATABASES: tuple[Database, ...] = ("sqlite", "postgresql")
UNITS = {"posts": "per webhook", "lost": "activities", "seconds": "s"}
FIGURES = tuple(f"grouped.{database}.{name}" for database in DATABASES for name in UNITS)
MATCHING = 3
DONE_WITHIN = 120.0


def measure(install: Install, size: Size) -> Iterator[Figure]:
    window = {"DJANGO_SETTINGS_MODULE": "tests.short_window_settings", "SHORT_WINDOW": str(size.minute)}
    with ExitStack() as running:
        # Both at once: for most of the time nobody has anything to do.
        found: dict[str, Process] = {}
        for database in DATABASES:
            here = install(database, **window)
            sink = running.enter_context(here.process("sink"))
            found[database] = running.enter_context(here.process("activities"))
            found[database].ask("webhooks", url=f"http://127.0.0.1:{sink.hear(10)}/hook", number=MATCHING)
            running.enter_context(here.worker())
        for activities in found.values():
            if activities.ask("create", number=size.together) > size.minute:
                raise RuntimeError(f"the activities took more than {size.minute:g} s: they are not of one minute")
        for database, activities in found.items():
            _wait_for(activities, size.minute + DONE_WITHIN)
            for name, value in activities.ask("outcome").items():
                yield Figure(f"grouped.{database}.{name}", value, UNITS[name])


def _wait_for(activities: Process, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while activities.ask("waiting"):
        if time.monotonic() > limit:
            raise RuntimeError("the worker has not sent all of them")
        time.sleep(0.2)
