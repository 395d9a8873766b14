"""Activity types and opportunity types: an account's own, with their codes, their further fields and their stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, capped, clip, mono
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm, check_text
from leads.admin.rows import Codec, Column, RowsField
from leads.models import ActivityType, OpportunityType
from leads.models.kind import ActivityKind, Kind
from leads.sentences import sentence

# More records than this are "1,000+".
_COUNTED = 1000


def _names(label: str) -> Codec:
    """["one", "two"] as a row for each."""
    return Codec(
        columns=(Column("name", label),),
        items=lambda stored: list(stored or []),
        cells=lambda item: {"name": item},
        item=lambda cells, was: cells["name"],
        value=lambda items, stored: items,
    )


class KindForm(OwnedForm):
    """rows: the fields that are names in their order, and what a single one is called."""

    rows: ClassVar[Mapping[str, str]] = {"fields": "Label"}

    class Meta:
        fields = ["account", "name", "code", "fields"]
        widgets = ACCOUNT | {"name": UnfoldAdminTextInputWidget, "code": UnfoldAdminIntegerFieldWidget}
        help_texts = {
            "code": "Other systems know the type by it. Left empty it is the next free one.",
            "fields": "What is asked beside what all have. A type that is in use keeps its labels where they are: "
            "the first one is mx_Custom_1 to LeadSquared's receivers, and new ones come behind it.",
        }

    def prepare(self) -> None:
        # Once there is one, it does not change by being emptied.
        self.fields["code"].required = not self.adding
        if not self.adding:
            self.fields["code"].help_text = "Other systems know the type by it."
        self.fields["code"].error_messages["required"] = "Code is required."
        for name, label in self.rows.items():
            field = RowsField(_names(label), name.capitalize(), ordered=True, help_text=self.fields[name].help_text)
            self.initial[name] = field.rows(getattr(self.instance, name))
            self.fields[name] = field

    def clean_fields(self) -> list[str]:
        return self._built("fields")

    def _built(self, name: str) -> list[str]:
        field: Any = self.fields[name]
        names: list[str] = field.build(self.cleaned_data[name], getattr(self.instance, name))
        for one in names:
            check_text(str(field.label), one)
        return names

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        kind: Kind = self.instance
        for name, fault in kind.faults().items():
            if name not in self.errors:
                self.add_error(name, ValidationError(sentence(name, fault), code=name))

    def _get_validation_exclusions(self) -> set[str]:
        # The model judges them whole, with what is of the kind: its own words for an empty one say less.
        return super()._get_validation_exclusions() | set(self.rows)


class ActivityTypeForm(KindForm):
    class Meta(KindForm.Meta):
        model = ActivityType
        fields = ["account", "name", "code", "kind", "fields"]
        widgets = KindForm.Meta.widgets | {"kind": UnfoldAdminSelectWidget}
        help_texts = KindForm.Meta.help_texts | {
            "kind": "A sales activity has events of its own and can be cancelled. A type in use stays of its kind.",
        }


class OpportunityTypeForm(KindForm):
    rows: ClassVar[Mapping[str, str]] = {"stages": "Stage", "fields": "Label"}

    class Meta(KindForm.Meta):
        model = OpportunityType
        fields = ["account", "name", "code", "stages", "fields"]
        help_texts = KindForm.Meta.help_texts | {
            "stages": "In the order in which an opportunity goes through them. One that opportunities stand in stays.",
        }

    def clean_stages(self) -> list[str]:
        return self._built("stages")


class KindAdmin(OwnedAdmin):
    """nouns: relation to what is of such a kind -> what one of them is called; screen: the list of the first."""

    nouns: ClassVar[Mapping[str, str]]
    screen: ClassVar[str]
    search_fields = ("name", "code")
    search_help_text = "Name or code"
    ordering = ("account__name", "code")
    sortable_by = ()

    @display(description="Code")
    def code_shown(self, kind: Kind) -> SafeString:
        return mono(str(kind.code))

    @display(description="Fields")
    def labels(self, kind: Kind) -> SafeString:
        return clip(", ".join(kind.fields))

    @display(description="Records")
    def records(self, kind: Kind) -> SafeString:
        return format_html('<a class="lc-link" href="{}">View {}</a>', self.listed(kind), next(iter(self.nouns)))

    def listed(self, kind: Kind) -> str:
        return f"{reverse(f'admin:{self.screen}')}?type={kind.pk}"

    def deletion(self, request: HttpRequest, kind: Any) -> Deletion:
        counts = {relation: getattr(kind, relation).order_by()[: _COUNTED + 1].count() for relation in self.nouns}
        told = [
            f"{capped(count, _COUNTED)} {self.nouns[relation] if count == 1 else relation.replace('_', ' ')}"
            for relation, count in counts.items()
            if count
        ]
        if not told:
            return Deletion(f"Delete {kind}?", "Nothing is of this type.")
        first = next(iter(self.nouns))
        return Deletion(
            f"{kind} cannot be deleted",
            f"This type has {' and '.join(told)}. Give them another type or delete them first.",
            possible=False,
            link=(f"View {first}", self.listed(kind)) if counts[first] else None,
        )


@admin.register(ActivityType)
class ActivityTypeAdmin(KindAdmin):
    form = ActivityTypeForm
    fields_of_form = (("name", "code"), "kind", "fields")
    columns = ("name", "code_shown", "kind", "labels", "records")
    nouns: ClassVar[Mapping[str, str]] = {"activities": "activity", "company_activities": "company activity"}
    screen = "leads_activity_changelist"
    empty_title = "No activity types yet"
    empty_text = "Every activity of a lead or a company is of a type."

    @display(description="Records")
    def records(self, kind: Any) -> SafeString:
        # Those of a company stand on its page.
        return MISSING if kind.kind == ActivityKind.COMPANY else super().records(kind)


@admin.register(OpportunityType)
class OpportunityTypeAdmin(KindAdmin):
    form = OpportunityTypeForm
    fields_of_form = (("name", "code"), "stages", "fields")
    columns = ("name", "code_shown", "stages_shown", "labels", "records")
    nouns: ClassVar[Mapping[str, str]] = {"opportunities": "opportunity"}
    screen = "leads_opportunity_changelist"
    empty_title = "No opportunity types yet"
    empty_text = "A type says which stages an opportunity goes through."

    @display(description="Stages")
    def stages_shown(self, kind: OpportunityType) -> SafeString:
        return clip(", ".join(kind.stages))
