"""The inputs of an IntakePolicy, for whatever leads come in by: how leads are recognised, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from django import forms
from unfold.widgets import UnfoldAdminSelect2MultipleWidget, UnfoldAdminSelectWidget

from leads import intake
from leads.fields import BY_KEY
from leads.models.intake_policy import IntakePolicy
from leads.setup import Setup

# Shown only where they count.
CONDITIONS: Final[Mapping[str, str]] = {
    "update": "match != ''",
    "protected": "match != '' && update != 'keep' && update != 'fill_empty'",
    "owner": "assign == 'person'",
}


def intake_fields(setup: Setup, policy: IntakePolicy, ask: Iterable[str]) -> dict[str, forms.Field]:
    """By the name of the column; ask: the keys of the fields that may come."""
    known = intake.matchable(setup)
    if policy.match and policy.match not in known:
        known[policy.match] = f"{policy.match} (not unique any more)"
    labels = {key: one.label for key, one in BY_KEY.items()} | {
        one.path: one.label for one in setup.definitions.values()
    }
    offered = {key: str(labels.get(key, key)) for key in (*ask, *policy.protected)}
    by_label = sorted(offered.items(), key=lambda one: one[1])
    return {
        "match": forms.ChoiceField(
            label="Recognise leads by",
            required=False,
            choices=[("", "Nothing: each one is a new lead"), *known.items()],
            widget=UnfoldAdminSelectWidget,
            help_text="What else is unique is asked as well. Of several leads the oldest is meant.",
        ),
        "protected": forms.MultipleChoiceField(
            label="Never overwrite",
            required=False,
            choices=by_label,
            widget=UnfoldAdminSelect2MultipleWidget,
            help_text="Where the lead has a value it keeps it.",
        ),
    }
