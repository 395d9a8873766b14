"""Every case of every dialect under tests/golden: a new dialect needs a folder there, and no test code."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from webhooks.dialects import DIALECTS
from webhooks.wire.event import Event
from webhooks.wire.signature import sign_standard
from webhooks.wire.verdict import Proof

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/event.json"))


def test_every_dialect_has_cases_and_a_sample() -> None:
    assert {case.parent.name for case in CASES} == set(DIALECTS)
    assert {path.parent.name for path in GOLDEN.glob("*/sample.json")} == set(DIALECTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_the_exact_bytes_and_headers_come_out(case: Path) -> None:
    dialect = DIALECTS[case.parent.name]
    fields = json.loads((case / "event.json").read_bytes())
    event = Event(**{**fields, "occurred_at": datetime.fromisoformat(fields["occurred_at"])})
    body = (case / "body.json").read_bytes()
    signed = json.loads((case / "signed.json").read_bytes())
    headers = [tuple(pair) for pair in signed["headers"]]

    assert dialect.hears(event) == signed["heard_as"]
    assert dialect.render(event, signed["heard_as"], signed["settings"]) == body
    assert list(dialect.sign(body, signed["secrets"], signed["settings"], signed.get("https", True))) == headers
    # webhook-signature, where it is all that a system has.
    standard = signed.get("standard", {})
    if standard:
        sent = standard["webhook-id"], int(standard["webhook-timestamp"]), body
        assert sign_standard(*sent, signed["secrets"]) == standard["webhook-signature"]
    verified = dialect.verify(body, dict(headers) | standard, signed["secrets"])
    proven = (Proof.VERIFIED, body, True) if signed["secrets"] else (Proof.UNSIGNED, b"", False)
    assert (verified.outcome, verified.payload, verified.payload_is_body) == proven


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_sample_is_exact(name: str) -> None:
    assert DIALECTS[name].sample({}) == (GOLDEN / name / "sample.json").read_bytes()


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_every_event_has_a_case(name: str) -> None:
    heard = {json.loads((case / "signed.json").read_bytes())["heard_as"] for case in CASES if case.parent.name == name}
    assert heard == set(DIALECTS[name].events)
