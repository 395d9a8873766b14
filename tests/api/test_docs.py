"""docs/api.md names what there is: addresses, scopes, filters and codes of errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from leads.api.errors import STATUSES
from leads.api.filters import FILTERS
from leads.api.pagination import LARGEST, USUAL
from leads.api.parser import DEEPEST, LARGEST_BODY
from leads.models.apikey import Scope
from tests.api.conftest import KeyClient, World
from tests.api.test_matrix import ENDPOINTS

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_scopes_filters_codes_and_limits():
    for word in [*Scope, *FILTERS]:
        assert f"`{word}`" in TEXT
    for status, (code, _) in STATUSES.items():
        assert f"| {status} | `{code}` |" in TEXT
    for number in (f"{LARGEST_BODY:,} bytes", f"more than {DEEPEST} levels", f"is {USUAL}, and at most {LARGEST}"):
        assert number in TEXT


def test_addresses():
    places = {"leads": "leads", "lead": "leads/{id}", "refer": "leads/{id}/refer", "offices": "offices"}
    for name, method in ENDPOINTS:
        path = f"/api/v1/{places.get(name, 'offices/{id}')}"
        assert re.search(rf"\| [^|]*`{method}[^|]* ?{re.escape(path)}`", TEXT), (method, path)


def commands() -> list[tuple[str, str, str]]:
    """The curl calls in the text as (method, path, body)."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        for call in re.split(r"(?m)^(?=curl )", block.replace("\\\n", " "))[1:]:
            path = re.search(r"http://127\.0\.0\.1:8000([^\s\"]+)", call)
            body = re.search(r"-d '(.*?)'", call, re.DOTALL)
            method = re.search(r"-X (\w+)", call)
            found.append((method[1] if method else "POST" if body else "GET", path[1], body[1] if body else ""))
    return found


@pytest.mark.parametrize("method, path, body", commands())
def test_examples(manager: KeyClient, world: World, method: str, path: str, body: str):
    path = path.replace("$LEAD", str(world.lead_a.pk))
    if "refer" in path:
        body = json.dumps(json.loads(body) | {"office_id": world.b.pk})
    assert manager.send(method, path, body or None).status_code in (200, 201)
