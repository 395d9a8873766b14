"""Busy processes keep to a core each: with real processes, as a core is taken from other processes only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from webhooks.outbound.core import Core

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is no choice of cores"
)

# Others on this machine may be sending.
MARK = f"\0leadcrm test {os.getpid()} {{}}"
TAKES = """
import os, sys
from webhooks.outbound import core
core.MARK = "\\0" + sys.argv[1]
taken = core.Core()
taken.take()
print(*os.sched_getaffinity(0), flush=True)
sys.stdin.read()
"""


class Taker:
    def __init__(self, running: ExitStack) -> None:
        command, pipe = [sys.executable, "-c", TAKES, MARK[1:]], subprocess.PIPE
        self.child = running.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        running.callback(self.end)
        assert self.child.stdout
        self.cores = {int(core) for core in self.child.stdout.readline().split()}

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


def test_each_process_takes_one_that_no_other_has_until_none_is_left():
    cores = os.sched_getaffinity(0)
    with ExitStack() as running:
        takers = [Taker(running) for _ in cores]
        taken = [core for taker in takers for core in taker.cores]
        assert sorted(taken) == sorted(cores)
        assert Taker(running).cores == cores, "who finds none stays free"
        takers[0].end()
        assert Taker(running).cores == takers[0].cores, "a killed process leaves its own to others"


def test_all_threads_keep_to_it_until_it_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("webhooks.outbound.core.MARK", MARK)
    cores = os.sched_getaffinity(0)
    done = threading.Event()
    before = threading.Thread(target=done.wait, daemon=True)
    before.start()
    core = Core()
    try:
        core.take()
        after = threading.Thread(target=done.wait, daemon=True)
        after.start()
        kept = [os.sched_getaffinity(thread.native_id) for thread in (threading.current_thread(), before, after)]
        assert kept[0] == kept[1] == kept[2] and len(kept[0]) == 1
        core.leave()
        assert os.sched_getaffinity(0) == os.sched_getaffinity(before.native_id) == cores
        core.take()
        assert len(os.sched_getaffinity(0)) == 1, "it may be taken again"
    finally:
        core.leave()
        done.set()
