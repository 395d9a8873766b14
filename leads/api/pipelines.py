"""Pipelines: /api/v1/pipelines and .../{id}. Stages have no address of their own: their pipeline takes the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet

from leads.api.errors import Fault, Problem
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One, Resource
from leads.api.shape import key_of, lay_over, taken
from leads.models import Pipeline, Stage
from leads.models.apikey import Scope as KeyScope
from leads.models.pipeline import OUTCOME_OF

MOST_STAGES: Final = 100

_SCOPES = (KeyScope.SETUP_READ, KeyScope.SETUP_WRITE)
_STAGE = tuple(key_of(Stage, name) for name in ("name", "code", "outcome"))


class PipelineResource(Resource):
    model = Pipeline
    keys = (key_of(Pipeline, "name"), key_of(Pipeline, "is_default"))

    def records(self) -> QuerySet[Any]:
        return super().records().prefetch_related("stages")

    def store(self, pipeline: Pipeline, sent: Mapping[str, Any]) -> None:
        was_default = pipeline.is_default
        faults = lay_over(pipeline, self.keys, {key: sent[key] for key in sent if key != "stages"}, "a pipeline")
        if was_default and not pipeline.is_default:
            faults.append(Fault("is_default", "default", "can only be false once another pipeline is the default"))
        # Which one is the default is the model's business, once it is saved.
        faults = faults or taken(pipeline, "name", exclude=["is_default"])
        stages = None
        if "stages" in sent or pipeline.pk is None:
            stages, more = _stages(pipeline, sent.get("stages"))
            faults += more
        if faults:
            raise Problem(400, faults=faults)
        if stages is not None and pipeline.pk is not None:
            _check_removed(pipeline, {stage.pk for stage in stages})
        pipeline.save()
        if stages is not None:
            pipeline.put_stages(stages)
            pipeline.refresh_from_db()  # forgets the stages that were read before

    def remove(self, pipeline: Pipeline) -> None:
        if leads := pipeline.leads.count():
            raise Problem(409, _in_use(pipeline.name, leads, "move them to another pipeline first."), code="in_use")
        try:
            pipeline.delete()
        except ValidationError as refusal:
            raise Problem(409, refusal.messages[0], code="in_use") from None

    def wire(self, pipeline: Pipeline) -> dict[str, Any]:
        stages = [
            {"id": stage.pk, "name": stage.name, "code": stage.code, "outcome": stage.outcome}
            for stage in pipeline.stages.all()
        ]
        return super().wire(pipeline) | {"stages": stages}


class Pipelines(PipelineResource, Many):
    needs = needs("pipeline", *_SCOPES, MANY)


class OnePipeline(PipelineResource, One):
    needs = needs("pipeline", *_SCOPES, ONE)


def _stages(pipeline: Pipeline, sent: Any) -> tuple[list[Stage], list[Fault]]:
    """The whole list as it is going to be: those with an id stay what they are but for what is sent."""
    if not isinstance(sent, list) or not 1 <= len(sent) <= MOST_STAGES:
        return [], [Fault("stages", "stages", f"must be an array of 1 to {MOST_STAGES} stages")]
    left = {stage.pk: stage for stage in pipeline.stages.all()} if pipeline.pk is not None else {}
    stages, faults, names = [], [], set()
    for number, item in enumerate(sent):
        path = f"stages.{number}"
        if not isinstance(item, dict):
            faults.append(Fault(path, "object", "must be an object"))
            continue
        stage, pk = Stage(), item.get("id")
        if pk is not None:
            if type(pk) is not int or pk not in left:
                words = "must be the id of a stage of this pipeline, and be there once"
                faults.append(Fault(f"{path}.id", "reference", words))
                continue
            stage = left.pop(pk)
        found = lay_over(stage, _STAGE, item, "a stage")
        if stage.pk is None and item.get("outcome") is None:
            stage.outcome = OUTCOME_OF.get(stage.code, stage.outcome)
        if not found and stage.name.casefold() in names:
            found = [Fault("name", "unique", "is the name of another stage of this pipeline")]
        names.add(stage.name.casefold())
        faults += [replace(fault, field=f"{path}.{fault.field}") for fault in found]
        stages.append(stage)
    return stages, faults


def _check_removed(pipeline: Pipeline, kept: set[int]) -> None:
    """Raises Problem 409 for a stage that leads stand in."""
    for stage in pipeline.stages.exclude(pk__in=kept - {None}).annotate(
        standing=Count("leads", filter=Q(leads__merged_into=None))
    ):
        if stage.standing:
            message = _in_use(stage.name, stage.standing, "move them to another stage first.")
            raise Problem(409, message, code="in_use")


def _in_use(name: str, leads: int, advice: str) -> str:
    return f"{name} still has {leads:,} {'lead' if leads == 1 else 'leads'}: {advice}"
