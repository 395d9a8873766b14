"""Who may do what: every principal against every method of every address, which the resolver names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from leads import roles
from leads.api.urls import urlpatterns as leads_urls
from leads.models import (
    Account,
    Activity,
    ActivityType,
    Campaign,
    Company,
    CompanyActivity,
    CustomField,
    Form,
    Lead,
    LeadList,
    Leave,
    Merge,
    Message,
    Office,
    Opportunity,
    OpportunityType,
    Product,
    Tag,
    Task,
    User,
)
from leads.models.apikey import Scope
from tests import factories
from tests.api.conftest import ALL_SCOPES, VENDOR, KeyClient, World, check_shape, key_of, member
from tests.ground import Ground
from tests.webhooks.automation.rules import rule
from webhooks.api.urls import urlpatterns as webhooks_urls
from webhooks.models import InboundWebhook, Receipt, Webhook

OK, CREATED, GONE, UNKNOWN, FORBIDDEN, MISSING = 200, 201, 204, 401, 403, 404

SET_UP = {
    "pipelines": "pipeline",
    "tags": "tag",
    "lists": "list",
    "campaigns": "campaign",
    "custom_fields": "custom_field",
    "forms": "form",
    "activity_types": "activity_type",
    "opportunity_types": "opportunity_type",
}
# Of a lead, beside its messages.
OF_LEAD = {"activities": "activity", "opportunities": "opportunity"}

# Records of the account, whatever the office.
OF_ACCOUNT = {"users": "user", "leaves": "leave", "tasks": "task"}
INTEGRATIONS = {"webhooks": "webhook", "automations": "automation", "inbound_webhooks": "inbound_webhook"}
CRM = {"companies": "company", "company_activities": "company_activity", "products": "product"}

# What is done with a webhook, by the end of its address.
WEBHOOK_ACTIONS = {
    f"webhook_{action.replace('-', '_')}": action
    for action in ("enable", "pause", "disable", "test", "rotate-secret", "switch-secret")
}
# Address, method -> the scope that it takes.
ENDPOINTS = {
    ("leads", "GET"): Scope.LEADS_READ,
    ("leads", "POST"): Scope.LEADS_WRITE,
    ("lead", "GET"): Scope.LEADS_READ,
    ("lead", "PATCH"): Scope.LEADS_WRITE,
    ("lead", "DELETE"): Scope.LEADS_WRITE,
    ("upsert", "POST"): Scope.LEADS_WRITE,
    ("duplicates", "GET"): Scope.LEADS_READ,
    ("refer", "POST"): Scope.LEADS_WRITE,
    ("merge_leads", "POST"): Scope.LEADS_WRITE,
    ("merges", "GET"): Scope.LEADS_READ,
    ("merge", "GET"): Scope.LEADS_READ,
    ("undo_merge", "POST"): Scope.LEADS_WRITE,
    ("offices", "GET"): Scope.OFFICES_READ,
    ("offices", "POST"): Scope.OFFICES_WRITE,
    ("office", "GET"): Scope.OFFICES_READ,
    ("office", "PATCH"): Scope.OFFICES_WRITE,
    ("office", "DELETE"): Scope.OFFICES_WRITE,
    ("messages", "GET"): Scope.LEADS_READ,
    ("messages", "POST"): Scope.LEADS_WRITE,
    ("message", "GET"): Scope.LEADS_READ,
    ("message", "PATCH"): Scope.LEADS_WRITE,
    ("message", "DELETE"): Scope.LEADS_WRITE,
    **{
        endpoint: scope
        for records, reading, writing in (
            (CRM, Scope.CRM_READ, Scope.CRM_WRITE),
            (SET_UP, Scope.SETUP_READ, Scope.SETUP_WRITE),
        )
        for many, one in records.items()
        for endpoint, scope in {
            (many, "GET"): reading,
            (many, "POST"): writing,
            (one, "GET"): reading,
            (one, "PATCH"): writing,
            (one, "DELETE"): writing,
        }.items()
    },
    **{
        endpoint: scope
        for many, one in OF_LEAD.items()
        for endpoint, scope in {
            (f"lead_{many}", "GET"): Scope.CRM_READ,
            (f"lead_{many}", "POST"): Scope.CRM_WRITE,
            (many, "GET"): Scope.CRM_READ,
            (many, "POST"): Scope.CRM_WRITE,
            (one, "GET"): Scope.CRM_READ,
            (one, "PATCH"): Scope.CRM_WRITE,
            (one, "DELETE"): Scope.CRM_WRITE,
        }.items()
    },
    ("activity_cancel", "POST"): Scope.CRM_WRITE,
    ("users", "GET"): Scope.USERS_READ,
    ("user", "GET"): Scope.USERS_READ,
    ("user", "PATCH"): Scope.USERS_WRITE,
    ("leaves", "GET"): Scope.USERS_READ,
    ("leaves", "POST"): Scope.USERS_WRITE,
    ("leave", "GET"): Scope.USERS_READ,
    ("leave", "PATCH"): Scope.USERS_WRITE,
    ("leave", "DELETE"): Scope.USERS_WRITE,
    ("tasks", "GET"): Scope.CRM_READ,
    ("tasks", "POST"): Scope.CRM_WRITE,
    ("lead_tasks", "GET"): Scope.CRM_READ,
    ("lead_tasks", "POST"): Scope.CRM_WRITE,
    ("task", "GET"): Scope.CRM_READ,
    ("task", "PATCH"): Scope.CRM_WRITE,
    ("task", "DELETE"): Scope.CRM_WRITE,
    ("task_complete", "POST"): Scope.CRM_WRITE,
    ("task_cancel", "POST"): Scope.CRM_WRITE,
    ("task_reopen", "POST"): Scope.CRM_WRITE,
    **dict.fromkeys(
        (("webhooks", "GET"), ("webhooks", "POST"), ("webhook", "GET"), ("webhook", "PATCH"), ("webhook", "DELETE")),
        Scope.WEBHOOKS_ADMIN,
    ),
    **{(name, "POST"): Scope.WEBHOOKS_ADMIN for name in WEBHOOK_ACTIONS},
    ("webhook_events", "GET"): Scope.WEBHOOKS_ADMIN,
    ("automations", "GET"): Scope.WEBHOOKS_ADMIN,
    ("automations", "POST"): Scope.WEBHOOKS_ADMIN,
    ("rehearse", "POST"): Scope.WEBHOOKS_ADMIN,
    ("automation", "GET"): Scope.WEBHOOKS_ADMIN,
    ("automation", "PATCH"): Scope.WEBHOOKS_ADMIN,
    ("automation", "DELETE"): Scope.WEBHOOKS_ADMIN,
    **dict.fromkeys(
        (
            ("inbound_webhooks", "GET"),
            ("inbound_webhooks", "POST"),
            ("inbound_webhook", "GET"),
            ("inbound_webhook", "PATCH"),
            ("inbound_rotate_secret", "POST"),
            ("receipts", "GET"),
            ("receipt", "GET"),
            ("receipt_process", "POST"),
            ("process_refused", "POST"),
            ("inbound_webhook", "DELETE"),
        ),
        Scope.WEBHOOKS_ADMIN,
    ),
}
# Any key may ask: tests of its own.
OPEN_TO_ALL = {"sending_addresses"}
ADDRESSES = [pattern for pattern in (*leads_urls, *webhooks_urls) if pattern.name not in OPEN_TO_ALL]
EVERYWHERE_ELSE = ("PUT", "OPTIONS", "TRACE")

# What each principal gets, by endpoint: within their reach, and beyond it.
_DONE = {"GET": OK, "POST": CREATED, "PATCH": OK, "DELETE": GONE}
_ACTIONS = ("refer", "undo_merge", "activity_cancel", "task_complete", "task_cancel", "task_reopen", "rehearse")
_INBOUND_ACTIONS = ("inbound_rotate_secret", "receipt_process", "process_refused")
MAY_ALL = {endpoint: _DONE[endpoint[1]] for endpoint in ENDPOINTS} | {
    (name, "POST"): OK for name in (*_ACTIONS, *_INBOUND_ACTIONS, *WEBHOOK_ACTIONS)
}
STAFF = MAY_ALL | dict.fromkeys(
    [
        ("lead", "DELETE"),
        ("message", "DELETE"),
        ("task", "DELETE"),
        *((one, "DELETE") for one in OF_LEAD.values()),
        ("company", "DELETE"),
        ("company_activity", "DELETE"),
        ("products", "POST"),
        ("product", "PATCH"),
        ("product", "DELETE"),
        ("offices", "POST"),
        ("office", "PATCH"),
        ("office", "DELETE"),
        *(endpoint for endpoint, scope in ENDPOINTS.items() if scope == Scope.SETUP_WRITE),
        ("custom_fields", "GET"),
        ("custom_field", "GET"),
        ("users", "GET"),
        ("user", "GET"),
        *(endpoint for endpoint, scope in ENDPOINTS.items() if scope in (Scope.USERS_WRITE, Scope.WEBHOOKS_ADMIN)),
    ],
    FORBIDDEN,
)
READER = {endpoint: OK if endpoint[1] == "GET" else FORBIDDEN for endpoint in MAY_ALL}
MAY = {
    "nobody": dict.fromkeys(MAY_ALL, UNKNOWN),
    "staff a": STAFF,
    "manager": MAY_ALL,
    "auditor": READER,
    "superuser": MAY_ALL,
}


PATHS = {
    "leads": "leads",
    "lead": "leads/{lead}",
    "upsert": "leads/upsert",
    "duplicates": "leads/{lead}/duplicates",
    "refer": "leads/{lead}/refer",
    "merge_leads": "leads/{lead}/merge",
    "merges": "merges",
    "merge": "merges/{merge}",
    "undo_merge": "merges/{merge}/undo",
    "messages": "leads/{lead}/messages",
    "message": "leads/{lead}/messages/{message}",
    "lead_tasks": "leads/{lead}/tasks",
    "task_complete": "tasks/{task}/complete",
    "task_cancel": "tasks/{task}/cancel",
    "task_reopen": "tasks/{task}/reopen",
    **{
        name: path
        for many, one in {"offices": "office", **CRM, **SET_UP, **OF_ACCOUNT, **INTEGRATIONS}.items()
        for name, path in {many: many, one: f"{many}/{{{one}}}"}.items()
    },
    "company_activities": "companies/{company}/activities",
    "company_activity": "companies/{company}/activities/{company_activity}",
    "rehearse": "automations/{automation}/rehearse",
    "custom_fields": "custom-fields",
    "custom_field": "custom-fields/{custom_field}",
    "activity_types": "activity-types",
    "activity_type": "activity-types/{activity_type}",
    "opportunity_types": "opportunity-types",
    "opportunity_type": "opportunity-types/{opportunity_type}",
    **{
        name: path
        for many, one in OF_LEAD.items()
        for name, path in {f"lead_{many}": f"leads/{{lead}}/{many}", many: many, one: f"{many}/{{{one}}}"}.items()
    },
    "activity_cancel": "activities/{activity}/cancel",
    **{name: f"webhooks/{{webhook}}/{action}" for name, action in WEBHOOK_ACTIONS.items()},
    "webhook_events": "webhook-events",
    "inbound_webhooks": "inbound-webhooks",
    "inbound_webhook": "inbound-webhooks/{inbound_webhook}",
    "inbound_rotate_secret": "inbound-webhooks/{inbound_webhook}/rotate-secret",
    "receipts": "inbound-webhooks/{inbound_webhook}/receipts",
    "receipt": "inbound-webhooks/{inbound_webhook}/receipts/{receipt}",
    "receipt_process": "inbound-webhooks/{inbound_webhook}/receipts/{receipt}/process",
    "process_refused": "inbound-webhooks/{inbound_webhook}/process-refused",
}
NAMED = {"name": "Whitby"}
TASK = {"name": "Call back", "due_at": "2026-12-01T09:00:00Z"}
FIELDS = [{"key": "email", "label": "E-mail", "required": True}]
BODIES = {
    "lead": {"title": "Dr"},
    "messages": {"type": "inbound", "body": "Hello"},
    "message": {"body": "Hello again"},
    "company_activity": {"note": "All is well"},
    "undo_merge": {},
    "pipelines": NAMED | {"stages": [{"name": "New", "code": "NEW"}]},
    "custom_fields": {"key": "size", "label": "Size"},
    "custom_field": {"label": "Size"},
    "webhooks": NAMED | {"system": "leadpro", "url": "https://hooks.example.com/in"},
    "user": {"availability": "away"},
    "leave": {"reason": "Holiday"},
    "lead_tasks": TASK,
    **{name: {} for name in ("task_complete", "task_cancel", "task_reopen")},
    "automations": NAMED | {"event": "lead.created", "steps": [{"do": "add_tag", "tag": "new"}]},
    "rehearse": {},
    **{key: {} for key in ("inbound_rotate_secret", "receipt_process", "process_refused")},
    "forms": NAMED | {"title": "Hello", "fields": [{"key": "email"}]},
    "opportunity_types": NAMED | {"stages": ["New"]},
    "activity": {"note": "Rang"},
    "activity_cancel": {},
}

DAY = date(2026, 12, 1)

Ids = dict[str, int]


def ids(lead: Lead, office: Office) -> Ids:
    """The id of a record of each kind: of this lead, this office, and the lead's account."""
    account: Account = lead.account
    company = Company.objects.create(account=account, name="Hartley Design")
    review = account.activitytypes.get(code=202)
    inbound = InboundWebhook.objects.create(
        account=account, name="Website", verification="hmac", mapping=[{"field": "first_name", "path": "name"}]
    )
    posted = {"inbound": inbound, "account": account, "status": "refused", "body": b'{"name": "Jo"}'}
    return {
        "lead": lead.pk,
        "office": office.pk,
        "message": Message.objects.create(lead=lead, type="inbound", body="Hello").pk,
        "company": company.pk,
        "company_activity": CompanyActivity.objects.create(company=company, type=review).pk,
        "product": Product.objects.create(account=account, name="Survey").pk,
        "merge": Merge.objects.create(account=account, master=lead).pk,
        "pipeline": account.pipelines.get(name="Lettings").pk,
        "tag": Tag.objects.create(account=account, name="vip").pk,
        "list": LeadList.objects.get(account=account).pk,
        "campaign": Campaign.objects.get(account=account, name="Spring").pk,
        "custom_field": CustomField.objects.get(account=account, key="budget").pk,
        "form": Form.objects.create(account=account, name="Hello", title="Hello", fields=FIELDS).pk,
        "activity_type": ActivityType.objects.create(account=account, name="Survey").pk,
        "opportunity_type": OpportunityType.objects.create(account=account, name="Renewal", stages=["Due"]).pk,
        "activity": activity(lead).pk,
        "opportunity": opportunity(lead).pk,
        "webhook": factories.webhook(account=account).pk,
        "automation": rule("lead.created", {"do": "add_tag", "tag": "new"}, account=account).pk,
        "inbound_webhook": inbound.pk,
        "receipt": Receipt.objects.create(**posted, uid=f"of {account.pk}").pk,
        "task": Task.objects.create(lead=lead, **TASK).pk,
        "user": (colleague := member(f"colleague of {account}", account, roles.STAFF)).pk,
        "leave": Leave.objects.create(account=account, user=colleague, starts_on=DAY, ends_on=DAY).pk,
    }


@pytest.fixture(scope="module")
def prepared(ground: Ground[Any], django_db_blocker: DjangoDbBlocker) -> Iterator[Ground[tuple[Ids, Ids]]]:
    rows = ground.rows()
    with django_db_blocker.unblock():
        prepared = Ground(lambda: (ids(rows["lead_a"], rows["a"]), ids(rows["strange_lead"], rows["strange"])))
    yield prepared
    with django_db_blocker.unblock():
        prepared.close()


@pytest.fixture
def own(world: World, prepared: Ground[tuple[Ids, Ids]]) -> Ids:
    """Of the lead and the office A."""
    return prepared.rows()[0]


@pytest.fixture
def strange(world: World, prepared: Ground[tuple[Ids, Ids]]) -> Ids:
    """The stranger's."""
    return prepared.rows()[1]


def activity(lead: Lead) -> Activity:
    """One that can be cancelled."""
    return Activity.objects.create(lead=lead, type=ActivityType.objects.get(account=lead.account, code=30))


def opportunity(lead: Lead) -> Opportunity:
    deals = OpportunityType.objects.get(account=lead.account, code=12_000)
    return Opportunity.objects.create(lead=lead, type=deals, name="Roof", stage="Proposal")


_KINDS = (CRM, SET_UP, OF_LEAD, OF_ACCOUNT, INTEGRATIONS)
NOWHERE = {
    **dict.fromkeys(("lead", "office", "message", "merge", "receipt"), 10**9),
    **{one: 10**9 for kinds in _KINDS for one in kinds.values()},
}


def call(client: KeyClient, name: str, method: str, world: World, at: Ids):
    bodies = BODIES | {
        "leads": VENDOR | {"office_id": world.a.pk},
        "upsert": {"match": "email", "lead": VENDOR | {"email": "new@example.com", "office_id": world.a.pk}},
        "refer": {"office_id": world.b.pk},
        "tasks": TASK | {"lead_id": world.lead_a.pk},
        "leaves": {"user_id": at["user"], "starts_on": "2027-01-04", "ends_on": "2027-01-08"},
        "lead_activities": {"type_id": ActivityType.objects.get(account=world.account, code=21).pk},
        "lead_opportunities": {
            "type_id": OpportunityType.objects.get(account=world.account, code=12_000).pk,
            "name": "Roof",
            "stage": "Proposal",
        },
        "company_activities": {"type_id": world.account.activitytypes.get(code=202).pk},
    }
    for many in OF_LEAD:
        bodies[many] = bodies[f"lead_{many}"] | {"lead_id": world.lead_a.pk}
    bodies |= {key: {} for key in WEBHOOK_ACTIONS}
    if name == "webhook_switch_secret":
        later = timezone.now() + timedelta(days=1)
        Webhook.objects.filter(pk=at["webhook"]).update(next_secret="n" * 43, next_secret_at=later)
    if name == "merge_leads":
        bodies |= {name: {"children": [factories.lead(office=world.a).pk]}}
    body = bodies.get(name, NAMED) if method in ("POST", "PATCH") else None
    return client.send(method, f"/api/v1/{PATHS[name].format(**at)}", body)


def test_the_matrix_lists_every_method_of_every_address():
    served = {
        (pattern.name, method.upper())
        for pattern in ADDRESSES
        for method in ("get", "post", "put", "patch", "delete", "options", "trace")
        if hasattr(pattern.callback.view_class, method) and method in pattern.callback.view_class.http_method_names
    }
    assert served == set(ENDPOINTS)
    assert all(set(row) == served for row in MAY.values())
    for pattern in ADDRESSES:
        needs = pattern.callback.view_class.needs
        assert {(pattern.name, method): need.scope for method, need in needs.items()} == {
            endpoint: scope for endpoint, scope in ENDPOINTS.items() if endpoint[0] == pattern.name
        }


def endpoints(name: str) -> list[tuple[str, str]]:
    """Those of one address; the one that deletes comes last."""
    return [endpoint for endpoint in ENDPOINTS if endpoint[0] == name]


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("who", MAY)
def test_within_reach(world: World, own: Ids, who: str, name: str):
    for endpoint in endpoints(name):
        world.lead_a.delete() if endpoint == ("office", "DELETE") else None
        response = call(world.client(who), *endpoint, world, own)
        assert response.status_code == MAY[who][endpoint], (endpoint, response.content)


@pytest.mark.parametrize("name", [name for name, path in PATHS.items() if "{" in path])
@pytest.mark.parametrize("who", ["staff a", "manager", "auditor", "superuser", "stranger"])
def test_beyond_reach_is_exactly_as_missing(world: World, own: Ids, strange: Ids, who: str, name: str):
    """Another office's record for staff, another account's for the others. Without the right: 403 whatever the id."""
    at = own if who == "stranger" else strange
    if who == "staff a":
        # What is set up is the whole account's.
        message = world.lead_b.messages.create(type="inbound", body="Hello")
        task = world.lead_b.tasks.create(**TASK)
        at |= {"lead": world.lead_b.pk, "office": world.b.pk, "message": message.pk, "task": task.pk}
        at |= {"lead": world.lead_b.pk, "office": world.b.pk, "message": message.pk}
        at |= {"activity": activity(world.lead_b).pk, "opportunity": opportunity(world.lead_b).pk}
        merge = Merge.objects.create(account=world.account, master=world.lead_b)
        at |= {"lead": world.lead_b.pk, "office": world.b.pk, "message": message.pk, "merge": merge.pk}
    for endpoint in endpoints(name):
        check_as_missing(world, who, endpoint, at)


def check_as_missing(world: World, who: str, endpoint: tuple[str, str], at: Ids) -> None:
    beyond = call(world.client(who), *endpoint, world, at)
    none = call(world.client(who), *endpoint, world, NOWHERE)
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


def test_a_message_of_another_lead_is_as_missing(world: World, own: Ids):
    at = own | {"lead": world.lead_b.pk}
    for endpoint in endpoints("message"):
        body = check_shape(call(world.client("manager"), *endpoint, world, at), MISSING, "not_found")
        assert body["message"] == "There is no such message."


def test_an_activity_of_another_company_is_as_missing(world: World, own: Ids):
    elsewhere = Company.objects.create(account=world.account, name="Elsewhere")
    at = own | {"company": elsewhere.pk}
    for endpoint in endpoints("company_activity"):
        body = check_shape(call(world.client("manager"), *endpoint, world, at), MISSING, "not_found")
        assert body["message"] == "There is no such company activity."


def test_a_lead_without_an_office_is_for_those_who_see_the_whole_account(world: World):
    path = f"/api/v1/leads/{world.lead_free.pk}"
    seen = {who: world.client(who).get(path).status_code for who in ("staff a", "manager", "auditor", "superuser")}
    assert seen == {"staff a": 404, "manager": 200, "auditor": 200, "superuser": 200}


def test_lists_hold_what_the_key_reaches(world: World, own: Ids, strange: Ids):
    def seen(who: str, noun: str) -> set[int]:
        return {row["id"] for row in world.client(who).get(f"/api/v1/{noun}").json()["data"]}

    near, far = own, strange
    for many, one in {**CRM, **SET_UP, **INTEGRATIONS}.items():
        if many == "company_activities":
            continue
        for who in ("manager", "auditor", "superuser"):
            assert near[one] in seen(who, PATHS[many]) and far[one] not in seen(who, PATHS[many])
    assert seen("staff a", f"companies/{near['company']}/activities") == {near["company_activity"]}
    people = {near["user"], *(world.client(who).key.user_id for who in ("manager", "staff a", "auditor"))}
    assert seen("manager", "users") == people and seen("superuser", "users") == people
    assert seen("manager", f"leads/{world.lead_a.pk}/messages") == {near["message"]}
    away = world.lead_b.tasks.create(**TASK)
    assert seen("manager", f"leads/{world.lead_a.pk}/tasks") == seen("staff a", "tasks") == {near["task"]}
    assert seen("manager", "tasks") == seen("superuser", "tasks") == {near["task"], away.pk}
    assert seen("staff a", "leaves") == seen("auditor", "leaves") == {near["leave"]}
    for many, one in OF_LEAD.items():
        other = (activity if one == "activity" else opportunity)(world.lead_b)
        assert seen("staff a", many) == seen("manager", f"leads/{world.lead_a.pk}/{many}") == {near[one]}
        assert seen("manager", many) == seen("auditor", many) == seen("superuser", many) == {near[one], other.pk}
    everything = {world.lead_a.pk, world.lead_b.pk, world.lead_free.pk}
    assert seen("staff a", "leads") == {world.lead_a.pk}
    assert seen("staff of both", "leads") == {world.lead_a.pk, world.lead_b.pk}
    assert seen("manager", "leads") == seen("auditor", "leads") == seen("superuser", "leads") == everything
    assert seen("stranger", "leads") == {world.strange_lead.pk}
    assert seen("staff b", "offices") == {world.b.pk}
    assert seen("manager", "offices") == {world.a.pk, world.b.pk}


@pytest.mark.parametrize("name", PATHS)
def test_each_method_takes_its_scope(world: World, own: Ids, name: str):
    user = world.client("manager").key.user
    for endpoint in endpoints(name):
        lacking = key_of(user, world.account, [scope for scope in ALL_SCOPES if scope != ENDPOINTS[endpoint]])
        body = check_shape(call(lacking, *endpoint, world, own), FORBIDDEN, "forbidden")
        assert ENDPOINTS[endpoint] in body["message"]
        world.lead_a.delete() if endpoint == ("office", "DELETE") else None
        having = key_of(user, world.account, [ENDPOINTS[endpoint]])
        assert call(having, *endpoint, world, own).status_code == MAY_ALL[endpoint]


@pytest.mark.parametrize("why", ["revoked", "expired", "deactivated", "deleted", "made up"])
def test_bad_keys_are_unknown_everywhere(world: World, why: str):
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
    for endpoint in ENDPOINTS:
        response = call(client, *endpoint, world, NOWHERE)
        body = check_shape(response, UNKNOWN, "unauthenticated")
        assert body["message"] == "This API key is unknown, revoked or expired."
        assert response["WWW-Authenticate"] == 'Bearer realm="leadcrm"'


@pytest.mark.parametrize("name", PATHS)
def test_other_methods_are_405(world: World, own: Ids, name: str):
    path = f"/api/v1/{PATHS[name].format(**own)}"
    served = {method for _, method in endpoints(name)}
    for method in {"POST", "PATCH", "DELETE", *EVERYWHERE_ELSE} - served:
        response = world.client("manager").generic(method, path, b"{}", content_type="application/json")
        check_shape(response, 405, "method_not_allowed")
        assert set(response["Allow"].split(", ")) - {"HEAD"} == served
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
