"""Tasks: the list, the form, the buttons that close and reopen them, and their tab on the lead's page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import display

from leads.admin.base import back_from, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import ago, badge, clip, plural
from leads.admin.exporting import Exporting
from leads.admin.filters import ME, OwnerFilter
from leads.admin.owned import OwnedAdmin, OwnedForm
from leads.admin.paging import CappedPaginator
from leads.admin.slots import Panel, register_panel
from leads.admin.task_form import TaskForm
from leads.changes import unit
from leads.models import Lead, Task
from leads.models.task import TaskStatus

_ALL = "all"
OVERDUE, TODAY = "overdue", "today"
# Verb in the address -> what it makes of a task, and the button's word.
SWITCHES = {
    "complete": (TaskStatus.COMPLETED, "Complete"),
    "cancel": (TaskStatus.CANCELLED, "Cancel"),
    "reopen": (TaskStatus.OPEN, "Reopen"),
}
_DONE = {TaskStatus.COMPLETED: "completed", TaskStatus.CANCELLED: "cancelled", TaskStatus.OPEN: "reopened"}
_LOOKS = {TaskStatus.OPEN: "UNREAD", TaskStatus.COMPLETED: "success", TaskStatus.CANCELLED: "cancelled"}
_UNASSIGNED: SafeString = mark_safe('<span class="lc-subtle">Unassigned</span>')


def verbs(task: Task) -> list[str]:
    """What may be done with a task as it stands."""
    return ["complete", "cancel"] if task.status == TaskStatus.OPEN else ["reopen"]


def state(task: Task) -> SafeString:
    return badge(_LOOKS[TaskStatus(task.status)], task.get_status_display())


def due(task: Task) -> SafeString:
    late = task.status == TaskStatus.OPEN and task.due_at < timezone.now()
    return format_html('<span class="lc-danger">{}</span>', ago(task.due_at)) if late else ago(task.due_at)


def owner(task: Task) -> SafeString:
    return clip(str(task.owner)) if task.owner else _UNASSIGNED


class TaskStatusFilter(RadioFilter):
    """Open ones, unless others are asked for."""

    title = parameter_name = "status"
    all_option = ["", "Open"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        closed = [(status.value, status.label) for status in TaskStatus if status != TaskStatus.OPEN]
        return [*closed, (_ALL, "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        asked = self.value() or TaskStatus.OPEN
        return queryset if asked == _ALL else queryset.filter(status=asked)


class DueFilter(RadioFilter):
    title = parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(OVERDUE, "Overdue"), (TODAY, "Today")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        match self.value():
            case "overdue":
                return queryset.filter(due_at__lt=timezone.now())
            case "today":
                return queryset.filter(due_at__date=timezone.localdate())
        return queryset


@admin.register(Task)
class TaskAdmin(Exporting, OwnedAdmin):
    form = TaskForm
    fields_of_form = ("name", ("category", "owner"), "lead", ("due_at", "remind_at"), "description")
    columns = ("name", "lead_name", "due", "owner_name", "state")
    list_select_related = ("account", "lead", "owner")
    list_filter = (TaskStatusFilter, DueFilter, OwnerFilter)
    list_per_page = 25
    list_max_show_all = 0
    list_disable_select_all = True
    paginator = CappedPaginator
    ordering = ("due_at", "id")
    sortable_by = ("due",)
    show_facets = admin.ShowFacets.NEVER
    search_fields: Sequence[str] = ("name", "category", "lead__full_name")
    search_help_text = "Task, category or lead"
    actions = ("complete_selected", "cancel_selected", "reopen_selected")
    empty_icon = "task_alt"
    empty_title = "No open tasks"
    empty_text = "A task says what somebody has to do until when, and reminds them."

    def scoped(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        assert request.user.pk is not None
        return queryset.filter(pk__in=scope_of(request).tasks(request.user.pk).values("pk"))

    # --- the list ---

    def get_list_display(self, request: HttpRequest) -> list[str]:
        may = self.has_change_permission(request)
        return [*super().get_list_display(request), *(["switches"] if may else [])]

    @display(description="Lead")
    def lead_name(self, task: Task) -> SafeString:
        if task.lead is None:
            return clip("")
        page = reverse("admin:leads_lead_change", args=[task.lead_id])
        return format_html('<a class="lc-link" href="{}">{}</a>', page, clip(str(task.lead)))

    @display(description="Due", ordering="due_at")
    def due(self, task: Task) -> SafeString:
        return due(task)

    @display(description="Owner")
    def owner_name(self, task: Task) -> SafeString:
        return owner(task)

    @display(description="Status")
    def state(self, task: Task) -> SafeString:
        return state(task)

    @display(description="Actions")
    def switches(self, task: Task) -> SafeString:
        """Of the list's own form, sent to another address."""
        buttons = ((switching(task, verb), SWITCHES[verb][1], task) for verb in verbs(task))
        return format_html(
            '<span class="lc-button-row">{}</span>',
            format_html_join(
                "",
                '<button type="submit" class="lc-button small" formaction="{0}" aria-label="{1} {2}">{1}</button>',
                buttons,
            ),
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        views: dict[str, dict[str, str]] = {
            "Open tasks": {},
            "My tasks": {"owner": ME},
            "Overdue": {"due": OVERDUE},
            "All tasks": {"status": _ALL},
        }
        return super().changelist_view(request, self.views(request, views) | (extra_context or {}))

    # --- the form ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[OwnedForm]:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.writer_id = request.user.pk
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The user's own; of the lead whose page they come from."""
        initial: dict[str, Any] = {"owner": request.user.pk}
        key = request.GET.get("lead", "")
        lead = scope_of(request).leads().filter(pk=key).first() if is_key(key) else None
        if lead is not None:
            initial |= {"lead": lead.pk, "account": lead.account_id}
        return initial

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        task = kwargs.get("obj")
        if task is not None:
            may = self.has_change_permission(request, task)
            context |= {
                "title": str(task),
                "subtitle": None,
                "state": state(task),
                "buttons": [(SWITCHES[verb][1], switching(task, verb)) for verb in verbs(task)] if may else [],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def deletion(self, request: HttpRequest, task: Task) -> Deletion:
        return Deletion(
            f"Delete {task}?",
            "The task is removed for good, and webhooks are not told. They are told of a task that is cancelled.",
        )

    # --- complete, cancel, reopen ---

    @admin.action(description="Complete", permissions=["change"])
    def complete_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._switch(request, queryset, TaskStatus.COMPLETED)

    @admin.action(description="Cancel", permissions=["change"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._switch(request, queryset, TaskStatus.CANCELLED)

    @admin.action(description="Reopen", permissions=["change"])
    def reopen_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._switch(request, queryset, TaskStatus.OPEN)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Task], to: TaskStatus) -> None:
        chosen = list(queryset.order_by().values_list("pk", flat=True))
        count = Task.switch(chosen, to)
        left = len(chosen) - count
        if count:
            self.tell(request, lambda: f"{plural(count, 'task')} {_DONE[to]}.")
        if left:
            were = "open already" if to == TaskStatus.OPEN else "closed already"
            stay = "was {} and stays as it is" if left == 1 else "were {} and stay as they are"
            messages.warning(request, f"{plural(left, 'task')} {stay.format(were)}.")

    def switch_view(self, request: HttpRequest, object_id: str, verb: str, model_admin: Any = None) -> HttpResponse:
        """One task; back to the page that the button stands on."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        task = self.get_object(request, object_id)
        if task is None:
            raise Http404
        to, _ = SWITCHES[verb]
        with unit():
            done = Task.switch([task.pk], to)
        if done:
            messages.success(request, f"Task {task} {_DONE[to]}.")
        else:
            messages.warning(request, f"Task {task} was {'open' if to == TaskStatus.OPEN else 'closed'} already.")
        return back_from(request, "admin:leads_task_change", task.pk)

    def get_custom_urls(self) -> Any:
        switches = (
            (f"<path:object_id>/{verb}/", f"leads_task_{verb}", partial(self.switch_view, verb=verb))
            for verb in SWITCHES
        )
        return (*super().get_custom_urls(), *switches)


def switching(task: Task, verb: str) -> str:
    """Where a button posts to."""
    return reverse(f"admin:leads_task_{verb}", args=[task.pk])


# --- on the lead's page ---

# Of a lead with more, what was closed long ago is in the list only.
SHOWN = 50


@register_panel
def tasks(request: HttpRequest, lead: Lead) -> Panel | None:
    """Open ones first, the next due first; then what was closed last."""
    if not request.user.has_perm("leads.view_task"):
        return None
    of_lead = lead.tasks.select_related("owner")
    open_ = of_lead.filter(status=TaskStatus.OPEN)
    shown = list(open_[:SHOWN])
    shown += of_lead.exclude(status=TaskStatus.OPEN).order_by("-closed_at", "-pk")[: SHOWN - len(shown)]
    rows = [
        (
            task,
            state(task),
            due(task),
            owner(task),
            [(SWITCHES[verb][1], switching(task, verb)) for verb in verbs(task)],
        )
        for task in shown
    ]
    add = f"{reverse('admin:leads_task_add')}?{urlencode({'lead': lead.pk})}"
    context = {
        "rows": rows,
        "may_change": request.user.has_perm("leads.change_task"),
        "add": add if request.user.has_perm("leads.add_task") else "",
        "slug": _SLUG,
    }
    body = render_to_string("admin/leads/task/tab.html", context, request)
    return Panel(f"Tasks {open_.count():,}", SafeString(body), place="tab", slug=_SLUG)


_SLUG = "tasks"
