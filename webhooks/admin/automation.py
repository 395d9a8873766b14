"""Rules and automations: their list, their form, their rehearsal and their runs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import display

from leads.admin.base import is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import ago, badge, number, person, plural
from webhooks.admin import automation_page
from webhooks.admin.automation_form import automation_form
from webhooks.admin.automation_steps import StepRow
from webhooks.admin.typed import TypedAdmin
from webhooks.automation import records
from webhooks.automation.rehearsal import rehearse
from webhooks.automation.world import World
from webhooks.models import RUNNING, Automation, AutomationKind, Tally

_FIELDS = ("name", "is_active", "kind", "event", "conditions", "steps")


@admin.register(Automation)
class AutomationAdmin(TypedAdmin):
    list_display = ("shown_name", "shown_state", "shown_last", "shown_done", "shown_failed", "shown_unmet")
    list_display_links = ("shown_name",)
    list_filter = ("is_active", ("kind", ChoicesCheckboxFilter))
    list_select_related = ("account", "tally")
    ordering = ("name", "id")
    search_fields = ("name", "event")
    search_help_text = "Name or event"
    actions = None
    empty_title = "No rules yet"
    empty_text = "When something happens, they assign leads, set fields, write mails and more."
    readonly_fields = ("shown_kind", "shown_event", "shown_conditions", "shown_steps")
    delete_confirmation_template = "admin/leads/delete_confirmation.html"

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """They are the whole account's, as webhooks are."""
        scope = scope_of(request)
        return queryset.filter(scope.in_account()) if scope.whole_account else queryset.none()

    def has_add_permission(self, request: HttpRequest) -> bool:
        scope = scope_of(request)
        return super().has_add_permission(request) and scope.whole_account and scope.account_id != 0

    # List

    def get_list_filter(self, request: HttpRequest) -> Any:
        found = super().get_list_filter(request)
        return [*found, ("account", RelatedDropdownFilter)] if scope_of(request).every_account else found

    @display(description="Rule", ordering="name")
    def shown_name(self, rule: Automation) -> SafeString:
        return person(rule.name, f"{AutomationKind(rule.kind).label} · {records.label(rule.event)}", initials=False)

    @display(description="State", ordering="is_active")
    def shown_state(self, rule: Automation) -> SafeString:
        return badge(*automation_page.state(rule))

    @display(description="Last run")
    def shown_last(self, rule: Automation) -> SafeString | str:
        last = _tally(rule).last_run_at
        return ago(last) if last else "Never"

    @display(description="Done")
    def shown_done(self, rule: Automation) -> str:
        return number(_tally(rule).done)

    @display(description="Failed or stopped")
    def shown_failed(self, rule: Automation) -> str:
        return number(_tally(rule).failed + _tally(rule).stopped)

    @display(description="Conditions not met")
    def shown_unmet(self, rule: Automation) -> str:
        return number(_tally(rule).unmet)

    # Form

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        return super().get_form(request, obj, change, form=automation_form(scope_of(request)), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            shown = ("name", "shown_kind", "shown_event", "shown_conditions", "shown_steps")
            return ((None, {"fields": shown}),)
        account = ("account",) if obj is None and scope_of(request).every_account else ()
        return ((None, {"fields": (*account, *_FIELDS)}),)

    @display(description="Kind")
    def shown_kind(self, rule: Automation) -> str:
        return str(AutomationKind(rule.kind).label)

    @display(description="When")
    def shown_event(self, rule: Automation) -> str:
        return records.label(rule.event)

    @display(description="Conditions")
    def shown_conditions(self, rule: Automation) -> str:
        return automation_page.conditions_in_words(rule, World(rule.account_id, rule.event))

    @display(description="Steps")
    def shown_steps(self, rule: Automation) -> SafeString:
        said = automation_page.steps_in_words(rule, World(rule.account_id, rule.event))
        return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((words,) for words in said)))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        rule = kwargs.get("obj")
        if rule is None:
            context["rehearse_url"] = self.url("new_rehearse")
        else:
            # As it is stored, whatever was typed.
            context |= automation_page.context(Automation.objects.get(pk=rule.pk))
            context["rehearse_url"] = self.url("rehearse", rule)
            context["may_change"] = self.has_change_permission(request, rule)
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        # On to its page, which has its runs.
        return super().response_add(request, obj, post_url_continue or self.url("change", obj))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save()

    def deletion(self, request: HttpRequest, rule: Automation) -> Deletion:
        waiting = rule.runs.filter(state__in=RUNNING).count()
        stopped = f"{plural(waiting, 'run')} that it has begun will be stopped. " if waiting else ""
        return Deletion(f"Delete {rule}?", f"{stopped}What it has done stays, and stays in the timeline of its leads.")

    # Views of our own

    def get_custom_urls(self) -> Any:
        return (
            ("rehearse/", "webhooks_automation_new_rehearse", self.rehearse_view),
            ("<int:rule_id>/rehearse/", "webhooks_automation_rehearse", self.rehearse_view),
            ("conditions/", "webhooks_automation_new_conditions", self.conditions_view),
            ("<int:rule_id>/conditions/", "webhooks_automation_conditions", self.conditions_view),
            ("steps/", "webhooks_automation_new_steps", self.steps_view),
            ("<int:rule_id>/steps/", "webhooks_automation_steps", self.steps_view),
        )

    def conditions_view(self, request: HttpRequest, model_admin: Any, rule_id: int | None = None) -> HttpResponse:
        return self.conditions_builder(request, rule_id, "conditions")

    def steps_view(self, request: HttpRequest, model_admin: Any, rule_id: int | None = None) -> HttpResponse:
        """The builder of the steps, with one more (?add), less (?remove=), or one moved up (?up=)."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        widget: Any = self.typed_form(request, rule_id).fields["steps"].widget
        rows = widget.value_from_datadict(request.POST, {}, "steps")
        if "add" in request.GET:
            rows.append(StepRow())
            widget.focus = len(rows) - 1
        elif is_key(remove := request.GET.get("remove", "")) and int(remove) < len(rows):
            del rows[int(remove)]
            widget.focus = len(rows)
        elif is_key(up := request.GET.get("up", "")) and 0 < int(up) < len(rows):
            place = int(up)
            rows[place - 1 : place + 1] = rows[place], rows[place - 1]
            widget.focus = place - 1
        return HttpResponse(widget.render("steps", rows))

    def rehearse_view(self, request: HttpRequest, model_admin: Any, rule_id: int | None = None) -> HttpResponse:
        """Of the form as it is on the page; of a rule that one may only view, as it is stored. Nothing is done.

        Below the page's head for htmx; a page of its own without scripts.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        context: dict[str, Any] = {"title": "Rehearsal", "opts": self.opts}
        if rule_id is not None and not self.has_change_permission(request):
            if not self.has_view_permission(request):
                raise PermissionDenied
            rule, valid = self.found(request, rule_id), True
        else:
            form = self.typed_form(request, rule_id)
            rule, valid = form.instance, form.is_valid()
            context["form"] = form
            if valid and "account" in form.cleaned_data:
                rule.account = form.cleaned_data["account"]
        if valid:
            context["lines"] = rehearse(rule.account_id, rule.event, rule.read_conditions, rule.steps)
            context["matches"] = sum(line.matches for line in context["lines"])
            context["event"] = records.label(rule.event)
        if request.headers.get("HX-Request"):
            return TemplateResponse(request, "admin/webhooks/automation/rehearsal.html", context)
        page = self.admin_site.each_context(request) | context
        return TemplateResponse(request, "admin/webhooks/automation/rehearsal_page.html", page)


def _tally(rule: Automation) -> Tally:
    return getattr(rule, "tally", None) or Tally()
