"""What may come to an inbound webhook, and what is answered: for the test client and for a raw socket alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.webhooks.inbound.conftest import SAMPLE

MAPPING = [
    {"field": "first_name", "path": "first_name"},
    {"field": "business_email", "path": "email"},
    {"field": "created_date", "path": "date"},
    {"field": "average_sale_estimation", "path": "value"},
    {"field": "tags", "path": "tags"},
    {"field": "office_id", "path": "office"},
]


@dataclass(frozen=True)
class Case:
    """headers: beside, or in place of, those of a good post; faults: (path, rule) of the errors in the answer.

    is_kept: whether there is a receipt of it.
    """

    name: str
    status: int
    body: bytes = json.dumps(SAMPLE).encode()
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[tuple[str | None, str], ...] = ()
    query: str = ""
    is_kept: bool = True


def _json(**values: Any) -> bytes:
    return json.dumps(SAMPLE | values).encode()


def _nested(depth: int) -> bytes:
    return b'{"email": "deep@example.com", "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


LARGEST = 256 * 1024

_MALFORMED = {
    "nothing": b"",
    "blanks": b"  ",
    "a text": b"hello",
    "a form": b"email=a%40example.com",
    "half": b'{"email": "a@example.com"',
    "trailing garbage": b'{"email": "a@example.com"} x',
    "two documents": b"{}{}",
    "a string": b'"email"',
    "a number": b"1",
    "true": b"true",
    "null": b"null",
    "NaN": b'{"value": NaN}',
    "Infinity": b'{"value": -Infinity}',
    "1e400": b'{"value": 1e400}',
    "2^63": b'{"office": 9223372036854775808}',
    "a hundred thousand digits": b'{"office": ' + b"9" * 100_000 + b"}",
    "bad UTF-8": b'{"first_name": "\xff\xfe"}',
    "an encoded surrogate": b'{"first_name": "\xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"first_name": "A"}',
    "UTF-16": '{"first_name": "A"}'.encode("utf-16"),
    "UTF-32": '{"first_name": "A"}'.encode("utf-32"),
    "a raw NUL": b'{"first_name": "A\x00"}',
    "binary": bytes(range(256)) * 100,
    "NUL in a key": b'{"first\\u0000name": "A"}',
    "half a pair in a key": b'{"\\ud800": "A"}',
    "depth 100": _nested(100),
    "depth 1,000": _nested(1000),
    "depth 100,000": _nested(100_000),
    "open brackets": b"[" * LARGEST,
    "open objects": b'{"a":' * (LARGEST // 5),
    "closing brackets": b"]" * LARGEST,
    "quotes": b'"' * LARGEST,
    "backslashes": b'{"a": "' + b"\\" * (LARGEST - 7),
    "pairs of brackets": b'{"a": [' + b"[]," * 80_000 + b"]}",
}
_SEVERAL_KEYS = {
    "NUL in a value": (b'{"first_name": "A\\u0000"}', ("first_name", "control_characters")),
    "NUL deep in a value": (b'{"x": {"y": ["A\\u0000"]}}', ("x", "control_characters")),
    "half a pair in a value": (b'{"first_name": "\\ud800"}', ("first_name", "control_characters")),
    "a key twice": (b'{"email": "a@example.com", "email": "b@example.com"}', ("email", "duplicate")),
    "a key twice, escaped": (b'{"email": "a@example.com", "\\u0065mail": "b@example.com"}', ("email", "duplicate")),
    "a key twice, deeper": (b'{"x": {"a": "1", "a": "2"}}', ("a", "duplicate")),
}
_UNPROCESSABLE = {
    "a text too long": (_json(first_name="x" * 5000), ("first_name", "length")),
    "a text that fills the body": (_json(first_name="x" * (LARGEST - 500)), ("first_name", "length")),
    "an object for an e-mail": (_json(email={}), ("email", "scalar")),
    "a number for an e-mail": (_json(email=1), ("email", "email")),
    "no e-mail": (_json(email="not an e-mail"), ("email", "email")),
    "day and month 0": (_json(date="0000-00-00"), ("date", "iso_date")),
    "99 hours from UTC": (_json(date="2026-11-21T09:00:00+99:00"), ("date", "iso_date")),
    "a text for a number": (_json(value="much"), ("value", "number")),
    "an office that is none": (_json(office=999_999), ("office", "reference")),
    "an office beyond the column": (_json(office=2**63 - 1), ("office", "reference")),
}
_TAKEN = {
    "a good one": _json(),
    "blanks around it": b" \r\n\t" + _json() + b"\n",
    "depth 32": _nested(32),
    "10,000 keys": json.dumps(SAMPLE | {f"key {number}": number for number in range(10_000)}).encode(),
    "keys of one hash": json.dumps(SAMPLE | {str(number * (2**61 - 1)): 1 for number in range(5000)}).encode(),
    "what nobody may set": _json(id=1, account=2, account_id=2, created_at="2001-01-01", secret="x", version=9),
    "Zoë": _json(first_name="Zoë 😀 \u202e <script>alert(1)</script>"),
    "up to the limit": _json() + b" " * (LARGEST - len(_json())),
}

CASES: tuple[Case, ...] = (
    *(Case(name, 200, body) for name, body in _TAKEN.items()),
    *(Case(name, 400, body, "malformed") for name, body in _MALFORMED.items()),
    *(Case(name, 400, body, "malformed", faults=(fault,)) for name, (body, fault) in _SEVERAL_KEYS.items()),
    *(Case(name, 422, body, "unprocessable", faults=(fault,)) for name, (body, fault) in _UNPROCESSABLE.items()),
    Case("a byte too many", 413, b" " * (LARGEST + 1), "too_large", is_kept=False),
    Case("a megabyte for a name", 413, _json(first_name="x" * 1_000_000), "too_large", is_kept=False),
    *(
        Case(f"Content-Encoding {coding}", 415, headers={"Content-Encoding": coding}, is_kept=False)
        for coding in ("gzip", "identity", "br, gzip", "x")
    ),
    *(
        Case(f"Content-Type {kind}", 415, headers={"Content-Type": kind}, is_kept=False)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a",
                     "application/json; charset=utf-16", "application/json; charset=rot13")
    ),
    *(
        Case(f"Content-Type {kind}", 200, headers={"Content-Type": kind})
        for kind in ("application/json", "Application/JSON; charset=UTF-8", "application/cloudevents+json", "", ";;=")
    ),
    Case("no credentials", 401, headers={"Authorization": ""}, is_kept=False),
    Case("another scheme", 401, headers={"Authorization": "Basic bGNrOng="}, is_kept=False),
    Case("a key that is none", 401, headers={"Authorization": "Bearer lck_none"}, is_kept=False),
    Case("a key with odd bytes", 401, headers={"Authorization": "Bearer \xff\xfe\u00e9"}, is_kept=False),
    Case("a very long key", 401, headers={"Authorization": "Bearer " + "x" * 100_000}, is_kept=False),
    *(
        Case(f"a key in the address: {query}", 400, code="key_in_query", query=query, is_kept=False)
        for query in ("api_key=x", "token=lck_abc", "Authorization=x", "q=lck_abcdef", "X-API-KEY=x")
    ),
    Case("another query", 200, query="source=caf%C3%A9&a=1&a=2"),
    Case("a message id that cannot be kept", 200, headers={"Idempotency-Key": "x" * 5000}),
    Case("hops that are no number", 200, headers={"Webhook-Hops": "many"}),
)  # fmt: skip
