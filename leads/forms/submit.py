"""Take a submission: one unit of work makes the lead, or finds it, tells of it, and counts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from leads import intake
from leads import setup as setups
from leads.changes import acting, unit
from leads.forms import limit
from leads.forms.answers import Answers, in_order, judged
from leads.forms.questions import Question
from leads.models import Form, FormSubmission, Lead
from leads.models.form import Outcome
from leads.scope import Scope
from leads.signals import Actor
from leads.validation import Violation


class Refused(Exception):
    """The answers break rules; nothing is stored."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = violations
        super().__init__(violations)


class TooMany(Exception):
    """The rate limit; nothing is stored. seconds: until the next one is taken."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(seconds)


class Closed(Exception):
    """The form was closed or deleted meanwhile."""


def submit(form: Form, questions: Sequence[Question], answers: Answers, address: str) -> FormSubmission:
    """Store the lead with its events, or nothing. Raises Refused, TooMany and Closed.

    `address` is the sender's. Of what a program wrote into the trap no lead is made, and nobody is told.
    """
    sender = limit.digest(address)
    # Asked before anything is read or locked, so that a flood costs little; what counts is asked again below.
    _check_limit(form, sender)
    given, violations = judged(form, setups.of(form.account_id), questions, answers)
    if violations and not answers.trapped:
        raise Refused(violations)
    with acting(Actor("form", form.pk, form.name)), unit() as work:
        # One after the other for each form: two at once would both find room under the limit.
        if Form.objects.select_for_update(no_key=True).filter(pk=form.pk, is_open=True).first() is None:
            raise Closed
        _check_limit(form, sender)
        limit.forget(form, timezone.now())
        taken = FormSubmission(form=form, address=sender)
        if answers.trapped:
            taken.outcome, taken.fields = Outcome.SPAM, answers.shortened(questions)
        else:
            taken.outcome, taken.fields = Outcome.LEAD, answers.by_label(questions)
            met = _take(form, questions, given)
            taken.lead = lead = met.lead
            if met.action == "updated":
                work.step(Lead, lead.pk)  # it is told of, also where the lead stays as it is
            told: dict[str, Any] = {"id": form.pk, "name": form.name, "fields": taken.fields}
            work.note(Lead, lead.pk, "form.submitted", {"form": told})
        taken.save(force_insert=True)
    return taken


def _check_limit(form: Form, sender: str) -> None:
    seconds = limit.wait(form, sender, timezone.now())
    if seconds:
        raise TooMany(seconds)


def _take(form: Form, questions: Sequence[Question], given: Mapping[str, Any]) -> intake.Taken:
    """The lead that the answers make, or that they are about."""
    try:
        return intake.take(form.account_id, given, policy_of(form), Scope(form.account_id, None))
    except intake.Refused as refused:
        # Whose value it is, is not for visitors.
        told = [replace(one, message="is taken already") if one.rule == "unique" else one for one in refused.violations]
        raise Refused(in_order(told, questions)) from None


def policy_of(form: Form) -> intake.Policy:
    tags, lists, campaigns = (
        tuple(labels.values_list("name", flat=True)) for labels in (form.tags, form.lists, form.campaigns)
    )
    return intake.Policy(
        match=form.match,
        update=form.update,
        protected=frozenset(form.protected),
        source=form.source,
        office_id=form.office_id,
        pipeline_id=form.pipeline_id,
        assign=form.assign,
        owner_id=form.owner_id,
        tags=tags,
        lists=lists,
        campaigns=campaigns,
    )
