"""What leads are grouped by (tags, lists, campaigns), and the relation to them whose writes are told.

Django's related manager writes the rows between two tables by itself: here each of its writes is a unit of work of the
leads that it touches, from whichever side it is made. Rows written through the table between them are outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, wraps
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import F, OuterRef, Subquery
from django.db.models.fields.related_descriptors import ManyToManyDescriptor
from django.db.models.signals import m2m_changed, pre_delete, pre_save
from django.dispatch import receiver

from leads.changes import open_unit, unit
from leads.identity import folded
from leads.models.account import Account
from leads.models.record import Record


class LabelQuerySet(models.QuerySet["Label"]):
    def delete(self) -> tuple[int, dict[str, int]]:
        self._for_write = True
        with unit(self.db, savepoint=False):
            hold(self.model, self.db, list(self.values_list("pk", flat=True)))
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Label(models.Model):
    """A name, once per account however it is capitalised. Deleting it changes the leads that have it."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="%(class)ss")
    name = models.CharField(max_length=100)
    # By which it is found: databases do not agree about capitals beyond ASCII.
    key = models.CharField(max_length=300, editable=False)

    objects = LabelQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="%(class)s_name_once_per_account")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        others = type(self)._base_manager.filter(account_id=self.account_id, key=folded(self.name))
        if others.exclude(pk=self.pk).exists():
            raise ValidationError({"name": ValidationError("This account has one of that name.", code="unique")})

    def save(self, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
        self.key = folded(self.name)
        super().save(*args, update_fields=update_fields and {*update_fields, "key"}, **kwargs)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        with unit(using, savepoint=False):
            hold(type(self), using, [self.pk])
            return super().delete(using=using, keep_parents=keep_parents)


def hold(model: type[Label], using: str, pks: Sequence[int]) -> None:
    """Before Django looks for what goes with these labels: from here on nobody can commit one of them on a lead."""
    list(model._base_manager.using(using).select_for_update().filter(pk__in=pks).order_by("pk").values_list("pk"))


class LabelsField(models.ManyToManyField):
    """From a record to labels of its account."""

    def contribute_to_class(self, cls: type[models.Model], name: str, **kwargs: Any) -> None:  # type: ignore[override]
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, self.name, _Telling(self.remote_field, reverse=False))

    def contribute_to_related_class(self, cls: type[models.Model], related: Any) -> None:
        super().contribute_to_related_class(cls, related)
        setattr(cls, related.accessor_name, _Telling(self.remote_field, reverse=True))

    def pairs(self) -> Pairs:
        """An annotation of the record: [[id, name], ...] of its labels, in the order in which they were given."""
        target = self.m2m_reverse_field_name()
        return Pairs(self._between(OuterRef("pk")).values(pair_id=F(f"{target}_id"), pair_name=F(f"{target}__name")))

    def names(self, record: Record) -> list[str]:
        """As they are stored now, in the order in which they were given."""
        if record.pk is None:
            return []
        return list(self._between(record.pk).values_list(f"{self.m2m_reverse_field_name()}__name", flat=True))

    def _between(self, pk: Any) -> models.QuerySet[Any]:
        through: Any = self.remote_field.through
        return through._default_manager.filter(**{self.m2m_field_name(): pk}).order_by("pk")


class Pairs(Subquery):
    """The rows of a query of pair_id and pair_name as one JSON array."""

    output_field = models.JSONField()
    template = "(SELECT json_group_array(json_array(pair_id, pair_name)) FROM (%(subquery)s) AS pairs)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        built = "coalesce(jsonb_agg(jsonb_build_array(pair_id, pair_name)), '[]'::jsonb)"
        return self.as_sql(compiler, connection, template=f"(SELECT {built} FROM (%(subquery)s) AS pairs)", **context)


class _Telling(ManyToManyDescriptor):
    @cached_property
    def related_manager_cls(self) -> Any:
        base = super().related_manager_cls
        return type(base.__name__, (base,), {name: _as_unit(getattr(base, name)) for name in _WRITES})


_WRITES = ("add", "remove", "clear", "set", "create", "get_or_create", "update_or_create")


def _as_unit(method: Any) -> Any:
    @wraps(method)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self.instance._state, "raw", False):
            return method(self, *args, **kwargs)  # loaddata tells nothing
        with unit(router.db_for_write(self.through, instance=self.instance), savepoint=False):
            return method(self, *args, **kwargs)

    told.alters_data = True  # type: ignore[attr-defined]
    return told


@receiver(m2m_changed)
def touch_labelled(
    instance: Any, action: str, reverse: bool, model: Any, pk_set: set[int] | None, using: str, **kwargs: Any
) -> None:
    """Before rows between a record and its labels are written: read the records as they are."""
    label, record = (type(instance), model) if reverse else (model, type(instance))
    if not action.startswith("pre_") or not (issubclass(label, Label) and issubclass(record, Record)):
        return
    work = open_unit(using)
    if work is None:
        return  # loaddata
    if not reverse:
        touched = [instance.pk]
    else:
        touched = sorted(pk_set) if pk_set is not None else list(instance.leads.values_list("pk", flat=True))
    work.touch(record, touched)
    if any(row is not None and record.hidden(row) for row in (work.before(record, pk) for pk in touched)):
        raise ValidationError("A lead that was merged keeps its labels.", code="merged")
    if action == "pre_add":
        added = model._default_manager.using(using).filter(pk__in=pk_set)
        if added.exclude(account_id=instance.account_id).exists():
            raise ValidationError("A label and what it stands on belong to one account.", code="account")


@receiver(pre_save)
def note_raw_load(instance: Any, raw: bool, **kwargs: Any) -> None:
    if raw:
        instance._state.raw = True


@receiver(pre_delete)
def touch_unlabelled(sender: type[models.Model], instance: Any, using: str, **kwargs: Any) -> None:
    work = open_unit(using)
    if work is not None and issubclass(sender, Label):
        leads = instance.leads
        work.touch(leads.model, list(leads.using(using).order_by("pk").values_list("pk", flat=True)))
