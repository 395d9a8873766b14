"""The rows of LeadEngine's checklist about leads that come in: LE-3, LE-68 to LE-96, LE-163 to LE-169 and LE-185.

test_leadengine_inbound.py runs them. The lines come from section 3 and 5 of LeadEngine's help article on webhooks (read
2026-11-21); where it is silent or contradicts itself, the readings in docs/leadengine.md decide. That each default
field is mappable (LE-97 to LE-162 once more) is asked there as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from leads.models import ApiKey
from tests.admin.page import Page
from tests.conformance.leadengine_inbound import FLAT, PAGE, SAMPLE, Inbound
from webhooks.models import InboundWebhook, Receipt

Row = Callable[[Inbound], None]
ROWS: dict[str, Row] = {}


def row(*ids: int) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        for number in ids:
            assert f"LE-{number}" not in ROWS, number
            ROWS[f"LE-{number}"] = function
        return function

    return register


# What it is for


@row(3)
def create_and_update(world: Inbound) -> None:
    """One post makes a lead, the next one of the same person changes it (LE-A20, LE-A26)."""
    made = world.told()
    assert (made.status_code, made.data["status"], made.data["action"]) == (200, "success", "created")
    changed = world.told(SAMPLE | {"city": "Saint Paul"})
    assert changed.data == {"status": "success", "id": made.data["id"], "action": "updated"}
    assert world.read(made.data["id"])["city"] == "Saint Paul"
    assert world.count() == 1


@row(68)
def from_forms_crms_and_zapier(world: Inbound) -> None:
    """Each with a webhook of its own, its own names, and a source that says where the lead came from."""
    shapes: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
        "Form": ({"email": "your-email", "first_name": "your-name"}, {"your-email": "a@example.com", "your-name": "A"}),
        "CRM": ({"email": "contact/email"}, {"contact": {"email": "b@example.com"}}),
        "Zapier": ({"email": "Email Address"}, {"Email Address": "c@example.com"}),
    }
    for name, (rows, sent) in shapes.items():
        world.door = world.action(name=name, match="email", source=name.lower())
        world.mapped(rows)
        assert world.taken(sent)["source"] == name.lower()
    assert world.count() == 3


# Set-up


@row(69)
def receive_data(world: Inbound) -> None:
    """In the menu of the settings, beside those that send (LE-A24)."""
    home = Page(world.client.get(reverse("admin:index")))
    for name in ("webhooks_webhook_changelist", f"{PAGE}changelist"):
        assert reverse(f"admin:{name}") in home.links
    InboundWebhook.objects.all().delete()
    assert "Receive Data" in Page(world.admin(f"{PAGE}changelist")).text


@row(70)
def add_action(world: Inbound) -> None:
    assert reverse(f"admin:{PAGE}add") in Page(world.admin(f"{PAGE}changelist")).links
    assert world.action(name="Action").account == world.account


@row(71)
def name(world: Inbound) -> None:
    """It has to have one, of its own."""
    world.action(name="Zapier, staging")
    assert "Zapier, staging" in Page(world.admin(f"{PAGE}changelist")).text
    for wrong in ("", "Website", "x" * 101):
        response = world.submit("inboundwebhook_form", f"{PAGE}add", name=wrong)
        assert [*response.context["adminform"].form.errors] == ["name"]


@row(72)
def description(world: Inbound) -> None:
    door = world.action(name="Zapier", description="Leads of the landing page")
    assert world.details(door).form("inboundwebhook_form")["description"] == ["Leads of the landing page"]


@row(73)
def list_to_add_to(world: Inbound) -> None:
    """New leads and those that were there; without one, to none."""
    assert world.taken()["lists"] == []
    list_ = world.list_("Newsletter")
    response = world.submit("inboundwebhook_form", f"{PAGE}change", world.door.pk, list=str(list_))
    assert response.status_code == 302
    assert world.taken()["lists"] == ["Newsletter"]
    assert world.taken(SAMPLE | {"email": "new@example.com"})["lists"] == ["Newsletter"]
    assert world.taken()["lists"] == ["Newsletter"]


@row(74)
def mapping_in_set_up(world: Inbound) -> None:
    """Its page leads on to the mapping; until there is one, nothing is taken, and that is told."""
    door = world.door = world.action(name="Fresh")
    assert reverse(f"admin:{PAGE}mapping", args=[door.pk]) in world.details().links
    assert world.told().status_code == 422
    world.mapped({"business_email": "email"})
    assert world.taken()["business_email"] == SAMPLE["email"]


@row(75)
def property_and_source(world: Inbound) -> None:
    """A row is a field of ours, chosen by its name, and the string of its source (LE-A13)."""
    form = Page(world.mapping_page()).form("mapping-form")
    rows = {form[f"row-{number}-field"][0]: form[f"row-{number}-value"][0] for number in range(len(FLAT))}
    assert rows == FLAT
    text = Page(world.mapping_page()).text
    assert "Business e-mail" in text and "Mobile phone" in text


@row(76)
def until_all_are_mapped(world: Inbound) -> None:
    """As many rows as wanted, each field once."""
    world.mapped({"business_email": "email"})
    assert world.taken()["city"] is None
    world.mapped({"business_email": "email", "city": "city"})
    assert world.taken()["city"] == SAMPLE["city"]
    world.mapped(FLAT)
    assert world.taken()["state"] == SAMPLE["state"]
    page = world.pressed(world.mapping_page(), "_pick", "date")
    again = world.pressed(page, "_save", **{f"row-{len(FLAT)}-field": ["city"]})
    assert (again.status_code, "is filled by a row above" in Page(again).text) == (200, True)


@row(77)
def flat(world: Inbound) -> None:
    world.mapped({"business_email": "email"})
    assert world.taken({"email": "flat@example.com"})["business_email"] == "flat@example.com"


@row(78)
def nested(world: Inbound) -> None:
    world.mapped({"business_email": "contact/work/email"})
    sent = {"contact": {"work": {"email": "nested@example.com"}, "email": "no@example.com"}, "email": "no@example.com"}
    assert world.taken(sent)["business_email"] == "nested@example.com"


@row(79)
def separator(world: Inbound) -> None:
    """A slash parts; one within a name is ~1, a tilde ~0, and no other character means anything (LE-A15)."""
    world.mapped({"business_email": "a~1b/c.d", "city": "x~0y", "state": "p>q"})
    lead = world.taken({"a/b": {"c.d": "odd@example.com"}, "x~y": "Oxford", "p>q": "Oxfordshire"})
    assert (lead["business_email"], lead["city"], lead["state"]) == ("odd@example.com", "Oxford", "Oxfordshire")
    world.refused_post_of({"a": {"b": {"c": {"d": "odd@example.com"}}}}, "full_name", "contactable")


@row(80)
def arrays(world: Inbound) -> None:
    """All of it for a field of many values, added to what is there; the first one for a field of one (LE-A15)."""
    world.mapped({"business_email": "emails", "tags": "tags", "import_tags": "people/name", "city": "places/1"})
    sent = {
        "emails": ["", "array@example.com", "other@example.com"],
        "tags": ["Prospect", "Cars"],
        "people": [{"name": "Ann"}, {"age": 5}, {"name": "Ben"}],
        "places": ["Leeds", "Oxford"],
    }
    lead = world.taken(sent)
    assert (lead["business_email"], lead["city"]) == ("array@example.com", "Oxford")
    assert (lead["tags"], lead["import_tags"]) == (["Prospect", "Cars"], ["Ann", "Ben"])
    assert world.taken(sent | {"tags": ["cars", "Space"]})["tags"] == ["Prospect", "Cars", "Space"]


@row(81)
def url_to_copy(world: Inbound) -> None:
    """The whole of it, with a button that copies what it shows."""
    page = world.admin(f"{PAGE}change", world.door.pk).content.decode()
    assert f'id="inbound-address">{settings.SITE_URL}{world.address}</code>' in page
    assert 'data-copy-from="#inbound-address"' in page


# Endpoint and authentication


@row(82)
def endpoint(world: Inbound) -> None:
    """https://<host>/in/<webhook id>: the whole address, and no other one under it."""
    assert world.address == f"/in/{world.door.uid}"
    key = {"Authorization": f"Bearer {world.secret}"}
    assert world.request(**key).status_code == 200
    assert world.request(path=f"{world.address}/more", **key).status_code == 404


@row(83)
def id_of_its_own(world: Inbound) -> None:
    """Long enough that nobody finds one by trying, and never another's."""
    ids = {world.action(name=f"Number {number}").uid for number in range(5)} | {world.door.uid}
    assert len(ids) == 6
    assert {len(uid) for uid in ids} == {22}


@row(84)
def post(world: Inbound) -> None:
    assert world.told().status_code == 200


@row(185)
def other_methods(world: Inbound) -> None:
    """405 before all else: whatever the key, the id and the body; and nothing is kept."""
    for method in world.METHODS:
        for path in (world.address, "/in/nowhere"):
            for headers in ({}, {"Authorization": f"Bearer {world.secret}"}):
                response = world.request(method, b"no JSON", path, **headers)
                assert (response.status_code, response["Allow"]) == (405, "POST"), (method, path)
    assert not Receipt.objects.exists()
    assert world.count() == 0


@row(85)
def by_a_header(world: Inbound) -> None:
    """And by nothing else: a key in the address is refused, however good it is."""
    for name in ("key", "api_key", "access_token"):
        path = f"{world.address}?{name}={world.secret}"
        assert world.request(path=path).status_code == 400
        assert world.request(path=path, Authorization=f"Bearer {world.secret}").status_code == 400
    assert not Receipt.objects.exists()
    assert world.told().status_code == 200


@row(86)
def key_for_the_platform(world: Inbound) -> None:
    """Made in the admin, with the right to post leads and no other, shown once."""
    secret = world.key(name="Zapier")
    assert world.request(Authorization=f"Bearer {secret}").status_code == 200
    key = world.newest_key()
    assert (key.name, key.scopes, key.account) == ("Zapier", ["inbound:write"], world.account)
    assert secret not in world.admin("leads_apikey_change", key.pk).content.decode()
    assert Receipt.objects.get().sender == "API key Zapier"
    other = world.key(name="Reader", scopes=["leads:read"])
    assert world.request(Authorization=f"Bearer {other}").status_code == 401


@row(87)
def bearer(world: Inbound) -> None:
    """Authorization: Bearer and the key, in no other form (LE-A17)."""
    for given in (f"Bearer {world.secret}", f"bearer {world.secret}"):
        assert world.request(Authorization=given).status_code == 200
    for given in (world.secret, f"Basic {world.secret}", f"Token {world.secret}", "Bearer", f"Bearer{world.secret}"):
        assert world.request(Authorization=given).status_code == 401
    for name in ("X_API_Key", "Api_Key"):
        assert world.request(**{name: world.secret}).status_code == 401


# The sample's keys


def sample_key(key: str) -> Row:
    """What it holds arrives in its field, is another's when it changes, and is left alone when it does not come."""
    field = {path: field for field, path in FLAT.items()}[key]

    def check(world: Inbound) -> None:
        assert world.taken()[field] == SAMPLE[key]
        other = {"email": "other@example.com", "phone": "16666666666", "date": "2025-01-01T00:00:00Z"}.get(key, "Other")
        if key == "email":
            # Another one is somebody else.
            assert world.taken(SAMPLE | {key: other})["email"] == other
            assert world.count() == 2
            return
        assert world.taken(SAMPLE | {key: other})[field] == other
        assert world.taken({name: value for name, value in SAMPLE.items() if name != key})[field] == other
        assert world.count() == 1

    return check


for number, key in enumerate(SAMPLE, start=88):
    row(number)(sample_key(key))


# Trouble


@row(163)
def missing_key(world: Inbound) -> None:
    response = world.request()
    assert response.status_code == 401
    assert "API key" in response.data["message"]
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert not Receipt.objects.exists()


@row(164)
def invalid_key(world: Inbound) -> None:
    """Unknown, cut short or no longer good; nobody is told which, nor whether there is such a webhook (LE-A27)."""
    secret = world.key(name="Old")
    assert world.request(Authorization=f"Bearer {secret}").status_code == 200
    key = world.newest_key()
    assert world.admin("leads_apikey_revoke", key.pk, data={"_form_submitted": "True"}).status_code in (200, 302)
    told = set()
    for given in (secret, world.secret[:-1], f"{world.secret}x", "lck_" + "a" * 43, "wrong"):
        for path in (world.address, "/in/nowhere"):
            response = world.request(path=path, Authorization=f"Bearer {given}")
            assert response.status_code == 401
            told.add(response.data["message"])
    assert len(told) == 1


@row(165)
def key_regenerated(world: Inbound) -> None:
    """The old one stops at once, or after a grace; what the key may, and its name, stay."""
    old = world.key(name="Zapier")
    key = world.newest_key()
    new = world.regenerated(key, 0)
    assert world.request(Authorization=f"Bearer {old}").status_code == 401
    newest = world.regenerated(key, 3600)
    assert len({old, new, newest}) == 3
    for secret in (new, newest):
        assert world.request(Authorization=f"Bearer {secret}").status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(old_until=timezone.now())
    assert world.request(Authorization=f"Bearer {new}").status_code == 401
    assert world.request(Authorization=f"Bearer {newest}").status_code == 200
    assert {receipt.sender for receipt in Receipt.objects.all()} == {"API key Zapier"}


@row(166)
def wrong_id(world: Inbound) -> None:
    """404 to who has a key; the exact id is shown in the webhook's details."""
    key = {"Authorization": f"Bearer {world.secret}"}
    for uid in (world.door.uid[:-1], f"{world.door.uid}x", world.door.uid.swapcase(), "nowhere"):
        assert world.request(path=f"/in/{uid}", **key).status_code == 404
        assert world.request(path=f"/in/{uid}").status_code == 401
    assert world.door.uid in world.details().text
    assert not Receipt.objects.exists()


@row(167)
def no_data_arriving(world: Inbound) -> None:
    """A mapping that does not fit is told to the sender by path, kept as a receipt, and seen by Send Test."""
    world.mapped({"business_email": "contact/email"})
    world.refused_post_of(SAMPLE, "full_name", "contactable")
    receipt = Receipt.objects.get()
    assert receipt.status == "refused"
    page = world.pressed(world.mapping_page(), "_test", sample=json.dumps(SAMPLE), receipt="")
    assert "The test was refused." in Page(page).text
    world.refused_post_of({"contact": {"email": {"work": "a@example.com"}}}, "contact/email", "scalar")
    world.mapped({"business_email": "email"})
    page = world.pressed(world.mapping_page(), "_test", sample=json.dumps(SAMPLE), receipt="")
    assert "The test passed." in Page(page).text
    assert world.count() == 0


@row(168)
def duplicate_leads(world: Inbound) -> None:
    """Without the field that leads are known by, each post is a new lead: the mapping page warns of it."""
    rows = {"personal_email": "email", "city": "city"}
    world.mapped(rows)
    assert {world.told().data["action"] for _ in range(2)} == {"created"}
    assert world.count() == 2
    warning = "Business e-mail is not mapped"
    assert warning in Page(world.mapping_page()).text
    world.mapped(rows | {"business_email": "email"})
    assert warning not in Page(world.mapping_page()).text
    assert [world.told().data["action"] for _ in range(2)] == ["created", "updated"]
    assert world.count() == 3


@row(169)
def deduplication(world: Inbound) -> None:
    """By business_email however it is written, or by another field that is unique (LE-A19)."""
    pk = world.told(SAMPLE | {"email": "jos\u00e9@leadmagnets.io"}).data["id"]
    for same in ("JOS\u00c9@leadmagnets.io", "jose\u0301@LeadMagnets.io"):
        assert world.told(SAMPLE | {"email": same}).data == {"status": "success", "id": pk, "action": "updated"}, same
    given = {"key": "customer_number", "label": "Customer number", "type": "text", "unique": True}
    world.made("custom-fields/", given)
    response = world.submit(
        "inboundwebhook_form", f"{PAGE}change", world.door.pk, match="custom_fields.customer_number"
    )
    assert response.status_code == 302, response.context["adminform"].form.errors
    world.mapped({"custom_fields.customer_number": "number", "personal_email": "email"})
    actions = [
        world.told({"number": number, "email": f"{place}@example.com"}).data["action"]
        for place, number in enumerate(["C-1", "c-1 ", "C-2"])
    ]
    assert actions == ["created", "updated", "created"]
