"""Pipelines: where a lead stands follows from whichever of code, stage and pipeline was set."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError

from leads import setup as setups
from leads.changes import unit
from leads.fields import STAGES
from leads.models import Account, Lead, Pipeline, Stage
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
    with pytest.raises(ValidationError):
        lettings.delete()


def test_where_leads_stand_cannot_be_deleted():
    lead = factories.lead()
    with pytest.raises(ProtectedError):
        lead.pipeline_stage.delete()
