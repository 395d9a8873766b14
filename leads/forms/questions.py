"""What a form may ask, and whether what it asks is enough for a lead."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from leads import custom, fields
from leads.fields import BY_KEY, FIELDS, Field
from leads.models import Form, Lead
from leads.models.form import LONGEST_LABEL, MOST_FIELDS
from leads.models.lead import judge
from leads.setup import Setup
from leads.validation import Violation

Kind = Literal[
    "text",
    "email",
    "number",  # int or float
    "consent",  # a box to tick: True or False
    "yes_no",  # True, False, or None for no answer
    "date",  # "2026-11-21"
    "choice",  # one of the values in choices
    "choices",  # [value, ...] of those in choices
]

CUSTOM: Final = "custom_fields."

# Of the catalogue's, those that a stranger can answer. What is left out steers the work (office, owner, stage), counts
# it, or follows from something else; and rows of rows are no question.
_GROUPS: Final = (
    fields.CONTACT,
    fields.COMPANY,
    fields.PROPERTY,
    fields.VALUATION,
    fields.MESSAGE,
    fields.MARKETING,
)
_KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "email": "email",
    "number": "number",
    "integer": "number",
    "boolean": "consent",
    "choice": "choice",
}
_CUSTOM_KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "number": "number",
    "yes_no": "yes_no",
    "date": "date",
    "choice": "choice",
    "choices": "choices",
}
# A text that may be longer is asked for in a box of several lines.
_ONE_LINE: Final = 255


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a form can ask.

    key        of the catalogue, or custom_fields.<key>
    label      the form's own, or that of the field
    required   by the form, or by the account of every lead
    choices    (value, label) of a choice or choices
    max_length characters of a text, None where there is no limit
    lines      a text of several lines
    """

    key: str
    label: str
    group: str
    kind: Kind
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    max_length: int | None = None
    lines: bool = False

    @property
    def custom_key(self) -> str:
        """The key within custom_fields; '' for a field of the catalogue."""
        return self.key.removeprefix(CUSTOM) if self.key.startswith(CUSTOM) else ""


def choosable(setup: Setup) -> dict[str, Question]:
    """Every question there is for an account, by key, in the order of the lead's form."""
    asked = [_of_catalogue(field) for field in FIELDS if _may_be_asked(field)]
    asked += [_of_account(definition) for definition in setup.definitions.values()]
    asked.sort(key=lambda question: fields.GROUPS.index(question.group))
    return {question.key: question for question in asked}


def asked(form: Form, setup: Setup) -> list[Question]:
    """The form's questions in order. A custom field that is gone is asked no more; type offers what the form can make.

    A form that asks for a type is for leads of the types that its other questions suffice for.
    """
    known = choosable(setup)
    rows = [row for row in form.fields if row["key"] in known]
    keys = [row["key"] for row in rows]
    found = []
    for row in rows:
        question = known[row["key"]]
        question = replace(question, label=row["label"], required=row["required"] or question.required)
        if question.key == "type":
            made = types_made(form, keys, setup)
            question = replace(question, choices=tuple(choice for choice in question.choices if choice[0] in made))
        found.append(question)
    return found


def types_made(form: Form, keys: Collection[str], setup: Setup) -> list[str]:
    """The types of which a lead would be accepted when every question is answered."""
    return [code for code, _ in fields.TYPES if not lacking(form, keys, setup, code)]


def lacking(form: Form, keys: Collection[str], setup: Setup, type_: str | None = None) -> list[Violation]:
    """What the rules would still ask of a lead with an answer to every one of these questions."""
    values = blank_lead(form).values()
    values |= {"custom_fields": {}, "type": type_}
    for key, question in choosable(setup).items():
        if key not in keys or key == "type":
            continue
        if question.custom_key:
            values["custom_fields"][question.custom_key] = _sample(question)
        else:
            values[key] = _sample(question)
    return [violation for violation in judge(values, None, setup=setup) if violation.field not in keys]


def blank_lead(form: Form) -> Lead:
    """A new lead as the form makes it, before anything was answered."""
    lead = Lead(account_id=form.account_id, source=form.source, office_id=form.office_id)
    if form.pipeline_id is not None:
        lead.pipeline_id = form.pipeline_id
    return lead


def faults(form: Form, setup: Setup) -> list[Violation]:
    """What is wrong with the rows of a form: by "fields", or "fields.<row>.<key|label|required>" from 0 on.

    Takes whatever JSON the rows are; where there are none, they are in order and asked for enough.
    """
    rows = form.fields
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return [Violation("fields", "rows", "must be an array of objects, each with key, label and required")]
    if not 1 <= len(rows) <= MOST_FIELDS:
        return [Violation("fields", "rows", f"must be 1 to {MOST_FIELDS}")]
    known = choosable(setup)
    found: list[Violation] = []
    for number, row in enumerate(rows):
        found += [
            Violation(f"fields.{number}.{name}", rule, message)
            for name, rule, message in _row_faults(row, rows[:number], known)
        ]
    return found or _missing(form, [row["key"] for row in rows], setup)


def _row_faults(
    row: dict[str, Any], earlier: Sequence[dict[str, Any]], known: Mapping[str, Question]
) -> list[tuple[str, str, str]]:
    key, label, required = row.get("key"), row.get("label"), row.get("required")
    found = [(name, "unknown", "is not a part of a field") for name in row if name not in ("key", "label", "required")]
    if not isinstance(key, str) or key not in known:
        found.append(("key", "field", "must be a field that a form can ask for"))
    elif any(other.get("key") == key for other in earlier):
        found.append(("key", "unique", "must be asked for only once"))
    if not isinstance(label, str) or not label.strip():
        found.append(("label", "required", "is required"))
    elif len(label) > LONGEST_LABEL:
        found.append(("label", "length", f"must have at most {LONGEST_LABEL} characters"))
    elif not label.isprintable():
        found.append(("label", "control_characters", "must be one line without control characters"))
    elif any(other.get("label") == label for other in earlier):
        # Receivers of form.submitted get the answers by label.
        found.append(("label", "unique", "must differ from the others"))
    if not isinstance(required, bool):
        found.append(("required", "boolean", "must be true or false"))
    return found


def _missing(form: Form, keys: list[str], setup: Setup) -> list[Violation]:
    """Nobody is to fill in a form in vain."""
    if "type" in keys and not types_made(form, keys, setup):
        # What makes it whole with the fewest questions.
        still = min((lacking(form, keys, setup, code) for code, _ in fields.TYPES), key=len)
    else:
        typed = next((row["required"] for row in form.fields if row["key"] == "type"), False)
        still = [] if typed else lacking(form, keys, setup)
    return [
        Violation("fields", violation.rule, f"must ask for more: {_name(violation.field, setup)} {violation.message}")
        for violation in still
    ]


def _name(path: str, setup: Setup) -> str:
    known = choosable(setup).get(path)
    return known.label if known else BY_KEY[path].label if path in BY_KEY else path


def _may_be_asked(field: Field) -> bool:
    if field.key == "type":
        return True
    return field.group in _GROUPS and field.kind in _KINDS and field.writeable and not field.measured


def _of_catalogue(field: Field) -> Question:
    return Question(
        field.key,
        field.label,
        field.group,
        _KINDS[field.kind],
        choices=field.choices,
        max_length=field.max_length,
        lines=(field.max_length or 0) > _ONE_LINE,
    )


def _of_account(definition: custom.Definition) -> Question:
    return Question(
        definition.path,
        definition.label,
        fields.CUSTOM,
        _CUSTOM_KINDS[definition.kind],
        required=definition.required,
        choices=tuple((choice, choice) for choice in definition.choices),
        max_length=custom.LONGEST_TEXT if definition.kind == "text" else None,
    )


def _sample(question: Question) -> Any:
    """An answer that no rule minds."""
    match question.kind:
        case "email":
            return "name@example.com"
        case "number":
            return 1
        case "consent" | "yes_no":
            return True
        case "date":
            return "2000-01-01"
        case "choice":
            return question.choices[0][0] if question.choices else None
        case "choices":
            return [value for value, _ in question.choices[:1]]
        case _:
            return "xx"
