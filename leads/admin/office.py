"""Offices of an account."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from leads.admin.base import scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import capped
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm, leads_link, leads_where
from leads.models import Office

# More leads than this are "1,000+".
_COUNTED = 1000


class OfficeForm(OwnedForm):
    class Meta:
        model = Office
        fields = ["account", "name"]
        widgets = ACCOUNT | {"name": UnfoldAdminTextInputWidget}


@admin.register(Office)
class OfficeAdmin(OwnedAdmin):
    form = OfficeForm
    columns = ("name", "leads")
    search_help_text = "Office"
    ordering = ("name", "id")
    empty_title = "No offices yet"
    empty_text = "Every lead that staff work on lies in an office."

    def scoped(self, request: HttpRequest, queryset: QuerySet[Office]) -> QuerySet[Office]:
        return queryset.filter(pk__in=scope_of(request).offices().values("pk"))

    @display(description="Leads")
    def leads(self, office: Office) -> SafeString:
        return leads_link(office=office.pk)

    def deletion(self, request: HttpRequest, office: Any) -> Deletion:
        leads = office.leads.order_by()[: _COUNTED + 1].count()
        if leads:
            are = "1 lead is" if leads == 1 else f"{capped(leads, _COUNTED)} leads are"
            return Deletion(
                f"{office} cannot be deleted",
                f"{are} in it. Refer them to another office or delete them first.",
                possible=False,
                link=("View these leads", leads_where(office=office.pk)),
            )
        return Deletion(f"Delete {office}?", "The office is removed, also from its people and webhooks.")
