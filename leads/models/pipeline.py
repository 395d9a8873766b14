"""Pipelines and their stages: where a lead stands, in the account's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.db.models import Q
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from leads import fields
from leads.changes import unit
from leads.models.account import Account
from leads.models.account_setup import AccountSetup
from leads.models.once import Once

DEFAULT_NAME = "Sales pipeline"

# Of the thirteen stages that a new pipeline has; the others are open.
OUTCOME_OF = {"WON": "win", "LOST": "loss", "DUPLICATE": "loss", "SPAM": "loss", "DELETED": "loss"}


class Pipeline(AccountSetup):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="pipelines")
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField(default=0)
    is_default = models.BooleanField("default for new leads", default=False)

    class Meta:
        ordering = ["-is_default", "position", "id"]
        constraints = [
            Once(
                fields=["account", "name"],
                name="pipeline_name_once_per_account",
                violation_error_message="This account has a pipeline of that name.",
            ),
            models.UniqueConstraint(fields=["account"], condition=Q(is_default=True), name="pipeline_default_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, using: str | None = None, update_fields: Any = None, **kwargs: Any) -> None:
        """An account has exactly one default: its first pipeline, until another one is made it."""
        using = using or router.db_for_write(type(self), instance=self)
        with unit(using, savepoint=False):
            # One after the other: two that both become the default would leave none or two.
            Account.objects.using(using).select_for_update(no_key=True).filter(pk=self.account_id).first()
            pipelines = Pipeline.objects.using(using)
            if pipelines.filter(pk=self.pk).exclude(account_id=self.account_id).exists():
                raise ValidationError("A pipeline stays in its account.", code="kept")
            if update_fields is None or "is_default" in update_fields:
                others = pipelines.filter(account_id=self.account_id, is_default=True).exclude(pk=self.pk)
                if self.is_default:
                    others.update(is_default=False)
                else:
                    self.is_default = not others.exists()
            super().save(*args, using=using, update_fields=update_fields, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        keep_default(instance=self, origin=self)  # before it is looked for what stands in the way
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using, savepoint=False):
            stages = Stage.objects.using(using).filter(pipeline__account_id=self.account_id)
            _move_merged(self, stages.filter(pipeline__is_default=True).first(), using)
            return super().delete(*args, **kwargs)

    def put_stages(self, stages: Sequence[Stage]) -> None:
        """Have these stages, in this order, and no others. Raises ProtectedError where a lead stands in another one."""
        stored = {stage.pk: stage for stage in Stage.objects.filter(pipeline=self)}
        with unit():
            staying = next((stored[stage.pk] for stage in stages if stage.pk is not None), None)
            for pk in stored.keys() - {stage.pk for stage in stages}:
                _move_merged(stored[pk], staying, router.db_for_write(Stage, instance=self))
                stored[pk].delete()
            for stage in stages:
                if stage.pk is not None and stage.name != stored[stage.pk].name:
                    # Two may change names with each other: neither is in the way of the other.
                    Stage.objects.filter(pk=stage.pk).update(name=f"\x7f{stage.pk}")
            for position, stage in enumerate(stages):
                stage.pipeline, stage.position = self, position
                if stage.pk is None or _told(stage) != _told(stored[stage.pk]):
                    stage.save()

    @classmethod
    def make_default(cls, account: Account, using: str) -> Pipeline:
        """The account's first pipeline, with a stage for each code."""
        pipeline = cls.objects.using(using).create(account=account, name=DEFAULT_NAME)
        Stage.objects.using(using).bulk_create(
            Stage(pipeline=pipeline, name=name, position=position, code=code, outcome=OUTCOME_OF.get(code, "open"))
            for position, (code, name) in enumerate(fields.STAGES)
        )
        return pipeline


@receiver(pre_delete, sender=Pipeline)
def keep_default(instance: Pipeline, origin: Any, **kwargs: Any) -> None:
    """Deleted by itself, that is: with its account it goes."""
    by_itself = isinstance(origin, Pipeline) or getattr(origin, "model", None) is Pipeline
    if instance.is_default and by_itself:
        raise ValidationError("New leads begin in this pipeline. Make another one the default first.", code="in_use")


class Stage(AccountSetup):
    account_path = "pipeline__account_id"

    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField(default=0)
    code = models.CharField("LeadPro code", max_length=20, choices=fields.STAGES)
    outcome = models.CharField(max_length=4, choices=fields.OUTCOMES, default="open")

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "name"],
                name="stage_name_once_per_pipeline",
                violation_error_message="This pipeline has a stage of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def account_of(self, using: str) -> int | None:
        return Pipeline.objects.using(using).filter(pk=self.pipeline_id).values_list("account_id", flat=True).first()

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        """The leads that stand here carry its code."""
        using = using or router.db_for_write(type(self), instance=self)
        with unit(using, savepoint=False):
            if Stage.objects.using(using).filter(pk=self.pk).exclude(pipeline_id=self.pipeline_id).exists():
                raise ValidationError("A stage stays in its pipeline.", code="kept")
            super().save(*args, using=using, **kwargs)
            leads = self.leads(manager="with_merged").using(using)  # type: ignore[operator]
            leads.exclude(stage=self.code).update(stage=self.code)


def _move_merged(place: Pipeline | Stage, stage: Stage | None, using: str) -> None:
    """Leads that were merged are seen nowhere: they hold no place that nobody else stands in."""
    leads = place.leads(manager="with_merged").using(using).exclude(merged_into=None)  # type: ignore[attr-defined]
    if stage is not None:
        leads.update(pipeline_id=stage.pipeline_id, pipeline_stage_id=stage.pk, stage=stage.code)


def _told(stage: Stage) -> tuple[Any, ...]:
    return stage.name, stage.position, stage.code, stage.outcome
