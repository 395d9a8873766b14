"""Tags, lists and campaigns: names that leads are grouped by."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from leads.admin.base import scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import plural
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm, leads_link
from leads.models import Campaign, Lead, LeadList, Tag
from leads.models.labels import Label


class LabelForm(OwnedForm):
    class Meta:
        fields = ["account", "name"]
        widgets = ACCOUNT | {"name": UnfoldAdminTextInputWidget}


class TagForm(LabelForm):
    class Meta(LabelForm.Meta):
        model = Tag


class ListForm(LabelForm):
    class Meta(LabelForm.Meta):
        model = LeadList


class CampaignForm(LabelForm):
    class Meta(LabelForm.Meta):
        model = Campaign


class LabelAdmin(OwnedAdmin):
    """relation: its name on the lead; parameter: its filter of the list of leads."""

    relation: ClassVar[str]
    parameter: ClassVar[str]
    columns = ("name", "lead_count")
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of leads that the user sees: it is a link to them."""
        seen = Lead.objects.filter(scope_of(request).in_offices(), **{self.relation: OuterRef("pk")})
        counted = seen.order_by().values(self.relation).annotate(count=Count("pk")).values("count")
        return super().get_queryset(request).annotate(seen=Coalesce(Subquery(counted, output_field=IntegerField()), 0))

    @display(description="Leads")
    def lead_count(self, label: Any) -> SafeString:
        return leads_link(label.seen, **{self.parameter: label.pk})

    def deletion(self, request: HttpRequest, label: Label) -> Deletion:
        count = label.leads.count()  # type: ignore[attr-defined]
        if not count:
            return Deletion(f"Delete {label}?", f"No lead has it. {self.beyond(label)}".strip())
        lose = "loses" if count == 1 else "lose"
        told = "Webhooks that listen to lead.updated are told."
        return Deletion(f"Delete {label}?", f"{plural(count, 'lead')} {lose} it. {told} {self.beyond(label)}".strip())

    def beyond(self, label: Any) -> str:
        """What else happens when it is deleted."""
        return ""


@admin.register(Tag)
class TagAdmin(LabelAdmin):
    form = TagForm
    relation, parameter = "tags", "tag"
    search_help_text = "Tag"
    empty_title = "No tags yet"
    empty_text = "A tag is made by putting it on a lead."


@admin.register(LeadList)
class ListAdmin(LabelAdmin):
    form = ListForm
    relation, parameter = "lists", "list"
    search_help_text = "List"
    empty_title = "No lists yet"
    empty_text = "Leads are put on lists by hand, by other systems and through the API."


@admin.register(Campaign)
class CampaignAdmin(LabelAdmin):
    form = CampaignForm
    relation, parameter = "campaigns", "campaign"
    search_help_text = "Campaign"
    empty_title = "No campaigns yet"
    empty_text = "A campaign is a series of messages that leads take part in."

    def beyond(self, label: Campaign) -> str:
        messages = label.messages.count()
        if not messages:
            return ""
        return f"{plural(messages, 'message')} of it {'stays' if messages == 1 else 'stay'}, without a campaign."
