"""Rows that the tests of a module begin with, made once: in a transaction below those of the tests, never committed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import ClassVar, Generic, TypeVar

from django.db import connection, transaction

Rows = TypeVar("Rows")


class Ground(Generic[Rows]):
    """Each test gets records of its own, as a change to one of them is not undone with its row."""

    _open: ClassVar[list[Ground]] = []

    def __init__(self, make: Callable[[], Rows]) -> None:
        self._make = make
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        self._open.append(self)
        self._rows = make()
        # What was to be told of them is nothing that a test did.
        connection.run_on_commit.clear()

    def rows(self) -> Rows:
        return deepcopy(self._rows) if self in self._open else self._make()

    def close(self) -> None:
        if self in self._open:
            self._open.remove(self)
            transaction.set_rollback(True)
            self._transaction.__exit__(None, None, None)

    @classmethod
    def close_all(cls) -> None:
        """For a test that commits. Those of its module that follow make their rows themselves."""
        for ground in cls._open[::-1]:
            ground.close()
