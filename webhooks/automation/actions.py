"""The actions of rules: what each is called and asks for, how it is read, and how it is worded.

A step is stored as {"do": name, part: value, ..., "wait": seconds before it}; parts that are not given, and no wait,
are left out. What an action does to a lead stands in doing.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leads import custom, setup
from leads.fields import BY_KEY
from leads.validation import RULES, judge_value
from webhooks.automation import records, template
from webhooks.automation.world import Choices, World
from webhooks.outbound import filter_fields
from webhooks.outbound.filter_fields import Misfit
from webhooks.outbound.hearing import able

PartKind = Literal[
    "person",  # id of an active person of the account
    "office",  # id of an office of it
    "list",  # id of a list
    "webhook",  # id of a webhook whose system hears of the event
    "field",  # key of a field of a lead that may be set
    "value",  # what that field is set to, None to empty it
    "tag",  # a tag's name
    "days",  # a whole number of days, 0 to 365
    "recipient",  # "owner", "lead" or the id of a person
    "text",  # one line, with placeholders
    "long",  # several lines, with placeholders
]

OWNER, LEAD = "owner", "lead"
MOST_DAYS = 365
# Any text that people type, whose rules a lead's notes have.
_ANY_TEXT = BY_KEY["notes"]
Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that an action asks for. blank: what staff read for none, where it need not be given."""

    name: str
    label: str
    kind: PartKind
    required: bool = True
    longest: int = 0
    blank: str = "–"


@dataclass(frozen=True, slots=True)
class Action:
    """on_lead: it changes a lead, so that the event has to have one."""

    name: str
    label: str
    parts: tuple[Part, ...]
    says: Callable[[Step, World], str] = field(repr=False)
    """The step as a sentence without an end: "Assign to Dana Moss". What is gone is named by its id."""
    on_lead: bool = True


def read(action: Action, given: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The parts as they are stored, of values as a form or the API sends them. Misfit with a sentence for the first
    fault."""
    stored: dict[str, Any] = {}
    for part in action.parts:
        value = given.get(part.name)
        if isinstance(value, str):
            value = value if part.kind == "long" else " ".join(value.split())
        if value is None or (isinstance(value, str) and not value.strip()):
            if part.required:
                raise Misfit(f"{action.label}: {part.label.lower()} is required.")
            if part.kind == "value":
                _check_emptied(stored["field"])
                stored[part.name] = None
            continue
        stored[part.name] = _READERS[part.kind](part, value, stored, world)
    return stored


def choices(part: Part, world: World) -> Choices | None:
    """What there is to choose for a part; None where it is typed. Of a value, its field says what."""
    if part.kind == "recipient":
        lead = ((OWNER, "The lead's owner"), (LEAD, "The lead")) if _has_lead(world) else ()
        return (*lead, *world.people)
    if part.kind == "field":
        return tuple((key, known.label) for key, known in world.settable.items())
    if part.kind == "person":
        return world.people
    if part.kind == "office":
        return world.offices
    if part.kind == "list":
        return world.lists
    return world.webhooks if part.kind == "webhook" else None


# Reading


def _id(noun: str, value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if type(number) is not int or not 0 < number < 2**63:
        raise Misfit(f"There is no {noun} “{str(value)[:100]}”: give the id of one.")
    return number


def _person(part: Part, value: Any, step: Step, world: World) -> int:
    return world.person(_id("person", value)).pk


def _office(part: Part, value: Any, step: Step, world: World) -> int:
    return world.office(_id("office", value)).pk


def _list(part: Part, value: Any, step: Step, world: World) -> int:
    return world.list(_id("list", value)).pk


def _webhook(part: Part, value: Any, step: Step, world: World) -> int:
    webhook = world.webhook(_id("webhook", value))
    if not able(webhook.wire, world.event):
        raise Misfit(f"{webhook.wire.label}, the system of the webhook {webhook}, never hears of {world.event}.")
    return webhook.pk


def _field(part: Part, value: Any, step: Step, world: World) -> str:
    if value not in world.settable:
        raise Misfit(f"A rule can set no field “{str(value)[:100]}” of a lead.")
    return str(value)


def _value(part: Part, value: Any, step: Step, world: World) -> Any:
    key = step["field"]
    if isinstance(value, list | dict):
        raise Misfit(f"{world.settable[key].label} takes one value.")
    try:
        condition = filter_fields.condition(world.settable, key, "is", [filter_fields.as_text(value)])
    except Misfit as misfit:
        # It is to be that, not compared with it.
        said = str(misfit)
        for compared, set_ in (("be compared with", "be"), ("not with “", "not “"), ("this webhook's", "this")):
            said = said.replace(compared, set_)
        raise Misfit(said) from None
    return _judged(key, condition.value, world)


def _check_emptied(key: str) -> None:
    known = BY_KEY.get(key)
    if known is not None and (not known.nullable or known.kept):
        raise Misfit(f"{known.label} cannot be emptied: give a value.")


def _judged(key: str, value: Any, world: World) -> Any:
    """By the rules of the field itself; those of the lead as a whole are asked when the rule runs."""
    if key in BY_KEY:
        violation = judge_value(BY_KEY[key], value)
    else:
        definitions = setup.of(world.account_id).definitions
        name = key.partition(".")[2]
        violation = next(iter(custom.judge({name: definitions[name]}, {name: value}, {name: None})), None)
    if violation is not None:
        raise Misfit(f"{world.settable[key].label} {violation.message}.")
    return value


def _tag(part: Part, value: Any, step: Step, world: World) -> str:
    violation = judge_value(BY_KEY["tags"], [value])
    if violation is not None:
        raise Misfit(f"The tag {violation.message}.")
    return str(value)


def _days(part: Part, value: Any, step: Step, world: World) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if type(number) is not int or not 0 <= number <= MOST_DAYS:
        raise Misfit(f"{part.label} must be a whole number, 0 to {MOST_DAYS}.")
    return number


def _recipient(part: Part, value: Any, step: Step, world: World) -> str | int:
    if value in (OWNER, LEAD):
        if not _has_lead(world):
            raise Misfit(f"There is no lead to {world.event}: choose a person.")
        return str(value)
    return world.person(_id("person", value)).pk


def _has_lead(world: World) -> bool:
    return records.concerns_lead(world.event)


def _text(part: Part, value: Any, step: Step, world: World) -> str:
    if not isinstance(value, str) or len(value) > part.longest:
        raise Misfit(f"{part.label} must be text of at most {part.longest:,} characters.")
    rule = RULES["control_characters"].value
    if rule is not None and (message := rule(_ANY_TEXT, value)) is not None:
        raise Misfit(f"{part.label} {message}.")
    name = template.unknown(value, world.placeholders)
    if name is not None:
        raise Misfit(f"{part.label} asks for {{{name}}}, which is no field of what {world.event} tells.")
    return value.replace("\r\n", "\n")


_READERS: Mapping[PartKind, Callable[[Part, Any, Step, World], Any]] = {
    "person": _person,
    "office": _office,
    "list": _list,
    "webhook": _webhook,
    "field": _field,
    "value": _value,
    "tag": _tag,
    "days": _days,
    "recipient": _recipient,
    "text": _text,
    "long": _text,
}

# Words


def _name(known: Choices, value: Any, noun: str) -> str:
    return dict(known).get(str(value), f"{noun} {value}")


def _everybody(step: Step, world: World) -> str:
    return _name(world.offices, step["office"], "office") if "office" in step else "the account"


def _set_words(step: Step, world: World) -> str:
    known = world.settable.get(step["field"])
    label = known.label if known else step["field"]
    if step.get("value") is None:
        return f"Empty {label}"
    text = filter_fields.as_text(step["value"])
    return f"Set {label} to {dict((known.choices if known else None) or ()).get(text, text)}"


def _task_words(step: Step, world: World) -> str:
    who = _name(world.people, step["owner"], "person") if "owner" in step else "the lead's owner"
    days = "1 day" if step["days"] == 1 else f"{step['days']} days"
    return f"Create the task “{step['name']}” for {who}, due in {days}"


def _mail_words(step: Step, world: World) -> str:
    to = step["to"]
    who = {OWNER: "the lead's owner", LEAD: "the lead"}.get(to) or _name(world.people, to, "person")
    return f"Mail “{step['subject']}” to {who}"


_OFFICE = Part("office", "Office", "office", required=False, blank="The whole account")

_ALL = (
    Action(
        "assign",
        "Assign to a person",
        (Part("person", "Person", "person"),),
        lambda step, world: f"Assign to {_name(world.people, step['person'], 'person')}",
    ),
    Action(
        "assign_in_turn",
        "Assign in turn",
        (_OFFICE,),
        lambda step, world: f"Assign to the next person of {_everybody(step, world)}",
    ),
    Action(
        "assign_least_loaded",
        "Assign to who has the fewest open leads",
        (_OFFICE,),
        lambda step, world: f"Assign to who has the fewest open leads in {_everybody(step, world)}",
    ),
    Action(
        "set_field",
        "Set a field",
        (Part("field", "Field", "field"), Part("value", "Value", "value", required=False, blank="Empty")),
        _set_words,
    ),
    Action("add_tag", "Add a tag", (Part("tag", "Tag", "tag"),), lambda step, world: f"Add the tag {step['tag']}"),
    Action(
        "add_to_list",
        "Add to a list",
        (Part("list", "List", "list"),),
        lambda step, world: f"Add to the list {_name(world.lists, step['list'], 'list')}",
    ),
    Action(
        "create_task",
        "Create a task",
        (
            Part("name", "Task", "text", longest=200),
            Part("days", "Due in days", "days"),
            Part("owner", "Owner", "person", required=False, blank="The lead's owner"),
            Part("description", "Description", "long", required=False, longest=10_000),
        ),
        _task_words,
        on_lead=False,
    ),
    Action(
        "send_mail",
        "Send a mail",
        (
            Part("to", "To", "recipient"),
            Part("subject", "Subject", "text", longest=150),
            Part("body", "Text", "long", longest=10_000),
        ),
        _mail_words,
        on_lead=False,
    ),
    Action(
        "post_to_webhook",
        "Post to a webhook",
        (Part("webhook", "Webhook", "webhook"),),
        lambda step, world: f"Post to the webhook {_name(world.webhooks, step['webhook'], 'webhook')}",
        on_lead=False,
    ),
)
ACTIONS: Mapping[str, Action] = {action.name: action for action in _ALL}


def in_words(step: Step, world: World) -> str:
    """A stored step, with the wait before it: "After 3 days: Assign to Dana Moss"."""
    action = ACTIONS.get(step.get("do", ""))
    words = action.says(step, world) if action else f"{step.get('do')}: there is no such action"
    return f"After {wait_in_words(step['wait'])}: {words}" if step.get("wait") else words


UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


def in_unit(seconds: int) -> tuple[int, str]:
    """In the largest unit that it is a whole number of: (3, "days")."""
    unit, size = next((unit, size) for unit, size in UNITS if seconds % size == 0)
    return seconds // size, unit


def wait_in_words(seconds: int) -> str:
    number, unit = in_unit(seconds)
    return f"1 {unit.removesuffix('s')}" if number == 1 else f"{number} {unit}"
