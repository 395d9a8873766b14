"""docs/api.md names what there is: addresses, scopes, filters and codes of errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

from leads.api.activities import Activities
from leads.api.companies import Companies
from leads.api.errors import STATUSES
from leads.api.filters import FILTERS
from leads.api.opportunities import Opportunities
from leads.api.pagination import LARGEST, USUAL
from leads.api.parser import DEEPEST, LARGEST_BODY
from leads.api.products import Products
from leads.custom import KINDS
from leads.fields import FIELDS
from leads.models import ActivityType, OpportunityType
from leads.models.apikey import Scope
from leads.models.message import GENERATION
from leads.validation import MOST_LABELS
from tests.api.conftest import KeyClient, World
from tests.api.test_matrix import ENDPOINTS, PATHS
from webhooks.dialects import DIALECTS
from webhooks.wire.filter import OPERATORS

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_scopes_filters_codes_and_limits():
    filters = {**FILTERS}
    for listed in (Activities, Opportunities, Companies, Products):
        filters |= listed.filters
    for word in [*Scope, *filters, *dict(KINDS), *GENERATION, *DIALECTS, *OPERATORS]:
        assert f"`{word}`" in TEXT
    for status, (code, _) in STATUSES.items():
        assert f"| {status} | `{code}` |" in TEXT
    for number in (
        f"{LARGEST_BODY:,} bytes",
        f"more than {DEEPEST} levels",
        f"is {USUAL}, and at most {LARGEST}",
        f"all {len(FIELDS)} keys",
        f"At most {MOST_LABELS} of each",
    ):
        assert number in TEXT


def test_addresses():
    for name, method in ENDPOINTS:
        path = "/api/v1/" + re.sub("{[a-z_]+}", "{id}", PATHS[name])
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


def test_examples(manager: KeyClient, world: World):
    """From the first to the last, with the ids that they gave."""
    types = ActivityType.objects.filter(account=world.account)
    named = {
        "refer": {"office_id": world.b.pk},
        "merge": {"children": [world.lead_b.pk]},
        "activities": {"type_id": types.get(code=30).pk},
        "companies/activities": {"type_id": types.get(code=202).pk},
        "opportunities": {"type_id": OpportunityType.objects.get(account=world.account).pk},
    }
    ids = {"USER": manager.key.user_id}
    for method, path, body in commands():
        for name, pk in ids.items():
            path = path.replace(f"${name}", str(pk))
        *_, kind, noun = re.sub("/[0-9]+", "", path).split("/")
        body = re.sub('("(?:owner|user)_id": )7', rf"\g<1>{manager.key.user_id}", body)
        if given := named.get(f"{kind}/{noun}", named.get(noun)):
            body = json.dumps(json.loads(body) | given)
        response = manager.send(method, path, body or None)
        assert response.status_code in (200, 201, 204), (method, path, response.content)
        if response.status_code == 201:
            ids[singular(noun).upper()] = response.json()["id"]
    assert set(ids) == {
        *("LEAD", "MESSAGE", "MERGE", "COMPANY", "ACTIVITY", "OPPORTUNITY", "PRODUCT", "TASK", "USER", "LEAVE"),
        *("PIPELINE", "TAG", "LIST", "CAMPAIGN", "CUSTOM-FIELD", "ACTIVITY-TYPE", "OPPORTUNITY-TYPE", "FORM"),
        *("WEBHOOK", "INBOUND-WEBHOOK", "AUTOMATION"),
    }


def singular(noun: str) -> str:
    return f"{noun.removesuffix('ies')}y" if noun.endswith("ies") else noun.removesuffix("s")
