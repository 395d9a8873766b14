"""Rules and automations by the API: what is refused, what is told, and what a rehearsal shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.events import EVENTS
from leads.models import Campaign, Lead, LeadList, Stage, Task
from tests import factories
from tests.api.conftest import KeyClient, World, check_shape, member
from tests.api.test_anything import MANY, VALUES
from tests.webhooks.automation.rules import rule, setting
from webhooks.automation.actions import ACTIONS
from webhooks.models import Automation, Event, Run, Tally
from webhooks.wire.filter import OPERATORS

PATH = "/api/v1/automations"
NEW: dict[str, Any] = {
    "name": "Greet",
    "event": "lead.created",
    "conditions": [{"field": "source", "op": "is", "value": "rightmove"}],
    "steps": [{"do": "set_field", "field": "score", "value": 50}],
}

PRODUCT: dict[str, Any] = {
    "event": "product.created",
    "conditions": [],
    "steps": [{"do": "send_mail", "to": "lead", "subject": "s", "body": "b"}],
}


def create(client: KeyClient, **values: Any) -> Any:
    return client.send("POST", PATH, NEW | values)


def refusal(response: Any) -> list[tuple[str | None, str]]:
    body = check_shape(response, 400, "invalid")
    return [(fault["field"], fault["message"].removeprefix("is refused: ")) for fault in body["errors"]]


def test_made_read_changed_and_deleted(manager: KeyClient):
    response = create(manager)
    assert response.status_code == 201 and response["Location"] == f"{PATH}/{response.json()['id']}"
    told = response.json()
    assert told == NEW | {
        "id": told["id"],
        "kind": "rule",
        "is_active": True,
        "created_at": told["created_at"],
        "last_run_at": None,
        "runs": {"done": 0, "failed": 0, "stopped": 0, "unmet": 0},
    }
    Tally.objects.create(automation_id=told["id"], done=3, unmet=8)
    path = response["Location"]
    assert manager.get(path).json()["runs"] == {"done": 3, "failed": 0, "stopped": 0, "unmet": 8}
    changed = manager.send("PATCH", path, {"is_active": False, "name": "  Greet   them "}).json()
    assert (changed["is_active"], changed["name"], changed["steps"]) == (False, "Greet   them", NEW["steps"])
    # What was read may be sent back.
    assert manager.send("PATCH", path, manager.get(path).json()).status_code == 200
    assert manager.delete(path).status_code == 204
    assert not Automation.objects.exists()


def test_every_action_and_waits(manager: KeyClient, world: World):
    user = member("dana", world.account, "Staff", world.a)
    webhook = factories.webhook(account=world.account)
    steps = [
        {"do": "assign", "person": user.pk},
        {"do": "assign_in_turn", "office": world.a.pk, "wait": 60},
        {"do": "assign_least_loaded"},
        {"do": "set_field", "field": "custom_fields.budget", "value": 10.5},
        {"do": "set_field", "field": "message", "value": None},
        {"do": "add_tag", "tag": "hot"},
        {"do": "add_to_list", "list": LeadList.objects.get(account=world.account).pk},
        {"do": "create_task", "name": "Call {full_name}", "days": 2, "owner": user.pk, "description": "Now\n{email}"},
        {"do": "send_mail", "to": "owner", "subject": "Hello", "body": "{custom_fields.budget}", "wait": 365 * 86400},
        {"do": "send_mail", "to": user.pk, "subject": "Hello", "body": "x"},
        {"do": "post_to_webhook", "webhook": webhook.pk},
    ]
    response = create(manager, kind="automation", steps=steps)
    assert response.status_code == 201, response.content
    assert response.json()["steps"] == steps


def test_nothing_that_cannot_be_done_is_stored(manager: KeyClient, world: World):
    stranger = member("them", world.other, "Staff", world.strange)
    left = member("left", world.account, "Staff", world.a, is_active=False)
    theirs = factories.webhook(account=world.other)
    deaf = factories.webhook(account=world.account, dialect="leadengine", name="Deaf")
    foreign_list = LeadList.objects.get(account=world.other)
    wait = {"do": "add_tag", "tag": "x"}
    cases: list[tuple[dict[str, Any], list[tuple[str | None, str]]]] = [
        ({"event": "lead.exploded"}, [("event", "must be one of")]),
        ({"event": None}, [("event", "is required")]),
        ({"name": ""}, [("name", "is required")]),
        ({"kind": "spell"}, [("kind", "must be one of")]),
        ({"colour": "red"}, [("colour", "is not a field of a rule")]),
        ({"conditions": [{"field": "shoe_size", "op": "is", "value": 1}]}, [("conditions.0", "There is no field")]),
        ({"conditions": "all"}, [("conditions", "cannot be read")]),
        ({"steps": []}, [("steps", "Give at least one step.")]),
        ({"steps": None}, [("steps", "Give at least one step.")]),
        ({"steps": ["jump"]}, [("steps.0", "A step is an object")]),
        ({"steps": [{"do": "jump"}]}, [("steps.0", "There is no action “jump”")]),
        ({"steps": [{"do": ["assign"]}]}, [("steps.0", "There is no action")]),
        ({"steps": [wait] * 21}, [("steps", "There may be at most 20 steps.")]),
        ({"steps": [wait | {"wait": 5}]}, [("steps.0", "A rule does all at once.")]),
        *(
            ({"kind": "automation", "steps": [wait | {"wait": seconds}]}, [("steps.0", "A wait must be")])
            for seconds in (-1, 365 * 86400 + 1, 1.5, "60", True)
        ),
        ({"steps": [{"do": "assign"}]}, [("steps.0", "Assign to a person: person is required.")]),
        ({"steps": [{"do": "assign", "person": "me"}]}, [("steps.0", "There is no person “me”")]),
        *(
            ({"steps": [{"do": "assign", "person": pk}]}, [("steps.0", f"Person {pk} is no active person of")])
            for pk in (stranger.pk, left.pk, 10**9)
        ),
        (
            {"steps": [{"do": "assign_in_turn", "office": world.strange.pk}]},
            [("steps.0", f"There is no office {world.strange.pk} in this account.")],
        ),
        ({"steps": [setting("shoe_size", 1)]}, [("steps.0", "A rule can set no field “shoe_size”")]),
        ({"steps": [setting("owner_id", 1)]}, [("steps.0", "A rule can set no field “owner_id”")]),
        ({"steps": [setting("company_id", 1)]}, [("steps.0", "A rule can set no field “company_id”")]),
        ({"steps": [setting("id", 1)]}, [("steps.0", "A rule can set no field “id”")]),
        ({"steps": [setting("score", "many")]}, [("steps.0", "Score must be a whole number, not “many”.")]),
        ({"steps": [setting("score", [1])]}, [("steps.0", "Score takes one value.")]),
        ({"steps": [setting("status", None)]}, [("steps.0", "Status cannot be emptied")]),
        ({"steps": [setting("email", "nobody")]}, [("steps.0", "E-mail must be an e-mail address")]),
        ({"steps": [setting("office_id", world.strange.pk)]}, [("steps.0", "Office has no")]),
        (
            {"steps": [setting("pipeline_stage_id", Stage.objects.filter(pipeline=world.strange_lettings)[0].pk)]},
            [("steps.0", "Pipeline stage has no")],
        ),
        ({"steps": [{"do": "add_tag", "tag": "x" * 300}]}, [("steps.0", "The tag")]),
        (
            {"steps": [{"do": "add_tag", "tag": "x", "list": 1}]},
            [("steps.0", "Add a tag asks for nothing named “list”")],
        ),
        ({"steps": [{"do": "add_to_list", "list": foreign_list.pk}]}, [("steps.0", "There is no list")]),
        (
            {"steps": [{"do": "send_mail", "to": "everybody", "subject": "s", "body": "b"}]},
            [("steps.0", "There is no person “everybody”")],
        ),
        (
            {"steps": [{"do": "send_mail", "to": "lead", "subject": "{password}", "body": "b"}]},
            [("steps.0", "Subject asks for {password}, which is no field")],
        ),
        (
            {"steps": [{"do": "create_task", "name": "a\x07b", "days": 1}]},
            [("steps.0", "Task must not contain control characters")],
        ),
        ({"steps": [{"do": "create_task", "name": "x", "days": -1}]}, [("steps.0", "Due in days must be")]),
        ({"steps": [{"do": "post_to_webhook", "webhook": theirs.pk}]}, [("steps.0", "There is no webhook")]),
        (
            {"steps": [{"do": "post_to_webhook", "webhook": deaf.pk}]},
            [("steps.0", "LeadEngine, the system of the webhook Deaf, never hears of lead.created.")],
        ),
        ({"event": "lead.deleted"}, [("steps.0", "Set a field: there is no lead to lead.deleted")]),
        (
            {
                "event": "product.created",
                "conditions": [],
                "steps": [{"do": "send_mail", "to": "lead", "subject": "s", "body": "b"}],
            },
            [("steps.0", "There is no lead to product.created")],
        ),
        (
            {"event": "lead.updated"},
            [("steps", "It would start itself again: “Set a field” brings about lead.updated.")],
        ),
    ]
    for sent, expected in cases:
        found = refusal(create(manager, **sent))
        assert [field for field, _ in found] == [field for field, _ in expected], (sent, found)
        for (_, said), (_, begins) in zip(found, expected, strict=True):
            assert said.startswith(begins), (sent, said)
    assert not Automation.objects.exists()


EVERYTHING = dict.fromkeys(
    ("person", "office", "field", "value", "tag", "list", "name", "days", "owner", "to", "subject", "body"), VALUES
)
STEP = st.fixed_dictionaries(
    {"do": st.sampled_from([*ACTIONS, "", None])}, optional={**EVERYTHING, "wait": VALUES, "webhook": VALUES}
)
PARTS = {
    "name": VALUES,
    "kind": st.sampled_from(["rule", "automation", "x", None, 1]),
    "is_active": VALUES,
    "event": st.one_of(st.sampled_from(EVENTS), VALUES),
    "conditions": st.one_of(
        VALUES,
        st.lists(
            st.fixed_dictionaries(
                {"field": st.sampled_from(["score", "tags", "x"]), "op": st.sampled_from(OPERATORS), "value": VALUES}
            ),
            max_size=2,
        ),
    ),
    "steps": st.one_of(VALUES, st.lists(STEP, max_size=3)),
}


@MANY
@given(
    sent=st.dictionaries(st.sampled_from(sorted(PARTS)), st.none(), max_size=4).flatmap(
        lambda keys: st.fixed_dictionaries({key: PARTS[key] for key in keys})
    )
)
def test_whatever_is_sent_is_stored_or_refused(manager: KeyClient, sent: dict[str, Any]):
    try:
        body = json.dumps(NEW | sent)
    except ValueError:
        return
    made = create(manager)
    assert made.status_code == 201
    for answer in (manager.send("POST", PATH, body), manager.send("PATCH", made["Location"], json.dumps(sent))):
        assert answer.status_code in (200, 201, 400), (sent, answer.content)
        if answer.status_code == 400:
            assert list(answer.json()) == ["status", "code", "message", "errors", "request_id"]
    # What was stored can be read, rehearsed, and stored again.
    for stored in manager.get(PATH).json()["data"]:
        path = f"{PATH}/{stored['id']}"
        assert manager.send("POST", f"{path}/rehearse", {}).status_code == 200
        assert manager.send("PATCH", path, stored).json()["steps"] == stored["steps"]
    Automation.objects.all().delete()


def test_a_change_is_judged_as_a_whole(manager: KeyClient):
    path = create(manager)["Location"]
    found = refusal(manager.send("PATCH", path, {"event": "lead.score_changed"}))
    assert found[0][0] == "steps" and "start itself again" in found[0][1]
    condition = {"field": "score", "op": "less", "value": 50}
    assert manager.send("PATCH", path, {"event": "lead.score_changed", "conditions": [condition]}).status_code == 200
    assert manager.send("PATCH", path, {"kind": "automation"}).status_code == 200
    steps = [NEW["steps"][0] | {"wait": 60}]
    assert manager.send("PATCH", path, {"steps": steps}).status_code == 200
    assert refusal(manager.send("PATCH", path, {"kind": "rule"}))[0][0] == "steps.0"


def test_conditions_of_other_records(manager: KeyClient):
    condition = {"field": "category", "op": "is", "value": "call"}
    response = create(manager, event="task.completed", conditions=[condition])
    assert response.status_code == 201
    assert refusal(create(manager, event="task.completed"))[0] == (
        "conditions.0",
        "There is no field “source”. Choose another one, or remove the filter.",
    )


def test_a_rehearsal_shows_what_would_have_been_done_and_does_nothing(manager: KeyClient, world: World):
    for source in ("rightmove", "zoopla"):
        factories.lead(source=source, first_name=source.capitalize())
    made = create(
        manager,
        steps=[*NEW["steps"], {"do": "send_mail", "to": "lead", "subject": "Hello {first_name}", "body": "b"}],
    )
    before = (Event.objects.count(), Run.objects.count(), Task.objects.count())
    answer = manager.send("POST", f"{made['Location']}/rehearse", {}).json()
    # The four leads of the world are events as well.
    assert (answer["events"], answer["matches"]) == (5, 1)
    first, second = answer["data"][:2]
    assert (first["name"], first["matches"], first["unmet"], first["would"]) == (
        "Zoopla Hartley",
        False,
        "Source is “rightmove”",
        [],
    )
    assert second["matches"] and second["would"] == ["Set Score to 50", "Mail “Hello Rightmove” to the lead"]
    assert second["record"].startswith("lead/") and second["event"]
    assert before == (Event.objects.count(), Run.objects.count(), Task.objects.count())
    assert Lead.objects.filter(score=50).count() == 0
    check_shape(manager.send("POST", f"{made['Location']}/rehearse", {"limit": 3}), 400, "invalid")


def test_what_a_rule_uses_stays(manager: KeyClient, world: World):
    newsletter = LeadList.objects.get(account=world.account)
    spring = Campaign.objects.get(account=world.account, name="Spring")
    condition = {"field": "campaigns", "op": "is", "value": spring.pk}
    made = create(manager, steps=[{"do": "add_to_list", "list": newsletter.pk}], conditions=[condition])
    for path in (f"lists/{newsletter.pk}", f"campaigns/{spring.pk}"):
        body = check_shape(manager.delete(f"/api/v1/{path}"), 400, "invalid")
        assert "is used by the rule Greet. Change the rule first." in body["message"]
    assert manager.delete(made["Location"]).status_code == 204
    for path in (f"lists/{newsletter.pk}", f"campaigns/{spring.pk}"):
        assert manager.delete(f"/api/v1/{path}").status_code == 204


def test_an_unreadable_rule_cannot_be_rehearsed(manager: KeyClient, world: World):
    made = rule("lead.created", setting("score", 1), account=world.account, conditions=["?"])
    check_shape(manager.send("POST", f"{PATH}/{made.pk}/rehearse", {}), 400, "invalid")


@pytest.mark.parametrize("who", ["staff a", "auditor"])
def test_who_may_not(world: World, who: str):
    check_shape(create(world.client(who)), 403, "forbidden")
