"""Screens whose form is asked, as it was typed, for more than to be saved: previews, and rows that follow a choice."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed

from leads.admin.base import Admin, is_key
from webhooks.admin.webhook_filters import Row


class TypedAdmin(Admin):
    def found(self, request: HttpRequest, object_id: Any) -> Any:
        record = self.get_object(request, str(object_id)) if str(object_id).isascii() else None
        if record is None:
            raise Http404
        return record

    def typed_form(self, request: HttpRequest, object_id: int | None) -> Any:
        """The form as it is on the page, of a new record or a stored one. PermissionDenied, Http404."""
        record = None
        if object_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
        elif not self.has_change_permission(request):
            raise PermissionDenied
        else:
            record = self.found(request, object_id)
        form = self.get_form(request, record, change=record is not None)
        return form(request.POST, instance=record)

    def conditions_builder(self, request: HttpRequest, object_id: int | None, name: str) -> HttpResponse:
        """The rows of this field by what is chosen in them, with one row more (?add) or less (?remove=)."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        widget: Any = self.typed_form(request, object_id).fields[name].widget
        rows = widget.value_from_datadict(request.POST, {}, name)
        if "add" in request.GET:
            field = widget.fields.get(request.GET["add"])
            rows.append(Row(field.key, field.operators[0], was=field.key) if field else Row())
            widget.focus = len(rows) - 1
        elif is_key(remove := request.GET.get("remove", "")) and int(remove) < len(rows):
            del rows[int(remove)]
            widget.focus = len(rows)
        return HttpResponse(widget.render(name, rows))
