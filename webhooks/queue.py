"""The door to django-q2: the only module, beside the worker's pool, that knows it.

A queued task is a nudge and never the truth. The deliveries say themselves when they are due, so that a task that was
lost, doubled or could not be queued costs latency and nothing else. Tasks are dotted paths with ids and strings.
"""

from __future__ import annotations

import ast
import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models.signals import post_migrate
from django.utils import timezone
from django_q.brokers import Broker, get_broker
from django_q.models import Failure, Schedule
from django_q.signals import post_spawn
from django_q.tasks import async_task

from leads import jobs
from webhooks import conf
from webhooks.models.worker import Heartbeat

log = logging.getLogger(__name__)

DELIVER = "webhooks.tasks.deliver"
RUN_JOB = "webhooks.tasks.run_job"
SWEEP = "webhooks.tasks.sweep"

# A deliver task claims for so long, then ends what it has begun.
CLAIM_SECONDS = 20.0
# It also waits 0.4 s for what comes meanwhile, so that a save within 0.1 s of a nudge needs none of its own.
NUDGE_EVERY = 0.1
# A broker that is down may take seconds to say so, and somebody's save waits for it: each failure doubles the silence.
FIRST_SILENCE, LONGEST_SILENCE = 1.0, 30.0

SWEEP_NAME = "webhooks sweep"
FAILURES_KEPT = timedelta(days=7)


# Nudges and jobs


class _Pace:
    """When this process may nudge next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0
        self._silence = FIRST_SILENCE

    def take(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return False
            self._next = now + NUDGE_EVERY
            return True

    def succeeded(self) -> None:
        self._silence = FIRST_SILENCE

    def failed(self) -> None:
        with self._lock:
            self._next = time.monotonic() + self._silence
            self._silence = min(2 * self._silence, LONGEST_SILENCE)


_pace = _Pace()


def nudge(using: str = DEFAULT_DB_ALIAS) -> None:
    """Have the queued deliveries sent, once the open transaction, if any, is committed. Cheap, and never raises.

    Whether this transaction has its nudge is asked of its own list of callbacks: a mark kept anywhere else would
    outlive a rollback. An entry can only vanish from the list by the rollback of a savepoint that is still open, and
    that takes the rows of every later caller with it: so one entry is enough, whichever savepoint it was made in.
    """
    _after_commit(_nudge, using)


def nudge_job(name: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """The same for a job that takes no ids and is due by the second: it finds by itself what there is to do.

    Raises jobs.UnknownJob. To miss nothing, the job looks for more for as long as nudges are dropped, NUDGE_EVERY.
    """
    jobs.named(name)
    _after_commit(_nudge_of(name), using)


def _after_commit(send: Callable[[], None], using: str) -> None:
    connection = connections[using]
    if any(entry[1] is send for entry in connection.run_on_commit):
        return
    try:
        connection.on_commit(send, robust=True)
    except transaction.TransactionManagementError:
        # Autocommit was switched off by hand: there is no commit to wait for that Django would tell of.
        log.warning("no nudge without autocommit or atomic(): the clock will find what is due")


def _nudge() -> None:
    _send_paced(_pace, DELIVER)


@functools.cache
def _nudge_of(name: str) -> Callable[[], None]:
    return functools.partial(_send_paced, _Pace(), RUN_JOB, name)


def _send_paced(pace: _Pace, path: str, *args: str) -> None:
    if not pace.take():
        return
    try:
        _send(path, *args)
    except Exception:
        pace.failed()
        log.exception("the queue took no nudge: the clock will find what is due")
    else:
        pace.succeeded()


def enqueue(name: str, *ids: int | str) -> None:
    """Have a job of leads.jobs run after the open transaction, if any. Raises jobs.UnknownJob, TypeError for other ids.

    An error of the broker is logged: the sweep asks for the job again.
    """
    jobs.named(name)
    if not all(isinstance(each, int | str) for each in ids):
        raise TypeError("A job takes integers and strings only.")

    def send() -> None:
        try:
            _send(RUN_JOB, name, *ids)
        except Exception:
            log.exception("the queue did not take the job %s: the sweep will ask for it again", name)

    transaction.on_commit(send, robust=True)


jobs.hand_to(enqueue, lambda: stop_at() is not None)


def _send(path: str, *args: int | str) -> None:
    # Successes leave no row whatever the settings say: the Attempt table is our history.
    async_task(path, *args, q_options={"broker": _broker(), "task_name": path.rpartition(".")[2], "save": False})


@functools.cache
def _broker() -> Broker:
    # A broker made for each task opens its connection for each task.
    return get_broker()


# What the worker tells its tasks


class Watch(Protocol):
    """Of the deliver tasks that have nothing to send, one stays and looks for what comes."""

    def watch(self) -> None:
        """I will look again, soon. Says nothing while somebody else does."""

    def leave_watch(self) -> bool:
        """I look once more at most, and now. Was it me?"""

    def wait(self, seconds: float) -> bool:
        """Rest for so long, or until a nudge comes while I keep watch. Did one?"""

    def watched_by_another(self) -> bool: ...

    def others_wait(self) -> bool:
        """Is there a task of another kind that nobody has begun yet?"""

    def take_bulk(self) -> bool:
        """I am about to send what an import tells. True unless another one does."""


_stop_at: list[Callable[[], float | None]] = []
_watch: list[Watch] = []


def obey(source: Callable[[], float | None], watch: Watch | None = None) -> None:
    """Called once by the worker, before it forks its pool: source() is what stop_at() will answer."""
    _stop_at[:] = [source]
    _watch[:] = [watch] if watch else []


def stop_at() -> float | None:
    """None, or the instant (time.monotonic()) by which open work must have ended. A plain qcluster never says."""
    return _stop_at[0]() if _stop_at else None


def watch() -> Watch | None:
    """How the worker's tasks agree on who waits for what comes. None under a plain qcluster, where each one does."""
    return _watch[0] if _watch else None


def under_worker() -> bool:
    """Does `manage.py worker` keep this process, rather than a plain qcluster?"""
    return bool(_stop_at)


# Who works


def beat(next_in: float) -> None:
    """Leave the sign of life; the next one follows within so many seconds."""
    now = timezone.now()
    signs = {"seen_at": now, "next_by": now + timedelta(seconds=next_in)}
    if not Heartbeat.objects.filter(pk=Heartbeat.THE_ONE).update(**signs):
        Heartbeat.objects.get_or_create(pk=Heartbeat.THE_ONE, defaults=signs)


def worker_seen() -> datetime | None:
    """When a worker, or a qcluster, last gave a sign of life; None if never."""
    return Heartbeat.objects.filter(pk=Heartbeat.THE_ONE).values_list("seen_at", flat=True).first()


def worker_missing() -> bool:
    """Has the sign of life been overdue? Then nobody sends what is queued."""
    return not Heartbeat.objects.filter(pk=Heartbeat.THE_ONE, next_by__gte=timezone.now()).exists()


# The Schedule table of django-q2


def tidy() -> None:
    """Mend the sweep's row, set aside rows that would block it, and drop old failures. Raises DatabaseError."""
    _mend_sweep()
    _park_broken()
    Failure.objects.filter(stopped__lt=timezone.now() - FAILURES_KEPT).delete()


def _mend_sweep() -> None:
    """By this row a plain qcluster sweeps every minute. There is one, and it is as it should be."""
    wanted: dict[str, Any] = {
        "func": SWEEP,
        "schedule_type": Schedule.MINUTES,
        "minutes": 1,
        "repeats": -1,
        **dict.fromkeys(("args", "kwargs", "hook", "cron", "cluster", "intended_date_kwarg")),
    }
    now = timezone.now()
    with transaction.atomic():
        row, *others = Schedule.objects.select_for_update().filter(name=SWEEP_NAME).order_by("pk") or [None]
        if row is None:
            Schedule.objects.create(name=SWEEP_NAME, next_run=now, **wanted)
            return
        Schedule.objects.filter(pk__in=[other.pk for other in others]).delete()
        # The scheduler counts up from next_run minute by minute: one far in the past would hold it up.
        if row.next_run is None or abs(row.next_run - now) > timedelta(hours=1):
            wanted["next_run"] = now
        if any(getattr(row, name) != value for name, value in wanted.items()):
            Schedule.objects.filter(pk=row.pk).update(**wanted)


def _park_broken() -> None:
    """One row that cannot be read rolls back the scheduler's whole round, every round: take such rows out of it."""
    for row in Schedule.objects.exclude(repeats=0).filter(next_run__lt=timezone.now()):
        try:
            _rehearse(row)
        except Exception as error:
            log.error("the schedule %r cannot be read and is set to no repeats: %s", row.name or row.pk, error)
            Schedule.objects.filter(pk=row.pk).update(repeats=0)


def _rehearse(row: Schedule) -> None:
    """Do with the row what the scheduler does, and raise what it raises."""
    if row.args:
        ast.literal_eval(row.args)
    kwargs = {}
    if row.kwargs:
        try:
            kwargs = ast.literal_eval(row.kwargs)
        except (SyntaxError, ValueError):
            call: Any = ast.parse(f"f({row.kwargs})").body[0]
            kwargs = {word.arg: ast.literal_eval(word.value) for word in call.value.keywords}
    kwargs.get("q_options", {}).get("cluster")
    if row.schedule_type != Schedule.ONCE:
        row.calculate_next_run(row.next_run)


def _after_migrate(sender: Any, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    # Only when both tables are there: `migrate` may have been told to stop before either.
    if sender.name == "webhooks" and Schedule._meta.db_table in connections[using].introspection.table_names():
        _mend_sweep()


def _after_spawn(**_: Any) -> None:
    """In each worker process at its start: the one moment at which a plain qcluster runs code of ours unasked."""
    try:
        tidy()
    except Exception:  # it would end the process, and the next one
        log.exception("the schedules could not be looked at")


post_migrate.connect(_after_migrate, dispatch_uid="webhooks.queue")
post_spawn.connect(_after_spawn, dispatch_uid="webhooks.queue")


# Start-up checks. django-q2's defaults lose, double or hang tasks: libraries and versions aside, these are arithmetic.


@checks.register
def check_settings(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """Q_CLUSTER and WEBHOOK_LEASE against what the deliver task needs of them."""
    given: dict[str, Any] = settings.Q_CLUSTER
    workers, limit, bulk = given.get("workers") or 0, given.get("queue_limit"), given.get("bulk", 1)
    timeout, retry = given.get("timeout") or 0, given.get("retry", 60)
    least_timeout = CLAIM_SECONDS + conf.LONGEST_TIMEOUT + 5
    found: list[checks.CheckMessage] = []

    def demand(holds: bool, number: int, words: str, setting: str = "Q_CLUSTER") -> None:
        if not holds:
            found.append(checks.Error(f"{setting}: {words}", id=f"webhooks.E{number:03}"))

    demand(workers >= 1, 1, "workers must be given, and be at least 1.")
    demand(
        timeout >= least_timeout,
        2,
        f"timeout (Q_TIMEOUT) is {timeout} s; a deliver task claims for {CLAIM_SECONDS:g} s and its last try may take "
        f"{conf.LONGEST_TIMEOUT:g} s: at least {least_timeout:g} s.",
    )
    if workers >= 1 and limit:
        # A task's lock starts when it is fetched: it has to outlast the tasks that were fetched before it.
        least_retry = timeout + math.ceil((limit + bulk) / workers) * (timeout + 3) + 30
        demand(retry >= least_retry, 3, f"retry (Q_RETRY) is {retry} s; tasks would run twice below {least_retry} s.")
    demand(limit == workers, 4, f"queue_limit is {limit}; it must equal workers ({workers}).")
    demand(given.get("max_attempts") == 1, 5, "max_attempts must be 1: a failed task would be tried for ever.")
    demand(given.get("ack_failures") is True, 6, "ack_failures must be True: a failed task would come again.")
    demand(given.get("save_limit", 250) < 0, 7, "save_limit must be -1: a row per success costs most of the time.")
    demand(given.get("catch_up") is False, 8, "catch_up must be False: every missed minute would sweep.")
    demand(given.get("guard_cycle", 0.5) >= 0.5, 9, "guard_cycle must be at least 0.5: below, hung tasks live on.")
    demand(not given.get("sync"), 10, "sync must be off: a save would wait for the receivers.")
    least_lease = conf.LONGEST_TIMEOUT + 10.0
    demand(
        conf.lease() >= least_lease,
        11,
        f"a lease of {conf.lease():g} s ends before a try does, which may take {conf.LONGEST_TIMEOUT} s, and somebody "
        f"else would send the same: at least {least_lease:g} s.",
        "WEBHOOK_LEASE",
    )
    if given.get("orm") and settings.DATABASES[given["orm"]].get("CONN_MAX_AGE", 0) is not None:
        found.append(
            checks.Warning("CONN_MAX_AGE is not None: each nudge opens the database anew.", id="webhooks.W001")
        )
    return found
