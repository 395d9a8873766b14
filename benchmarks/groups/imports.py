"""import.50k: seconds in which the worker brings in a file of 50,000 leads, the slower one of SQLite and PostgreSQL.
import.memory: MB of its largest process meanwhile, at its peak, by the kernel's own mark.

Three webhooks match and are sent what they hear, in the bulk lane; every lead has ten fields, two tags among them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.groups.worker import highest
from benchmarks.installation import Database, Install
from benchmarks.size import Size

SECONDS, MEMORY = "import.50k", "import.memory"
FIGURES = (SECONDS, MEMORY)
MATCHING = 3
WITHIN = 300.0
ENDED = "SELECT count(*) FROM leads_leadimport WHERE state = 'done' AND refused = 0 AND created = rows"

# In the bulk lane, whether they are sent by now or not.
HEARD = "SELECT count(*) FROM webhooks_delivery WHERE lane = 2"


def measure(install: Install, size: Size) -> Iterator[Figure]:
    found = [_run(install, database, size.imported) for database in ("sqlite", "postgresql")]
    yield Figure(SECONDS, max(seconds for seconds, _ in found), "s")
    yield Figure(MEMORY, max(peak for _, peak in found) / 1_000_000, "MB")


def _run(install: Install, database: Database, rows: int) -> tuple[float, int]:
    """Seconds, and bytes of the largest process."""
    here = install(database)
    with here.process("sink") as sink, here.process("importer") as importer, here.worker():
        importer.ask("webhooks", url=f"http://127.0.0.1:{sink.hear(10.0)}/hook", number=MATCHING, dialect="standard")
        importer.ask("file", number=rows)
        began, largest = time.monotonic(), 0
        while here.program.ask(ENDED) != [(1,)]:
            if time.monotonic() - began > WITHIN:
                raise RuntimeError(f"{rows} rows were not imported within {WITHIN:g} s")
            largest = max([largest, *map(highest, here.program.family())])
            time.sleep(0.1)
        seconds = time.monotonic() - began
        if here.program.ask(HEARD) != [(MATCHING * rows,)]:
            raise RuntimeError(f"the webhooks heard of {here.program.ask(HEARD)} leads, and not of {rows} each")
        return seconds, largest
