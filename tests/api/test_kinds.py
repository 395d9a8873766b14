"""Activity types and opportunity types."""

from __future__ import annotations

from typing import Any

import pytest

from leads.models import Activity, ActivityType, Opportunity, OpportunityType
from tests.api.conftest import KeyClient, World, check_shape
from tests.api.test_set_up import check_refused, make

ACTIVITY_TYPES, OPPORTUNITY_TYPES = "/api/v1/activity-types", "/api/v1/opportunity-types"


def test_activity_types(manager: KeyClient, world: World):
    body = make(manager, ACTIVITY_TYPES, name=" Survey ", kind="sales", fields=["Result", "Next step"])
    assert body == {
        "id": body["id"],
        "name": "Survey",
        "code": 203,
        "kind": "sales",
        "fields": ["Result", "Next step"],
    }
    assert make(manager, ACTIVITY_TYPES, name="Visit", code=301) | {"id": 0} == {
        "id": 0,
        "name": "Visit",
        "code": 301,
        "kind": "lead",
        "fields": [],
    }
    assert make(manager, ACTIVITY_TYPES, name="Show")["code"] == 302
    path = f"{ACTIVITY_TYPES}/{body['id']}"
    assert manager.send("PATCH", path, body).json() == body
    assert manager.send("PATCH", path, {"fields": ["Next step"]}).json() == body | {"fields": ["Next step"]}
    assert manager.delete(path).status_code == 204
    check_shape(manager.get(path), 404, "not_found")


def test_opportunity_types(manager: KeyClient, world: World):
    body = make(manager, OPPORTUNITY_TYPES, name="Renewal", stages=["Due", "Signed"])
    assert body == {"id": body["id"], "name": "Renewal", "code": 12_001, "stages": ["Due", "Signed"], "fields": []}
    path = f"{OPPORTUNITY_TYPES}/{body['id']}"
    assert manager.send("PATCH", path, {"stages": ["Signed", "Due"], "fields": ["Term"]}).json() == body | {
        "stages": ["Signed", "Due"],
        "fields": ["Term"],
    }
    assert manager.delete(path).status_code == 204


@pytest.mark.parametrize(
    "sent, field, rule",
    [
        ({"name": None}, "name", "required"),
        ({"name": "x" * 101}, "name", "length"),
        ({"name": "Meeting"}, "name", "unique"),
        ({"code": 21}, "code", "unique"),
        ({"code": "301"}, "code", "integer"),
        ({"code": 0}, "code", "code"),
        ({"code": 1_000_000}, "code", "code"),
        ({"kind": "party"}, "kind", "choice"),
        ({"fields": "Result"}, "fields", "texts"),
        ({"fields": [""]}, "fields", "texts"),
        ({"fields": ["a\x01"]}, "fields", "control_characters"),
        ({"fields": ["A", "a"]}, "fields", "fields"),
        ({"fields": ["x" * 101]}, "fields", "fields"),
        ({"fields": [str(number) for number in range(51)]}, "fields", "fields"),
        ({"stages": ["New"]}, "stages", "unknown"),
        ({"account": 1}, "account", "unknown"),
    ],
)
def test_bad_activity_types(manager: KeyClient, world: World, sent: dict[str, Any], field: str, rule: str):
    kind = ActivityType.objects.get(account=world.account, code=22)
    check_refused(manager, sent, field, rule, PATCH=f"{ACTIVITY_TYPES}/{kind.pk}")
    check_refused(manager, {"name": "Survey"} | sent, field, rule, POST=ACTIVITY_TYPES)


@pytest.mark.parametrize(
    "sent, rule",
    [
        ({"stages": None}, "stages"),
        ({"stages": []}, "stages"),
        ({"stages": ["A", "a"]}, "stages"),
        ({"stages": ["x" * 101]}, "stages"),
        ({"stages": [5]}, "texts"),
    ],
)
def test_bad_opportunity_types(manager: KeyClient, world: World, sent: dict[str, Any], rule: str):
    kind = OpportunityType.objects.get(account=world.account)
    check_refused(manager, sent, "stages", rule, PATCH=f"{OPPORTUNITY_TYPES}/{kind.pk}")
    check_refused(manager, {"name": "Renewal"} | sent, "stages", rule, POST=OPPORTUNITY_TYPES)
    check_refused(manager, {"name": "Renewal"}, "stages", "stages", POST=OPPORTUNITY_TYPES)


def test_a_type_in_use_keeps_labels_kind_and_the_stages_that_are_stood_in(manager: KeyClient, world: World):
    call = ActivityType.objects.get(account=world.account, code=21)
    deals = OpportunityType.objects.get(account=world.account)
    calls, kinds = f"{ACTIVITY_TYPES}/{call.pk}", f"{OPPORTUNITY_TYPES}/{deals.pk}"
    manager.send("PATCH", calls, {"fields": ["Result", "Next step"]})
    Activity.objects.create(lead=world.lead_a, type=call)
    Opportunity.objects.create(lead=world.lead_a, type=deals, name="Roof", stage="Proposal")
    check_refused(manager, {"fields": ["Next step", "Result"]}, "fields", "fields", PATCH=calls)
    check_refused(manager, {"fields": ["Result"]}, "fields", "fields", PATCH=calls)
    check_refused(manager, {"kind": "company"}, "kind", "kind", PATCH=calls)
    answer = manager.send("PATCH", kinds, {"stages": ["Prospecting"]})
    body = check_shape(answer, 400, "invalid", fields=["stages"])
    assert body["message"] == "stages must keep Proposal: 1 opportunity stands in it."
    assert manager.send("PATCH", calls, {"fields": ["Result", "Next step", "Mood"]}).status_code == 200
    assert manager.send("PATCH", kinds, {"stages": ["Proposal", "Prospecting"]}).status_code == 200
    for path in (calls, kinds):
        body = check_shape(manager.delete(path), 409, "in_use", fields=[])
        assert "is in use: give what is of this type another one, or delete it, first." in body["message"]
    Activity.objects.all().delete()
    assert manager.delete(calls).status_code == 204
