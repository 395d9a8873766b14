"""docs/faults.md: what was measured, on which machine, when and how."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from tests.faults.experiment import Check, Experiment
from tests.program import ROOT

PAGE = ROOT / "docs" / "faults.md"

HEAD = """# Faults that were provoked, and what came of them

Each experiment runs the real program, kills, starves or stops something, and compares three ledgers at its end: what
was committed (read from the leads), what the receiver had on disk before it answered, and Webhook History. Signatures
are verified by standardwebhooks and PyJWT. Queue settings, leases and deadlines are as shipped; the waits between tries
are a hundredth, but for those of F13. `tests/faults/` has the experiments; `make test` runs each in a short form, and
shows that the judge notices a program that is broken on purpose. `make faults` runs all of this again, for more than an
hour, and writes this page.

Most tables end with the same rows. *Lost*: committed, and never received. *Unexpected*: received, and never committed.
*Half-written*: a lead that has only a part of a change. *Other webhook-ids* and *bodies that differ*: than Webhook
History has. A *duplicate* came more than once: whoever dies between an answer and the COMMIT that keeps it has to send
again, so that there may be as many as were on their way at each kill. Numbers that are missing stand for faults that
are not provoked here.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    experiment: Experiment[Any]
    stack: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


def write(findings: list[Finding]) -> None:
    """Put the findings of one experiment into the page, in the place of its earlier ones."""
    kept = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    PAGE.write_text(page(kept, findings, datetime.now(UTC)), encoding="utf-8")


def page(kept: str, findings: list[Finding], when: datetime) -> str:
    """The whole page: what was on it before, with one experiment's section new."""
    _, *sections = kept.split("\n## ")
    experiment = findings[0].experiment
    title = f"{experiment.id}: {experiment.title}"
    by_title = {section.partition("\n")[0]: section.strip() for section in sections}
    by_title[title] = "\n".join(
        [
            title,
            "",
            f"Seed {experiment.seed}: {_size(experiment.full)}. {when:%Y-%m-%d}, `{command(experiment)}`,",
            f"{_machine()}.",
            "",
            *_table(findings),
        ]
    )
    in_order = sorted(by_title.items(), key=lambda pair: (int(pair[0].partition(":")[0][1:]), pair[0]))
    return "\n\n## ".join([HEAD.strip(), *(section for _, section in in_order)]) + "\n"


def command(experiment: Experiment[Any]) -> str:
    return f"python -m tests.faults {experiment.id}"


def _table(findings: list[Finding]) -> list[str]:
    """A row for each check, a column for each database. What does not hold is bold."""
    heads = ["what", "bound", *(finding.stack for finding in findings)]
    rows: dict[str, list[str]] = {}
    for index, finding in enumerate(findings):
        for check in finding.checks:
            # A bound may depend on what was killed, hence on the run.
            row = rows.setdefault(check.what, ["", *[""] * len(findings)])
            row[0] = row[0] or check.bound
            said = check.measured if check.bound == row[0] else f"{check.measured} ({check.bound})"
            row[index + 1] = said if check.holds else f"**{said}**"
    rows["took"] = ["", *(f"{finding.seconds:.0f} s" for finding in findings)]
    body = [[what, *cells] for what, cells in rows.items()]
    return [_line(heads), _line(["---"] * len(heads)), *map(_line, body)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _size(size: Any) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in _fields(size))


def _fields(size: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(size, name)) for name in size.__dataclass_fields__]


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("Django", "django-q2", "psycopg"))
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {packages}"
    )
