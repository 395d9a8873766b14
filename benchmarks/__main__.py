"""python -m benchmarks [--quick] [group ...]: prints a table and writes build/bench.json. See benchmarks/README.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import figure, rival, table
from benchmarks.figure import Figure
from benchmarks.groups import GROUPS
from benchmarks.installation import installations
from benchmarks.size import FULL, QUICK, Size

OUT = Path("build/bench.json")


def measure(size: Size, groups: Sequence[str]) -> list[Figure]:
    """The figures of these groups, in the order in which they were promised."""
    found: list[Figure] = []
    with installations() as install:
        for name in groups:
            began = time.monotonic()
            found += GROUPS[name].measure(install, size)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write build/bench.json.")
    parser.add_argument("--quick", action="store_true", help="the same, small")
    parser.add_argument("group", nargs="*", help=f"one of {', '.join(GROUPS)}; none: all of them")
    given = parser.parse_args()
    for name in given.group:
        if name not in GROUPS:
            parser.error(f"{name} is no group; there are {', '.join(GROUPS)}")
    # The folders and processes of a run that is told to stop go as well.
    signal.signal(signal.SIGTERM, _stop)
    # Everything is on the loopback: no database of the caller's, no proxy.
    os.environ.pop("DATABASE_URL", None)
    head = table.machine()
    if "deliver" in (given.group or GROUPS) and (reason := rival.find_packages()):
        print(reason, file=sys.stderr)
    figures = measure(QUICK if given.quick else FULL, given.group or list(GROUPS))
    figure.write(figures, OUT)
    print(head)
    print(table.table(figures))
    print(f"written to {OUT}")


def _stop(*_: Any) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
