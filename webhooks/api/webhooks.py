"""Webhooks: /api/v1/webhooks and .../{id}. The rules are the form's, webhooks/rules.py; state and secret are turned
in webhook_actions.py. A secret is told once, in the answer that makes it, and values of custom headers never."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.errors import Fault, Problem, shown
from leads.api.permissions import MANY, ONE, Need
from leads.api.resource import Many, One, Resource
from leads.api.shape import Key, key_of
from leads.models.apikey import Scope as KeyScope
from leads.validation import in_seconds
from webhooks import conf, rules
from webhooks.api.filters import read_filters, refused
from webhooks.dialects import DIALECTS
from webhooks.models import Kind, Webhook
from webhooks.outbound import filter_fields, handshake, switch
from webhooks.outbound.address import Blocked
from webhooks.outbound.compose import MASK
from webhooks.wire.dialect import Dialect, Setting

_NEEDS: Final = {
    method: Need(KeyScope.WEBHOOKS_ADMIN, f"webhooks.{verb}_webhook")
    for method, verb in {"GET": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}.items()
}
# What is not a column of its own with a rule of its own: read below.
_PARTS: Final = ("events", "offices", "filters", "settings", "custom_headers")
_BIRTH: Final = ("secret", "generate_secret")
_TOLD: Final = ("state", "state_reason", "created_at")


def _key(name: str, wire: str = "", **limits: Any) -> Key:
    """The key of a column, with the limits that the form has too."""
    key = key_of(Webhook, name, wire)
    return replace(key, field=replace(key.field, **limits))


class WebhookResource(Resource):
    model = Webhook
    keys = (
        _key("name"),
        _key("description", max_length=rules.LONGEST_DESCRIPTION),
        _key("dialect", "system"),
        _key("kind", "type"),
        _key("url"),
        _key("lapp"),
        _key("timeout", lowest=1, highest=conf.LONGEST_TIMEOUT),
        _key("execution_delay", lowest=0, highest=conf.LONGEST_DELAY),
        _key("rate_limit", lowest=1, highest=rules.FASTEST),
        _key("keep_order"),
        _key("notify_on_failure"),
        _key("send_webhook_headers"),
    )

    def records(self) -> QuerySet[Any]:
        """Webhooks are the whole account's: who sees single offices only sees none of them."""
        found = super().records() if self.scope.whole_account else Webhook.objects.none()
        return found.prefetch_related("offices")

    def new(self) -> Webhook:
        if not self.scope.whole_account:
            raise Problem(403, "The maker of this API key works in single offices and cannot add a webhook.")
        return Webhook(account=self.account)

    def store(self, webhook: Webhook, sent: Mapping[str, Any]) -> None:
        new, former, former_url = webhook.pk is None, webhook.dialect, webhook.url
        own = {*_PARTS, *_BIRTH, *_TOLD}
        found = self.faults(webhook, {key: value for key, value in sent.items() if key not in own})
        offices = self._offices(webhook, sent["offices"], found) if "offices" in sent else None
        dialect = DIALECTS.get(webhook.dialect)
        if dialect is not None:
            found += self._system(webhook, former, dialect, sent)
            found += self._events(webhook, dialect, sent, anew=new or former != dialect.name)
            found += self._settings(webhook, dialect, sent, anew=new or former != dialect.name)
            found += self._secret(webhook, dialect, sent)
        found += self._place(webhook, dialect, sent)
        found += self._filters(webhook, sent)
        found += self._headers(webhook, dialect, sent)
        if found:
            raise Problem(400, faults=found)
        if new:
            webhook.save()
        else:
            # State and secret are other people's business.
            webhook.save(update_fields=[*(key.field.key for key in self.keys), *_COLUMNS])
        if offices is not None:
            webhook.offices.set(offices)
        handshake.saved(webhook, former_url if former == webhook.dialect else "")

    def _place(self, webhook: Webhook, dialect: Dialect | None, sent: Mapping[str, Any]) -> Iterable[Fault]:
        """Name, type, and the URL or Lapp."""
        if "name" in sent:
            webhook.name = rules.tidy_name(webhook.name)
        renamed = webhook.pk is None or "name" in sent or "system" in sent
        if dialect is not None and renamed and (fault := rules.name_fault(webhook, dialect, webhook.name)):
            yield refused("name", "unique", fault)
        if dialect is not None:
            wire = {key.field.key: key.field.wire for key in self.keys}
            for column, rule, fault in rules.target_faults(dialect, webhook.kind, webhook.url, webhook.lapp):
                if rule == "required":
                    yield Fault(wire[column], rule, "is required")
                else:
                    yield refused(wire[column], rule, fault)
        if webhook.kind == Kind.LAPP:
            return
        if "url" in sent and isinstance(sent["url"], str) and sent["url"].strip():
            try:
                rules.check_url(sent["url"].strip())
            except Blocked as refusal:
                yield refused("url", str(refusal.kind), str(refusal))
                return
        if dialect is not None and isinstance(webhook.url, str) and (fault := rules.url_fault(dialect, webhook.url)):
            yield refused("url", "length", fault)

    def _system(self, webhook: Webhook, former: str, dialect: Dialect, sent: Mapping[str, Any]) -> Iterable[Fault]:
        if fault := rules.system_fault(webhook, former, dialect):
            yield refused("system", "waiting", fault)
        if dialect.webhook_headers == "always":
            if sent.get("send_webhook_headers") is False:
                yield Fault("send_webhook_headers", "always", f"must be true: {dialect.label} is made of them")
            webhook.send_webhook_headers = True
        if not dialect.delays and "execution_delay" not in sent:
            # Of the system that it had before.
            webhook.execution_delay = 0
        if fault := rules.delay_fault(dialect, webhook.execution_delay):
            yield refused("execution_delay", "unknown", fault)

    def _events(self, webhook: Webhook, dialect: Dialect, sent: Mapping[str, Any], *, anew: bool) -> Iterable[Fault]:
        if "events" not in sent and not anew:
            return
        events = sent.get("events", rules.events_at_first(dialect))
        if not isinstance(events, list) or not all(event in dialect.events for event in events):
            yield Fault("events", "choice", f"must be an array of these: {', '.join(dialect.events)}")
        elif fault := rules.events_fault(dialect, events):
            yield refused("events", "length" if events else "required", fault)
        else:
            webhook.events = rules.in_order(dialect, events)

    def _settings(self, webhook: Webhook, dialect: Dialect, sent: Mapping[str, Any], *, anew: bool) -> Iterable[Fault]:
        """Those that are sent change, the others stay; a new system begins with its own defaults."""
        stored = {} if anew else webhook.settings
        webhook.settings = {setting.name: stored.get(setting.name, setting.default) for setting in dialect.settings}
        settings = sent.get("settings")
        if settings is None:
            return
        if not isinstance(settings, dict):
            yield Fault("settings", "object", "must be an object of the system's own settings")
            return
        known = {setting.name: setting for setting in dialect.settings}
        for name, value in settings.items():
            path = f"settings.{shown(name)}"
            if name not in known:
                yield Fault(path, "unknown", f"is no setting of {dialect.label}")
            elif webhook.kind == Kind.LAPP and known[name].of_http and value not in (None, known[name].default):
                yield Fault(path, "lapp", "is of requests by HTTP, which a Lapp does not get")
            elif value is None:
                webhook.settings[name] = known[name].default
            elif fault := _setting_fault(known[name], value):
                yield Fault(path, "choice", fault)
            else:
                webhook.settings[name] = value

    def _secret(self, webhook: Webhook, dialect: Dialect, sent: Mapping[str, Any]) -> Iterable[Fault]:
        """Of a new webhook; later it is turned on the webhook's page."""
        typed, generate = sent.get("secret"), sent.get("generate_secret")
        if webhook.pk is not None:
            yield from (Fault(key, "fixed", "counts when a webhook is made only") for key in _BIRTH if key in sent)
        elif not isinstance(generate, bool | None):
            yield Fault("generate_secret", "boolean", "must be true or false")
        elif typed is not None and not isinstance(typed, str):
            yield Fault("secret", "text", "must be a text")
        elif webhook.kind == Kind.LAPP and (typed or generate):
            yield refused("secret" if typed else "generate_secret", "lapp", rules.NOT_SIGNED)
        elif typed and dialect.secret == "always":
            yield Fault("secret", "generated", f"is made by leadcrm for {dialect.label}: leave it out")
        else:
            try:
                webhook.secret = rules.first_secret(dialect, typed or "", bool(generate))
            except ValueError as fault:
                yield refused("secret", "secret", str(fault))
            webhook.secret_since = timezone.now() if webhook.secret else None

    def _offices(self, webhook: Webhook, sent: Any, found: list[Fault]) -> list[Any] | None:
        """The offices of these ids; what is wrong with them is added to `found`."""
        ids = [] if sent is None else sent
        if not isinstance(ids, list) or not all(type(pk) is int for pk in ids):
            found.append(Fault("offices", "ids", "must be an array of ids of offices"))
            return None
        known = {office.pk: office for office in self.scope.choosable_offices(webhook.account_id)}
        if not known.keys() >= set(ids):
            found.append(Fault("offices", "reference", "must be offices of the account"))
            return None
        return [known[pk] for pk in dict.fromkeys(ids)]

    def _filters(self, webhook: Webhook, sent: Mapping[str, Any]) -> Iterable[Fault]:
        if "filters" not in sent:
            return
        webhook.filters, faults = read_filters(
            "filters", sent["filters"], lambda: filter_fields.fields_of(webhook.account_id)
        )
        yield from faults

    def _headers(self, webhook: Webhook, dialect: Dialect | None, sent: Mapping[str, Any]) -> Iterable[Fault]:
        """All of them, replaced as a whole; one whose mask is sent back stays as it is."""
        if "custom_headers" not in sent or dialect is None:
            return
        headers = {} if sent["custom_headers"] is None else sent["custom_headers"]
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            yield Fault("custom_headers", "object", "must be an object of header names and their values as text")
            return
        if headers and webhook.kind == Kind.LAPP:
            yield refused("custom_headers", "lapp", rules.NO_HEADERS)
            return
        try:
            stored = webhook.custom_headers
        except ValueError:
            yield refused("custom_headers", "unreadable", "What is stored cannot be decrypted any more.")
            return
        # Blanks around them are taken off, as the form does.
        given = [
            (name.strip(" "), stored[name] if value == MASK and name in stored else value.strip(" \t"))
            for name, value in headers.items()
        ]
        webhook.custom_headers, faults = rules.custom_headers(dialect, given)
        yield from (refused("custom_headers", "header", fault) for fault in faults)

    def remove(self, webhook: Webhook) -> None:
        switch.delete(webhook.pk)

    def wire(self, webhook: Webhook) -> dict[str, Any]:
        try:
            headers: dict[str, str] | None = dict.fromkeys(webhook.custom_headers, MASK)
        except ValueError:
            headers = None
        return super().wire(webhook) | {
            "events": webhook.events,
            "offices": sorted(office.pk for office in webhook.offices.all()),
            "filters": webhook.filters,
            "settings": {setting.name: webhook.setting(setting.name) for setting in webhook.wire.settings},
            "custom_headers": headers,
            "state": webhook.state,
            "state_reason": webhook.state_reason,
            "created_at": in_seconds(webhook.created_at),
        }


_COLUMNS: Final = ("events", "filters", "settings", "custom_headers")


class Webhooks(WebhookResource, Many):
    needs = {method: _NEEDS[method] for method in MANY}
    # Of the webhook that this request has made.
    secret = ""

    def store(self, webhook: Webhook, sent: Mapping[str, Any]) -> None:
        super().store(webhook, sent)
        self.secret = webhook.secret

    def post(self, request: Request, **place: str) -> Response:
        response = super().post(request, **place)
        response.data["secret"] = self.secret or None
        response["Cache-Control"] = "no-store"
        return response


class OneWebhook(WebhookResource, One):
    needs = {method: _NEEDS[method] for method in ONE}


def _setting_fault(setting: Setting, value: Any) -> str | None:
    if setting.kind == "yes_no":
        return None if isinstance(value, bool) else "must be true or false"
    known = [stored for stored, _ in setting.choices]
    return None if value in known else f"must be one of {', '.join(map(repr, known))}"
