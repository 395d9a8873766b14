"""One try as bytes: what was sent and what was received, ready to be shown and copied. No markup in it but ours."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from django.utils.html import escape, format_html_join
from django.utils.safestring import SafeString, mark_safe

from webhooks import lapp
from webhooks.admin.words import accepted
from webhooks.models import Attempt, Delivery
from webhooks.outbound.compose import MASK
from webhooks.wire.exchange import KEPT_BODY

Headers = list[tuple[str, str]]

_KEY = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*")(: )', re.MULTILINE)
_NAME = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Bytes:
    """A body. size: in octets; pretty: indented JSON, '' when it is none; cut: only the first part of it was kept."""

    raw: str
    size: int
    pretty: SafeString
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    method: str
    url: str
    headers: Headers
    body: Bytes
    curl: str


@dataclass(frozen=True, slots=True)
class Received:
    status: str
    good: bool
    headers: Headers
    body: Bytes


def sent(attempt: Attempt, body: bytes) -> Sent | None:
    """None when nothing is known of a request: nobody told whether it left."""
    if not attempt.url:
        return None
    return request(attempt.method, attempt.url, _headers(attempt.request_headers), body)


def request(method: str, url: str, headers: Headers, body: bytes) -> Sent:
    """A request whose secret header values are masked already."""
    text = body.decode(errors="backslashreplace")
    # A Lapp cannot be called from a shell.
    curl = "" if method == lapp.METHOD else _curl(method, url, headers, text)
    return Sent(method, url, headers, bytes_of(text, len(body)), curl)


def received(delivery: Delivery, attempt: Attempt) -> Received | None:
    """What came of the delivery's attempt, None when no answer did."""
    if attempt.code is None:
        return None
    return Received(
        f"{attempt.code} {attempt.reason}".strip(),
        accepted(delivery, attempt.code),
        _headers(attempt.response_headers),
        bytes_of(attempt.response_body, attempt.response_size, cut=attempt.response_size > KEPT_BODY),
    )


def bytes_of(text: str, size: int, cut: bool = False) -> Bytes:
    return Bytes(text, size, pretty(text), cut)


def pretty(text: str) -> SafeString:
    """Indented JSON with its keys marked; '' for what is no JSON object or list."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mark_safe("")
    if not isinstance(value, dict | list):
        return mark_safe("")
    # A lone surrogate is fine as an escape, and breaks the page as a character.
    indented = json.dumps(value, ensure_ascii=False, indent=2).encode(errors="backslashreplace").decode()
    parts, end = [], 0
    for match in _KEY.finditer(indented):
        parts += [escape(indented[end : match.start(2)]), mark_safe('<span class="lc-json-key">'), escape(match[2])]
        parts.append(mark_safe("</span>"))
        end = match.end(2)
    return format_html_join("", "{}", ((part,) for part in (*parts, escape(indented[end:]))))


def _headers(stored: str) -> Headers:
    try:
        return [(str(name), str(value)) for name, value in json.loads(stored)]
    except (ValueError, TypeError):
        return []


def _curl(method: str, url: str, headers: Headers, body: str) -> str:
    """For a shell. What was masked is taken from a variable named after its header: X-Api-Key is $X_API_KEY."""
    lines = [f"curl -X {shlex.quote(method)} {shlex.quote(url)}"]
    for name, value in headers:
        if value == MASK:
            variable = _NAME.sub("_", name.upper()).strip("_") or "SECRET"
            lines.append(f'-H {shlex.quote(name + ": ")}"${{{variable}}}"')
        else:
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    # Not --data: a body that begins with @ would be taken for a file's name.
    lines.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join(lines)
