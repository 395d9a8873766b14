"""`make bench` keeps its promise of figures. How fast anything is, is no matter of a test."""

import json
import warnings
from itertools import chain
from pathlib import Path

import pytest

from benchmarks import figure, rival
from benchmarks.__main__ import measure
from benchmarks.groups import GROUPS, deliver
from benchmarks.size import SMOKE
from benchmarks.table import table
from tests import services


@pytest.mark.process
def test_every_promised_figure_is_in_the_file(tmp_path: Path):
    if reason := services.no_redis():
        pytest.skip(reason)
    promised = list(chain.from_iterable(group.FIGURES for group in GROUPS.values()))
    if reason := rival.no_packages():
        warnings.warn(f"{', '.join(deliver.OPTIONAL)} left out: {reason}; `make bench` installs them", stacklevel=1)
        promised = [name for name in promised if name not in deliver.OPTIONAL]
    figures = measure(SMOKE, list(GROUPS))
    figure.write(figures, tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text())
    assert sorted(found) == sorted(promised)
    assert all(set(entry) == {"value", "unit", "ratio", "against"} for entry in found.values())
    assert all(entry["against"] in (*promised, None) for entry in found.values())
    assert all(name in table(figures) for name in promised)
    statements = {found[f"save.sqlite.{matching}.statements"]["value"] for matching in (1, 10, 100)}
    assert len(statements) == 1
