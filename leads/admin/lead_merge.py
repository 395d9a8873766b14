"""Merging leads: the page that asks which one stays and with what, what pages of leads say of it, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from leads import setup as setups
from leads.admin import slots
from leads.admin.base import is_key, scope_of
from leads.admin.display import plural
from leads.admin.lead_actions import LeadActions
from leads.admin.slots import Panel, Step
from leads.admin.words import label, words
from leads.merge import (
    CHOSEN,
    MOST_CHILDREN,
    choice,
    chosen,
    is_empty,
    merge,
    obstacle,
    records_of,
    suggestion,
    undo,
    what_became_of,
)
from leads.models import Lead, Merge
from leads.sentences import sentences


@dataclass(frozen=True, slots=True)
class Option:
    """A value of a field: the lead that gives it, and whether it is the one that is chosen."""

    lead: Lead
    words: str
    picked: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A field of which the leads say different things."""

    key: str
    label: str
    options: Sequence[Option]

    @property
    def picked(self) -> Option:
        return next(option for option in self.options if option.picked)


@dataclass(slots=True)
class Chosen:
    """What the page shows, and what it sends back: the leads, oldest first, which is to stay, and who gives what."""

    leads: Sequence[Lead]
    master: Lead
    rows: Sequence[Row]
    # Steps that others stored while somebody chose.
    steps: Sequence[Step] = ()

    @property
    def children(self) -> list[Lead]:
        return [lead for lead in self.leads if lead != self.master]

    @property
    def picks(self) -> dict[str, Lead]:
        return {row.key: row.picked.lead for row in self.rows}

    @property
    def changing(self) -> list[tuple[str, str, str]]:
        """(field, what the master has, what it gets) of what the choice changes."""
        return [
            (row.label, named(self.master, row.key), row.picked.words)
            for row in self.rows
            if choice(self.master, row.key) != choice(row.picked.lead, row.key)
        ]


class LeadMerge(LeadActions):
    actions = (*LeadActions.actions, "merge_selected")

    def has_merge_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) and request.user.has_perm("leads.merge_lead")

    @admin.action(description="Merge…", permissions=["merge"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        pks = list(queryset.values_list("pk", flat=True)[: MOST_CHILDREN + 2])
        if not 2 <= len(pks) <= MOST_CHILDREN + 1:
            messages.error(request, f"Choose 2 to {MOST_CHILDREN + 1} leads to merge.")
            return None
        if self._one_account(request, queryset, "a lead stays in its account") is None:
            return None
        return HttpResponseRedirect(address(pks))

    def get_custom_urls(self) -> Any:
        return (
            *super().get_custom_urls(),
            ("merge/", "leads_lead_merge", self.merge_view),
            ("merge/<int:merge_id>/undo/", "leads_lead_undo_merge", self.undo_view),
        )

    def merge_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        """First the choice, then what comes of it, then the merge. Without scripts: each step is a page."""
        if not self.has_merge_permission(request):
            raise PermissionDenied
        asked = [int(key) for key in request.GET.getlist("lead") if is_key(key)]
        leads = list(scope_of(request).leads().filter(pk__in=asked).order_by("created_at", "pk"))
        if len(leads) < max(2, len(set(asked))):
            for words in _missing(request, set(asked) - {lead.pk for lead in leads}):
                messages.error(request, words)
            return HttpResponseRedirect(self.url("changelist"))
        page = _read(leads, request.POST)
        # Another master has other values to begin with.
        turned = request.POST.get("shown", str(page.master.pk)) != str(page.master.pk)
        step = "choose" if turned or request.method != "POST" or "_choose" in request.POST else "preview"
        faults: list[str] = []
        if step == "preview" and "_merge" in request.POST:
            try:
                return self._merge(request, page)
            except ValidationError as error:
                faults = sentences(error)
                page.steps = _steps_since(leads, request.POST)
                step = "choose"
        context = {
            **self.admin_site.each_context(request),
            "title": "Merge leads",
            "opts": self.opts,
            "crumbs": [{}, {"title": "leads", "link": self.url("changelist")}, {"title": "Merge leads"}],
            "page": page,
            "preview": step == "preview",
            "turned": turned,
            "faults": faults,
            "records": _records(page.children) if step == "preview" else [],
            "back": self.url("changelist"),
        }
        return TemplateResponse(request, "admin/leads/lead/merge.html", context)

    def _merge(self, request: HttpRequest, page: Chosen) -> HttpResponse:
        master, before = page.master, page.master.version
        merge(
            scope_of(request),
            master.pk,
            [child.pk for child in page.children],
            chosen(page.picks),
            _versions(page.leads, request.POST),
        )
        master.refresh_from_db()
        names = ", ".join(map(str, page.children))
        self.log_change(request, master, f"Merged: {names}.")
        link = format_html('<a href="{}">{}</a>', self.url("change", master), master)
        notes = format_html_join("", " {}", ((note,) for note in slots.notes(request, master, before)))
        messages.success(request, format_html("{} merged into {}.{}", names, link, notes))
        return HttpResponseRedirect(self.url("change", master))

    def undo_view(self, request: HttpRequest, merge_id: int, model_admin: Any = None) -> HttpResponse:
        if not self.has_merge_permission(request):
            raise PermissionDenied
        found = scope_of(request).merges().select_related("master").filter(pk=merge_id).first()
        if found is None or found.master is None:
            raise Http404
        master: Lead = found.master
        back = self.url("change", master)
        if request.method == "POST":
            try:
                undone = undo(found)
            except ValidationError as error:
                for words in sentences(error):
                    messages.error(request, words)
                return HttpResponseRedirect(back)
            children = _children([undone.merge])
            self.log_change(request, master, f"Undid the merge of {', '.join(map(str, children))}.")
            links = format_html_join(", ", '<a href="{}">{}</a>', ((self.url("change", one), one) for one in children))
            kept = f" Changed since, and left as it is: {', '.join(map(label, undone.kept))}." if undone.kept else ""
            messages.success(request, format_html("The merge is undone. Back: {}.{}", links, kept))
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": "Undo merge",
            "opts": self.opts,
            "crumbs": [
                {},
                {"title": "leads", "link": self.url("changelist")},
                {"title": master, "link": back},
                {"title": "Undo merge"},
            ],
            "merge": found,
            "children": _children([found]),
            "reason": obstacle(found),
            "fields": [label(key) for key in found.changes if key != "full_name_derived"],
            "back": back,
        }
        return TemplateResponse(request, "admin/leads/lead/undo_merge.html", context)


def merged_from(request: HttpRequest, lead: Lead) -> Panel | None:
    merges = list(Merge.objects.filter(master=lead, undone_at=None).select_related("master"))
    if not merges:
        return None
    may = request.user.has_perm("leads.merge_lead") and request.user.has_perm("leads.change_lead")
    there = {child.pk: child for child in _children(merges)}
    shown = [
        (
            each,
            [there[pk] for pk in each.children if pk in there],
            reverse("admin:leads_lead_undo_merge", args=[each.pk]) if may and obstacle(each) is None else "",
        )
        for each in merges
    ]
    body = render_to_string("admin/leads/lead/merged_from.html", {"merges": shown}, request)
    return Panel("Merged from", SafeString(body), past=True)


slots.register_panel(merged_from)


# --- what the page shows and sends -----------------------------------------------------------------------------------


def address(pks: Sequence[int]) -> str:
    return f"{reverse('admin:leads_lead_merge')}?{urlencode({'lead': sorted(pks)}, doseq=True)}"


def _read(leads: Sequence[Lead], sent: Mapping[str, str]) -> Chosen:
    """What was chosen, as far as it was: of the master by itself the oldest."""
    by_key = {str(lead.pk): lead for lead in leads}
    master = by_key.get(sent.get("master", ""), leads[0])
    children = [lead for lead in leads if lead != master]
    kept = sent if sent.get("shown") == str(master.pk) else {}
    suggested = suggestion(master, children)
    rows = [
        Row(key, _label(master, key), options)
        for key in (*CHOSEN, *(definition.path for definition in setups.of(master.account_id).definitions.values()))
        if len(options := list(_options(master, children, key, by_key.get(kept.get(f"pick-{key}", "")), suggested))) > 1
    ]
    return Chosen(leads, master, rows)


def _options(
    master: Lead, children: Sequence[Lead], key: str, picked: Lead | None, suggested: Mapping[str, Lead]
) -> Iterator[Option]:
    """The different values, the master's first; nothing is one of them where the master has nothing."""
    family = [master, *children]
    if key == "full_name" and all(lead.full_name_derived for lead in family):
        return  # first and last name are chosen
    found: list[tuple[Any, Lead]] = []
    for lead in family:
        value = choice(lead, key)
        value = None if is_empty(value) else value
        below = key == "parent_id" and value in [one.pk for one in family]
        if (lead == master or (value is not None and not below)) and value not in [known for known, _ in found]:
            found.append((value, lead))
    givers = [lead for _, lead in found]
    giver = picked if picked in givers else suggested.get(key, master)
    for value, lead in found:
        yield Option(lead, "Leave empty" if value is None else named(lead, key), lead == giver)


def named(lead: Lead, key: str) -> str:
    """A value in words, what it names by its name."""
    value = choice(lead, key)
    if key == "pipeline_stage_id":
        return f"{lead.pipeline} – {lead.pipeline_stage}"
    if key.endswith("_id") and value is not None:
        return str(getattr(lead, key.removesuffix("_id")))
    return words(key, value)


def _label(lead: Lead, key: str) -> str:
    if key == "pipeline_stage_id":
        return label("stage")
    for definition in setups.of(lead.account_id).definitions.values():
        if definition.path == key:
            return definition.label
    return label(key)


def _versions(leads: Sequence[Lead], sent: Mapping[str, str]) -> dict[int, int]:
    """Of the leads as they were when the page was shown."""
    given = {lead.pk: sent.get(f"version-{lead.pk}", "") for lead in leads}
    return {pk: int(version) for pk, version in given.items() if is_key(version)}


def _steps_since(leads: Sequence[Lead], sent: Mapping[str, str]) -> list[Step]:
    versions = _versions(leads, sent)
    return [step for lead in leads for step in slots.steps_since(lead, versions.get(lead.pk, lead.version))]


def _missing(request: HttpRequest, pks: set[int]) -> Iterator[str]:
    for pk in sorted(pks):
        if (into := what_became_of(pk, scope_of(request))) is not None:
            yield f"{Lead.with_merged.get(pk=pk)} was merged into {into} already."
        else:
            yield f"Lead {pk} is not there any more."
    if not pks:
        yield "Choose two leads or more to merge."


def _records(children: Sequence[Lead]) -> list[str]:
    """ "2 messages", "1 task" """
    counts = records_of([child.pk for child in children])
    return [plural(count, *_NAMES[kind]) for kind, count in counts.items() if count]


_NAMES: Mapping[str, tuple[str, ...]] = {
    "leads": ("lead below them", "leads below them"),
    "messages": ("message",),
    "activities": ("activity", "activities"),
    "opportunities": ("opportunity", "opportunities"),
    "tasks": ("task",),
    "submissions": ("form submission",),
}


def _children(merges: Sequence[Merge]) -> list[Lead]:
    there = Lead.with_merged.in_bulk([pk for each in merges for pk in each.children])
    return [there[pk] for each in merges for pk in each.children if pk in there]
