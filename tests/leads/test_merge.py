"""Leads are merged, and it is undone: what the master becomes, what comes along, what is told, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from leads import merge as merging
from leads import roles
from leads.changes import acting
from leads.merge import merge, obstacle, undo, what_became_of
from leads.models import (
    Activity,
    ActivityType,
    Company,
    CustomField,
    Form,
    FormSubmission,
    Lead,
    LeadKey,
    LeadList,
    Merge,
    Message,
    Opportunity,
    OpportunityType,
    Pipeline,
    Stage,
    Tag,
    Task,
    User,
)
from leads.models.form import Outcome
from leads.scope import Scope
from leads.signals import Actor
from tests import factories
from tests.api.conftest import member
from webhooks.models import Event

pytestmark = pytest.mark.django_db

NOT_A_LEAD_S_STATE = ("version", "modified_date")


@pytest.fixture
def scope():
    return Scope(factories.account().pk, None)


@pytest.fixture
def ann():
    return factories.lead(type=None, first_name="Ann", last_name="Lee", email="ann@example.com", phone=None, score=5)


@pytest.fixture
def anna():
    return factories.lead(
        type=None, first_name="Anna", last_name="Lee", email="anna@example.com", phone="07700900123", city="Leeds"
    )


@pytest.fixture
def third():
    return factories.lead(type=None, first_name="A.", last_name="Lee", email="a.lee@example.com", score=7)


def newest(lead: Lead) -> Lead:
    return Lead.with_merged.get(pk=lead.pk)


def types(told, lead: Lead) -> list[str]:
    return [fact.type for fact in told if (fact.record, fact.record_id) == ("lead", lead.pk)]


def records(lead: Lead) -> dict[str, list]:
    """What hangs on the lead, by kind."""
    return {
        "messages": list(lead.messages.values_list("pk", flat=True)),
        "activities": list(lead.activities.values_list("pk", flat=True)),
        "opportunities": list(lead.opportunities.values_list("pk", flat=True)),
        "tasks": list(lead.tasks.values_list("pk", flat=True)),
        "submissions": list(lead.submissions.values_list("pk", flat=True)),
        "leads": list(lead.children.values_list("pk", flat=True)),
    }


def everything(*leads: Lead) -> list:
    """Rows with their labels and records, as the database has them, but for what counts changes."""
    found = []
    for lead in leads:
        row = dict(Lead.with_merged.filter(pk=lead.pk).values().get())
        for key in NOT_A_LEAD_S_STATE:
            del row[key]
        labels = {key: newest(lead).get(key) for key in ("tags", "lists", "campaigns")}
        found.append((row, labels, records(newest(lead))))
    return found


def fill(lead: Lead) -> None:
    """A record of each kind."""
    account = lead.account
    Message.objects.create(lead=lead, type="inbound", body=f"Hello from {lead}")
    Activity.objects.create(lead=lead, type=ActivityType.objects.get(account=account, code=21))
    Activity.objects.create(lead=lead, type=ActivityType.objects.get(account=account, code=30))
    kind = OpportunityType.objects.get(account=account)
    Opportunity.objects.create(lead=lead, type=kind, name="A house", stage=kind.stages[0])
    Task.objects.create(lead=lead, name="Call", due_at=timezone.now())
    form, _ = Form.objects.get_or_create(account=account, name="Hello", title="Hello")
    FormSubmission.objects.create(form=form, lead=lead, outcome=Outcome.LEAD, fields={"E-mail": lead.email})
    factories.lead(type=None, first_name="Below", last_name=str(lead.pk), parent_id=lead.pk)


# --- what the master becomes ---


def test_the_master_keeps_what_it_has_and_gets_what_it_lacks(scope, ann, anna):
    merge(scope, ann.pk, [anna.pk])
    master = newest(ann)
    assert (master.full_name, master.email, master.score) == ("Ann Lee", "ann@example.com", 5)
    assert (master.phone, master.phone_e164, master.get("city")) == ("07700900123", "+447700900123", "Leeds")
    assert newest(anna).merged_into == ann


def test_values_that_are_chosen(scope, ann, anna):
    won = factories.stage("WON")
    anna.set("stage", "WON")
    anna.save()
    values = {"email": "anna@example.com", "score": 0, "pipeline_stage_id": won.pk, "city": None}
    merge(scope, ann.pk, [anna.pk], values)
    master = newest(ann)
    assert (master.email, master.score, master.pipeline_stage, master.stage) == ("anna@example.com", 0, won, "WON")
    assert master.get("city") is None


def test_labels_are_united_and_messages_counted_together(scope, ann, anna, third):
    LeadList.objects.create(account=ann.account, name="Newsletter")
    for lead, tags in ((ann, ["vip", "Leeds"]), (anna, ["leeds", "buyer"]), (third, ["buyer"])):
        lead.set("tags", tags)
        lead.save()
    third.set("lists", ["Newsletter"])
    third.save()
    for lead in (ann, anna, anna):
        Message.objects.create(lead=Lead.objects.get(pk=lead.pk), type="outbound", body="Hello")
    merge(scope, ann.pk, [anna.pk, third.pk])
    master = newest(ann)
    assert (master.get("tags"), master.get("lists")) == (["vip", "Leeds", "buyer"], ["Newsletter"])
    assert (master.get("number_of_emails"), master.messages.count()) == (3, 3)


def test_custom_fields_one_by_one(scope, ann, anna):
    for key in ("budget", "garden"):
        CustomField.objects.create(account=ann.account, key=key, label=key, kind="number")
    for lead, values in ((ann, {"budget": 1}), (anna, {"budget": 2, "garden": 3})):
        lead.custom_fields = values
        lead.save()
    done = merge(scope, ann.pk, [anna.pk])
    assert newest(ann).custom_fields == {"budget": 1, "garden": 3}
    undo(done)
    merge(scope, ann.pk, [anna.pk], {"custom_fields": {"budget": 2}})
    assert newest(ann).custom_fields == {"budget": 2, "garden": 3}


def test_the_company_comes_along_while_it_is_there(scope, ann, anna):
    company = Company.objects.create(account=ann.account, name="Hartley Design")
    anna.set("company_id", company.pk)
    anna.save()
    done = merge(scope, ann.pk, [anna.pk])
    assert newest(ann).company == company
    undo(done)
    assert (newest(ann).company, newest(anna).company) == (None, company)


def test_what_is_filled_in_never_stands_in_the_way(scope, ann, anna):
    gone = member("gone", ann.account, roles.STAFF)
    anna.owner = gone
    anna.save()
    User.objects.filter(pk=gone.pk).update(is_active=False)
    merge(scope, ann.pk, [anna.pk])
    assert (newest(ann).owner, newest(ann).get("city")) == (None, "Leeds")


def test_what_is_chosen_is_judged(scope, ann, anna, told):
    told.clear()
    with pytest.raises(ValidationError) as refused:
        merge(scope, ann.pk, [anna.pk], {"email": "nobody", "score": "many"})
    assert set(refused.value.message_dict) == {"email", "score"}
    assert (newest(anna).merged_into, Merge.objects.count(), told) == (None, 0, [])


def test_the_family_stays_a_tree(scope, ann, anna, third):
    """Ann is below the third, which is below Anna, which becomes a part of Ann."""
    Lead.objects.filter(pk=third.pk).update(parent=anna)
    Lead.objects.filter(pk=ann.pk).update(parent=third)
    before = everything(ann, anna, third)
    done = merge(scope, ann.pk, [anna.pk])
    assert (newest(ann).parent, newest(third).parent) == (None, ann)
    undo(done)
    assert everything(ann, anna, third) == before


# --- what is told ---


def test_what_is_told_in_its_order(scope, ann, anna, third, told):
    Message.objects.create(lead=anna, type="inbound", body="Hello")
    versions = {lead.pk: newest(lead).version for lead in (ann, anna, third)}
    told.clear()
    with acting(Actor("user", 7, "Dana Moss")):
        done = merge(scope, ann.pk, [third.pk, anna.pk])
    assert [(fact.type, fact.record_id) for fact in told] == [
        ("lead.field_changed", ann.pk),
        ("lead.updated", ann.pk),
        ("lead.merged", ann.pk),
        ("lead.deleted", third.pk),
        ("lead.deleted", anna.pk),
    ]
    context = {"merge": {"id": done.pk, "master_id": ann.pk, "children": [third.pk, anna.pk], "undone": False}}
    assert [fact.context for fact in told] == [{}, {}, context, context, context]
    merged, deleted = told[2], told[4]
    assert merged.changes["phone"] == (None, "07123456789") and merged.snapshot["phone"] == "07123456789"
    assert [message["body"] for message in merged.snapshot["messages"]] == ["Hello"]
    assert [message["body"] for message in deleted.snapshot["messages"]] == ["Hello"]
    assert (deleted.snapshot["email"], deleted.changes) == ("anna@example.com", {})
    assert all(fact.version == versions[fact.record_id] + 1 for fact in told)
    assert {lead.pk: newest(lead).version for lead in (ann, anna, third)} == {pk: v + 1 for pk, v in versions.items()}
    assert {fact.actor.name for fact in told} == {"Dana Moss"} and done.merged_by == "Dana Moss"
    assert Event.objects.filter(type="lead.merged").get().frozen.context == context


def test_a_merge_is_told_though_no_field_changes(scope, ann, told):
    twin = factories.lead(type=None, first_name="Ann", last_name="Lee", email="ann@example.com", phone=None)
    told.clear()
    merge(scope, ann.pk, [twin.pk])
    assert types(told, ann) == ["lead.updated", "lead.merged"]
    assert [(fact.changes, fact.version) for fact in told][:2] == [({}, 2), ({}, 2)]


def test_what_undoing_tells(scope, ann, anna, told):
    anna.owner = member("dana", ann.account, roles.STAFF)
    anna.save()
    Message.objects.create(lead=anna, type="inbound", body="Hello")
    done = merge(scope, ann.pk, [anna.pk], {"owner_id": None})
    told.clear()
    undo(done)
    assert [(fact.type, fact.record_id) for fact in told] == [
        ("lead.created", anna.pk),
        ("lead.assigned", anna.pk),
        ("lead.field_changed", ann.pk),
        ("lead.updated", ann.pk),
    ]
    created, updated = told[0], told[3]
    assert created.changes["email"] == (None, "anna@example.com") and created.context["merge"]["undone"] is True
    assert [message["body"] for message in created.snapshot["messages"]] == ["Hello"]
    assert updated.changes["phone"] == ("07700900123", None) and updated.snapshot["messages"] == []
    assert (created.version, updated.version) == (newest(anna).version, newest(ann).version)


def test_records_that_move_are_told(scope, ann, anna, told):
    fill(anna)
    told.clear()
    merge(scope, ann.pk, [anna.pk])
    moved = [fact for fact in told if fact.record != "lead"]
    assert [fact.type for fact in moved] == [
        "activity.updated",
        "sales_activity.updated",
        "opportunity.field_changed",
        "opportunity.updated",
        "task.updated",
    ]
    assert {fact.changes["lead_id"] for fact in moved} == {(anna.pk, ann.pk)}
    (below,) = (fact for fact in told if fact.type == "lead.updated" and fact.record_id not in (ann.pk, anna.pk))
    assert below.changes == {"parent_id": (anna.pk, ann.pk)}


# --- undo ---


def test_the_way_there_and_back(scope, ann, anna, third):
    leeds, york = factories.office("Leeds"), factories.office("York")
    dana = member("dana", ann.account, roles.STAFF)
    LeadList.objects.create(account=ann.account, name="Newsletter")
    CustomField.objects.create(account=ann.account, key="budget", label="Budget", kind="number")
    for lead, values in (
        (ann, {"office_id": leeds.pk, "tags": ["vip"], "lead_status": "Needs Info", "custom_fields": {}}),
        (anna, {"office_id": york.pk, "tags": ["buyer", "vip"], "owner_id": dana.pk, "custom_fields": {"budget": 7}}),
        (third, {"lists": ["Newsletter"], "lead_status": "Not Interested", "type": "landlord", "sentiment": "fine"}),
    ):
        for key, value in values.items():
            lead.set(key, value)
        lead.save()
        fill(Lead.objects.get(pk=lead.pk))
    before = everything(ann, anna, third)
    values = {"lead_status": "Not Interested", "first_name": "Anna", "stage": "WON", "type": "landlord"}
    done = merge(scope, ann.pk, [anna.pk, third.pk], values)
    assert records(newest(anna)) == records(newest(third)) == {kind: [] for kind in records(ann)}
    assert {kind: len(ids) for kind, ids in records(newest(ann)).items()} == dict.fromkeys(records(ann), 3) | {
        "activities": 6
    }
    assert everything(ann, anna, third) != before
    undone = undo(done)
    assert everything(ann, anna, third) == before
    assert (undone.kept, undone.merge.undone_at is not None) == ([], True)


def test_what_was_changed_since_stays(scope, ann, anna):
    done = merge(scope, ann.pk, [anna.pk], {"email": "anna@example.com"})
    master = newest(ann)
    master.email, master.score = "new@example.com", 9
    master.set("tags", ["since"])
    master.save()
    Message.objects.create(lead=master, type="inbound", body="To the master")
    task = Task.objects.create(lead=master, name="Since", due_at=timezone.now())
    assert undo(done).kept == ["email"]
    master = newest(ann)
    assert (master.email, master.score, master.phone, master.get("tags")) == ("new@example.com", 9, None, ["since"])
    assert (master.messages.count(), master.get("number_of_email_replies"), list(master.tasks.all())) == (1, 1, [task])


def test_what_was_moved_on_since_stays_where_it_is(scope, ann, anna, third):
    task = Task.objects.create(lead=anna, name="Call", due_at=timezone.now())
    done = merge(scope, ann.pk, [anna.pk])
    Task.objects.filter(pk=task.pk).update(lead=third)
    undo(done)
    assert Task.objects.get().lead == third


def test_who_was_deleted_meanwhile_is_not_named_again(scope, ann, anna):
    dana, tom = (member(name, ann.account, roles.STAFF) for name in ("dana", "tom"))
    ann.owner = dana
    ann.save()
    done = merge(scope, ann.pk, [anna.pk], {"owner_id": tom.pk})
    dana.delete()
    assert undo(done).kept == ["owner_id"]
    assert newest(ann).owner == tom


def test_one_of_two_merges_is_undone(scope, ann, anna, third):
    for lead, tags in ((anna, ["both", "anna"]), (third, ["both"])):
        lead.set("tags", tags)
        lead.save()
    first = merge(scope, ann.pk, [anna.pk])
    second = merge(scope, ann.pk, [third.pk])
    undo(first)
    assert newest(ann).get("tags") == ["both"]
    assert [*Lead.objects.filter(pk__in=(ann.pk, anna.pk, third.pk)).order_by("pk")] == [ann, anna]
    undo(second)
    assert Lead.objects.filter(pk=third.pk).exists()


def test_a_chain_is_undone_from_its_end(scope, ann, anna, third):
    before = everything(ann, anna, third)
    first = merge(scope, ann.pk, [anna.pk])
    second = merge(scope, third.pk, [ann.pk])
    assert what_became_of(anna.pk, scope) == third
    with pytest.raises(ValidationError, match="before the merge of Ann Lee into another lead is undone"):
        undo(first)
    undo(second)
    undo(first)
    assert everything(ann, anna, third) == before


@pytest.mark.parametrize("days, possible", [(29, True), (31, False)])
def test_for_thirty_days(scope, ann, anna, told, days, possible):
    done = merge(scope, ann.pk, [anna.pk])
    Merge.objects.update(merged_at=timezone.now() - timedelta(days=days))
    told.clear()
    done.refresh_from_db()
    assert (obstacle(done) is None) is possible
    if possible:
        undo(done)
    else:
        with pytest.raises(ValidationError, match="possible for 30 days"):
            undo(done)
        assert newest(anna).merged_into == ann and told == []


def test_only_once(scope, ann, anna, told):
    done = merge(scope, ann.pk, [anna.pk])
    undo(done)
    told.clear()
    with pytest.raises(ValidationError, match="was undone already"):
        undo(done)
    assert told == []


def test_with_the_master_all_of_it_goes(scope, ann, anna, third, told):
    first = merge(scope, ann.pk, [anna.pk])
    second = merge(scope, third.pk, [ann.pk])
    told.clear()
    third.delete()
    assert [(fact.type, fact.label) for fact in told] == [("lead.deleted", "A. Lee")]
    assert not Lead.with_merged.exists()
    for done in (first, second):
        done.refresh_from_db()
        assert (done.master, done.changes, done.moved) == (None, {}, {})
        with pytest.raises(ValidationError, match="was deleted"):
            undo(done)


def test_nothing_of_a_child_is_kept_once_it_is_a_lead_of_its_own_again(scope, ann, anna):
    anna.set("notes", "Told us in confidence")
    anna.save()
    done = merge(scope, ann.pk, [anna.pk])
    assert "confidence" in str(Merge.objects.values().get())
    undo(done)
    newest(anna).delete()
    assert "confidence" not in str(Merge.objects.values().get())


# --- what is refused ---


def refusal(*arguments, **options) -> dict[str, list[str]]:
    stored = (Event.objects.count(), Merge.objects.count())
    with pytest.raises(ValidationError) as refused:
        merge(*arguments, **options)
    assert (Event.objects.count(), Merge.objects.count()) == stored
    return refused.value.message_dict


def test_what_is_refused(scope, ann, anna, third):
    strange = factories.lead(account=factories.account("Southbank Lettings"))
    anybody = Scope(None, None)
    for children, words in (
        ([], "1 to 20 leads"),
        ([ann.pk], "must not hold the lead that they are merged into"),
        ([anna.pk, anna.pk], "must not hold a lead twice"),
        ([*range(10**6, 10**6 + 21)], "1 to 20 leads"),
        ([10**9], "must be leads that you may see, not 1000000000"),
        ([strange.pk], f"must be leads that you may see, not {strange.pk}"),
    ):
        assert words in refusal(scope, ann.pk, children)["children"][0]
    assert "same account" in refusal(anybody, ann.pk, [strange.pk])["children"][0]
    merge(scope, ann.pk, [anna.pk])
    words = f"Anna Lee ({anna.pk}) is a part of Ann Lee ({ann.pk})"
    assert words in refusal(scope, third.pk, [anna.pk])["children"][0]
    assert words in refusal(scope, anna.pk, [third.pk])["master_id"][0]


def test_leads_of_other_offices_are_out_of_reach(ann, anna):
    leeds, york = factories.office("Leeds"), factories.office("York")
    Lead.objects.filter(pk=ann.pk).update(office=leeds)
    Lead.objects.filter(pk=anna.pk).update(office=york)
    staff = Scope(ann.account_id, frozenset([leeds.pk]))
    assert "that you may see" in refusal(staff, ann.pk, [anna.pk])["children"][0]
    assert "that you may see" in refusal(staff, anna.pk, [ann.pk])["master_id"][0]


def test_what_was_saved_meanwhile(scope, ann, anna):
    versions = {lead.pk: lead.version for lead in (ann, anna)}
    Lead.objects.filter(pk=anna.pk).update(first_name="Zoe")
    assert "was saved meanwhile" in refusal(scope, ann.pk, [anna.pk], versions=versions)["children"][0]
    versions[anna.pk] += 1
    merge(scope, ann.pk, [anna.pk], versions=versions)


# --- a lead that was merged ---


@pytest.fixture
def merged(scope, ann, anna):
    """Anna, as somebody read her before she became a part of Ann."""
    held = Lead.objects.get(pk=anna.pk)
    merge(scope, ann.pk, [anna.pk])
    return held


@pytest.mark.parametrize(
    "write",
    [
        lambda lead: lead.save(),
        lambda lead: Message.objects.create(lead=lead, type="inbound", body="Hello"),
        lambda lead: Task.objects.create(lead=lead, name="Call", due_at=timezone.now()),
        lambda lead: Activity.objects.bulk_create(
            [Activity(account=lead.account, lead=lead, type=ActivityType.objects.get(account=lead.account, code=21))]
        ),
        lambda lead: lead.tags.add(Tag.objects.create(account=lead.account, name="vip")),
    ],
    ids=["save", "message", "task", "activities", "tag"],
)
def test_nobody_writes_to_it(merged, told, write):
    told.clear()
    row = Lead.with_merged.filter(pk=merged.pk).values().get()
    with pytest.raises(ValidationError):
        write(merged)
    assert Lead.with_merged.filter(pk=merged.pk).values().get() == row
    assert told == []


def test_it_is_nowhere(scope, merged):
    Lead.with_merged.filter(pk=merged.pk).update(office=factories.office("York"))
    assert not Lead.objects.filter(pk=merged.pk).exists()
    assert not scope.leads().filter(pk=merged.pk).exists()
    assert not scope.choosable_parents(merged.account_id).filter(pk=merged.pk).exists()
    for related in (merged.account, merged.office or factories.office("York"), merged.pipeline, merged.pipeline_stage):
        assert not related.leads.filter(pk=merged.pk).exists()
    assert scope.judge(merged.account_id, {"parent_id": merged.pk})[0].field == "parent_id"


def test_its_history_stays(merged):
    history = Event.objects.filter(record="lead", record_id=merged.pk).order_by("pk")
    assert [*history.values_list("type", flat=True)] == ["lead.created", "lead.deleted"]
    assert history[1].frozen.context["merge"]["master_id"] == newest(merged).merged_into_id


def test_it_holds_neither_office_nor_pipeline_nor_stage(scope, ann, anna, third):
    york = factories.office("York")
    lettings = Pipeline.objects.create(account=ann.account, name="Lettings", position=1)
    for position, name in enumerate(("Enquiry", "Viewing")):
        Stage.objects.create(pipeline=lettings, name=name, position=position, code="NEW")
    enquiry, viewing = lettings.stages.all()
    for lead, stage in ((anna, enquiry), (third, viewing)):
        lead.office, lead.pipeline, lead.pipeline_stage, lead.stage = york, lettings, stage, "NEW"
        lead.save()
    done = merge(scope, ann.pk, [anna.pk, third.pk], {"office_id": None})
    york.delete()
    lettings.put_stages([enquiry])
    assert newest(third).pipeline_stage == enquiry
    lettings.delete()
    undo(done)
    first = factories.stage("NEW")
    for lead in (anna, third):
        lead = newest(lead)
        assert (lead.office, lead.pipeline, lead.pipeline_stage) == (None, first.pipeline, first)


def test_every_table_of_a_lead_comes_along():
    """What points to leads and is not known to the merge would stay behind with a child."""
    pointing = {
        (relation.related_model, relation.field.name)
        for relation in Lead._meta.related_objects
        if not relation.many_to_many and relation.related_model._meta.app_label == "leads"
    }
    known = {tuple(one) for one in merging._RECORDS.values()} | {
        (Lead, "merged_into"),
        (Merge, "master"),
        (LeadKey, "lead"),
    }
    assert {each for each in pointing if not each[0]._meta.auto_created} == known
