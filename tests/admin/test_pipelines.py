"""Pipelines and their stages in the admin."""

from __future__ import annotations

from typing import Any

import pytest

from leads.models import Lead, Pipeline, Stage
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/pipeline/"
ADD = "/admin/leads/pipeline/add/"


def page_of(pipeline: Pipeline, view: str = "change") -> str:
    return f"{LIST}{pipeline.pk}/{view}/"


def rows(*stages: tuple[str, str, str], was: list[str] | None = None) -> dict[str, list[str]]:
    names, codes, outcomes = zip(*stages, strict=True) if stages else ((), (), ())
    return {
        "stages": ["rows"],
        "stages.was": was or [""] * len(stages),
        "stages.name": list(names),
        "stages.code": list(codes),
        "stages.outcome": list(outcomes),
    }


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("pipeline_form") | changes


def lettings(crm: Any) -> Pipeline:
    pipeline = Pipeline.objects.create(account=crm.account, name="Lettings")
    for position, (name, code, outcome) in enumerate(
        [("Enquiry", "NEW", "open"), ("Viewing", "VIEWING_BOOKED", "open"), ("Agreed", "WON", "win")]
    ):
        Stage.objects.create(pipeline=pipeline, name=name, code=code, outcome=outcome, position=position)
    return pipeline


def stages_of(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    return list(pipeline.stages.order_by("position").values_list("name", "code", "outcome"))


def test_the_list_shows_the_pipelines_of_the_account_with_their_stages(crm, sign_in):
    lettings(crm)
    other = crm.other.pipelines.get()
    Pipeline.objects.filter(pk=other.pk).update(name="Harbour pipeline")
    for user in (crm.staff, crm.manager, crm.auditor):
        page = Page(sign_in(user).get(LIST))
        assert "Sales pipeline Default New, Contacted, Keep in touch" in page.text
        assert "Enquiry, Viewing, Agreed" in page.text
        assert "Harbour pipeline" not in page.text
    page = Page(sign_in(crm.superuser).get(LIST))
    assert "Harbour pipeline" in page.text
    assert "Harbour Lets" in page.text
    assert sign_in(crm.viewer).get(LIST).status_code == 403


def test_a_manager_adds_a_pipeline_with_ordered_stages(crm, sign_in):
    client = sign_in(crm.manager)
    data = filled(client, ADD, name="Lettings", account=crm.other.pk)
    data |= rows(("Enquiry", "NEW", "open"), ("Agreed", "WON", "win"), ("Lost", "LOST", "loss"), ("", "NEW", "open"))
    response = client.post(ADD, data, follow=True)
    assert "Pipeline Lettings saved." in Page(response).text
    pipeline = Pipeline.objects.get(name="Lettings")
    assert (pipeline.account, pipeline.is_default) == (crm.account, False)
    assert stages_of(pipeline) == [("Enquiry", "NEW", "open"), ("Agreed", "WON", "win"), ("Lost", "LOST", "loss")]


def test_a_stage_has_the_outcome_of_its_code_unless_another_is_chosen(crm, sign_in):
    client = sign_in(crm.manager)
    stages = rows(("Agreed", "WON", ""), ("Withdrawn", "LOST", ""), ("Viewing", "VIEWING_BOOKED", ""))
    client.post(ADD, filled(client, ADD, name="Lettings", **stages))
    assert [outcome for _, _, outcome in stages_of(Pipeline.objects.get(name="Lettings"))] == ["win", "loss", "open"]


def test_a_superuser_chooses_the_account(crm, sign_in):
    client = sign_in(crm.superuser)
    data = filled(client, ADD, name="Lettings") | rows(("Enquiry", "NEW", "open"))
    assert "Account must be one of those on offer." in Page(client.post(ADD, data)).text
    client.post(ADD, data | {"account": crm.other.pk})
    assert Pipeline.objects.get(name="Lettings").account == crm.other


def test_saving_unchanged_changes_nothing(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    before = list(Stage.objects.order_by("pk").values())
    assert client.post(page_of(pipeline), filled(client, page_of(pipeline))).status_code == 302
    assert list(Stage.objects.order_by("pk").values()) == before


def test_stages_are_moved_renamed_swapped_and_removed(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    first, second, third = pipeline.stages.order_by("position")
    lead = factories.lead(office=crm.leeds, pipeline_stage_id=second.pk)
    data = filled(client, page_of(pipeline)) | rows(
        ("Viewing", "WON", "win"), ("Agreed", "VIEWING_BOOKED", "open"), ("Waiting", "CONTACTED", "open")
    )
    # The third comes first and takes the name of the second, which takes its name; the first is gone.
    client.post(page_of(pipeline), data | {"stages.was": ["2", "1", ""]})
    assert stages_of(pipeline) == [
        ("Viewing", "WON", "win"),
        ("Agreed", "VIEWING_BOOKED", "open"),
        ("Waiting", "CONTACTED", "open"),
    ]
    assert [stage.pk for stage in pipeline.stages.order_by("position")][:2] == [third.pk, second.pk]
    assert not Stage.objects.filter(pk=first.pk).exists()
    assert Lead.objects.get(pk=lead.pk).pipeline_stage_id == second.pk


def test_a_new_code_reaches_the_leads_of_the_stage(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    stage = pipeline.stages.get(name="Viewing")
    lead = factories.lead(office=crm.leeds, pipeline_stage_id=stage.pk)
    events = Event.objects.count()
    data = filled(client, page_of(pipeline))
    data["stages.code"][1] = "REGISTERED"
    client.post(page_of(pipeline), data)
    assert Lead.objects.get(pk=lead.pk).stage == "REGISTERED"
    assert Event.objects.count() > events


def test_a_stage_with_leads_is_not_removed_and_says_how_many(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    stage = pipeline.stages.get(name="Viewing")
    for number in range(2):
        factories.lead(email=f"{number}@example.com", pipeline_stage_id=stage.pk)
    data = filled(client, page_of(pipeline))
    for column in ("was", "name", "code", "outcome"):
        del data[f"stages.{column}"][1]
    response = client.post(page_of(pipeline), data)
    assert "Viewing cannot be removed: 2 leads stand in it. Move them to another stage first." in Page(response).text
    assert len(stages_of(pipeline)) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (rows(), "Stages must be at least one."),
        (rows(("", "NEW", "open")), "Stages must be at least one."),
        (rows(("A", "NEW", "open"), ("a", "WON", "win")), "Stages must have the name “A” only once."),
        (rows(("A" * 101, "NEW", "open")), "Stages must have names of at most 100 characters."),
        (rows(("A", "NOPE", "open")), "Stages must have a LeadPro code and an outcome of those on offer: A has not."),
        (rows(("A", "NEW", "draw")), "Stages must have a LeadPro code and an outcome of those on offer: A has not."),
        (rows(("A\x00", "NEW", "open")), "Stages must not contain control characters"),
        ({"name": ""}, "Name is required."),
        ({"name": "Sales pipeline"}, "This account has a pipeline of that name."),
        ({"name": "a\x07"}, "Name must not contain control characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(crm, sign_in, changes, message):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    before = stages_of(pipeline)
    for path in (page_of(pipeline), ADD):
        data = {"name": ["Other"]} | filled(client, path) | rows(("X", "NEW", "open")) | changes
        response = client.post(path, data)
        assert response.status_code == 200
        assert message in Page(response).text, path
    pipeline.refresh_from_db()
    assert (pipeline.name, stages_of(pipeline), Pipeline.objects.filter(account=crm.account).count()) == (
        "Lettings",
        before,
        2,
    )


def test_there_is_always_one_default(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    sales = crm.account.pipelines.get(is_default=True)
    data = filled(client, page_of(sales))
    data.pop("is_default")
    response = client.post(page_of(sales), data)
    assert "Default must stay on. Make another pipeline the default instead." in Page(response).text
    client.post(page_of(pipeline), filled(client, page_of(pipeline), is_default="on"))
    assert crm.account.pipelines.get(is_default=True) == pipeline
    assert crm.other.pipelines.filter(is_default=True).count() == 1


def test_the_default_pipeline_and_one_with_leads_are_not_deleted(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    sales = crm.account.pipelines.get(is_default=True)
    factories.lead(office=crm.leeds, pipeline_id=pipeline.pk)
    for kept, why in ((sales, "Make another one the default first."), (pipeline, "1 lead stands in it.")):
        page = Page(client.get(page_of(kept, "delete")))
        assert f"{kept} cannot be deleted" in page.text
        assert why in page.text
        assert "cannot be deleted" in Page(client.post(page_of(kept, "delete"), {"post": "yes"})).text
    assert f"/admin/leads/lead/?pipeline={pipeline.pk}" in Page(client.get(page_of(pipeline, "delete"))).links
    assert Pipeline.objects.filter(pk__in=[sales.pk, pipeline.pk]).count() == 2


def test_a_pipeline_without_leads_is_deleted_after_a_question(crm, sign_in):
    pipeline, client = lettings(crm), sign_in(crm.manager)
    assert "The pipeline is removed, with its 3 stages." in Page(client.get(page_of(pipeline, "delete"))).text
    client.post(page_of(pipeline, "delete"), {"post": "yes"})
    assert not Pipeline.objects.filter(pk=pipeline.pk).exists()
    assert not Stage.objects.filter(pipeline_id=pipeline.pk).exists()


@pytest.mark.parametrize("user", ["staff", "auditor"])
def test_who_may_only_look_changes_nothing(crm, sign_in, user):
    pipeline, client = lettings(crm), sign_in(getattr(crm, user))
    page = Page(client.get(page_of(pipeline)))
    assert "Save" not in page.text
    assert "stages.name" in page.names
    assert "stages.name" not in page.form("pipeline_form")
    data = {"name": "X"} | rows(("X", "NEW", "open"))
    assert client.post(page_of(pipeline), data).status_code == 403
    assert client.post(page_of(pipeline, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(ADD, data).status_code == 403
    assert (pipeline.name, len(stages_of(pipeline))) == ("Lettings", 3)


@pytest.mark.parametrize("view", ["change", "delete"])
def test_a_pipeline_of_another_account_is_missing(crm, sign_in, view):
    client, other = sign_in(crm.manager), crm.other.pipelines.get()
    for method in (client.get, client.post):
        assert method(page_of(other, view), {"name": "X", "post": "yes"}).status_code == 404
    other.refresh_from_db()
    assert other.name == "Sales pipeline"
