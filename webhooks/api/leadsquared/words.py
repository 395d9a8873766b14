"""What LeadSquared's keys mean in the words of our own API (webhooks/api/webhooks.py), and a webhook in its words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from leads.api.errors import Fault, Problem, shown
from leads.api.view import unknown_keys
from leads.models import Account, Form
from webhooks import rules
from webhooks.dialects import leadsquared
from webhooks.dialects.leadsquared.codes import LABELS, NUMBERS
from webhooks.models import Kind, State, Webhook
from webhooks.outbound.filter_fields import TYPE
from webhooks.wire import document
from webhooks.wire.filter import FORM

SYSTEM: Final = leadsquared.DIALECT.name

KEYS: Final = (
    "WebhookId",
    "Type",
    "Description",
    "URL",
    "Method",
    "ContentType",
    "WebhookEvent",
    "LandingPageUrls",
    "IsSpecificLandingPage",
    "ActivityEvent",
    "NotifyOnFailure",
    "WebhookProperties",
    "CustomHeaders",
)
# The first part of one of our keys, and theirs.
THEIRS: Final[Mapping[str, str]] = {
    "name": "Description",
    "description": "Description",
    "url": "URL",
    "settings": "ContentType",
    "events": "WebhookEvent",
    "filters": "LandingPageUrls",
    "notify_on_failure": "NotifyOnFailure",
    "custom_headers": "CustomHeaders",
}
_LANDING_PAGE: Final = "Landing_Page_submission"
# Of records that have a type: its code is their ActivityEvent.
_TYPED: Final = ("LeadActivity_", "AccountActivity_", "SalesActivity_", "Opportunity")

# By number, code and label, in any case.
_EVENTS: Final[Mapping[str, str]] = {
    name.casefold(): code for code, label in LABELS.items() for name in (str(NUMBERS[code]), code, label)
}

ENABLED, BY_HAND, BY_POLICY = 0, 1, 2
"""Their StatusCode: enabled, disabled by hand, disabled as failures and retries ran out."""


def ours(sent: Mapping[str, Any], account: Account, webhook: Webhook | None = None) -> dict[str, Any]:
    """What Create (webhook: None) or Update sends, as our API takes it. Raises Problem 400 in their names."""
    faults = unknown_keys(sent, KEYS, "a webhook")
    kind = Kind.WEBHOOK.label if webhook is None else webhook.get_kind_display()
    if sent.get("Type", kind) != kind:
        faults.append(Fault("Type", "choice", f"must be {kind}: a Lapp is chosen in the admin or by our own API"))
    if str(sent.get("Method") or "POST").upper() != "POST":
        faults.append(Fault("Method", "choice", "must be POST"))
    ours: dict[str, Any] = {
        key: sent[theirs]
        for key, theirs in (("url", "URL"), ("description", "Description"), ("notify_on_failure", "NotifyOnFailure"))
        if theirs in sent
    }
    if sent.get("ContentType") is not None:
        ours["settings"] = {leadsquared.CONTENT_TYPE.name: sent["ContentType"]}
    event = webhook.events[0] if webhook is not None and webhook.events else ""
    if webhook is None or sent.get("WebhookEvent") is not None:
        event = _event(sent.get("WebhookEvent"), faults)
        ours["events"] = [event]
    if webhook is None:
        ours |= {"system": SYSTEM, "name": _name(sent.get("Description"), event)}
    if "CustomHeaders" in sent:
        ours["custom_headers"] = _headers(sent["CustomHeaders"], faults)
    kept = [] if webhook is None else [each for each in webhook.filters if each.get("field") not in (FORM, TYPE)]
    narrowed = _by_form(sent, event, account, webhook, faults) + _by_type(sent, event, webhook, faults)
    ours["filters"] = kept + narrowed
    if faults:
        raise Problem(400, faults=faults)
    return ours


def event_of(name: str) -> str | None:
    """The code of the event with this number, code or label."""
    return _EVENTS.get(name.strip().casefold())


def _event(given: Any, faults: list[Fault]) -> str:
    if given is None or given == "":
        faults.append(Fault("WebhookEvent", "required", "is required"))
        return ""
    is_name = isinstance(given, str) or type(given) is int
    code = event_of(str(given)) if is_name else None
    if code is None:
        known = ", ".join(f"{NUMBERS[code]} ({code})" for code in LABELS)
        faults.append(Fault("WebhookEvent", "choice", f"must be the number of an event as a text: {known}"))
    return code or ""


def _name(description: Any, event: str) -> str:
    """LeadSquared's webhooks have none: what the description begins with, or the event."""
    text = rules.tidy_name(description) if isinstance(description, str) else ""
    return text[:100].strip() or LABELS.get(event, "LeadSquared")


def _headers(given: Any, faults: list[Fault]) -> dict[str, str]:
    """Of two of one name the last one counts (LS-A22)."""
    found: dict[str, str] = {}
    for pair in given if isinstance(given, list) else [] if given is None else [None]:
        if not isinstance(pair, dict) or pair.keys() != {"Key", "Value"}:
            faults.append(Fault("CustomHeaders", "pairs", 'must be an array of {"Key": ..., "Value": ...}'))
            return {}
        name, value = pair["Key"], pair["Value"]
        if not isinstance(name, str) or not isinstance(value, str):
            faults.append(Fault("CustomHeaders", "text", "must have keys and values as texts"))
            return {}
        found.pop(name, None)
        found[name] = value
    return found


def _by_form(
    sent: Mapping[str, Any], event: str, account: Account, webhook: Webhook | None, faults: list[Fault]
) -> list[dict[str, Any]]:
    """The filter on the landing pages that are named, which are web forms here."""
    urls, specific = sent.get("LandingPageUrls"), sent.get("IsSpecificLandingPage")
    if not isinstance(specific, bool | None):
        faults.append(Fault("IsSpecificLandingPage", "boolean", "must be true or false"))
        return []
    if specific is None and not urls:
        return _stored(webhook, FORM) if event == _LANDING_PAGE else []
    if specific is False:
        return []
    if event != _LANDING_PAGE:
        number = NUMBERS[_LANDING_PAGE]
        faults.append(Fault("IsSpecificLandingPage", "event", f"is for landing page submissions, event {number}"))
        return []
    if not urls or not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        faults.append(Fault("LandingPageUrls", "required", "must be an array with the addresses of web forms"))
        return []
    forms = dict(Form.objects.filter(account=account).values_list("uid", "pk"))
    ids = []
    for url in urls:
        try:
            path = urlsplit(url.strip()).path
        except ValueError:
            path = ""
        pk = forms.get(path.rstrip("/").rpartition("/")[2])
        if pk is None:
            faults.append(Fault("LandingPageUrls", "reference", f"names no web form of the account: {shown(url, 300)}"))
        else:
            ids.append(pk)
    return [{"field": FORM, "op": "one_of", "value": ids}] if ids else []


def _by_type(sent: Mapping[str, Any], event: str, webhook: Webhook | None, faults: list[Fault]) -> list[dict[str, Any]]:
    """The filter on the type of the activity, which stands beside WebhookProperties, in it, or in both."""
    properties = _properties(sent.get("WebhookProperties"), faults)
    codes = {str(code) for code in (sent.get("ActivityEvent"), properties.get("ActivityEvent")) if code}
    for name in ("ActivityData", "WebPageNames"):
        if properties.get(name) not in (None, "", "[]", []):
            faults.append(Fault("WebhookProperties", "unknown", f"must have no {name}: nothing is narrowed by it"))
    if not codes:
        given = "ActivityEvent" in sent or "WebhookProperties" in sent
        return [] if given or not event.startswith(_TYPED) else _stored(webhook, TYPE)
    if len(codes) > 1 or not all(code.isascii() and code.isdecimal() and len(code) < 10 for code in codes):
        faults.append(Fault("ActivityEvent", "integer", "must be one code of a type, such as 201"))
    elif not event.startswith(_TYPED):
        faults.append(Fault("ActivityEvent", "event", "is for events of activities and opportunities"))
    else:
        return [{"field": TYPE, "op": "is", "value": int(codes.pop())}]
    return []


def _properties(given: Any, faults: list[Fault]) -> Mapping[str, Any]:
    """Null, or an object as a JSON text; of what stands in it, what we know is read and the rest is let be."""
    if given is None or given == "":
        return {}
    read = document.read(given.encode(errors="replace")) if isinstance(given, str) else {}
    if not read and (not isinstance(given, str) or given.strip() != "{}"):
        faults.append(Fault("WebhookProperties", "json", "must be null, or an object as a text of escaped JSON"))
    return read


def _stored(webhook: Webhook | None, field: str) -> list[dict[str, Any]]:
    return [] if webhook is None else [each for each in webhook.filters if each.get("field") == field]


# Told


def status(webhook: Webhook) -> int:
    if webhook.state == State.ENABLED:
        return ENABLED
    return BY_POLICY if webhook.state == State.PAUSED and webhook.state_reason else BY_HAND


def row(webhook: Webhook) -> dict[str, Any]:
    """One of Retrieve's answer."""
    event = webhook.events[0] if webhook.events else ""
    return {
        "WebhookId": str(webhook.pk),
        "EventName": LABELS.get(event, event),
        "EventCode": event,
        "Description": webhook.description,
        "URL": webhook.url,
        "StatusCode": status(webhook),
        "WebhookProperties": _told_properties(webhook.filters),
        "CreatedOn": f"{webhook.created_at:%Y-%m-%d %H:%M:%S}",
    }


def _told_properties(filters: Sequence[Mapping[str, Any]]) -> str | None:
    code = next((each.get("value") for each in filters if each.get("field") == TYPE), None)
    if code is None:
        return None
    return json.dumps({"ActivityEvent": str(code), "ActivityData": "[]", "WebPageNames": "[]"})
