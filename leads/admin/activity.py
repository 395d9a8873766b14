"""Activities of leads: the tab on the lead's page, the list of all, the form, and how a sales activity is cancelled."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from leads.admin.base import is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, ago, badge, clip, person
from leads.admin.exporting import Exporting
from leads.admin.filters import ActivityTypeFilter, HappenedFilter, OwnerFilter
from leads.admin.lead_fields import Fact, Moment, MomentInput, Text
from leads.admin.of_lead import OfLeadAdmin, OfLeadForm, TypedForm, from_lead, tab_of
from leads.admin.paging import CappedPaginator
from leads.admin.slots import Panel, register_panel
from leads.fields import BY_KEY
from leads.models import Activity, ActivityType, Lead
from leads.models.kind import ActivityKind
from leads.sentences import sentence
from leads.validation import in_seconds, is_iso_date, read_moment

TAB = "activities"
# Of more the newest are shown until all are asked for.
SHOWN = 50

_NOTE = Activity._meta.get_field("note").max_length
_STATUS = Activity._meta.get_field("status").max_length


@register_panel
def panel(request: HttpRequest, lead: Lead) -> Panel | None:
    if not request.user.has_perm("leads.view_activity"):
        return None
    rows = lead.activities.select_related("type", "owner")
    count = rows.count()
    shown = list(rows if request.GET.get(TAB) == "all" else rows[:SHOWN])
    body = render_to_string(
        "admin/leads/activity/tab.html",
        {
            "activities": [
                (activity, _page(activity), told_further(activity), _cancel(activity)) for activity in shown
            ],
            "earlier": count - len(shown),
            "all": f"?{TAB}=all#{TAB}",
            "may_change": request.user.has_perm("leads.change_activity"),
            "add": from_lead(reverse("admin:leads_activity_add"), lead=lead.pk)
            if request.user.has_perm("leads.add_activity")
            else "",
        },
        request,
    )
    return Panel(f"Activities {count:,}", SafeString(body), place="tab", slug=TAB)


def _page(activity: Activity) -> str:
    return from_lead(reverse("admin:leads_activity_change", args=[activity.pk]))


def told_further(activity: Any) -> list[tuple[str, str]]:
    """What the type asks, as far as it was answered."""
    return [(label, text) for label in activity.type.fields if (text := activity.fields.get(label))]


def _cancel(activity: Activity) -> str:
    return reverse("admin:leads_activity_cancel", args=[activity.pk]) if activity.can_be_cancelled else ""


class AnyActivityForm(TypedForm):
    """Of a lead's activities and of a company's."""

    class Meta:
        fields = ["type", "status", "note", "owner", "score", "happened_at", "fields"]

    def prepare(self) -> None:
        score = BY_KEY["score"]
        self.fields["score"] = forms.IntegerField(
            label="Score",
            initial=0,
            min_value=score.lowest,
            max_value=score.highest,
            widget=UnfoldAdminIntegerFieldWidget(),
        )
        self.fields["status"] = Text(
            label="Status", required=False, max_length=_STATUS, widget=UnfoldAdminTextInputWidget()
        )
        self.fields["note"] = Text(
            label="Note",
            required=False,
            max_length=_NOTE,
            lines=True,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        )
        self.fields["happened_at"] = Moment(label="When", help_text="In UTC.", widget=MomentInput())
        self.initial["happened_at"] = in_seconds(self.instance.happened_at)

    def clean_happened_at(self) -> Any:
        text = self.cleaned_data["happened_at"]
        if not is_iso_date(text):
            raise ValidationError(sentence("when", "must be a date and time"), code="iso_date")
        moment, before = read_moment(text), self.instance.happened_at
        # The page shows whole seconds: nobody meant to change their parts.
        return before if in_seconds(moment) == in_seconds(before) else moment


class ActivityForm(AnyActivityForm, OfLeadForm):
    class Meta(AnyActivityForm.Meta):
        model = Activity

    def prepare(self) -> None:
        super().prepare()
        if self.instance.cancelled_at is not None:
            self.fields["cancelled"] = Fact(label="Cancelled")
            self.initial["cancelled"] = in_seconds(self.instance.cancelled_at)

    def kinds(self) -> QuerySet[ActivityType]:
        """A sales activity has events of its own: it stays one, and no other becomes one."""
        kinds = ActivityType.objects.filter(account_id=self.account_id).exclude(kind=ActivityKind.COMPANY)
        return kinds.filter(kind=self.instance.type.kind) if self.instance.pk is not None else kinds


class CancelForm(BaseDialogForm):
    """Raises Http404 for what the user does not see or what cannot be cancelled, before anything of it is shown."""

    form_before_template = "admin/leads/activity/cancel_dialog.html"

    def __init__(self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        key = str(object_id)
        seen = Activity.objects.filter(scope_of(request).in_offices("lead__"), type__kind=ActivityKind.SALES)
        activity = seen.filter(pk=int(key)).select_related("lead", "type").first() if is_key(key) else None
        if activity is None:
            raise Http404
        self.activity: Activity = activity

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        return {"activity": self.activity}


@admin.register(Activity)
class ActivityAdmin(Exporting, OfLeadAdmin):
    form = ActivityForm
    tab = TAB
    list_display = ("lead_shown", "type_shown", "status_shown", "owner_shown", "when")
    list_display_links = ("type_shown",)
    list_filter = (ActivityTypeFilter, OwnerFilter, ("happened_at", HappenedFilter))
    list_per_page = 25
    list_max_show_all = 0
    list_disable_select_all = True
    paginator = CappedPaginator
    ordering = ("-happened_at", "-id")
    sortable_by = ("when",)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("lead__full_name", "lead__email", "status", "note")
    search_help_text = "Lead, status or note"
    actions_detail = ("cancel",)
    empty_title = "No activities yet"
    empty_text = "Calls, meetings and sales are written down on the page of their lead."

    # --- the list ---

    @display(description="Lead")
    def lead_shown(self, activity: Activity) -> SafeString:
        lead = activity.lead
        second = lead.email or lead.phone or ""
        shown = person(str(lead), second if second != str(lead) else "")
        return format_html('<a href="{}">{}</a>', tab_of(lead, TAB), shown)

    @display(description="Type")
    def type_shown(self, activity: Activity) -> SafeString:
        return clip(str(activity.type))

    @display(description="Status")
    def status_shown(self, activity: Activity) -> SafeString:
        if activity.cancelled_at is not None:
            return badge("cancelled", "Cancelled")
        return badge("", activity.status) if activity.status else MISSING

    @display(description="Owner")
    def owner_shown(self, activity: Activity) -> SafeString:
        return clip(str(activity.owner) if activity.owner else "")

    @display(description="When", ordering="happened_at")
    def when(self, activity: Activity) -> SafeString:
        return ago(activity.happened_at)

    # --- the form ---

    def get_fieldsets(self, request: HttpRequest, obj: Activity | None = None) -> list[Any]:
        fields = [("type", "happened_at"), "fields", ("status", "score"), "owner", "note"]
        cancelled = obj is not None and obj.cancelled_at is not None
        return [(None, {"fields": [*(["cancelled"] if cancelled else []), *fields]})]

    # --- cancel ---

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        activity = self.get_object(request, str(object_id))
        return super().get_actions_detail(request, object_id) if activity and activity.can_be_cancelled else []

    @action(
        description="Cancel sales activity…",
        permissions=["change"],
        url_path="cancel",
        icon="event_busy",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Cancel this sales activity?",
            "description": "",
            "form_class": CancelForm,
            "form_submit_text": "Cancel sales activity",
        },
    )
    def cancel(self, request: HttpRequest, form: CancelForm, object_id: str) -> HttpResponse:
        form.activity.cancel()
        messages.success(request, f"{form.activity} of {form.activity.lead} cancelled.")
        if request.headers.get("HX-Request"):
            # The page that the dialog is on: to an address that differs behind "#" alone a browser does not go anew.
            return HttpResponse(headers={"HX-Refresh": "true"})
        return HttpResponseRedirect(tab_of(form.activity.lead, TAB))

    # --- delete ---

    def deletion(self, request: HttpRequest, activity: Activity) -> Deletion:
        return Deletion(
            "Delete this activity?",
            f"It is removed from the page of {activity.lead}. No webhook is told: what was sent of it stays sent.",
        )
