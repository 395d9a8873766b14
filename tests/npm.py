"""Packages of npm, for tests in which JavaScript judges what we send. Nothing of them stays in the repository."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import pytest


def no_npm() -> str:
    """Why no package of npm can be had here, '' when Node and npm are there."""
    missing = [name for name in ("node", "npm") if not shutil.which(name)]
    return f"there is no {' and no '.join(missing)}" if missing else ""


def install(folder: Path, *packages: str) -> None:
    """Put packages, each as name@version, into folder/node_modules. Without npm or its registry: skips, and warns."""
    if reason := no_npm():
        _skip(packages, reason)
    (folder / "package.json").write_text('{"private": true}')
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        done = subprocess.run(
            ["npm", "install", *options, *packages],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        _skip(packages, "npm took longer than 120 s")
    if done.returncode:
        _skip(packages, done.stdout.strip())


def node(folder: Path, script: str, given: str) -> str:
    """What an ES module printed that was run in the folder, with `given` as its input."""
    (folder / "script.mjs").write_text(script)
    done = subprocess.run(
        ["node", "script.mjs"], cwd=folder, input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _skip(packages: tuple[str, ...], reason: str) -> None:
    # A skipped test is easily overlooked, a warning stands at the end of every run.
    reason = f"NOT TESTED against npm's {', '.join(packages)}: {reason}"
    warnings.warn(reason, stacklevel=3)
    pytest.skip(reason)
