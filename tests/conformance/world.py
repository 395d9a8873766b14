"""The public surface as a row of a conformance table uses it: the API, the admin, and a real receiver."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.urls import reverse

from leads.models import Account, ApiKey, Lead, Membership, Office, User
from tests.admin.page import Page
from tests.program import Program
from tests.receiver import Received, Receiver
from webhooks.models import Delivery, Event, Webhook
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


@dataclass
class World:
    """An account with an office, its manager signed in to the admin, an API key, and a LeadPro webhook."""

    receiver: Receiver
    program: Callable[[], Program]
    """Starts the real web server and worker, on a database of their own."""
    account: Account
    office: Office
    manager: User
    secret: str
    webhook: Webhook
    client: Client = field(default_factory=Client)

    @classmethod
    def build(cls, receiver: Receiver, program: Callable[[], Program]) -> World:
        from django.contrib.auth.models import Group

        from tests import factories

        account = Account.objects.create(name="Skyline Estates")
        office = Office.objects.create(account=account, name="Oxford")
        manager = User.objects.create_user("manager", password="correct horse battery", is_staff=True)
        manager.groups.add(Group.objects.get(name="Manager"))
        Membership.objects.create(user=manager, account=account)
        key = ApiKey(
            account=account,
            user=manager,
            name="website",
            scopes=["leads:read", "leads:write", "offices:read", "offices:write"],
        )
        secret = key.generate()
        key.save()
        webhook = factories.webhook(receiver.url, account=account, name="LeadPro production")
        world = cls(receiver, program, account, office, manager, secret, webhook)
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

    def sent(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create a lead by the API and return the `data` that the receiver got for it."""
        pk = self.created(values)["id"]
        return self.arrived(pk)

    def arrived(self, pk: int) -> dict[str, Any]:
        """The `data` of the newest request about this lead."""
        bodies = [json.loads(request.body)["data"] for request in self.deliver()]
        return next(data for data in reversed(bodies) if data["id"] == pk)

    def deliveries(self) -> list[str]:
        return list(Delivery.objects.order_by("id").values_list("sent_as", flat=True))

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
        given = {"name": "LeadPro staging", "dialect": "leadpro", "url": self.receiver.url} | changes
        response = self.submit("webhook_form", "webhooks_webhook_add", **given)
        assert response.status_code == 302, response.context["adminform"].form.errors
        self.webhook = Webhook.objects.get(account=self.account)
        return self.webhook
