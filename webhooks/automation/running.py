"""The job of the worker: ask new runs for their conditions, and do what is due, oldest first for each record.

A group of steps is done in one unit of work together with the run's progress, which is locked meanwhile: a worker that
is killed leaves nothing half done, and what it had begun is begun anew. One task of the pool does this at a time
(Runner), so that many runs leave the others to the deliveries; two at once would only share the work. Times are those
of the database's clock.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from leads import jobs
from leads.changes import acting, unit
from leads.sentences import sentences
from leads.signals import SYSTEM, Actor
from webhooks import conf, queue, sql
from webhooks.automation import steps
from webhooks.automation.doing import Doing, Failure
from webhooks.automation.start import JOB
from webhooks.models import Automation, Event, Run, Runner, RunState, Tally
from webhooks.wire import filter as contents

LOOP = f"loop: {conf.MOST_HOPS} hops"
SWITCHED_OFF = "It was switched off meanwhile."
DELETED = "It was deleted meanwhile."

BATCH = 100
# A task works for so long; the rest is another one's, so that deliveries get their turn.
RUN_FOR = 5.0
# It looks for more for longer than nudges are dropped (queue.nudge_job).
LINGER = queue.NUDGE_EVERY + 0.15
REST = 0.03
# For so long nobody else goes on, should this one be killed.
HELD_FOR = timedelta(seconds=10)

log = logging.getLogger(__name__)


def run() -> None:
    """The job: go on until there is nothing left, or it is time for somebody else."""
    if not _take():
        return
    busy_at = time.monotonic()
    until = busy_at + RUN_FOR
    try:
        while queue.stop_at() is None and (now := time.monotonic()) < until:
            if _anything() and (judge() or go_on()):
                busy_at = now
            elif now - busy_at > LINGER:
                return
            else:
                time.sleep(REST)
    finally:
        Runner.objects.update(until=sql.clock())
    jobs.start(JOB)


def due() -> list[jobs.Ids]:
    """Whether there is anything to do, for the worker's clock; nothing while somebody does it."""
    if not _anything() or Runner.objects.filter(until__gt=Now()).exists():
        return []
    return [()]


def judge() -> int:
    """Ask a batch of new runs for their conditions; returns how many.

    Those whose conditions do not hold are counted, and go.
    """
    with transaction.atomic():
        runs = list(_locked(Run.objects.filter(state=RunState.NEW).order_by("pk"))[:BATCH])
        automations = Automation.objects.in_bulk({run.automation_id for run in runs if run.automation_id})
        events = Event.objects.in_bulk({run.event_id for run in runs})
        unmet = [run for run in runs if not _judge(run, automations.get(run.automation_id or 0), events[run.event_id])]
        kept = [run for run in runs if run not in unmet]
        Run.objects.bulk_update(kept, ["automation", "state", "steps", "due_at", "reason", "finished_at"])
        Run.objects.filter(pk__in=[run.pk for run in unmet]).delete()
        _count(unmet, "unmet")
        _count([run for run in kept if run.state == RunState.WAITING], "begun")
        for state in (RunState.STOPPED, RunState.FAILED):
            _count([run for run in kept if run.state == state], state)
    return len(runs)


def go_on() -> bool:
    """Do the steps that are due of one run; False where none is due."""
    actor = SYSTEM
    run: Run | None = None
    stood = 0
    try:
        with acting(lambda: actor), unit() as work:
            run = _locked(Run.objects.filter(_due(), ~_behind()).order_by("due_at", "pk")).first()
            if run is None:
                return False
            stood = run.step
            event = Event.objects.get(pk=run.event_id)
            automation = Automation.objects.filter(pk=run.automation_id or 0).first()
            if automation is None or not automation.is_active:
                _stop(run, automation)
            else:
                actor = Actor(run.kind, automation.pk, automation.name, event.hops + 1)
                _do(run, Doing(run, event, work))
            run.save()
            if run.finished_at is not None:
                _count([run], run.state)
    except (OperationalError, InterfaceError):
        # The database's trouble is not the run's: it stays as it is.
        raise
    except Exception as error:
        if run is None:
            raise
        _fail(run.pk, stood, error)
    return True


def _do(run: Run, doing: Doing) -> None:
    """The steps that are due together; then the run waits for the next ones, or is done."""
    group = next(steps.together(run.steps[run.step :]))
    for number, step in enumerate(group, start=run.step):
        try:
            run.told(doing.do(number, step))
        except Failure as failure:
            raise Failure(f"Step {number + 1}: {failure}" if len(run.steps) > 1 else str(failure)) from failure
    run.step += len(group)
    if run.step == len(run.steps):
        _end(run, RunState.DONE)
    else:
        run.due_at = sql.clock() + timedelta(seconds=run.steps[run.step]["wait"])


def _judge(run: Run, automation: Automation | None, event: Event) -> bool:
    """Whether the conditions hold, or nobody can say any more; what becomes of the run is set on it.

    Never raises: a rule that cannot be read keeps no other one waiting.
    """
    if automation is None or not automation.is_active:
        _stop(run, automation)
        return True
    try:
        if contents.unmet(automation.read_conditions, event.frozen) is not None:
            return False
    except ValueError:
        _end(run, RunState.FAILED, "Its conditions cannot be read. Set them anew.")
        return True
    if event.hops >= conf.MOST_HOPS:
        _end(run, RunState.STOPPED, LOOP)
        return True
    try:
        wait = timedelta(seconds=automation.steps[0].get("wait", 0))
    except (AttributeError, IndexError, KeyError, TypeError):
        _end(run, RunState.FAILED, "Its steps cannot be read. Set them anew.")
        return True
    run.state, run.steps, run.due_at = RunState.WAITING, automation.steps, run.created_at + wait
    return True


def _fail(run_id: int, stood: int, error: Exception) -> None:
    """What the steps had done is undone; why is written down. stood: the step at which the run was."""
    match error:
        case Failure():
            why = str(error)
        case ValidationError():
            why = " ".join(sentences(error))
        case _:
            log.error("run %s failed", run_id, exc_info=error)
            why = f"It cannot be done: {type(error).__name__}."
    with transaction.atomic():
        run = _locked(Run.objects.filter(pk=run_id, state=RunState.WAITING, step=stood)).first()
        if run is not None:
            _end(run, RunState.FAILED, why)
            run.save()
            _count([run], run.state)


def _stop(run: Run, automation: Automation | None) -> None:
    # A save that was open while it was deleted has stored its id: there is nothing behind it to count for.
    run.automation = automation
    _end(run, RunState.STOPPED, DELETED if automation is None else SWITCHED_OFF)


def _end(run: Run, state: str, reason: str = "") -> None:
    run.state, run.reason, run.finished_at = state, reason[:500], timezone.now()


def _count(runs: Sequence[Run], what: str) -> None:
    """In the tallies of their rules, in the transaction of the runs. What has begun is no number of its own."""
    for automation_id, number in sorted(Counter(run.automation_id for run in runs if run.automation_id).items()):
        tally = Tally.locked(automation_id)
        if what != "begun":
            setattr(tally, what, getattr(tally, what) + number)
        if what != "unmet":
            tally.last_run_at = timezone.now()
        tally.save(update_fields=["done", "failed", "stopped", "unmet", "last_run_at"])


def _due() -> Q:
    return Q(state=RunState.WAITING, due_at__lte=Now())


def _behind() -> Exists:
    """An older run of the same record is to be gone on with first."""
    older = Run.objects.filter(record=OuterRef("record"), pk__lt=OuterRef("pk"))
    return Exists(older.filter(Q(state=RunState.NEW) | _due()))


def _anything() -> bool:
    return Run.objects.filter(state=RunState.NEW).exists() or Run.objects.filter(_due()).exists()


def _locked(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Those that nobody else has. SQLite has one writer at a time and needs no such word."""
    return runs.select_for_update(skip_locked=True) if connection.features.has_select_for_update_skip_locked else runs


def _take() -> bool:
    """Be the one that goes on; False while somebody else is."""
    now = sql.clock()
    Runner.objects.get_or_create(pk=Runner.THE_ONE, defaults={"until": now})
    return bool(Runner.objects.filter(until__lte=now).update(until=now + HELD_FOR))
