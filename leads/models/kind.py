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

# mx_Custom_1 and so on.
MOST_FIELDS = 50
LONGEST_LABEL = 100
LONGEST_VALUE = 2000


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
            models.UniqueConstraint(
                fields=["account", "name"],
                name="%(class)s_name_once_per_account",
                violation_error_message="This account has one of that name.",
            ),
            models.UniqueConstraint(
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
            stored = self.of_account(using).filter(pk=self.pk).first()
            if fault := label_fault(self.fields, stored.fields if stored is not None and self.is_used(using) else ()):
                raise ValidationError({"fields": ValidationError(fault, code="fields")})
            super().save(*args, using=using, **kwargs)

    def of_account(self, using: str) -> models.QuerySet[Any]:
        return type(self)._base_manager.using(using).filter(account_id=self.account_id)

    def is_used(self, using: str = "default") -> bool:
        """Whether a record is of this kind."""
        raise NotImplementedError


def label_fault(labels: Any, kept: Any = ()) -> str | None:
    """What is wrong with a kind's labels; those in `kept` stay where they are. The sentence begins without a name."""
    if not isinstance(labels, list) or not all(isinstance(label, str) and label.strip() for label in labels):
        return "must be a list of labels"
    if len(labels) > MOST_FIELDS:
        return f"must be at most {MOST_FIELDS}"
    if any(len(label) > LONGEST_LABEL for label in labels):
        return f"must have labels of at most {LONGEST_LABEL} characters"
    if len({label.casefold() for label in labels}) < len(labels):
        return "must have each label once"
    if labels[: len(kept)] != list(kept):
        return "of a kind that is in use keep their labels and places: add new ones behind them"
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


class OpportunityType(Kind):
    first_code = 12_000

    # In the order in which an opportunity goes through them: ["Prospecting", ...].
    stages = models.JSONField(default=list)

    class Meta(Kind.Meta):
        verbose_name = "opportunity type"

    def is_used(self, using: str = "default") -> bool:
        return bool(self.opportunities.using(using).exists())


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
