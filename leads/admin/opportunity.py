"""Opportunities: the tab on the lead's page, the list of all, and the form."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from leads.admin.deletion import Deletion
from leads.admin.display import amount, badge, clip
from leads.admin.exporting import Exporting
from leads.admin.filters import (
    OpportunityStageFilter,
    OpportunityStatusFilter,
    OpportunityTypeFilter,
    OwnerFilter,
)
from leads.admin.lead_fields import Autocomplete, DayInput, Reference, Text
from leads.admin.of_lead import OfLeadAdmin, OfLeadForm, from_lead, tab_of
from leads.admin.paging import CappedPaginator
from leads.admin.slots import Panel, register_panel
from leads.models import Company, Lead, Opportunity, OpportunityType, Product
from leads.sentences import sentence

TAB = "opportunities"
# Of more the newest are shown until all are asked for.
SHOWN = 50

_DESCRIPTION = Opportunity._meta.get_field("description").max_length


@register_panel
def panel(request: HttpRequest, lead: Lead) -> Panel | None:
    if not request.user.has_perm("leads.view_opportunity"):
        return None
    rows = lead.opportunities.select_related("type", "owner", "company", "product").order_by("-id")
    count = rows.count()
    shown = list(rows if request.GET.get(TAB) == "all" else rows[:SHOWN])
    body = render_to_string(
        "admin/leads/opportunity/tab.html",
        {
            "opportunities": [
                (one, from_lead(reverse("admin:leads_opportunity_change", args=[one.pk]))) for one in shown
            ],
            "earlier": count - len(shown),
            "all": f"?{TAB}=all#{TAB}",
            "may_change": request.user.has_perm("leads.change_opportunity"),
            "add": from_lead(reverse("admin:leads_opportunity_add"), lead=lead.pk)
            if request.user.has_perm("leads.add_opportunity")
            else "",
        },
        request,
    )
    return Panel(f"Opportunities {count:,}", SafeString(body), place="tab", slug=TAB)


class OpportunityForm(OfLeadForm):
    beside = "#id_stage"

    class Meta:
        model = Opportunity
        fields = [
            *("type", "name", "company", "stage", "status", "value", "expected_on", "product", "owner"),
            *("description", "fields"),
        ]
        widgets = {
            "name": UnfoldAdminTextInputWidget,
            "status": UnfoldAdminSelectWidget,
            "value": UnfoldAdminDecimalFieldWidget,
            "expected_on": DayInput,
        }

    def prepare(self) -> None:
        opportunity: Opportunity = self.instance
        account_id = self.lead.account_id
        self.fields["stage"] = forms.ChoiceField(
            label="Stage",
            choices=[(stage, stage) for stage in self._stages()],
            widget=UnfoldAdminSelectWidget(),
            error_messages={"invalid_choice": sentence("stage", "must be one of those on offer")},
        )
        self.fields["company"] = Reference(
            Company.objects.filter(account_id=account_id),
            key="company_id",
            label="Linked company",
            required=False,
            widget=Autocomplete(Opportunity._meta.get_field("company")),
        )
        products = Product.objects.filter(account_id=account_id)
        self.fields["product"] = Reference(
            products.filter(Q(is_active=True) | Q(pk=opportunity.product_id)),
            key="product",
            label="Product",
            required=False,
            empty_label="No product",
            widget=UnfoldAdminSelectWidget(),
        )
        self.fields["description"] = Text(
            label="Description",
            required=False,
            max_length=_DESCRIPTION,
            lines=True,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        )
        self.fields["value"].error_messages["invalid"] = sentence("value", "must be a number")
        self.fields["expected_on"].error_messages["invalid"] = sentence("expected", "must be a date")

    def kinds(self) -> QuerySet[OpportunityType]:
        return OpportunityType.objects.filter(account_id=self.lead.account_id)

    def _stages(self) -> list[str]:
        """The type's. The one in which the opportunity stands stays on offer, whatever became of the type."""
        kind, opportunity = self.kind, self.instance
        stages: list[str] = list(kind.stages) if isinstance(kind, OpportunityType) else []
        stands = kind is not None and kind.pk == opportunity.type_id
        return [*stages, opportunity.stage] if stands and opportunity.stage not in stages else stages


@admin.register(Opportunity)
class OpportunityAdmin(Exporting, OfLeadAdmin):
    form = OpportunityForm
    tab = TAB
    fields: ClassVar[Any] = (
        "name",
        ("type", "stage"),
        "fields",
        ("status", "value"),
        ("expected_on", "product"),
        ("company", "owner"),
        "description",
    )
    list_display = (
        "name_shown",
        "lead_shown",
        "type_shown",
        "stage_shown",
        "status_shown",
        "value_shown",
        "owner_shown",
    )
    list_filter = (OpportunityTypeFilter, OpportunityStageFilter, OpportunityStatusFilter, OwnerFilter)
    list_per_page = 25
    list_max_show_all = 0
    list_disable_select_all = True
    paginator = CappedPaginator
    ordering = ("-created_at", "-id")
    sortable_by = ("value_shown",)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("name", "lead__full_name", "lead__email")
    search_help_text = "Opportunity or lead"
    empty_title = "No opportunities yet"
    empty_text = "An opportunity is what a lead may buy, and how far it has come."

    # --- the list ---

    @display(description="Name")
    def name_shown(self, opportunity: Opportunity) -> SafeString:
        return clip(opportunity.name)

    @display(description="Lead")
    def lead_shown(self, opportunity: Opportunity) -> SafeString:
        return format_html('<a class="lc-link" href="{}">{}</a>', tab_of(opportunity.lead, TAB), opportunity.lead)

    @display(description="Type")
    def type_shown(self, opportunity: Opportunity) -> SafeString:
        return clip(str(opportunity.type))

    @display(description="Stage")
    def stage_shown(self, opportunity: Opportunity) -> SafeString:
        return clip(opportunity.stage)

    @display(description="Status")
    def status_shown(self, opportunity: Opportunity) -> SafeString:
        return badge(opportunity.status, opportunity.get_status_display())

    @display(description="Value", ordering="value")
    def value_shown(self, opportunity: Opportunity) -> str:
        return amount(opportunity.value)

    @display(description="Owner")
    def owner_shown(self, opportunity: Opportunity) -> SafeString:
        return clip(str(opportunity.owner) if opportunity.owner else "")

    # --- the form ---

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """With the lead's company."""
        return {"company": self._lead(request, None).company_id, **super().get_changeform_initial_data(request)}

    # --- delete ---

    def deletion(self, request: HttpRequest, opportunity: Opportunity) -> Deletion:
        return Deletion(
            f"Delete {opportunity}?",
            f"It is removed from the page of {opportunity.lead}. Webhooks that listen to opportunity.deleted are told.",
        )
