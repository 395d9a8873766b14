"""The public surface as a row of a conformance table uses it: the API, the admin, and a real receiver."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import certifi
from django.test import Client, override_settings
from django.urls import reverse

from leads.models import Account, ApiKey, Lead, Membership, Office, User
from leads.models.apikey import Scope as ApiScope
from tests.admin.page import Page
from tests.conformance.examples import Example
from tests.conformance.secure import SecureReceiver
from tests.program import Program
from tests.receiver import Received, Receiver
from webhooks.models import OPEN, Delivery, Event, Health, Webhook
from webhooks.outbound import deliver

VENDOR: dict[str, Any] = {
    "type": "vendor",
    "first_name": "Richard",
    "last_name": "Smith",
    "email": "richard.smith@gmail.com",
    "phone": "07123456789",
    "address": "51 Asimov Place, Starbridge",
    "postcode": "N1 3JY",
}
SALE: dict[str, Any] = {
    "type": "sale",
    "first_name": "Richard",
    "last_name": "Smith",
    "email": "richard.smith@gmail.com",
    "phone": "07123456789",
    "advert_address": "51 Asimov Place, Starbridge",
    "advert_postcode": "N1 3JY",
    "property_reference": "REF-1",
}


def without(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def no_program() -> Program:
    raise AssertionError("only LeadPro's rows start processes")


def no_example() -> AbstractContextManager[Example]:
    raise AssertionError("this system's page shows no receiver")


# The key under which a system's body holds the lead.
RECORD = {"leadpro": "data", "save_lead": "data", "leadhub": "lead"}


@dataclass
class World:
    """An account with an office, its manager signed in to the admin, an API key, and a webhook of one system."""

    receiver: Receiver
    program: Callable[[], Program]
    """Starts the real web server and worker, on a database of their own."""
    example: Callable[[], AbstractContextManager[Example]]
    """Runs the receiver that the system's own page shows, or its equal."""
    account: Account
    office: Office
    manager: User
    secret: str
    webhook: Webhook
    client: Client = field(default_factory=Client)

    @classmethod
    def build(
        cls,
        receiver: Receiver,
        program: Callable[[], Program] = no_program,
        example: Callable[[], AbstractContextManager[Example]] = no_example,
        **webhook: Any,
    ) -> World:
        """webhook: what its webhook has beside the defaults of tests.factories, which are LeadPro's."""
        from django.contrib.auth.models import Group

        from tests import factories

        account = Account.objects.create(name="Skyline Estates")
        office = Office.objects.create(account=account, name="Oxford")
        manager = User.objects.create_user(
            "manager", "manager@example.com", password="correct horse battery", is_staff=True
        )
        manager.groups.add(Group.objects.get(name="Manager"))
        Membership.objects.create(user=manager, account=account)
        key = ApiKey(
            account=account,
            user=manager,
            name="website",
            scopes=[scope for scope in ApiScope if scope != ApiScope.WEBHOOKS_ADMIN],
        )
        secret = key.generate()
        key.save()
        made = factories.webhook(receiver.url, account=account, **webhook)
        world = cls(receiver, program, example, account, office, manager, secret, made)
        world.client.force_login(manager)
        return world

    # The API

    def call(self, method: str, path: str, data: Any = None) -> Any:
        """The response, with its JSON as `.data` (None when it has no body)."""
        body = b"" if data is None else json.dumps(data).encode()
        response = Client().generic(
            method,
            f"/api/v1/{path}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.secret}"},
        )
        response.data = json.loads(response.content) if response.content else None
        return response

    def post(self, values: dict[str, Any]) -> Any:
        return self.call("POST", "leads/", values)

    def created(self, values: dict[str, Any]) -> dict[str, Any]:
        response = self.post(values)
        assert response.status_code == 201, response.content
        return response.data

    def patched(self, pk: int, values: dict[str, Any]) -> dict[str, Any]:
        response = self.call("PATCH", f"leads/{pk}/", values)
        assert response.status_code == 200, response.content
        return response.data

    def read(self, pk: int) -> dict[str, Any]:
        response = self.call("GET", f"leads/{pk}/")
        assert response.status_code == 200, response.content
        return response.data

    def refused(self, field: str, rule: str, response: Any) -> None:
        """A 400 that names field and rule."""
        assert response.status_code == 400, response.content
        named = [(error["field"], error["rule"]) for error in response.data["errors"]]
        assert (field, rule) in named, named

    def refused_post(self, field: str, rule: str, values: dict[str, Any]) -> None:
        """The same of a POST, which also stores nothing."""
        before = Lead.objects.count(), Event.objects.count()
        self.refused(field, rule, self.post(values))
        assert (Lead.objects.count(), Event.objects.count()) == before

    # What arrives

    def deliver(self) -> list[Received]:
        """Send what is due; returns everything that the receiver has."""
        deliver.run(stop=lambda: None, linger=0.0)
        return self.receiver.received

    def rested(self) -> None:
        """As if no try had failed lately: how long we leave a failing receiver alone is our rule, not the system's."""
        Health.objects.all().delete()

    def sent(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create a lead by the API and return the `data` that the receiver got for it."""
        pk = self.created(values)["id"]
        return self.arrived(pk)

    def arrived(self, pk: int) -> dict[str, Any]:
        """The lead as the newest request about it has it."""
        about = {record_of(request): request for request in self.deliver()}
        newest = about[max(record for record in about if record[0] == pk)]
        return json.loads(newest.body)[RECORD[self.webhook.dialect]]

    def bodies(self) -> list[dict[str, Any]]:
        """All that the receiver has, parsed, in the order in which it came."""
        return [json.loads(request.body) for request in self.deliver()]

    def told_of(self) -> set[int]:
        """The ids of the leads of which the receiver has heard."""
        return {record_of(request)[0] for request in self.deliver()}

    def tried_out(self, scale: float) -> list[Received]:
        """Deliver until nothing waits any more, all waits being so much shorter; returns what the receiver has."""
        with override_settings(WEBHOOK_RETRY_SCALE=scale):
            limit = time.monotonic() + 20
            while Delivery.objects.filter(status__in=OPEN).exists():
                assert time.monotonic() < limit, "deliveries wait too long"
                self.deliver()
                time.sleep(0.005)
        return self.receiver.received

    def planned(self) -> list[float]:
        """Try the only delivery, and again by hand, until no try is left: the seconds that each would have waited."""
        waits = []
        while True:
            self.deliver()
            delivery = Delivery.objects.get()
            if delivery.status != "queued":
                return waits
            took = (delivery.duration_ms or 0) / 1000
            waits.append((delivery.due_at - delivery.transmitted_at).total_seconds() - took)
            assert self.admin("webhooks_delivery_try_now", delivery.pk, data={}).status_code == 302

    def deliveries(self) -> list[str]:
        return list(Delivery.objects.order_by("id").values_list("sent_as", flat=True))

    # By https

    @contextmanager
    def by_https(self) -> Iterator[Receiver]:
        """The webhook calls a receiver with a certificate that the machine trusts."""
        with TemporaryDirectory() as folder, SecureReceiver(Path(folder)) as receiver:
            with patch.object(certifi, "where", return_value=str(receiver.certificate)):
                deliver.door.cache_clear()
                assert self.change_errors(url=receiver.url) == {}
                yield receiver
            deliver.door.cache_clear()

    # The admin

    def admin(self, name: str, *args: Any, data: dict[str, Any] | None = None) -> Any:
        path = reverse(f"admin:{name}", args=args)
        return self.client.get(path) if data is None else self.client.post(path, data)

    def submit(self, form: str, view: str, /, *args: Any, **changes: Any) -> Any:
        """The response to a form of the admin, sent as its page shows it but for these changes."""
        shown = self.admin(view, *args)
        assert shown.status_code == 200, shown
        return self.admin(view, *args, data=Page(shown).form(form) | changes)

    def saved(self, view: str, /, *args: Any, **changes: Any) -> dict[str, str]:
        """The rules, by field, for which the lead's form refuses these changes; none when it was saved."""
        response = self.submit("lead_form", view, *args, **changes)
        if response.status_code == 302:
            return {}
        errors = response.context["adminform"].form.errors.as_data()
        return {key: found[0].code or "" for key, found in errors.items()}

    def add_webhook(self, **changes: Any) -> Webhook:
        """One made by staff in the form of the admin, instead of the one that is there."""
        self.webhook.delete()
        self.posted_webhook(**changes)
        self.webhook = Webhook.objects.get(account=self.account)
        return self.webhook

    def posted_webhook(self, **changes: Any) -> None:
        """Another one made by staff, of the same system."""
        found = self.webhook_errors(**changes)
        assert found == {}, found

    def webhook_errors(self, **changes: Any) -> dict[str, list[str]]:
        """Why the form refuses a new webhook of the same system, by field; none when it was stored."""
        given = {"name": "Staging", "dialect": self.webhook.dialect, "url": self.receiver.url} | changes
        return self._errors(self.submit("webhook_form", "webhooks_webhook_add", **given))

    def change_errors(self, **changes: Any) -> dict[str, list[str]]:
        """The same of a change to the webhook that is there."""
        found = self._errors(self.submit("webhook_form", "webhooks_webhook_change", self.webhook.pk, **changes))
        self.webhook.refresh_from_db()
        return found

    def _errors(self, response: Any) -> dict[str, list[str]]:
        if response.status_code == 302:
            return {}
        assert response.status_code == 200, response
        return {key: list(found) for key, found in response.context["adminform"].form.errors.items()}

    def hear_only(self, field: str, op: str, value: Any = None, before: Any = None) -> None:
        """Let staff give the webhook this one content filter."""
        row = {"field": field, "op": op, "value": value, "before": before}
        given = {f"filters.0.{name}": text for name, text in row.items() if text is not None}
        assert self.change_errors(**given) == {}
        assert [(stored["field"], stored["op"]) for stored in self.webhook.filters] == [(field, op)]

    def turn(self, action: str, **answers: str) -> None:
        """One of the webhook's actions in the admin, by its dialog."""
        data = {"_form_submitted": "True", **answers}
        response = self.admin(f"webhooks_webhook_{action}", self.webhook.pk, data=data)
        assert response.status_code in (200, 302), response
        self.webhook.refresh_from_db()

    def tested(self) -> Received:
        """What Send Test sends."""
        assert self.admin("webhooks_webhook_test", self.webhook.pk).status_code == 405
        assert self.admin("webhooks_webhook_test", self.webhook.pk, data={}).status_code == 302
        (request,) = self.receiver.wait_for(1)
        return request

    def history(self) -> str:
        """The text of Webhook History."""
        return Page(self.admin("webhooks_delivery_changelist")).text

    def history_of(self, delivery: Delivery, tried: int | None = None) -> str:
        """The text of a delivery's page, with the bytes of its newest try or of that one."""
        path = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
        return Page(self.client.get(path, {} if tried is None else {"try": tried})).text

    # People

    def colleague(self, name: str) -> User:
        """Somebody else of the account."""
        user = User.objects.create_user(name, f"{name}@example.com")
        Membership.objects.create(user=user, account=self.account)
        return user


def record_of(request: Received) -> tuple[int, int]:
    """(id, version) of the lead that a request is about; (0, 0) of a test, which is about none."""
    found = re.fullmatch(r"lead/(\d+);version=(\d+)", request.header("webhook-record") or "")
    assert found or request.header("webhook-test"), "every event says which record it is about"
    return (int(found[1]), int(found[2])) if found else (0, 0)
