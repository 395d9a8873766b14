"""The plans that PostgreSQL keeps for a connection of ours: statements that are prepared.

They are run by libpq's functions, as psycopg hands them out: its cursors take twice as long to run one. The first one
of a transaction takes BEGIN along, and its last one, where that is known, COMMIT.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import abc, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

MOST_KEPT = 100
# An attribute of Django's connection.
KEPT = "kept_plans"


def plans_of(connection: Any) -> Plans | None:
    """Those of Django's connection to PostgreSQL. None behind a pooler; nor where psycopg prepares by itself, as it
    takes away all plans now and then; nor where BEGIN says more than that."""
    raw = connection.connection
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS") or raw.prepare_threshold is not None:
        return None
    if raw.isolation_level is not None:
        return None
    plans: Plans | None = connection.__dict__.get(KEPT)
    if plans is None or plans.raw is not raw:
        plans = Plans(raw)
        setattr(connection, KEPT, plans)
    return plans


class Plans:
    """since: when the first of them may have been prepared (time.monotonic())."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw, self.since = raw, time.monotonic()
        self._statements: dict[str, Prepared] = {}
        self._number = 0
        self._context = psycopg.Cursor(raw)
        # In C, and to the same moments: those that Django registers are read in Python.
        self._context.adapters.register_loader("timestamptz", TimestamptzLoader)

    def run(self, statement: str, parameters: Sequence[Any], commit: bool) -> Prepared:
        prepared = self._statements.get(statement)
        if prepared is None:
            prepared = self._statements[statement] = Prepared(*_numbered(statement), Transformer(self._context))
        values = prepared.transformer.dump_sequence(parameters, prepared.formats)
        types = prepared.transformer.types or ()
        name = prepared.names.get(types)
        if name is None:
            name = prepared.names[types] = self._prepare(prepared.text, types)
        prepared.take(self._run(name, values, prepared.transformer.formats, commit), name)
        return prepared

    def _prepare(self, text: bytes, types: tuple[int, ...]) -> bytes:
        if self._number and self._number % MOST_KEPT == 0:
            self.raw.execute("DEALLOCATE ALL")
            for prepared in self._statements.values():
                prepared.names.clear()
        name = b"kept_%d" % self._number
        self.raw.pgconn.send_prepare(name, text, types)
        _checked(self.raw.wait(generators.execute(self.raw.pgconn)))
        self._number += 1
        return name

    def _run(self, name: bytes, values: Sequence[Any], formats: Any, commit: bool) -> Any:
        pgconn = self.raw.pgconn
        begin = pgconn.transaction_status == TransactionStatus.IDLE and not self.raw.autocommit
        if not begin and not commit:
            pgconn.send_query_prepared(name, values, formats)
            return _checked(self.raw.wait(generators.execute(pgconn)))[0]
        # In one way to the database and back.
        pgconn.enter_pipeline_mode()
        if begin:
            pgconn.send_query_params(b"BEGIN", None)
        pgconn.send_query_prepared(name, values, formats)
        if commit:
            pgconn.send_query_params(b"COMMIT", None)
        pgconn.pipeline_sync()
        return _checked(self.raw.wait(_answers(pgconn, begin + 1 + commit)))[begin]


def _answers(pgconn: Any, number: int) -> Generator[Any, Any, list[Any]]:
    """What so many statements came to; that of the mark after them is none."""
    results: list[Any] = []
    for _ in range(number):
        results += yield from generators.execute(pgconn)
    yield from generators.execute(pgconn)
    pgconn.exit_pipeline_mode()
    return results


def _checked(results: Sequence[Any]) -> Sequence[Any]:
    for result in results:
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(result)
    return results


@dataclass(slots=True)
class Prepared:
    """A statement, and as a cursor tells it what it came to when it was last run."""

    text: bytes
    formats: Sequence[PyFormat]
    transformer: abc.Transformer
    # By the types of the parameters.
    names: dict[tuple[int, ...], bytes] = field(default_factory=dict)
    name: bytes = b""
    pgresult: Any = None

    def take(self, result: Any, name: bytes) -> None:
        # How rows are read is the same for every result of one plan.
        self.transformer.set_pgresult(result, set_loaders=name != self.name)
        self.pgresult, self.name = result, name

    @property
    def rowcount(self) -> int:
        return self.pgresult.command_tuples or 0

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.transformer.load_rows(0, self.pgresult.ntuples, tuple)


def _numbered(statement: str) -> tuple[bytes, Sequence[PyFormat]]:
    """In PostgreSQL's own words, and the form in which each parameter travels."""
    formats: list[PyFormat] = []

    def mark(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        formats.append(PyFormat(found[0][1]))
        return f"${len(formats)}"

    return re.sub("%[%sb]", mark, statement).encode(), formats
