"""`make bench` keeps its promise of figures. How fast anything is, is no matter of a test."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from benchmarks import figure, rival
from benchmarks.groups import GROUPS, deliver
from benchmarks.installation import Install, installations
from benchmarks.size import SMOKE
from benchmarks.table import table
from tests import services

# Each starts many processes and waits for them, for half a minute; they ask of the program what tests/faults and the
# tests of the worker ask of it. `make bench` fails where one of them cannot measure.
LONG = ("deliver", "grouped", "latency", "worker")
PROMISED = tuple(chain.from_iterable(group.FIGURES for group in GROUPS.values()))


@pytest.fixture(scope="module")
def install() -> Iterator[Install]:
    if reason := services.no_redis():
        pytest.skip(reason)
    with installations() as install:
        yield install


@pytest.mark.process
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.rare if name in LONG else ()) for name in GROUPS]
)
def test_every_promised_figure_is_in_the_file(install: Install, tmp_path: Path, name: str):
    promised = list(GROUPS[name].FIGURES)
    if name == "deliver" and (reason := rival.no_packages()):
        warnings.warn(f"{', '.join(deliver.OPTIONAL)} left out: {reason}; `make bench` installs them", stacklevel=1)
        promised = [each for each in promised if each not in deliver.OPTIONAL]
    figures = list(GROUPS[name].measure(install, SMOKE))
    figure.write(figures, tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text())
    assert sorted(found) == sorted(promised)
    assert all(set(entry) == {"value", "unit", "ratio", "against"} for entry in found.values())
    assert all(entry["against"] in (*PROMISED, None) for entry in found.values())
    assert all(each in table(figures) for each in promised)
    if name == "save":
        assert len({found[f"save.sqlite.{matching}.statements"]["value"] for matching in (1, 10, 100)}) == 1
