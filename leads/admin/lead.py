"""Leads: the list, the form, and what can be done with one or many of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import get_text_list
from unfold.decorators import action, display

from leads import fields
from leads import setup as setups
from leads.admin import slots
from leads.admin.base import go_to, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, ago, badge, clip, dot, person, plural
from leads.admin.exporting import Exporting
from leads.admin.filters import (
    ME,
    CallableFilter,
    CampaignFilter,
    CompanyFilter,
    CreatedFilter,
    LeadStatusFilter,
    ListFilter,
    OfficeFilter,
    OwnerFilter,
    PipelineFilter,
    SourceFilter,
    StageFilter,
    StatusFilter,
    TagFilter,
    TypeFilter,
)
from leads.admin.lead_actions import NOBODY
from leads.admin.lead_duplicates import TITLE as DUPLICATES
from leads.admin.lead_duplicates import LeadDuplicates
from leads.admin.lead_form import MEASURED, LeadForm, keys_of
from leads.admin.message import thread
from leads.admin.paging import CappedPaginator
from leads.admin.refer_form import ReferForm
from leads.admin.slots import register_history, register_note, register_panel
from leads.fields import BY_KEY
from leads.imports.work import NEEDED
from leads.merge import what_became_of
from leads.models import Account, Lead
from leads.models.lead import keep_parent_open
from leads.refer import refer
from leads.sentences import sentences
from leads.validation import read_phone

__all__ = ["LeadAdmin", "register_history", "register_note", "register_panel"]

# What everybody looks at, in lines above the tabs.
_HEAD = (
    ("full_name", "type"),
    ("email", "phone"),
    ("status", "lead_status"),
    ("pipeline_stage_id", "score"),
    ("office_id", "owner_id"),
    "tags",
    ("lists", "campaigns"),
)
_IN_HEAD = {key for line in _HEAD for key in ((line,) if isinstance(line, str) else line)}
# The rest, by its group.
_TABS = tuple(group for group in fields.GROUPS if group not in (fields.CUSTOM, fields.REFERRAL, fields.SYSTEM))
_FIRST_LINES: dict[str, list[Any]] = {
    fields.CONTACT: [("title", "first_name", "last_name"), ("address", "postcode")],
    fields.COMPANY: [("company_id", "company_name")],
}
# Kinds that take a whole line.
_WIDE = frozenset({"hours", "pairs", "questions", "comparables", "texts"})


@admin.register(Lead)
class LeadAdmin(Exporting, LeadDuplicates):
    list_display = (
        "who",
        "status_badge",
        "lead_status_badge",
        "stage_name",
        "type_name",
        "office_name",
        "owner_name",
        "callable_dot",
        "created",
    )
    list_display_links = ("who",)
    list_select_related = ("office", "owner", "pipeline", "pipeline_stage")
    list_filter = (
        StatusFilter,
        LeadStatusFilter,
        PipelineFilter,
        StageFilter,
        TypeFilter,
        OfficeFilter,
        OwnerFilter,
        TagFilter,
        ListFilter,
        CampaignFilter,
        CompanyFilter,
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

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_merged(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not _is_merged(obj)

    # --- the list ---

    @display(description="Lead")
    def who(self, lead: Lead) -> SafeString:
        second = lead.email or lead.phone or ""
        return person(str(lead), second if second != str(lead) else "")

    @display(description="Status")
    def status_badge(self, lead: Lead) -> SafeString:
        return badge(lead.status, lead.get_status_display())

    @display(description="Lead status")
    def lead_status_badge(self, lead: Lead) -> SafeString:
        return badge("", lead.lead_status) if lead.lead_status else MISSING

    @display(description="Stage")
    def stage_name(self, lead: Lead) -> SafeString:
        return clip(lead.pipeline_stage.name, f"{lead.pipeline} – {lead.pipeline_stage}")

    @display(description="Owner")
    def owner_name(self, lead: Lead) -> SafeString:
        return clip(str(lead.owner)) if lead.owner else _UNASSIGNED

    @display(description="Type")
    def type_name(self, lead: Lead) -> SafeString:
        return clip(lead.get_type_display() or "")

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
        views: dict[str, dict[str, str]] = {
            "All leads": {},
            "New today": {"created_at_from": f"{timezone.localdate():%Y-%m-%d}"},
            "Unassigned": {"owner": NOBODY},
            "My leads": {"owner": ME},
        }
        tabs = self.views(request, views)
        page = reverse("admin:leads_lead_duplicates")
        tabs["tab_list"][0]["items"].append(
            {"title": DUPLICATES, "link": page, "active": False, "has_permission": True}
        )
        bring_in = reverse("admin:leads_leadimport_add") if request.user.has_perms(NEEDED) else ""
        return super().changelist_view(request, tabs | {"import_url": bring_in} | (extra_context or {}))

    # --- the form ---

    def get_fieldsets(self, request: HttpRequest, obj: Lead | None = None) -> list[Any]:
        head: list[Any] = [*_HEAD, "version"]
        if obj is None and scope_of(request).every_account:
            head.insert(0, "account_id")
        tabs = [(group, _tab(group, stored=obj is not None)) for group in _TABS]
        account_id = self._account_id(request, obj)
        definitions = setups.of(account_id).definitions if account_id is not None else {}
        if definitions:
            paths = [definition.path for definition in definitions.values()]
            lines = [tuple(paths[start : start + 2]) for start in range(0, len(paths), 2)]
            tabs.insert(2, (fields.CUSTOM, lines))
        return [(None, {"fields": head}), *((name, {"fields": lines, "classes": ["tab"]}) for name, lines in tabs)]

    def _account_id(self, request: HttpRequest, obj: Lead | None) -> int | None:
        """Whose lead it is; a superuser chooses on the form of a new one."""
        if obj is not None:
            return obj.account_id
        scope = scope_of(request)
        if not scope.every_account:
            return scope.account_id
        given = request.POST.get("account_id", "")
        return Account.objects.filter(pk=given).values_list("pk", flat=True).first() if is_key(given) else None

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[LeadForm]:
        readonly = obj is not None and not self.has_change_permission(request, obj)
        return LeadForm.for_writer(scope_of(request), readonly=readonly, account_id=self._account_id(request, obj))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Locked when it is about to be written: of two saves of one version the second has to see the first.

        Of a lead that was merged the page is still there, to be read, for who sees what it is a part of.
        """
        lead = super().get_object(request, object_id, from_field)
        if lead is None and is_key(object_id) and (master := what_became_of(int(object_id), scope_of(request))):
            lead = Lead.with_merged.get(pk=object_id)
            if request.method == "POST":
                raise ValidationError(f"{lead} was merged into {master} meanwhile. Nothing of yours is stored.")
            return lead
        if lead is None or request.method != "POST" or not connection.in_atomic_block:
            return lead
        rows = self.get_queryset(request)
        if is_key(parent := request.POST.get("parent_id", "")):
            keep_parent_open(int(parent), lead.pk, connection.alias)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update(of=("self",), no_key=True)
        return rows.filter(pk=lead.pk).first() or self.get_object(request, object_id, from_field)

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
        merged = lead.merged_into_id is not None
        messages_panel = None if merged else thread(request, lead)
        panels = [*([messages_panel] if messages_panel else []), *slots.panels(request, lead)]
        tabs = [panel for panel in panels if panel.place == "tab"]
        items = [{"title": "Details", "link": "", "inline": "general", "has_permission": True}] + [
            {"title": panel.title, "link": "", "inline": panel.slug, "has_permission": True} for panel in tabs
        ]
        return {
            "tab_list": [{"models": [{"name": str(self.opts), "detail": True}], "items": items}] if tabs else [],
            "tab_panels": tabs,
            "cards": [panel for panel in panels if panel.place == "aside"],
            "part_of": what_became_of(lead.pk, scope_of(request)) if merged else None,
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
            if _is_merged(lead):
                context["actions_detail"] = []
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
        counts = {words: getattr(lead, words[1]).count() for words in _GONE}
        if gone := sum(counts.values()):
            named = get_text_list([plural(count, *words) for words, count in counts.items() if count], "and")
            losing += f" {named} {'goes' if gone == 1 else 'go'} with it."
        merged = lead.merged(manager="with_merged").count()  # type: ignore[operator]
        if merged:
            losing += f" {plural(merged, 'lead')} that {'was' if merged == 1 else 'were'} merged into it"
            losing += f" {'goes' if merged == 1 else 'go'} with it."
        return Deletion(f"Delete {lead}?", f"The lead is removed for good. {told}{losing}")


def _is_merged(obj: Any) -> bool:
    return isinstance(obj, Lead) and obj.merged_into_id is not None


_FEW = 8
# What is deleted with a lead: one of it, and the relation.
_GONE = (("activity", "activities"), ("opportunity", "opportunities"), ("task", "tasks"))
_UNASSIGNED: SafeString = mark_safe('<span class="lc-subtle">Unassigned</span>')


def _tab(group: str, *, stored: bool) -> list[Any]:
    """The lines of a group's tab. What only other systems and messages write is shown of a stored lead."""
    first = _FIRST_LINES.get(group, [])
    shown = _IN_HEAD.union(*first)
    measured = [key for key in MEASURED if stored and BY_KEY[key].group == group]
    return [*first, *_lines([*(key for key in keys_of(group) if key not in shown), *measured])]


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
