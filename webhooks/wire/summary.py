"""A received body in two phrases, for a list."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Summary:
    event: str
    """The system's own name of the event; empty when the body does not tell."""
    label: str
    """Whom it is about; empty when the body does not say."""


def person(data: Any) -> str:
    """Whom a lead's JSON object is about, by the first of its names that says anything; "" for anything else."""
    return next(_names(data), "") if isinstance(data, dict) else ""


def _names(data: dict[str, Any]) -> Iterator[str]:
    parts = [data.get("first_name"), data.get("last_name")]
    full = " ".join(part for part in parts if isinstance(part, str) and part)
    for text in (data.get("full_name"), full, data.get("email"), data.get("phone")):
        if isinstance(text, str) and text:
            yield text
    if type(data.get("id")) is int:
        yield f"Lead {data['id']}"
