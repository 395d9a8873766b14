"""Whatever JSON comes for whatever key: never a 5xx, and nothing is stored unless the answer says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads import roles
from leads.api.filters import FILTERS
from leads.fields import BY_WIRE, FIELDS
from leads.models import CustomField, Lead, Leave, Message, Tag, Task
from tests.api.conftest import VENDOR, KeyClient, World, counts, member

LEADS = "/api/v1/leads"

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "\u2028", "é" * 300, "a@b.co", "A@B.CO", "0000-00-00", "2026-11-21T09:00:00+99:00",
         "07123456789", "=1+1", "<script>", "vendor", "sale", "NEW", "detached", "1", "true", "null", "x" * 9000,
         "Follow Up", "Newsletter", "SPRING", "budget", "areas", "N1", "2024-12-02T14:05:38Z", "9999-12-31", "inbound",
         "ſ", "İ", "ß", "K"]
    ),
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**30, 0.1, 1.005, 1e15, 1e308, -0.0, 5e-324]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(TEXTS, inner, max_size=4),
        st.fixed_dictionaries({"hours": inner}),
        st.lists(st.lists(inner, min_size=2, max_size=2), max_size=3),
    ),
    max_leaves=8,
)
# Values that are nearly right, for each kind of field.
NEARLY = {
    "text": TEXTS,
    "email": TEXTS,
    "choice": TEXTS,
    "number": NUMBERS,
    "integer": NUMBERS,
    "boolean": st.booleans(),
    "reference": NUMBERS,
    "hours": st.fixed_dictionaries({"hours": st.lists(TEXTS, max_size=3)}),
    "pairs": st.dictionaries(TEXTS, TEXTS, max_size=3),
    "questions": st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=3),
    "comparables": VALUES,
    "datetime": TEXTS,
    "texts": st.lists(TEXTS, max_size=3),
    "labels": st.lists(TEXTS, max_size=3),
    "custom": st.dictionaries(st.one_of(st.sampled_from(["budget", "areas"]), TEXTS), VALUES, max_size=3),
}
BODIES = st.fixed_dictionaries({}, optional={f.wire: st.one_of(NEARLY[f.kind], VALUES) for f in FIELDS}).flatmap(
    lambda whole: (
        st.lists(st.sampled_from(sorted(whole)), max_size=4).map(lambda keys: {k: whole[k] for k in keys})
        if whole
        else st.just({})
    )
)
# Each example is several requests: half as many as of what is only computed. They are the same ones in every run.
MANY = settings(
    max_examples=settings.default.max_examples // 2,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def check(response: Any, before: dict[str, int], sent: Any) -> None:
    assert response.status_code < 500, (sent, response.content)
    answer = json.loads(response.content)
    if response.status_code < 300:
        assert list(answer) == list(BY_WIRE)
    else:
        assert counts() == before, sent
        assert list(answer) == ["status", "code", "message", "errors", "request_id"]


@MANY
@given(sent=BODIES)
def test_create(manager: KeyClient, sent: dict[str, Any]):
    before = counts()
    response = manager.send("POST", LEADS, json.dumps(VENDOR | sent))
    check(response, before, sent)
    if response.status_code == 201:
        path = f"{LEADS}/{response.json()['id']}"
        assert manager.send("PATCH", path, response.content).content == manager.get(path).content == response.content
        after = counts()
        born = 2 if response.json()["owner_id"] else 1
        assert (after["Lead"], after["Event"]) == (before["Lead"] + 1, before["Event"] + born)
        assert {**after, **{key: before[key] for key in ("Lead", "Event", "Tag")}} == before


@MANY
@given(sent=BODIES)
def test_patch(manager: KeyClient, world: World, sent: dict[str, Any]):
    before = counts()
    row = Lead.objects.filter(pk=world.lead_a.pk).values().get()
    response = manager.send("PATCH", f"{LEADS}/{world.lead_a.pk}", json.dumps(sent))
    check(response, before, sent)
    if response.status_code != 200:
        assert Lead.objects.filter(pk=world.lead_a.pk).values().get() == row


@MANY
@given(document=VALUES)
def test_any_document(manager: KeyClient, world: World, document: Any):
    body = json.dumps(document)
    for method, path in (
        ("POST", LEADS),
        ("PATCH", f"{LEADS}/{world.lead_a.pk}"),
        ("POST", f"{LEADS}/{world.lead_a.pk}/refer"),
        ("POST", "/api/v1/offices"),
        ("PATCH", f"/api/v1/offices/{world.a.pk}"),
    ):
        assert manager.send(method, path, body).status_code in (200, 201, 400), (method, path, body)


STAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.one_of(NUMBERS, st.sampled_from([1, 14, 15, 27, 28])),
            "name": TEXTS,
            "code": st.one_of(st.sampled_from(["NEW", "WON", "LOST"]), VALUES),
            "outcome": st.one_of(st.sampled_from(["open", "win"]), VALUES),
        },
    ),
    max_size=3,
)
SIDE = st.one_of(st.fixed_dictionaries({}, optional={"name": TEXTS, "address": TEXTS}), VALUES)
# What each kind of record holds: values that are nearly right.
KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "tags": {"name": TEXTS},
    "pipelines": {"name": TEXTS, "is_default": st.booleans(), "stages": STAGES},
    "custom-fields": {
        "key": st.one_of(st.sampled_from(["size", "email"]), TEXTS),
        "label": TEXTS,
        "type": st.sampled_from(["text", "choice", "choices", "date"]),
        "required": st.booleans(),
        "choices": st.lists(TEXTS, max_size=3),
        "position": NUMBERS,
    },
    "messages": {
        "type": st.sampled_from(["inbound", "outbound"]),
        "subject": TEXTS,
        "body": TEXTS,
        "from": SIDE,
        "to": SIDE,
        "date": TEXTS,
        "campaign": TEXTS,
        "tone": TEXTS,
        "campaign_step": NUMBERS,
        "word_limit": NUMBERS,
    },
    "tasks": {
        "name": TEXTS,
        "category": TEXTS,
        "description": TEXTS,
        "due_at": st.one_of(st.just("2026-12-01T09:00:00.250+01:00"), TEXTS),
        "remind_at": TEXTS,
        "lead_id": NUMBERS,
        "owner_id": NUMBERS,
        "status": TEXTS,
    },
    "users": {
        "first_name": TEXTS,
        "phone": TEXTS,
        "time_zone": st.one_of(st.sampled_from(["Europe/London", "../UTC", "UTC\n"]), TEXTS),
        "availability": st.one_of(st.sampled_from(["busy", "Busy"]), TEXTS),
        "is_active": st.booleans(),
    },
    "leaves": {
        "user_id": NUMBERS,
        "starts_on": st.one_of(st.dates().map(str), TEXTS),
        "ends_on": st.one_of(st.dates().map(str), TEXTS),
        "reason": TEXTS,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_records_of_each_kind(manager: KeyClient, world: World, kind: str):
    message = Message.objects.create(lead=world.lead_a, type="inbound", body="Hello")
    task = Task.objects.create(lead=world.lead_a, name="Call back", due_at=timezone.now())
    ada = member("ada", world.account, roles.STAFF, world.a)
    leave = Leave.objects.create(account=world.account, user=ada, starts_on="2026-12-21", ends_on="2026-12-24")
    address, pk = {
        "tags": ("/api/v1/tags", Tag.objects.create(account=world.account, name="vip").pk),
        "pipelines": ("/api/v1/pipelines", world.lettings.pk),
        "custom-fields": ("/api/v1/custom-fields", CustomField.objects.get(account=world.account, key="areas").pk),
        "messages": (f"{LEADS}/{world.lead_a.pk}/messages", message.pk),
        "tasks": ("/api/v1/tasks", task.pk),
        "users": ("/api/v1/users", ada.pk),
        "leaves": ("/api/v1/leaves", leave.pk),
    }[kind]
    # People are made in the admin.
    ways = {"PATCH": f"{address}/{pk}"} if kind == "users" else {"POST": address, "PATCH": f"{address}/{pk}"}

    @MANY
    @given(
        sent=st.one_of(
            st.fixed_dictionaries({}, optional=KINDS[kind]),
            st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS[kind], VALUES)),
            VALUES,
        )
    )
    def send(sent: Any):
        for method, path in ways.items():
            before = counts()
            response = manager.send(method, path, json.dumps(sent))
            assert response.status_code in (200, 201, 400, 409), (method, sent, response.content)
            if response.status_code >= 400:
                assert counts() == before, (method, sent)
            else:
                own = f"{address}/{response.json()['id']}"
                assert manager.send("PATCH", own, response.content).content == manager.get(own).content

    send()
    assert len(manager.get(LEADS).json()["data"]) == 3


@MANY
@given(name=TEXTS, office=VALUES)
def test_offices_and_referrals(manager: KeyClient, world: World, name: str, office: Any):
    for method, path, sent in (
        ("POST", "/api/v1/offices", {"name": name}),
        ("PATCH", f"/api/v1/offices/{world.b.pk}", {"name": name}),
        ("POST", f"{LEADS}/{world.lead_b.pk}/refer", {"office_id": office}),
    ):
        assert manager.send(method, path, json.dumps(sent)).status_code in (200, 201, 400), (path, sent)


@MANY
@given(body=st.binary(max_size=200))
def test_any_bytes(manager: KeyClient, body: bytes):
    assert manager.send("POST", LEADS, body).status_code == 400


@MANY
@given(
    parameters=st.dictionaries(
        st.one_of(st.sampled_from([*FILTERS, "cursor", "limit"]), TEXTS),
        TEXTS.filter(lambda text: "\ud800" not in text),
        max_size=3,
    )
)
def test_any_query(manager: KeyClient, parameters: dict[str, str]):
    parameters = {name: value for name, value in parameters.items() if "\ud800" not in name}
    try:
        response = manager.get(LEADS, parameters)
    except UnicodeEncodeError:
        # Half of a surrogate pair cannot be sent at all.
        return
    assert response.status_code in (200, 400), parameters


OF_EVERY_KIND = (True, 5, 1.5, "x" * 1_000_000, [], {}, [[]], {"a": {}}, 2**63 - 1, -(2**63))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.wire)
def test_each_field_with_values_of_every_kind(manager: KeyClient, world: World, field: Any):
    for value in OF_EVERY_KIND:
        before = counts()
        check(manager.send("PATCH", f"{LEADS}/{world.lead_a.pk}", json.dumps({field.wire: value})), before, value)


@pytest.mark.parametrize("value", OF_EVERY_KIND, ids=lambda value: str(value)[:10])
def test_every_field_at_once(manager: KeyClient, value: Any):
    before = counts()
    sent = VENDOR | {field.wire: value for field in FIELDS}
    check(manager.send("POST", LEADS, json.dumps(sent)), before, value)
