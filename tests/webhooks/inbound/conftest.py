"""An inbound webhook that reads LeadEngine's sample, and a sender with an API key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from leads import roles
from leads.models import Account, ApiKey
from leads.models.apikey import Scope
from tests import factories
from tests.admin.conftest import new_user
from webhooks.models import InboundWebhook

# LeadEngine's own sample (LE-88 to LE-96).
SAMPLE = {
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
MAPPING = [
    {"field": "first_name", "path": "first_name"},
    {"field": "last_name", "path": "last_name"},
    {"field": "business_email", "path": "email"},
    {"field": "mobile_phone", "path": "phone"},
    {"field": "city", "path": "city"},
    {"field": "created_date", "path": "date"},
]

Post = Callable[..., Any]


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def inbound(account: Account) -> InboundWebhook:
    return InboundWebhook.objects.create(account=account, name="Website", mapping=MAPPING)


@pytest.fixture
def secret(account: Account) -> str:
    """Of an API key with inbound:write that a manager made."""
    return new_key(account)


def new_key(account: Account, *offices: Any, role: str = roles.MANAGER, scopes: Any = (Scope.INBOUND_WRITE,)) -> str:
    user = new_user(f"maker{ApiKey.objects.count()}", account, *offices, role=role)
    key = ApiKey(account=account, user=user, name="Zapier", scopes=list(scopes))
    secret = key.generate()
    key.save()
    return secret


@pytest.fixture
def post(inbound: InboundWebhook, secret: str) -> Post:
    """Posts a document, or bytes, to the inbound webhook with the key; keyword arguments are header fields."""

    def post(sent: Any = SAMPLE, to: InboundWebhook | None = None, **headers: str) -> Any:
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        given = {"Authorization": f"Bearer {secret}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        address = f"/in/{(to or inbound).uid}"
        return Client().generic("POST", address, body, content_type="application/json", headers=given)

    return post
