"""The fields by which an account's webhooks can filter: the operators and values of each, how a typed condition is read
and how a stored one is worded.

Fields are those of the catalogue (leads/fields.py) and the account's custom ones; what they refer to (offices, owners,
stages, lists) is chosen among the account's own, by name.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from leads import fields as catalogue
from leads import setup
from leads.custom import Definition
from leads.lead_row import CHANGING
from leads.models import ActivityType, Campaign, Form, LeadList, Office, OpportunityType, Tag, User
from webhooks.models import Webhook
from webhooks.wire.filter import CUSTOM, FORM, Condition, Scalar

Kind = Literal["text", "number", "whole", "yes_no", "moment", "date", "choice", "several", "parts"]

_COMMON = ("empty", "not_empty", "changed")
_OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    "text": ("is", "is_not", "one_of", "contains", *_COMMON, "changed_from_to"),
    "number": ("is", "is_not", "one_of", "greater", "less", *_COMMON, "changed_from_to"),
    "whole": ("is", "is_not", "one_of", "greater", "less", *_COMMON, "changed_from_to"),
    "yes_no": ("is", "is_not", *_COMMON, "changed_from_to"),
    "moment": ("greater", "less", "is", "is_not", *_COMMON),
    "date": ("greater", "less", "is", "is_not", *_COMMON),
    "choice": ("is", "is_not", "one_of", *_COMMON, "changed_from_to"),
    "several": ("one_of", "is", "is_not", *_COMMON),
    # Rows of texts and numbers, such as a questionnaire.
    "parts": ("contains", *_COMMON),
}
_KINDS: Mapping[str, Kind] = {
    "text": "text",
    "email": "text",
    "number": "number",
    "integer": "whole",
    "boolean": "yes_no",
    "choice": "choice",
    "datetime": "moment",
    "reference": "whole",
    "texts": "several",
    "labels": "several",
    "date": "date",
    "yes_no": "yes_no",
    "choices": "several",
}

WORDS: Mapping[str, str] = {
    "is": "is",
    "is_not": "is not",
    "one_of": "is one of",
    "contains": "contains",
    "greater": "is greater than",
    "less": "is less than",
    "empty": "is empty",
    "not_empty": "is not empty",
    "changed": "changed",
    "changed_from_to": "changed from … to …",
}
_IN_TIME = {"greater": "is after", "less": "is before"}

# The key of the type of an activity or opportunity, by its code. Other records have none.
TYPE = "type_code"
EVENT_GROUP = "Of some events only"

YES_NO = (("true", "Yes"), ("false", "No"))
LONGEST_TEXT = 1000


class Misfit(ValueError):
    """What is wrong with a condition, as one sentence that names the field and the rule."""


@dataclass(frozen=True, slots=True)
class FilterField:
    """One field to filter by. choices: (value as text, label), where the value is one of a set."""

    key: str
    label: str
    group: str
    kind: Kind
    choices: tuple[tuple[str, str], ...] | None = None
    by_id: bool = False
    """The values of choices are ids of the account's records."""
    told: bool = False
    """Changes of it are told, where it is no field of a lead."""

    @property
    def operators(self) -> tuple[str, ...]:
        extra = ("contains",) if self.kind == "several" and not self.by_id else ()
        told = self.told or self.group == catalogue.CUSTOM or self.key in CHANGING
        return tuple(op for op in (*_OPERATORS[self.kind], *extra) if told or not op.startswith("changed"))

    def operator_words(self, op: str) -> str:
        return _IN_TIME.get(op, WORDS[op]) if self.kind in ("moment", "date") else WORDS[op]


def fields_of(account_id: int | None) -> dict[str, FilterField]:
    """By key, in the order in which staff read them; without an account there is none of its records to choose."""
    own = _choices_of(account_id) if account_id is not None else {}
    definitions = setup.of(account_id).definitions.values() if account_id is not None else ()
    found: dict[str, FilterField] = {}
    for group in catalogue.GROUPS:
        for field in catalogue.FIELDS:
            if field.group == group and field.kind != "custom":
                found[field.key] = _of_catalogue(field, own)
        if group == catalogue.CUSTOM:
            found |= {definition.path: _of_account(definition) for definition in definitions}
    for key, label in _OF_EVENTS.items():
        found[key] = FilterField(key, label, EVENT_GROUP, "choice", own.get(key, ()), by_id=True)
    return found


def _of_catalogue(field: catalogue.Field, own: Mapping[str, tuple[tuple[str, str], ...]]) -> FilterField:
    kind = _KINDS.get(field.kind, "parts")
    if field.key in _OF_ACCOUNT:
        kind = "several" if field.kind == "labels" else "choice"
        by_id = field.key != "tags"
        return FilterField(field.key, field.label, field.group, kind, own.get(field.key, ()), by_id)
    return FilterField(
        field.key, field.label, field.group, kind, field.choices or (YES_NO if kind == "yes_no" else None)
    )


def _of_account(definition: Definition) -> FilterField:
    kind = _KINDS[definition.kind]
    choices: tuple[tuple[str, str], ...] | None = tuple((choice, choice) for choice in definition.choices) or None
    if kind == "yes_no":
        choices = YES_NO
    elif definition.kind not in ("choice", "choices"):
        choices = None
    return FilterField(definition.path, definition.label, catalogue.CUSTOM, kind, choices)


# What the events of some records have: events without it do not pass a filter that asks for it.
_OF_EVENTS = {FORM: "Web form", TYPE: "Type of activity or opportunity"}
# Fields whose values are records of the account: by id, tags by name, types by code.
_OF_ACCOUNT = frozenset(
    {"office_id", "owner_id", "pipeline_id", "pipeline_stage_id", "lists", "campaigns", "tags", *_OF_EVENTS}
)


def _choices_of(account_id: int) -> dict[str, tuple[tuple[str, str], ...]]:
    def named(rows: Iterable[tuple[int, str]]) -> tuple[tuple[str, str], ...]:
        pairs = [(str(pk), name) for pk, name in rows]
        names = [name for _, name in pairs]
        return tuple((pk, name if names.count(name) == 1 else f"{name} ({pk})") for pk, name in pairs)

    pipelines = setup.of(account_id).pipelines
    users = User.objects.filter(membership__account_id=account_id).order_by("first_name", "last_name", "username")
    return {
        "office_id": named(Office.objects.filter(account_id=account_id).order_by("name").values_list("pk", "name")),
        "owner_id": named((user.pk, user.get_full_name() or user.email or user.get_username()) for user in users),
        "pipeline_id": named((pipeline.id, pipeline.name) for pipeline in pipelines),
        "pipeline_stage_id": named(
            (stage.id, stage.name if len(pipelines) == 1 else f"{pipeline.name} – {stage.name}")
            for pipeline in pipelines
            for stage in pipeline.stages
        ),
        "lists": named(LeadList.objects.filter(account_id=account_id).order_by("name").values_list("pk", "name")),
        "campaigns": named(Campaign.objects.filter(account_id=account_id).order_by("name").values_list("pk", "name")),
        "tags": tuple(
            (name, name)
            for name in Tag.objects.filter(account_id=account_id).order_by("name").values_list("name", flat=True)
        ),
        FORM: named(Form.objects.filter(account_id=account_id).order_by("name").values_list("pk", "name")),
        TYPE: named(
            row
            for kind in (ActivityType, OpportunityType)
            for row in kind.objects.filter(account_id=account_id).order_by("code").values_list("code", "name")
        ),
    }


def asking_for(account_id: int, key: str, value: Scalar | None = None) -> list[str]:
    """Names of the account's webhooks whose filters name this field; with a value, those that ask it for that."""
    found = []
    for webhook in Webhook.objects.filter(account_id=account_id).only("name", "filters").order_by("name"):
        try:
            conditions = webhook.conditions
        except ValueError:
            continue
        if any(condition.field == key and (value is None or value in _values(condition)) for condition in conditions):
            found.append(webhook.name)
    return found


def _values(condition: Condition) -> tuple[Scalar | None, ...]:
    return condition.value if isinstance(condition.value, tuple) else (condition.value, condition.before)


# Reading what was typed


def condition(
    fields: Mapping[str, FilterField], key: str, op: str, values: Sequence[str], before: str = ""
) -> Condition:
    """The condition of one row of a form. Misfit with a sentence for whoever typed it.

    A value is a choice's value or its label; several values stand in one text with commas between them, and in double
    quotes where they have commas themselves.
    """
    field = fields.get(key)
    if field is None:
        raise Misfit(f"There is no field “{key[:100]}”. Choose another one, or remove the filter.")
    if not op:
        raise Misfit(f"{field.label} what? Choose a condition and a value, or remove the filter.")
    if op not in field.operators:
        known = ", ".join(map(field.operator_words, field.operators))
        raise Misfit(f"{field.label} knows no condition “{WORDS.get(op, op[:100])}”. It has these: {known}.")
    given = [text.strip() for text in values if text.strip()]
    if op in ("empty", "not_empty", "changed"):
        return Condition(key, op)
    if op == "one_of":
        return Condition(key, op, _several(field, given))
    if op == "changed_from_to":
        after = _one(field, given)
        was = _one(field, [before.strip()] if before.strip() else [])
        if after is None and was is None:
            raise Misfit(f"{field.label} changed from what, or to what? Give at least one of the two.")
        return Condition(key, op, after, was)
    value = _text(field, given[0]) if op == "contains" and given else _one(field, given)
    if value is None:
        raise Misfit(f"{field.label} {field.operator_words(op)} what? Give a value, or remove the filter.")
    return Condition(key, op, value)


def check(fields: Mapping[str, FilterField], stored: Condition) -> Condition:
    """The condition with its values as they are stored, whatever form they were sent in.

    Misfit where it asks for what is not there, or gone since: its field, or a choice of it.
    """
    value = stored.value if isinstance(stored.value, tuple) else (stored.value,)
    texts = [as_text(each) for each in value if each is not None]
    typed = [quoted(text) for text in texts] if stored.op == "one_of" else texts
    return condition(fields, stored.field, stored.op, typed, as_text(stored.before))


def _several(field: FilterField, given: Sequence[str]) -> tuple[Scalar, ...]:
    texts: list[str] = []
    for text in given:
        known = field.choices is not None and _chosen(field, text) is not None
        texts += [text] if known else [part.strip() for part in next(csv.reader([text], skipinitialspace=True))]
    found = tuple(dict.fromkeys(_scalar(field, text) for text in texts if text))
    if not found:
        raise Misfit(f"{field.label} is one of what? Give at least one value, or remove the filter.")
    return found


def _one(field: FilterField, given: Sequence[str]) -> Scalar | None:
    if len(given) > 1:
        raise Misfit(f"{field.label} takes one value here. For several, choose “{WORDS['one_of']}”.")
    return _scalar(field, given[0]) if given else None


def _scalar(field: FilterField, text: str) -> Scalar:
    if field.choices is not None:
        value = _chosen(field, text)
        if value is None:
            of = "of this webhook's account" if field.key in _OF_ACCOUNT else "of its choices"
            raise Misfit(f"{field.label} has no “{text[:100]}”. Choose one {of}.")
        return value
    return _READERS.get(field.kind, _text)(field, text)


def _chosen(field: FilterField, text: str) -> Scalar | None:
    choices = field.choices or ()
    value = next((value for value, _ in choices if value == text), None)
    if value is None:
        named = [value for value, label in choices if label.casefold() == text.casefold()]
        value = named[0] if len(named) == 1 else None
    if value is None:
        return None
    if field.kind == "yes_no":
        return value == "true"
    return int(value) if field.by_id else value


def _text(field: FilterField, text: str) -> str:
    if "\0" in text or len(text) > LONGEST_TEXT:
        raise Misfit(f"{field.label} must be compared with text of at most {LONGEST_TEXT} characters.")
    return text


def _number(field: FilterField, text: str) -> int | float:
    try:
        if "_" in text or len(text) > 50:
            raise ValueError
        number: int | float = int(text) if text.lstrip("+-").isdecimal() else float(text)
        if abs(number) >= 2**63 or math.isnan(number) or (field.kind == "whole" and not float(number).is_integer()):
            raise ValueError
    except ValueError:
        noun = "a whole number" if field.kind == "whole" else "a number"
        raise Misfit(f"{field.label} must be compared with {noun}, not with “{text[:100]}”.") from None
    return int(number) if field.kind == "whole" else number


def _moment(field: FilterField, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misfit(
            f"{field.label} must be compared with a date and time, such as 2026-11-21T09:30, not with “{text[:100]}”."
        ) from None
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _date(field: FilterField, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Misfit(
            f"{field.label} must be compared with a date, such as 2026-11-21, not with “{text[:100]}”."
        ) from None


_READERS: Mapping[Kind, Callable[[FilterField, str], Scalar]] = {
    "number": _number,
    "whole": _number,
    "moment": _moment,
    "date": _date,
}


# Showing what is stored


def as_text(value: Any) -> str:
    """A stored value as `condition` reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def in_words(conditions: Iterable[Condition], fields: Mapping[str, FilterField]) -> str:
    """ "Lead status changed from Conversation to Needs Info, and Lists is one of Newsletter, VIP"; "" for none."""
    return ", and ".join(_in_words(each, fields.get(each.field)) for each in conditions)


def _in_words(stored: Condition, field: FilterField | None) -> str:
    label = field.label if field else stored.field.removeprefix(f"{CUSTOM}.")

    def word(value: Any) -> str:
        text = as_text(value)
        if field is not None and field.kind in ("moment", "date"):
            return _day(text)
        if field is None or field.choices is None:
            return f"“{text}”" if isinstance(value, str) else text
        name = dict(field.choices).get(text)
        return f"“{text if name is None else name}”" if name is None or "," in name else name

    if stored.op == "changed_from_to":
        start = f" from {word(stored.before)}" if stored.before is not None else ""
        return f"{label} changed{start}" + (f" to {word(stored.value)}" if stored.value is not None else "")
    said = field.operator_words(stored.op) if field else WORDS[stored.op]
    values = stored.value if isinstance(stored.value, tuple) else (stored.value,)
    return " ".join([label, said, ", ".join(word(value) for value in values if value is not None)]).rstrip()


def _day(text: str) -> str:
    """ "21 Nov 2026", "21 Nov 2026, 09:14 UTC"."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"“{text}”"
    day = f"{moment.day} {moment:%b %Y}"
    return day if "T" not in text else f"{day}, {moment:%H:%M:%S UTC}".replace(":00 UTC", " UTC")


def quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if any(mark in text for mark in ',"') else text
