"""/api/v1/inbound-webhooks and their receipts, as an integrator meets them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from leads.models import CustomField, Lead, LeadList
from leads.models.apikey import Scope
from tests.api.conftest import KeyClient, World, check_shape, key_of
from tests.webhooks.inbound.conftest import MAPPING, SAMPLE
from webhooks.models import InboundWebhook, Receipt

pytestmark = pytest.mark.django_db

API = "/api/v1/inbound-webhooks"
NEW = {"name": "Zapier", "mapping": MAPPING}
SECRET = "a secret of the sender's own"


@pytest.fixture
def manager(world: World) -> KeyClient:
    return world.client("manager")


@pytest.fixture
def inbound(world: World) -> InboundWebhook:
    return InboundWebhook.objects.create(account=world.account, name="Website", mapping=MAPPING)


def post(world: World, address: str, document: Any, **headers: str) -> Any:
    """As the sender does, with a key of its own."""
    key = key_of(world.client("manager").key.user, world.account, [Scope.INBOUND_WRITE])
    given = {"Authorization": f"Bearer {key.secret}"} | headers
    path = "/in/" + address.rpartition("/in/")[2]
    return Client().generic("POST", path, json.dumps(document), content_type="application/json", headers=given)


def test_what_is_made_takes_leads(world, manager):
    newsletter = LeadList.objects.get(account=world.account)
    sent = NEW | {
        "description": "From Zapier",
        "match": "email",
        "update": "fill_empty",
        "protected": ["owner_id"],
        "only_path": "country",
        "only_values": ["United States"],
        "list_id": newsletter.pk,
        "office_id": world.a.pk,
        "source": "zapier",
    }
    response = manager.send("POST", API, sent)
    made = response.json()
    assert response.status_code == 201 and response["Location"] == f"{API}/{made['id']}"
    assert {key: made[key] for key in sent} == sent
    assert (made["enabled"], made["verification"], made["secret"]) == (True, "bearer", None)
    assert made["address"].endswith(f"/in/{made['webhook_id']}")
    assert made["warning"] == "email is not mapped: each post makes a new lead."
    answer = post(world, made["address"], SAMPLE)
    assert answer.json()["action"] == "created"
    lead = Lead.objects.get(pk=answer.json()["id"])
    assert (lead.office, lead.source, list(lead.lists.all())) == (world.a, "zapier", [newsletter])
    # What answers tell may be sent back.
    told = manager.send("GET", f"{API}/{made['id']}").json()
    assert "secret" not in told
    assert manager.send("PATCH", f"{API}/{made['id']}", told).json() == told
    assert [one["id"] for one in manager.send("GET", API).json()["data"]] == [made["id"]]
    off = manager.send("PATCH", f"{API}/{made['id']}", {"enabled": False, "match": ""}).json()
    assert (off["enabled"], off["match"], off["warning"]) == (False, "", None)
    assert post(world, made["address"], SAMPLE).status_code == 404
    assert manager.send("DELETE", f"{API}/{made['id']}").status_code == 204
    assert Receipt.objects.get().inbound is None


@pytest.mark.parametrize("verification", ["hmac", "standard", "jwt"])
def test_a_secret_is_told_in_the_answer_that_makes_it(manager, verification):
    response = manager.send("POST", API, NEW | {"verification": verification})
    made = response.json()
    assert made["secret"] == InboundWebhook.objects.get().secret and len(made["secret"]) > 40
    assert response["Cache-Control"] == "no-store"
    path = f"{API}/{made['id']}"
    assert made["secret"] not in manager.send("GET", path).content.decode()
    typed = manager.send("POST", API, NEW | {"name": "B", "verification": "hmac", "secret": SECRET}).json()
    assert typed["secret"] == SECRET
    # Who turns to a signature gets one as well.
    plain = manager.send("POST", API, NEW | {"name": "C"}).json()
    turned = manager.send("PATCH", f"{API}/{plain['id']}", {"verification": verification}).json()
    assert turned["secret"] == InboundWebhook.objects.get(pk=plain["id"]).secret
    assert "secret" not in manager.send("PATCH", f"{API}/{plain['id']}", {"name": "D"}).json()


def test_a_secret_is_rotated_with_a_grace(manager, inbound):
    path = f"{API}/{inbound.pk}/rotate-secret"
    check_shape(manager.send("POST", path), 409, "conflict")
    InboundWebhook.objects.update(verification="hmac", secret=SECRET)
    response = manager.send("POST", path, {"keep_days": 2})
    stored = InboundWebhook.objects.get()
    assert response.json()["secret"] == stored.secret and response.json()["secret_until"]
    assert list(stored.secrets(timezone.now())) == [stored.secret, SECRET]
    assert "still good" in check_shape(manager.send("POST", path), 409, "conflict")["message"]
    InboundWebhook.objects.update(old_secret="", old_secret_until=None)
    for body, field in (
        ({"keep_days": 8}, "keep_days"),
        ({"keep_days": "1"}, "keep_days"),
        ({"keep_days": True}, "keep_days"),
        ({"secret": "short"}, "secret"),
        ({"secret": 5}, "secret"),
        ({"days": 1}, "days"),
    ):
        check_shape(manager.send("POST", path, body), 400, "invalid", fields=[field])
    assert InboundWebhook.objects.get().secret == stored.secret
    at_once = manager.send("POST", path, {"keep_days": 0, "secret": SECRET}).json()
    assert at_once == {"secret": SECRET, "secret_until": None}


ROW = {"field": "city", "path": "city"}


@pytest.mark.ordinary
@pytest.mark.parametrize(
    ("sent", "field", "rule"),
    [
        ({"name": None}, "name", "required"),
        ({"name": "Website"}, "name", "unique"),
        ({"nonsense": 1}, "nonsense", "unknown"),
        ({"enabled": "yes"}, "enabled", "boolean"),
        ({"verification": "magic"}, "verification", "choice"),
        ({"update": "sometimes"}, "update", "choice"),
        ({"match": "postcode"}, "match", "choice"),
        ({"match": ["email"]}, "match", "text"),
        ({"protected": "owner_id"}, "protected", "texts"),
        ({"protected": ["owner"]}, "protected", "choice"),
        ({"protected": [{}]}, "protected", "texts"),
        ({"only_path": "a//b", "only_values": ["x"]}, "only_path", "path"),
        ({"only_path": "a", "only_values": [1]}, "only_values", "texts"),
        ({"only_path": "a", "only_values": ["x"] * 51}, "only_values", "texts"),
        ({"only_values": ["x"]}, "only_path", "required"),
        ({"verification": "hmac", "signature_header": "X Y"}, "signature_header", "header"),
        ({"verification": "hmac", "secret": "short"}, "secret", "secret"),
        ({"verification": "hmac", "secret": 12345678901234567}, "secret", "text"),
        ({"secret": SECRET}, "secret", "secret"),
        ({"list_id": 10**9}, "list_id", "reference"),
        ({"office_id": "a"}, "office_id", "reference"),
        ({"owner_id": 10**9}, "owner_id", "reference"),
        ({"description": "x" * 2001}, "description", "length"),
        ({"mapping": {"city": "city"}}, "mapping", "rows"),
        ({"mapping": [ROW] * 201}, "mapping", "rows"),
        ({"mapping": ["city"]}, "mapping.0", "mapping"),
        ({"mapping": [{"field": "city"}]}, "mapping.0", "mapping"),
        ({"mapping": [ROW, {"field": "town", "path": "town"}]}, "mapping.1", "unknown"),
        ({"mapping": [{"field": "parent_id", "path": "/x"}]}, "mapping.0", "mapping"),
        ({"mapping": [ROW, {"field": "city", "path": "town"}]}, "mapping.1", "twice"),
        ({"mapping": [ROW | {"steps": [{"do": "burn"}]}]}, "mapping.0", "mapping"),
        ({"mapping": [ROW | {"fallback": {"a": ["b\x07"]}}]}, "mapping.0", "control_characters"),
        ({"mapping": [{"field": "custom_fields.gone", "path": "x"}]}, "mapping.0", "unknown"),
    ],
)
def test_bad_input_is_told_by_field_and_rule_and_stores_nothing(world, manager, inbound, sent, field, rule):
    before = InboundWebhook.objects.values().get()
    body = check_shape(manager.send("POST", API, NEW | sent), 400, "invalid", fields=[field])
    assert body["errors"][0]["rule"] == rule, body
    if "secret" not in sent and sent.get("name") != "Website":
        check_shape(manager.send("PATCH", f"{API}/{inbound.pk}", sent), 400, "invalid", fields=[field])
    assert InboundWebhook.objects.values().get() == before


def test_what_is_gone_meanwhile_stands_in_nobodys_way(world, manager, inbound):
    field = CustomField.objects.create(account=world.account, key="ref", label="Reference", kind="text", unique=True)
    path, row = f"{API}/{inbound.pk}", {"field": "custom_fields.ref", "path": "ref"}
    sent = {"match": "custom_fields.ref", "mapping": [row]}
    assert manager.send("PATCH", path, sent).json()["warning"] is None
    field.delete()
    assert manager.send("PATCH", path, {"description": "Ours"}).status_code == 200
    check_shape(manager.send("PATCH", path, {"match": "custom_fields.ref"}), 400, "invalid", fields=["match"])


def test_receipts_are_listed_read_and_processed_again(world, manager, inbound):
    inbound.mapping = [{"field": "business_email", "path": "name"}]
    inbound.save()
    assert post(world, inbound.uid, SAMPLE).status_code == 422
    assert post(world, inbound.uid, {"name": "jo@example.com"}).status_code == 200
    path = f"{API}/{inbound.pk}/receipts"
    applied, refused = manager.send("GET", path).json()["data"]
    assert (applied["status"], applied["action"], applied["errors"]) == ("applied", "created", [])
    assert (refused["status"], refused["answered"], refused["lead_id"]) == ("refused", 422, None)
    assert refused["errors"][0] | {"message": ""} == {
        "path": "name",
        "field": "business_email",
        "rule": "email",
        "message": "",
    }
    assert [one["id"] for one in manager.send("GET", f"{path}?status=refused").json()["data"]] == [refused["id"]]
    assert manager.send("GET", f"{path}?received_before=2026-01-01").json()["data"] == []
    check_shape(manager.send("GET", f"{path}?status=lost"), 400, "invalid", fields=["status"])
    one = f"{path}/{refused['id']}"
    assert json.loads(manager.send("GET", one).json()["body"]) == SAMPLE
    assert LogEntry.objects.get().object_id == str(refused["id"])
    # Still refused: told as its sender was.
    check_shape(manager.send("POST", f"{one}/process"), 422, "unprocessable", fields=["name"])
    manager.send("PATCH", f"{API}/{inbound.pk}", {"mapping": MAPPING})
    done = manager.send("POST", f"{one}/process").json()
    assert (done["status"], done["action"], done["tries"]) == ("applied", "created", 3)
    assert Lead.objects.get(pk=done["lead_id"]).business_email == SAMPLE["email"]


def test_all_refused_ones_are_processed_at_once(world, manager, inbound):
    InboundWebhook.objects.update(mapping=[])
    for name in ("a", "b"):
        post(world, inbound.uid, {"email": f"{name}@example.com"})
    post(world, inbound.uid, {"email": "no"})
    InboundWebhook.objects.update(mapping=MAPPING)
    answer = manager.send("POST", f"{API}/{inbound.pk}/process-refused")
    assert answer.json() == {"created": 2, "updated": 0, "ignored": 0, "tested": 0, "refused": 1, "left": 0}


def test_auditors_read_what_became_of_it_and_no_payload(world, inbound):
    receipt = Receipt.objects.create(inbound=inbound, account=world.account, uid="1", body=b"{}", status="refused")
    told = world.client("auditor").send("GET", f"{API}/{inbound.pk}/receipts/{receipt.pk}").json()
    assert (told["status"], told["headers"], told["body"]) == ("refused", None, None)
    assert not LogEntry.objects.exists()


def test_another_webhooks_receipt_is_as_missing(world, manager, inbound):
    other = InboundWebhook.objects.create(account=world.account, name="Other")
    receipt = Receipt.objects.create(inbound=other, account=world.account, uid="1", body=b"{}", status="refused")
    for method, end in (("GET", ""), ("POST", "/process")):
        path = f"{API}/{inbound.pk}/receipts/{receipt.pk}{end}"
        check_shape(manager.send(method, path), 404, "not_found")
    check_shape(manager.send("GET", f"{API}/x/receipts"), 404, "not_found")
