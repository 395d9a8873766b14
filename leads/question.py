"""Querysets that are asked at every request, and differ in a few values only: Django writes their statement once.

To write it takes Django several times longer than the database needs to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from leads import statement
from leads.converters import converters

Answer = TypeVar("Answer")

# Two values of each type, by which is seen where in the statement a value stands.
_EXAMPLES: Final[dict[type, tuple[Any, Any]]] = {
    str: ("one", "another"),
    int: (1, 2),
    datetime: (datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 2, 2, tzinfo=UTC)),
}


@dataclass(frozen=True, slots=True)
class _Written:
    text: str
    parameters: Sequence[Any]
    # For each value, where among the parameters it stands.
    places: Sequence[Sequence[int]]
    columns: Sequence[str]
    # Place among the columns, and what makes values of what the database answers there.
    converters: Sequence[tuple[int, Callable[[Any], Any]]]
    # Of a queryset of records, how many of the columns are the record's own.
    own: int


class Question(Generic[Answer]):
    """`ask(*values)`, a queryset of records or of tuples; types: of the values, str, int or datetime.

    Values must go into the statement as they are: None asks something else, and so do a list's members.
    """

    def __init__(self, ask: Callable[..., QuerySet[Any, Answer]], *types: type) -> None:
        self._ask, self._types = ask, types
        self._written: dict[str, _Written] = {}
        self._model: Any = None

    def __call__(self, *values: Any, using: str = DEFAULT_DB_ALIAS) -> list[Answer]:
        written = self._written.get(using) or self._write(using)
        parameters = list(written.parameters)
        for places, value in zip(written.places, values, strict=True):
            given = statement.moments(using)(value) if isinstance(value, datetime) else value
            for place in places:
                parameters[place] = given
        answers: list[Any] = []
        for found in statement.run(written.text, parameters, using):
            row = list(found)
            for place, convert in written.converters:
                row[place] = convert(row[place])
            answers.append(self._record(written, row, using) if self._model else tuple(row))
        return answers

    def first(self, *values: Any, using: str = DEFAULT_DB_ALIAS) -> Answer | None:
        """The first answer, by the queryset's own order."""
        return next(iter(self(*values, using=using)), None)

    def _record(self, written: _Written, row: list[Any], using: str) -> Any:
        record = self._model.from_db(using, written.columns[: written.own], row[: written.own])
        for name, value in zip(written.columns[written.own :], row[written.own :], strict=True):
            setattr(record, name, value)
        return record

    def _write(self, using: str) -> _Written:
        examples = [_EXAMPLES[kind] for kind in self._types]
        ones = [one for one, _ in examples]
        queryset = self._ask(*ones).using(using)
        compiler = queryset.query.get_compiler(using)
        text, parameters = compiler.as_sql()
        places = []
        for number, (_, another) in enumerate(examples):
            varied = self._ask(*ones[:number], another, *ones[number + 1 :]).using(using)
            _, others = varied.query.get_compiler(using).as_sql()
            places.append(
                [place for place, pair in enumerate(zip(parameters, others, strict=True)) if len(set(pair)) > 1]
            )
        is_records = queryset._iterable_class is ModelIterable
        fields = queryset.model._meta.concrete_fields if is_records else ()
        self._model = queryset.model if is_records else None
        names = [field.attname for field in fields]
        names += [str(alias) for _, _, alias in compiler.select[len(fields) :]]
        self._written[using] = _Written(
            text,
            list(parameters),
            places,
            names,
            list(converters(using, [column for column, _, _ in compiler.select])),
            len(fields),
        )
        return self._written[using]
