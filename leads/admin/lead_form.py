"""The lead's form, made from the catalogue: a field of it for each of the lead's, judged by the lead's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.forms.utils import ErrorDict
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminNullBooleanSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from leads import fields, validation
from leads import setup as setups
from leads.admin import slots, stages
from leads.admin.lead_fields import (
    AccountOffice,
    Autocomplete,
    Choice,
    DayInput,
    Fact,
    Moment,
    Number,
    Parent,
    Reference,
    Several,
    SeveralWidget,
    StageChoice,
    Text,
    person_choice,
)
from leads.admin.rows import CODECS, RowsField
from leads.admin.words import label, words
from leads.custom import Definition
from leads.fields import BY_KEY, Field
from leads.models import Account, Campaign, Company, Lead, LeadList, Office, Tag, User
from leads.models.lead import judge
from leads.scope import Scope
from leads.sentences import sentence
from leads.setup import PLACE, Setup

# Where a lead comes from that somebody adds by hand.
SOURCE = "admin"

# A text of more characters than this is edited in a box.
_ONE_LINE = 255
# Labels on offer; a tag beyond these is typed.
_LABELS_OFFERED = 500
_LABELS = {"tags": Tag, "lists": LeadList, "campaigns": Campaign}
# The place of a lead is one input: the stage, grouped by pipeline.
_PLACED_BY = "pipeline_stage_id"
# A choice that cannot be taken back.
_KEPT = {"type", *(field.key for field in fields.FIELDS if field.kept)}
_NOT_EDITED = {*PLACE, "custom_fields"} - {_PLACED_BY}


@dataclass(frozen=True, slots=True)
class Difference:
    label: str
    theirs: str
    yours: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody saved a newer version while this one was being edited."""

    version: int
    steps: list[slots.Step]
    differences: list[Difference]


def keys_of(*groups: str) -> list[str]:
    """What staff fill in, in the catalogue's order."""
    return [
        field.key
        for field in fields.FIELDS
        if field.group in groups
        and (field.writeable or field.kind == "comparables")
        and not field.measured
        and field.key not in _NOT_EDITED
    ]


EDITED = keys_of(*fields.GROUPS)
# What they only read.
MEASURED = [field.key for field in fields.FIELDS if field.measured]


class LeadForm(forms.ModelForm):
    """A class of its own for each request, see `for_writer`."""

    scope: Scope
    readonly = False
    # Of a new lead, as far as it is known.
    account_id: int | None = None

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Lead
        fields: list[str] = []

    @classmethod
    def for_writer(cls, scope: Scope, *, readonly: bool, account_id: int | None) -> type[LeadForm]:
        return type("LeadForm", (cls,), {"scope": scope, "readonly": readonly, "account_id": account_id})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conflict: Conflict | None = None
        lead: Lead = self.instance
        self.adding = lead.pk is None
        if self.adding and self.account_id is not None:
            lead.account_id = self.account_id
        self.setup = _NO_SETUP if lead.account_id is None else setups.of(lead.account_id)
        # As it is stored: the instance keeps it until everything is found right.
        self.before: dict[str, Any] | None = None if self.adding else lead.values()
        if self.adding and self.scope.every_account:
            self.fields["account_id"] = forms.ModelChoiceField(
                Account.objects.all(),
                label="Account",
                widget=UnfoldAdminSelectWidget,
                empty_label="Select value",
                error_messages={"required": "Account must be one of those on offer."},
            )
        for key in EDITED:
            self.fields[key] = self._field(BY_KEY[key])
            self.initial[key] = self._initial(key)
        stored = (self.before or {}).get("custom_fields") or {}
        for definition in self.setup.definitions.values():
            self.initial[definition.path] = stored.get(definition.key)
            self.fields[definition.path] = _custom_field(definition, stored.get(definition.key))
        for field in self.fields.values():
            field.disabled = self.readonly
        if self.before is not None:
            for key in MEASURED:
                self.fields[key] = Fact(label=BY_KEY[key].label)
                self.initial[key] = self.before[key]
        self.initial["version"] = lead.version

    # --- the fields ---

    def _field(self, field: Field) -> forms.Field:
        options: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": False}
        match field.kind:
            case "text" | "email":
                if field.kind == "email":
                    return Text(widget=UnfoldAdminEmailInputWidget(), **options)
                return _text(lines=(field.max_length or 0) > _ONE_LINE, **options)
            case "number" | "integer":
                mode = "decimal" if field.kind == "number" else "numeric"
                # The keys of a phone for whole numbers have no minus.
                attrs = {} if field.kind == "integer" and field.lowest < 0 else {"inputmode": mode}
                return Number(widget=UnfoldAdminTextInputWidget(attrs=attrs), **options)
            case "boolean":
                return forms.NullBooleanField(widget=UnfoldAdminNullBooleanSelectWidget(), **options)
            case "choice":
                kept = field.key in _KEPT and bool((self.before or {}).get(field.key))
                choices = field.choices if kept or not field.nullable else (("", "Select value"), *field.choices)
                return Choice(choices=choices, widget=UnfoldAdminSelectWidget(), **options)
            case "hours" | "pairs" | "questions" | "comparables" | "texts":
                return RowsField(CODECS[field.kind], field.label, help_text=field.help)
            case "datetime":
                return Moment(**options | {"help_text": "In UTC. When the lead was created, unless it came before."})
            case "labels":
                return self._several(field.key, options)
            case _:
                return self._reference(field.key, options)

    def _several(self, key: str, options: dict[str, Any]) -> forms.Field:
        account_id = self.instance.account_id
        here = self.scope.in_account() if account_id is None else Q(account_id=account_id)
        labels: Any = _LABELS[key]._default_manager.filter(here).order_by("name")
        # Of several accounts, two may have one of the same name.
        names = list(dict.fromkeys(labels.values_list("name", flat=True)[:_LABELS_OFFERED]))
        widget = SeveralWidget(options["label"], typed=key == "tags")
        return Several(choices=[(name, name) for name in names], widget=widget, **options)

    def _reference(self, key: str, options: dict[str, Any]) -> forms.Field:
        account_id = self.instance.account_id
        select = {"key": key, "widget": UnfoldAdminSelectWidget()}
        match key:
            case "office_id":
                options |= {"empty_label": "No office", **select}
                if account_id is None:
                    offices = self.scope.offices().select_related("account")
                    return AccountOffice(offices.order_by("account__name", "name"), **options)
                if not self.scope.whole_account:
                    options |= {"empty_label": None if self.instance.office_id else "Select value"}
                # What is chosen already stays on offer, whoever chose it.
                chosen_office = Office.objects.filter(pk=self.instance.office_id)
                return Reference(self.scope.choosable_offices(account_id) | chosen_office, **options)
            case "owner_id":
                options |= {"empty_label": "Unassigned", **select}
                return person_choice(self.scope, account_id, self.instance.owner_id, **options)
            case "pipeline_stage_id":
                return self._stage(options | {"label": BY_KEY["stage"].label, "help_text": ""})
            case "company_id":
                seen = Company.objects.filter(self.scope.in_account())
                companies = seen if account_id is None else self.scope.choosable_companies(account_id)
                chosen_company = Company.objects.filter(pk=self.instance.company_id)
                widget = Autocomplete(Lead._meta.get_field("company"))
                return Reference(companies | chosen_company, **options | {"key": key, "widget": widget})
            case _:
                leads = self.scope.leads() if account_id is None else self.scope.choosable_parents(account_id)
                chosen_lead = Lead.objects.filter(pk=self.instance.parent_id)
                return Parent(leads | chosen_lead, visible=leads, **options)

    def _stage(self, options: dict[str, Any]) -> forms.Field:
        if self.instance.account_id is not None:
            choices: list[Any] = list(stages.of_account(self.setup))
        else:
            choices = [("", "The first one of the account"), *stages.of_every_account()]
        return StageChoice(choices=choices, widget=UnfoldAdminSelectWidget(), **options)

    def _initial(self, key: str) -> Any:
        if self.before is not None:
            stored = self.before[key]
        elif key == "office_id":
            stored = self._only_office()
        elif key == _PLACED_BY:
            first = self.setup.pipelines[0].first() if self.setup.pipelines else None
            stored = first.id if first is not None else None
        else:
            stored = _default(key)
        field = self.fields[key]
        return field.rows(stored) if isinstance(field, RowsField) else stored

    def _only_office(self) -> int | None:
        own = self.scope.office_ids
        return next(iter(own)) if own is not None and len(own) == 1 else None

    # --- what was typed ---

    def clean(self) -> dict[str, Any]:
        if not self.adding and self.cleaned_data.get("version") != self.instance.version:
            self.conflict = self._conflict()
        return self.cleaned_data

    def _post_clean(self) -> None:
        """Judge the merged record, and lay it over the instance only when it is right."""
        if self.conflict is not None:
            self._errors = ErrorDict(renderer=self.renderer)
            self.add_error("version", ValidationError("Version must be the newest one.", code="conflict"))
            return
        lead: Lead = self.instance
        if self.adding and "account_id" in self.fields:
            account = self.cleaned_data.get("account_id")
            lead.account = account  # type: ignore[assignment]
        typed = self._typed()
        if self.before is None:
            before = None
            merged = {key: _default(key) for key in EDITED}
            merged |= {key: value for key, value in typed.items() if value is not None}
        else:
            before = self.before | {name: getattr(lead, name) for name in _FOLLOWING}
            merged = self.before | typed
        # A name that is made of its parts is judged as it is going to be.
        whole = merged | validation.derive(merged, before)
        for violation in self._violations(whole):
            self._tell(violation)
        if self.errors:
            return
        for key, value in merged.items():
            if key in typed or (self.adding and key in EDITED):
                lead.set(key, value)

    def _save_m2m(self) -> None:
        """Labels were stored with the lead."""

    def _violations(self, whole: Mapping[str, Any]) -> list[validation.Violation]:
        lead: Lead = self.instance
        found = judge(whole, self.before, setup=self.setup)
        if lead.account_id is None:
            # What an account would say has to wait for it, the rest has not.
            return [violation for violation in found if violation.field not in PLACE]
        return found + self.scope.judge(lead.account_id, whole, self.before, lead.pk)

    def _tell(self, violation: validation.Violation) -> None:
        """Under the field, once; what has no field stands above the form."""
        key = _PLACED_BY if violation.field in PLACE else violation.field
        if key in self.errors:
            return
        if key in self.fields and key not in BY_KEY:
            said = f"{self.fields[key].label} {violation.message}."
        else:
            said = sentence("stage" if key == _PLACED_BY else key, violation.message)
        self.add_error(key if key in self.fields else None, ValidationError(said, code=violation.rule))

    def _typed(self) -> dict[str, Any]:
        """What differs from what the page showed, as values of the lead. A field that was not sent is left alone."""
        typed: dict[str, Any] = {}
        customs: dict[str, Any] = {}
        for key in EDITED:
            if self._is_new(key):
                try:
                    typed[key] = self._value(key)
                except ValidationError as error:
                    self.add_error(key, error)
        for definition in self.setup.definitions.values():
            if self._is_new(definition.path):
                customs[definition.key] = self._value(definition.path)
        if customs:
            typed["custom_fields"] = ((self.before or {}).get("custom_fields") or {}) | customs
        stage = self.setup.stage(typed.get(_PLACED_BY))
        if stage is not None:
            typed |= {"pipeline_id": stage.pipeline_id, "stage": stage.code}
        return typed

    def _is_new(self, name: str) -> bool:
        field, bound = self.fields[name], self[name]
        omitted = field.widget.value_omitted_from_data(self.data, self.files, bound.html_name)
        if omitted or name not in self.cleaned_data:
            return False
        return self.adding or field.has_changed(self.initial[name], bound.data)

    def _value(self, name: str) -> Any:
        field, value = self.fields[name], self.cleaned_data[name]
        if isinstance(field, RowsField):
            return field.build(value, None if self.before is None else self.before[name])
        if isinstance(field, Reference):
            return value.pk if value is not None else None
        return value

    def _conflict(self) -> Conflict:
        version = self.cleaned_data.get("version") or 0
        steps = slots.steps_since(self.instance, version)
        changed = {key for step in steps for key in step.changes}
        assert self.before is not None
        yours = self._typed()
        customs = yours.pop("custom_fields", {})
        stored = self.before["custom_fields"]
        pairs = {key: (self.before[key], value) for key, value in yours.items() if key in self.fields}
        for definition in self.setup.definitions.values():
            theirs, mine = stored.get(definition.key), customs.get(definition.key)
            if definition.key in customs and theirs != mine:
                pairs[definition.path] = theirs, mine
        differences = [
            Difference(str(self.fields[key].label or label(key)), self._words(key, theirs), self._words(key, mine))
            for key, (theirs, mine) in pairs.items()
            if not steps or key in changed
        ]
        return Conflict(self.instance.version, steps, differences)

    def _words(self, key: str, value: Any) -> str:
        if key == _PLACED_BY:
            stage = self.setup.stage(value)
            return stage.name if stage is not None else words(key, value)
        if key in _NAMED and value is not None:
            named = _NAMED[key].objects.filter(pk=value).first()
            return str(named) if named is not None else words(key, value)
        return words(key, value)


def _text(*, lines: bool, **options: Any) -> Text:
    widget = UnfoldAdminExpandableTextareaWidget if lines else UnfoldAdminTextInputWidget
    return Text(lines=lines, widget=widget(), **options)


def _custom_field(definition: Definition, stored: Any) -> forms.Field:
    """One of the account's own; its rules are those of leads/custom.py. What is stored can be given back as it is."""
    options: dict[str, Any] = {"label": definition.label, "required": False}
    choices = [(choice, choice) for choice in definition.choices]
    if definition.kind == "choice" and stored is not None and stored not in definition.choices:
        choices.append((stored, stored))
    makers: Mapping[str, Any] = {
        "text": partial(_text, lines="\n" in str(stored)),
        "number": partial(Number, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})),
        "yes_no": partial(forms.NullBooleanField, widget=UnfoldAdminNullBooleanSelectWidget()),
        "date": partial(Text, widget=DayInput()),
        "choice": partial(Choice, choices=[("", "Select value"), *choices], widget=UnfoldAdminSelectWidget()),
        "choices": partial(Several, choices=choices, widget=SeveralWidget(definition.label)),
    }
    return makers[definition.kind](**options)


def _default(key: str) -> Any:
    """Of a new lead; what is not said elsewhere is unset."""
    return {"status": _BLANK.status, "score": _BLANK.score, "source": SOURCE, "comparable_props": []}.get(key)


_BLANK = Lead()
_NO_SETUP = Setup((), {})
# Where the name of a reference is found.
_NAMED: Mapping[str, Any] = {"office_id": Office, "owner_id": User, "company_id": Company}

# What follows from other fields, and is stored.
_FOLLOWING = ("full_name_derived", "phone_e164", "callable")
