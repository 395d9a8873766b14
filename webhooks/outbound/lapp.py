"""Runs Lapps as send.Door sends requests: each in a process of its own, which is ended when its time is up.

The functions are those of webhooks/lapp.py. A process beside this one, the nursery (webhooks/worker/nursery.py), has
them imported and no connection to anything; it forks a child for each run, and ends the child when nobody waits for its
answer any more. So a run costs no imports, cannot harm whoever sends, and leaves nothing behind in the next one.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.util import Finalize
from typing import Any

from webhooks import lapp
from webhooks.outbound.clock import Clock
from webhooks.wire.exchange import KEPT_BODY, Failure, FailureKind, Request, Response
from webhooks.wire.frame import LENGTHS, frame

NURSERY = ("-m", "webhooks.worker.nursery")
START_LIMIT = 10.0
"""Seconds in which a nursery has to have imported everything. They are not the run's: its time begins then. Together
with the longest try they fit into a task's time."""
END_LIMIT = 1.0
_LONGEST_HEAD = 16 * 1024

logger = logging.getLogger(__name__)

# Of the process, before anything keeps it to one core (core.py): what a nursery starts may run anywhere.
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Lapps:
    """Any number of threads may share one. Nothing is started before the first run."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._nursery: _Nursery | None = None
        self._lock = threading.Lock()
        self._live: set[Run] = set()

    def send(self, request: Request, *, deadline: float) -> Response | Failure:
        """One run, from its start to its end. Never raises."""
        return self.begin(request, deadline=deadline).finish()

    def begin(self, request: Request, *, deadline: float) -> Run:
        """Start a run, which may take so many seconds. Never raises: finish() tells."""
        run = Run(self, request, deadline)
        with self._lock:
            self._live.add(run)
        run.begin()
        return run

    def ended(self, run: Run) -> None:
        with self._lock:
            self._live.discard(run)

    def cut(self) -> None:
        """End every run that is out now: they finish as Failure(interrupted). For another thread."""
        with self._lock:
            live = list(self._live)
        for run in live:
            run.cut()
        nursery = self._nursery
        if live and nursery is not None and not nursery.ready:
            nursery.end()

    def close(self) -> None:
        """End the nursery, and with it all that runs."""
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            nursery.end()

    def connect(self) -> socket.socket:
        """To a child that waits for what it is to run. OSError when there is no nursery to be had."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # The one that is there may have ended just now, as it had nothing to do.
                if self._ready().hand_over(theirs) or self._ready().hand_over(theirs):
                    return ours
                raise _NoNursery
            except BaseException:
                ours.close()
                raise

    def _ready(self) -> _Nursery:
        with self._starting:
            if self._nursery is None or not self._nursery.ready:
                self.close()
                self._nursery = _Nursery()
                self._nursery.prepare()
            return self._nursery


class Run:
    """A call of a Lapp and its answer; see under_way.UnderWay. Made by Lapps.begin."""

    def __init__(self, lapps: Lapps, request: Request, deadline: float) -> None:
        self._lapps = lapps
        self._request = request
        self._clock = Clock(deadline)
        self._sock: socket.socket | None = None
        self._failure: Failure | None = None

    def begin(self) -> None:
        try:
            name = lapp.called(self._request.url)
            lapp.named(name)
            self._sock = self._lapps.connect()
            self._clock.start_over()
            self._clock.hold(self._sock)
            self._sock.settimeout(self._clock.left())
            self._sock.sendall(_message(self._request))
            self._clock.sent_ms = self._clock.elapsed_ms()
        except Exception as error:
            self._fail(error)

    def finish(self) -> Response | Failure:
        if self._failure is None:
            try:
                response = self._answer()
                self._end()
                return response
            except Exception as error:
                self._fail(error)
        assert self._failure is not None
        return self._failure

    def cut(self) -> None:
        self._clock.cut()

    @property
    def until(self) -> float:
        return self._clock.until

    def fileno(self) -> int:
        return -1 if self._sock is None or self._failure else self._sock.fileno()

    def _answer(self) -> Response:
        head_length, body_length = LENGTHS.unpack(self._read(LENGTHS.size))
        if head_length > _LONGEST_HEAD or body_length > KEPT_BODY:
            raise _Died("What it answered cannot be read.")
        head: dict[str, Any] = json.loads(self._read(head_length))
        if "died" in head:
            raise _Died(f"Its process ended without an answer: {head['died']}.")
        body = self._read(body_length)
        return Response(
            status=head["status"],
            reason=head["reason"],
            headers=(("Content-Type", head["type"]),) if body else (),
            body=body,
            size=head["size"],
            truncated=head["size"] > len(body),
            duration_ms=self._clock.elapsed_ms(),
            sent_ms=self._clock.sent_ms,
        )

    def _read(self, length: int) -> bytes:
        assert self._sock is not None
        data = bytearray()
        while len(data) < length:
            # What has come by now is read whatever the clock says.
            self._sock.settimeout(max(self._clock.until - time.monotonic(), 0.0))
            try:
                piece = self._sock.recv(length - len(data))
            except BlockingIOError:
                raise TimeoutError from None
            if not piece:
                raise _Died("Its process ended without an answer.")
            data += piece
        return bytes(data)

    def _fail(self, error: Exception) -> None:
        self._end()
        kind, why = _explain(error, self._clock)
        self._failure = Failure(kind, f"{kind.words}. {why}", self._clock.elapsed_ms(), self._clock.sent_ms)

    def _end(self) -> None:
        # The nursery sees that nobody waits any more, and ends what is left of the run.
        if self._sock is not None:
            self._sock.close()
        self._lapps.ended(self)


class _Died(Exception):
    """There will be no answer; the argument says why."""


def _explain(error: Exception, clock: Clock) -> tuple[FailureKind, str]:
    """What went wrong, in words for staff."""
    if clock.was_cut:
        return FailureKind.INTERRUPTED, "The worker was stopped before the Lapp had ended; the delivery goes out again."
    if isinstance(error, lapp.UnknownLapp):
        return FailureKind.UNKNOWN, str(error)
    if isinstance(error, _NoNursery):
        return FailureKind.UNKNOWN, "The process that runs Lapps did not start; the worker's log says why."
    if isinstance(error, TimeoutError):
        return FailureKind.TIMEOUT, f"The Lapp had not ended within {clock.deadline:g} s, and was ended."
    if isinstance(error, (_Died, OSError, ValueError)):
        return FailureKind.RESET, str(error) if isinstance(error, _Died) else "The Lapp's process ended."
    logger.error("a Lapp was not run: %s", type(error).__name__, exc_info=error)
    return FailureKind.UNKNOWN, f"This was not expected: {type(error).__name__}."


def _message(request: Request) -> bytes:
    return frame({"url": request.url, "headers": request.headers}, request.body)


class _NoNursery(OSError):
    pass


class _Nursery:
    """The process that forks the runs. It ends when its end of the control socket is the last one."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self.ready = False
        with theirs:
            # A fresh interpreter: a fork of this process would have its connections, locks and threads.
            self._process = subprocess.Popen(
                [sys.executable, "-P", *NURSERY, str(theirs.fileno()), *map(str, _CORES)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        # Python runs this at the end of a worker's process, too, so that no zombie is left to whoever is above.
        self._finalize = Finalize(self, self._stop, exitpriority=10)

    def prepare(self) -> None:
        """Wait until it has imported everything. OSError."""
        self._control.settimeout(START_LIMIT)
        with suppress(OSError):
            self.ready = self._control.recv(1) != b""
        if not self.ready:
            self.end()
            raise _NoNursery

    def hand_over(self, sock: socket.socket) -> bool:
        """Have it fork a child that reads from this socket what to run; was it there to hear it?"""
        try:
            # One byte each: it cannot be sent in part.
            socket.send_fds(self._control, [b"!"], [sock.fileno()])
        except OSError:
            self.ready = False
        return self.ready

    def end(self) -> None:
        self._finalize()

    def _stop(self) -> None:
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control.close()
