"""The steps of a rule or an automation: the one place where they are read and judged.

They are a list of actions in order, each with the wait before it in seconds. Those that follow without a wait are done
together: all of them, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhooks.automation import actions, loops, records
from webhooks.automation.actions import ACTIONS, Step
from webhooks.automation.world import World
from webhooks.models import AutomationKind
from webhooks.outbound.filter_fields import Misfit
from webhooks.wire.filter import Condition

MOST_STEPS = 20
LONGEST_WAIT = 365 * 86400

# (number of the step, from 0; a sentence). None: it is about all of them.
Fault = tuple[int | None, str]


def read(kind: str, given: Any, world: World) -> tuple[list[dict[str, Any]], list[Fault]]:
    """The steps as they are stored, and everything that is wrong with what was given."""
    if not isinstance(given, list) or not given:
        return [], [(None, "Give at least one step.")]
    if len(given) > MOST_STEPS:
        return [], [(None, f"There may be at most {MOST_STEPS} steps.")]
    stored: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, step in enumerate(given):
        try:
            stored.append(_read(kind, step, world))
        except Misfit as misfit:
            faults.append((number, str(misfit)))
    return stored, faults


def faults(
    kind: str, event: str, conditions: Sequence[Condition], given: Any, world: World
) -> tuple[list[dict[str, Any]], list[Fault]]:
    """What `read` says and, where that is nothing, whether the steps alone would start the rule again."""
    stored, found = read(kind, given, world)
    if not found and (fault := loops.fault(event, conditions, list(together(stored)))):
        found = [(None, fault)]
    return stored, found


def gone(steps: Sequence[Step], kind: str, world: World) -> list[Fault]:
    """What stored steps name that is not there any more."""
    return read(kind, list(steps), world)[1]


def together(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in the groups that are done together."""
    group: list[Step] = []
    for step in steps:
        if group and step.get("wait"):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _read(kind: str, step: Any, world: World) -> dict[str, Any]:
    if not isinstance(step, Mapping):
        raise Misfit("A step is an object with do, and what its action asks for.")
    name = step.get("do")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise Misfit(f"There is no action “{str(name)[:100]}”. There are these: {', '.join(ACTIONS)}.")
    unknown = next((key for key in step if key not in {"do", "wait", *(part.name for part in action.parts)}), None)
    if unknown is not None:
        raise Misfit(f"{action.label} asks for nothing named “{str(unknown)[:100]}”.")
    if action.on_lead and not records.concerns_lead(world.event):
        raise Misfit(f"{action.label}: there is no lead to {world.event} that could be changed.")
    wait = _wait(kind, step.get("wait", 0))
    return {"do": action.name, **actions.read(action, step, world), **({"wait": wait} if wait else {})}


def _wait(kind: str, wait: Any) -> int:
    if wait is None:
        return 0
    if type(wait) is not int or not 0 <= wait <= LONGEST_WAIT:
        raise Misfit(f"A wait must be a whole number of seconds, 0 to {LONGEST_WAIT} (365 days).")
    if wait and kind != AutomationKind.AUTOMATION:
        raise Misfit("A rule does all at once. For waits between its steps, make it an automation.")
    return wait
