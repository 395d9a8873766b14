"""What an account has set up for its leads: pipelines with their stages, and custom fields.

Every save of a lead needs it, and it changes rarely: it is kept in memory under a token that the account's row carries
and every change renews (leads/models/account_setup.py). The token is read in the record's own transaction, together
with the record, so that what is in memory is never older than what was read of it. Who listens to what happens is kept
in the same way (`kept`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS

from leads import custom
from leads.changes import Unit, open_unit
from leads.custom import Definition
from leads.models.account import Account
from leads.models.custom_field import CustomField
from leads.models.pipeline import Pipeline, Stage
from leads.question import Question
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
    def unique(self) -> tuple[Definition, ...]:
        """Those of which no two leads have the same value."""
        return tuple(one for one in self.definitions.values() if one.unique)

    @cached_property
    def stages(self) -> Mapping[int, StageRow]:
        return {stage.id: stage for pipeline in self.pipelines for stage in pipeline.stages}

    @cached_property
    def _pipelines(self) -> Mapping[int, PipelineRow]:
        return {pipeline.id: pipeline for pipeline in self.pipelines}

    def pipeline(self, pk: object) -> PipelineRow | None:
        return self._pipelines.get(pk) if isinstance(pk, int) else None

    def stage(self, pk: object) -> StageRow | None:
        return self.stages.get(pk) if isinstance(pk, int) else None

    def follow(self, values: Mapping[str, Any], moved: Collection[str]) -> dict[str, Any]:
        """pipeline_id, pipeline_stage_id and stage as they follow from those of them that were set (`moved`).

        A stage's code moves the lead to the first stage of its pipeline that has it, another pipeline to the stage of
        the same code there, else to the first one. What cannot be followed is left, for `judge` to refuse.
        """
        pipeline_id, stage_id, given = map(values.get, PLACE)
        found = self.stage(stage_id)
        if found and (found.pipeline_id, found.code) == (pipeline_id, given):
            return {"pipeline_id": pipeline_id, "pipeline_stage_id": stage_id, "stage": given}
        if pipeline_id is None:
            pipeline_id = found.pipeline_id if found else next((one.id for one in self.pipelines), None)
        pipeline, code = self.pipeline(pipeline_id), given
        if pipeline is not None and not (found and (found.pipeline_id, found.code) == (pipeline.id, code)):
            if stage_id is not None and "pipeline_stage_id" in moved:
                code = given if "stage" in moved else None
            elif code and "stage" in moved:
                found = pipeline.first(code)
            elif found is None or "pipeline_id" in moved:
                found, code = pipeline.first(code or None) or pipeline.first(), None
            else:
                code = None  # the stage itself has got another code
        if found is not None:
            stage_id, code = found.id, code or found.code
        return {"pipeline_id": pipeline_id, "pipeline_stage_id": stage_id, "stage": code or given}

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


def moved(values: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    """Which of PLACE differ from what they were; of a new lead, those that are set."""
    was = before or {}
    return [key for key in PLACE if (values.get(key) or None) != (was.get(key) or None)]


Read = TypeVar("Read")
# Of a kind of setup: as many accounts as change records within a short time.
MOST_KEPT = 1024


def kept(read: Callable[[int, str], Read]) -> Callable[..., Read]:
    """What `read(account_id, using)` returns, kept in memory until the account's token is another.

    The function takes the same, and the token where somebody has read it already. Whatever `read` depends on is an
    AccountSetup (leads/models/account_setup.py), or renews the token like one.
    """

    # What is read may be newer than the token, if somebody commits in between: then nobody asks for this token any
    # more.
    @lru_cache(maxsize=MOST_KEPT)
    def under(token: str, account_id: int, using: str) -> Read:
        return read(account_id, using)

    def of(account_id: int, using: str = DEFAULT_DB_ALIAS, token: str | None = None) -> Read:
        return under(token or token_of(account_id, using), account_id, using)

    return of


def token_of(account_id: int, using: str = DEFAULT_DB_ALIAS) -> str:
    """Under which what an account has set up may be kept in memory; at most one query for each unit of work."""
    work = open_unit(using)
    token: str | None = work.remembered("setup", account_id) if work else None
    if token is None:
        found = _TOKEN.first(account_id, using=using)
        if found is None:
            raise Account.DoesNotExist(account_id)
        (token,) = found
        if work:
            work.remember("setup", account_id, value=token)
    return token


_TOKEN = Question(lambda pk: Account.objects.filter(pk=pk).order_by().values_list("setup_token"), int)


def _read(account_id: int, using: str) -> Setup:
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


of = kept(_read)
"""The setup of an account."""


def within(work: Unit, account_id: int) -> Setup:
    """The same, for whoever has the unit of work in hand."""
    return of(account_id, work.using, work.remembered("setup", account_id))
