"""What a measurement yields, and the file in which all of them are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """value in unit; ratio is value divided by that of the figure `against`, measured in the same rounds."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    against: str | None = None


def write(figures: Iterable[Figure], path: Path) -> None:
    """{figure: {"value", "unit", "ratio", "against"}}; ratio and against are null where nothing is compared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        figure.name: {
            "value": round(figure.value, 3),
            "unit": figure.unit,
            "ratio": None if figure.ratio is None else round(figure.ratio, 3),
            "against": figure.against,
        }
        for figure in figures
    }
    path.write_text(json.dumps(found, indent=2) + "\n")
