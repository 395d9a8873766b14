"""What makes values of what the database answers: Django's converters, and shorter ways to the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connections, models


def converters(using: str, columns: Sequence[Any]) -> Iterator[tuple[int, Callable[[Any], Any]]]:
    """The place of a column among these and what its answers go through, in order; most columns have none."""
    compiler = models.sql.Query(None).get_compiler(using)
    for place, (converts, expression) in compiler.get_converters(columns).items():
        for convert in converts:
            yield place, _short(convert, using) or partial(_converted, convert, expression, using)


def _short(convert: Callable[..., Any], using: str) -> Callable[[Any], Any] | None:
    """What comes to the same as one of Django's converters, sooner; None where there is nothing of the kind."""
    field: Any = getattr(convert, "__self__", None)
    connection: Any = connections[using]
    if type(field) is models.JSONField and field.decoder is None:
        return _read_json
    if connection.vendor == "sqlite" and convert == connection.ops.convert_datetimefield_value:
        return _read_moment
    if connection.vendor == "sqlite" and convert == connection.ops.convert_booleanfield_value:
        return _read_truth
    return None


def _read_json(text: str | None) -> Any:
    """What Django's field makes of a whole column, without asking each time what part of it is meant."""
    return [] if text == "[]" else {} if text == "{}" else text if text is None else _decode(text)


def _read_moment(value: datetime | str | None) -> datetime | None:
    """SQLite's columns hold UTC; the driver has read those whose type it knows."""
    if value is None:
        return None
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)


def _read_truth(value: Any) -> Any:
    """SQLite has no type for it: 1 is true and 0 is false."""
    return _TRUTH.get(value, value)


_TRUTH = {0: False, 1: True}
_decode = json.JSONDecoder().decode


def _converted(convert: Callable[..., Any], expression: Any, using: str, value: Any) -> Any:
    return convert(value, expression, connections[using])
