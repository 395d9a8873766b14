"""How long a run that has nothing to send stays, how it rests meanwhile, and which of several waits for what comes.

The runs of one worker agree by a Watch; without one, each stays for itself.
"""

from __future__ import annotations

import time

from webhooks import queue

# A look that found nothing is followed by a pause of so many times its own length; of so many seconds at most, as the
# first one takes long on a machine that was asleep.
LOOK_PAUSE = 2
LONGEST_LOOK_PAUSE = 0.02
# Who keeps watch and has had something to send stays for so many seconds more, in which nudges wake it: it has
# everything at hand. It says that it is there, and looks by itself, every so many seconds.
PATIENCE = 10.0
WATCH_EVERY = 0.08
WATCHED_LOOK_EVERY = 1.0


class Vigil:
    def __init__(self, watch: queue.Watch | None, linger: float, patience: float) -> None:
        self._watch = watch
        self._linger = linger
        self._patience = patience
        self._next_look = self._last_look = self._last_busy = time.monotonic()
        self._has_had_work = False
        # The watch is left, and what came before that is looked for once more.
        self._parting = False
        self._handed_over = False
        # What is left is for another one, who is at it.
        self._anothers = False

    def prolong(self) -> None:
        """Something is about to come."""
        self._last_busy = time.monotonic()

    def stays(self, busy: bool) -> bool:
        """Is there anything to stay for? busy: something was claimed, or is on its way."""
        now = time.monotonic()
        if busy:
            self._has_had_work = True
            self._parting = False
            self._last_busy = now
            return True
        if self._watch is None:
            return now - self._last_busy <= self._linger
        if self._watch.watched_by_another():
            return False
        if now - self._last_busy <= self._linger:
            return True
        if self._anothers:
            return False
        if self._is_patient(now):
            self._watch.watch()
            return True
        # A nudge that was dropped because of us is seen by one more look.
        parted, self._parting = self._parting, True
        self._watch.leave_watch()
        self._next_look = now
        return not parted

    def rest(self, seconds: float) -> None:
        """Until so long after the latest look began, and while it waits patiently for longer, or until somebody saves
        something."""
        now = time.monotonic()
        if self._is_patient(now):
            seconds = WATCH_EVERY
        elif now < self._last_look + seconds:
            seconds -= now - self._last_look
        if self._watch is None:
            time.sleep(seconds)
        elif self._watch.wait(seconds):
            # Those who saved a moment later send no nudge of their own.
            self._last_busy = self._next_look = time.monotonic()

    def may_look(self, anyway: bool) -> bool:
        """Whether to ask the database for work. anyway: it is asked something at once, whatever we do."""
        if time.monotonic() < self._next_look and not anyway:
            return False
        return not (self._watch and self._watch.watched_by_another())

    def takes_bulk(self) -> bool:
        """Is it for us to send what an import tells?"""
        return self._watch is None or self._watch.take_bulk()

    def looked(self, begun: float, for_us: bool, for_anybody: bool, anothers: bool) -> None:
        """What a look that began then (time.monotonic()) found to do. anothers: somebody else is at some of it."""
        now = time.monotonic()
        self._last_look = begun
        self._anothers = anothers
        # Several processes that wait for slow receivers would keep the database busy by asking.
        pause = WATCHED_LOOK_EVERY if self._is_patient(now) else min(LOOK_PAUSE * (now - begun), LONGEST_LOOK_PAUSE)
        self._next_look = now if for_us else now + pause
        if not for_anybody and not self._parting:
            self.keep()

    def keep(self) -> None:
        """Nothing is left for anybody else: what comes is ours."""
        if self._watch and not self._handed_over:
            self._watch.watch()

    def hand_over(self) -> None:
        """No more looks: another run is to come."""
        self._handed_over = True
        if self._watch and self._watch.leave_watch():
            # Nudges were dropped because of us.
            queue.nudge()

    def end(self) -> None:
        if self._watch:
            self._watch.leave_watch()

    def _is_patient(self, now: float) -> bool:
        if self._watch is None or not self._has_had_work or self._watch.others_wait():
            return False
        return self._linger < now - self._last_busy <= self._patience
