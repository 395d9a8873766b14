"""Principals of two accounts, and a client that speaks with an API key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from leads import roles
from leads.models import (
    Account,
    ApiKey,
    Campaign,
    Company,
    CompanyActivity,
    CustomField,
    Lead,
    LeadList,
    Leave,
    Membership,
    Message,
    Office,
    Pipeline,
    Product,
    Stage,
    Tag,
    Task,
    User,
)
from leads.models.apikey import Scope
from tests import factories
from tests.ground import Ground
from webhooks.models import Event

ALL_SCOPES = [str(scope) for scope in Scope]

VENDOR = factories.VENDOR


class KeyClient(APIClient):
    """An APIClient whose requests carry one key; `key` and `secret` are at hand for tests that need them."""

    def __init__(self, key: ApiKey | None = None, secret: str = "", **options: Any) -> None:
        super().__init__(raise_request_exception=False, **options)
        self.key, self.secret = key, secret
        if secret:
            self.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")

    def send(self, method: str, path: str, body: bytes | str | dict[str, Any] | None = None, **extra: Any) -> Any:
        """Any method with a raw body, or a dict as JSON."""
        if isinstance(body, bytes | str):
            return self.generic(method, path, body, **({"content_type": "application/json"} | extra))
        return getattr(self, method.lower())(path, body, format="json", **extra)


STORED = (
    *(Event, Lead, Office, Message, Pipeline, Stage, Tag, LeadList, Campaign, CustomField),
    *(Company, CompanyActivity, Product, Task, Leave),
)
COUNT = "SELECT " + ", ".join(f"(SELECT count(*) FROM {model._meta.db_table})" for model in STORED)


def counts() -> dict[str, int]:
    """How many rows of each kind are stored."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        return dict(zip((model.__name__ for model in STORED), cursor.fetchone(), strict=True))


def check_shape(response: Any, status: int, code: str, *, fields: list[str | None] | None = None) -> dict[str, Any]:
    """The answer is an error of the one shape; gives its body."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert list(body) == ["status", "code", "message", "errors", "request_id"]
    assert (body["status"], body["code"]) == (status, code)
    assert body["message"]
    assert all(list(fault) == ["field", "rule", "message"] for fault in body["errors"])
    assert re.fullmatch("[0-9a-f]{32}", body["request_id"])
    assert response["X-Request-ID"] == body["request_id"]
    if fields is not None:
        assert [fault["field"] for fault in body["errors"]] == fields
    return body


def member(name: str, account: Account, group: str | None, *offices: Office, **values: Any) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", "a password of some length", **values)
    membership = Membership.objects.create(user=user, account=account)
    membership.offices.set(offices)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def key_of(user: User, account: Account, scopes: list[str] | None = None, **values: Any) -> KeyClient:
    key = ApiKey(user=user, account=account, name=f"Key of {user}", scopes=ALL_SCOPES if scopes is None else scopes)
    for name, value in values.items():
        setattr(key, name, value)
    secret = key.generate()
    key.save()
    return KeyClient(key, secret)


@dataclass(slots=True)
class World:
    """Two accounts: the first with the offices A and B, a lead in each and one in neither; the second a stranger's.

    Each has a pipeline Lettings beside its default one, a list, two campaigns and two custom fields.
    """

    account: Account
    other: Account
    a: Office
    b: Office
    strange: Office
    lead_a: Lead
    lead_b: Lead
    lead_free: Lead
    strange_lead: Lead
    lettings: Pipeline
    strange_lettings: Pipeline
    client: Callable[[str], KeyClient]


def set_up(account: Account) -> Pipeline:
    """The pipeline Lettings, and what FULL of test_leads.py names."""
    LeadList.objects.create(account=account, name="Newsletter")
    for name in ("Spring", "Autumn"):
        Campaign.objects.create(account=account, name=name)
    CustomField.objects.create(account=account, key="budget", label="Budget", kind="number")
    CustomField.objects.create(account=account, key="areas", label="Areas", kind="choices", choices=["N1", "N2"])
    lettings = Pipeline.objects.create(account=account, name="Lettings", position=1)
    for position, (name, code, outcome) in enumerate(LETTINGS):
        Stage.objects.create(pipeline=lettings, name=name, position=position, code=code, outcome=outcome)
    return lettings


LETTINGS = (
    ("Enquiry", "NEW", "open"),
    ("Viewing", "VIEWING_BOOKED", "open"),
    ("Second viewing", "VIEWING_BOOKED", "open"),
    ("Agreed", "WON", "win"),
)


def new_rows() -> dict[str, Any]:
    """The world, but for its client."""
    account, other = factories.account(), factories.account("Southbank Lettings")
    lettings, strange_lettings = set_up(account), set_up(other)
    a, b = factories.office("Leeds Central"), factories.office("York")
    strange = factories.office("Bristol", account=other)
    return {
        "account": account,
        "other": other,
        "a": a,
        "b": b,
        "strange": strange,
        "lead_a": factories.lead(office=a),
        "lead_b": factories.lead(office=b, first_name="Ben"),
        "lead_free": factories.lead(first_name="Free"),
        "strange_lead": factories.lead(account=other, office=strange, first_name="Strange"),
        "lettings": lettings,
        "strange_lettings": strange_lettings,
    }


@pytest.fixture(scope="module")
def ground(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Ground[dict[str, Any]]]:
    with django_db_blocker.unblock():
        ground = Ground(new_rows)
    yield ground
    with django_db_blocker.unblock():
        ground.close()


@pytest.fixture
def world(db: None, ground: Ground[dict[str, Any]]) -> World:
    rows = ground.rows()
    account, other, a, b = (rows[name] for name in ("account", "other", "a", "b"))
    made: dict[str, KeyClient] = {}

    def client(who: str) -> KeyClient:
        if who not in made:
            made[who] = _principal(who)
        return made[who]

    def _principal(who: str) -> KeyClient:
        match who:
            case "nobody":
                return KeyClient()
            case "manager":
                return key_of(member("manager", account, roles.MANAGER), account)
            case "auditor":
                return key_of(member("auditor", account, roles.AUDITOR), account)
            case "staff a":
                return key_of(member("staff_a", account, roles.STAFF, a), account)
            case "staff b":
                return key_of(member("staff_b", account, roles.STAFF, b), account)
            case "staff of both":
                return key_of(member("staff_ab", account, roles.STAFF, a, b), account)
            case "stranger":
                return key_of(member("stranger", other, roles.MANAGER), other)
            case "superuser":
                return key_of(User.objects.create_superuser("root", "root@example.com", "x" * 12), account)
        raise LookupError(who)

    return World(**rows, client=client)


@pytest.fixture
def manager(world: World) -> KeyClient:
    return world.client("manager")
