"""LeadEngine's checklist, inbound: a test for each of its lines, and the proof that the tests would notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from leads import intake
from leads.models import ApiKey
from leads.scope import Scope
from tests.conformance.leadengine_fields import DEFAULTS, EXAMPLES, line, named
from tests.conformance.leadengine_inbound import Inbound
from tests.conformance.leadengine_inbound_rows import ROWS
from tests.conformance.leadengine_rows import entries
from tests.conformance.leadengine_world import FIRST
from tests.conformance.test_leadengine import NOWHERE, on_the_loopback
from tests.conformance.world import SALE, no_program
from tests.ground import Ground
from tests.receiver import Receiver
from webhooks import views
from webhooks.inbound import translate
from webhooks.inbound.parcel import Sender
from webhooks.wire import mapping

pytestmark = pytest.mark.django_db


def new_world() -> Inbound:
    with on_the_loopback():
        world = Inbound.new(NOWHERE, no_program)
        assert isinstance(world, Inbound)
        return replace(world.open(), client=None)


@pytest.fixture(scope="module")
def ground(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Ground[Inbound]]:
    with django_db_blocker.unblock():
        ground = Ground(new_world)
    yield ground
    with django_db_blocker.unblock():
        ground.close()


@pytest.fixture
def world(db, ground):
    with on_the_loopback():
        yield ground.rows().told_to(NOWHERE)


def test_every_line_has_its_row():
    """LE-97 to LE-162 are below; all others are in test_leadengine.py."""
    inbound = [3, *range(68, 97), *range(163, 170), 185]
    assert sorted(ROWS, key=lambda name: int(name[3:])) == [f"LE-{number}" for number in inbound]


@pytest.mark.parametrize("name", ROWS)
def test_leadengine(name, world):
    ROWS[name](world)


# The default fields, each mapped from a key of another system.

# What else a lead has to have.
MORE = {key: SALE[key] for key in ("type", "phone", "advert_address", "advert_postcode", "property_reference")}
OURS = {"contact_owner": "owner", "lead_source": "source", "name": "full_name"}
OURS |= {"postal_code": "postcode", "street_address": "address"}


def field_of(key: str) -> str:
    return OURS.get(key, key)


def arrived(world: Inbound) -> tuple[dict[str, Any], dict[str, Any]]:
    """Post a lead with all 65; what the API reads of it, and the entries of the next body that goes out."""
    world.colleague("dana")
    for key, make in (("lists", world.list_), ("campaigns", world.campaign)):
        for name in EXAMPLES[key]:
            make(name)
    rows = {field_of(key): f"lead/their_{key}" for key in DEFAULTS} | {key: f"lead/{key}" for key in MORE}
    world.door.mapping = [{"field": field, "path": path} for field, path in rows.items()]
    world.door.save()
    sent = {f"their_{key}": value for key, value in EXAMPLES.items()}
    lead = world.taken({"lead": sent | MORE})
    with Receiver() as receiver:
        world.told_to(receiver)
        body = world.moved(lead["id"], "Conversation", modified_date=MOVED["modified_date"])
    return lead, entries(body)


@pytest.fixture(scope="module")
def all_65(ground: Ground[Inbound], django_db_blocker: DjangoDbBlocker) -> Any:
    with django_db_blocker.unblock(), on_the_loopback():
        below = Ground(lambda: arrived(ground.rows().told_to(NOWHERE)))
        found = below.rows()
        below.close()
        return found


# What the change of status, without which LeadEngine tells nothing, has made of it.
MOVED = {
    "lead_status": "Conversation",
    "lead_status_history": [*EXAMPLES["lead_status_history"], "Conversation"],
    "modified_date": "2025-05-08T00:00:00Z",
}


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_default_field_is_mappable(key, all_65):
    """LE-97 to LE-162."""
    lead, told = all_65
    assert 97 <= line(key) <= 162
    held = lead["owner"] if key == "contact_owner" else lead[named(key)]
    assert held == EXAMPLES[key]
    assert told[key] == MOVED.get(key, EXAMPLES[key])


def test_business_email_is_mapped_once(world):
    """LE-108: the list's second business_email is the first one (LE-A3)."""
    with pytest.raises(ValueError, match="mapped twice"):
        mapping.read([{"field": "business_email", "path": path} for path in ("a", "b")])


def test_our_own_messages_and_changes_add_to_what_came(world):
    """LE-A33: what another system told is a base."""
    whole = {key: key for key in ("first_name", "last_name", *MORE)}
    world.mapped(whole | {"business_email": "email", "number_of_emails": "sent", "lead_status_history": "history"})
    pk = world.taken(SALE | {"sent": "5", "history": ["Follow Up"]})["id"]
    world.patched(pk, {"lead_status": "Opportunity"})
    world.message(pk, FIRST)
    lead = world.read(pk)
    assert (lead["number_of_emails"], lead["lead_status_history"]) == (6, ["Follow Up", "Opportunity"])


@pytest.mark.parametrize(
    ("field", "name"), [("lists", "Nowhere"), ("campaigns", "Nowhere"), ("owner", "x@example.com")]
)
def test_what_names_a_record_has_to_name_one_that_is_there(field, name, world):
    world.mapped({"business_email": "email", field: "named"})
    world.refused_post_of({"email": "a@example.com", "named": name}, "named", "reference")


# Sabotage


def fails(name: str, world: Inbound) -> None:
    with pytest.raises((AssertionError, KeyError, TypeError)):
        ROWS[name](world)


def test_a_field_that_cannot_be_mapped_is_noticed(world, monkeypatch):
    """Every one of the 65: what is left out of the translation is missing from the lead."""
    known, kept = mapping.translate, {"first_name", "last_name", "business_email", *MORE}

    def forgetful(document: Any, rows: Any, *more: Any) -> Any:
        return known(document, [row for row in rows if row.field in kept], *more)

    monkeypatch.setattr(mapping, "translate", forgetful)
    _, told = arrived(world)
    there = {key for key in DEFAULTS if told[key] == MOVED.get(key, EXAMPLES[key])}
    # The change that makes LeadEngine tell sets two of them itself.
    assert there == {"first_name", "last_name", "business_email", "lead_status", "modified_date"}


@pytest.mark.parametrize("name", ["LE-3", "LE-168", "LE-169"])
def test_leads_that_are_not_known_again_are_noticed(name, world, monkeypatch):
    monkeypatch.setattr(intake, "known", lambda *given: None)
    fails(name, world)


@pytest.mark.parametrize("name", [f"LE-{number}" for number in range(77, 81)])
def test_paths_that_are_names_alone_are_noticed(name, world, monkeypatch):
    """But for the flat one."""
    monkeypatch.setattr(mapping, "look_up", lambda document, path: [document[path]] if path in document else [])
    if name == "LE-77":
        ROWS[name](world)
    else:
        fails(name, world)


@pytest.mark.parametrize("name", ["LE-86", "LE-87", "LE-163", "LE-164", "LE-165"])
def test_keys_that_nobody_asks_for_are_noticed(name, world, monkeypatch):
    good = ApiKey.objects.get(account=world.account)
    monkeypatch.setattr(views, "sender", lambda *given: Sender("API key website", Scope.of(good.user, good), key=good))
    fails(name, world)


def test_old_keys_that_go_on_are_noticed(world, monkeypatch):
    known = ApiKey.regenerate
    monkeypatch.setattr(ApiKey, "regenerate", lambda key, grace: known(key, timedelta(days=1)))
    fails("LE-165", world)


def test_keys_in_addresses_are_noticed(world, monkeypatch):
    monkeypatch.setattr(views, "refuse_in_query", lambda query: None)
    fails("LE-85", world)


def test_a_list_that_is_forgotten_is_noticed(world, monkeypatch):
    monkeypatch.setattr(intake, "_union", lambda there, more: list(there))
    fails("LE-73", world)


def test_faults_that_nobody_tells_are_noticed(world, monkeypatch):
    monkeypatch.setattr(translate, "translate", lambda inbound, document: mapping.Mapped({"email": "a@example.com"}))
    fails("LE-167", world)
