"""Guarantee 1 on the CRM's side: what changed is told once, at the end of the unit of work, in its transaction."""

from __future__ import annotations

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from leads import changes
from leads.changes import acting, unit
from leads.events import LEAD_EVENTS
from leads.models import Lead, Message, Office, Tag, User
from leads.signals import Actor, happened
from tests import factories
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def types(facts):
    return [fact.type for fact in facts]


def test_a_new_lead_is_told_with_its_snapshot(told):
    office = factories.office()
    lead = factories.lead(office=office)
    (fact,) = told
    assert (fact.type, fact.record, fact.record_id, fact.version) == ("lead.created", "lead", lead.pk, 1)
    assert fact.label == "Olivia Hartley"
    assert fact.snapshot["office_name"] == "Leeds Central"
    assert fact.snapshot["account_name"] == "Northgate Homes"
    assert fact.snapshot["created_at"].endswith("Z")
    assert fact.snapshot["comparable_props"] == []
    assert fact.changes["full_name"] == (None, "Olivia Hartley")
    assert (lead.version, lead.callable, lead.phone_e164) == (1, True, "+447123456789")


def test_a_change_is_told_with_before_and_after_and_raises_the_version(told):
    lead = factories.lead()
    told.clear()
    lead.stage = "CONTACTED"
    lead.set("message", "When can I view?")
    lead.save()
    assert types(told) == ["lead.stage_changed", "lead.field_changed", "lead.updated"]
    stages = {stage.code: stage for stage in lead.pipeline.stages.all()}
    assert told[1].changes == {
        "stage": ("NEW", "CONTACTED"),
        "pipeline_stage_id": (stages["NEW"].pk, stages["CONTACTED"].pk),
        "stage_name": ("New", "Contacted"),
        "message": (None, "When can I view?"),
    }
    assert [fact.version for fact in told] == [2, 2, 2]
    assert Lead.objects.get().version == lead.version == 2


def test_saving_what_is_already_so_tells_nothing(told):
    lead = factories.lead()
    told.clear()
    lead.save()
    assert told == []
    assert Lead.objects.get().version == 1


def test_one_unit_tells_once_with_the_final_state(told):
    with unit():
        lead = factories.lead()
        lead.stage = "WON"
        lead.save()
        Lead.objects.filter(pk=lead.pk).update(source="walk-in")
    assert types(told) == ["lead.created"]
    assert told[0].snapshot["stage"] == "WON"
    assert told[0].snapshot["source"] == "walk-in"
    assert Lead.objects.get().version == 1


def test_there_and_back_tells_nothing(told):
    lead = factories.lead()
    told.clear()
    with unit():
        lead.stage = "WON"
        lead.save()
        lead.stage = "NEW"
        lead.save()
    assert told == []
    assert Lead.objects.get().version == 1


def test_a_rolled_back_unit_tells_nothing_and_stores_nothing(told):
    with pytest.raises(RuntimeError), unit():
        factories.lead()
        raise RuntimeError
    assert told == []
    assert not Lead.objects.exists()


def test_a_rolled_back_savepoint_tells_nothing_of_its_own(told):
    lead = factories.lead()
    told.clear()
    with unit():
        lead.source = "walk-in"
        lead.save()
        with pytest.raises(RuntimeError), unit():
            Lead.objects.filter(pk=lead.pk).update(stage="LOST")
            factories.lead(email="other@example.com")
            raise RuntimeError
    assert types(told) == ["lead.field_changed", "lead.updated"]
    assert told[0].changes == {"source": (None, "walk-in")}


def test_a_deletion_after_one_that_was_rolled_back_is_told_with_what_came_between(told):
    lead = factories.lead()
    told.clear()
    with unit():
        with pytest.raises(RuntimeError), transaction.atomic():
            Lead.objects.get().delete()
            raise RuntimeError
        Message.objects.create(lead=lead, type="inbound", body="Hello")
        Lead.objects.get().delete()
    assert types(told) == ["lead.deleted"]
    assert [message["body"] for message in told[0].snapshot["messages"]] == ["Hello"]


def test_what_is_noted_comes_first_and_each_thing_once(told):
    lead = factories.lead()
    dana = User.objects.create(username="dana")
    told.clear()
    with unit() as work:
        work.note(Lead, lead.pk, "form.submitted", {"form": {"id": 4}})
        for key, value in {"owner_id": dana.pk, "score": 4, "lead_status": "Needs Info", "stage": "WON"}.items():
            lead.set(key, value)
        lead.save()
    assert types(told) == list(LEAD_EVENTS)[1:-2]
    assert [fact.context for fact in told] == [{"form": {"id": 4}}, *[{}] * 6]


def test_what_no_system_could_read_is_not_noted():
    lead = factories.lead()
    with unit() as work, pytest.raises(ValidationError):
        work.note(Lead, lead.pk, "form.submitted", {"form": {"fields": {"Message": "\ud800"}}})


def test_a_receiver_that_raises_undoes_the_unit():
    def refuse(sender, **kwargs):
        raise RuntimeError

    happened.connect(refuse)
    try:
        with pytest.raises(RuntimeError):
            factories.lead()
    finally:
        happened.disconnect(refuse)
    assert not Lead.objects.exists()


def test_facts_are_told_before_the_commit():
    seen = []

    def look(sender, **kwargs):
        seen.append(transaction.get_connection().in_atomic_block)

    happened.connect(look)
    try:
        factories.lead()
    finally:
        happened.disconnect(look)
    assert seen == [True]


def test_what_a_receiver_writes_of_a_record_that_is_still_to_be_told_is_told_with_it(told, monkeypatch):
    monkeypatch.setattr(changes, "TOLD_AT_ONCE", 1)
    first, second = factories.lead(email="first@example.com"), factories.lead(email="second@example.com")
    told.clear()

    def answer(sender, facts, **kwargs):
        if facts[0].record_id == first.pk:
            Lead.objects.filter(pk=second.pk).update(score=9)

    happened.connect(answer)
    try:
        Lead.objects.update(source="walk-in")
    finally:
        happened.disconnect(answer)
    updates = [(fact.record_id, fact.version, fact.changes) for fact in told if fact.type == "lead.updated"]
    walked_in = {"source": (None, "walk-in")}
    assert updates == [(first.pk, 2, walked_in), (second.pk, 2, walked_in | {"score": (0, 9)})]


def test_a_save_tells_what_the_database_made_of_its_values(told):
    lead = factories.lead()
    told.clear()
    lead.score = "7"
    lead.details["meta"] = {"campaign": "spring"}
    lead.save()
    lead.details["meta"]["campaign"] = "autumn"
    assert told[-1].changes == {"score": (0, 7), "meta": (None, {"campaign": "spring"})}
    assert told[-1].snapshot["meta"] == {"campaign": "spring"}
    assert Lead.rows("default", [lead.pk])[lead.pk]["score"] == 7


def test_a_save_writes_what_differs_from_what_is_stored():
    lead = factories.new_lead()
    lead.details["comparable_props"] = [{"beds": 1}]
    lead.save()
    stale = Lead.objects.get(pk=lead.pk)
    Lead.objects.filter(pk=lead.pk).update(source="web")
    stale.details["comparable_props"] = [{"beds": True}]  # for Python the same
    with pytest.raises(ValidationError):
        stale.save()
    stale.details["comparable_props"] = [{"beds": 2}]
    stale.save()
    stored = Lead.objects.get(pk=lead.pk)
    assert (stored.source, stored.details["comparable_props"]) == (None, [{"beds": 2}])


def test_queryset_writes_are_told(told):
    leads = Lead.objects.bulk_create([factories.new_lead(email=f"lead{number}@example.com") for number in range(3)])
    assert types(told) == ["lead.created"] * 3
    assert {fact.record_id for fact in told} == {lead.pk for lead in leads}
    told.clear()
    Lead.objects.filter(pk__in=[lead.pk for lead in leads[:2]]).update(stage="LOST")
    assert types(told) == ["lead.stage_changed", "lead.field_changed", "lead.updated"] * 2
    told.clear()
    for lead in leads:
        lead.stage = "WON"
    Lead.objects.bulk_update(leads, ["stage"])
    assert [fact.changes["stage"] for fact in told if fact.type == "lead.updated"] == [
        ("LOST", "WON"),
        ("LOST", "WON"),
        ("NEW", "WON"),
    ]
    told.clear()
    Lead.objects.all().delete()
    assert types(told) == ["lead.deleted"] * 3
    assert told[0].snapshot["email"] == "lead0@example.com"


def test_database_expressions_are_read_back(told):
    lead = factories.lead(source="web")
    told.clear()
    Lead.objects.filter(pk=lead.pk).update(source=Concat(F("source"), Value("-form")))
    assert told[0].changes == {"source": ("web", "web-form")}
    told.clear()
    lead.refresh_from_db()
    lead.source = Concat(F("source"), Value("!"))
    lead.save()
    assert told[0].snapshot["source"] == "web-form!"


@pytest.mark.parametrize("option", ["ignore_conflicts", "update_conflicts"])
def test_bulk_create_refuses_what_it_cannot_tell(option):
    with pytest.raises(ValueError, match="neither ignore_conflicts nor update_conflicts"):
        Lead.objects.bulk_create([factories.new_lead()], **{option: True})


def test_what_follows_from_a_queryset_write_is_mended(told):
    lead = factories.lead()
    told.clear()
    Lead.objects.filter(pk=lead.pk).update(first_name="Ann", phone="+1 202 555 0134")
    lead.refresh_from_db()
    assert (lead.full_name, lead.phone_e164, lead.callable) == ("Ann Hartley", "+12025550134", False)
    assert told[0].snapshot["full_name"] == "Ann Hartley"


def test_a_stale_instance_writes_the_columns_it_names_and_nothing_else(told):
    lead = factories.lead()
    stale = Lead.objects.get()
    lead.first_name = "Bea"
    lead.save()
    told.clear()
    stale.stage = "WON"
    stale.save(update_fields=["stage"])
    assert {key: told[-1].changes[key] for key in ("stage", "stage_name")} == {
        "stage": ("NEW", "WON"),
        "stage_name": ("New", "Won"),
    }
    assert "full_name" not in told[-1].changes
    lead.refresh_from_db()
    assert (lead.full_name, lead.full_name_derived, lead.version) == ("Bea Hartley", True, 3)


def test_partial_saves_in_one_unit_add_up():
    lead = factories.lead()
    with unit():
        lead.first_name = "Bea"
        lead.save(update_fields=["first_name"])
        lead.last_name = "Jones"
        lead.save(update_fields=["last_name"])
    lead.refresh_from_db()
    assert (lead.full_name, lead.full_name_derived, lead.version) == ("Bea Jones", True, 2)


def test_a_partly_loaded_lead_can_be_saved(told, django_assert_max_num_queries):
    factories.lead()
    told.clear()
    lead = Lead.objects.only("first_name").get()
    lead.first_name = "Bea"
    with django_assert_max_num_queries(12):
        lead.save()
    assert told[-1].changes == {"first_name": ("Olivia", "Bea"), "full_name": ("Olivia Hartley", "Bea Hartley")}


def test_the_child_of_a_deleted_parent_is_told(told):
    parent = factories.lead()
    child = factories.lead(email="child@example.com", parent_id=parent.pk)
    told.clear()
    gone = parent.pk
    parent.delete()
    assert sorted(types(told)) == ["lead.deleted", "lead.field_changed", "lead.updated"]
    (updated,) = [fact for fact in told if fact.type == "lead.updated"]
    assert (updated.record_id, updated.changes) == (child.pk, {"parent_id": (gone, None)})


def test_no_write_gets_round_the_rules():
    lead = factories.lead()
    with pytest.raises(ValidationError) as error:
        Lead.objects.filter(pk=lead.pk).update(stage="complete")
    assert error.value.error_dict["stage"][0].code == "choice"
    with pytest.raises(ValidationError) as error:
        factories.lead(address=None)
    assert error.value.error_dict["address"][0].code == "required_address"
    assert Lead.objects.get().stage == "NEW"


def test_a_rule_made_stricter_since_is_asked_when_its_field_is_touched(settings):
    settings.LEADPRO_REFERENCE_REQUIRED = False
    sale = {"type": "sale", "advert_address": "1 Park Square", "advert_postcode": "LS1 2NL"}
    lead = factories.lead(**sale)
    settings.LEADPRO_REFERENCE_REQUIRED = True
    lead.stage = "WON"
    lead.save()
    assert Lead.objects.get().stage == "WON"
    with pytest.raises(ValidationError):
        factories.lead(**sale)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Lead.objects.update(stage="WON"),
        lambda: Lead.objects.update(lead_status="Needs Info"),
        lambda: Lead.objects.update(score=0),
        lambda: User.objects.all().delete(),
        lambda: Tag.objects.get(name="vip").delete(),
        lambda: Tag.objects.create(account=factories.account(), name="new").leads.set(Lead.objects.all()),
    ],
    ids=["stage", "with a history", "nothing", "owner goes", "tag goes", "tag comes"],
)
def test_many_rows_take_as_many_statements_as_few(write):
    def statements(count: int) -> int:
        Lead.objects.all().delete()
        owner = User.objects.create(username=f"owner of {count}")
        leads = [factories.new_lead(email=f"lead{number}@example.com", owner_id=owner.pk) for number in range(count)]
        Tag.objects.get_or_create(account=factories.account(), name="vip")[0].leads.set(Lead.objects.bulk_create(leads))
        with CaptureQueriesContext(connection) as captured:
            write()
        Tag.objects.all().delete()
        return len(captured)

    assert statements(40) == statements(3)


def test_a_lead_without_type_needs_one_way_to_reach_it():
    with pytest.raises(ValidationError) as error:
        Lead(account=factories.account()).save()
    assert error.value.error_dict["full_name"][0].code == "contactable"
    Lead(account=factories.account(), phone="not a number").save()
    lead = factories.lead()
    lead.type = None
    with pytest.raises(ValidationError) as error:
        lead.save()
    assert error.value.error_dict["type"][0].code == "type_kept"


def test_who_acted_is_told(told):
    with acting(Actor("user", 7, "Dana Moss")):
        factories.lead()
    factories.lead(email="other@example.com")
    assert [fact.actor.name for fact in told] == ["Dana Moss", "leadcrm"]


def test_loaddata_tells_nothing(told, tmp_path):
    lead = factories.lead()
    lead.tags.add(Tag.objects.create(account=lead.account, name="vip"))
    dump = tmp_path / "lead.json"
    dump.write_text(serializers.serialize("json", [lead]))
    lead.delete()
    told.clear()
    call_command("loaddata", str(dump), verbosity=0)
    assert told == []
    assert (Lead.objects.get().full_name, Lead.objects.get().get("tags")) == ("Olivia Hartley", ["vip"])


def test_the_demo_is_loaded_as_it_stands():
    call_command("loaddata", "demo", verbosity=0)
    assert set(Lead.objects.values_list("version", flat=True)) == {1}
    assert not Event.objects.exists()


def test_an_office_with_leads_stays():
    office = factories.office()
    factories.lead(office=office)
    with pytest.raises(Exception, match="protected"):
        office.delete()
    assert Office.objects.exists()
