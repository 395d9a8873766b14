"""What follows from a lead's own values: lead status, owner, score, histories, dates, custom fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from leads.changes import unit
from leads.models import CustomField, Lead, User
from tests import factories
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def told() -> dict:
    return Event.objects.latest("id").frozen.data


def events() -> list[str]:
    return list(Event.objects.order_by("id").values_list("type", flat=True))


def save(lead: Lead, **values) -> list[str]:
    """What the change was told as."""
    before = Event.objects.count()
    for key, value in values.items():
        lead.set(key, value)
    lead.save()
    return events()[before:]


def custom(**values) -> CustomField:
    given = {"account": factories.account(), "key": "budget", "label": "Budget", "kind": "number"} | values
    return CustomField.objects.create(**given)


def test_a_lead_status_is_told_when_it_changes_and_not_at_birth():
    lead = factories.lead(lead_status="Conversation")
    assert events() == ["lead.created"]
    assert save(lead, lead_status="Needs Info") == ["lead.status_changed", "lead.field_changed", "lead.updated"]
    assert json.loads(Event.objects.latest("id").changes)["lead_status"] == ["Conversation", "Needs Info"]
    assert save(lead, lead_status="Needs Info") == []


def test_a_first_lead_status_has_no_previous_one():
    lead = factories.lead()
    assert "lead.status_changed" in save(lead, lead_status="Unknown")
    assert json.loads(Event.objects.latest("id").changes)["lead_status"] == [None, "Unknown"]


def test_histories_follow_their_fields():
    lead = factories.lead(lead_status="Conversation", sentiment="warm")
    save(lead, lead_status="Needs Info", life_cycle="customer")
    save(lead, lead_status="Conversation", sentiment="cold")
    snapshot = told()
    assert snapshot["lead_status_history"] == ["Conversation", "Needs Info", "Conversation"]
    assert (snapshot["life_cycle_history"], snapshot["sentiment_history"]) == (["customer"], ["warm", "cold"])
    Lead.objects.update(lead_status="Opportunity")
    assert told()["lead_status_history"][-1] == "Opportunity"


def test_a_status_that_comes_back_in_one_unit_leaves_no_trace():
    lead = factories.lead(lead_status="Needs Info")
    with unit():
        for status in ("Conversation", "Needs Info"):
            save(lead, lead_status=status)
    assert events() == ["lead.created"]
    assert Lead.objects.get().get("lead_status_history") == ["Needs Info"]


def test_each_status_of_one_unit_is_in_the_history():
    lead = factories.lead()
    with unit():
        for status in ("Conversation", "Needs Info"):
            save(lead, lead_status=status)
    assert told()["lead_status_history"] == ["Conversation", "Needs Info"]


def test_a_history_that_was_imported_is_the_base():
    lead = factories.lead(lead_status_history=["Follow Up"], lead_status="Needs Info")
    assert told()["lead_status_history"] == ["Follow Up", "Needs Info"]
    save(lead, first_name="Bea")
    assert told()["lead_status_history"] == ["Follow Up", "Needs Info"]


def test_a_lead_status_cannot_be_emptied_or_invented():
    lead = factories.lead(lead_status="Conversation")
    for value, rule in ((None, "kept"), ("Maybe", "choice")):
        lead.lead_status = value
        with pytest.raises(ValidationError) as error:
            lead.save()
        assert error.value.error_dict["lead_status"][0].code == rule


def test_owner_and_score_are_told():
    dana = User.objects.create_user("dana", email="dana@example.com", first_name="Dana", last_name="Moss")
    lead = factories.lead()
    assert save(lead, owner_id=dana.pk, score=45) == [
        "lead.assigned",
        "lead.score_changed",
        "lead.field_changed",
        "lead.updated",
    ]
    snapshot, changes = told(), json.loads(Event.objects.latest("id").changes)
    assert (snapshot["owner"], snapshot["owner_name"], snapshot["score"]) == ("dana@example.com", "Dana Moss", 45)
    assert changes["owner"] == [None, "dana@example.com"]
    before = Event.objects.count()
    dana.delete()
    assert "lead.assigned" in events()[before:]
    assert told()["owner"] is None


def test_an_owner_without_an_address_is_told_by_name():
    factories.lead(owner_id=User.objects.create_user("dana").pk)
    assert (told()["owner"], told()["owner_name"]) == (None, "dana")


def test_an_owner_at_birth_is_told_after_the_birth():
    dana = User.objects.create_user("dana", email="dana@example.com")
    factories.lead(owner_id=dana.pk)
    assert events() == ["lead.created", "lead.assigned"]


def test_the_main_email_is_filled_at_birth_from_the_others():
    factories.lead(email=None, personal_email="home@example.com", business_email="work@example.com")
    assert told()["email"] == "work@example.com"
    factories.lead(email=None, personal_email="home@example.com")
    assert told()["email"] == "home@example.com"


def test_dates_are_whole_seconds_in_utc():
    lead = factories.lead(created_date="2024-12-02T15:05:38.250+01:00", last_email_open_date="2024-12-02")
    snapshot = told()
    assert (snapshot["created_date"], snapshot["last_email_open_date"]) == (
        "2024-12-02T14:05:38Z",
        "2024-12-02T00:00:00Z",
    )
    assert datetime.fromisoformat(snapshot["modified_date"]).microsecond == 0
    assert lead.created_at.year != 2024


def test_the_created_date_is_that_of_the_lead_unless_given():
    lead = factories.lead()
    assert told()["created_date"] == lead.created_at.astimezone(UTC).isoformat(timespec="seconds").replace(
        "+00:00", "Z"
    )


def test_the_modified_date_moves_with_each_change_only():
    lead = factories.lead(modified_date="2024-01-01T00:00:00Z")
    assert told()["modified_date"] == "2024-01-01T00:00:00Z"
    with unit():
        lead.score = 5
        lead.save()
        lead.score = 0
        lead.save()
    assert Lead.objects.get().get("modified_date") == "2024-01-01T00:00:00Z"
    save(lead, score=5)
    assert told()["modified_date"] > "2026"


def test_the_modified_date_can_be_set_alone():
    lead = factories.lead()
    assert save(lead, modified_date="2024-01-01T00:00:00Z") == []
    assert Lead.objects.get().get("modified_date") == "2024-01-01T00:00:00Z"


def test_an_old_copy_does_not_take_the_modified_date_back():
    old = factories.lead()
    Lead.objects.get().tags.create(account=old.account, name="vip")
    latest = Lead.objects.get().modified_date
    save(old, score=5)
    assert Lead.objects.get().modified_date > latest


def test_custom_fields_are_told_in_order_with_those_that_are_empty():
    custom(key="budget", position=2)
    custom(key="move_by", label="Move by", kind="date", position=1)
    lead = factories.lead(custom_fields={"budget": 5})
    assert list(told()["custom_fields"].items()) == [("move_by", None), ("budget", 5)]
    save(lead, custom_fields={"budget": None})
    assert told()["custom_fields"]["budget"] is None
    assert json.loads(Event.objects.latest("id").changes)["custom_fields.budget"] == [5, None]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", "three", 3),
        ("number", 1.5, "1.5"),
        ("yes_no", False, "no"),
        ("date", "2026-11-21", "21.11.2026"),
        ("choice", "red", "blue"),
        ("choices", ["red", "green"], ["red", "blue"]),
    ],
)
def test_a_custom_value_has_the_type_of_its_field(kind, good, bad):
    custom(kind=kind, choices=["red", "green"])
    factories.lead(custom_fields={"budget": good})
    assert told()["custom_fields"] == {"budget": good}
    for value in (bad, {"a": 1}, [["red"]]):
        with pytest.raises(ValidationError) as error:
            factories.lead(custom_fields={"budget": value})
        assert error.value.error_dict["custom_fields.budget"][0].code == kind
    assert Lead.objects.count() == 1


def test_a_custom_field_that_is_unset_at_birth_is_no_change():
    custom()
    factories.lead(custom_fields={"budget": None})
    assert "custom_fields.budget" not in json.loads(Event.objects.get().changes)


def test_a_value_outlives_its_custom_field_but_gets_no_other():
    field = custom()
    lead = factories.lead(custom_fields={"budget": 5})
    field.delete()
    save(lead, custom_fields={"budget": 5}, score=3)
    with pytest.raises(ValidationError):
        save(lead, custom_fields={"budget": 6})


def test_a_required_custom_field_is_asked_of_new_leads_and_of_who_empties_it():
    old = factories.lead()
    custom(required=True)
    with pytest.raises(ValidationError) as error:
        factories.lead()
    assert error.value.error_dict["custom_fields.budget"][0].code == "required"
    save(old, score=3)
    save(old, custom_fields={"budget": 4})
    with pytest.raises(ValidationError):
        save(old, custom_fields={})


def test_an_unknown_custom_field_is_refused():
    with pytest.raises(ValidationError) as error:
        factories.lead(custom_fields={"nowhere": 1})
    assert error.value.error_dict["custom_fields.nowhere"][0].code == "unknown"


@pytest.mark.parametrize(
    "key",
    [
        *("Budget", "1st", "a-b", "", "x" * 51),
        *("email", "owner_name", "name", "lead_source", "street_address", "postal_code", "contact_owner"),
    ],
)
def test_a_custom_key_is_plain_and_none_that_every_lead_has(key):
    with pytest.raises(ValidationError):
        CustomField(account=factories.account(), key=key, label="x").full_clean()
