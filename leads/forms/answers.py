"""What somebody sent: read by question, and judged as the lead that it would become."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict

from leads.forms.questions import CUSTOM, Question, blank_lead
from leads.models import Form
from leads.models.lead import judge
from leads.setup import Setup
from leads.validation import Violation, blank_to_none

# A question that nobody sees, with a name that programs like to fill in. No field is called so.
TRAP: Final = "contact_url"

# Of what a program wrote into the trap's form, so much of each answer is kept to look at.
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Answers:
    """By the question's key; None is no answer."""

    values: Mapping[str, Any]
    trapped: bool = False
    unknown: Sequence[str] = ()
    """Names that are no question."""

    def by_label(self, questions: Sequence[Question]) -> dict[str, Any]:
        """As the event and the submission hold them."""
        return {question.label: self.values.get(question.key) for question in questions}

    def shortened(self, questions: Sequence[Question]) -> dict[str, str]:
        """The same of answers that nobody judged: as text that any database stores."""
        return {label: _storable(value) for label, value in self.by_label(questions).items() if value is not None}


def of_page(questions: Sequence[Question], data: QueryDict) -> Answers:
    """As a browser sends them. Further names, such as that of a button, are nobody's fault."""
    values = {question.key: _read(question, data.getlist(question.key)) for question in questions}
    return Answers(values, trapped=_filled(data.get(TRAP)))


def of_json(questions: Sequence[Question], sent: Mapping[str, Any]) -> Answers:
    """As a program sends them, by the names of the page's inputs."""
    keys = {question.key for question in questions}
    given = {key: value.strip() if isinstance(value, str) else value for key, value in sent.items() if key in keys}
    values = {key: None if value == "" else value for key, value in given.items()}
    return Answers(
        values, trapped=_filled(sent.get(TRAP)), unknown=[key for key in sent if key not in keys and key != TRAP]
    )


def judged(
    form: Form, setup: Setup, questions: Sequence[Question], answers: Answers
) -> tuple[dict[str, Any], list[Violation]]:
    """What was answered, as leads/intake.py takes it, and what is wrong with the new lead that it would make: by
    question, or by field where the form does not ask it."""
    found: dict[str, Violation] = {}
    custom_fields, given = {}, {}
    for question in questions:
        value = answers.values.get(question.key)
        codes = [code for code, _ in question.choices]
        if question.kind == "choice" and value is not None and value not in codes:
            found[question.key] = Violation(question.key, "choice", f"must be one of {', '.join(codes)}")
            # A type that is not on offer must not ask for what the form does not.
            value = None
        elif question.required and _unanswered(question, value):
            found[question.key] = Violation(question.key, "required", "is required")
        if question.custom_key:
            custom_fields[question.custom_key] = value
        else:
            given[question.key] = value
    merged = blank_lead(form).values() | blank_to_none(given) | {"custom_fields": custom_fields}
    for violation in judge(merged, None, setup=setup):
        found.setdefault(violation.field, violation)
    given |= {f"{CUSTOM}{key}": value for key, value in custom_fields.items()}
    return given, in_order(found.values(), questions)


def in_order(violations: Iterable[Violation], questions: Sequence[Question]) -> list[Violation]:
    """As the page asks."""
    places = {question.key: number for number, question in enumerate(questions)}
    return sorted(violations, key=lambda violation: places.get(violation.field, len(places)))


def _read(question: Question, texts: Sequence[str]) -> Any:
    """What cannot be read is passed on as it came: the rules refuse it by name."""
    text = texts[-1].strip().replace("\r\n", "\n") if texts else ""
    match question.kind:
        case "consent":
            return bool(text)
        case "choices":
            return [text for text in texts if text] or None
        case "yes_no":
            return {"yes": True, "no": False}.get(text, text or None)
        case "number":
            return _number(text)
        case _:
            return text or None


def _number(text: str) -> int | float | str | None:
    # Longer ones are refused by their digits anyway, and dear to read.
    if not text or len(text) > 40 or "_" in text:
        return text or None
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _unanswered(question: Question, value: Any) -> bool:
    """A box that has to be ticked is not answered by a no."""
    return value is None or value == "" or value == [] or (question.kind == "consent" and value is False)


def _filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def _storable(value: Any) -> str:
    text = "".join(character if character.isprintable() else " " for character in str(value)[: 2 * _SHOWN])
    return text[:_SHOWN]
