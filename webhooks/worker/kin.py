"""Processes that die with their parent, and groups of them that die together.

Linux does both in the kernel. Elsewhere a thread watches for the parent's death.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from multiprocessing.process import BaseProcess

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def leave_session() -> None:
    """To be called first in a child: the terminal's signals stay with the parent, which passes on what they mean."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    ignore_signals()


def ignore_signals() -> None:
    """systemd, unless told otherwise, signals every process it finds: only the keeper is to act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def die_with(parent: int) -> None:
    """End this process, at once and without a word, when its parent (a process id) is gone."""
    if not _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    # It may have died before anybody watched.
    if os.getppid() != parent:
        os._exit(1)


def die_with_me() -> None:
    """Have every child that this process forks from now on die with it, and its children with that one."""
    parent = 0

    def before() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=before, after_in_child=lambda: die_with(parent))


def adopt() -> None:
    """Make this process the parent of orphaned descendants, so that it can tell when they are gone."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill_group(leader: BaseProcess, patience: float = 2.0) -> None:
    """Kill the session that the process leads, and wait until nothing of it is left."""
    assert leader.pid is not None
    try:
        os.killpg(leader.pid, signal.SIGKILL)
    except ProcessLookupError:
        leader.kill()  # it has not left our session yet, or all is over
    leader.join(patience)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            os.killpg(leader.pid, 0)
            # Adopted ones answer until they are collected.
            os.waitpid(-leader.pid, os.WNOHANG)
        except (ProcessLookupError, ChildProcessError, PermissionError):
            return
        time.sleep(0.01)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0
