"""Where other systems post to, and how: the address of an inbound webhook, and a request to try it with."""

from __future__ import annotations

import json
import shlex
from typing import Any

from django.conf import settings
from django.urls import reverse

from leads.fields import BY_KEY
from webhooks.inbound import secrets
from webhooks.models import InboundWebhook, Verification
from webhooks.wire.mapping import Row
from webhooks.wire.signature import PREFIX

_FIRST = {"email": "olivia@example.com"}


def address_of(inbound: InboundWebhook) -> str:
    return f"{settings.SITE_URL}{reverse('inbound', args=[inbound.uid])}"


def example(inbound: InboundWebhook) -> str:
    """A shell command that posts a test: it is judged and kept, and makes no lead. Its secret is a variable."""
    body = shlex.quote(json.dumps(sample(inbound), ensure_ascii=False))
    post = f"curl -X POST {shlex.quote(address_of(inbound))} \\\n  -H 'webhook-test: true'"
    typed = " \\\n  -H 'Content-Type: application/json'"
    match inbound.verification:
        case Verification.BEARER:
            return f'{post}{typed} \\\n  -H "Authorization: Bearer $KEY" \\\n  --data-raw {body}'
        case Verification.HMAC:
            sign = 'SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" | sed "s/.* //")'
            header = f'-H "{inbound.signature_header}: $SIGNATURE"'
            return f'BODY={body}\n{sign}\n{post}{typed} \\\n  {header} \\\n  --data-raw "$BODY"'
        case Verification.STANDARD:
            return f"BODY={body}\n{_STANDARD_KEY[_has_prefix(inbound)]}\n{_STANDARD}\n{post}{typed}{_STANDARD_HEADERS}"
    return f"BODY={body}\n{_JWT}\n{post}" + ' \\\n  -H "Authorization: Bearer $TOKEN"'


# What signs is what follows whsec_ read as base64, or the secret's own bytes.
_STANDARD_KEY = {
    True: 'KEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d " \\n")',
    False: 'KEY=$(printf %s "$SECRET" | od -An -v -tx1 | tr -d " \\n")',
}
_STANDARD = (
    "ID=msg_$(date +%s) TIME=$(date +%s)\n"
    'SIGNATURE=$(printf %s "$ID.$TIME.$BODY" |'
    ' openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | openssl base64 -A)'
)
_STANDARD_HEADERS = (
    ' \\\n  -H "webhook-id: $ID" -H "webhook-timestamp: $TIME" -H "webhook-signature: v1,$SIGNATURE"'
    ' \\\n  --data-raw "$BODY"'
)
_JWT = (
    "url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }\n"
    """HEAD=$(printf '{"alg":"HS256"}' | url) CLAIMS=$(printf %s "$BODY" | url)\n"""
    'TOKEN=$HEAD.$CLAIMS.$(printf %s "$HEAD.$CLAIMS" | openssl dgst -sha256 -hmac "$SECRET" -binary | url)'
)


def sample(inbound: InboundWebhook) -> dict[str, Any]:
    """A document that the mapping reads; of paths through arrays, and of what clashes with another one, nothing."""
    try:
        rows = inbound.rows
    except ValueError:
        rows = ()
    document: dict[str, Any] = {}
    for row in rows:
        if row.path and not any(part.isdigit() or "=" in part for part in row.path.split("/")):
            _put(document, row)
    return document or _FIRST


def _put(document: dict[str, Any], row: Row) -> None:
    *way, last = (part.replace("~2", "=").replace("~1", "/").replace("~0", "~") for part in row.path.split("/"))
    place: Any = document
    for part in way:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            return
    place.setdefault(last, _value(row.field))


def _value(key: str) -> Any:
    field = BY_KEY.get(key)
    if field is None:
        return "text"
    if field.choices:
        return field.choices[0][0]
    if "phone" in key:
        return "+44 7123 456789"
    return _VALUES.get(key) or _BY_KIND.get(field.kind, field.label)


_VALUES = {"first_name": "Olivia", "last_name": "Hartley", "full_name": "Olivia Hartley", "postcode": "LS1 2NL"}
_VALUES |= {"city": "Leeds", "country": "United Kingdom", "owner": "olivia@example.com"}
_BY_KIND = {
    "email": "olivia@example.com",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "texts": ["one", "two"],
    "labels": ["one", "two"],
}
_BY_KIND |= {"datetime": "2026-11-21T09:00:00Z"}


def _has_prefix(inbound: InboundWebhook) -> bool:
    return (secrets.stored(inbound) or PREFIX).startswith(PREFIX)
