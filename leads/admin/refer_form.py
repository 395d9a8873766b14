"""The dialog that refers one lead."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from leads.admin.base import is_key, scope_of
from leads.models import Lead
from leads.refer import offices_for


class ReferForm(BaseDialogForm):
    """Raises Http404 for a lead that the user does not see, before anything of it is shown."""

    form_before_template = "admin/leads/lead/refer_dialog.html"

    def __init__(self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        key = str(object_id)
        found = scope_of(request).leads().filter(pk=int(key)) if is_key(key) else Lead.objects.none()
        lead = found.select_related("office").first()
        if lead is None:
            raise Http404
        self.lead: Lead = lead
        self.fields["office_id"] = forms.TypedChoiceField(
            label="Office",
            coerce=int,
            choices=[("", "Select value"), *((office.pk, office.name) for office in offices_for(lead))],
            widget=UnfoldAdminSelectWidget,
            error_messages={
                "required": "Office must be chosen.",
                "invalid_choice": "Office must be another office of the lead's account.",
            },
        )

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        return {"lead": self.lead, "leaves": not scope_of(request).whole_account}
