"""Who may do what at the addresses outside of admin and API, which the resolver names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from leads import roles
from leads.models import Account, ApiKey, Lead, User
from leads.models.apikey import Scope
from tests import factories
from tests.admin.conftest import new_user
from tests.webhooks.inbound.conftest import MAPPING, SAMPLE, new_key
from webhooks.models import InboundWebhook, Receipt

pytestmark = pytest.mark.django_db

# By its route, which test says who may do what there.
ROUTES = {
    "": "tests/project/test_web.py",
    "livez": "tests/project/test_web.py",
    "readyz": "tests/project/test_web.py",
    "admin/": "tests/admin",
    "api/v1/": "tests/api/test_matrix.py",
    "v2/": "tests/api/test_leadsquared.py",
    "inbox/<int:webhook_id>/": "tests/webhooks/inbox/test_views.py",
    "^in/(?P<uid>[^/]+)/?$": "this one",
    "f/": "tests/leads/test_forms.py",
}


def routes(patterns: Any = None) -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver) and (not route or route not in ROUTES):
            yield from (route + rest for rest in routes(pattern.url_patterns))
        else:
            yield route


def test_every_route_has_a_test_of_who_may_do_what():
    assert set(routes()) == ROUTES.keys()


TAKEN, UNKNOWN, MISSING = 200, 401, 404
# (a webhook of office A, one of office B, one of no office, one of another account, one that is none)
MAY = {
    "nobody": (UNKNOWN,) * 5,
    "signed in, no staff": (UNKNOWN,) * 5,
    "signed in, a superuser": (UNKNOWN,) * 5,
    "key of staff without rights": (UNKNOWN,) * 5,
    "key of staff of office A": (TAKEN, MISSING, MISSING, MISSING, MISSING),
    "key of staff of office B": (MISSING, TAKEN, MISSING, MISSING, MISSING),
    "key of staff of no office": (MISSING,) * 5,
    "key of the manager": (TAKEN, TAKEN, TAKEN, MISSING, MISSING),
    "key of the auditor": (UNKNOWN,) * 5,
    "key of a superuser": (TAKEN, TAKEN, TAKEN, MISSING, MISSING),
    "key of another account": (MISSING, MISSING, MISSING, TAKEN, MISSING),
    "key with every other scope": (UNKNOWN,) * 5,
    "revoked key": (UNKNOWN,) * 5,
    "expired key": (UNKNOWN,) * 5,
    "key of a deactivated user": (UNKNOWN,) * 5,
}


@pytest.fixture
def sender(account: Account) -> Callable[[str], Client]:
    other = factories.account("Southbank Lettings")
    a, b = factories.office("Leeds", account=account), factories.office("York", account=account)

    def sender(who: str) -> Client:
        client, key = Client(raise_request_exception=False), ""
        match who:
            case "signed in, no staff":
                client.force_login(new_user("guest", account, is_staff=False))
            case "signed in, a superuser":
                client.force_login(User.objects.create_superuser("root", "root@example.com", "x" * 12))
            case "key of staff without rights":
                key = new_key(account, a, role="")
            case "key of staff of office A":
                key = new_key(account, a, role=roles.STAFF)
            case "key of staff of office B":
                key = new_key(account, b, role=roles.STAFF)
            case "key of staff of no office":
                key = new_key(account, role=roles.STAFF)
            case "key of the auditor":
                key = new_key(account, role=roles.AUDITOR)
            case "key of another account":
                key = new_key(other)
            case "key with every other scope":
                key = new_key(account, scopes=[scope for scope in Scope if scope != Scope.INBOUND_WRITE])
            case "key of the manager" | "revoked key" | "expired key" | "key of a deactivated user":
                key = new_key(account)
            case "key of a superuser":
                key = new_key(account, role="")
                User.objects.update(is_superuser=True)
        if who == "revoked key":
            ApiKey.objects.update(revoked_at=timezone.now())
        if who == "expired key":
            ApiKey.objects.update(expires_at=timezone.now())
        if who == "key of a deactivated user":
            User.objects.update(is_active=False)
        if key:
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        return client

    for number, values in enumerate(
        (
            {"account": account, "office": a},
            {"account": account, "office": b},
            {"account": account},
            {"account": other},
        )
    ):
        InboundWebhook.objects.create(name=f"Webhook {number}", mapping=MAPPING, **values)
    return sender


@pytest.mark.parametrize("who", MAY)
def test_who_may_post_to_an_inbound_webhook(who: str, sender: Callable[[str], Client]):
    client = sender(who)
    uids = [*InboundWebhook.objects.order_by("name").values_list("uid", flat=True), "x" * 22]
    answers = [client.post(f"/in/{uid}", json.dumps(SAMPLE), content_type="application/json") for uid in uids]
    assert tuple(answer.status_code for answer in answers) == MAY[who]
    taken = MAY[who].count(TAKEN)
    assert Receipt.objects.count() == taken
    assert Lead.objects.exists() == (taken > 0)
    # What one must not know of answers exactly as what is not there.
    hidden = {str({**answer.json(), "request_id": ""}) for answer in answers if answer.status_code != TAKEN}
    assert len(hidden) == 1
