"""What the pool runs. Each returns a small integer: anything else would have to survive a pickle."""

from __future__ import annotations

from django.utils.module_loading import import_string

from leads import jobs
from webhooks import queue
from webhooks.outbound import deliver as delivering
from webhooks.outbound.vigil import PATIENCE

# A plain qcluster sweeps every minute, and its scheduler looks every half minute.
SWEEP_BEAT = 150.0


def deliver(patience: float = PATIENCE) -> int:
    """Send what is due. How many tries were settled."""
    if queue.stop_at() is not None:
        return 0
    return delivering.run(stop=queue.stop_at, claim_for=queue.CLAIM_SECONDS, patience=patience, watch=queue.watch())


def run_job(name: str, *ids: int | str) -> int:
    """Run one job of leads.jobs; when the worker is about to stop, put it back for the next one."""
    if queue.stop_at() is not None:
        queue.enqueue(name, *ids)
        return 0
    import_string(jobs.named(name).run)(*ids)
    return 1


def sweep() -> int:
    """Once a minute, by django-q2's Schedule: whatever is due, owed or in need of mending. Tries settled."""
    if not queue.under_worker():
        queue.beat(SWEEP_BEAT)
    settled = deliver(patience=0.0)
    queue.tidy()
    for job in jobs.declared():
        for ids in import_string(job.waiting)():
            queue.enqueue(job.name, *ids)
    return settled
