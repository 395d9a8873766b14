"""Offices of an account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from leads.admin.base import Admin, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import capped
from leads.models import Office
from leads.scope import Scope

# More leads than this are "1,000+".
_COUNTED = 1000


class OfficeForm(forms.ModelForm):
    """An office stays in the account it was made in: the choice is a superuser's, and only once."""

    scope: Scope

    class Meta:
        model = Office
        fields = ["account", "name"]
        widgets = {"account": UnfoldAdminSelectWidget, "name": UnfoldAdminTextInputWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "account" not in self.fields and self.instance.pk is None:
            self.instance.account_id = self.scope.account_id

    def _get_validation_exclusions(self) -> set[str]:
        # The name is judged within the account, whether or not the form asks for the account.
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions - {"account"}


@admin.register(Office)
class OfficeAdmin(Admin):
    form = OfficeForm
    search_fields = ("name",)
    search_help_text = "Office"
    list_select_related = ("account",)
    ordering = ("name", "id")
    empty_title = "No offices yet"
    empty_text = "Every lead that staff work on lies in an office."

    def scoped(self, request: HttpRequest, queryset: QuerySet[Office]) -> QuerySet[Office]:
        return queryset.filter(pk__in=scope_of(request).offices().values("pk"))

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return ["name", *(["account"] if scope_of(request).every_account else []), "leads"]

    @display(description="Leads")
    def leads(self, office: Office) -> SafeString:
        return format_html('<a class="lc-link" href="{}">View leads</a>', _leads_of(office))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    def get_fieldsets(self, request: HttpRequest, obj: Office | None = None) -> list[Any]:
        choose = obj is None and scope_of(request).every_account
        return [(None, {"fields": ["account", "name"] if choose else ["name"]})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.scope = scope_of(request)
        return form

    def deletion(self, request: HttpRequest, office: Office) -> Deletion:
        leads = office.leads.order_by()[: _COUNTED + 1].count()
        if leads:
            are = "1 lead is" if leads == 1 else f"{capped(leads, _COUNTED)} leads are"
            return Deletion(
                f"{office} cannot be deleted",
                f"{are} in it. Refer them to another office or delete them first.",
                possible=False,
                link=("View these leads", _leads_of(office)),
            )
        return Deletion(f"Delete {office}?", "The office is removed, also from its people and webhooks.")


def _leads_of(office: Office) -> str:
    return f"{reverse('admin:leads_lead_changelist')}?office={office.pk}"
