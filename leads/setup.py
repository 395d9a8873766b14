"""What an account has set up for its leads: pipelines with their stages, and custom fields.

Every save of a lead needs it, and it changes rarely: it is kept in memory under a token that the account's row carries
and every change renews (leads/models/account.py). The token is read in the lead's own transaction, so that what is in
memory is never older than what the transaction sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from leads import custom
from leads.changes import open_unit
from leads.custom import Definition
from leads.models.account import Account
from leads.models.custom_field import CustomField
from leads.models.pipeline import Pipeline, Stage
from leads.validation import Violation


@dataclass(frozen=True, slots=True)
class StageRow:
    id: int
    pipeline_id: int
    name: str
    code: str
    outcome: str


@dataclass(frozen=True, slots=True)
class PipelineRow:
    id: int
    name: str
    default: bool
    stages: tuple[StageRow, ...]
    """In order."""

    def first(self, code: str | None = None) -> StageRow | None:
        """The first stage, or the first with this code."""
        return next((stage for stage in self.stages if code is None or stage.code == code), None)


@dataclass(frozen=True)
class Setup:
    pipelines: tuple[PipelineRow, ...]
    """The default one first."""
    definitions: Mapping[str, Definition]
    """In order."""

    @cached_property
    def stages(self) -> Mapping[int, StageRow]:
        return {stage.id: stage for pipeline in self.pipelines for stage in pipeline.stages}

    def pipeline(self, pk: object) -> PipelineRow | None:
        return next((pipeline for pipeline in self.pipelines if pipeline.id == pk), None)

    def stage(self, pk: object) -> StageRow | None:
        return self.stages.get(pk) if isinstance(pk, int) else None

    def follow(self, values: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        """pipeline_id, pipeline_stage_id and stage as they follow from whichever of them was set.

        A stage's code moves the lead to the first stage of its pipeline that has it, another pipeline to the stage of
        the same code there, else to the first one. What cannot be followed is left, for `judge` to refuse.
        """
        pipeline_id, stage_id, code = (values.get(key) for key in PLACE)
        was = before or {}
        if before is None and pipeline_id is None:
            given = self.stage(stage_id)
            pipeline_id = given.pipeline_id if given else (self.pipelines[0].id if self.pipelines else None)
        pipeline, found = self.pipeline(pipeline_id), self.stage(stage_id)
        if pipeline is not None and not (found and (found.pipeline_id, found.code) == (pipeline.id, code)):
            moved = [key for key in PLACE if values.get(key) != was.get(key)]
            if stage_id is not None and "pipeline_stage_id" in moved:
                code = None if before is None or "stage" not in moved else code
            elif code and "stage" in moved:
                found = pipeline.first(code)
            elif "stage" in moved:
                found = pipeline.first() if before is None else None  # who empties it is told that it is kept
            else:
                found, code = pipeline.first(code) or pipeline.first(), None
            if found is not None:
                stage_id, code = found.id, code or found.code
        return {"pipeline_id": pipeline_id, "pipeline_stage_id": stage_id, "stage": code}

    def judge(self, values: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Violation]:
        """The rules of a lead that lean on the account's setup."""
        pipeline = self.pipeline(values.get("pipeline_id"))
        stage = self.stage(values.get("pipeline_stage_id"))
        found = []
        if pipeline is None:
            found.append(Violation("pipeline_id", "pipeline", "must be a pipeline of the lead's account"))
        elif (stage is None or stage.code != values.get("stage")) and pipeline.first(values.get("stage")) is None:
            found.append(Violation("stage", "stage", f"must be the code of a stage of the pipeline {pipeline.name}"))
        elif stage is None or stage.pipeline_id != pipeline.id:
            words = f"must be a stage of the pipeline {pipeline.name}"
            found.append(Violation("pipeline_stage_id", "stage", words))
        elif stage.code != values.get("stage"):
            found.append(Violation("stage", "stage", f"must be {stage.code}, the code of the stage {stage.name}"))
        stored = None if before is None else before.get("custom_fields") or {}
        given = values.get("custom_fields")
        return found + custom.judge(self.definitions, given if isinstance(given, dict) else {}, stored)


PLACE = ("pipeline_id", "pipeline_stage_id", "stage")


def of(account_id: int, using: str = DEFAULT_DB_ALIAS, token: str | None = None) -> Setup:
    """The setup of an account; token where it was read already, else it costs one query for each unit of work."""
    if token is None:
        work = open_unit(using)
        memo = work.memo if work is not None else {}
        key = ("setup", account_id)
        token = memo.get(key)
        if token is None:
            token = Account.objects.using(using).values_list("setup_token", flat=True).get(pk=account_id)
            memo[key] = token
    return _read(using, account_id, token)


@lru_cache(maxsize=256)
def _read(using: str, account_id: int, token: str) -> Setup:
    stages: dict[int, list[StageRow]] = {}
    for row in Stage.objects.using(using).filter(pipeline__account_id=account_id).order_by("position", "id"):
        stages.setdefault(row.pipeline_id, []).append(
            StageRow(row.pk, row.pipeline_id, row.name, row.code, row.outcome)
        )
    pipelines = Pipeline.objects.using(using).filter(account_id=account_id).order_by("-is_default", "position", "id")
    definitions = CustomField.objects.using(using).filter(account_id=account_id).order_by("position", "id")
    return Setup(
        tuple(PipelineRow(row.pk, row.name, row.is_default, tuple(stages.get(row.pk, ()))) for row in pipelines),
        {row.key: row.definition for row in definitions},
    )
