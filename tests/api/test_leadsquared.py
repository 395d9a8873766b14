"""LeadSquared's own API of webhooks at /v2/Webhook.svc: its names, numbers, keys, answers and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leads import roles
from leads.models import Activity, ActivityType, ApiKey, Form
from leads.models.apikey import Scope
from tests import factories
from tests.api.conftest import ALL_SCOPES, KeyClient, World, key_of, member
from webhooks.api.leadsquared import keys
from webhooks.dialects import leadsquared
from webhooks.dialects.leadsquared.codes import NUMBERS
from webhooks.models import Calls, Delivery, State, Webhook
from webhooks.outbound import switch

NEW: dict[str, Any] = {
    "Description": "New lead data",
    "URL": "http://hooks.example.com/in",
    "Method": "POST",
    "ContentType": "application/json",
    "WebhookEvent": "3",
    "LandingPageUrls": None,
    "IsSpecificLandingPage": False,
    "NotifyOnFailure": True,
    "WebhookProperties": None,
    "CustomHeaders": [{"Key": "x-api-key", "Value": "first"}, {"Key": "x-api-key", "Value": "second"}],
}


def call(client: KeyClient, verb: str, body: Any = None, method: str = "POST", query: str = "", **extra: Any) -> Any:
    """With the client's keys in the address, as LeadSquared's page has them."""
    path = f"/v2/Webhook.svc/{verb}?accessKey={client.key.prefix}&secretKey={client.secret}{query}"
    raw = body if isinstance(body, bytes | str) else b"" if body is None else json.dumps(body)
    return KeyClient().generic(method, path, raw, content_type="application/json", **extra)


def done(response: Any) -> Webhook:
    """The webhook that an answer of success names."""
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["Status"] == "Success" and list(body["Message"]) == ["Id"]
    return Webhook.objects.get(pk=int(body["Message"]["Id"]))


def refused(response: Any, status: int, kind: str, *words: str) -> None:
    assert response.status_code == status, response.content
    body = response.json()
    assert list(body) == ["Status", "ExceptionType", "ExceptionMessage"]
    assert (body["Status"], body["ExceptionType"]) == ("Error", f"MX{kind}Exception")
    for word in words:
        assert word in body["ExceptionMessage"]


@pytest.fixture
def made(manager: KeyClient) -> Webhook:
    return done(call(manager, "Create", NEW))


# Numbers


def test_every_event_has_its_number_and_no_two_share_one():
    assert set(leadsquared.LABELS) <= set(NUMBERS)
    assert len(set(NUMBERS.values())) == len(NUMBERS) == 39
    theirs = {*range(1, 10), 15, 16, 17, 26, *range(31, 36)}
    assert {number for number in NUMBERS.values() if number < 101} == theirs
    assert [number for number in NUMBERS.values() if number > 100] == list(range(101, 122))


@pytest.mark.ordinary
@pytest.mark.parametrize("code", leadsquared.LABELS)
def test_an_event_is_named_by_number_code_or_label(manager: KeyClient, code: str):
    for name in (str(NUMBERS[code]), NUMBERS[code], code, code.lower(), leadsquared.LABELS[code]):
        assert done(call(manager, "Create", NEW | {"WebhookEvent": name})).events == [code]


# Create


def test_what_their_page_sends_makes_a_webhook(made: Webhook, world: World):
    assert (made.account, made.dialect, made.state) == (world.account, "leadsquared", State.ENABLED)
    assert (made.name, made.description, made.url) == ("New lead data", "New lead data", NEW["URL"])
    assert made.events == ["Lead_Post_Create"] and made.settings == {"content_type": "application/json"}
    assert made.notify_on_failure and made.filters == [] and made.secret == ""
    assert made.custom_headers == {"x-api-key": "second"}


def test_of_headers_of_one_name_the_last_one_wins_in_any_case(manager: KeyClient):
    pairs = [("x-a", "1"), ("X-A", "2"), ("x-b", "3"), ("x-a", "4")]
    headers = [{"Key": key, "Value": value} for key, value in pairs]
    assert done(call(manager, "Create", NEW | {"CustomHeaders": headers})).custom_headers == {"x-b": "3", "x-a": "4"}


def test_url_and_event_are_enough(manager: KeyClient):
    webhook = done(call(manager, "Create", {"URL": "https://hooks.example.com/in", "WebhookEvent": "Lead_Delete"}))
    assert (webhook.name, webhook.description, webhook.notify_on_failure) == ("Lead Delete", "", False)
    assert webhook.settings == {"content_type": "application/json"} and webhook.custom_headers == {}


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"URL": None}, "MandatoryAttributeMissing", ["URL"]),
        ({"WebhookEvent": None}, "MandatoryAttributeMissing", ["WebhookEvent"]),
        ({"URL": "", "WebhookEvent": ""}, "MandatoryAttributeMissing", ["WebhookEvent"]),
        ({"URL": "ftp://hooks.example.com/"}, "InvalidInput", ["URL"]),
        ({"URL": "http://127.0.0.1/"}, "InvalidInput", ["URL"]),
        ({"URL": 5}, "InvalidInput", ["URL"]),
        ({"Method": "GET"}, "InvalidInput", ["Method must be POST"]),
        ({"ContentType": "text/xml"}, "InvalidInput", ["ContentType", "text/plain"]),
        ({"WebhookEvent": "29"}, "InvalidInput", ["WebhookEvent", "3 (Lead_Post_Create)"]),
        ({"WebhookEvent": "Lead_Archive"}, "InvalidInput", ["WebhookEvent"]),
        ({"WebhookEvent": ["3"]}, "InvalidInput", ["WebhookEvent"]),
        ({"WebHookEvent": "3"}, "InvalidInput", ["WebHookEvent"]),
        ({"Type": "Lapp"}, "InvalidInput", ["Type"]),
        ({"NotifyOnFailure": "yes"}, "InvalidInput", ["NotifyOnFailure"]),
        ({"IsSpecificLandingPage": "no"}, "InvalidInput", ["IsSpecificLandingPage"]),
        ({"IsSpecificLandingPage": True}, "InvalidInput", ["IsSpecificLandingPage", "event 1"]),
        ({"WebhookProperties": {}}, "InvalidInput", ["WebhookProperties"]),
        ({"WebhookProperties": "[1]"}, "InvalidInput", ["WebhookProperties"]),
        ({"ActivityEvent": 201}, "InvalidInput", ["ActivityEvent"]),
        ({"CustomHeaders": {"x-api-key": "1"}}, "InvalidInput", ["CustomHeaders"]),
        ({"CustomHeaders": [{"Key": "x-api-key"}]}, "InvalidInput", ["CustomHeaders"]),
        ({"CustomHeaders": [{"Key": "Host", "Value": "x"}]}, "InvalidInput", ["CustomHeaders", "Host"]),
        ({"CustomHeaders": [{"Key": f"x-{n}", "Value": "x"} for n in range(11)]}, "InvalidInput", ["CustomHeaders"]),
        ({"Description": "x" * 2001}, "InvalidInput", ["Description"]),
    ],
)
def test_what_is_wrong_is_said_in_their_names_and_nothing_is_stored(
    manager: KeyClient, changes: dict[str, Any], kind: str, words: list[str]
):
    refused(call(manager, "Create", NEW | changes), 400, kind, *words)
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "{}", '{"URL": "a", "URL": "b"}', b"\xff"])
def test_a_malformed_body_is_400(manager: KeyClient, body: str | bytes):
    response = call(manager, "Create", body)
    assert response.status_code == 400 and response.json()["Status"] == "Error"


def test_values_of_headers_are_not_repeated(manager: KeyClient):
    response = call(manager, "Create", NEW | {"CustomHeaders": [{"Key": "x y", "Value": "hush-hush"}]})
    assert response.status_code == 400 and b"hush" not in response.content


# Landing pages and types of activities


@pytest.fixture
def form(world: World) -> Form:
    field = {"key": "email", "label": "E-mail", "required": True}
    return Form.objects.create(account=world.account, name="Contact us", title="Say hello", fields=[field])


def landing(form: Form, **changes: Any) -> dict[str, Any]:
    urls = [f"https://crm.example.com/f/{form.uid}"]
    return NEW | {"WebhookEvent": "1", "IsSpecificLandingPage": True, "LandingPageUrls": urls} | changes


def test_chosen_landing_pages_alone_are_heard_of(manager: KeyClient, world: World, form: Form):
    webhook = done(call(manager, "Create", landing(form)))
    assert webhook.filters == [{"field": "form", "op": "one_of", "value": [form.pk]}]
    other = Form.objects.create(account=world.account, name="Other", title="Hello", fields=form.fields)
    for each in (other, form):
        answer = KeyClient().post(f"/f/{each.uid}", {"email": "olivia@example.com"}, format="json")
        assert answer.status_code == 200, answer.content
    (delivery,) = Delivery.objects.filter(webhook=webhook)
    assert json.loads(delivery.event.context)["form"]["name"] == "Contact us"


@pytest.mark.parametrize(
    "urls", [None, [], "https://crm.example.com/f/x", ["https://crm.example.com/f/nowhere"], ["https://[crm/f/x"]]
)
def test_landing_pages_that_are_no_forms_here_are_refused(manager: KeyClient, form: Form, urls: Any):
    response = call(manager, "Create", landing(form, LandingPageUrls=urls))
    assert response.status_code == 400 and "LandingPageUrls" in response.json()["ExceptionMessage"]


def test_forms_of_others_are_none(manager: KeyClient, world: World, form: Form):
    Form.objects.update(account=world.other)
    assert call(manager, "Create", landing(form)).status_code == 400


def test_an_update_can_widen_it_to_all_pages_and_keeps_what_it_does_not_name(manager: KeyClient, form: Form):
    webhook = done(call(manager, "Create", landing(form)))
    score = {"field": "score", "op": "greater", "value": 50}
    Webhook.objects.update(filters=[score, *webhook.filters])
    mine = {"WebhookId": str(webhook.pk)}
    assert len(done(call(manager, "Update", mine | {"Description": "Other words"})).filters) == 2
    assert done(call(manager, "Update", mine | {"IsSpecificLandingPage": False})).filters == [score]
    assert len(done(call(manager, "Update", landing(form, **mine))).filters) == 2
    # Of another event there is no form: the filter would let nothing through.
    assert done(call(manager, "Update", mine | {"WebhookEvent": "3"})).filters == [score]


def test_a_form_that_a_webhook_asks_for_stays(manager: KeyClient, form: Form):
    done(call(manager, "Create", landing(form)))
    assert manager.delete(f"/api/v1/forms/{form.pk}").status_code == 400
    assert Form.objects.filter(pk=form.pk).exists()


def activity(world: World, code: int) -> None:
    kind = ActivityType.objects.get(account=world.account, code=code)
    Activity.objects.create(account=world.account, lead=world.lead_a, type=kind)


PROPERTIES = {"ActivityEvent": "201", "ActivityData": "[]", "WebPageNames": "[]"}


@pytest.mark.parametrize(
    "given",
    [
        {"WebhookProperties": json.dumps(PROPERTIES)},
        {"ActivityEvent": 201, "WebhookProperties": json.dumps(PROPERTIES)},
        {"ActivityEvent": "201", "WebhookProperties": None},
    ],
)
def test_activities_of_one_type_alone_are_heard_of(manager: KeyClient, world: World, given: dict[str, Any]):
    webhook = done(call(manager, "Create", NEW | {"WebhookEvent": "2"} | given))
    assert webhook.filters == [{"field": "type_code", "op": "is", "value": 201}]
    for code in (21, 201, 22):
        activity(world, code)
    (delivery,) = Delivery.objects.filter(webhook=webhook)
    assert json.loads(delivery.event.snapshot)["type_code"] == 201
    (row,) = retrieve(manager, {"Parameter": {"WebhookId": str(webhook.pk)}})["Response"]
    assert json.loads(row["WebhookProperties"]) == PROPERTIES
    # What is told back can be sent back; another type, or none, takes its place.
    mine = {"WebhookId": str(webhook.pk)}
    for same in ({"WebhookProperties": row["WebhookProperties"]}, {"Description": "Other words"}):
        assert done(call(manager, "Update", mine | same)).filters == webhook.filters
    assert done(call(manager, "Update", mine | {"ActivityEvent": "22"})).filters[0]["value"] == 22
    assert done(call(manager, "Update", mine | {"WebhookProperties": None})).filters == []


@pytest.mark.parametrize(
    "given",
    [
        {"ActivityEvent": "3001"},
        {"ActivityEvent": "x"},
        {"ActivityEvent": "21", "WebhookProperties": json.dumps(PROPERTIES)},
        {"WebhookProperties": json.dumps(PROPERTIES | {"ActivityData": "[1]"})},
        {"WebhookProperties": json.dumps(PROPERTIES | {"WebPageNames": ["Home"]})},
    ],
)
def test_a_type_that_is_not_there_and_a_narrowing_that_is_not_known_are_refused(
    manager: KeyClient, given: dict[str, Any]
):
    assert call(manager, "Create", NEW | {"WebhookEvent": "2"} | given).status_code == 400
    assert not Webhook.objects.exists()


# Update


def test_an_update_changes_what_it_sends(manager: KeyClient, made: Webhook):
    Webhook.objects.update(name="Ours", rate_limit=5)
    sent = {"WebhookId": str(made.pk), "URL": "https://other.example.com/", "WebhookEvent": "6", "CustomHeaders": None}
    webhook = done(call(manager, "Update", sent))
    assert (webhook.url, webhook.events, webhook.custom_headers) == (sent["URL"], ["Lead_Post_Update"], {})
    assert (webhook.name, webhook.rate_limit, webhook.description) == ("Ours", 5, "New lead data")
    assert webhook.notify_on_failure
    kind = {"WebhookId": made.pk, "ContentType": "text/plain", "NotifyOnFailure": False}
    webhook = done(call(manager, "Update", kind))
    assert webhook.settings == {"content_type": "text/plain"} and not webhook.notify_on_failure


def test_an_update_names_its_webhook(manager: KeyClient, made: Webhook, world: World):
    refused(call(manager, "Update", NEW), 400, "MandatoryAttributeMissing", "WebhookId")
    strange = factories.webhook(account=world.other, dialect="leadsquared", events=["Lead_Delete"])
    standard = factories.webhook(account=world.account, dialect="standard")
    for pk in (10**9, "b1c420d7-9c3e-11e7-b0ab-02e89b2fb8f4", strange.pk, standard.pk, [made.pk], True):
        refused(call(manager, "Update", NEW | {"WebhookId": pk}), 404, "EntityNotFound")
    assert set(Webhook.objects.exclude(pk=made.pk).values_list("url", flat=True)) == {strange.url}


# Retrieve


def retrieve(client: KeyClient, body: Any) -> Any:
    response = call(client, "Retrieve", body)
    assert response.status_code == 200, response.content
    return response.json()


def found(client: KeyClient, **parameter: Any) -> list[str]:
    rows = retrieve(client, {"Parameter": parameter, "Sorting": {"ColumnName": "WebhookId", "Direction": "0"}})
    return [row["WebhookId"] for row in rows["Response"]]


def test_a_row_is_what_their_page_shows(manager: KeyClient, made: Webhook):
    body = {
        "Parameter": {
            "Type": "Webhook",
            "WebhookEvent": "Lead_Post_Create",
            "StatusCode": 0,
            "WebhookId": "",
            "SearchText": " ",
        },
        "Sorting": {"ColumnName": "ModifiedOn", "Direction": "1"},
        "Paging": {"PageIndex": 1, "PageSize": 25},
    }
    assert retrieve(manager, body) == {
        "RecordCount": 1,
        "Response": [
            {
                "WebhookId": str(made.pk),
                "EventName": "Lead Creation",
                "EventCode": "Lead_Post_Create",
                "Description": "New lead data",
                "URL": "http://hooks.example.com/in",
                "StatusCode": 0,
                "WebhookProperties": None,
                "CreatedOn": f"{made.created_at:%Y-%m-%d %H:%M:%S}",
            }
        ],
        "Sorting": {"ColumnName": "ModifiedOn", "Direction": "1"},
        "Paging": {"PageIndex": 1, "PageSize": 25},
    }


def test_any_one_parameter_finds(manager: KeyClient, made: Webhook, world: World):
    deleted = done(call(manager, "Create", {"URL": "https://two.example.com/", "WebhookEvent": "106"}))
    factories.webhook(account=world.account, dialect="standard")
    factories.webhook(account=world.other, dialect="leadsquared", events=["Lead_Delete"])
    one, two = str(made.pk), str(deleted.pk)
    assert found(manager, Type="Webhook") == [one, two] and found(manager, Type="Lapp") == []
    for name in ("Lead_Delete", "106", "Lead Delete", 106):
        assert found(manager, WebhookEvent=name) == [two]
    assert found(manager, WebhookId=two) == [two] and found(manager, WebhookId=10**9) == []
    assert found(manager, SearchText="LEAD DATA") == [one] and found(manager, SearchText="two.example") == [two]
    switch.disable(made.pk)
    assert found(manager, StatusCode=1) == [one] and found(manager, StatusCode="0") == [two]
    switch.pause(deleted.pk)
    assert found(manager, StatusCode=1) == [one, two]
    Webhook.objects.filter(pk=deleted.pk).update(state_reason="All tries have failed.")
    assert found(manager, StatusCode=2) == [two]


def test_lapps_are_found_and_changed_as_such(manager: KeyClient, made: Webhook, world: World):
    lapp = factories.webhook(
        "", account=world.account, dialect="leadsquared", kind="lapp", lapp="once", events=["Lead_Delete"], name="Ours"
    )
    assert found(manager, Type="Lapp") == [str(lapp.pk)] and found(manager, Type="Webhook") == [str(made.pk)]
    assert found(manager, WebhookEvent="Lead_Delete") == [str(lapp.pk)]
    for changes in ({"Type": "Webhook"}, {"URL": NEW["URL"]}):
        assert call(manager, "Update", {"WebhookId": str(lapp.pk)} | changes).status_code == 400
    assert not Webhook.objects.get(pk=lapp.pk).url


def test_pages_and_order(manager: KeyClient):
    ids = [str(done(call(manager, "Create", NEW | {"Description": text})).pk) for text in "bca"]

    def page(column: str, direction: str, index: int, size: int) -> list[str]:
        sorting, paging = {"ColumnName": column, "Direction": direction}, {"PageIndex": index, "PageSize": size}
        told = retrieve(manager, {"Parameter": {"Type": "Webhook"}, "Sorting": sorting, "Paging": paging})
        assert told["RecordCount"] == 3
        return [row["WebhookId"] for row in told["Response"]]

    b, c, a = ids
    assert page("Description", "0", 1, 2) == [a, b] and page("Description", "0", 2, 2) == [c]
    assert page("WebhookId", "1", 1, 25) == [a, c, b] and page("Description", "0", 9, 25) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Parameter": {}},
        {"Parameter": {"WebhookId": "", "SearchText": " "}},
        {"Parameter": "Webhook"},
        {"Parameter": {"Type": "Hook"}},
        {"Parameter": {"StatusCode": 3}},
        {"Parameter": {"WebhookEvent": "Lead_Archive"}},
        {"Parameter": {"Name": "x"}},
        {"Parameter": {"Type": "Webhook"}, "Sorting": {"ColumnName": "Colour"}},
        {"Parameter": {"Type": "Webhook"}, "Sorting": {"ColumnName": ["URL"]}},
        {"Parameter": {"Type": "Webhook"}, "Sorting": {"Direction": "2"}},
        {"Parameter": {"Type": "Webhook"}, "Paging": {"PageSize": 0}},
        {"Parameter": {"Type": "Webhook"}, "Paging": {"PageSize": 1001}},
        {"Parameter": {"Type": "Webhook"}, "Paging": {"PageIndex": "x"}},
    ],
)
def test_what_cannot_be_looked_for(manager: KeyClient, body: Any):
    response = call(manager, "Retrieve", body)
    assert response.status_code == 400 and response.json()["Status"] == "Error"


# Delete


def test_delete_is_a_get_and_a_post_is_405(manager: KeyClient, made: Webhook):
    query = f"&webhookId={made.pk}"
    refused(call(manager, "Delete", {}, query=query), 405, "MethodNotAllowed")
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS"):
        assert call(manager, "Delete", method=method, query=query).status_code == 405
    assert Webhook.objects.filter(pk=made.pk).exists()
    response = call(manager, "Delete", method="GET", query=query)
    assert response.json() == {"Status": "Success", "Message": {"Id": str(made.pk)}}
    assert not Webhook.objects.exists()
    refused(call(manager, "Delete", method="GET", query=query), 404, "EntityNotFound")
    refused(call(manager, "Delete", method="GET"), 400, "MandatoryAttributeMissing", "WebhookId")


@pytest.mark.parametrize("verb", ["Create", "Update", "Retrieve"])
def test_the_others_are_posts(manager: KeyClient, verb: str):
    refused(call(manager, verb, method="GET"), 405, "MethodNotAllowed")


@pytest.mark.parametrize("path", ["Webhook.svc/Enable", "Webhook.svc", "LeadManagement.svc/Leads.Get", ""])
def test_other_calls_are_not_there(path: str):
    refused(KeyClient().get(f"/v2/{path}"), 404, "EntityNotFound")


# Keys


def headers(access: str, secret: str) -> dict[str, str]:
    return {"HTTP_X_LSQ_ACCESSKEY": access, "HTTP_X_LSQ_SECRETKEY": secret}


def bare(query: str = "", **extra: Any) -> Any:
    body = json.dumps({"Parameter": {"Type": "Webhook"}})
    return KeyClient().generic(
        "POST", f"/v2/webhook.svc/retrieve/{query}", body, content_type="application/json", **extra
    )


def test_keys_go_in_the_address_or_in_headers(manager: KeyClient):
    key, secret = manager.key, manager.secret
    for access in (key.prefix, str(key.pk)):
        assert bare(f"?accessKey={access}&secretKey={secret}").status_code == 200
        assert bare(**headers(access, secret)).status_code == 200
        assert bare(f"?AccessKey={access}&SecretKey={secret}", **headers(access, secret)).status_code == 200
        assert bare(f"?accessKey={access}", HTTP_X_LSQ_SECRETKEY=secret).status_code == 200
    assert ApiKey.objects.get(pk=key.pk).last_used_at is not None


def test_other_keys_are_401(world: World, manager: KeyClient):
    access, secret = manager.key.prefix, manager.secret
    stranger = world.client("stranger")
    for pair in [
        ("", secret),
        (access, ""),
        ("lck_x", secret),
        (access, "lck_x"),
        (stranger.key.prefix, secret),
        ("\u00e9", secret),
        (secret, secret),
    ]:
        refused(bare(**headers(*pair)), 401, "UnAuthorizedAccess")
    refused(bare(), 401, "UnAuthorizedAccess")
    refused(
        bare(f"?accessKey={access}&secretKey={stranger.secret}", **headers(access, secret)), 401, "UnAuthorizedAccess"
    )
    refused(
        KeyClient(manager.key, secret).post("/v2/Webhook.svc/Retrieve", {}, format="json"), 401, "UnAuthorizedAccess"
    )
    assert secret not in bare(f"?accessKey=x&secretKey={secret}").content.decode()


@pytest.mark.parametrize("verb", ["Create", "Update", "Retrieve", "Delete"])
def test_only_an_administrators_key_with_the_scope_may(world: World, manager: KeyClient, made: Webhook, verb: str):
    body = {"Create": NEW, "Update": NEW | {"WebhookId": str(made.pk)}}.get(verb, {"Parameter": {"Type": "Webhook"}})
    scopes = [scope for scope in ALL_SCOPES if scope != Scope.WEBHOOKS_ADMIN]
    method = "GET" if verb == "Delete" else "POST"
    stored = list(Webhook.objects.values())
    clients = [key_of(manager.key.user, world.account, scopes), world.client("staff a"), world.client("auditor")]
    for client in clients if verb != "Retrieve" else clients[:2]:
        response = call(client, verb, body if method == "POST" else None, method, f"&webhookId={made.pk}")
        refused(response, 401, "UnAuthorizedAccess", "API key")
    # Who works for single offices sees no webhooks, whatever rights they have.
    manager_of_one = member("of one office", world.account, roles.STAFF, world.a, is_superuser=False)
    assert call(key_of(manager_of_one, world.account), verb, body, "POST").status_code in (401, 405)
    assert list(Webhook.objects.values()) == stored


# Pace


def test_a_key_has_25_calls_in_5_seconds(world: World, manager: KeyClient, monkeypatch: pytest.MonkeyPatch):
    now = 1_000_000.0
    monkeypatch.setattr(keys.time, "time", lambda: now)
    for _ in range(25):
        retrieve(manager, {"Parameter": {"Type": "Webhook"}})
        now += 0.1
    response = call(manager, "Retrieve", {"Parameter": {"Type": "Webhook"}})
    refused(response, 429, "APIRateLimitExceeded", "25 in 5 second(s)")
    assert response["Retry-After"] == "3"
    # Others have calls of their own.
    retrieve(world.client("stranger"), {"Parameter": {"Type": "Webhook"}})
    now += 2.6
    retrieve(manager, {"Parameter": {"Type": "Webhook"}})
    assert call(manager, "Retrieve", {"Parameter": {"Type": "Webhook"}}).status_code == 429
    assert len(Calls.objects.get(key=manager.key).at) == 25
    # A clock that was set back.
    now -= 3600
    retrieve(manager, {"Parameter": {"Type": "Webhook"}})


def test_nothing_of_it_is_kept_by_caches(manager: KeyClient):
    assert call(manager, "Retrieve", {"Parameter": {"Type": "Webhook"}})["Cache-Control"] == "no-store"
    assert bare()["Cache-Control"] == "no-store"


def test_the_documentation_has_every_number():
    text = (Path(__file__).parents[2] / "docs" / "leadsquared.md").read_text()
    for code, number in NUMBERS.items():
        assert f"| `{code}` | {number} |" in text
