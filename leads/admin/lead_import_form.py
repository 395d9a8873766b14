"""The forms of an import: the file, which column is which field, and by which rules the leads come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from leads import setup as setups
from leads.admin.lead_fields import Reference, Several, SeveralWidget, person_choice
from leads.fields import BY_KEY, GROUPS, Field
from leads.imports import columns
from leads.imports.columns import Column
from leads.imports.reading import MOST_BYTES, Row
from leads.intake import UPDATES, matchable
from leads.models import Account, LeadImport, LeadList, Pipeline, Tag
from leads.models.intake_policy import ASSIGNMENTS
from leads.scope import Scope
from leads.sentences import sentence
from leads.setup import Setup
from leads.targets import kinds, suggested, targets
from leads.validation import judge_value

SAMPLES = 3
_LABELS_OFFERED = 500
_AUTOMATIC = "auto"
_WAYS: Sequence[tuple[str, Any]] = (
    (_AUTOMATIC, "As it looks"),
    ("Dates", [(way or "iso", words) for way, words in columns.DATES]),
    ("Lists", list(columns.SPLITS)),
)


class UploadForm(forms.Form):
    account = forms.ModelChoiceField(
        Account.objects.all(),
        widget=UnfoldAdminSelectWidget,
        empty_label="Select value",
        error_messages={
            "required": "Account is required.",
            "invalid_choice": "Account must be one of those on offer.",
        },
    )
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,.xlsx,.xlsm"}),
        help_text=f"CSV or Excel (.xlsx), up to {MOST_BYTES // 1024 // 1024} MB and 100,000 rows. "
        "The first row has the names of the columns.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty.", "invalid": "Choose a file."},
    )

    def __init__(self, *args: Any, scope: Scope, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope = scope
        if not scope.every_account:
            del self.fields["account"]

    @property
    def account_id(self) -> int:
        account_id = self.cleaned_data["account"].pk if self.scope.every_account else self.scope.account_id
        assert account_id is not None
        return int(account_id)


@dataclass(frozen=True, slots=True)
class Line:
    """A column of the file on the page."""

    name: str
    samples: Sequence[str]
    field: Any
    way: Any


class SetUpForm(forms.Form):
    """Which column is which field, and the rules. `save` writes both into the import, which it does not store."""

    match = forms.ChoiceField(
        label="Recognise leads by", required=False, widget=UnfoldAdminSelectWidget,
        help_text="A row whose value a lead has already updates that lead.",
    )  # fmt: skip
    update = forms.ChoiceField(label="Leads that are there", choices=UPDATES, widget=UnfoldAdminSelectWidget)
    protected = Several(
        label="Never overwrite", required=False, help_text="These keep what they have; empty ones are filled."
    )
    source = forms.CharField(label="Source of new leads", required=False, widget=UnfoldAdminTextInputWidget)
    assign = forms.ChoiceField(label="Assign new leads to", choices=ASSIGNMENTS, widget=UnfoldAdminSelectWidget)
    lists = Several(label="Put all on lists", required=False)
    tags = Several(label="Tag all with", required=False)

    def __init__(self, *args: Any, job: LeadImport, scope: Scope, rows: Sequence[Row], **kwargs: Any) -> None:
        self.job, self.rows = job, rows
        self.setup: Setup = setups.of(job.account_id)
        self.targets = targets(self.setup)
        chosen = {one.place: one for one in columns.restored(job.columns)}
        meant = {} if chosen else suggested(job.header, self.setup)
        initial: dict[str, Any] = {
            name: getattr(job, name) for name in ("match", "update", "protected", "source", "assign", "lists", "tags")
        }
        initial |= {name: getattr(job, f"{name}_id") for name in ("office", "pipeline", "owner")}
        if not chosen:
            initial["match"] = next((key for key in matchable(self.setup) if key in meant.values()), "")
        super().__init__(*args, **{"initial": initial, **kwargs})
        self._prepare(scope)
        offered = _offered(self.targets)
        for place, name in enumerate(job.header):
            one = chosen.get(place)
            self.fields[f"column-{place}"] = forms.ChoiceField(
                label=name,
                choices=offered,
                required=False,
                initial=one.field if one else meant.get(name, ""),
                widget=UnfoldAdminSelectWidget(attrs={"aria-label": f"Field of {name}"}),
                error_messages={"invalid_choice": "Choose one of the fields on offer."},
            )
            self.fields[f"way-{place}"] = forms.ChoiceField(
                choices=_WAYS,
                required=False,
                initial=(one.by or "iso") if one and columns.ways(self._kind(one.field)) else _AUTOMATIC,
                widget=UnfoldAdminSelectWidget(attrs={"aria-label": f"How {name} is read"}),
            )

    def _prepare(self, scope: Scope) -> None:
        account_id = self.job.account_id
        self.fields["match"].choices = [  # type: ignore[attr-defined]
            *matchable(self.setup).items(), ("", "Nothing: each row is a new lead"),
        ]  # fmt: skip
        named = [(key, field.label) for key, field in self.targets.items()]
        lists = list(LeadList.objects.filter(account_id=account_id).values_list("name", flat=True)[:_LABELS_OFFERED])
        tags = list(Tag.objects.filter(account_id=account_id).values_list("name", flat=True)[:_LABELS_OFFERED])
        for name, offered, typed in (
            ("protected", named, False),
            ("lists", [(one, one) for one in lists], False),
            ("tags", [(one, one) for one in tags], True),
        ):
            field: Any = self.fields[name]
            field.widget = SeveralWidget(field.label, typed=typed)
            field.choices = offered
        self.fields["office"] = Reference(
            scope.choosable_offices(account_id).order_by("name"),
            key="office_id",
            label="Office of new leads",
            required=self._asks_office(scope),
            empty_label="No office" if scope.whole_account else "Select value",
            widget=UnfoldAdminSelectWidget(),
            error_messages={"required": "Office of new leads is required, unless a column has it."},
        )
        self.fields["pipeline"] = Reference(
            Pipeline.objects.filter(account_id=account_id),
            key="pipeline_id",
            label="Pipeline of new leads",
            required=False,
            empty_label="The default one",
            widget=UnfoldAdminSelectWidget(),
        )
        self.fields["owner"] = person_choice(
            scope,
            account_id,
            self.job.owner_id,
            label="Owner of new leads",
            required=False,
            empty_label="Unassigned",
        )

    @property
    def lines(self) -> list[Line]:
        return [
            Line(
                name,
                [row.cells[place] for row in self.rows[:SAMPLES] if place < len(row.cells) and row.cells[place]],
                self[f"column-{place}"],
                self[f"way-{place}"],
            )
            for place, name in enumerate(self.job.header)
        ]

    @property
    def rules(self) -> list[Any]:
        names = ("match", "update", "protected", "source", "office", "pipeline", "assign", "owner", "lists", "tags")
        return [self[name] for name in names]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        places: dict[str, int] = {}
        for place in range(len(self.job.header)):
            key = cleaned.get(f"column-{place}")
            if key and key in places:
                first = self.job.header[places[key]]
                self.add_error(f"column-{place}", f"{self.targets[key].label} comes from {first} already.")
            elif key:
                places[key] = place
        if not places and not self.errors:
            raise forms.ValidationError("Choose a field for at least one column.")
        match = cleaned.get("match")
        if match and match not in places and not self.errors:
            label = matchable(self.setup)[match]
            self.add_error("match", f"No column is {label}. Choose one for it, or another field to recognise leads by.")
        for name in ("lists", "tags", "source"):
            if cleaned.get(name) and (fault := judge_value(BY_KEY[name], cleaned[name])) is not None:
                self.add_error(name, sentence(name, fault.message))
        return cleaned

    def save(self) -> None:
        cleaned, job = self.cleaned_data, self.job
        found = []
        for place in range(len(job.header)):
            if key := cleaned[f"column-{place}"]:
                found.append(Column(place, key, self._way(place, key, cleaned[f"way-{place}"])))
        job.columns = columns.stored(found)
        job.assign = cleaned["assign"]
        job.match, job.update, job.source = cleaned["match"], cleaned["update"], cleaned["source"] or None
        job.protected, job.lists, job.tags = (cleaned[name] or [] for name in ("protected", "lists", "tags"))
        job.office, job.pipeline, job.owner = (cleaned[name] for name in ("office", "pipeline", "owner"))

    def _way(self, place: int, key: str, chosen: str) -> str:
        kind = self._kind(key)
        fitting = {way or "iso": way for way, _ in columns.ways(kind)}
        if chosen in fitting:
            return fitting[chosen]
        return columns.likely_way(kind, [row.cells[place] for row in self.rows if place < len(row.cells)])

    def _kind(self, key: str) -> Any:
        return kinds(self.setup).get(key, "text")

    def _asks_office(self, scope: Scope) -> bool:
        """Whoever has one office only brings leads into that one."""
        if scope.whole_account or scope.only_office(self.job.account_id) is not None:
            return False
        return not self._is_sent("office_name", "office_id")

    def _is_sent(self, *keys: str) -> bool:
        return any(value in keys for name, value in self.data.items() if name.startswith("column-"))


def _offered(fields: dict[str, Field]) -> list[Any]:
    """The fields by their groups, in the order of the lead's form."""
    by_group: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for key, field in fields.items():
        by_group.setdefault(field.group, []).append((key, field.label))
    return [("", "Not imported"), *((group, found) for group, found in by_group.items() if found)]
