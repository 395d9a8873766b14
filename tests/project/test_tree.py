"""What no tracked file may contain."""

import subprocess

import pytest

from tests.program import ROOT

# In halves, so that this file does not find itself.
REGISTRIES = [
    "pypi" + r"\.org",
    "python" + r"hosted\.org",
    "registry\\." + "npmjs",
    "index" + "-url",
    "--find" + "-links",
]
# But for the path in what LeadEngine's page shows of a mapping.
MACHINES = [
    "(^|[^t])/wo" + "rk/",
    "/ro" + "ot/",
    "/ho" + "me/[a-z]",
    "/tmp/" + "venv",
    r"\.\./sha" + "red",
    "/Us" + "ers/",
]


@pytest.mark.parametrize("pattern", [*REGISTRIES, *MACHINES])
def test_no_registry_address_and_no_path_of_one_machine(pattern: str):
    found = subprocess.run(["git", "grep", "-nIE", "-e", pattern], cwd=ROOT, capture_output=True, text=True)
    if found.returncode not in (0, 1):
        pytest.skip("git knows nothing of these files")
    assert found.stdout == ""
