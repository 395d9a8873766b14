"""GET /api/v1/sending-addresses: for any key of an account, and for nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from leads import roles
from leads.models import Membership
from tests import factories
from tests.api.conftest import KeyClient, check_shape, key_of, member

PATH = "/api/v1/sending-addresses"


@pytest.fixture(autouse=True)
def addresses(settings):
    settings.WEBHOOK_SENDING_ADDRESSES = ["203.0.113.7", "2001:db8:7::/64"]


@pytest.fixture
def client(db) -> KeyClient:
    return key_of(member("manager", factories.account(), roles.MANAGER), factories.account())


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_they_are_told_as_the_operator_wrote_them(client, path):
    response = client.send("GET", path)
    assert response.status_code == 200
    assert response.json() == {"addresses": ["203.0.113.7", "2001:db8:7::/64"]}


def test_none_are_told_where_none_are_set(client, settings):
    settings.WEBHOOK_SENDING_ADDRESSES = []
    assert client.send("GET", PATH).json() == {"addresses": []}


@pytest.mark.parametrize(("group", "scopes"), [(roles.STAFF, []), (roles.AUDITOR, ["leads:read"]), (None, [])])
def test_any_key_may_ask_whatever_its_scopes_and_its_makers_rights(db, group, scopes):
    account = factories.account()
    client = key_of(member("somebody", account, group, factories.office()), account, scopes=scopes)
    assert client.send("GET", PATH).status_code == 200


def test_nobody_else_may(db):
    check_shape(KeyClient().send("GET", PATH), 401, "unauthenticated")
    check_shape(KeyClient(secret="lck_made_up").send("GET", PATH), 401, "unauthenticated")


@pytest.mark.parametrize("change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(days=1)}])
def test_a_key_that_ended_may_not(db, change):
    account = factories.account()
    client = key_of(member("manager", account, roles.MANAGER), account, **change)
    check_shape(client.send("GET", PATH), 401, "unauthenticated")


def test_a_key_whose_maker_left_may_not(client):
    Membership.objects.all().delete()
    check_shape(client.send("GET", PATH), 403, "forbidden")


def test_it_is_only_read_and_takes_no_parameter(client):
    for method in ("POST", "PATCH", "DELETE"):
        check_shape(client.send(method, PATH, {}), 405, "method_not_allowed")
    check_shape(client.send("GET", f"{PATH}?account=2"), 400, "invalid", fields=["account"])
