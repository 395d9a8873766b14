"""What can be done with many leads at once: each action asks on a page of its own, then does it as one unit of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import BASE_INPUT_CLASSES, UnfoldAdminSelectWidget

from leads import setup as setups
from leads.admin import stages
from leads.admin.base import Admin, scope_of
from leads.admin.display import plural
from leads.identity import folded
from leads.models import Lead, LeadList, Office, Tag, User
from leads.refer import refer
from leads.sentences import sentence, sentences
from leads.validation import validate

NOBODY = "none"
# Tags that are offered while one is typed.
_TAGS_OFFERED = 100


class LeadActions(Admin):
    actions: Sequence[str] = ("assign_owner", "change_stage", "add_tag", "add_to_list", "refer_selected")

    # --- owner ---

    @admin.action(description="Assign owner…", permissions=["change"])
    def assign_owner(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        account_id = self._one_account(request, queryset, "an owner is somebody of the lead's account")
        if account_id is None:
            return None
        people = scope_of(request).choosable_owners(account_id).order_by("first_name", "last_name", "username")
        choices = [*((str(person.pk), str(person)) for person in people), (NOBODY, "Unassigned")]
        chosen = self._chosen(request, choices)
        if chosen is None:
            counts = queryset.order_by().values_list("owner").annotate(leads=Count("pk"))
            names = {person.pk: str(person) for person in User.objects.filter(leads__in=queryset).distinct()}
            return self._ask(
                request,
                queryset,
                title=f"Assign {plural(queryset.count(), 'lead')}?",
                text="Webhooks that listen to lead.updated and lead.assigned are told.",
                head="Owner now",
                counts=sorted((names.get(pk, "Unassigned"), count) for pk, count in counts),
                label="Owner",
                control=self._select(request, choices),
                button="Assign leads",
            )
        owner_id = None if chosen == NOBODY else int(chosen)
        changing = queryset.filter(owner__isnull=False) if owner_id is None else queryset.exclude(owner_id=owner_id)
        count = _plain(changing).update(owner_id=owner_id)
        told = "unassigned" if owner_id is None else f"assigned to {dict(choices)[chosen]}"
        self.tell(request, lambda: f"{plural(count, 'lead')} {told}.")
        return None

    # --- stage ---

    @admin.action(description="Change stage…", permissions=["change"])
    def change_stage(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        """To a stage of the pipeline that a lead stands in: a lead of another pipeline stays where it is."""
        account_id = self._one_account(request, queryset, "each account has its own stages")
        if account_id is None:
            return None
        setup = setups.of(account_id)
        standing = set(queryset.order_by().values_list("pipeline_id", flat=True))
        pipelines = tuple(pipeline for pipeline in setup.pipelines if pipeline.id in standing)
        grouped = stages.of_pipelines(pipelines)
        chosen = self._chosen(request, [choice for _, choices in grouped for choice in choices])
        if chosen is None:
            several = len(pipelines) > 1
            text = "Webhooks that listen to lead.updated and lead.stage_changed are told."
            if several:
                text = (
                    f"They stand in {len(pipelines)} pipelines. Only those in the pipeline of the stage that you "
                    f"choose are moved, the others stay where they are. {text}"
                )
            counts = dict(queryset.order_by().values_list("pipeline_stage").annotate(leads=Count("pk")))
            return self._ask(
                request,
                queryset,
                title=f"Change the stage of {plural(queryset.count(), 'lead')}?",
                text=text,
                head="Stage now",
                counts=[
                    (f"{pipeline.name} – {stage.name}" if several else stage.name, counts[stage.id])
                    for pipeline in pipelines
                    for stage in pipeline.stages
                    if stage.id in counts
                ],
                label="New stage",
                control=self._select(request, grouped),
                button="Change stage",
            )
        stage = setup.stages[int(chosen)]
        moving = _plain(queryset.filter(pipeline_id=stage.pipeline_id).exclude(pipeline_stage_id=stage.id))
        elsewhere = queryset.exclude(pipeline_id=stage.pipeline_id).count()
        count = moving.update(pipeline_stage_id=stage.id, stage=stage.code)
        told = f"Stage of {plural(count, 'lead')} changed to {stage.name}."
        if elsewhere:
            stay = "stands in another pipeline and stays" if elsewhere == 1 else "stand in another pipeline and stay"
            told += f" {plural(elsewhere, 'lead')} {stay} there."
        self.tell(request, lambda: told)
        return None

    # --- labels ---

    @admin.action(description="Add tag…", permissions=["change"])
    def add_tag(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        account_id = self._one_account(request, queryset, "each account has its own tags")
        if account_id is None:
            return None
        name = request.POST.get("chosen", "").strip()
        faults = [sentence("tags", fault.message) for fault in validate({"tags": [name]})] if name else []
        if not name or faults:
            return self._ask(
                request,
                queryset,
                title=f"Add a tag to {plural(queryset.count(), 'lead')}?",
                text="One that is there, or a new one. Webhooks that listen to lead.updated are told.",
                label="Tag",
                control=_tag_input(name, Tag.objects.filter(account_id=account_id)[:_TAGS_OFFERED]),
                fault=faults[0] if faults else "",
                button="Add tag",
            )
        tag = Tag.objects.filter(account_id=account_id, key=folded(name)).first()
        if tag is None:
            tag = Tag.objects.create(account_id=account_id, name=name)
        count = _label(tag, queryset.exclude(tags=tag))
        self.tell(request, lambda: f"Tag {tag} added to {plural(count, 'lead')}.")
        return None

    @admin.action(description="Add to list…", permissions=["change"])
    def add_to_list(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        account_id = self._one_account(request, queryset, "each account has its own lists")
        if account_id is None:
            return None
        choices = list(LeadList.objects.filter(account_id=account_id).values_list("pk", "name"))
        if not choices:
            messages.error(request, "This account has no lists yet. A manager adds them under Lists.")
            return None
        chosen = self._chosen(request, choices)
        if chosen is None:
            return self._ask(
                request,
                queryset,
                title=f"Add {plural(queryset.count(), 'lead')} to a list?",
                text="Webhooks that listen to lead.updated are told.",
                label="List",
                control=self._select(request, choices),
                button="Add to list",
            )
        to = LeadList.objects.get(pk=chosen)
        count = _label(to, queryset.exclude(lists=to))
        self.tell(request, lambda: f"{plural(count, 'lead')} added to {to}.")
        return None

    # --- refer ---

    @admin.action(description="Refer to another office…", permissions=["change"])
    def refer_selected(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        account_id = self._one_account(request, queryset, "a lead stays in its account")
        if account_id is None:
            return None
        choices = list(Office.objects.filter(account_id=account_id).values_list("pk", "name"))
        chosen = self._chosen(request, choices)
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
                control=self._select(request, choices),
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

    # --- asking ---

    def _one_account(self, request: HttpRequest, queryset: QuerySet[Lead], why: str) -> int | None:
        accounts = set(queryset.order_by().values_list("account_id", flat=True))
        if len(accounts) == 1:
            return int(accounts.pop())
        messages.error(request, f"Choose leads of one account: {why}.")
        return None

    def _chosen(self, request: HttpRequest, choices: Iterable[tuple[Any, str]]) -> str | None:
        """The choice made on the page that asked; None when it was not asked yet, or nothing was chosen there."""
        chosen = request.POST.get("chosen", "")
        return chosen if chosen in {str(code) for code, _ in choices} else None

    def _select(self, request: HttpRequest, choices: Sequence[Any]) -> SafeString:
        attrs = {"id": "id_chosen", "required": True}
        widget = UnfoldAdminSelectWidget(choices=[("", "Select value"), *choices], attrs=attrs)
        return widget.render("chosen", request.POST.get("chosen", ""))

    def _ask(self, request: HttpRequest, queryset: QuerySet[Lead], **context: Any) -> HttpResponse:
        """title, text, label, control (the input), button; head and counts of a table; fault of what was chosen."""
        if "chosen" in request.POST and not context.get("fault"):
            context["fault"] = f"{context['label']} must be chosen."
        return TemplateResponse(
            request,
            "admin/leads/lead/confirm_action.html",
            {
                **self.admin_site.each_context(request),
                **context,
                "opts": self.opts,
                "action": request.POST["action"],
                "checkbox": ACTION_CHECKBOX_NAME,
                "pks": list(queryset.values_list("pk", flat=True)),
                "back": request.get_full_path(),
            },
        )


def _plain(queryset: QuerySet[Lead]) -> QuerySet[Lead]:
    """The same leads by key: an update takes no joins and no order."""
    return Lead.objects.filter(pk__in=list(queryset.values_list("pk", flat=True)))


def _label(label: Tag | LeadList, leads: QuerySet[Lead]) -> int:
    pks = list(leads.values_list("pk", flat=True))
    label.leads.add(*pks)
    return len(pks)


def _tag_input(name: str, tags: Iterable[Tag]) -> SafeString:
    return format_html(
        '<input type="text" name="chosen" id="id_chosen" value="{}" list="tags" class="{}" required>'
        '<datalist id="tags">{}</datalist>',
        name,
        " ".join(BASE_INPUT_CLASSES),
        format_html_join("", '<option value="{}"></option>', ((tag.name,) for tag in tags)),
    )
