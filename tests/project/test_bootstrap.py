"""The part of `make run` and `make test` that the machine's own Python runs."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from leadcrm import bootstrap
from tests.program import ROOT

SOURCE = ROOT / "leadcrm" / "bootstrap.py"


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13)])
def test_an_old_python_is_told_so_in_one_line(version):
    code = (
        f"import sys; sys.version_info = {version}; __file__ = sys.argv[1]\n"
        "exec(compile(open(__file__).read(), __file__, 'exec'))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(SOURCE)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr == f"leadcrm needs Python 3.11 or newer, and {sys.executable} is {version[0]}.{version[1]}.\n"


def test_an_old_python_can_parse_it():
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 4))
    modern = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef, ast.Starred, ast.Nonlocal)
    assert not [node for node in ast.walk(tree) if isinstance(node, modern)]
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arguments)]
    assert not [one for one in arguments if one.kwonlyargs or any(argument.annotation for argument in one.args)]
    assert all(ord(character) < 128 for character in SOURCE.read_text())


def test_missing_venv_is_one_line_where_nothing_may_be_installed(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(bootstrap, "works", lambda command: False)
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as end:
        bootstrap.make_venv()
    assert "apt-get install python3-venv" in str(end.value)
    assert "\n" not in str(end.value)


@pytest.fixture
def bare(monkeypatch, tmp_path: Path) -> list[list[str]]:
    """A machine without venv, where root may install: the commands that were run, and what apt-get adds to it."""
    called: list[list[str]] = []

    def works(command: list[str]) -> bool:
        return command[0] == "apt-get" or any("python3-venv" in one for one in called)

    monkeypatch.setattr(bootstrap, "works", works)
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **how: called.append(command) or 0)
    return called


def test_missing_venv_is_installed_where_that_is_allowed(monkeypatch, bare: list[list[str]], capsys):
    monkeypatch.setattr(bootstrap, "quietly", lambda command: bare.append(command) or "Setting up python3-venv")
    bootstrap.make_venv()
    assert [command[:2] for command in bare] == [["apt-get", "update"], ["apt-get", "install"], [sys.executable, "-m"]]
    assert capsys.readouterr().out == "Installing python3-venv ...\n"


def test_a_failing_apt_get_is_quoted(monkeypatch, bare: list[list[str]]):
    monkeypatch.setattr(bootstrap, "quietly", lambda command: "E: Unable to locate package python3-venv")
    with pytest.raises(SystemExit) as end:
        bootstrap.make_venv()
    said, ours = str(end.value).splitlines()
    assert said == "E: Unable to locate package python3-venv"
    assert ours == f"{sys.executable} has no venv and pip, and apt-get could not add them: see above."
    assert bare == []


def test_what_apt_get_says_is_kept_from_both_streams():
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); sys.exit(100)"
    assert bootstrap.quietly([sys.executable, "-c", code]) == "one\ntwo"


def test_the_time_zones_are_installed_with_us():
    # A small machine has none of its own, and without them every page that shows a time fails.
    code = "import zoneinfo; zoneinfo.ZoneInfo('UTC'); zoneinfo.ZoneInfo('Europe/London')"
    environment = os.environ | {"PYTHONTZPATH": ""}
    assert subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT).returncode == 0


def test_what_is_wanted_is_pinned_exactly():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and " " not in line and "/" not in line for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    wanted = {re.split(r"[\[<>=]", one)[0].lower().replace("_", "-") for one in bootstrap.requirements(["test"])}
    assert wanted <= pinned


def test_nothing_is_installed_when_nothing_changed(monkeypatch, tmp_path: Path, capsys):
    (tmp_path / "installed-test").write_text(bootstrap.fingerprint())
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path))
    monkeypatch.setattr(bootstrap, "PYTHON", sys.executable)
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **how: 0 if command[1:] == ["-c", ""] else 1 / 0)
    bootstrap.main(["test"])
    assert capsys.readouterr().out == ""
