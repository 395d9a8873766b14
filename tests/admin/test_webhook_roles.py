"""Who may do what with a webhook of LeadSquared (LS-5, LS-A19): one test for each action, with each of the groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from leads.models import User
from tests import factories
from tests.admin import deliveries
from tests.admin.conftest import Crm
from tests.admin.page import Page
from tests.api.conftest import key_of
from webhooks.models import Body, Delivery, State, Webhook
from webhooks.outbound import deliver, trial

pytestmark = pytest.mark.django_db

ROLES = ("superuser", "manager", "auditor", "staff", "powerless")
ADMINISTRATORS = ("superuser", "manager")
API = "/api/v1/webhooks"


@pytest.fixture
def webhook(crm: Crm) -> Webhook:
    where = {"account": crm.account, "dialect": "leadsquared", "events": ["Lead_Post_Create"]}
    return factories.webhook("https://hooks.example.com/", name="Port", **where)


@pytest.fixture
def clients(crm: Crm, sign_in: Callable[[User], Client]) -> Mapping[str, Client]:
    return {role: sign_in(getattr(crm, role)) for role in ROLES}


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:webhooks_webhook_{name}", args=args)


def by_api(crm: Crm, role: str, method: str, path: str, body: dict[str, Any] | None = None) -> int:
    """The status that a key which this person made, with all scopes, is answered."""
    client = key_of(getattr(crm, role), crm.account)
    status: int = client.send(method, f"{API}{path}", body).status_code
    return status


def stored() -> list[dict[str, Any]]:
    return list(Webhook.objects.order_by("pk").values())


def refused(crm: Crm, clients: Mapping[str, Client], path: str, data: dict[str, Any], api: tuple[Any, ...]) -> None:
    """Everybody but administrators, by a POST in the admin and by the API; and nothing has changed."""
    before = stored()
    for role in ROLES:
        if role not in ADMINISTRATORS:
            assert clients[role].post(path, data).status_code == 403, role
            assert by_api(crm, role, *api) == 403, role
    assert stored() == before and not Delivery.objects.exists()


NEW = {"name": "Theirs", "system": "leadsquared", "url": "https://hooks.example.com/", "events": ["Lead_Delete"]}


def filled(client: Client, path: str, **changes: str) -> dict[str, Any]:
    return Page(client.get(path)).form("webhook_form") | changes


def test_list(crm, clients, webhook):
    seen = {role: clients[role].get(url("changelist")).status_code for role in ROLES}
    assert seen == {"superuser": 200, "manager": 200, "auditor": 200, "staff": 403, "powerless": 403}
    told = {role: by_api(crm, role, "GET", "") for role in ROLES}
    assert told == seen


def test_add(crm, clients):
    form = filled(clients["manager"], url("add"), dialect="leadsquared", name="Ours", url="https://hooks.example.com/")
    form["leadsquared__events"] = "Lead_Delete"
    refused(crm, clients, url("add"), form, ("POST", "", NEW))
    assert clients["manager"].post(url("add"), form).status_code == 302
    assert by_api(crm, "manager", "POST", "", NEW) == 201
    assert [each["name"] for each in stored()] == ["Ours", "Theirs"]


def test_change(crm, clients, webhook):
    path = url("change", webhook.pk)
    form = filled(clients["manager"], path, name="Renamed")
    refused(crm, clients, path, form, ("PATCH", f"/{webhook.pk}", {"name": "Hijacked"}))
    assert clients["manager"].post(path, form).status_code == 302
    assert by_api(crm, "superuser", "PATCH", f"/{webhook.pk}", {"description": "Ours"}) == 200
    (left,) = stored()
    assert (left["name"], left["description"]) == ("Renamed", "Ours")


def test_delete(crm, clients, webhook):
    other = factories.webhook(account=crm.account, dialect="leadsquared")
    refused(crm, clients, url("delete", webhook.pk), {"post": "yes"}, ("DELETE", f"/{webhook.pk}"))
    assert clients["manager"].post(url("delete", webhook.pk), {"post": "yes"}).status_code == 302
    assert by_api(crm, "manager", "DELETE", f"/{other.pk}") == 204
    assert stored() == []


@pytest.mark.parametrize("action", ["pause", "disable"])
def test_switch(crm, clients, webhook, action):
    path = url(action, webhook.pk)
    refused(crm, clients, path, {"_form_submitted": "True"}, ("POST", f"/{webhook.pk}/{action}", {}))
    assert clients["manager"].post(path, {"_form_submitted": "True"}).status_code in (200, 302)
    assert Webhook.objects.get().state in (State.PAUSED, State.DISABLED)
    assert by_api(crm, "manager", "POST", f"/{webhook.pk}/enable", {}) == 200
    assert Webhook.objects.get().state == State.ENABLED


def test_rotate(crm, clients, webhook):
    path, data = url("rotate", webhook.pk), {"_form_submitted": "True", "overlap": "1"}
    refused(crm, clients, path, data, ("POST", f"/{webhook.pk}/rotate-secret", {}))
    assert clients["manager"].post(path, data).status_code in (200, 302)
    assert Webhook.objects.get().next_secret
    assert by_api(crm, "manager", "POST", f"/{webhook.pk}/switch-secret", {}) == 200


@pytest.mark.django_db(transaction=True)
def test_send_test(crm, clients, webhook, receiver, settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    Webhook.objects.update(url=receiver.url)
    refused(crm, clients, url("test", webhook.pk), {}, ("POST", f"/{webhook.pk}/test", {}))
    assert receiver.received == []
    assert clients["manager"].post(url("test", webhook.pk)).status_code == 302
    assert by_api(crm, "manager", "POST", f"/{webhook.pk}/test", {}) == 200
    assert len(receiver.received) == 2
    deliver.door.cache_clear()


# History


HISTORY = "admin:webhooks_delivery_changelist"


def listed(client: Client, query: str = "") -> list[int] | int:
    page = client.get(reverse(HISTORY) + query)
    return [row.pk for row in page.context["cl"].result_list] if page.status_code == 200 else page.status_code


@pytest.fixture
def delivery(crm: Crm, webhook: Webhook) -> Delivery:
    return deliveries.failed(deliveries.made(crm.leeds, webhook))


def test_history(crm, clients, delivery):
    seen = {role: listed(clients[role]) for role in ROLES}
    assert seen == {
        "superuser": [delivery.pk],
        "manager": [delivery.pk],
        "auditor": [delivery.pk],
        "staff": [],
        "powerless": 403,
    }
    # Of other systems staff see those of their leads there, too.
    factories.webhook(account=crm.account, dialect="standard", name="Standard")
    other = deliveries.made(crm.leeds, Webhook.objects.get(name="Standard"))
    assert listed(clients["staff"]) == [other.pk]


def test_payload(crm, clients, delivery):
    Body.objects.filter(delivery=delivery).delete()
    Body.objects.create(delivery=delivery, content=b'{"ProspectID":"1842"}')
    page = {role: clients[role].get(reverse("admin:webhooks_delivery_change", args=[delivery.pk])) for role in ROLES}
    assert {role: each.status_code for role, each in page.items()} == dict.fromkeys(ROLES, 200) | {"powerless": 403}
    shown = {role for role, each in page.items() if "ProspectID" in each.content.decode()}
    assert shown == set(ADMINISTRATORS)


def test_lead_page(crm, clients, sign_in, webhook, delivery):
    lead_id = delivery.event.record_id
    path = reverse("admin:leads_lead_change", args=[lead_id])
    for role in ("superuser", "manager", "auditor", "staff"):
        page = clients[role].get(path)
        assert page.status_code == 200 and "Deliveries 1" in page.content.decode(), role
        assert reverse("admin:webhooks_delivery_change", args=[delivery.pk]) in Page(page).links, role
        # Where the page's "All" leads.
        assert listed(clients[role], f"?lead={lead_id}") == [delivery.pk], role
    # Other people's leads have no page for them, nor have their deliveries.
    other = sign_in(crm.staff_b)
    assert other.get(path).status_code in (302, 404)
    assert listed(other, f"?lead={lead_id}") == []
    assert other.get(reverse("admin:webhooks_delivery_change", args=[delivery.pk])).status_code == 404


def test_a_test_is_for_who_sees_webhooks(crm, clients, webhook, settings):
    settings.WEBHOOK_ALLOWLIST = []
    test = trial.send_test(webhook)
    assert {role: listed(clients[role]) for role in ROLES} == {
        "superuser": [test.pk],
        "manager": [test.pk],
        "auditor": [test.pk],
        "staff": [],
        "powerless": 403,
    }
