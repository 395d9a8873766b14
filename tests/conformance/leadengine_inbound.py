"""The public surface as a row of LeadEngine's inbound side uses it: the admin's pages, and posts to the address."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from django.test import Client
from django.urls import reverse

from leads.models import ApiKey
from tests.admin.page import Page
from tests.conformance.leadengine_world import Engine
from webhooks.models import InboundWebhook

# The sample of section 3.3, and what its keys are mapped to (LE-A16).
SAMPLE: dict[str, Any] = {
    "first_name": "Lead",
    "last_name": "Engine",
    "name": "Lead Engine",
    "email": "test@leadmagnets.io",
    "phone": "15555555555",
    "city": "Minneapolis",
    "state": "Minnesota",
    "country": "United States",
    "date": "2024-10-02T15:28:20Z",
}
FLAT = {
    "first_name": "first_name",
    "last_name": "last_name",
    "full_name": "name",
    "business_email": "email",
    "mobile_phone": "phone",
    "city": "city",
    "state": "state",
    "country": "country",
    "created_date": "date",
}

PAGE = "webhooks_inboundwebhook_"


@dataclass
class Inbound(Engine):
    """LeadEngine's world, and an inbound webhook that staff made and mapped in the admin."""

    door: InboundWebhook = None  # type: ignore[assignment]

    METHODS: ClassVar = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

    def open(self) -> Inbound:
        self.client.force_login(self.manager)
        self.door = self.action(name="Website")
        self.mapped(FLAT)
        return self

    # The admin

    def action(self, **typed: Any) -> InboundWebhook:
        """An inbound webhook that staff add."""
        response = self.submit("inboundwebhook_form", f"{PAGE}add", **typed)
        assert response.status_code == 302, response.context["adminform"].form.errors
        return InboundWebhook.objects.get(account=self.account, name=typed["name"])

    def details(self, door: InboundWebhook | None = None) -> Page:
        return Page(self.admin(f"{PAGE}change", (door or self.door).pk))

    def mapping_page(self) -> Any:
        return self.admin(f"{PAGE}mapping", self.door.pk)

    def pressed(self, page: Any, button: str, value: str = "1", **typed: Any) -> Any:
        """The answer to a button of the mapping page, with this typed in its form."""
        form = Page(page).form("mapping-form") | typed | {button: value}
        return self.admin(f"{PAGE}mapping", self.door.pk, data=form)

    def mapped(self, rows: dict[str, str]) -> None:
        """Staff map these and nothing else: {our field: path}."""
        shown = Page(self.mapping_page()).form("mapping-form")
        form = {name: value for name, value in shown.items() if not name.startswith("row-")}
        for number, (field, path) in enumerate(rows.items()):
            form |= {f"row-{number}-field": [field], f"row-{number}-value": [path]}
        response = self.admin(f"{PAGE}mapping", self.door.pk, data=form | {"_save": "1"})
        assert response.status_code == 302, Page(response).text
        self.door.refresh_from_db()
        assert {row.field: row.path for row in self.door.rows} == rows

    def key(self, **typed: Any) -> str:
        """The secret of an API key that staff make, as its page shows it."""
        given = {"name": "Zapier", "scopes": ["inbound:write"]} | typed
        response = self.submit("apikey_form", "leads_apikey_add", **given)
        assert response.status_code == 302, response.context["adminform"].form.errors
        return self.shown_key(response["Location"])

    def regenerated(self, key: ApiKey, grace: int) -> str:
        """The key's new secret; the old one is good for so many seconds more."""
        answers = {"_form_submitted": "True", "grace": str(grace)}
        assert self.admin("leads_apikey_regenerate", key.pk, data=answers).status_code in (200, 302)
        return self.shown_key(reverse("admin:leads_apikey_change", args=[key.pk]))

    def shown_key(self, page: str) -> str:
        shown = re.search(r"lck_[\w-]{40,}", self.client.get(page).content.decode())
        assert shown is not None
        return shown[0]

    def newest_key(self) -> ApiKey:
        return ApiKey.objects.latest("pk")

    # What is posted

    @property
    def address(self) -> str:
        return reverse("inbound", args=[self.door.uid])

    def request(self, method: str = "POST", sent: Any = SAMPLE, path: str = "", **headers: str) -> Any:
        """The response to exactly this, its JSON as `.data`."""
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        path = path or self.address
        response = Client().generic(method, path, body, content_type="application/json", headers=given)
        is_json = response.headers.get("Content-Type") == "application/json"
        response.data = json.loads(response.content) if is_json and response.content else None
        return response

    def told(self, sent: Any = SAMPLE, **headers: str) -> Any:
        """The response to a post with the account's key."""
        return self.request(sent=sent, **{"Authorization": f"Bearer {self.secret}"} | headers)

    def taken(self, sent: Any = SAMPLE) -> dict[str, Any]:
        """The lead that a post makes or changes, as the API reads it."""
        response = self.told(sent)
        assert response.status_code == 200, response.data
        assert response.data["status"] == "success"
        return self.read(response.data["id"])

    def refused_post_of(self, sent: Any, path: str, rule: str) -> None:
        """A 422 that names path and rule, and no lead."""
        before = self.count()
        response = self.told(sent)
        assert response.status_code == 422, response.data
        assert (path, rule) in [(error["field"], error["rule"]) for error in response.data["errors"]], response.data
        assert self.count() == before

    def count(self) -> int:
        return len(self.call("GET", "leads/").data["data"])
