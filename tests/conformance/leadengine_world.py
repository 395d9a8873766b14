"""The public surface as a row of LeadEngine's table uses it: the sample's lead and its thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.urls import reverse

from leads.models import Lead
from tests.admin.page import Page
from tests.conformance.world import SALE, World
from tests.program import Program
from tests.receiver import Receiver
from webhooks.models import Webhook

WORKSPACE = "My Default Workspace"
CAMPAIGN = "My Super Performing Campaign"
US = {"name": "LeadEngineUser", "address": "user@leadengine.ai"}
THEM = {"name": "Elon Musk", "address": "elon@x.com"}

# The sample's own values of its lead, in the API's names.
ELON: dict[str, Any] = SALE | {
    "first_name": "Elon",
    "last_name": "Musk",
    "email": "elon@gmail.com",
    "business_email": "elon@x.com",
    "tags": ["Prospect", "Cars", "Space"],
    "created_date": "2024-12-02T14:05:38Z",
    "campaigns": [CAMPAIGN, "Newsletter"],
    "email_provider": "Gmail",
    "custom_fields": {"my_custom_number_field": 1},
}
FIRST: dict[str, Any] = {
    "type": "outbound",
    "subject": "First message subject",
    "body": "Full body of the first threaded message.",
    "from": US,
    "to": THEM,
    "date": "2025-05-06T08:58:10Z",
    "angle": "Autogrow",
    "framework": "Problem, Solution, Proof, CTA",
    "test": "a",
    "tone": "Informal",
    "campaign_step": 1,
    "word_limit": 225,
}
REPLY: dict[str, Any] = {
    "type": "inbound",
    "subject": "Re: First message subject",
    "body": "Full body of the message response",
    "from": THEM,
    "to": US,
    "date": "2025-05-06T08:59:17Z",
}
# To the lead, and so outbound, as the sample has it (LE-A9).
AUTO_REPLY: dict[str, Any] = {
    "type": "outbound",
    "subject": "Out of office",
    "body": "Autoreply message body",
    "from": US,
    "to": THEM,
    "date": "2025-05-06T08:59:22Z",
}

Filter = tuple[str, str, list[str]]


@dataclass
class Engine(World):
    """An account with a LeadEngine webhook that staff made in the admin's form."""

    shown: dict[str, list[str]] = field(default_factory=dict)
    """The webhook's form as it was first looked at for its filters."""

    @classmethod
    def new(cls, receiver: Receiver, program: Callable[[], Program]) -> Engine:
        world = cls.build(receiver, program, dialect="leadengine")
        assert isinstance(world, Engine)
        world.account.name = WORKSPACE
        world.account.save()
        for key in world.account.api_keys.all():
            key.scopes += ["setup:read", "setup:write"]
            key.save()
        world.add_webhook(name="LeadEngine production", generate_secret="on")
        return world

    def told_to(self, receiver: Receiver) -> Engine:
        """The same rows, whose webhook calls this receiver; its manager signs in anew."""
        self.receiver, self.client = receiver, Client()
        self.client.force_login(self.manager)
        Webhook.objects.filter(pk=self.webhook.pk).update(url=receiver.url)
        self.webhook.url = receiver.url
        return self

    # What the account has

    def campaign(self, name: str) -> int:
        return self.made("campaigns/", {"name": name})

    def list_(self, name: str) -> int:
        return self.made("lists/", {"name": name})

    def define(self, key: str, kind: str, *choices: str, required: bool = False) -> int:
        """A custom field, after those that are there."""
        given = {"key": key, "label": key.capitalize(), "type": kind, "choices": choices, "required": required}
        return self.made("custom-fields/", given)

    def made(self, path: str, values: dict[str, Any]) -> int:
        """The id of what the API makes of these values."""
        response = self.call("POST", path, values)
        assert response.status_code == 201, response.content
        return response.data["id"]

    def elon(self, **changes: Any) -> int:
        """The sample's lead, with its campaigns and its custom field."""
        for name in (CAMPAIGN, "Newsletter"):
            self.campaign(name)
        self.define("my_custom_number_field", "number")
        return self.created(ELON | changes)["id"]

    def message(self, pk: int, values: dict[str, Any], campaign: str | None = None) -> int:
        return self.made(f"leads/{pk}/messages/", values | {"campaign": campaign})

    def refused_message(self, pk: int, field: str, rule: str, values: dict[str, Any]) -> None:
        """The API makes no such message, and names field and rule."""
        before = self.call("GET", f"leads/{pk}/messages/").data["data"]
        self.refused(field, rule, self.call("POST", f"leads/{pk}/messages/", values))
        assert self.call("GET", f"leads/{pk}/messages/").data["data"] == before

    def staff_message(self, pk: int, type_: str, **values: str) -> None:
        """One that staff add on the lead's page."""
        path = reverse("admin:leads_message_add") + f"?lead={pk}&type={type_}"
        thread = Page(self.admin("leads_lead_change", pk))
        assert path in thread.links
        form = Page(self.client.get(path)).form("message_form")
        response = self.client.post(path, form | values)
        assert response.status_code == 302, response.context["adminform"].form.errors

    # What arrives

    def heard(self) -> list[dict[str, Any]]:
        """The bodies that arrive now, and did not before."""
        before = len(self.receiver.received)
        return [json.loads(request.body) for request in self.deliver()[before:]]

    def moved(self, pk: int, status: str, **values: Any) -> dict[str, Any]:
        """Change the lead status, and these values with it, by one request; the body that is sent for it."""
        self.patched(pk, {"lead_status": status, **values})
        (body,) = self.heard()
        return body

    def refused_patch(self, pk: int, field: str, rule: str, value: Any) -> None:
        """A PATCH of this value is a 400 that names field and rule, and stores nothing."""
        before = Lead.objects.values_list("version", flat=True).get(pk=pk)
        self.refused(field, rule, self.call("PATCH", f"leads/{pk}/", {field.partition(".")[0]: value}))
        assert Lead.objects.values_list("version", flat=True).get(pk=pk) == before

    # Filters

    def filter(self, *conditions: Filter) -> Any:
        """The response to the webhook's form, sent with these filters instead of those that it has."""
        name = "webhooks_webhook_change"
        if not self.shown:
            self.shown = Page(self.admin(name, self.webhook.pk)).form("webhook_form")
        given = {key: value for key, value in self.shown.items() if not key.startswith("filters.")}
        for number, (key, op, values) in enumerate(conditions):
            given |= {f"filters.{number}.field": key, f"filters.{number}.op": op, f"filters.{number}.value": values}
        return self.admin(name, self.webhook.pk, data=given)

    def heard_of(self, *conditions: Filter) -> set[str]:
        """The names of the leads whose changes of status are heard through these filters."""
        response = self.filter(*conditions)
        assert response.status_code == 302, response.context["adminform"].form.errors
        for lead in self.call("GET", "leads/").data["data"]:
            status = "Needs Info" if lead["lead_status"] == "Conversation" else "Conversation"
            self.patched(lead["id"], {"lead_status": status})
        return {body["lead_name"] for body in self.heard()}
