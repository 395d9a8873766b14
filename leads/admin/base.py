"""What every admin screen of ours has in common: one unit of work per writing POST, and the office scope."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin

from leads.changes import unit
from leads.scope import Scope


def scope_of(request: HttpRequest) -> Scope:
    """The signed-in user's scope, read once per request."""
    scope: Scope | None = getattr(request, "_scope", None)
    if scope is None:
        scope = request._scope = Scope.of(request.user)  # type: ignore[attr-defined]
    return scope


class Admin(ModelAdmin):
    """A screen whose rows are limited to the user's scope, and whose POSTs are one unit of work each."""

    list_filter_submit = True
    list_fullwidth = True
    warn_unsaved_form = True
    compressed_fields = False
    show_full_result_count = False
    change_form_show_cancel_button = True
    # Of an empty list: see templates/unfold/helpers/empty_results.html.
    empty_title = ""
    empty_text = ""

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that the user may see. Each screen says how."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.scoped(request, super().get_queryset(request))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._as_unit(request, super().changeform_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._as_unit(request, super().changelist_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._as_unit(request, super().delete_view, *args, **kwargs)

    def _as_unit(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """A change of many parts is one set of facts. What breaks a rule at its end undoes all of it and is told."""
        if request.method != "POST":
            return view(request, *args, **kwargs)
        try:
            with unit():
                return view(request, *args, **kwargs)
        except ValidationError as error:
            for message in error.messages:
                messages.error(request, message)
            return HttpResponseRedirect(request.get_full_path())
