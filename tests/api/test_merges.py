"""Leads are merged by the API, and what integrators then find."""

from __future__ import annotations

import json

import pytest

from leads.models import Lead, LeadList, Merge, Task
from tests import factories
from tests.api.conftest import check_shape, counts
from webhooks.models import Event

API = "/api/v1"


@pytest.fixture
def pair(world):
    master, child = world.lead_a, world.lead_b
    child.email, child.title = "ben@example.com", "Mr"
    child.set("city", "York")
    child.set("tags", ["vip"])
    child.save()
    return master, child


def merged(client, master, *children, **values):
    body = {"children": [child.pk for child in children], "values": values}
    return client.send("POST", f"{API}/leads/{master.pk}/merge", body)


def test_a_merge_and_its_way_back(manager, pair):
    master, child = pair
    before = [manager.get(f"{API}/leads/{lead.pk}").json() for lead in pair]
    response = merged(manager, master, child, email="ben@example.com")
    body = response.json()
    assert response.status_code == 201 and response["Location"] == f"{API}/merges/{body['id']}"
    assert (body["master_id"], body["children"], body["undone_at"]) == (master.pk, [child.pk], None)
    assert body["merged_by"] == manager.key.name
    lead = body.pop("lead")
    assert lead == manager.get(f"{API}/leads/{master.pk}").json()
    assert {key: lead[key] for key in ("first_name", "email", "title", "city", "tags")} == {
        "first_name": "Olivia",
        "email": "ben@example.com",
        "title": "Mr",
        "city": "York",
        "tags": ["vip"],
    }
    assert manager.get(response["Location"]).json() == body == manager.get(f"{API}/merges").json()["data"][0]
    undone = manager.send("POST", f"{API}/merges/{body['id']}/undo", {}).json()
    assert (undone["kept"], undone["undone_by"]) == ([], manager.key.name)
    after = [manager.get(f"{API}/leads/{lead.pk}").json() for lead in pair]
    assert [row | {"modified_date": None} for row in after] == [row | {"modified_date": None} for row in before]
    again = manager.send("POST", f"{API}/merges/{body['id']}/undo", {})
    told = check_shape(again, 409, "not_undone")["message"]
    assert told == f"Merge {body['id']} was undone already."


def test_what_was_changed_since_is_named_in_the_api_s_words(manager, pair):
    master, child = pair
    done = merged(manager, master, child)
    manager.send("PATCH", f"{API}/leads/{master.pk}", {"city": "Hull"})
    assert manager.send("POST", f"{API}/merges/{done.json()['id']}/undo", {}).json()["kept"] == ["city"]


@pytest.mark.parametrize(
    "method, below, body",
    [
        ("GET", "", None),
        ("PATCH", "", {"title": "Dr"}),
        ("DELETE", "", None),
        ("GET", "/messages", None),
        ("POST", "/messages", {"type": "inbound", "body": "Hello"}),
        ("POST", "/refer", {"office_id": 1}),
        ("POST", "/merge", {"children": [1]}),
    ],
)
def test_a_merged_lead_names_what_it_is_a_part_of(manager, pair, method, below, body):
    master, child = pair
    merged(manager, master, child)
    stored = counts()
    response = manager.send(method, f"{API}/leads/{child.pk}{below}", body)
    told = check_shape(response, 410, "merged")["message"]
    assert told == f"Lead {child.pk} was merged into lead {master.pk}."
    assert response["Location"] == f"{API}/leads/{master.pk}"
    assert counts() == stored


def test_who_does_not_reach_the_master_is_not_told_of_it(world, manager, pair):
    master, child = pair
    merged(manager, master, child)
    for who, path in (("staff b", f"leads/{child.pk}"), ("stranger", f"leads/{child.pk}"), ("staff b", "merges/1")):
        check_shape(world.client(who).get(f"{API}/{path}"), 404, "not_found")
    assert world.client("staff b").get(f"{API}/merges").json()["data"] == []
    assert world.client("staff a").get(f"{API}/leads/{child.pk}").status_code == 410


def test_it_is_on_no_list(world, manager, pair):
    master, child = pair
    merged(manager, master, child)
    listed = [row["id"] for row in manager.get(f"{API}/leads").json()["data"]]
    assert listed == [world.lead_free.pk, master.pk]
    for query in (f"office_id={world.b.pk}", "email=ben@example.com"):
        assert manager.get(f"{API}/leads?{query}").json()["data"] == []
    refused = manager.send("PATCH", f"{API}/leads/{master.pk}", {"parentId": child.pk})
    check_shape(refused, 400, "invalid", fields=["parentId"])
    assert manager.send("DELETE", f"{API}/offices/{world.b.pk}").status_code == 204


@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, ["children"]),
        ({"children": "7"}, ["children"]),
        ({"children": [True]}, ["children"]),
        ({"children": []}, ["children"]),
        ({"children": ["master"]}, ["children"]),
        ({"children": ["child", "child"]}, ["children"]),
        ({"children": ["strange"]}, ["children"]),
        ({"children": ["child"], "with": 1}, ["with"]),
        ({"children": ["child"], "values": []}, ["values"]),
        ({"children": ["child"], "values": {"tags": ["a"]}}, ["tags"]),
        ({"children": ["child"], "values": {"id": 7}}, ["id"]),
        ({"children": ["child"], "values": {"custom_fields": 7}}, ["custom_fields"]),
        ({"children": ["child"], "values": {"custom_fields": {"size": 7}}}, ["custom_fields.size"]),
        ({"children": ["child"], "values": {"email": "nobody", "score": 1.5}}, ["email", "score"]),
        ({"children": ["child"], "values": {"office_id": 10**9}}, ["office_id"]),
        ({"children": ["child"], "values": {"parentId": "child"}}, ["parentId"]),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None,
)
def test_what_is_refused_leaves_nothing(world, manager, pair, body, fields):
    master, child = pair
    names = {"master": master.pk, "child": child.pk, "strange": world.strange_lead.pk}
    if "parentId" in (body.get("values") or ()):
        body = body | {"values": {"parentId": child.pk}}
    if isinstance(body.get("children"), list):
        body = body | {"children": [names.get(one, one) for one in body["children"]]}
    stored = (counts(), Merge.objects.count(), Event.objects.count())
    response = manager.send("POST", f"{API}/leads/{master.pk}/merge", body)
    check_shape(response, 400, "invalid", fields=fields)
    assert (counts(), Merge.objects.count(), Event.objects.count()) == stored


def test_more_than_twenty(manager, world):
    children = [factories.lead(office=world.a) for _ in range(21)]
    check_shape(merged(manager, world.lead_a, *children), 400, "invalid", fields=["children"])
    assert merged(manager, world.lead_a, *children[:20]).status_code == 201


def test_staff_merge_leads_of_their_offices_and_auditors_none(world, pair):
    master, child = pair
    check_shape(merged(world.client("auditor"), master, child), 403, "forbidden")
    check_shape(merged(world.client("staff a"), master, child), 400, "invalid", fields=["children"])
    assert merged(world.client("staff of both"), master, child).status_code == 201


def test_what_is_deleted_with_the_master(world, manager, pair):
    master, child = pair
    LeadList.objects.get(account=world.account).leads.add(child)
    Task.objects.create(lead=child, name="Call", due_at=child.created_at)
    done = merged(manager, master, child).json()
    assert manager.delete(f"{API}/leads/{master.pk}").status_code == 204
    assert not Lead.with_merged.filter(pk__in=(master.pk, child.pk)).exists()
    check_shape(manager.get(f"{API}/leads/{child.pk}"), 404, "not_found")
    assert manager.get(f"{API}/merges/{done['id']}").json()["master_id"] is None
    check_shape(manager.send("POST", f"{API}/merges/{done['id']}/undo", {}), 409, "not_undone")
