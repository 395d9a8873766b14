"""Stages to choose from, grouped by pipeline: the default pipeline first."""

from __future__ import annotations

from leads.models import Stage
from leads.setup import PipelineRow, Setup

# (name of the pipeline, ((id of a stage, its name), ...))
Grouped = list[tuple[str, list[tuple[int, str]]]]


def of_account(setup: Setup) -> Grouped:
    return of_pipelines(setup.pipelines)


def of_pipelines(pipelines: tuple[PipelineRow, ...]) -> Grouped:
    return [(pipeline.name, [(stage.id, stage.name) for stage in pipeline.stages]) for pipeline in pipelines]


def of_every_account() -> Grouped:
    """Each pipeline under its account's name."""
    stages = Stage.objects.select_related("pipeline__account").order_by(
        "pipeline__account__name", "-pipeline__is_default", "pipeline__position", "pipeline", "position", "pk"
    )
    grouped: dict[str, list[tuple[int, str]]] = {}
    for stage in stages:
        name = f"{stage.pipeline.account.name} – {stage.pipeline.name}"
        grouped.setdefault(name, []).append((stage.pk, stage.name))
    return list(grouped.items())
