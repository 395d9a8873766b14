"""Pipelines: where a lead stands follows from whichever of code, stage and pipeline was set."""

from __future__ import annotations

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction
from django.db.models import ProtectedError

from leads import setup as setups
from leads.changes import unit
from leads.fields import STAGES
from leads.models import Account, CustomField, Lead, Pipeline, Stage, account_setup
from tests import factories
from webhooks.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def lettings():
    pipeline = Pipeline.objects.create(account=factories.account(), name="Lettings", position=1)
    for position, (name, code, outcome) in enumerate(
        [("Enquiry", "NEW", "open"), ("Viewing", "VIEWING_BOOKED", "open"), ("Agreed", "WON", "win")]
    ):
        Stage.objects.create(pipeline=pipeline, name=name, position=position, code=code, outcome=outcome)
    return pipeline


def place(lead: Lead) -> tuple[str, str, str]:
    lead = Lead.objects.get(pk=lead.pk)
    return lead.get("pipeline"), lead.get("stage_name"), lead.stage


def codes(error: pytest.ExceptionInfo[ValidationError]) -> dict[str, str]:
    return {field: found[0].code for field, found in error.value.error_dict.items()}


def test_a_new_account_has_a_pipeline_of_the_thirteen_stages():
    (pipeline,) = factories.account().pipelines.all()
    assert pipeline.is_default
    assert list(pipeline.stages.values_list("code", "name")) == list(STAGES)
    outcomes = dict(pipeline.stages.values_list("code", "outcome"))
    assert outcomes["WON"] == "win" and outcomes["LOST"] == "loss" and outcomes["NEW"] == "open"


def test_a_new_lead_begins_where_its_pipeline_does(lettings):
    assert place(factories.lead()) == ("Sales pipeline", "New", "NEW")
    assert place(factories.lead(pipeline_id=lettings.pk)) == ("Lettings", "Enquiry", "NEW")
    viewing = lettings.stages.get(code="VIEWING_BOOKED")
    assert place(factories.lead(pipeline_stage_id=viewing.pk)) == ("Lettings", "Viewing", "VIEWING_BOOKED")


def test_a_code_moves_to_the_first_stage_of_the_pipeline_that_has_it(lettings):
    Stage.objects.create(pipeline=lettings, name="Second viewing", position=9, code="VIEWING_BOOKED")
    lead = factories.lead(pipeline_id=lettings.pk)
    lead.stage = "VIEWING_BOOKED"
    lead.save()
    assert place(lead) == ("Lettings", "Viewing", "VIEWING_BOOKED")
    lead.pipeline_stage = lettings.stages.get(name="Second viewing")
    lead.save()
    assert place(lead) == ("Lettings", "Second viewing", "VIEWING_BOOKED")
    assert Event.objects.filter(type="lead.stage_changed").count() == 2


def test_a_code_that_the_pipeline_has_not_is_refused(lettings):
    lead = factories.lead(pipeline_id=lettings.pk)
    lead.stage = "SPAM"
    with pytest.raises(ValidationError) as error:
        lead.save()
    assert codes(error) == {"stage": "stage"}
    with pytest.raises(ValidationError):
        Lead.objects.filter(pk=lead.pk).update(stage="SPAM")
    assert place(lead) == ("Lettings", "Enquiry", "NEW")


def test_another_pipeline_keeps_the_code_where_it_can(lettings):
    lead = factories.lead(stage="VIEWING_BOOKED")
    lead.pipeline = lettings
    lead.save()
    assert place(lead) == ("Lettings", "Viewing", "VIEWING_BOOKED")
    lead = factories.lead(email="other@example.com", stage="SPAM")
    Lead.objects.filter(pk=lead.pk).update(pipeline=lettings)
    assert place(lead) == ("Lettings", "Enquiry", "NEW")


def test_a_stage_of_another_pipeline_is_refused(lettings):
    lead = factories.lead()
    lead.pipeline_stage = lettings.stages.get(code="WON")
    with pytest.raises(ValidationError) as error:
        lead.save()
    assert codes(error) == {"pipeline_stage_id": "stage"}
    lead.pipeline = lettings
    lead.save()
    assert place(lead) == ("Lettings", "Agreed", "WON")


def test_a_pipeline_of_another_account_is_refused():
    foreign = factories.account("Elsewhere").pipelines.get()
    lead = factories.lead()
    lead.pipeline = foreign
    with pytest.raises(ValidationError) as error:
        lead.save()
    assert codes(error) == {"pipeline_id": "pipeline"}
    with pytest.raises(ValidationError):
        Lead.objects.update(pipeline_stage=foreign.stages.get(code="WON"))


def test_everything_stays_in_its_home(lettings):
    elsewhere = factories.account("Elsewhere")
    lead = factories.lead()
    stage = lead.pipeline_stage
    lead.account, lead.pipeline, stage.pipeline, lettings.account = (
        elsewhere,
        elsewhere.pipelines.get(),
        lettings,
        elsewhere,
    )
    for record in (lead, stage, lettings):
        with pytest.raises(ValidationError):
            record.save()
    assert place(lead) == ("Sales pipeline", "New", "NEW")


def test_several_changes_in_one_unit_end_where_the_last_one_said(lettings):
    lead = factories.lead()
    with unit():
        lead.stage = "CONTACTED"
        lead.save()
        lead.pipeline = lettings
        lead.save()
        lead.stage = "WON"
        lead.save()
    assert place(lead) == ("Lettings", "Agreed", "WON")


@pytest.mark.parametrize("first", ["save", "code", "stage"])
def test_a_place_that_is_set_twice_in_one_unit_is_where_the_last_write_said(first):
    lead = factories.lead()
    won = lead.pipeline.stages.get(code="WON")
    with unit():
        if first == "save":
            lead.stage = "WON"
            lead.save()
        else:
            Lead.objects.update(**({"stage": "WON"} if first == "code" else {"pipeline_stage": won}))
        Lead.objects.update(stage="LOST")
    assert place(lead) == ("Sales pipeline", "Lost", "LOST")


def test_a_lead_made_with_others_moves_like_any_other():
    (lead,) = Lead.objects.bulk_create([factories.new_lead()])
    lead.stage = "WON"
    lead.save()
    assert place(lead) == ("Sales pipeline", "Won", "WON")


def test_a_move_is_not_lost_with_what_was_not_loaded_or_is_loaded_anew():
    lead = factories.lead()
    won = lead.pipeline.stages.get(code="WON")
    partly = Lead.objects.defer("stage").get()
    partly.pipeline_stage = won
    partly.save()
    assert place(lead) == ("Sales pipeline", "Won", "WON")
    lead.stage = "LOST"
    lead.refresh_from_db(fields=["email"])
    lead.save()
    assert place(lead) == ("Sales pipeline", "Lost", "LOST")


def test_a_lead_moves_into_a_stage_made_in_the_same_unit():
    lead = factories.lead()
    with unit():
        lead.score = 1
        lead.save()
        lead.pipeline_stage = Stage.objects.create(pipeline=lead.pipeline, name="Second call", code="CONTACTED")
        lead.save()
    assert place(lead) == ("Sales pipeline", "Second call", "CONTACTED")


def test_many_leads_move_with_one_update():
    leads = [factories.lead(email=f"lead{number}@example.com") for number in range(3)]
    Lead.objects.update(stage="WON")
    assert {place(lead) for lead in leads} == {("Sales pipeline", "Won", "WON")}


def test_a_stage_that_gets_another_code_takes_its_leads_along(lettings):
    viewing = lettings.stages.get(code="VIEWING_BOOKED")
    lead = factories.lead(pipeline_stage_id=viewing.pk)
    viewing.code = "NEW"
    viewing.save()
    assert place(lead) == ("Lettings", "Viewing", "NEW")


def test_a_new_name_is_seen_at_once():
    lead = factories.lead()
    stage = lead.pipeline_stage
    stage.name = "Fresh"
    stage.save()
    lead.score = 1
    lead.save()
    assert '"stage_name":"Fresh"' in Event.objects.latest("id").snapshot


@pytest.mark.parametrize(
    "write",
    [
        lambda account: Pipeline.objects.update(name="Fresh"),
        lambda account: Stage.objects.filter(code="NEW").update(name="Fresh"),
        lambda account: Stage.objects.bulk_create([Stage(pipeline=account.pipelines.get(), name="Fresh", code="NEW")]),
        lambda account: CustomField.objects.update(label="Fresh"),
        lambda account: CustomField.objects.bulk_create([CustomField(account=account, key="fresh", label="Fresh")]),
        lambda account: CustomField.objects.all().delete(),
    ],
    ids=["pipelines", "stages", "new stages", "fields", "new fields", "fields go"],
)
def test_writes_of_many_are_seen_at_once(write):
    account = factories.account()
    CustomField.objects.create(account=account, key="budget", label="Budget")
    before = setups.of(account.pk)
    write(account)
    assert setups.of(account.pk) != before


@pytest.mark.django_db(transaction=True)
def test_a_setup_that_cannot_be_announced_is_not_stored(monkeypatch):
    account = factories.account()

    def fail() -> str:
        raise RuntimeError

    monkeypatch.setattr(account_setup, "new_token", fail)
    with pytest.raises(RuntimeError):
        CustomField.objects.create(account=account, key="budget", label="Budget")
    assert not CustomField.objects.exists()


def test_a_setup_of_a_savepoint_that_was_rolled_back_places_no_lead():
    account = factories.account()
    with unit():
        with pytest.raises(RuntimeError), transaction.atomic():
            pipeline = Pipeline.objects.create(account=account, name="Gone", is_default=True)
            Stage.objects.create(pipeline=pipeline, name="Gone", code="CONTACTED")
            factories.lead()
            raise RuntimeError
        lead = factories.lead()
    assert place(lead) == ("Sales pipeline", "New", "NEW")


def test_a_setup_that_was_rolled_back_is_forgotten():
    account = factories.account()
    with pytest.raises(RuntimeError), unit():
        Pipeline.objects.create(account=account, name="Gone")
        assert [pipeline.name for pipeline in setups.of(account.pk).pipelines] == ["Sales pipeline", "Gone"]
        raise RuntimeError
    assert [pipeline.name for pipeline in setups.of(account.pk).pipelines] == ["Sales pipeline"]


def test_a_stale_account_does_not_bring_an_old_setup_back():
    stale = Account.objects.get(pk=factories.account().pk)
    Pipeline.objects.create(account=stale, name="Second")
    stale.name = "Northgate Residential"
    stale.save(update_fields=["name"])
    assert [pipeline.name for pipeline in setups.of(stale.pk).pipelines] == ["Sales pipeline", "Second"]


def test_an_account_keeps_one_default(lettings):
    lettings.is_default = True
    lettings.save()
    assert [pipeline.name for pipeline in Pipeline.objects.filter(is_default=True)] == ["Lettings"]
    assert place(factories.lead())[0] == "Lettings"


@pytest.mark.parametrize("delete", [lambda one: one.delete(), lambda one: Pipeline.objects.filter(pk=one.pk).delete()])
def test_the_default_cannot_be_deleted(lettings, delete):
    default = Pipeline.objects.get(is_default=True)
    with pytest.raises(ValidationError), transaction.atomic():
        delete(default)
    assert Pipeline.objects.count() == 2
    delete(lettings)


def test_a_former_default_that_is_renamed_does_not_come_back(lettings):
    former = Pipeline.objects.get(is_default=True)
    lettings.is_default = True
    lettings.save()
    former.name = "Sales"
    former.save(update_fields=["name"])
    assert [pipeline.name for pipeline in Pipeline.objects.filter(is_default=True)] == ["Lettings"]


def test_stages_may_be_loaded_before_their_pipeline(tmp_path):
    pipeline = Pipeline(pk=900, account=factories.account(), name="Lettings")
    dump = tmp_path / "setup.json"
    dump.write_text(serializers.serialize("json", [Stage(pk=901, pipeline=pipeline, name="New", code="NEW"), pipeline]))
    call_command("loaddata", str(dump), verbosity=0)
    assert Stage.objects.get(pk=901).pipeline.name == "Lettings"


def test_where_leads_stand_cannot_be_deleted():
    lead = factories.lead()
    with pytest.raises(ProtectedError):
        lead.pipeline_stage.delete()
