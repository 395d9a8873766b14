"""Queues tasks, and says when all of them are done and stored."""

import time

import django

from benchmarks.bodies import bodies
from benchmarks.process import serve

django.setup()

from django_q.models import Failure, OrmQ  # noqa: E402
from django_q.tasks import async_task  # noqa: E402

_url: list[str] = []


def prepare(url: str) -> None:
    _url[:] = [url]


def queue(count: int, database: str) -> None:
    for body in bodies(database, count):
        async_task("benchmarks.rivals.task_per_delivery.tasks.post", _url[0], body)


def settled() -> None:
    """Returns when the queue is empty: a task leaves it after its result is stored."""
    while OrmQ.objects.exists():
        time.sleep(0.01)
    if failure := Failure.objects.first():
        raise RuntimeError(failure.result)


if __name__ == "__main__":
    serve({"prepare": prepare, "queue": queue, "settled": settled})
