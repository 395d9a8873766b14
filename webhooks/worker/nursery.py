"""The process in which Lapps are at home: it imports them once and forks a child for each run.

It has one thread and no connection to the database, so that a fork is clean; whoever sends starts it and hands it a
socket for each run (webhooks/outbound/lapp.py). A run has a process group of its own, and lives as long as somebody
waits at the other end of its socket: at its time limit, at a stop and when the worker dies, nobody does.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import django

from webhooks.wire.frame import frame
from webhooks.worker import kin

# Bytes of memory that a run may take up.
MEMORY = 512 << 20
# Whoever sends goes first.
NICE = 5
# Without a run for so many seconds, the nursery ends; the next one costs a second.
IDLE = 300.0

logger = logging.getLogger(__name__)


def main() -> None:
    kin.ignore_signals()
    kin.adopt()
    control = socket.socket(fileno=int(sys.argv[1]))
    if cores := list(map(int, sys.argv[2:])):
        with suppress(OSError):  # some may have been taken away meanwhile
            os.sched_setaffinity(0, cores)
    django.setup()
    from webhooks.worker import errand

    gc.collect()
    gc.freeze()
    with suppress(BrokenPipeError):
        control.sendall(b"!")
    Nursery(control, errand.run).run()


@dataclass(frozen=True, slots=True)
class _Run:
    pid: int
    # The child's end of its socket. While it is open here, whoever waits at the other one does not see the child die.
    sock: socket.socket


class Nursery:
    def __init__(self, control: socket.socket, errand: Callable[[socket.socket], None]) -> None:
        self._control = control
        self._errand = errand
        self._pid = os.getpid()
        self._runs: dict[int, _Run] = {}
        # No more runs will come; and because there were none for so long.
        self._closed = self._idle = False
        # A signal that a child has died ends the poll.
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._bell, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._ear, select.POLLIN)
        self._poll.register(control, select.POLLIN)

    def run(self) -> None:
        while not self._closed or self._runs:
            found = self._poll.poll(None if self._runs else IDLE * 1000)
            if not found:
                # Whoever has handed over a run just now is served; who comes later is told that nobody is there.
                self._idle = True
                self._control.shutdown(socket.SHUT_RD)
            numbers = {number for number, _ in found}
            # In this order: what is taken may have the number of a socket that was closed just before.
            for number in numbers & self._runs.keys():
                # Nobody waits any more.
                self._poll.unregister(number)
                _kill(self._runs[number].pid)
            if self._ear in numbers:
                self._collect()
            if self._control.fileno() in numbers:
                self._take()

    def _take(self) -> None:
        _, numbers, _, _ = socket.recv_fds(self._control, 1, 1)
        if not numbers:
            self._closed = True
            self._poll.unregister(self._control)
            for run in () if self._idle else self._runs.values():
                _kill(run.pid)
            return
        sock = socket.socket(fileno=numbers[0])
        pid = os.fork()
        if not pid:
            try:
                self._become_run(sock)
                os._exit(0)
            except BaseException:
                logger.exception("a Lapp was not run to its end")
            finally:
                os._exit(1)
        _lead_group(pid)
        self._runs[sock.fileno()] = _Run(pid, sock)
        # Its other end alone is of interest: that is told unasked.
        self._poll.register(sock, 0)

    def _collect(self) -> None:
        """The children that have ended, with whatever they have started: it is adopted by this process."""
        with suppress(BlockingIOError):
            os.read(self._ear, 1024)
        numbers = {run.pid: number for number, run in self._runs.items()}
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in numbers:
                    self._end(numbers[ended[0]], ended[1])

    def _end(self, number: int, status: int) -> None:
        run = self._runs.pop(number)
        _kill(run.pid)
        for orphan in _children() - {other.pid for other in self._runs.values()}:
            # It has left its group.
            os.kill(orphan, signal.SIGKILL)
        with suppress(KeyError):
            self._poll.unregister(number)
        if status:
            with suppress(OSError):
                run.sock.send(frame({"died": _in_words(status)}), socket.MSG_DONTWAIT)
        run.sock.close()

    def _become_run(self, sock: socket.socket) -> None:
        """The child's whole life."""
        _lead_group(0)
        kin.die_with(self._pid)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Their other ends would not see that the nursery, or another run, has died.
        for other in [self._control, *(run.sock for run in self._runs.values())]:
            other.close()
        os.close(self._ear)
        os.close(self._bell)
        os.nice(NICE)
        for what, limit in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(what)[1]
            limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(what, (limit, limit))
        self._errand(sock)


def _lead_group(pid: int) -> None:
    """By parent and child, so that it is so for both from their first step on."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, 0)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _children() -> set[int]:
    """Of this process, where Linux tells; ended ones that nobody has waited for among them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return set(map(int, file.read().split()))
    except OSError:
        return set()


def _in_words(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit code {os.WEXITSTATUS(status)}"


if __name__ == "__main__":
    main()
