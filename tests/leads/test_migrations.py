"""An installation that has leads already: they come into a pipeline at the stage that they had."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from leads.models import Account, Lead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before_pipelines():
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()  # of every app: what leans on these goes back with them
    executor.migrate([("leads", "0001_initial")])
    yield executor.loader.project_state([("leads", "0001_initial")]).apps
    MigrationExecutor(connection).migrate(newest)


@pytest.mark.slow
def test_leads_that_are_there_come_into_a_default_pipeline(before_pipelines):
    account = before_pipelines.get_model("leads", "Account").objects.create(name="Northgate Homes")
    old = before_pipelines.get_model("leads", "Lead").objects
    for number, stage in enumerate(["NEW", "VIEWING_BOOKED", "DELETED"]):
        old.create(account=account, email=f"lead{number}@example.com", stage=stage)
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())  # of every app: what hears of a lead reads its own tables
    (pipeline,) = Account.objects.get().pipelines.all()
    assert (pipeline.is_default, pipeline.stages.count()) == (True, 13)
    leads = list(Lead.objects.order_by("id"))
    assert [lead.get("stage_name") for lead in leads] == ["New", "Viewing booked", "Deleted"]
    assert all(lead.modified_date == lead.created_at for lead in leads)
    leads[0].score = 5
    leads[0].save()
    assert Lead.objects.get(pk=leads[0].pk).version == 2
