"""Each of LeadSquared's 36 events, and the three of sales activities, from what somebody does to what has arrived.

Staff have a webhook for each; one scenario of the API and the admin makes all of them happen. Every webhook has a
Success in Webhook History, and the newest body that it sent is that of tests/golden/leadsquared/scenario.json, in which
ids and times are named instead of told.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from leads import reminders
from leads.models import ActivityType, OpportunityType
from tests.conformance.grouping import a_minute_passes
from tests.conformance.leadhub_rows import ANSWERS, submitted
from tests.conformance.leadsquared_records import ask, made
from tests.conformance.leadsquared_rows import EVENT, EVENTS
from tests.conformance.world import VENDOR, World
from webhooks.models import Body, Delivery
from webhooks.outbound import deliver

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parents[1] / "golden" / "leadsquared" / "scenario.json"


@pytest.fixture
def world(receiver, settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield World.build(receiver, dialect="leadsquared", secret="", events=["Lead_Post_Create"])
    deliver.door.cache_clear()


def scenario(world: World) -> None:
    manager = world.manager.pk
    call, sale, review = (ActivityType.objects.get(account=world.account, code=code).pk for code in (21, 30, 202))
    ask(world, "PATCH", f"activity-types/{call}", {"fields": ["Result"]})

    company = made(world, "companies", name="Hartley Bakes", type="Customer", owner_id=manager)["id"]
    ask(world, "PATCH", f"companies/{company}", {"city": "Oxford"})
    visit = made(world, f"companies/{company}/activities", type_id=review, note="All is well.")["id"]
    ask(world, "PATCH", f"companies/{company}/activities/{visit}", {"status": "Done"})

    submitted(world, **ANSWERS)
    lead, child = world.created(VENDOR)["id"], world.created(VENDOR | {"last_name": "Smyth"})["id"]
    world.patched(lead, {"owner_id": manager, "score": 45, "stage": "CONTACTED"})
    rang = made(world, f"leads/{lead}/activities", type_id=call, status="Answered", fields={"Result": "Interested"})[
        "id"
    ]
    ask(world, "PATCH", f"activities/{rang}", {"note": "Call again."})
    sold = made(world, f"leads/{lead}/activities", type_id=sale)["id"]
    ask(world, "PATCH", f"activities/{sold}", {"status": "Paid"})
    ask(world, "POST", f"activities/{sold}/cancel", {})

    product = made(world, "products", name="Survey", price=300.5)["id"]
    ask(world, "PATCH", f"products/{product}", {"price": 320})
    deal = OpportunityType.objects.get(account=world.account).pk
    given = {"type_id": deal, "name": "New roof", "stage": "Prospecting", "value": 1200.5, "product_id": product}
    roof = made(world, f"leads/{lead}/opportunities", **given)["id"]
    ask(world, "PATCH", f"opportunities/{roof}", {"stage": "Closed", "status": "won"})
    ask(world, "DELETE", f"opportunities/{roof}")
    ask(world, "DELETE", f"products/{product}")

    soon = (timezone.now() - timedelta(seconds=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    due = {"due_at": "2026-12-01T09:00:00Z"}
    first = made(world, f"leads/{lead}/tasks", name="Call back", remind_at=soon, owner_id=manager, **due)["id"]
    reminders.remind()
    ask(world, "PATCH", f"tasks/{first}", {"category": "Phone"})
    ask(world, "POST", f"tasks/{first}/complete", {})
    second = made(world, f"leads/{lead}/tasks", name="Send photographs", **due)["id"]
    ask(world, "POST", f"tasks/{second}/cancel", {})

    person = {"first_name": "Kim", "last_name": "Lee", "email": "kim@example.com", "username": "kim"}
    passwords = dict.fromkeys(("password1", "password2"), "correct horse battery")
    rights = {"role": "Manager", "availability": "available"}
    added = world.submit("user_form", "leads_user_add", **person, **passwords, **rights)
    assert added.status_code == 302, added.context["adminform"].form.errors
    kim = world.account.memberships.get(user__username="kim").user_id
    ask(world, "PATCH", f"users/{kim}", {"last_name": "Lowe", "availability": "away"})
    ask(world, "PATCH", f"users/{kim}", {"is_active": False})
    leave = made(world, "leaves", user_id=manager, starts_on="2026-12-21", ends_on="2026-12-31")["id"]
    ask(world, "PATCH", f"leaves/{leave}", {"reason": "Holiday"})
    ask(world, "DELETE", f"leaves/{leave}")

    ask(world, "POST", f"leads/{lead}/merge", {"children": [child]})
    ask(world, "DELETE", f"companies/{company}")


def test_each_event_is_delivered(world):
    world.webhook.delete()
    for code, label in EVENTS.items():
        world.posted_webhook(name=label, url=f"http://{world.receiver.authority}/{code}", **{EVENT: code})
    scenario(world)
    a_minute_passes()
    world.deliver()
    assert Delivery.objects.exclude(status="success").count() == 0
    bodies = {}
    for webhook in world.account.webhooks.all():
        (code,) = webhook.events
        delivery = Delivery.objects.filter(webhook=webhook).latest("id")
        listed = world.client.get("/admin/webhooks/delivery/", {"webhook": webhook.pk, "status": "success"})
        assert f"/admin/webhooks/delivery/{delivery.pk}/" in listed.content.decode(), webhook.name
        stored = Body.objects.get(delivery=delivery.sent_with or delivery)
        bodies[code] = named(json.loads(bytes(stored.content)))
    assert bodies == json.loads(GOLDEN.read_text())


# Values that are the same in every run.
FIXED = {"2026-12-01 09:00:00"}


def named(value: Any, key: str = "") -> Any:
    """The body, with ids and times by what they are."""
    if isinstance(value, dict):
        return {name: named(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [named(each) for each in value]
    if value is None:
        return None
    if re.fullmatch(r"\d+(;\d+)*", value) and re.search("(Id|ID|By|Owner)$", key):
        return "<id>"
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", value) and value not in FIXED:
        return "<time>"
    return value
