"""Texts with placeholders: "{first_name}" stands for what the record holds. Nothing in them is ever run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)\}")


def names(text: str) -> Iterator[str]:
    """The fields that a text asks for. What is in braces and no name of a field could be is text."""
    return (found[1] for found in _PLACEHOLDER.finditer(text))


def unknown(text: str, known: Collection[str]) -> str | None:
    """The first placeholder that is no field."""
    return next((name for name in names(text) if name not in known), None)


def fill(text: str, data: Mapping[str, Any]) -> str:
    """The text with what the record holds; unset is nothing."""
    return _PLACEHOLDER.sub(lambda found: _words(_look(data, found[1])), text)


def _look(data: Mapping[str, Any], name: str) -> Any:
    if name in data:
        return data[name]
    parent, _, child = name.partition(".")
    own = data.get(parent)
    return own.get(child) if isinstance(own, Mapping) else None


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(_words(each) for each in value)
    if isinstance(value, Mapping):
        return _words(value.get("name"))
    return str(value)
