"""What the webhooks hear of the CRM: the one place where the two apps meet at run time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count
from django.db.models.signals import pre_delete, pre_save

from leads import statement
from leads.changes import open_unit
from leads.models import (
    ActivityType,
    Campaign,
    CustomField,
    Form,
    LeadList,
    Office,
    OpportunityType,
    Pipeline,
    Stage,
    Tag,
)
from leads.signals import Fact, happened
from webhooks import queue
from webhooks.automation import used
from webhooks.automation.start import heard, start
from webhooks.models import Lane, Webhook
from webhooks.outbound import filter_fields
from webhooks.outbound.capture import capture
from webhooks.outbound.outbox import fan_out
from webhooks.outbound.parcel import Captured
from webhooks.wire.filter import FORM

# What a filter can ask for.
_FILTERED = (
    ActivityType,
    Campaign,
    CustomField,
    Form,
    LeadList,
    Office,
    OpportunityType,
    Pipeline,
    Stage,
    Tag,
)


def connect() -> None:
    happened.connect(record, dispatch_uid="webhooks.receivers.record")
    pre_delete.connect(keep_last_office, sender=Office, dispatch_uid="webhooks.receivers.keep_last_office")
    for model in _FILTERED:
        pre_delete.connect(keep_filtered, sender=model, dispatch_uid=f"webhooks.receivers.keep_filtered.{model}")
    pre_delete.connect(keep_posted_to, sender=Webhook, dispatch_uid="webhooks.receivers.keep_posted_to")
    pre_save.connect(keep_filtered_name, sender=Tag, dispatch_uid="webhooks.receivers.keep_filtered_name")
    pre_save.connect(keep_filtered_choices, sender=CustomField, dispatch_uid="webhooks.receivers.keep_filtered_choices")


def record(sender: Any, facts: Sequence[Fact], **kwargs: Any) -> None:
    """Store the facts as events with their deliveries and runs of rules, in the transaction of the change, and nudge
    the queue."""
    events, work = capture(facts), open_unit()
    assert work is not None, "facts are told within one"
    work.last(partial(_store, events, _lane(facts)))
    if len(events) > statement.FEW:
        work.do_last()  # many are stored while they are at hand


def _store(events: Sequence[Captured], lane: Lane, commit: bool) -> None:
    heard_by_rules = heard(events)
    if fan_out(events, lane, commit=commit and not heard_by_rules):
        queue.nudge()
    start(heard_by_rules)


def _lane(facts: Sequence[Fact]) -> Lane:
    """What somebody brings in by the thousand does not hold up what happens meanwhile."""
    return Lane.BULK if all(fact.actor.kind == "import" for fact in facts) else Lane.LIVE


def keep_last_office(sender: Any, instance: Office, using: str, **kwargs: Any) -> None:
    """A webhook without offices hears the whole account: taking away its only one would tell it of all the others."""
    listening = Webhook.objects.using(using).annotate(chosen=Count("offices")).filter(chosen=1)
    names = listening.filter(pk__in=instance.webhooks.values("pk")).values_list("name", flat=True)
    if names:
        raise ValidationError(
            f"{instance} is the only office of {', '.join(names)}. Choose other offices for that webhook first.",
            code="in_use",
        )


def keep_filtered(sender: Any, instance: Any, **kwargs: Any) -> None:
    """A filter on what is gone lets nothing through: the webhook would fall silent, and nobody would know why. A rule
    would do so too, or fail each time."""
    _refuse_if_asked_for(instance, *_as_filtered(instance))


def keep_filtered_name(sender: Any, instance: Tag, raw: bool, using: str, **kwargs: Any) -> None:
    """Filters know a tag by its name."""
    stored = Tag.objects.using(using).filter(pk=instance.pk).exclude(name=instance.name).first()
    if stored is not None and not raw:
        keep_filtered(sender, stored)


def keep_filtered_choices(sender: Any, instance: CustomField, raw: bool, using: str, **kwargs: Any) -> None:
    """And one of a list by its text."""
    stored = CustomField.objects.using(using).filter(pk=instance.pk).first()
    if stored is not None and not raw:
        for choice in stored.choices:
            if choice not in instance.choices:
                _refuse_if_asked_for(choice, stored.definition.path, choice, stored.account_id)


def _refuse_if_asked_for(what: Any, key: str, value: Any, account_id: int) -> None:
    names = filter_fields.asking_for(account_id, key, value)
    if names:
        raise ValidationError(
            f"{what} is in the filters of {', '.join(names)}. Change the filters first.", code="in_use"
        )
    _refuse_if_used(what, key, value, account_id)


def keep_posted_to(sender: Any, instance: Webhook, **kwargs: Any) -> None:
    """A rule that posts to it would fail each time."""
    _refuse_if_used(instance, "webhook", instance.pk, instance.account_id)


def _refuse_if_used(what: Any, key: str, value: Any, account_id: int) -> None:
    rules = used.by(account_id, key, value)
    if rules:
        raise ValidationError(f"{what} is used by the rule {', '.join(rules)}. Change the rule first.", code="in_use")


def _as_filtered(instance: Any) -> tuple[str, Any, int]:
    """The field that a filter names for it, the value (None: the field itself goes), and whose it is."""
    match instance:
        case CustomField():
            return instance.definition.path, None, instance.account_id
        case Tag():
            return "tags", instance.name, instance.account_id
        case ActivityType() | OpportunityType():
            return filter_fields.TYPE, instance.code, instance.account_id
        case Stage():
            return "pipeline_stage_id", instance.pk, instance.pipeline.account_id
    keys = {
        Campaign: "campaigns",
        Form: FORM,
        LeadList: "lists",
        Office: "office_id",
        Pipeline: "pipeline_id",
    }
    return keys[type(instance)], instance.pk, instance.account_id
