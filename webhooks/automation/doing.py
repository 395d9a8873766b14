"""What the actions do. The unit of work is open, and what is done of a run is stored with it, or nothing is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet

from leads import assignment, jobs, setup
from leads.changes import Unit
from leads.fields import BY_KEY
from leads.identity import folded
from leads.models import Lead, Task, User
from webhooks.automation import mail, records, template
from webhooks.automation.actions import ACTIONS, LEAD, OWNER, Step
from webhooks.automation.world import World
from webhooks.models import Event, Run, RunMail, Tally
from webhooks.outbound import filter_fields, posting
from webhooks.outbound.filter_fields import Misfit


class Failure(Exception):
    """Why a step cannot be done, as a sentence: the run ends with it."""


class Doing:
    """One group of steps of one run."""

    def __init__(self, run: Run, event: Event, work: Unit) -> None:
        self.run = run
        self.event = event
        self.work = work
        self.world = World(run.account_id, event.type)

    def do(self, number: int, step: Step) -> str:
        """Do one step, and say what was done. Raises Failure."""
        action = ACTIONS.get(step.get("do", ""))
        if action is None:
            raise Failure(f"There is no action “{step.get('do')}” any more.")
        try:
            return _DO[action.name](self, step, number)
        except (Misfit, posting.Unheard) as refusal:
            raise Failure(str(refusal)) from None

    @cached_property
    def lead(self) -> Lead:
        """Locked: what is read is what is changed."""
        lead = self.found_lead
        if lead is None:
            gone = "has no lead" if self.run.lead_id is None else "is of a lead that is gone"
            raise Failure(f"What this is about, {self.event.label}, {gone}.")
        if lead.merged_into_id is not None:
            raise Failure("The lead was merged into another one.")
        return lead

    @cached_property
    def found_lead(self) -> Lead | None:
        if self.run.lead_id is None or not records.concerns_lead(self.event.type):
            return None
        leads = Lead.with_merged.filter(account_id=self.run.account_id, pk=self.run.lead_id)
        if connection.features.has_select_for_update:
            leads = leads.select_for_update(of=("self",), no_key=True)
        lead: Lead | None = leads.first()
        return lead

    @property
    def data(self) -> Mapping[str, Any]:
        """What placeholders stand for: the lead as it is now; of another record, what the event told."""
        if self.event.record != Lead.record_name or self.found_lead is None:
            return self.event.frozen.data
        return Lead.snapshot(Lead.rows(DEFAULT_DB_ALIAS, [self.found_lead.pk])[self.found_lead.pk], {})

    def filled(self, step: Step, part: str) -> str:
        return template.fill(step.get(part) or "", self.data)


def _assign(doing: Doing, step: Step, number: int) -> str:
    return _give(doing, doing.world.person(step["person"]))


def _assign_in_turn(doing: Doing, step: Step, number: int) -> str:
    doing.lead  # noqa: B018  first: who has no lead to give takes nobody's turn
    office = str(step.get("office", ""))
    assert doing.run.automation_id is not None
    tally = Tally.locked(doing.run.automation_id)
    person = assignment.next_of(_candidates(doing, step), tally.turns.get(office, 0))
    assert person is not None
    tally.turns[office] = person.pk
    tally.save(update_fields=["turns"])
    return _give(doing, person)


def _assign_least_loaded(doing: Doing, step: Step, number: int) -> str:
    lead = doing.lead
    person = assignment.least_loaded(_candidates(doing, step), lead.account_id, but=lead.pk)
    assert person is not None
    return _give(doing, person)


def _candidates(doing: Doing, step: Step) -> QuerySet[User]:
    """Failure where there is nobody."""
    office = doing.world.office(step["office"]) if "office" in step else None
    people = assignment.candidates(doing.run.account_id, office.pk if office else None)
    where = office.name if office else "this account"
    if not people.exists():
        raise Failure(f"There is no active person of {where} to assign leads to.")
    return people


def _give(doing: Doing, person: User) -> str:
    lead = doing.lead
    if lead.owner_id == person.pk:
        return f"Already assigned to {person}."
    lead.owner = person
    lead.save()
    return f"Assigned to {person}."


def _set_field(doing: Doing, step: Step, number: int) -> str:
    lead, key, value = doing.lead, step["field"], step.get("value")
    if key in BY_KEY:
        lead.set(key, value)
    else:
        lead.custom_fields = {**lead.custom_fields, key.partition(".")[2]: value}
    lead.save()
    own = setup.of(lead.account_id)
    field = BY_KEY.get(key) or own.definitions.get(key.partition(".")[2])
    label = field.label if field else key
    return f"Emptied {label}." if value is None else f"Set {label} to {_words(lead, own, key, value)}."


def _words(lead: Lead, own: setup.Setup, key: str, value: Any) -> str:
    """A value that was set, by its name where it is an id or a code."""
    match key:
        case "pipeline_id" if found := own.pipeline(value):
            return found.name
        case "pipeline_stage_id" if stage := own.stage(value):
            return stage.name
        case "office_id" if lead.office:
            return lead.office.name
    known = dict(BY_KEY[key].choices) if key in BY_KEY else {}
    return str(known.get(value, filter_fields.as_text(value)))


def _add_tag(doing: Doing, step: Step, number: int) -> str:
    lead, tag = doing.lead, step["tag"]
    tags = lead.get("tags")
    if folded(tag) in map(folded, tags):
        return f"It had the tag {tag} already."
    lead.set("tags", [*tags, tag])
    lead.save()
    return f"Added the tag {tag}."


def _add_to_list(doing: Doing, step: Step, number: int) -> str:
    found = doing.world.list(step["list"])
    if doing.lead.lists.filter(pk=found.pk).exists():
        return f"It was in the list {found} already."
    doing.lead.lists.add(found)
    return f"Added to the list {found}."


def _create_task(doing: Doing, step: Step, number: int) -> str:
    lead = doing.found_lead
    owner = doing.world.person(step["owner"]) if "owner" in step else lead.owner if lead else None
    task = Task(
        account_id=doing.run.account_id,
        lead=lead,
        name=doing.filled(step, "name")[:200].strip() or "Task",
        description=doing.filled(step, "description")[:10_000] or None,
        due_at=doing.work.now + timedelta(days=step["days"]),
        owner=owner,
    )
    task.save()
    return f"Created the task {task}{f' for {owner}' if owner else ''}."


def _send_mail(doing: Doing, step: Step, number: int) -> str:
    to = _address(doing, step["to"])
    letter = RunMail.objects.create(
        run=doing.run,
        to=to,
        subject=" ".join(doing.filled(step, "subject").split())[:200],
        body=doing.filled(step, "body"),
    )
    jobs.start(mail.JOB, letter.pk)
    return f"Mail “{letter.subject}” to {to}."


def _address(doing: Doing, to: str | int) -> str:
    address: str | None
    if to == LEAD:
        who, address = "The lead", doing.lead.email
    elif to == OWNER:
        owner = doing.lead.owner
        if owner is None:
            raise Failure("The lead has no owner to send a mail to.")
        if not owner.is_active:
            raise Failure(f"{owner}, the lead's owner, is not active any more.")
        who, address = f"{owner}, the lead's owner,", owner.email
    else:
        person = doing.world.person(int(to))
        who, address = str(person), person.email
    if not address:
        raise Failure(f"{who} has no e-mail address.")
    try:
        validate_email(address)
    except ValidationError:
        raise Failure(f"{who} has an e-mail address that nothing can be sent to.") from None
    return address


def _post_to_webhook(doing: Doing, step: Step, number: int) -> str:
    run = doing.run
    assert run.automation_id is not None
    posted_by = (run.kind, run.automation_id)
    delivery = posting.post(doing.event, step["webhook"], posted_by, f"r{run.pk}n{number}")
    return f"Posted to the webhook {delivery.webhook_name} as {delivery.sent_as}."


_DO: Mapping[str, Callable[[Doing, Step, int], str]] = {
    "assign": _assign,
    "assign_in_turn": _assign_in_turn,
    "assign_least_loaded": _assign_least_loaded,
    "set_field": _set_field,
    "add_tag": _add_tag,
    "add_to_list": _add_to_list,
    "create_task": _create_task,
    "send_mail": _send_mail,
    "post_to_webhook": _post_to_webhook,
}
