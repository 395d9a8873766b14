"""Leads: the list, the form, and what can be done with one or many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.forms import ChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from leads import fields
from leads.admin import slots
from leads.admin.base import Admin, go_to, scope_of, sentences
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, ago, badge, clip, dot, person, plural
from leads.admin.filters import (
    CallableFilter,
    CreatedFilter,
    OfficeFilter,
    SourceFilter,
    StageFilter,
    StatusFilter,
    TypeFilter,
)
from leads.admin.lead_form import LeadForm, keys_of
from leads.admin.paging import CappedPaginator
from leads.admin.refer_form import ReferForm
from leads.admin.slots import register_history, register_note, register_panel
from leads.fields import BY_KEY
from leads.models import Lead, Office
from leads.refer import refer
from leads.validation import read_phone

__all__ = ["LeadAdmin", "register_history", "register_note", "register_panel"]

# The head of the form, in lines; what the catalogue has beyond it in these groups follows.
_HEAD_GROUPS = (fields.CONTACT, fields.LEAD)
_HEAD = (
    ("full_name", "type"),
    ("email", "phone"),
    ("status", "stage"),
    ("office_id", "source"),
    ("title", "first_name", "last_name"),
    ("address", "postcode"),
    ("parent_id",),
)
_TABS = (fields.PROPERTY, fields.VALUATION, fields.MESSAGE, fields.MARKETING)
# Kinds that take a whole line.
_WIDE = frozenset({"hours", "pairs", "questions", "comparables"})


@admin.register(Lead)
class LeadAdmin(Admin):
    list_display = ("who", "status_badge", "stage_name", "type_name", "office_name", "callable_dot", "created")
    list_display_links = ("who",)
    list_select_related = ("office",)
    list_filter = (
        StatusFilter,
        StageFilter,
        TypeFilter,
        OfficeFilter,
        SourceFilter,
        ("created_at", CreatedFilter),
        CallableFilter,
    )
    list_per_page = 25
    list_max_show_all = 0
    list_disable_select_all = True
    paginator = CappedPaginator
    ordering = ("-created_at", "-id")
    sortable_by = ("created",)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("full_name", "email", "phone", "postcode", "property_reference")
    search_help_text = "Name, e-mail, phone, postcode or reference"
    actions = ("change_stage", "refer_selected")
    bulk_delete = True
    actions_detail = ("refer_lead",)
    empty_title = "No leads yet"
    empty_text = "Leads arrive from your website, portals and imports, or you add one."
    delete_selected_confirmation_template = "admin/leads/lead/delete_selected_confirmation.html"

    def scoped(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        return queryset.filter(scope_of(request).in_offices())

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Somebody of no account has nowhere to put a lead.
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    # --- the list ---

    @display(description="Lead")
    def who(self, lead: Lead) -> SafeString:
        second = lead.email or lead.phone or ""
        return person(str(lead), second if second != str(lead) else "")

    @display(description="Status")
    def status_badge(self, lead: Lead) -> SafeString:
        return badge(lead.status, lead.get_status_display())

    @display(description="Stage")
    def stage_name(self, lead: Lead) -> str:
        return lead.get_stage_display()

    @display(description="Type")
    def type_name(self, lead: Lead) -> str | SafeString:
        return lead.get_type_display() or MISSING

    @display(description="Office")
    def office_name(self, lead: Lead) -> SafeString:
        return clip(lead.office.name if lead.office else "")

    @display(description="Callable")
    def callable_dot(self, lead: Lead) -> SafeString:
        if not lead.callable:
            return MISSING
        # On a phone no head of a column says what "Yes" means.
        return format_html(
            '{} <span class="lc-hide-phone">Yes</span><span class="lc-only-phone">Callable</span>', dot("success")
        )

    @display(description="Created", ordering="created_at")
    def created(self, lead: Lead) -> SafeString:
        return ago(lead.created_at)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Lead], search_term: str
    ) -> tuple[QuerySet[Lead], bool]:
        """Every word somewhere; or all of it a phone number, however it is written."""
        # The autocomplete view hands on anything; PostgreSQL refuses NUL.
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        every_word = Q()
        for word in term.split():
            every_word &= Q(*[(f"{field}__icontains", word) for field in self.search_fields], _connector=Q.OR)
        e164, _ = read_phone(term)
        return queryset.filter(every_word | Q(phone_e164=e164) if e164 else every_word), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        today = f"{timezone.localdate():%Y-%m-%d}"
        chosen = request.GET.get("created_at_from") == today
        views = [
            {"title": "All leads", "link": self.url("changelist"), "active": not chosen, "has_permission": True},
            {
                "title": "New today",
                "link": f"{self.url('changelist')}?created_at_from={today}",
                "active": chosen,
                "has_permission": True,
            },
        ]
        tabs = [{"models": [str(self.opts)], "items": views}]
        return super().changelist_view(request, {"tab_list": tabs, **(extra_context or {})})

    # --- the form ---

    def get_fieldsets(self, request: HttpRequest, obj: Lead | None = None) -> list[Any]:
        named = {key for line in _HEAD for key in line}
        head: list[Any] = [*_HEAD, *(key for key in keys_of(*_HEAD_GROUPS) if key not in named)]
        if obj is None and scope_of(request).every_account:
            head.insert(0, "account_id")
        tabs = [(group, {"fields": _lines(keys_of(group)), "classes": ["tab"]}) for group in _TABS]
        return [(None, {"fields": [*head, "version"]}), *tabs]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[LeadForm]:
        readonly = obj is not None and not self.has_change_permission(request, obj)
        return LeadForm.for_writer(scope_of(request), readonly=readonly)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Locked when it is about to be written: of two saves of one version the second has to see the first."""
        lead = super().get_object(request, object_id, from_field)
        if lead is None or request.method != "POST" or not connection.in_atomic_block:
            return lead
        rows = self.get_queryset(request)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update(of=("self",), no_key=True)
        return rows.filter(pk=lead.pk).first()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(extra_context or {})
        lead = self.get_object(request, object_id) if object_id and request.method == "GET" else None
        if lead is not None and self.has_view_or_change_permission(request, lead):
            context |= self._around(request, lead)
        return super().changeform_view(request, object_id, form_url, context)

    def _around(self, request: HttpRequest, lead: Lead) -> dict[str, Any]:
        """What stands beside the form: the tabs above it and the cards of the aside."""
        panels = slots.panels(request, lead)
        tabs = [panel for panel in panels if panel.place == "tab"]
        items = [{"title": "Details", "link": "", "inline": "general", "has_permission": True}] + [
            {"title": panel.title, "link": "", "inline": panel.slug, "has_permission": True} for panel in tabs
        ]
        return {
            "tab_list": [{"models": [{"name": str(self.opts), "detail": True}], "items": items}] if tabs else [],
            "tab_panels": tabs,
            "cards": [panel for panel in panels if panel.place == "aside"],
            "children": list(Lead.objects.filter(scope_of(request).in_offices(), parent=lead)[:_FEW]),
        }

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        lead = kwargs.get("obj")
        if lead is not None:
            if "tab_panels" not in context:  # a save that was refused
                context |= self._around(request, lead)
            form = context["adminform"].form
            # The head tells what is stored, whatever was typed.
            context |= {"title": str(lead), "subtitle": None, "values": form.before}
            if form.conflict is not None:
                # It is told by a box of its own; no field needs a change.
                context["errors"] = None
            # Disabled fields show more than Unfold's read-only ones, which know columns only.
            context["adminform"].readonly_fields = ()
        return super().render_change_form(request, context, *args, **kwargs)

    def saved_message(self, request: HttpRequest, obj: Lead, added: bool) -> str | SafeString:
        before = 0 if added else int(request.POST.get("version") or 0)
        notes = slots.notes(request, obj, before)
        said = super().saved_message(request, obj, added)
        return format_html("{} {}", said, format_html_join(" ", "{}", ((note,) for note in notes))) if notes else said

    # --- refer ---

    @action(
        description="Refer to another office…",
        permissions=["change"],
        url_path="refer",
        icon="move_up",
        dialog={
            "title": "Refer this lead to another office?",
            "description": "",
            "form_class": ReferForm,
            "form_submit_text": "Refer lead",
        },
    )
    def refer_lead(self, request: HttpRequest, form: ReferForm, object_id: str) -> HttpResponse:
        try:
            lead = refer(form.lead, form.cleaned_data["office_id"])
        except (ValidationError, Lead.DoesNotExist) as error:
            # Somebody was quicker.
            told = sentences(error) if isinstance(error, ValidationError) else ["The lead was deleted meanwhile."]
            for words in told:
                messages.error(request, words)
            return go_to(request, self.url("changelist"))
        messages.success(request, f"{lead} referred to {lead.office}.")
        still = self.get_queryset(request).filter(pk=lead.pk).exists()
        return go_to(request, self.url("change", lead) if still else self.url("changelist"))

    @admin.action(description="Refer to another office…", permissions=["change"])
    def refer_selected(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        accounts = set(queryset.order_by().values_list("account_id", flat=True))
        if len(accounts) != 1:
            messages.error(request, "Choose leads of one account: a lead stays in its account.")
            return None
        offices = Office.objects.filter(account_id=accounts.pop())
        choices = [(office.pk, office.name) for office in offices]
        chosen = self._confirmed(request, choices)
        if chosen is None:
            counts = queryset.order_by("office__name").values_list("office__name").annotate(leads=Count("pk"))
            return self._ask(
                request,
                queryset,
                title=f"Refer {plural(queryset.count(), 'lead')}?",
                text="They leave their office for the one you choose. Who only sees their present office "
                "does not see them any more.",
                head="Office now",
                counts=[(name or "No office", count) for name, count in counts],
                label="Refer to",
                choices=choices,
                button="Refer leads",
            )
        moving = [lead for lead in queryset if lead.office_id != int(chosen)]
        try:
            for lead in moving:
                refer(lead, int(chosen))
        except ValidationError as error:
            raise ValidationError([f"{lead}: {words}" for words in sentences(error)]) from None
        self.tell(request, lambda: f"{plural(len(moving), 'lead')} referred to {dict(choices)[int(chosen)]}.")
        return None

    # --- change stage ---

    @admin.action(description="Change stage…", permissions=["change"])
    def change_stage(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        choices = BY_KEY["stage"].choices
        names = dict(choices)
        chosen = self._confirmed(request, choices)
        if chosen is None:
            counts = queryset.order_by("stage").values_list("stage").annotate(leads=Count("pk"))
            return self._ask(
                request,
                queryset,
                title=f"Change the stage of {plural(queryset.count(), 'lead')}?",
                text="Webhooks that listen to lead.updated and lead.stage_changed are told.",
                head="Stage now",
                counts=[(names.get(stage, stage), count) for stage, count in counts],
                label="New stage",
                choices=choices,
                button="Change stage",
            )
        changing = Lead.objects.filter(pk__in=list(queryset.exclude(stage=chosen).values_list("pk", flat=True)))
        count = changing.update(stage=chosen)
        self.tell(request, lambda: f"Stage of {plural(count, 'lead')} changed to {names[chosen]}.")
        return None

    def _confirmed(self, request: HttpRequest, choices: Sequence[tuple[Any, str]]) -> str | None:
        """The choice made on the page that asked; None when it was not asked yet, or nothing was chosen there."""
        chosen = request.POST.get("chosen", "")
        return chosen if chosen in {str(code) for code, _ in choices} else None

    def _ask(self, request: HttpRequest, queryset: QuerySet[Lead], **context: Any) -> HttpResponse:
        choices = [("", "Select value"), *context.pop("choices")]
        field = ChoiceField(choices=choices, label=context.pop("label"))
        field.widget = UnfoldAdminSelectWidget(choices=choices, attrs={"id": "id_chosen", "required": True})
        return TemplateResponse(
            request,
            "admin/leads/lead/confirm_action.html",
            {
                **self.admin_site.each_context(request),
                **context,
                "opts": self.opts,
                "field": field,
                "select": field.widget.render("chosen", request.POST.get("chosen", "")),
                "missing": "chosen" in request.POST,
                "action": request.POST["action"],
                "checkbox": ACTION_CHECKBOX_NAME,
                "pks": list(queryset.values_list("pk", flat=True)),
                "back": request.get_full_path(),
            },
        )

    # --- delete ---

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        if "delete_selected" in actions:
            function, name, _ = actions["delete_selected"]
            actions["delete_selected"] = (function, name, "Delete leads…")
        return actions

    def deletion(self, request: HttpRequest, lead: Lead) -> Deletion:
        children = lead.children.count()
        belong, stay = ("belongs", "stays") if children == 1 else ("belong", "stay")
        told = "Webhooks that listen to lead.deleted are told. What was sent before stays in Webhook History."
        losing = f" {plural(children, 'lead')} that {belong} to it {stay}, without a parent." if children else ""
        return Deletion(f"Delete {lead}?", f"The lead is removed for good. {told}{losing}")


_FEW = 8


def _lines(keys: list[str]) -> list[Any]:
    """Two fields in a line, unless one wants the line for itself."""
    lines: list[Any] = []
    pair: list[str] = []
    for key in keys:
        field = BY_KEY[key]
        if field.kind in _WIDE or (field.max_length or 0) > 255:
            lines += [tuple(pair)] if pair else []
            pair = []
            lines.append(key)
        else:
            pair.append(key)
            if len(pair) == 2:
                lines.append(tuple(pair))
                pair = []
    return [*lines, tuple(pair)] if pair else lines
