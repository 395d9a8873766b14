"""A file becomes leads: by the mapping and the policy of its import, in batches, each row exactly once."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError
from django.utils import timezone

from leads import intake_bulk, roles
from leads.imports import columns, reading, work
from leads.imports.columns import Column
from leads.intake import Policy
from leads.merge import merge
from leads.models import CustomField, ImportPart, ImportRefusal, Lead, LeadImport, LeadList, Tag
from leads.models.lead_import import ImportState
from leads.scope import Scope
from tests import factories
from tests.admin.conftest import new_user
from webhooks.models import Delivery, Event, Lane

pytestmark = pytest.mark.django_db

FIELDS = ("full_name", "business_email", "city", "tags")
HEADER = ["Name", "E-mail", "City", "Tags"]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(work, "BATCH", 3)


@pytest.fixture
def manager():
    return new_user("manager", factories.account(), role=roles.MANAGER)


def made(rows: Sequence[Sequence[str]], by: Any, fields=FIELDS, header=HEADER, **values: Any) -> LeadImport:
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])
    chosen = [Column(place, field, values.pop(f"by_{field}", "")) for place, field in enumerate(fields) if field]
    job = LeadImport(
        account=values.pop("account", None) or factories.account(),
        started_by=by,
        name="fair.csv",
        columns=columns.stored(chosen),
        **{"match": "business_email"} | values,
    )
    return work.store(job, reading.read(io.BytesIO(file.getvalue().encode())))


def checked(job: LeadImport) -> LeadImport:
    assert work.check(job)
    work.work(job.pk)
    job.refresh_from_db()
    return job


def ran(job: LeadImport) -> LeadImport:
    assert work.run(job)
    work.work(job.pk)
    job.refresh_from_db()
    return job


def counts(job: LeadImport) -> tuple[int, int, int]:
    return job.created, job.updated, job.refused


def people(number: int) -> list[list[str]]:
    return [[f"Person {each}", f"person{each}@example.com", "York", "fair; vip"] for each in range(number)]


def test_rows_become_leads_with_their_events(manager):
    factories.webhook(dialect="standard")
    LeadList.objects.create(account=factories.account(), name="Fair 2026")
    job = ran(made(people(7), manager, source="fair", lists=["Fair 2026"], tags=["import"]))
    assert (job.state, counts(job), job.done) == (ImportState.DONE, (7, 0, 0), 7)
    lead = Lead.objects.get(business_email="person6@example.com")
    assert (lead.full_name, lead.email, lead.source, lead.get("city")) == (
        "Person 6",
        "person6@example.com",
        "fair",
        "York",
    )
    assert lead.get("tags") == ["fair", "vip", "import"] and lead.get("lists") == ["Fair 2026"]
    assert Tag.objects.count() == 3 and lead.version == 1
    event = Event.objects.get(record_id=lead.pk)
    assert (event.type, event.actor_kind, event.actor_id, event.actor_name) == (
        "lead.created",
        "import",
        job.pk,
        "fair.csv",
    )
    assert set(Delivery.objects.values_list("lane", flat=True)) == {Lane.BULK}
    assert not ImportPart.objects.exists(), "personal data is not kept twice"


def test_leads_that_are_there_are_updated_by_the_policy(manager):
    factories.lead(type=None, business_email="Person1@Example.com", city="Leeds", tags=["old"], last_name="Kept")
    job = ran(made(people(3), manager, update="overwrite", protected=["city"]))
    assert counts(job) == (2, 1, 0)
    lead = Lead.objects.get(last_name="Kept")
    assert lead.full_name == "Person 1" and lead.get("city") == "Leeds" and lead.version == 2
    assert lead.get("tags") == ["old", "fair", "vip"]
    again = ran(made(people(3), manager, update="keep"))
    assert counts(again) == (0, 3, 0)
    lead.refresh_from_db()
    assert lead.version == 2, "nothing came of it"


def test_a_key_twice_in_the_file_makes_one_lead(manager):
    rows = [["Ann", "ann@example.com", "York", ""], ["Ben", "ben@example.com", "York", ""]]
    rows += [["", "ANN@example.com", "Leeds", "late"], ["", "", "", "x"], ["Ann B", "ann@example.com ", "", ""]]
    factories.webhook(dialect="standard")
    assert counts(checked(made(rows, manager))) == (2, 2, 1)
    assert not Lead.objects.exists() and not Event.objects.exists(), "a check stores and tells nothing"
    job = ran(LeadImport.objects.get())
    assert counts(job) == (2, 2, 1)
    ann = Lead.objects.get(business_email_key="ann@example.com")
    assert (ann.full_name, ann.get("city"), ann.get("tags")) == ("Ann B", "Leeds", ["late"])
    assert Lead.objects.count() == 2


def test_a_row_that_breaks_rules_is_kept_with_what_is_wrong(manager):
    rows = [*people(2), ["Cy", "not an address", "York", ""], ["Di", "di@example.com", "York\x07", ""], ["a"] * 5]
    job = ran(made(rows, manager))
    assert counts(job) == (2, 0, 3) and Lead.objects.count() == 2
    first, second, third = ImportRefusal.objects.all()
    assert (first.number, first.row) == (4, ["Cy", "not an address", "York"])
    assert first.faults == ["Business e-mail must be an e-mail address such as name@example.com."]
    assert second.row[2] == "York\x07" and "City" in second.faults[0]
    assert "5 cells" in third.faults[0]
    assert job.faults[first.faults[0]] == 1


def test_the_check_says_what_the_run_does(manager):
    factories.lead(type=None, business_email="person1@example.com")
    rows = [*people(4), ["Bad", "bad", "", ""], ["Person 3 b", "PERSON3@example.com", "", ""]]
    job = checked(made(rows, manager))
    assert (job.state, counts(job)) == (ImportState.CHECKED, (3, 2, 1))
    assert ImportRefusal.objects.count() == 1
    assert counts(ran(job)) == (3, 2, 1)
    assert ImportRefusal.objects.count() == 1


def test_values_are_read_as_their_fields_want_them(manager):
    account = factories.account()
    CustomField.objects.create(account=account, key="moves", label="Moves", kind="date")
    CustomField.objects.create(account=account, key="owns", label="Owns", kind="yes_no")
    fields = ("full_name", "score", "last_contacted", "tags", "custom_fields.moves", "custom_fields.owns", "phone")
    rows = [["Ann", "1,200", "21/11/2026 09:30", "a|b", "3.4.2026", "Yes", "'+44 7123 456789"]]
    job = made(
        rows,
        manager,
        fields,
        list("ABCDEFG"),
        match="",
        by_last_contacted="dmy",
        by_tags="|",
        **{"by_custom_fields.moves": "dmy"},
    )
    assert counts(ran(job)) == (1, 0, 0), [one.faults for one in ImportRefusal.objects.all()]
    lead = Lead.objects.get()
    assert (lead.score, lead.get("last_contacted"), lead.get("tags"), lead.phone_e164) == (
        1200,
        "2026-11-21T09:30:00Z",
        ["a", "b"],
        "+447123456789",
    )
    assert lead.custom_fields == {"moves": "2026-04-03", "owns": True}


def test_staff_bring_leads_into_their_offices_and_find_no_others(manager):
    account, leeds, york = factories.account(), factories.office("Leeds"), factories.office("York")
    staff = new_user("staff", account, leeds, role=roles.STAFF)
    theirs = factories.lead(type=None, business_email="person0@example.com", office=york)
    rows = [[*row, office] for row, office in zip(people(3), ("Leeds", "York", ""), strict=True)]
    job = ran(made(rows, staff, (*FIELDS, "office_name"), [*HEADER, "Office"]))
    assert counts(job) == (2, 0, 1), "the office of somebody who has one is theirs where a row names none"
    assert {lead.office for lead in Lead.objects.exclude(pk=theirs.pk)} == {leeds}
    assert [one.number for one in ImportRefusal.objects.all()] == [3]
    assert counts(ran(made(people(3), staff, office=leeds))) == (1, 2, 0)


@pytest.mark.parametrize("how", ["left", "inactive", "rights", "account"])
def test_an_import_stops_with_the_rights_of_who_started_it(manager, how: str):
    job = made(people(2), manager)
    match how:
        case "left":
            manager.delete()
        case "inactive":
            manager.is_active = False
            manager.save()
        case "rights":
            manager.groups.clear()
        case "account":
            manager.membership.account = factories.account("Another")
            manager.membership.save()
    job = ran(LeadImport.objects.get())
    assert job.state == ImportState.FAILED and job.reason and not Lead.objects.exists()
    assert not ImportPart.objects.exists()  # the rows go with it


def test_unique_fields_and_leads_that_were_merged_are_known_as_by_every_other_way(manager):
    account = factories.account()
    CustomField.objects.create(account=account, key="number", label="Number", unique=True)
    fields, header = (*FIELDS, "custom_fields.number"), [*HEADER, "Number"]
    rows = [[*row, number] for row, number in zip(people(4), ("A-1", "A-2", "a-1", ""), strict=True)]
    job = ran(made(rows, manager, fields, header))
    assert counts(job) == (3, 1, 0)
    assert Lead.objects.get(custom_fields__number="a-1").business_email == "person2@example.com"
    assert counts(ran(made([["", "", "", "", "A-2"]], manager, fields, header, match="custom_fields.number"))) == (
        0,
        1,
        0,
    )
    CustomField.objects.all().delete()
    master, child = factories.lead(type=None), Lead.objects.get(business_email="person3@example.com")
    merge(Scope(account.pk, None), master.pk, [child.pk], {}, {one.pk: one.version for one in (master, child)})
    assert counts(ran(made([["Three", "person3@example.com", "Hull", ""]], manager))) == (0, 1, 0)
    master.refresh_from_db()
    assert master.get("city") == "Hull"


def test_rows_of_two_that_were_merged_are_both_laid_over_what_they_became(manager):
    kept = factories.lead(business_email="kept@example.com", city=None)
    gone = factories.lead(business_email="gone@example.com", city=None)
    scope = Scope(kept.account_id, None)
    merge(scope, kept.pk, [gone.pk], {}, {one.pk: one.version for one in (kept, gone)})
    rows = [["kept@example.com", "York", "", "fair"], ["gone@example.com", "", "Acme", "vip"]]
    fields = ("business_email", "city", "company_name", "tags")
    job = ran(made(rows, manager, fields, ["E-mail", "City", "Company", "Tags"]))
    assert counts(job) == (0, 2, 0)
    lead = Lead.objects.get()
    assert (lead.get("city"), lead.get("company_name"), sorted(lead.get("tags"))) == ("York", "Acme", ["fair", "vip"])


def test_new_leads_are_dealt_out(manager):
    mates = [new_user(name, factories.account(), role=roles.STAFF) for name in ("ann", "ben")]
    manager.membership.account = factories.account()
    job = ran(made(people(6), manager, assign="in_turn"))
    assert counts(job) == (6, 0, 0)
    assert {mate: Lead.objects.filter(owner=mate).count() for mate in (manager, *mates)} == {
        manager: 2,
        mates[0]: 2,
        mates[1]: 2,
    }
    assert counts(ran(made([["New", "new@example.com", "", ""]], manager, owner=mates[0]))) == (1, 0, 0)
    assert Lead.objects.get(full_name="New").owner == mates[0]


def test_many_names_for_one_office_are_looked_up_once(manager, django_assert_max_num_queries):
    factories.office("Leeds")
    rows = [[*row, "leeds"] for row in people(60)]
    given = [dict(zip((*FIELDS, "office_name"), row, strict=True)) | {"tags": ["a"]} for row in rows]
    with django_assert_max_num_queries(40):
        outcomes = intake_bulk.take_all(factories.account().pk, given, Policy(), Scope.of(manager))
    assert {one.action for one in outcomes} == {"created"} and Lead.objects.filter(office__name="Leeds").count() == 60


# --- one after the other, and again ---


def test_it_goes_on_where_it_was_and_stores_nothing_twice(manager, monkeypatch):
    job = made(people(8), manager)
    assert work.run(job)
    monkeypatch.setattr("leads.jobs._stops", [lambda: True])
    for done in (3, 6, 8):
        work.work(job.pk)  # a worker that stops after a batch
        job.refresh_from_db()
        assert job.done == done == Lead.objects.count()
    assert job.state == ImportState.DONE and work.waiting() == []
    work.work(job.pk)
    assert Lead.objects.count() == 8


def test_a_dead_worker_leaves_it_to_another_one(manager):
    job = made(people(2), manager)
    assert work.run(job) and work.waiting() == [(job.pk,)]
    LeadImport.objects.update(held_at=timezone.now())
    assert work.waiting() == []
    work.work(job.pk)
    assert not Lead.objects.exists(), "somebody has it in hand"
    LeadImport.objects.update(held_at=timezone.now() - work.HELD_FOR - timedelta(seconds=1))
    assert work.waiting() == [(job.pk,)]
    work.work(job.pk)
    assert Lead.objects.count() == 2


def test_whoever_lost_it_stores_nothing_more(manager):
    job = made(people(6), manager)
    assert work.run(job)
    LeadImport.objects.update(held_at=(mine := timezone.now()))
    hand = work._Hand(job.pk, mine)
    assert hand.step() and Lead.objects.count() == 3
    LeadImport.objects.update(held_at=timezone.now() + timedelta(seconds=1))
    assert not hand.step() and Lead.objects.count() == 3


def test_cancelled_it_keeps_what_is_stored_and_drops_the_rest(manager):
    job = made(people(6), manager)
    assert work.run(job)
    LeadImport.objects.update(held_at=(mine := timezone.now()))
    hand = work._Hand(job.pk, mine)
    hand.step()
    assert work.cancel(job) and not work.cancel(job)
    assert not hand.step()
    job.refresh_from_db()
    assert (job.state, job.done, Lead.objects.count()) == (ImportState.CANCELLED, 3, 3)
    assert not ImportPart.objects.exists() and not work.run(job)


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(manager, monkeypatch):
    whole = intake_bulk._Intake.take

    def take(self, rows, *rest):
        if any(row["full_name"] == "Person 1" for row in rows):
            raise DataError("no")
        return whole(self, rows, *rest)

    monkeypatch.setattr(intake_bulk._Intake, "take", take)
    job = ran(made(people(5), manager))
    assert (job.state, counts(job)) == (ImportState.DONE, (4, 0, 1))
    assert [one.number for one in ImportRefusal.objects.all()] == [3]


def test_rows_that_break_a_rule_only_at_their_end_do_not_hold_up_the_others(manager, monkeypatch):
    def check(before, after):
        if after["full_name"] == "Person 1":
            raise ValidationError({"full_name": "is not wanted"})

    monkeypatch.setattr(Lead, "check_rules", check)
    job = ran(made(people(5), manager))
    assert (job.state, counts(job), Lead.objects.count()) == (ImportState.DONE, (4, 0, 1), 4)
    assert ImportRefusal.objects.get().faults == ["Full name is not wanted."]


def test_a_check_that_is_interrupted_still_knows_what_it_has_seen(manager, monkeypatch):
    rows = [*people(4), ["Again", "person0@example.com", "", ""]]
    job = made(rows, manager)
    monkeypatch.setattr("leads.jobs._stops", [lambda: True])
    assert work.check(job)
    work.work(job.pk)
    work.work(job.pk)
    job.refresh_from_db()
    assert (job.state, counts(job)) == (ImportState.CHECKED, (4, 1, 0))


def test_what_goes_wrong_each_time_ends_it(manager, monkeypatch):
    """Or it would be taken in hand again and again, and wait for ever."""
    batches = iter([intake_bulk.take_all])

    def take_all(*arguments: Any) -> Any:
        return next(batches)(*arguments)

    monkeypatch.setattr(work, "take_all", take_all)
    job = ran(made([[f"Lead {number}", f"lead{number}@example.com", "", ""] for number in range(5)], manager))
    assert (job.state, job.done, Lead.objects.count()) == (ImportState.FAILED, 3, 3)
    assert "our log" in job.reason and work.waiting() == []
