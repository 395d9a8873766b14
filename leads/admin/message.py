"""Messages between a lead and us: the thread on the lead's page, and a page to add or mend one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from leads.admin.base import Admin, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.lead_fields import Moment, MomentInput
from leads.admin.owned import check_text
from leads.admin.slots import Panel
from leads.models import Campaign, Lead, Message, User
from leads.models.message import GENERATION, Direction
from leads.validation import in_seconds, is_iso_date, read_moment

# Of a longer thread the newest are shown until all are asked for.
SHOWN = 50
_ALL = "messages"


def thread(request: HttpRequest, lead: Lead) -> Panel | None:
    if not request.user.has_perm("leads.view_message"):
        return None
    rows = lead.messages.select_related("campaign")
    count = rows.count()
    first = 0 if request.GET.get(_ALL) == "all" else max(0, count - SHOWN)
    labels = {key: key.replace("_", " ").capitalize() for key in GENERATION}
    shown = [
        (message, [(labels[key], value) for key in GENERATION if (value := getattr(message, key)) not in (None, "")])
        for message in rows[first:]
    ]
    add = request.user.has_perm("leads.add_message")
    body = render_to_string(
        "admin/leads/message/thread.html",
        {
            "lead": lead,
            "messages": shown,
            "earlier": first,
            "all": f"?{_ALL}=all#{_SLUG}",
            "may_change": request.user.has_perm("leads.change_message"),
            "add": [(f"Add {direction.label.lower()} message", adding(lead, direction)) for direction in _ADDED] * add,
        },
        request,
    )
    return Panel(f"Messages {count:,}", SafeString(body), place="tab", slug=_SLUG)


_SLUG = "thread"
_ADDED = (Direction.OUTBOUND, Direction.INBOUND)


def adding(lead: Lead, direction: str) -> str:
    return f"{reverse('admin:leads_message_add')}?lead={lead.pk}&type={direction}"


def page_of(lead: Lead) -> str:
    """The lead's page with the thread open."""
    return f"{reverse('admin:leads_lead_change', args=[lead.pk])}#{_SLUG}"


_ENDS = ("from_name", "from_address", "to_name", "to_address")
_ONE_LINE = ("subject", *_ENDS, "angle", "framework", "test", "tone")


class MessageForm(forms.ModelForm):
    """The type stays: the lead's counters were told by it."""

    class Meta:
        model = Message
        fields = ["type", "subject", "body", *_ENDS, "date", "campaign", *GENERATION]
        widgets = {
            "type": UnfoldAdminSelectWidget,
            "campaign": UnfoldAdminSelectWidget,
            "body": UnfoldAdminTextareaWidget(attrs={"rows": 8}),
            "word_limit": UnfoldAdminIntegerFieldWidget,
            "campaign_step": UnfoldAdminIntegerFieldWidget,
            **dict.fromkeys(_ONE_LINE, UnfoldAdminTextInputWidget),
        }

    lead: Lead
    readonly = False

    @classmethod
    def for_lead(cls, lead: Lead, *, readonly: bool) -> type[MessageForm]:
        return type(cls.__name__, (cls,), {"lead": lead, "readonly": readonly})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.lead = self.lead
        self.fields["date"] = Moment(label="Date", help_text="In UTC.", widget=MomentInput())
        self.initial["date"] = in_seconds(self.instance.date)
        campaign: Any = self.fields["campaign"]
        campaign.queryset = Campaign.objects.filter(account_id=self.lead.account_id)
        campaign.empty_label = "No campaign"
        campaign.error_messages["invalid_choice"] = "Campaign must be one of those on offer."
        self.fields["type"].disabled = self.instance.pk is not None
        for field in self.fields.values():
            field.disabled = field.disabled or self.readonly
            field.error_messages["required"] = f"{field.label} is required."

    def clean_date(self) -> Any:
        text = self.cleaned_data["date"]
        if not is_iso_date(text):
            raise forms.ValidationError("Date must be a date and time.")
        return read_moment(text)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, value in list(data.items()):
            if isinstance(value, str):
                try:
                    check_text(str(self.fields[name].label), value)
                except forms.ValidationError as error:
                    self.add_error(name, error)
        return data


@admin.register(Message)
class MessageAdmin(Admin):
    list_select_related = ("lead",)

    def scoped(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.filter(scope_of(request).in_offices("lead__")).select_related("lead")

    # --- whose message ---

    def _lead(self, request: HttpRequest, obj: Message | None) -> Lead:
        """The message's lead; of a new one the lead in the address, which the user has to see."""
        if obj is not None:
            return obj.lead
        key = request.GET.get("lead", "")
        lead = scope_of(request).leads().filter(pk=int(key)).first() if is_key(key) else None
        if lead is None:
            raise Http404
        return lead

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[MessageForm]:
        readonly = obj is not None and not self.has_change_permission(request, obj)
        return MessageForm.for_lead(self._lead(request, obj), readonly=readonly)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        ends = [("from_name", "from_address"), ("to_name", "to_address")]
        made = [("angle", "framework"), ("test", "tone"), ("campaign_step", "word_limit")]
        return [
            (None, {"fields": [("type", "date"), *ends, "subject", "body", "campaign"]}),
            ("How it was generated", {"fields": made, "classes": ["collapse"]}),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """From the user to the lead, or the other way round."""
        lead, user = self._lead(request, None), request.user
        assert isinstance(user, User)
        ours = (str(user), user.email)
        theirs = (lead.full_name or "", lead.email or lead.business_email or "")
        inbound = request.GET.get("type") == Direction.INBOUND
        sender, receiver = (theirs, ours) if inbound else (ours, theirs)
        ends = dict(zip(_ENDS, (*sender, *receiver), strict=True))
        return {"type": Direction.INBOUND if inbound else Direction.OUTBOUND, **ends}

    # --- the pages ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    def has_module_permission(self, request: HttpRequest) -> bool:
        # Messages are found on the page of their lead.
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is no list of all messages: ways back to it lead to the thread."""
        if request.method != "GET" or not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(page_of(self._lead(request, None)))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["adminform"].readonly_fields = ()
        lead, message = context["adminform"].form.lead, kwargs.get("obj")
        leads = {"title": "leads", "link": reverse("admin:leads_lead_changelist")}
        crumbs = [{}, leads, {"title": lead, "link": page_of(lead)}]
        context |= {
            "crumbs": crumbs if message is None else [*crumbs, {"title": message}],
            # Of the ways back to the list.
            "preserved_filters": urlencode({"_changelist_filters": urlencode({"lead": lead.pk})}),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def saved_message(self, request: HttpRequest, obj: Message, added: bool) -> SafeString:
        return format_html("Message {}.", "added" if added else "saved")

    def response_post_save_add(self, request: HttpRequest, obj: Message) -> HttpResponseRedirect:
        return HttpResponseRedirect(page_of(obj.lead))

    def response_post_save_change(self, request: HttpRequest, obj: Message) -> HttpResponseRedirect:
        return HttpResponseRedirect(page_of(obj.lead))

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        request._thread = page_of(obj.lead)  # type: ignore[attr-defined]
        super().delete_model(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        self.tell(request, lambda: "Message deleted.")
        return HttpResponseRedirect(request._thread)  # type: ignore[attr-defined]

    def deletion(self, request: HttpRequest, message: Message) -> Deletion:
        return Deletion(
            "Delete this message?",
            f"It is removed from the thread with {message.lead}. The lead's counters and dates stay as they are.",
        )
