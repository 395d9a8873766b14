"""Webhooks: what an integrator may set up by the rules of the form, and what is never told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from leads import roles
from tests import factories
from tests.api.conftest import KeyClient, World, check_shape, key_of, member
from tests.api.test_anything import MANY, TEXTS, VALUES
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, State, Status, Webhook
from webhooks.outbound import deliver, filter_fields
from webhooks.outbound.compose import MASK
from webhooks.wire.filter import OPERATORS

WEBHOOKS = "/api/v1/webhooks"
NEW = {"name": "Integration", "system": "leadpro", "url": "https://hooks.example.com/in"}
CORPUS = json.loads((Path(__file__).parents[1] / "data" / "ssrf_corpus.json").read_bytes())["cases"]


@pytest.fixture(autouse=True)
def fresh_door():
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def webhook(world: World) -> Webhook:
    return factories.webhook(
        NEW["url"], account=world.account, custom_headers={"X-Api-Key": "hush-hush"}, settings={"prefix": ""}
    )


def create(client: KeyClient, **values: Any) -> Any:
    return client.send("POST", WEBHOOKS, NEW | values)


def place(webhook: Webhook) -> str:
    return f"{WEBHOOKS}/{webhook.pk}"


def stored() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM webhooks_webhook ORDER BY id")
        return cursor.fetchall()


# Making and reading


def test_a_new_webhook_with_what_is_left_out_as_in_the_form(manager: KeyClient, world: World):
    response = create(manager, name="  Our   integration ")
    body = response.json()
    assert response.status_code == 201
    made = Webhook.objects.get()
    assert (made.account, made.state, made.secret_since is not None) == (world.account, State.ENABLED, True)
    assert response["Location"] == place(made)
    assert body == {
        "id": made.pk,
        "name": "Our integration",
        "description": "",
        "system": "leadpro",
        "type": "webhook",
        "url": "https://hooks.example.com/in",
        "lapp": "",
        "timeout": None,
        "execution_delay": 0,
        "rate_limit": None,
        "keep_order": False,
        "notify_on_failure": False,
        "send_webhook_headers": True,
        "events": list(DIALECTS["leadpro"].events),
        "offices": [],
        "filters": [],
        "settings": {"prefix": "Bearer"},
        "custom_headers": {},
        "state": "enabled",
        "state_reason": "",
        "created_at": body["created_at"],
        "secret": made.secret,
    }
    assert len(made.secret) == 43


def test_all_of_it(manager: KeyClient, world: World):
    sent = {
        "name": "Everything",
        "description": "For the partner in York.",
        "system": "leadengine",
        "url": "https://hooks.example.com:8443/in?q=%20",
        "timeout": 7,
        "rate_limit": 20,
        "keep_order": True,
        "notify_on_failure": True,
        "send_webhook_headers": False,
        "events": list(DIALECTS["leadengine"].events),
        "offices": [world.a.pk, world.b.pk],
        "filters": [
            {"field": "score", "op": "greater", "value": 50},
            {"field": "office_id", "op": "one_of", "value": [world.a.pk]},
        ],
        "settings": {setting.name: setting.default for setting in DIALECTS["leadengine"].settings},
        "custom_headers": {"X-Api-Key": "hush-hush"},
    }
    body = create(manager, **sent).json()
    assert {key: body[key] for key in sent} == sent | {"custom_headers": {"X-Api-Key": MASK}}
    made = Webhook.objects.get()
    assert made.custom_headers == {"X-Api-Key": "hush-hush"}
    assert {office.pk for office in made.offices.all()} == {world.a.pk, world.b.pk}
    assert manager.get(place(made)).json() == {key: value for key, value in body.items() if key != "secret"}


def test_a_secret_is_told_once_and_values_of_headers_never(manager: KeyClient):
    response = create(manager, custom_headers={"X-Api-Key": "hush-hush"})
    secret, path = response.json()["secret"], response["Location"]
    assert response["Cache-Control"] == "no-store"
    assert "hush-hush" not in response.content.decode()
    answers = [
        manager.get(WEBHOOKS),
        manager.get(path),
        manager.send("PATCH", path, {"name": "Renamed"}),
        manager.send("POST", WEBHOOKS, NEW | {"url": "https://localhost/"}),
    ]
    for answer in answers:
        assert secret not in answer.content.decode()
        assert "hush-hush" not in answer.content.decode()
        assert '"secret"' not in answer.content.decode()
    assert Webhook.objects.get().secret == secret


@pytest.mark.parametrize(
    ("changes", "secret"),
    [
        ({}, None),
        ({"secret": "mine and theirs"}, "mine and theirs"),
        ({"secret": "", "generate_secret": False}, None),
    ],
)
def test_where_the_system_can_do_without_a_secret(manager: KeyClient, changes: dict[str, Any], secret: str | None):
    body = create(manager, system="leadhub", **changes).json()
    assert body["secret"] == secret
    made = Webhook.objects.get()
    assert (made.secret, made.secret_since is None) == (secret or "", secret is None)


def test_a_secret_is_made_where_it_is_asked_for(manager: KeyClient):
    body = create(manager, system="leadhub", generate_secret=True).json()
    assert body["secret"] == Webhook.objects.get().secret != ""


def test_what_was_read_can_be_sent_back(manager: KeyClient, webhook: Webhook):
    before, read = stored(), manager.get(place(webhook)).json()
    assert read["custom_headers"] == {"X-Api-Key": MASK}
    response = manager.send("PATCH", place(webhook), read)
    assert (response.status_code, response.json()) == (200, read)
    webhook.refresh_from_db()
    assert webhook.custom_headers == {"X-Api-Key": "hush-hush"}
    assert [row[:3] for row in stored()] == [row[:3] for row in before]


def test_only_what_is_sent_changes(manager: KeyClient, world: World, webhook: Webhook):
    webhook.offices.set([world.a])
    Webhook.objects.update(state=State.PAUSED, state_reason="5 days of failures")
    before = manager.get(place(webhook)).json()
    for sent in ({"rate_limit": 5}, {"keep_order": True}, {"description": "x"}, {"events": ["lead.updated"]}, {}):
        after = manager.send("PATCH", place(webhook), sent).json()
        assert after == before | sent
        before = after
    secret = webhook.secret
    webhook.refresh_from_db()
    assert (webhook.state, webhook.secret, webhook.custom_headers) == ("paused", secret, {"X-Api-Key": "hush-hush"})


def test_headers_are_replaced_as_a_whole_and_masks_keep_their_value(manager: KeyClient, webhook: Webhook):
    manager.send("PATCH", place(webhook), {"custom_headers": {"X-Api-Key": MASK, "X-Source": " crm "}})
    webhook.refresh_from_db()
    assert webhook.custom_headers == {"X-Api-Key": "hush-hush", "X-Source": "crm"}
    manager.send("PATCH", place(webhook), {"custom_headers": None})
    webhook.refresh_from_db()
    assert webhook.custom_headers == {}
    # A mask of nothing is no value to keep.
    body = check_shape(manager.send("PATCH", place(webhook), {"custom_headers": {"X-New": MASK}}), 400, "invalid")
    assert body["errors"][0]["rule"] == "header"


def test_another_system_begins_with_its_own_events_and_settings(manager: KeyClient, webhook: Webhook):
    body = manager.send("PATCH", place(webhook), {"system": "leadengine"}).json()
    dialect = DIALECTS["leadengine"]
    assert body["events"] == list(dialect.events)
    assert body["settings"] == {setting.name: setting.default for setting in dialect.settings}


def test_a_system_is_kept_while_deliveries_wait_in_its_format(manager: KeyClient, webhook: Webhook):
    factories.lead(account=webhook.account)
    assert Delivery.objects.filter(status=Status.QUEUED).exists()
    body = check_shape(manager.send("PATCH", place(webhook), {"system": "leadengine"}), 400, "invalid")
    assert body["errors"][0]["field"] == "system"
    assert "wait in the format of LeadPro" in body["message"] or "waits in the format of LeadPro" in body["message"]
    assert Webhook.objects.get().dialect == "leadpro"


def test_deleting_cancels_what_waits(manager: KeyClient, webhook: Webhook):
    factories.lead(account=webhook.account)
    assert manager.delete(place(webhook)).status_code == 204
    assert not Webhook.objects.exists()
    assert set(Delivery.objects.values_list("status", flat=True)) == {Status.CANCELLED}
    check_shape(manager.get(place(webhook)), 404, "not_found")


def test_filters_are_stored_as_the_form_stores_them(manager: KeyClient, world: World):
    sent = [
        {"field": "score", "op": "is", "value": "5"},
        {"field": "gdpr_checkbox", "op": "is", "value": True},
        {"field": "office_id", "op": "one_of", "value": [str(world.a.pk), "York"]},
        {"field": "custom_fields.budget", "op": "less", "value": 1000},
        {"field": "lead_status", "op": "changed"},
    ]
    response = create(manager, filters=sent)
    assert response.status_code == 201, response.content
    assert response.json()["filters"] == [
        {"field": "score", "op": "is", "value": 5},
        {"field": "gdpr_checkbox", "op": "is", "value": True},
        {"field": "office_id", "op": "one_of", "value": [world.a.pk, world.b.pk]},
        {"field": "custom_fields.budget", "op": "less", "value": 1000},
        {"field": "lead_status", "op": "changed"},
    ]


def test_a_value_that_no_key_decrypts_is_no_crash(manager: KeyClient, webhook: Webhook, settings: Any):
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert manager.get(place(webhook)).json()["custom_headers"] is None
    assert manager.send("PATCH", place(webhook), {"name": "Renamed"}).status_code == 200
    body = check_shape(manager.send("PATCH", place(webhook), {"custom_headers": {"X-A": "1"}}), 400, "invalid")
    assert body["errors"][0]["rule"] == "unreadable"


# Bad input

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"name": None}, "name", "required"),
    ({"name": " \t "}, "name", "required"),
    ({"name": "x" * 101}, "name", "length"),
    ({"name": 5}, "name", "text"),
    ({"description": "x" * 2001}, "description", "length"),
    ({"system": None}, "system", "required"),
    ({"system": "fax"}, "system", "choice"),
    ({"system": ["leadpro"]}, "system", "choice"),
    ({"url": None}, "url", "required"),
    ({"url": 5}, "url", "text"),
    ({"url": "https://hooks.example.com/" + "a" * 2000}, "url", "length"),
    ({"url": "https://10.0.0.1/"}, "url", "blocked_address"),
    ({"url": "ftp://hooks.example.com/"}, "url", "blocked_url"),
    ({"events": None}, "events", "choice"),
    ({"events": "lead.created"}, "events", "choice"),
    ({"events": []}, "events", "required"),
    ({"events": ["lead.created", "lead.exploded"]}, "events", "choice"),
    ({"events": [["lead.created"], {}]}, "events", "choice"),
    ({"offices": "all"}, "offices", "ids"),
    ({"offices": [True]}, "offices", "ids"),
    ({"offices": ["1"]}, "offices", "ids"),
    ({"offices": [10**9]}, "offices", "reference"),
    ({"offices": [2**62]}, "offices", "reference"),
    ({"filters": {}}, "filters", "filter"),
    ({"filters": ["score"]}, "filters", "filter"),
    ({"filters": [{"field": "score", "op": ["is"], "value": 1}]}, "filters", "filter"),
    ({"filters": [{"field": "score", "op": "is", "value": {}}]}, "filters", "filter"),
    ({"filters": [{"field": "score", "op": "is", "value": 1, "x": 1}]}, "filters", "filter"),
    ({"filters": [{"field": "score", "op": "is", "value": 1}] * 21}, "filters", "length"),
    ({"filters": [{"field": "score", "op": "is", "value": "high"}]}, "filters.0", "filter"),
    ({"filters": [{"field": "nothing", "op": "is", "value": "high"}]}, "filters.0", "filter"),
    ({"filters": [{"field": "office_id", "op": "is", "value": 10**9}]}, "filters.0", "filter"),
    ({"settings": []}, "settings", "object"),
    ({"settings": {"prefix": "Basic"}}, "settings.prefix", "choice"),
    ({"settings": {"prefix": ["Bearer"]}}, "settings.prefix", "choice"),
    ({"settings": {"colour": "red"}}, "settings.colour", "unknown"),
    ({"timeout": 0}, "timeout", "integer"),
    ({"timeout": 31}, "timeout", "integer"),
    ({"timeout": 1.5}, "timeout", "integer"),
    ({"timeout": True}, "timeout", "integer"),
    ({"system": "leadsquared", "execution_delay": -1}, "execution_delay", "integer"),
    ({"system": "leadsquared", "execution_delay": 86_401}, "execution_delay", "integer"),
    ({"system": "leadsquared", "execution_delay": 1.5}, "execution_delay", "integer"),
    ({"system": "leadsquared", "execution_delay": "60"}, "execution_delay", "integer"),
    ({"execution_delay": 60}, "execution_delay", "unknown"),
    ({"rate_limit": 0}, "rate_limit", "integer"),
    ({"rate_limit": 1001}, "rate_limit", "integer"),
    ({"keep_order": "yes"}, "keep_order", "boolean"),
    ({"send_webhook_headers": 1}, "send_webhook_headers", "boolean"),
    ({"system": "standard", "send_webhook_headers": False}, "send_webhook_headers", "always"),
    ({"custom_headers": []}, "custom_headers", "object"),
    ({"custom_headers": {"X-A": 1}}, "custom_headers", "object"),
    ({"custom_headers": {"X-A": ""}}, "custom_headers", "header"),
    ({"custom_headers": {"X-A": "1", "x-a": "2"}}, "custom_headers", "header"),
    ({"custom_headers": {f"X-{number}": "1" for number in range(21)}}, "custom_headers", "header"),
    ({"secret": "mine"}, "secret", "generated"),
    ({"system": "leadhub", "secret": 5}, "secret", "text"),
    ({"system": "leadhub", "secret": "whsec_!"}, "secret", "secret"),
    ({"system": "leadhub", "secret": "mine", "generate_secret": True}, "secret", "secret"),
    ({"system": "leadhub", "generate_secret": "yes"}, "generate_secret", "boolean"),
    ({"account": 1}, "account", "unknown"),
    ({"next_secret": "mine"}, "next_secret", "unknown"),
]


@pytest.mark.ordinary
@pytest.mark.parametrize(("changes", "field", "rule"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_values_name_field_and_rule(
    manager: KeyClient, webhook: Webhook, changes: dict[str, Any], field: str, rule: str
):
    before = stored()
    answers = [create(manager, **changes)]
    if rule not in ("generated", "text", "secret", "boolean") or field not in ("secret", "generate_secret"):
        answers.append(manager.send("PATCH", place(webhook), changes))
    for answer in answers:
        body = check_shape(answer, 400, "invalid")
        assert (field, rule) in [(fault["field"], fault["rule"]) for fault in body["errors"]]
        assert body["errors"][0]["message"][0].islower()
    assert stored() == before


def test_a_delay_goes_with_the_system_that_has_it(manager: KeyClient):
    leadsquared = {"system": "leadsquared", "events": ["Lead_Post_Create"]}
    made = create(manager, **leadsquared, execution_delay=86_400).json()
    assert made["execution_delay"] == 86_400
    there = f"{WEBHOOKS}/{made['id']}"
    assert manager.send("PATCH", there, {"description": "The same"}).json()["execution_delay"] == 86_400
    standard = {"system": "standard", "events": ["lead.created"]}
    assert manager.send("PATCH", there, {**standard, "execution_delay": 60}).status_code == 400
    assert manager.send("PATCH", there, standard).json()["execution_delay"] == 0
    assert manager.send("PATCH", there, {**leadsquared, "execution_delay": None}).json()["execution_delay"] == 0


@pytest.mark.parametrize("key", ["secret", "generate_secret"])
def test_a_secret_is_not_turned_by_a_change(manager: KeyClient, webhook: Webhook, key: str):
    body = check_shape(manager.send("PATCH", place(webhook), {key: "mine"}), 400, "invalid", fields=[key])
    assert body["errors"][0]["rule"] == "fixed"


def test_state_and_account_are_nobodys_to_set(manager: KeyClient, world: World):
    read_only = {"id": 7, "state": "disabled", "state_reason": "because", "created_at": "2001-01-01T00:00:00Z"}
    body = create(manager, **read_only).json()
    assert (body["state"], body["state_reason"]) == ("enabled", "")
    assert body["id"] != 7 or Webhook.objects.count() == 7
    assert not body["created_at"].startswith("2001")


CONDITIONS = st.fixed_dictionaries(
    {
        "field": st.sampled_from(sorted(filter_fields.fields_of(None))) | TEXTS,
        "op": st.sampled_from(OPERATORS) | VALUES,
    },
    optional={"value": VALUES, "before": VALUES},
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys((*NEW, "description", "timeout", "execution_delay", "rate_limit"), VALUES),
    **dict.fromkeys(("keep_order", "send_webhook_headers"), VALUES),
    "system": st.sampled_from([*DIALECTS]) | VALUES,
    "events": st.lists(st.sampled_from(["lead.created", "lead.updated"]) | VALUES, max_size=3),
    "offices": st.lists(st.integers(), max_size=3) | VALUES,
    "filters": st.lists(CONDITIONS, max_size=3) | VALUES,
    "settings": st.dictionaries(st.sampled_from(["prefix", "method"]) | TEXTS, VALUES, max_size=3) | VALUES,
    "custom_headers": st.dictionaries(st.just("X-A") | TEXTS, TEXTS, max_size=3) | VALUES,
    "secret": VALUES,
    "generate_secret": VALUES,
}


@MANY
@given(
    sent=st.dictionaries(st.sampled_from(sorted(PARTS)), st.none(), max_size=4).flatmap(
        lambda keys: st.fixed_dictionaries({key: PARTS[key] for key in keys})
    )
)
def test_whatever_is_sent_is_stored_or_refused(manager: KeyClient, webhook: Webhook, sent: dict[str, Any]):
    try:
        body = json.dumps(NEW | sent)
    except ValueError:
        return
    for answer in (
        manager.send("POST", WEBHOOKS, body),
        manager.send("PATCH", place(webhook), json.dumps(sent)),
    ):
        assert answer.status_code in (200, 201, 400), (sent, answer.content)
        if answer.status_code == 400:
            assert list(answer.json()) == ["status", "code", "message", "errors", "request_id"]
    # What was stored can be read, and no value is in it that the engine could not use.
    for row in manager.get(WEBHOOKS).json()["data"]:
        assert row["name"] and row["url"] and row["events"]
    for made in Webhook.objects.all():
        assert made.conditions is not None
    Webhook.objects.exclude(pk=webhook.pk).delete()


def test_every_fault_is_told_at_once(manager: KeyClient):
    sent = {"name": "", "url": "http://localhost/", "timeout": 99, "events": [], "offices": [0], "filters": 5}
    body = check_shape(manager.send("POST", WEBHOOKS, NEW | sent), 400, "invalid")
    assert {fault["field"] for fault in body["errors"]} == set(sent)


def test_some_systems_share_no_name(manager: KeyClient):
    assert create(manager, system="save_lead").status_code == 201
    body = check_shape(create(manager, name="INTEGRATION"), 400, "invalid", fields=["name"])
    assert body["errors"][0]["rule"] == "unique"
    other = create(manager, name="Another")
    check_shape(manager.send("PATCH", other["Location"], {"name": "integration"}), 400, "invalid", fields=["name"])


def test_offices_of_others_are_as_missing(manager: KeyClient, world: World):
    beyond = check_shape(create(manager, offices=[world.strange.pk]), 400, "invalid")
    missing = check_shape(create(manager, offices=[10**9]), 400, "invalid")
    assert beyond["errors"] == missing["errors"]


def test_somebody_of_single_offices_sees_and_makes_none_even_with_the_permission(world: World, webhook: Webhook):
    from django.contrib.auth.models import Permission

    user = member("half", world.account, roles.STAFF, world.a)
    user.user_permissions.add(*Permission.objects.filter(content_type__app_label="webhooks"))
    client = key_of(user, world.account)
    assert client.get(WEBHOOKS).json()["data"] == []
    check_shape(client.get(place(webhook)), 404, "not_found")
    check_shape(create(client), 403, "forbidden")


# The corpus of forbidden addresses

SAVED = [case for case in CORPUS if case["stage"] in ("save", "both")]
# Their verdict falls elsewhere: with the first nothing starts, and what a name leads to is asked at every try.
ELSEWHERE = {"allowlist_garbage", "allowlist_cidr_mixed"}


@pytest.mark.ordinary
@pytest.mark.parametrize(
    "case", [case for case in SAVED if case["case"] not in ELSEWHERE], ids=lambda case: str(case["case"])
)
def test_corpus(manager: KeyClient, case: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch):
    def look_up(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a save asks no name server")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    settings.WEBHOOK_ALLOWLIST = case.get("allowlist", [])
    settings.WEBHOOK_OWN_HOSTS = case.get("own_hosts", [])
    settings.WEBHOOK_REQUIRE_HTTPS = case.get("policy") == "require_https"
    response = create(manager, url=case["url"], custom_headers=case.get("headers", {}))
    if case["expect"] == "allow":
        assert response.status_code == 201, response.content
        return
    assert response.status_code == 400
    assert not Webhook.objects.exists()
    errors = response.json()["errors"]
    # U+0000 is no text to the API, whatever its field.
    if response.json()["code"] != "malformed":
        assert {fault["field"] for fault in errors} == {"custom_headers" if "headers" in case else "url"}
