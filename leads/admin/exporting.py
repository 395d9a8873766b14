"""A list as a file: what its filters and its search show, with the columns that are chosen on a page of its own."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst

from leads.admin.base import Admin, scope_of
from leads.admin.display import plural
from leads.exports import rows
from leads.exports.answer import download
from leads.exports.writing import FORMATS

# Of django.contrib.admin's log, whose own flags are 1 to 3; 4 is who has looked at a payload.
EXPORTED = 5
RIGHT = "leads.export_lead"


class Exporting(Admin):
    """A list of records with an Export button. It takes the right to export, and that to see them."""

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(RIGHT)) and self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        export = self.url("export") if self.has_export_permission(request) else ""
        return super().changelist_view(request, {"export_url": export, **(extra_context or {})})

    def get_custom_urls(self) -> Any:
        return (*super().get_custom_urls(), ("export/", self._export_name(), self.export_view))

    def _export_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export"

    def export_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponseBase:
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            listed = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self.url("changelist"))
        scope = scope_of(request)
        offered = rows.columns(self.model, scope)
        chosen = [key for key in request.POST.getlist("column") if key in offered]
        if request.POST.get("columns") == "all":
            chosen = list(offered)
        if request.method == "POST" and chosen and request.POST.get("format") in FORMATS:
            return self._file(request, listed, chosen, offered)
        back = f"{self.url('changelist')}?{request.GET.urlencode()}" if request.GET else self.url("changelist")
        noun, many = str(self.opts.verbose_name), str(self.opts.verbose_name_plural)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Export {many}",
            "opts": self.opts,
            "crumbs": [{}, {"title": many, "link": back}, {"title": "Export"}],
            "question": f"Export {plural(listed.count(), noun, many)}?",
            "filtered": bool(request.GET),
            "formats": [(ending, name) for ending, (name, _, _) in FORMATS.items()],
            "columns": offered.items(),
            "chosen": chosen or rows.usual(self.model, scope),
            "fault": "Choose at least one column." if request.method == "POST" else "",
            "back": back,
        }
        return TemplateResponse(request, "admin/leads/export.html", context)

    def _file(self, request: HttpRequest, listed: Any, chosen: list[str], offered: dict[str, str]) -> HttpResponseBase:
        ending = request.POST["format"]
        # Ids only: the records are read while they are sent, some at a time.
        pks = list(dict.fromkeys(listed.values_list("pk", flat=True)))
        many = str(self.opts.verbose_name_plural)
        assert request.user.pk is not None
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(self.model),
            object_repr=capfirst(many),
            action_flag=EXPORTED,
            change_message=f"Exported {plural(len(pks), str(self.opts.verbose_name), many)} as {FORMATS[ending][0]}, "
            f"{plural(len(chosen), 'column')}.",
        )
        header = chosen if request.POST.get("names") == "keys" else [offered[key] for key in chosen]
        name = f"{many.replace(' ', '-')}-{timezone.localdate():%Y-%m-%d}"
        return download(ending, name, header, rows.rows(self.model, pks, chosen))
