"""What a rule would have done: its conditions are asked of recent events as they were stored, and nothing is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webhooks.automation import actions, template
from webhooks.automation.actions import Step
from webhooks.automation.world import World
from webhooks.models import Event, Webhook
from webhooks.outbound import filter_fields
from webhooks.wire import filter as contents
from webhooks.wire.filter import Condition

EVENTS = 50
# How far back they are looked for, among the events of all accounts.
_OF_ALL = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """One past event. unmet: the first condition that does not hold of it, in words; "" where all hold. does: what
    would be done then, in order."""

    event: Event
    unmet: str
    does: tuple[str, ...]

    @property
    def matches(self) -> bool:
        return not self.unmet


def rehearse(
    account_id: int, event: str, conditions: Sequence[Condition], steps: Sequence[Step], limit: int = EVENTS
) -> list[Line]:
    """The newest events of this type in the account, newest first."""
    world = World(account_id, event)
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    recent = Event.objects.filter(account_id=account_id, type=event, pk__gt=newest - _OF_ALL)
    return [_line(each, conditions, steps, world) for each in recent.order_by("-pk")[:limit]]


def _line(event: Event, conditions: Sequence[Condition], steps: Sequence[Step], world: World) -> Line:
    unmet = contents.unmet(conditions, event.frozen)
    if unmet is not None:
        return Line(event, filter_fields.in_words([unmet], world.fields), ())
    return Line(event, "", tuple(_would(event, step, world) for step in steps))


def _would(event: Event, step: Step, world: World) -> str:
    words = template.fill(actions.in_words(step, world), event.frozen.data)
    if step["do"] == "post_to_webhook":
        webhook = Webhook.objects.filter(account_id=world.account_id, pk=step["webhook"]).first()
        if webhook is not None and webhook.wire.hears(event.frozen) is None:
            words += f" ({webhook.wire.label} does not hear of this one: the run would fail)"
    return words
