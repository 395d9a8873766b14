import base64
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from leads.events import EVENTS
from leads.fields import BY_KEY
from tests import npm
from webhooks.dialects import DIALECTS, standard
from webhooks.wire.event import Event
from webhooks.wire.signature import key, sign_standard

NPM = "standardwebhooks@1.1.1"
MESSAGE = "msg_01KAJ5T4Q3V6Y8ZB2N4D6F8H0K_7"
NOW = datetime(2026, 11, 21, 9, 14, 5, 123456, tzinfo=UTC)
ACTOR = {"kind": "user", "id": 3, "name": "Dana Moss"}
DIALECT = standard.DIALECT


def event(type_: str = "lead.updated", **fields: Any) -> Event:
    given = {"data": {"id": 1, "full_name": "Zoë Hartley"}, "actor": ACTOR} | fields
    return Event(type_, given.pop("occurred_at", NOW), "lead", 1, 7, **given)


def rendered(type_: str = "lead.updated", **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(DIALECT.render(event(type_, **fields), type_, {}))
    return body


def test_it_is_what_a_new_webhook_is_given() -> None:
    assert next(iter(DIALECTS.values())) is DIALECT


def test_it_knows_all_that_happens() -> None:
    assert DIALECT.events == EVENTS
    assert [DIALECT.hears(event(type_)) for type_ in EVENTS] == list(EVENTS)
    assert DIALECT.hears(event("lead.read")) is None


# The body


def test_the_specifications_keys_come_first() -> None:
    assert list(rendered()) == ["type", "timestamp", "data", "record", "version", "changes", "actor"]
    assert rendered()["data"] == {"id": 1, "full_name": "Zoë Hartley"}
    assert (rendered()["record"], rendered()["version"], rendered()["actor"]) == ("lead", 7, ACTOR)


@pytest.mark.parametrize(
    ("occurred_at", "text"),
    [
        (NOW, "2026-11-21T09:14:05.123456Z"),
        (NOW.replace(microsecond=0), "2026-11-21T09:14:05.000000Z"),
        (NOW.astimezone(timezone(timedelta(hours=-5))), "2026-11-21T09:14:05.123456Z"),
    ],
)
def test_the_timestamp_is_when_it_happened_in_utc(occurred_at: datetime, text: str) -> None:
    assert rendered(occurred_at=occurred_at)["timestamp"] == text


def test_changes_name_before_and_after() -> None:
    changes = rendered(changes={"score": [0, 45], "average_sale_estimation": (None, 410000.0)})["changes"]
    assert changes["score"] == {"before": 0, "after": 45}
    assert json.dumps(changes["average_sale_estimation"]) == '{"before": null, "after": 410000}'


def test_a_form_stands_beside_the_lead() -> None:
    form = {"id": 4, "name": "Contact us", "fields": {"Größe?": "80 m²"}}
    assert rendered("form.submitted", context={"form": form})["form"] == form
    assert "form" not in rendered("lead.created")


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):
        DIALECT.render(event(data={"message": value}), "lead.updated", {})


def test_the_sample_has_the_shape_of_a_real_event() -> None:
    sample = json.loads(DIALECT.sample({}))
    assert list(sample) == list(rendered())
    assert list(sample["data"]) == [*BY_KEY, "messages"]
    assert DIALECT.hears(event(sample["type"])) == sample["type"]
    for changed, change in sample["changes"].items():
        assert change["after"] == sample["data"][changed] != change["before"]


def test_a_body_in_two_phrases() -> None:
    found = DIALECT.summary(DIALECT.render(event(), "lead.updated", {}))
    assert (found.event, found.label) == ("lead.updated", "Zoë Hartley")
    assert DIALECT.summary(DIALECT.sample({})).label == "Olivia Hartley"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"type":1,"data":[]}', b"[" * 100_000])
def test_a_strange_body_has_no_phrases(body: bytes) -> None:
    assert (DIALECT.summary(body).event, DIALECT.summary(body).label) == ("", "")


# Tries and secrets


def test_ten_tries_over_more_than_three_days() -> None:
    assert DIALECT.retry.tries == 10
    assert sum(DIALECT.retry.waits) == timedelta(hours=75, minutes=35, seconds=5).total_seconds()
    assert DIALECT.deadline == 15


def test_a_secret_is_32_random_bytes_that_say_what_they_are() -> None:
    made = {DIALECT.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(secret.startswith("whsec_") and len(key(secret)) == 32 for secret in made)


def test_the_headers_cannot_be_turned_off() -> None:
    assert DIALECT.webhook_headers == "always"
    assert DIALECT.sign(b"{}", [DIALECT.new_secret()], {}, True) == ()


# Other people's receivers


def messages() -> list[dict[str, Any]]:
    """A body of each event as it is sent during a rotation: signed just now, with the old secret and the new one."""
    old, new = DIALECT.new_secret(), DIALECT.new_secret()
    found = []
    for type_ in DIALECT.events:
        context = {"form": {"id": 4, "name": "Größe", "fields": {}}} if type_ == "form.submitted" else {}
        body = DIALECT.render(event(type_, context=context), type_, {})
        now = int(time.time())
        headers = {
            "webhook-id": MESSAGE,
            "webhook-timestamp": str(now),
            "webhook-signature": sign_standard(MESSAGE, now, body, [old, new]),
        }
        found.append({"secrets": [old, new], "headers": headers, "body": body.decode()})
    return found


def test_the_python_library_believes_it() -> None:
    stranger = "whsec_" + base64.b64encode(b"x" * 32).decode()
    for message in messages():
        for secret in message["secrets"]:
            assert Webhook(secret).verify(message["body"], message["headers"]) == json.loads(message["body"])
        with pytest.raises(WebhookVerificationError):
            Webhook(stranger).verify(message["body"], message["headers"])


VERIFY = """
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

function verify(secret, body, headers) {
  try {
    return new Webhook(secret).verify(body, headers);
  } catch (error) {
    return error.constructor.name + ": " + error.message;
  }
}

const answers = JSON.parse(readFileSync(0, "utf8")).map(({ secrets, headers, body }) => ({
  genuine: secrets.map((secret) => verify(secret, body, headers)),
  stranger: verify("whsec_" + Buffer.alloc(32, 1).toString("base64"), body, headers),
  changed: verify(secrets[0], body + " ", headers),
}));
console.log(JSON.stringify(answers));
"""


def test_the_javascript_library_believes_it(tmp_path: Path) -> None:
    npm.install(tmp_path, NPM)
    sent = messages()
    answers = json.loads(npm.node(tmp_path, VERIFY, json.dumps(sent)))
    for message, answer in zip(sent, answers, strict=True):
        body = json.loads(message["body"])
        assert answer["genuine"] == [body, body]
        assert answer["stranger"] == answer["changed"] == "WebhookVerificationError: No matching signature found"
