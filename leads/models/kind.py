"""What kinds of activities and opportunities an account has, with LeadSquared's codes, and the fields of each kind."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import Max
from django.db.models.signals import post_save
from django.dispatch import receiver

from leads.changes import unit
from leads.models.account import Account
from leads.models.once import Once

# mx_Custom_1 and so on.
MOST_FIELDS = 50
MOST_STAGES = 100
# Of a label or a stage.
LONGEST_LABEL = 100
LONGEST_VALUE = 2000
HIGHEST_CODE = 999_999


class Kind(models.Model):
    """A name and a code, each once per account, and further fields by their labels.

    The place of a label is the number of its field (mx_Custom_1 is the first one), so that a kind that is in use keeps
    its labels where they are: new ones come behind them.
    """

    first_code: ClassVar[int]

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="%(class)ss")
    name = models.CharField(max_length=100)
    code = models.PositiveIntegerField(blank=True)
    fields = models.JSONField(default=list, blank=True)

    class Meta:
        abstract = True
        ordering = ["code"]
        constraints = [
            Once(
                fields=["account", "name"],
                name="%(class)s_name_once_per_account",
                violation_error_message="This account has one of that name.",
            ),
            Once(
                fields=["account", "code"],
                name="%(class)s_code_once_per_account",
                violation_error_message="This account has one of that code.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with unit(using, savepoint=False):
            Account.objects.using(using).select_for_update(no_key=True).filter(pk=self.account_id).first()
            if self.code is None:
                highest = self.of_account(using).aggregate(Max("code"))["code__max"] or 0
                self.code = max(highest + 1, self.first_code)
            if faults := self.faults(using):
                raise ValidationError({key: ValidationError(text, code=key) for key, text in faults.items()})
            super().save(*args, using=using, **kwargs)

    def of_account(self, using: str) -> models.QuerySet[Any]:
        return type(self)._base_manager.using(using).filter(account_id=self.account_id)

    def faults(self, using: str = "default") -> dict[str, str]:
        """Field -> what is wrong with it, also beside the records that are of this kind."""
        stored = self.of_account(using).filter(pk=self.pk).first() if self.pk is not None else None
        kept = stored if stored is not None and self.is_used(using) else None
        return {key: fault for key, fault in self.judged(kept, using).items() if fault is not None}

    def judged(self, kept: Any, using: str) -> dict[str, str | None]:
        """The same with None for what is right; kept is the kind as it is stored, where it is in use."""
        wrong = self.code is not None and not 0 < self.code <= HIGHEST_CODE
        return {
            "code": f"must be a whole number from 1 to {HIGHEST_CODE}" if wrong else None,
            "fields": label_fault(self.fields, kept.fields if kept is not None else ()),
        }

    def is_used(self, using: str = "default") -> bool:
        """Whether a record is of this kind."""
        raise NotImplementedError


def label_fault(labels: Any, kept: Any = ()) -> str | None:
    """What is wrong with a kind's labels; those in `kept` stay where they are. The sentence begins without a name."""
    if fault := _names_fault(labels, "labels", MOST_FIELDS):
        return fault
    if labels[: len(kept)] != list(kept):
        return "of a kind that is in use keep their labels and places: add new ones behind them"
    return None


def stages_fault(stages: Any) -> str | None:
    if fault := _names_fault(stages, "stages", MOST_STAGES):
        return fault
    return None if stages else "must be at least one"


def _names_fault(names: Any, noun: str, most: int) -> str | None:
    """What is wrong with names in their order."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        return f"must be a list of {noun}"
    if len(names) > most:
        return f"must be at most {most}"
    if any(len(name) > LONGEST_LABEL for name in names):
        return f"must have {noun} of at most {LONGEST_LABEL} characters"
    if len({name.casefold() for name in names}) < len(names):
        return f"must have each {noun.removesuffix('s')} once"
    return None


def value_fault(values: Any, labels: Any) -> str | None:
    """What is wrong with the `fields` of a record whose kind has these labels."""
    if not isinstance(values, dict) or not all(value is None or isinstance(value, str) for value in values.values()):
        return "must be texts by their labels"
    if unknown := next((label for label in values if label not in labels), None):
        return f"has no field {unknown}"
    if long := next((label for label, value in values.items() if value and len(value) > LONGEST_VALUE), None):
        return f"must have at most {LONGEST_VALUE:,} characters in {long}"
    return None


class ActivityKind(models.TextChoices):
    LEAD = "lead", "Lead activity"
    SALES = "sales", "Sales activity"
    COMPANY = "company", "Company activity"


class ActivityType(Kind):
    """Codes as LeadSquared has them: 21 and 22 are calls, an account's own begin at 201."""

    first_code = 201

    kind = models.CharField(max_length=7, choices=ActivityKind.choices, default=ActivityKind.LEAD)

    class Meta(Kind.Meta):
        verbose_name = "activity type"

    def is_used(self, using: str = "default") -> bool:
        return any(records.using(using).exists() for records in (self.activities.all(), self.company_activities.all()))

    def judged(self, kept: Any, using: str) -> dict[str, str | None]:
        changed = kept is not None and kept.kind != self.kind
        fault = f"of a type that is in use stays {kept.get_kind_display().lower()}" if changed else None
        return super().judged(kept, using) | {"kind": fault}


class OpportunityType(Kind):
    first_code = 12_000

    # In the order in which an opportunity goes through them: ["Prospecting", ...].
    stages = models.JSONField(default=list)

    class Meta(Kind.Meta):
        verbose_name = "opportunity type"

    def is_used(self, using: str = "default") -> bool:
        return bool(self.opportunities.using(using).exists())

    def judged(self, kept: Any, using: str) -> dict[str, str | None]:
        fault = stages_fault(self.stages)
        lost = None if fault or kept is None else self.lost(using)
        if lost is not None:
            stage, count = lost
            stand = "opportunity stands" if count == 1 else "opportunities stand"
            fault = f"must keep {stage}: {count:,} {stand} in it"
        return super().judged(kept, using) | {"stages": fault}

    def lost(self, using: str = "default") -> tuple[str, int] | None:
        """A stage in which opportunities stand, and how many, that is none of the stages any more."""
        standing = self.opportunities.using(using).exclude(stage__in=self.stages).order_by("stage")
        return standing.values_list("stage").annotate(count=models.Count("pk")).first()


ACTIVITY_TYPES = (
    (21, "Inbound phone call", ActivityKind.LEAD),
    (22, "Outbound phone call", ActivityKind.LEAD),
    (30, "Sales activity", ActivityKind.SALES),
    (201, "Meeting", ActivityKind.LEAD),
    (202, "Account review", ActivityKind.COMPANY),
)
OPPORTUNITY_TYPES = ((12_000, "Opportunity", ("Prospecting", "Qualified", "Proposal", "Negotiation", "Closed")),)


def make_kinds(account: Account, using: str) -> None:
    """What an account begins with."""
    ActivityType.objects.using(using).bulk_create(
        ActivityType(account=account, code=code, name=name, kind=kind) for code, name, kind in ACTIVITY_TYPES
    )
    OpportunityType.objects.using(using).bulk_create(
        OpportunityType(account=account, code=code, name=name, stages=list(stages))
        for code, name, stages in OPPORTUNITY_TYPES
    )


@receiver(post_save, sender=Account)
def give_kinds(sender: Any, instance: Account, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
    if created and not raw:
        make_kinds(instance, using)
