"""Bodies that are refused before anything is made of them."""

from __future__ import annotations

import json
import time

import pytest
from django.core.handlers.wsgi import WSGIRequest
from rest_framework.test import APIRequestFactory

from leadcrm import wsgi
from leads.api.parser import DEEPEST, LARGEST_BODY
from tests.api.conftest import VENDOR, KeyClient, World, check_shape, counts

LEADS = "/api/v1/leads"

# Seconds of processor time: half a second here, for the worst, with room for a machine that others keep busy.
LONGEST = 2


def nested(depth: int) -> bytes:
    """An object with values nested so deep in all."""
    return b'{"meta":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


MALFORMED = {
    "nothing": b"",
    "space": b"  ",
    "text": b"hello",
    "half": b'{"email": "a@example.com"',
    "half a string": b'{"email": "a',
    "trailing garbage": b'{"email": "a@example.com"} x',
    "two documents": b"{}{}",
    "single quotes": b"{'email': 'a@example.com'}",
    "trailing comma": b'{"email": "a@example.com",}',
    "comment": b'{"email": "a@example.com"} // hello',
    "unquoted key": b'{email: "a@example.com"}',
    "list": b"[]",
    "list of objects": b'[{"email": "a@example.com"}]',
    "string": b'"email"',
    "number": b"1",
    "true": b"true",
    "null": b"null",
    "form": b"email=a%40example.com",
    "duplicate key": b'{"email": "a@example.com", "email": "b@example.com"}',
    "duplicate key, escaped": b'{"email": "a@example.com", "\\u0065mail": "b@example.com"}',
    "duplicate key, nested": b'{"meta": {"a": "1", "a": "2"}}',
    "NaN": b'{"average_sale_estimation": NaN}',
    "Infinity": b'{"average_sale_estimation": Infinity}',
    "-Infinity": b'{"average_sale_estimation": -Infinity}',
    "1e400": b'{"average_sale_estimation": 1e400}',
    "-1e400": b'{"average_sale_estimation": -1e400}',
    "2^63": b'{"office_id": 9223372036854775808}',
    "-2^63-1": b'{"office_id": -9223372036854775809}',
    "a million digits": b'{"office_id": ' + b"9" * 1_000_000 + b"}",
    "leading zero": b'{"office_id": 007}',
    "bad UTF-8": b'{"first_name": "\xff\xfe"}',
    "overlong UTF-8": b'{"first_name": "\xc0\xaf"}',
    "encoded surrogate": b'{"first_name": "\xed\xa0\x80"}',
    "BOM": b'\xef\xbb\xbf{"first_name": "A"}',
    "UTF-16": '{"first_name": "A"}'.encode("utf-16"),
    "UTF-16LE": '{"first_name": "A"}'.encode("utf-16-le"),
    "UTF-32": '{"first_name": "A"}'.encode("utf-32"),
    "raw NUL": b'{"first_name": "A\x00"}',
    "raw line break": b'{"first_name": "A\n"}',
    "escaped NUL": b'{"first_name": "A\\u0000"}',
    "escaped NUL in a read-only key": b'{"account_name": "A\\u0000"}',
    "escaped NUL, nested": b'{"meta": {"a": "A\\u0000"}}',
    "escaped NUL in a key": b'{"first\\u0000name": "A"}',
    "escaped NUL in a nested key": b'{"meta": {"\\u0000": "A"}}',
    "lone surrogate": b'{"first_name": "\\ud800"}',
    "lone low surrogate": b'{"first_name": "\\udc00A"}',
    "surrogates the wrong way round": b'{"first_name": "\\udc00\\ud800"}',
    "lone surrogate in a key": b'{"\\ud800": "A"}',
    "too deep": nested(DEEPEST + 1),
    "depth 100": nested(100),
    "depth 1,000": nested(1000),
    "depth 100,000": nested(100_000),
    "depth 1,000,000": nested(1_000_000),
    "open brackets": b"[" * 2_000_000,
    "open objects": b'{"a":' * 400_000,
    "closing brackets": b"]" * 2_000_000,
    "quotes": b'"' * 2_000_000,
    "escaped quotes": b'"' + b'\\"' * 1_000_000,
    "backslashes": b'{"a": "' + b"\\" * 1_999_999,
    "brackets in pairs": b'{"meta": [' + b"[]," * 800_000 + b"]}",
    "mismatched brackets": b'{"meta": [}]',
    "binary": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bodies_are_a_400_without_delay(manager: KeyClient, world: World, name: str):
    before = counts()
    for method, path in (("POST", LEADS), ("PATCH", f"{LEADS}/{world.lead_a.pk}"), ("POST", "/api/v1/offices")):
        started = time.thread_time()
        body = check_shape(manager.send(method, path, MALFORMED[name]), 400, "malformed")
        assert time.thread_time() - started < LONGEST
        assert len(body["message"]) < 300
    assert counts() == before
    assert manager.get(f"{LEADS}/{world.lead_a.pk}").json()["first_name"] == "Olivia"


@pytest.mark.parametrize(
    "body, field, rule",
    [
        (MALFORMED["escaped NUL"], "first_name", "control_characters"),
        (MALFORMED["escaped NUL, nested"], "meta", "control_characters"),
        (MALFORMED["lone surrogate"], "first_name", "control_characters"),
        (MALFORMED["duplicate key"], "email", "duplicate"),
    ],
)
def test_the_field_is_named_where_there_is_one(manager: KeyClient, body: bytes, field: str, rule: str):
    answer = check_shape(manager.send("POST", LEADS, body), 400, "malformed")
    assert [(fault["field"], fault["rule"]) for fault in answer["errors"]] == [(field, rule)]


def test_what_is_well_formed_is_taken(manager: KeyClient):
    text = json.dumps(VENDOR | {"first_name": "Zoë 😀", "source": 'a "quoted" [bracket] {brace} \\'})
    for body in (text.encode(), f" \r\n\t{text}\n".encode(), json.dumps(json.loads(text), ensure_ascii=False).encode()):
        response = manager.send("POST", LEADS, body)
        assert response.status_code == 201, response.content
        assert response.json()["first_name"] == "Zoë 😀"
    deepest = manager.send("POST", LEADS, nested(DEEPEST))
    assert "meta" in {fault["field"] for fault in check_shape(deepest, 400, "invalid")["errors"]}


@pytest.mark.parametrize(
    "headers, status, code",
    [
        ({"content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ({"content_type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
        ({"content_type": "application/jsonp"}, 415, "unsupported_media_type"),
        ({"content_type": "application/*"}, 415, "unsupported_media_type"),
        ({"content_type": ""}, 415, "unsupported_media_type"),
        ({"content_type": ";;;="}, 415, "unsupported_media_type"),
        ({"content_type": "application/json; charset=utf-16"}, 415, "unsupported_media_type"),
        ({"content_type": "application/json; charset=rot13"}, 415, "unsupported_media_type"),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, 415, "unsupported_media_type"),
        ({"HTTP_CONTENT_ENCODING": "identity"}, 415, "unsupported_media_type"),
        ({"HTTP_CONTENT_ENCODING": "br, gzip"}, 415, "unsupported_media_type"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411, "length_required"),
        ({"CONTENT_LENGTH": str(LARGEST_BODY + 1)}, 413, "too_large"),
        ({"CONTENT_LENGTH": "9" * 5000}, 413, "too_large"),
        ({"CONTENT_LENGTH": "-5"}, 400, "malformed"),
        ({"CONTENT_LENGTH": "ten"}, 400, "malformed"),
        ({"CONTENT_LENGTH": "٣"}, 400, "malformed"),
        ({"CONTENT_LENGTH": "1e3"}, 400, "malformed"),
        ({"CONTENT_LENGTH": "0"}, 400, "malformed"),
        ({"CONTENT_LENGTH": ""}, 400, "malformed"),
        ({"CONTENT_LENGTH": "7"}, 400, "malformed"),
    ],
)
def test_heads_that_are_refused(manager: KeyClient, world: World, headers: dict[str, str], status: int, code: str):
    before = counts()
    for method, path in (("POST", LEADS), ("PATCH", f"{LEADS}/{world.lead_a.pk}"), ("POST", "/api/v1/offices")):
        check_shape(manager.send(method, path, json.dumps(VENDOR), **headers), status, code)
    assert counts() == before


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'])
def test_content_types_that_are_taken(manager: KeyClient, content_type: str):
    assert manager.send("POST", LEADS, json.dumps(VENDOR), content_type=content_type).status_code == 201


@pytest.mark.parametrize(
    "content_type, taken",
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ('application/json; charset="UTF8"; x=y', True),
        ("multipart/form-data; boundary=x", True),
        ("", True),
        (";;;=", True),
        *((f"application/json; charset={name}", False) for name in ("rot13", "hex", "idna", "punycode", "utf-16", "x")),
        ("application/json; charset*=utf-8''rot13", False),
        ("application/json; x*=bogus'en'y", False),
    ],
)
def test_an_odd_charset_does_not_reach_django(monkeypatch, content_type: str, taken: bool):
    """It reads the query string by the charset of the body, and some break it before any view is asked."""
    requests = []
    monkeypatch.setattr(wsgi, "django", lambda environ, start_response: requests.append(WSGIRequest(environ)) or [])
    environ = APIRequestFactory().get(f"{LEADS}?source=caf%C3%A9").environ
    wsgi.application(environ | {"CONTENT_TYPE": content_type}, lambda status, headers: None)
    assert requests[0].GET["source"] == "café"
    assert requests[0].META["CONTENT_TYPE"] == (content_type if taken else "application/octet-stream")


def test_a_body_above_the_limit_is_a_413(manager: KeyClient):
    check_shape(manager.send("POST", LEADS, b" " * (LARGEST_BODY + 1)), 413, "too_large")
    body = json.dumps(VENDOR).encode()
    assert manager.send("POST", LEADS, body + b" " * (LARGEST_BODY - len(body))).status_code == 201


WIDE = {
    "numbers": b"1," * 1_200_000,
    "long numbers": b"1234567890123456789," * 120_000,
    "fractions": b"1.5," * 600_000,
    "objects": b"{}," * 800_000,
    "objects with a key": b'{"":0},' * 350_000,
    "escaped texts": b'"\\u00e9",' * 270_000,
}


@pytest.mark.parametrize("name", WIDE)
def test_wide_bodies_are_answered_without_delay(manager: KeyClient, name: str):
    started = time.thread_time()
    check_shape(manager.send("POST", LEADS, b'{"meta": [' + WIDE[name][:-1] + b"]}"), 400, "invalid")
    assert time.thread_time() - started < LONGEST


@pytest.mark.parametrize("count", [10_000, 100_000])
def test_many_keys(manager: KeyClient, count: int):
    started = time.thread_time()
    response = manager.send("POST", LEADS, json.dumps(VENDOR | {f"key {number}": 1 for number in range(count)}))
    assert time.thread_time() - started < LONGEST
    assert len(check_shape(response, 400, "invalid")["errors"]) == count


def test_a_long_text_is_refused_and_not_cut(manager: KeyClient):
    response = manager.send("POST", LEADS, VENDOR | {"title": "x" * 1_000_000, "source": "y" * 1_000_000})
    body = check_shape(response, 400, "invalid", fields=["source", "title"])
    assert {fault["rule"] for fault in body["errors"]} == {"length"}
    assert len(response.content) < 1000
