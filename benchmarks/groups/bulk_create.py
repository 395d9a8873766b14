"""bulk_create.sqlite: leads per second that Lead.objects.bulk_create stores with their events and deliveries.

Three webhooks match. Every lead has a name, an e-mail address and a phone of its own, and is judged by all rules.
Nobody sends meanwhile; between the rounds what was queued counts as sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.figure import Figure
from benchmarks.installation import Install
from benchmarks.size import Size

CREATED = "bulk_create.sqlite"
FIGURES = (CREATED,)
MATCHING = 3
NOWHERE = "http://127.0.0.1:9/hook"


def measure(install: Install, size: Size) -> Iterator[Figure]:
    with install().process("importer") as importer:
        importer.ask("webhooks", url=NOWHERE, number=MATCHING)
        importer.ask("create", number=size.bulk // 10)  # the phone rules and all statements are loaded
        seconds = [importer.ask("create", number=size.bulk) for _ in range(size.rounds)]
    yield Figure(CREATED, size.bulk / median(seconds), "leads/s")
