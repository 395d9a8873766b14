"""Pipelines with their stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, ProtectedError, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from leads import fields
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, badge, clip, plural
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm, check_text, leads_link, leads_where
from leads.admin.rows import Cells, Codec, Column, RowsField
from leads.models import Pipeline, Stage
from leads.models.pipeline import OUTCOME_OF

_LONGEST_NAME = Stage._meta.get_field("name").max_length or 0
_STAGE = ("id", "name", "code", "outcome")


def _stage(cells: Cells, was: Mapping[str, Any] | None) -> dict[str, Any]:
    outcome = cells["outcome"] or OUTCOME_OF.get(cells["code"], "open")
    return {"id": was["id"] if was else None, "name": cells["name"], "code": cells["code"], "outcome": outcome}


# [{"id": 7, "name": "Won", "code": "WON", "outcome": "win"}, ...]; id None is a new one.
STAGES = Codec(
    columns=(
        Column("name", "Name"),
        Column("code", "LeadPro code", options=tuple((code, f"{name} ({code})") for code, name in fields.STAGES)),
        Column("outcome", "Outcome", options=(("", "That of its code"), *fields.OUTCOMES)),
    ),
    items=lambda stored: list(stored or []),
    cells=lambda item: {name: item[name] for name in ("name", "code", "outcome")},
    item=_stage,
    value=lambda items, stored: items,
)


class PipelineForm(OwnedForm):
    class Meta:
        model = Pipeline
        fields = ["account", "name", "is_default"]
        widgets = ACCOUNT | {"name": UnfoldAdminTextInputWidget, "is_default": UnfoldBooleanSwitchWidget}
        help_texts = {"is_default": "New leads begin in the first stage of the default pipeline."}

    def prepare(self) -> None:
        self.stored: list[dict[str, Any]] = []
        if not self.adding:
            self.stored = list(self.instance.stages.order_by("position", "pk").values(*_STAGE))
        self.fields["stages"] = RowsField(
            STAGES,
            "Stages",
            ordered=True,
            help_text="In their order. The LeadPro code is what systems with a fixed list of stages are told; "
            "a new code reaches the webhooks of every lead in the stage.",
        )
        self.initial["stages"] = self.fields["stages"].rows(self.stored)  # type: ignore[attr-defined]
        self.built: list[dict[str, Any]] = self.stored

    def clean_is_default(self) -> bool:
        default: bool = self.cleaned_data["is_default"]
        if self.initial.get("is_default") and not default:
            raise ValidationError("Default must stay on. Make another pipeline the default instead.")
        return default

    def clean_stages(self) -> list[Cells]:
        rows: list[Cells] = self.cleaned_data["stages"]
        if self.fields["stages"].disabled:
            return rows
        self.built = self.fields["stages"].build(rows, self.stored)  # type: ignore[attr-defined]
        faults = [*_faults(self.built), *self._removed_faults()]
        if faults:
            raise ValidationError(faults)
        return rows

    def _get_validation_exclusions(self) -> set[str]:
        # That there is one default is the model's care: it takes it from the other one.
        return super()._get_validation_exclusions() | {"is_default"}

    def _removed_faults(self) -> list[str]:
        kept = {stage["id"] for stage in self.built}
        removed = {stage["id"]: stage["name"] for stage in self.stored if stage["id"] not in kept}
        counts = (
            Stage.objects.filter(pk__in=removed)
            .annotate(leads_here=Count("leads", filter=Q(leads__merged_into=None)))
            .order_by("position", "pk")
        )
        return [
            f"{removed[stage.pk]} cannot be removed: {plural(stage.leads_here, 'lead')} "
            f"{'stands' if stage.leads_here == 1 else 'stand'} in it. Move them to another stage first."
            for stage in counts
            if stage.leads_here
        ]

    def save_stages(self) -> None:
        """Once the pipeline is stored."""
        try:
            self.instance.put_stages([Stage(**stage) for stage in self.built])
        except ProtectedError:
            raise ValidationError("A lead was moved to a stage that you removed. Nothing is stored.") from None


def _faults(stages: list[dict[str, Any]]) -> list[str]:
    if not stages:
        return ["Stages must be at least one."]
    faults = []
    names = [stage["name"].casefold() for stage in stages]
    for stage in stages:
        name = stage["name"]
        if len(name) > _LONGEST_NAME:
            faults.append(f"Stages must have names of at most {_LONGEST_NAME} characters.")
        elif names.count(name.casefold()) > 1:
            faults.append(f"Stages must have the name “{name}” only once.")
        try:
            check_text("Stages", name)
        except ValidationError as error:
            faults += error.messages
        if stage["code"] not in dict(fields.STAGES) or stage["outcome"] not in dict(fields.OUTCOMES):
            faults.append(f"Stages must have a LeadPro code and an outcome of those on offer: {name} has not.")
    return list(dict.fromkeys(faults))


@admin.register(Pipeline)
class PipelineAdmin(OwnedAdmin):
    form = PipelineForm
    fields_of_form = ("name", "is_default", "stages")
    columns = ("name", "default", "stages", "leads")
    search_help_text = "Pipeline"
    ordering = ("account__name", "-is_default", "position", "id")
    sortable_by = ()
    empty_title = "No pipelines yet"
    empty_text = "Every lead stands in a stage of a pipeline."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("stages")

    @display(description="Default")
    def default(self, pipeline: Pipeline) -> SafeString:
        return badge("", "Default") if pipeline.is_default else MISSING

    @display(description="Stages")
    def stages(self, pipeline: Pipeline) -> SafeString:
        return clip(", ".join(stage.name for stage in pipeline.stages.all()))

    @display(description="Leads")
    def leads(self, pipeline: Pipeline) -> SafeString:
        return leads_link(pipeline=pipeline.pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.save_stages()

    def deletion(self, request: HttpRequest, pipeline: Any) -> Deletion:
        if pipeline.is_default:
            return Deletion(
                f"{pipeline} cannot be deleted",
                "New leads begin in this pipeline. Make another one the default first.",
                possible=False,
            )
        leads = pipeline.leads.count()
        if leads:
            return Deletion(
                f"{pipeline} cannot be deleted",
                f"{plural(leads, 'lead')} {'stands' if leads == 1 else 'stand'} in it. Move them to another pipeline "
                "first.",
                possible=False,
                link=("View these leads", leads_where(pipeline=pipeline.pk)),
            )
        return Deletion(
            f"Delete {pipeline}?", f"The pipeline is removed, with its {plural(pipeline.stages.count(), 'stage')}."
        )
