"""What every request carries, whichever system it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import factories
from tests.webhooks.outbound.claims import claimed
from webhooks.dialects import DIALECTS
from webhooks.models import Webhook
from webhooks.outbound import compose, settle
from webhooks.outbound.compose import MASK, build
from webhooks.wire.dialect import Setting

NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)
METADATA = ("webhook-id", "webhook-timestamp", "webhook-signature")


def webhook(dialect: str, **values: Any) -> Webhook:
    given = {"url": "https://hooks.example.com/in", "secret": "s" * 43} | values
    return Webhook(dialect=dialect, name="CRM", **given)


@pytest.fixture
def morse(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A system that signs with the secret itself; what it was asked to sign."""
    asked: list[tuple[Any, ...]] = []

    def sign(*given: Any) -> tuple[tuple[str, str], ...]:
        asked.append(given)
        return (("X-Morse-Secret", "dot dot dash"), ("X-Morse-Signature", "dash"))

    speed = Setting("speed", "Speed", "", "slow", (("slow", "Slow"), ("fast", "Fast")))
    loud = Setting("loud", "Loud", "", default=False, kind="yes_no")
    dialect = replace(
        DIALECTS["leadpro"], name="morse", sign=sign, settings=(speed, loud), secret_headers=("x-morse-secret",)
    )
    monkeypatch.setitem(DIALECTS, "morse", dialect)
    return asked


def test_the_system_signs_with_all_it_may_know(morse: list[tuple[Any, ...]]) -> None:
    build(webhook("morse", settings={"loud": True}), b"{}", "msg_1", NOW)
    build(webhook("morse", url="HTTPS://hooks.example.com/", secret=""), b"{}", "msg_1", NOW)
    build(webhook("morse", url="http://hooks.example.com/"), b"{}", "msg_1", NOW)
    assert morse == [
        (b"{}", ["s" * 43], {"speed": "slow", "loud": True}, True),
        (b"{}", [], {"speed": "slow", "loud": False}, True),
        (b"{}", ["s" * 43], {"speed": "slow", "loud": False}, False),
    ]


def test_history_masks_what_is_a_secret_and_nothing_else(morse: list[tuple[Any, ...]]) -> None:
    made = webhook("morse", custom_headers={"X-Api-Key": "hush-hush", "x-morse-signature": "not theirs to set"})
    request, shown = build(made, b"{}", "msg_1", NOW, (("webhook-record", "lead/1;version=2"),))
    assert [name for name, _ in shown] == [name for name, _ in request.headers]
    assert request.header("X-Morse-Secret") == "dot dot dash"
    assert request.header("X-Api-Key") == "hush-hush"
    masked = {name for name, value in shown if value == MASK}
    assert masked == {"X-Morse-Secret", "X-Api-Key"}
    assert all(pair in request.headers for pair in shown if pair[1] != MASK)
    assert dict(shown)["X-Morse-Signature"] == "dash"


@pytest.mark.parametrize(
    ("settings", "method"),
    [({}, "POST"), ({"method": "PUT"}, "PUT"), ({"method": "PATCH"}, "PATCH")],
)
def test_a_setting_decides_the_method(settings: dict[str, str], method: str) -> None:
    assert build(webhook("save_lead", settings=settings), b"{}", "msg_1", NOW)[0].method == method


def test_where_there_is_no_such_setting_it_is_the_systems() -> None:
    assert build(webhook("leadpro", settings={"method": "PUT"}), b"{}", "msg_1", NOW)[0].method == "POST"


def test_a_system_may_call_more_than_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = replace(DIALECTS["leadhub"], name="morse", address=lambda *given: "/".join(given))
    monkeypatch.setitem(DIALECTS, "morse", dialect)
    made = webhook("morse", url="http://hooks.example.com")
    assert (
        build(made, b'{"event":"lead.created"}', "msg_1", NOW)[0].url
        == "http://hooks.example.com/webhook/new/lead.created"
    )
    made.pk = 12
    assert build(made, b"{}", "msg_1", NOW)[0].url == "http://hooks.example.com/webhook/12/"
    assert made.url == "http://hooks.example.com"


def test_body_and_settings_decide_the_content_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(body: bytes, settings: Mapping[str, Any]) -> str:
        return f"{settings['speed']}/{body.decode()}"

    speed = Setting("speed", "Speed", "", "slow", (("slow", "Slow"), ("fast", "Fast")))
    morse = replace(DIALECTS["leadhub"], name="morse", settings=(speed,), content_type=kind)
    monkeypatch.setitem(DIALECTS, "morse", morse)
    request, _ = build(webhook("morse", settings={"speed": "fast"}), b"dash", "msg_1", NOW)
    assert [value for name, value in request.headers if name.lower() == "content-type"] == ["fast/dash"]
    assert build(webhook("leadhub"), b"<dash>", "msg_1", NOW)[0].header("Content-Type") == "application/json"


def test_the_metadata_can_be_turned_off_but_where_it_is_the_format() -> None:
    for name in DIALECTS:
        request, _ = build(webhook(name, send_webhook_headers=False), b"{}", "msg_1", NOW)
        sent = [request.header(each) is not None for each in METADATA]
        assert sent == [name == "standard"] * 3, name


def test_without_a_secret_nothing_is_signed() -> None:
    request, _ = build(webhook("save_lead", secret=""), b"{}", "msg_1", NOW)
    assert request.header("webhook-id") == "msg_1"
    assert request.header("webhook-timestamp") == "1795252445"
    assert request.header("webhook-signature") is None


def test_both_secrets_of_a_rotation_sign() -> None:
    turning = webhook("standard", next_secret="t" * 43, next_secret_at=NOW + timedelta(hours=1))
    request, _ = build(turning, b"{}", "msg_1", NOW)
    old, new = (request.header("webhook-signature") or "").split(" ")
    over, _ = build(turning, b"{}", "msg_1", NOW + timedelta(hours=2))
    assert old != new
    assert (over.header("webhook-signature") or "").count("v1,") == 1


def test_an_authorization_of_the_webhooks_own_is_sent_where_the_system_has_none() -> None:
    """Tomba's receivers are told to authenticate so (SL-36)."""
    request, shown = build(webhook("save_lead", custom_headers={"Authorization": "Bearer 1"}), b"{}", "msg_1", NOW)
    assert request.header("Authorization") == "Bearer 1"
    assert dict(shown)["Authorization"] == MASK


@pytest.mark.django_db(transaction=True)
def test_what_does_not_fit_into_memory_goes_back_and_uses_no_try() -> None:
    factories.webhook()
    for _ in range(compose.SLICE + 3):
        factories.lead()
    claims = claimed()
    parcels, refused = compose.compose(claims, room=1)
    assert [parcel.claimed for parcel in parcels] == claims[:1]
    settle.refuse(refused)
    again = claimed()
    assert [one.id for one in again] == [one.id for one in claims[1:]]
    assert {(one.fence, one.tries) for one in again} == {(2, 0)}
    body = len(parcels[0].request.body)
    parcels, _ = compose.compose(again, room=body * 2 + body // 2)
    assert len(parcels) == 3
