"""The steps of a rule as rows of a form: the action, what it asks for and, of an automation, the wait before it.

As with filters (webhook_filters.py) a script is not needed: a spare row takes an action, and what it asks for comes
with the answer. With htmx, whatever is chosen brings the builder anew; nothing is stored before the form is saved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import BASE_INPUT_CLASSES, SELECT_CLASSES

from webhooks.automation import actions, steps
from webhooks.automation.actions import ACTIONS, UNITS, Part, Step
from webhooks.automation.world import World
from webhooks.models import AutomationKind
from webhooks.outbound import filter_fields

_NUMBER = re.compile("[0-9]{1,4}")
# Of the row for browsers without scripts, which is no row before an action is chosen in it.
_SPARE = "9999"
_INPUT_TYPES = {"number": "number", "whole": "number", "moment": "datetime-local", "date": "date"}
# Parts that decide what the others are.
_DECIDING = frozenset({"field"})


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row as typed. given: by part; was: action and field for which its inputs were shown."""

    do: str = ""
    wait: str = ""
    unit: str = "days"
    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, step: Step) -> StepRow:
        number, unit = actions.in_unit(step.get("wait") or 0)
        given = {part: filter_fields.as_text(value) for part, value in step.items() if part not in ("do", "wait")}
        return cls(str(step.get("do", "")), str(number) if number else "", unit if number else "days", given)

    def as_step(self) -> dict[str, Any]:
        """As steps.py reads it; what is no number is left for it to refuse."""
        wait: Any = self.wait.strip()
        if wait.isascii() and wait.isdigit() and len(wait) < 10:
            wait = int(wait) * dict(UNITS).get(self.unit, 1)
        return {"do": self.do, **self.given, **({"wait": wait} if wait else {})}


class StepsWidget(forms.Widget):
    """Its value is the list of rows. `world`, `kind` and `url` are given by the form."""

    template_name = "admin/webhooks/automation/steps.html"

    def __init__(self) -> None:
        super().__init__()
        self.world = World(None, "lead.created")
        self.kind = str(AutomationKind.RULE)
        self.url = ""
        self.follows: tuple[str, ...] = ()
        self.focus: int | None = None

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[StepRow]:
        start = f"{name}."
        by_number: dict[str, dict[str, str]] = {}
        for key in data:
            number, dot, part = key.removeprefix(start).partition(".")
            if key.startswith(start) and dot and _NUMBER.fullmatch(number):
                by_number.setdefault(number, {})[part] = data.get(key, "")
        rows = []
        for number, texts in by_number.items():
            do, was, was_field = (texts.pop(part, "") for part in ("do", "was", "was_field"))
            wait, unit = texts.pop("wait", ""), texts.pop("unit", "days")
            if number == _SPARE and not do:
                continue
            # What was asked for another action, or typed for another field, does not fit this one.
            given = texts if was in ("", do) else {}
            if was_field and given.get("field") != was_field:
                given.pop("value", None)
            action = ACTIONS.get(do)
            known = {part.name for part in action.parts} if action else set()
            rows.append(StepRow(do, wait, unit, {part: text for part, text in given.items() if part in known}))
        return rows

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        # Of a hidden input beside the rows: it is there when all rows were removed.
        return name not in data

    def id_for_label(self, id_: str | None) -> str:
        return ""

    def get_context(self, name: str, value: list[StepRow] | None, attrs: dict[str, Any] | None) -> dict[str, Any]:
        rows = list(value or [])
        return super().get_context(name, value, attrs) | {
            "name": name,
            "rows": [self._shown(name, str(number), row) for number, row in enumerate(rows)],
            "spare": self._shown(name, _SPARE, StepRow()),
            "url": self.url,
            "follows": ", ".join(f"change from:#id_{field}" for field in self.follows),
            "focus": self.focus,
            "focus_below": self.focus is not None and self.focus >= len(rows),
            "full": len(rows) >= steps.MOST_STEPS,
            "waits": self.kind == AutomationKind.AUTOMATION,
            "units": [unit for unit, _ in UNITS],
            "select_classes": " ".join(SELECT_CLASSES),
            "input_classes": " ".join(BASE_INPUT_CLASSES),
        }

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        # By the project's templates, which the renderer of forms does not know.
        return mark_safe(render_to_string(template_name, context))

    def _shown(self, name: str, number: str, row: StepRow) -> dict[str, Any]:
        action = ACTIONS.get(row.do)
        known = [(each.name, each.label, each is action) for each in ACTIONS.values()]
        if row.do and action is None:
            known.append((row.do, f"{row.do} (gone)", True))
        return {
            "number": number,
            "row": row,
            "start": f"{name}.{number}",
            "faulty": bool(row.do) and bool(steps.read(self.kind, [row.as_step()], self.world)[1]),
            "actions": known,
            "inputs": [self._input(f"{name}.{number}", part, row) for part in action.parts] if action else [],
        }

    def _input(self, start: str, part: Part, row: StepRow) -> dict[str, Any]:
        """kind: select, long, or the type of an HTML input."""
        value = row.given.get(part.name, "")
        kind, label, choices = "text", part.label, actions.choices(part, self.world)
        if part.kind == "value" and (known := self.world.settable.get(row.given.get("field", ""))):
            choices = known.choices
            kind = _INPUT_TYPES.get(known.kind, "text")
            if kind == "datetime-local":
                value, label = value.removesuffix("Z"), f"{label} (UTC)"
        if part.kind == "days":
            kind = "number"
        if choices is not None:
            kind = "select"
            if value and value not in dict(choices):
                choices = (*choices, (value, f"{value} (gone)"))
        return {
            "name": f"{start}.{part.name}",
            "label": label,
            "kind": "long" if part.kind == "long" else kind,
            "value": value,
            "choices": choices,
            "blank": part.blank,
            "longest": part.longest,
            "decides": part.kind in _DECIDING,
        }


class StepsField(forms.Field):
    """Its value is the list of rows; what is stored of them the form says, as it leans on the event and conditions."""

    widget: StepsWidget

    def __init__(self) -> None:
        super().__init__(
            widget=StepsWidget(),
            label="Steps",
            required=False,
            help_text="Done in this order. {first_name} and the like stand for what the record holds.",
        )

    def prepare_value(self, value: Any) -> list[StepRow]:
        """Rows of what is stored; rows as typed stay as they are."""
        if value and isinstance(value, list) and isinstance(value[0], StepRow):
            return value
        return [StepRow.of(step) for step in value or [] if isinstance(step, Mapping)]

    def to_python(self, value: Sequence[StepRow] | None) -> list[dict[str, Any]]:
        return [row.as_step() for row in value or [] if row.do]

    def has_changed(self, initial: Any, data: Sequence[StepRow] | None) -> bool:
        return self.to_python(data) != self.to_python(self.prepare_value(initial))
