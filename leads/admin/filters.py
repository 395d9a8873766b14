"""Filters of lists whose values are checked before they reach the database."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import (
    CheckboxFilter,
    DropdownFilter,
    MultipleDropdownFilter,
    RadioFilter,
    RangeDateFilter,
    TextFilter,
)
from unfold.widgets import INPUT_CLASSES

from leads import setup as setups
from leads.admin import stages
from leads.admin.base import is_key, scope_of
from leads.fields import BY_KEY
from leads.models import ActivityType, Campaign, Company, LeadList, Office, OpportunityType, Pipeline, Tag, User
from leads.models.kind import ActivityKind
from leads.models.opportunity import OpportunityStatus
from leads.scope import Scope

# The value of the owner filter for whoever is signed in.
ME = "me"
# Records that a filter offers.
OFFERED = 500


class _Codes:
    """Any of the codes of one field of the catalogue."""

    key: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return BY_KEY[self.key].choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()  # type: ignore[attr-defined]
        codes = {code for code, _ in BY_KEY[self.key].choices} & set(chosen or [])
        return queryset.filter(**{f"{self.key}__in": codes}) if chosen else queryset


class StatusFilter(_Codes, CheckboxFilter):
    title = parameter_name = key = "status"


class TypeFilter(_Codes, CheckboxFilter):
    title = parameter_name = key = "type"


class LeadStatusFilter(_Codes, MultipleDropdownFilter):
    """So many that boxes would push the other filters out of sight."""

    title = "lead status"
    parameter_name = key = "lead_status"
    all_option = None


class StageFilter(MultipleDropdownFilter):
    """By the account's own stages, grouped by pipeline."""

    title = parameter_name = "stage"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        scope = scope_of(request)
        if scope.account_id is None:
            return stages.of_every_account()
        return stages.of_account(setups.of(scope.account_id)) if scope.account_id else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        known = {str(pk) for _, grouped in self.lookup_choices for pk, _ in grouped}
        return queryset.filter(pipeline_stage_id__in=known & set(chosen)) if chosen else queryset


class _Records(DropdownFilter):
    """One of the records of an account. What is chosen stays on offer, so that links to it may be made."""

    model: ClassVar[Any]
    relation: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        scope = scope_of(request)
        rows = self.model.objects.filter(self.seen(scope)).select_related("account")
        rows = rows.order_by("account__name", "name")
        chosen = request.GET.get(self.parameter_name, "")
        offered = list(rows[:OFFERED])
        if is_key(chosen) and int(chosen) not in {row.pk for row in offered}:
            offered += rows.filter(pk=chosen)
        named = [
            (str(row.pk), f"{row.account.name} – {row.name}" if scope.every_account else row.name) for row in offered
        ]
        return [*named, *self.further(scope)]

    def seen(self, scope: Scope) -> Q:
        return scope.in_account()

    def further(self, scope: Scope) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        # What was asked for by an address is not dropped in silence.
        return bool(self.lookup_choices) or bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        if value not in dict(self.lookup_choices):
            return queryset.none()
        if not is_key(value):
            return self.special(request, queryset, value)
        return queryset.filter(**{self.relation: int(value)})

    def special(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """By a choice that is no record."""
        return queryset.filter(**{f"{self.relation}__isnull": True})


class OfficeFilter(_Records):
    title = parameter_name = relation = "office"
    model = Office

    def seen(self, scope: Scope) -> Q:
        return Q(pk__in=scope.offices().values("pk"))

    def further(self, scope: Scope) -> list[tuple[str, str]]:
        return [("none", "No office")] if scope.whole_account else []


class PipelineFilter(_Records):
    title = parameter_name = relation = "pipeline"
    model = Pipeline


class TagFilter(_Records):
    title = parameter_name = "tag"
    relation = "tags"
    model = Tag


class ListFilter(_Records):
    title = parameter_name = "list"
    relation = "lists"
    model = LeadList


class CampaignFilter(_Records):
    title = parameter_name = "campaign"
    relation = "campaigns"
    model = Campaign


class ActivityTypeFilter(_Records):
    """Of the activities of leads."""

    title = parameter_name = relation = "type"
    model = ActivityType

    def seen(self, scope: Scope) -> Q:
        return scope.in_account() & ~Q(kind=ActivityKind.COMPANY)


class OpportunityTypeFilter(_Records):
    title = parameter_name = relation = "type"
    model = OpportunityType


class OpportunityStageFilter(MultipleDropdownFilter):
    """By name: types may share stages."""

    title = parameter_name = "stage"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        types = OpportunityType.objects.filter(scope_of(request).in_account()).order_by("account__name", "code")
        names = dict.fromkeys(stage for stages in types.values_list("stages", flat=True) for stage in stages)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(stage__in=dict(self.lookup_choices).keys() & set(chosen)) if chosen else queryset


class OpportunityStatusFilter(CheckboxFilter):
    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return OpportunityStatus.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(status__in=set(OpportunityStatus.values) & set(chosen)) if chosen else queryset


class CompanyFilter(_Records):
    title = parameter_name = relation = "company"
    model = Company


class OwnerFilter(_Records):
    """Whoever owns leads or may be given some, also when they are inactive by now."""

    title = parameter_name = relation = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        scope = scope_of(request)
        people = User.objects.filter(scope.in_account("membership__")).select_related("membership__account")
        if scope.every_account:
            people = people.filter(membership__isnull=False)
        named = [
            (str(user.pk), f"{user.membership.account.name} – {user}" if scope.every_account else str(user))
            for user in people.order_by("membership__account__name", "first_name", "last_name", "username")
        ]
        return [(ME, "Me"), ("none", "Unassigned"), *named]

    def special(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(owner=request.user.pk) if value == ME else super().special(request, queryset, value)


class SourceFilter(TextFilter):
    title = "source"
    parameter_name = "source"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(source__icontains=value.replace("\x00", "")) if value else queryset


class CallableFilter(RadioFilter):
    title = "callable"
    parameter_name = "callable"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", "Callable"), ("no", "Not callable")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(callable=self.value() == "yes") if self.value() in ("yes", "no") else queryset


class DaysForm(forms.Form):
    """The browser's own date inputs, which send ISO dates whatever they show."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        for end in ("from", "to"):
            words = f"{name.removesuffix('_at').capitalize()} {end}"
            attrs = {"type": "date", "aria-label": words, "class": " ".join(INPUT_CLASSES)}
            self.fields[f"{name}_{end}"] = forms.CharField(required=False, widget=forms.TextInput(attrs=attrs))


class DaysFilter(RangeDateFilter):
    """By a date and time, in whole days, the last one included."""

    form_class = DaysForm
    words: ClassVar[str]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = self.words

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day("from"), self._day("to")
        if first is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": _midnight(first)})
        if last is not None and last < date.max:
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": _midnight(last + timedelta(days=1))})
        return queryset

    def _day(self, end: str) -> date | None:
        value = self.used_parameters.get(f"{self.parameter_name}_{end}")
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            return None


class CreatedFilter(DaysFilter):
    words = "date created"


class HappenedFilter(DaysFilter):
    words = "date"


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
