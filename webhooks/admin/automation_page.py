"""What stands around the form of a rule: what is missing, what it came to, and its recent runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from leads.models import Lead
from webhooks.automation import actions, steps
from webhooks.automation.world import World
from webhooks.models import Automation, Run, RunState, Tally
from webhooks.outbound import filter_fields

RECENT = 20
# The look of a run's state, among those of deliveries (leads/admin/display.py).
TONES = {
    RunState.NEW: "queued",
    RunState.WAITING: "queued",
    RunState.DONE: "success",
    RunState.FAILED: "failure",
    RunState.STOPPED: "held",
}


@dataclass(frozen=True, slots=True)
class RunLine:
    """link: the lead's page, or "" where it is gone or there is none; mails: those that did not leave."""

    run: Run
    tone: str
    link: str
    mails: list[str]

    @property
    def texts(self) -> list[str]:
        return [*self.run.texts, *([self.run.reason] if self.run.reason else []), *self.mails]


def lines(runs: Sequence[Run]) -> list[RunLine]:
    """Of runs that have their events at hand."""
    leads = {run.lead_id for run in runs if run.lead_id}
    there = set(Lead.objects.filter(pk__in=leads).values_list("pk", flat=True))
    return [
        RunLine(
            run,
            TONES[RunState(run.state)],
            reverse("admin:leads_lead_change", args=[run.lead_id]) if run.lead_id in there else "",
            [f"Mail to {mail.to}: {mail.error}" for mail in run.mails.all() if mail.error],
        )
        for run in runs
    ]


def context(rule: Automation) -> dict[str, Any]:
    """Of the change page's template; `page` says that it is there."""
    world = World(rule.account_id, rule.event)
    runs = rule.runs.select_related("event").prefetch_related("mails").order_by("-pk")
    return {
        "page": True,
        "stored": rule,
        "badge": state(rule),
        "missing": missing(rule, world),
        "tally": Tally.objects.filter(pk=rule.pk).first() or Tally(),
        "conditions": conditions_in_words(rule, world),
        "steps": steps_in_words(rule, world),
        "runs": lines(list(runs[:RECENT])),
    }


def state(rule: Automation) -> tuple[str, str]:
    """The look and the word."""
    return ("enabled", "On") if rule.is_active else ("disabled", "Off")


def missing(rule: Automation, world: World) -> list[str]:
    """What it names that is not there any more: its conditions hold of nothing then, and its runs fail."""
    found = []
    try:
        for condition in rule.read_conditions:
            filter_fields.check(world.fields, condition)
    except ValueError as fault:  # a Misfit, or what is no condition at all
        found.append(str(fault))
    gone = steps.gone(rule.steps, rule.kind, world)
    return found + [text if number is None else f"Step {number + 1}: {text}" for number, text in gone]


def conditions_in_words(rule: Automation, world: World) -> str:
    try:
        return filter_fields.in_words(rule.read_conditions, world.fields) or "None: every event of this type"
    except ValueError:
        return "They cannot be read."


def steps_in_words(rule: Automation, world: World) -> list[str]:
    return [actions.in_words(step, world) for step in rule.steps]
