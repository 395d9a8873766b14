"""Who may do what: every principal against every method of every address, which the resolver names."""

from __future__ import annotations

import pytest
from django.utils import timezone

from leads.api.urls import urlpatterns
from leads.models import User
from leads.models.apikey import Scope
from tests.api.conftest import ALL_SCOPES, VENDOR, KeyClient, World, check_shape, key_of, member

OK, CREATED, GONE, UNKNOWN, FORBIDDEN, MISSING = 200, 201, 204, 401, 403, 404

# Address, method -> what it takes: the scope, and whether the request changes something.
ENDPOINTS = {
    ("leads", "GET"): Scope.LEADS_READ,
    ("leads", "POST"): Scope.LEADS_WRITE,
    ("lead", "GET"): Scope.LEADS_READ,
    ("lead", "PATCH"): Scope.LEADS_WRITE,
    ("lead", "DELETE"): Scope.LEADS_WRITE,
    ("refer", "POST"): Scope.LEADS_WRITE,
    ("offices", "GET"): Scope.OFFICES_READ,
    ("offices", "POST"): Scope.OFFICES_WRITE,
    ("office", "GET"): Scope.OFFICES_READ,
    ("office", "PATCH"): Scope.OFFICES_WRITE,
    ("office", "DELETE"): Scope.OFFICES_WRITE,
}
EVERYWHERE_ELSE = ("PUT", "OPTIONS", "TRACE")

# What each principal gets, by endpoint: within their reach, and beyond it.
MAY_ALL = {
    ("leads", "GET"): OK,
    ("leads", "POST"): CREATED,
    ("lead", "GET"): OK,
    ("lead", "PATCH"): OK,
    ("lead", "DELETE"): GONE,
    ("refer", "POST"): OK,
    ("offices", "GET"): OK,
    ("offices", "POST"): CREATED,
    ("office", "GET"): OK,
    ("office", "PATCH"): OK,
    ("office", "DELETE"): GONE,
}
STAFF = MAY_ALL | {
    ("lead", "DELETE"): FORBIDDEN,
    ("offices", "POST"): FORBIDDEN,
    ("office", "PATCH"): FORBIDDEN,
    ("office", "DELETE"): FORBIDDEN,
}
READER = {endpoint: OK if endpoint[1] == "GET" else FORBIDDEN for endpoint in MAY_ALL}
MAY = {
    "nobody": dict.fromkeys(MAY_ALL, UNKNOWN),
    "staff a": STAFF,
    "manager": MAY_ALL,
    "auditor": READER,
    "superuser": MAY_ALL,
}


def call(client: KeyClient, name: str, method: str, world: World, lead: int, office: int):
    path, body = {
        "leads": ("/api/v1/leads", VENDOR | {"office_id": world.a.pk}),
        "lead": (f"/api/v1/leads/{lead}", {"title": "Dr"}),
        "refer": (f"/api/v1/leads/{lead}/refer", {"office_id": world.b.pk}),
        "offices": ("/api/v1/offices", {"name": "Whitby"}),
        "office": (f"/api/v1/offices/{office}", {"name": "Whitby"}),
    }[name]
    return client.send(method, path, body if method in ("POST", "PATCH") else None)


def test_the_matrix_lists_every_method_of_every_address():
    served = {
        (pattern.name, method.upper())
        for pattern in urlpatterns
        for method in ("get", "post", "put", "patch", "delete", "options", "trace")
        if hasattr(pattern.callback.view_class, method) and method in pattern.callback.view_class.http_method_names
    }
    assert served == set(ENDPOINTS)
    assert all(set(row) == served for row in MAY.values())
    for pattern in urlpatterns:
        needs = pattern.callback.view_class.needs
        assert {(pattern.name, method): need.scope for method, need in needs.items()} == {
            endpoint: scope for endpoint, scope in ENDPOINTS.items() if endpoint[0] == pattern.name
        }


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint[1]} {endpoint[0]}")
@pytest.mark.parametrize("who", MAY)
def test_within_reach(world: World, who: str, endpoint: tuple[str, str]):
    world.lead_a.delete() if endpoint == ("office", "DELETE") else None
    lead = world.lead_a.pk if endpoint[0] in ("lead", "refer") else 0
    response = call(world.client(who), *endpoint, world, lead, world.a.pk)
    assert response.status_code == MAY[who][endpoint], response.content


ONE = [endpoint for endpoint in ENDPOINTS if endpoint[0] in ("lead", "refer", "office")]


@pytest.mark.parametrize("endpoint", ONE, ids=lambda endpoint: f"{endpoint[1]} {endpoint[0]}")
@pytest.mark.parametrize("who", ["staff a", "manager", "auditor", "superuser", "stranger"])
def test_beyond_reach_is_exactly_as_missing(world: World, who: str, endpoint: tuple[str, str]):
    """Another office's record for staff, another account's for the others. Without the right: 403 whatever the id."""
    client = world.client(who)
    lead, office = (world.lead_b, world.b) if who in ("staff a", "stranger") else (world.strange_lead, world.strange)
    beyond = call(client, *endpoint, world, lead.pk, office.pk)
    none = call(client, *endpoint, world, 10**9, 10**9)
    allowed = MAY.get(who, MAY_ALL)[endpoint] != FORBIDDEN
    for response in (beyond, none):
        check_shape(response, MISSING if allowed else FORBIDDEN, "not_found" if allowed else "forbidden")
    strip = [
        (
            response.content.replace(response["X-Request-ID"].encode(), b""),
            {name: value for name, value in response.headers.items() if name != "X-Request-ID"},
        )
        for response in (beyond, none)
    ]
    for _, headers in strip:
        # Its directives come in any order.
        headers.pop("Content-Security-Policy")
    assert strip[0] == strip[1]


def test_a_lead_without_an_office_is_for_those_who_see_the_whole_account(world: World):
    path = f"/api/v1/leads/{world.lead_free.pk}"
    seen = {who: world.client(who).get(path).status_code for who in ("staff a", "manager", "auditor", "superuser")}
    assert seen == {"staff a": 404, "manager": 200, "auditor": 200, "superuser": 200}


def test_lists_hold_what_the_key_reaches(world: World):
    def seen(who: str, noun: str) -> set[int]:
        return {row["id"] for row in world.client(who).get(f"/api/v1/{noun}").json()["data"]}

    everything = {world.lead_a.pk, world.lead_b.pk, world.lead_free.pk}
    assert seen("staff a", "leads") == {world.lead_a.pk}
    assert seen("staff of both", "leads") == {world.lead_a.pk, world.lead_b.pk}
    assert seen("manager", "leads") == seen("auditor", "leads") == seen("superuser", "leads") == everything
    assert seen("stranger", "leads") == {world.strange_lead.pk}
    assert seen("staff b", "offices") == {world.b.pk}
    assert seen("manager", "offices") == {world.a.pk, world.b.pk}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint[1]} {endpoint[0]}")
def test_each_method_takes_its_scope(world: World, endpoint: tuple[str, str]):
    user = world.client("manager").key.user
    lacking = key_of(user, world.account, [scope for scope in ALL_SCOPES if scope != ENDPOINTS[endpoint]])
    body = check_shape(call(lacking, *endpoint, world, world.lead_a.pk, world.a.pk), FORBIDDEN, "forbidden")
    assert ENDPOINTS[endpoint] in body["message"]
    world.lead_a.delete() if endpoint == ("office", "DELETE") else None
    having = key_of(user, world.account, [ENDPOINTS[endpoint]])
    assert call(having, *endpoint, world, world.lead_a.pk, world.a.pk).status_code == MAY_ALL[endpoint]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint[1]} {endpoint[0]}")
@pytest.mark.parametrize("why", ["revoked", "expired", "deactivated", "deleted", "made up"])
def test_bad_keys_are_unknown_everywhere(world: World, endpoint: tuple[str, str], why: str):
    client = world.client("manager")
    match why:
        case "revoked":
            client.key.revoked_at = timezone.now()
            client.key.save()
        case "expired":
            client.key.expires_at = timezone.now()
            client.key.save()
        case "deactivated":
            User.objects.filter(pk=client.key.user_id).update(is_active=False)
        case "deleted":
            client.key.delete()
        case "made up":
            client.credentials(HTTP_AUTHORIZATION="Bearer lck_madeup")
    response = call(client, *endpoint, world, world.lead_a.pk, world.a.pk)
    body = check_shape(response, UNKNOWN, "unauthenticated")
    assert body["message"] == "This API key is unknown, revoked or expired."
    assert response["WWW-Authenticate"] == 'Bearer realm="leadcrm"'


@pytest.mark.parametrize("path", ["leads", "leads/{lead}", "leads/{lead}/refer", "offices", "offices/{office}"])
@pytest.mark.parametrize("method", EVERYWHERE_ELSE)
def test_other_methods_are_405(world: World, path: str, method: str):
    path = f"/api/v1/{path.format(lead=world.lead_a.pk, office=world.a.pk)}"
    response = world.client("manager").generic(method, path, b"{}", content_type="application/json")
    check_shape(response, 405, "method_not_allowed")
    assert "PUT" not in response["Allow"] and response["Allow"]
    check_shape(world.client("nobody").generic(method, path), 401, "unauthenticated")


def test_a_key_loses_what_its_maker_loses(world: World):
    client = world.client("manager")
    user = client.key.user
    user.groups.clear()
    check_shape(client.get("/api/v1/leads"), 403, "forbidden")
    user.membership.delete()
    body = check_shape(client.get("/api/v1/leads"), 403, "forbidden")
    assert "does not belong to its account" in body["message"]


def test_a_key_stays_in_its_account_when_its_maker_moves(world: World):
    client = world.client("manager")
    membership = client.key.user.membership
    membership.account = world.other
    membership.save()
    for path in ("/api/v1/leads", f"/api/v1/leads/{world.strange_lead.pk}", f"/api/v1/leads/{world.lead_a.pk}"):
        check_shape(client.get(path), 403, "forbidden")


def test_somebody_of_single_offices_cannot_add_one_even_with_the_permission(world: World):
    from django.contrib.auth.models import Permission

    user = member("office_maker", world.account, None, world.a)
    user.user_permissions.add(*Permission.objects.filter(codename__in=("add_office", "change_office", "view_office")))
    client = key_of(user, world.account)
    check_shape(client.send("POST", "/api/v1/offices", {"name": "Whitby"}), 403, "forbidden")
    assert client.send("PATCH", f"/api/v1/offices/{world.a.pk}", {"name": "Leeds"}).status_code == 200
    check_shape(client.send("PATCH", f"/api/v1/offices/{world.b.pk}", {"name": "Hull"}), 404, "not_found")
