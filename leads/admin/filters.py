"""Filters of lists whose values are checked before they reach the database."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
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

from leads.admin.base import scope_of
from leads.fields import BY_KEY


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


class StageFilter(_Codes, MultipleDropdownFilter):
    """So many that boxes would push the other filters out of sight."""

    title = parameter_name = key = "stage"
    all_option = None


class OfficeFilter(DropdownFilter):
    title = "office"
    parameter_name = "office"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        scope = scope_of(request)
        offices = scope.offices().select_related("account").order_by("account__name", "name")
        named = [
            (str(office.pk), f"{office.account.name} – {office.name}" if scope.every_account else office.name)
            for office in offices
        ]
        return [*named, ("none", "No office")] if scope.whole_account else named

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        if value == "none":
            return queryset.filter(office=None)
        return queryset.filter(office_id=int(value)) if value in dict(self.lookup_choices) else queryset.none()


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
            attrs = {"type": "date", "aria-label": f"Created {end}", "class": " ".join(INPUT_CLASSES)}
            self.fields[f"{name}_{end}"] = forms.CharField(required=False, widget=forms.TextInput(attrs=attrs))


class CreatedFilter(RangeDateFilter):
    """Whole days, the last one included."""

    form_class = DaysForm

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = "date created"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day("from"), self._day("to")
        if first is not None:
            queryset = queryset.filter(created_at__gte=_midnight(first))
        if last is not None and last < date.max:
            queryset = queryset.filter(created_at__lt=_midnight(last + timedelta(days=1)))
        return queryset

    def _day(self, end: str) -> date | None:
        value = self.used_parameters.get(f"{self.parameter_name}_{end}")
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
