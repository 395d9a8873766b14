"""Imports: a file, what its columns are, a look at what would come of it, and how far the worker has come with it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from leads import setup as setups
from leads.admin.base import Admin, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import ago, badge, clip, number, plural
from leads.admin.lead_import_form import SetUpForm, UploadForm
from leads.admin.paging import CappedPaginator
from leads.admin.words import words
from leads.exports.answer import download
from leads.imports import reading, work
from leads.imports.reading import Unreadable
from leads.models import LeadImport
from leads.models.lead_import import ImportState
from leads.scope import Scope
from leads.targets import targets

PREVIEWED = 10
# Columns of the preview.
_SHOWN = 6
_FAULTS_SHOWN = 10


@admin.register(LeadImport)
class LeadImportAdmin(Admin):
    list_display = ("file", "state_shown", "rows_shown", "created_shown", "updated_shown", "refused_shown", "by", "at")
    list_display_links = ("file",)
    list_select_related = ("started_by", "account")
    list_per_page = 25
    list_max_show_all = 0
    paginator = CappedPaginator
    ordering = ("-id",)
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    empty_title = "No imports yet"
    empty_text = "A file of leads, CSV or Excel, is mapped, checked and brought in here."

    # --- who may ---

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perms(work.NEEDED)) and scope_of(request).account_id != 0

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request) and not (obj is not None and obj.at_work)

    def scoped(self, request: HttpRequest, queryset: QuerySet[LeadImport]) -> QuerySet[LeadImport]:
        """A file may hold leads of any office: who sees single offices sees what they have brought themselves."""
        scope = scope_of(request)
        mine = queryset.filter(scope.in_account())
        return mine if scope.whole_account else mine.filter(started_by=request.user.pk)

    # --- the list ---

    @display(description="File")
    def file(self, job: LeadImport) -> SafeString:
        return clip(job.name)

    @display(description="State")
    def state_shown(self, job: LeadImport) -> SafeString:
        return state(job)

    @display(description="Rows")
    def rows_shown(self, job: LeadImport) -> str:
        return number(job.rows)

    @display(description="New")
    def created_shown(self, job: LeadImport) -> str:
        return number(job.created if job.done else None)

    @display(description="Updated")
    def updated_shown(self, job: LeadImport) -> str:
        return number(job.updated if job.done else None)

    @display(description="Refused")
    def refused_shown(self, job: LeadImport) -> str:
        return number(job.refused if job.done else None)

    @display(description="By")
    def by(self, job: LeadImport) -> SafeString:
        return clip(str(job.started_by) if job.started_by else "")

    @display(description="Uploaded")
    def at(self, job: LeadImport) -> SafeString:
        return ago(job.created_at)

    # --- a new one ---

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        sent = (request.POST, request.FILES) if request.method == "POST" else ()
        form = UploadForm(*sent, scope=scope_of(request))
        if form.is_valid():
            file = form.cleaned_data["file"]
            job = LeadImport(account_id=form.account_id, started_by_id=request.user.pk, name=_plain(file.name))
            try:
                work.store(job, reading.read(file))
            except Unreadable as error:
                form.add_error("file", str(error))
            else:
                return HttpResponseRedirect(self.url("change", job))
        context = self._context(request, "Import leads") | {"form": form}
        return TemplateResponse(request, "admin/leads/leadimport/upload.html", context)

    # --- one of them: by its state another page ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        job = self._found(request, object_id)
        if request.method == "POST":
            for button, act in (("_check", self._check), ("_run", self._run), ("_cancel", self._cancel)):
                if button in request.POST:
                    return act(request, job)
        if job.is_open and (request.method == "POST" or not job.columns or request.GET.get("step") == "map"):
            return self._map(request, job)
        if job.is_open:
            return self._preview(request, job)
        context = self._context(request, job.name) | self._counts(job)
        return TemplateResponse(request, "admin/leads/leadimport/progress.html", context)

    def _map(self, request: HttpRequest, job: LeadImport) -> HttpResponse:
        form = SetUpForm(
            request.POST if request.method == "POST" else None,
            job=job,
            scope=_scope(request, job),
            rows=work.samples(job, 50),
        )
        if form.is_valid():
            form.save()
            if work.set_up(job):
                return HttpResponseRedirect(self.url("change", job))
            messages.error(request, "Somebody has started this import meanwhile.")
            return HttpResponseRedirect(self.url("change", job))
        context = self._context(request, job.name) | {"form": form, "job": job, "back": self.url("change", job)}
        return TemplateResponse(request, "admin/leads/leadimport/map.html", context)

    def _preview(self, request: HttpRequest, job: LeadImport) -> HttpResponse:
        known = targets(setups.of(job.account_id))
        shown = [one["field"] for one in job.columns if one["field"] in known][:_SHOWN]
        rows = [
            (row.number, outcome.action, [words(key, brought.get(key)) for key in shown], work.told(job, outcome))
            for row, brought, outcome in work.preview(job, _scope(request, job), PREVIEWED)
        ]
        context = self._context(request, job.name) | self._counts(job)
        context |= {"labels": [known[key].label for key in shown], "previewed": rows}
        context |= {"more": len(job.columns) - len(shown), "mapping": f"{self.url('change', job)}?step=map"}
        return TemplateResponse(request, "admin/leads/leadimport/preview.html", context)

    def _check(self, request: HttpRequest, job: LeadImport) -> HttpResponse:
        return self._begun(request, job, bool(job.columns) and work.check(job))

    def _run(self, request: HttpRequest, job: LeadImport) -> HttpResponse:
        begun = bool(job.columns) and work.run(job)
        if begun:
            self.log_change(request, job, f"Import of {plural(job.rows, 'row')} started.")
        return self._begun(request, job, begun)

    def _begun(self, request: HttpRequest, job: LeadImport, begun: bool) -> HttpResponse:
        if not begun:
            messages.error(request, "This import was started, or ended, meanwhile.")
        return HttpResponseRedirect(self.url("change", job))

    def _cancel(self, request: HttpRequest, job: LeadImport) -> HttpResponse:
        if work.cancel(job):
            self.log_change(request, job, "Cancelled.")
        else:
            messages.error(request, "This import has ended meanwhile.")
        return HttpResponseRedirect(self.url("change", job))

    def refused_view(self, request: HttpRequest, object_id: str, model_admin: Any = None) -> HttpResponseBase:
        """The rows that were refused, as they came, with what is wrong: to be mended and imported."""
        job = self._found(request, object_id)
        found = ((*_padded(one.row, len(job.header)), " ".join(one.faults)) for one in job.refusals.iterator())
        return download("csv", f"{job.name} – refused rows", [*job.header, "What is wrong"], found)

    def get_custom_urls(self) -> Any:
        return (("<path:object_id>/refused/", "leads_leadimport_refused", self.refused_view),)

    def deletion(self, request: HttpRequest, job: LeadImport) -> Deletion:
        return Deletion(
            f"Delete the import {job}?",
            "Its file and its list of refused rows are removed. The leads that it made stay.",
        )

    def _found(self, request: HttpRequest, object_id: str) -> LeadImport:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_queryset(request).select_related("started_by").filter(pk=object_id).first() if is_key(
            object_id
        ) else None  # fmt: skip
        if job is None:
            raise Http404
        return job

    def _counts(self, job: LeadImport) -> dict[str, Any]:
        most = sorted(job.faults.items(), key=lambda pair: -pair[1])
        return {
            "job": job,
            "badge": (job.state, job.get_state_display()),
            "faults": most[:_FAULTS_SHOWN],
            "refused_url": self.url("refused", job) if job.refused else "",
            "leads_url": reverse("admin:leads_lead_changelist"),
            "checked": job.state == ImportState.CHECKED,
            "delete_url": self.url("delete", job),
        }

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        crumbs: list[dict[str, Any]] = [{}, {"title": "imports", "link": self.url("changelist")}, {"title": title}]
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "crumbs": crumbs,
            "list": self.url("changelist"),
        }


def state(job: LeadImport) -> SafeString:
    return badge(job.state, job.get_state_display())


def _scope(request: HttpRequest, job: LeadImport) -> Scope:
    scope = scope_of(request)
    return Scope(job.account_id, None) if scope.every_account else scope


def _plain(name: str | None) -> str:
    return "".join(character for character in name or "" if character.isprintable())[:200] or "leads"


def _padded(cells: list[str], width: int) -> list[str]:
    """What is wrong stands in its column, also of a row that had too many cells: those are in the last one."""
    if len(cells) > width:
        return [*cells[: width - 1], " ".join(cells[width - 1 :])]
    return [*cells, *[""] * (width - len(cells))]
