"""API keys: how they are sent, what they leave behind, and where they must never be."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from leadcrm.logs import JsonFormatter
from leads.models import ApiKey
from tests.api.conftest import KeyClient, World, check_shape, counts

LEADS = "/api/v1/leads"


def anonymous() -> KeyClient:
    return KeyClient()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer {key}"},
        {"authorization": "bearer   {key} "},
        {"x-api-key": "{key}"},
        {"x-api-key": " {key} "},
        {"authorization": "Bearer {key}", "x-api-key": "{key}"},
    ],
)
def test_a_key_is_accepted(world: World, headers: dict[str, str]):
    secret = world.client("manager").secret
    sent = {name: value.format(key=secret) for name, value in headers.items()}
    assert anonymous().get(LEADS, headers=sent).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "{key}"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic {key}"},
        {"authorization": "Token {key}"},
        {"authorization": "Bearer {key}x"},
        {"authorization": "Bearer {key} {key}"},
        {"authorization": "Basic abc", "x-api-key": "{key}"},
        {"authorization": "Bearer {key}", "x-api-key": "lck_other"},
        {"x-api-key": "Bearer {key}"},
        {"x-api-key": "\u00e9\u00ff\u0080"},
        {"x-api-key": "lck_" + "x" * 100_000},
        {"cookie": "api_key={key}"},
    ],
)
def test_anything_else_is_not(world: World, headers: dict[str, str]):
    secret = world.client("manager").secret
    sent = {name: value.format(key=secret) for name, value in headers.items()}
    response = anonymous().get(LEADS, headers=sent)
    check_shape(response, 401, "unauthenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="leadcrm"'
    assert secret not in response.content.decode()


def test_a_signed_in_session_is_not_enough(world: World):
    browser = Client()
    browser.force_login(world.client("manager").key.user)
    check_shape(browser.get(LEADS), 401, "unauthenticated")


def test_last_used_is_noted_at_most_once_a_minute(world: World):
    client = world.client("manager")

    def last_used():
        return ApiKey.objects.get(pk=client.key.pk).last_used_at

    assert last_used() is None
    client.get(LEADS)
    first = last_used()
    assert timezone.now() - first < timedelta(seconds=30)
    client.get(LEADS)
    assert last_used() == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    client.get(LEADS)
    assert last_used() >= first


@pytest.mark.parametrize(
    "query",
    [
        "api_key={key}",
        "api-key={key}",
        "apikey=anything",
        "API_KEY=anything",
        "key=anything",
        "token=anything",
        "access_token=anything",
        "X-API-KEY=anything",
        "source={key}",
        "source=%6Cck_madeup",
        "lck_madeup",
        "type=sale&q=see+lck_madeup",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_key_in_the_address_is_refused(world: World, method: str, query: str):
    client = world.client("manager")
    before = counts()
    path = f"{LEADS}?{query.format(key=client.secret)}"
    for caller in (client, anonymous()):
        body = check_shape(caller.send(method, path, {} if method == "POST" else None), 400, "key_in_query")
        assert "lck_madeup" not in str(body) and client.secret not in str(body)
    assert counts() == before


def test_keys_and_queries_of_the_api_are_struck_from_every_log_line():
    def line(message: str, *arguments: object, error: Exception | None = None) -> str:
        trace = (type(error), error, None) if error else None
        record = logging.LogRecord("django.server", logging.INFO, "", 0, message, arguments, trace)
        formatted = JsonFormatter().format(record)
        json.loads(formatted)
        return formatted

    secret = "lck_AbC-dEf_123"
    lines = [
        line('"%s" %s %s', f"GET /api/v1/leads?api_key={secret} HTTP/1.1", 400, 20),
        line('"%s" %s %s', "GET /api/v1/leads?email=olivia%40example.com&key=AbC-dEf_123 HTTP/1.1", 400, 20),
        line('"%s" %s %s', "POST /v2/Webhook.svc/Create?accessKey=7&secretKey=AbC-dEf_123 HTTP/1.1", 200, 20),
        line("Not Found: %s", f"/api/v1/{secret}"),
        line("it broke", error=ValueError(f"bad {secret}")),
    ]
    assert not [one for one in lines if "AbC-dEf" in one or "olivia" in one]
    assert '"GET /api/v1/leads?*** HTTP/1.1\\" 400 20' in lines[1].replace('\\"GET', '"GET')
    assert "/admin/?q=olivia" in line("%s", "/admin/?q=olivia")


def test_the_secret_is_stored_nowhere(world: World):
    client = world.client("manager")
    client.get(LEADS)
    assert client.secret not in str(list(ApiKey.objects.values()))
