"""Custom fields: what an account defines beside the catalogue, and the rules of their values.

Pure, like validation.py. A value is a JSON scalar or an array of texts; None stands for "unset".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from leads.fields import BY_KEY, Field
from leads.validation import RULES, Violation

KINDS: Final = (
    ("text", "Text"),
    ("number", "Number"),
    ("yes_no", "Yes or no"),
    ("date", "Date"),
    ("choice", "One of a list"),
    ("choices", "Several of a list"),
)

# Of whose values leads may have each only once.
UNIQUE_KINDS: Final = ("text", "number", "date")

LONGEST_TEXT: Final = 1000
MOST_CHOICES: Final = 100
LONGEST_CHOICE: Final = 100

# In some system's words too: there custom fields stand beside the others.
_TAKEN = {name for field in BY_KEY.values() for name in (field.key, field.wire, *field.systems.values())}

_KEY = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True, slots=True)
class Definition:
    """A field of an account's own; choices are the values that a choice or choices may hold."""

    key: str
    label: str
    kind: str
    required: bool = False
    choices: tuple[str, ...] = ()
    unique: bool = False

    @property
    def path(self) -> str:
        return f"custom_fields.{self.key}"


def key_fault(key: str) -> str | None:
    """What is wrong with the key of a definition, as a clause; None when it is fine."""
    if not _KEY.fullmatch(key):
        return "must begin with a letter and hold lower-case letters, digits and _ only, 50 at most"
    if key in _TAKEN:
        return "is the name of a field that every lead has"
    return None


def judge(
    definitions: Mapping[str, Definition], values: Mapping[str, Any], before: Mapping[str, Any] | None
) -> list[Violation]:
    """At most one violation for each key; before is what is stored, None for a new lead.

    What was stored may stay: the field may be defined no more, or more strictly since.
    """
    stored = before or {}
    found = []
    for key, value in values.items():
        definition = definitions.get(key)
        if key in stored and (value is None or _same(value, stored[key])):
            continue
        if definition is None:
            found.append(Violation(f"custom_fields.{key}", "unknown", "is not a custom field of this account"))
        elif value is not None and (message := _fault(definition, value)) is not None:
            found.append(Violation(definition.path, definition.kind, message))
    for key, definition in definitions.items():
        asked = before is None or not _missing(stored.get(key))
        if definition.required and asked and _missing(values.get(key)):
            found.append(Violation(definition.path, "required", "is required"))
    return found


def unique_fault(kind: str, unique: bool) -> str | None:
    """Why a field of this type cannot be unique, as a clause; None where it can."""
    if unique and kind not in UNIQUE_KINDS:
        return "can be set for the types text, number and date only"
    return None


def choices_fault(kind: str, choices: object) -> str | None:
    """What is wrong with the choices of a definition, as a clause; None when they are fine."""
    if kind not in ("choice", "choices"):
        return None if choices == [] else "must be empty unless the type is choice or choices"
    if not isinstance(choices, list) or not all(isinstance(choice, str) and choice.strip() for choice in choices):
        return "must be an array of texts, none of them empty"
    if not 1 <= len(choices) <= MOST_CHOICES or any(len(choice) > LONGEST_CHOICE for choice in choices):
        return f"must be 1 to {MOST_CHOICES} texts of at most {LONGEST_CHOICE} characters"
    if len(set(choices)) < len(choices):
        return "must not hold a text twice"
    return None


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other


def _missing(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _fault(definition: Definition, value: Any) -> str | None:
    return _FAULTS[definition.kind](definition, value)


def _text(definition: Definition, value: Any) -> str | None:
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return None
    return f"must be text of at most {LONGEST_TEXT} characters"


def _number(definition: Definition, value: Any) -> str | None:
    for code in ("number", "digits"):
        rule = RULES[code].value
        if rule is not None and (message := rule(_ANY, value)) is not None:
            return message
    return None


def _yes_no(definition: Definition, value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _date(definition: Definition, value: Any) -> str | None:
    return date_fault(value)


def date_fault(value: object) -> str | None:
    """What is wrong with a day, as a clause; None when it is one."""
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return None
    except ValueError:
        pass
    return "must be a date, such as 2026-11-21"


def _choice(definition: Definition, value: Any) -> str | None:
    return None if value in definition.choices else f"must be one of {', '.join(definition.choices)}"


def _choices(definition: Definition, value: Any) -> str | None:
    if isinstance(value, list) and all(item in definition.choices for item in value):
        return None
    return f"must be an array of these: {', '.join(definition.choices)}"


_ANY = Field("number", "Number", "number", "")

_FAULTS: Final[Mapping[str, Callable[[Definition, Any], str | None]]] = {
    "text": _text,
    "number": _number,
    "yes_no": _yes_no,
    "date": _date,
    "choice": _choice,
    "choices": _choices,
}
