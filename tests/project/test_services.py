"""The services that tests start, and what `make test` does on a machine without a browser, Node, PHP or Redis."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from tests import services


@pytest.fixture
def without_chromium(monkeypatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """A machine whose root may install and on which apt-get brings nothing: what it was called with."""
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(services, "CHROMIUM", tmp_path / "chromium")
    monkeypatch.setattr(services, "SERVICE_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(services, "apt_get", lambda *arguments: called.append(arguments) or "E: No such package")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(services.shutil, "which", lambda name: "/usr/bin/apt-get")
    return called


def test_chromium_and_what_its_driver_needs_are_installed(without_chromium: list[tuple[str, ...]], capsys):
    assert services.find_chromium() == 0
    assert [arguments[0] for arguments in without_chromium] == ["update", "install"]
    assert {"chromium", "libatomic1"} <= set(without_chromium[1])
    assert "E: No such package\nBrowser tests will be skipped: there is no " in capsys.readouterr().out


def test_nobody_but_root_installs(without_chromium: list[tuple[str, ...]], monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert services.find_chromium() == 0
    assert without_chromium == []
    services.report_skipped()
    said = capsys.readouterr().out
    assert f"BROWSER TESTS WERE SKIPPED: there is no {services.CHROMIUM}." in said
    assert ("REDIS" in said) == bool(services.no_redis())


def test_a_driver_that_does_not_start_is_quoted(monkeypatch, tmp_path: Path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho 'libatomic.so.1: cannot open' >&2\nexit 127\n")
    node.chmod(0o755)
    monkeypatch.setattr(services, "CHROMIUM", tmp_path)
    monkeypatch.setattr(services, "compute_driver_executable", lambda: (str(node), ""))
    assert services.no_browser() == "libatomic.so.1: cannot open"


@pytest.mark.parametrize(
    ("find", "packages"),
    [
        (services.find_npm, ("nodejs", "npm")),
        (services.find_php, ("php-cli",)),
        (services.find_redis, ("redis-server",)),
    ],
)
def test_other_judges_are_installed_where_they_are_missing(
    without_chromium: list[tuple[str, ...]], monkeypatch, capsys, find, packages
):
    monkeypatch.setattr(services.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    assert find() == 0
    assert without_chromium[1][-len(packages) :] == packages
    said = capsys.readouterr().out
    assert "E: No such package\n" in said
    assert " will be skipped: there is no " in said
    monkeypatch.setattr(services.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert find() == 0
    assert len(without_chromium) == 2


def test_installing_redis_starts_no_service(without_chromium, monkeypatch, tmp_path: Path):
    policy = tmp_path / "policy"
    seen: list[int] = []
    monkeypatch.setattr(services, "SERVICE_POLICY", policy)
    monkeypatch.setattr(services, "no_redis", lambda: "there is no redis-server")
    monkeypatch.setattr(services, "apt_get", lambda *_: seen.append(subprocess.run([policy]).returncode) or "")
    services.find_redis()
    assert seen == [101, 101]
    assert not policy.exists()


@pytest.mark.process
def test_each_redis_is_empty_and_gone_at_its_end():
    if reason := services.no_redis():
        pytest.skip(reason)
    with services.redis() as one:
        with services.redis() as other:
            assert one != other
            Redis.from_url(one).set("queue", "task")
            assert Redis.from_url(other).dbsize() == 0
        assert Redis.from_url(one).get("queue") == b"task"
        with pytest.raises(NoConnection):
            Redis.from_url(other).ping()


@pytest.mark.process
def test_a_command_runs_with_several_services():
    if reason := services.no_redis():
        pytest.skip(reason)
    words = [sys.executable, "-m", "tests.services", "with-postgresql", "with-redis"]
    done = subprocess.run(
        [*words, "sh", "-c", "echo $DATABASE_URL $Q_BROKER_URL; exit 3"], capture_output=True, text=True
    )
    database, broker = done.stdout.split()
    assert database.startswith("postgres://")
    assert broker.startswith("redis://127.0.0.1:")
    assert done.returncode == 3
    assert subprocess.run(words, capture_output=True).returncode == 2
