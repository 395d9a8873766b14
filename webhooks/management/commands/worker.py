from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand

from webhooks.worker.keeper import Keeper


class Command(BaseCommand):
    help = (
        "Sends what is queued, until it is stopped: django-q2's cluster, a clock for retries, and a watchdog. "
        "Ctrl-C ends it within 10 seconds, SIGTERM within 20; tries still open by then go out again at the next start."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        import_module("webhooks.tasks")  # once, before the forks, instead of in each process
        Keeper().run()
