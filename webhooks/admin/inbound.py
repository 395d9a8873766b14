"""Inbound webhooks: where other systems post leads. Their list, their form, and how their secrets are turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from leads.admin.base import go_to, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import ago, badge, clip, number, plural
from leads.admin.owned import OwnedAdmin, OwnedForm
from leads.admin.paging import QuietChangeList
from webhooks.admin import inbound_page, reveal
from webhooks.admin.inbound_form import CONDITIONS, OF_ACCOUNT, InboundWebhookForm
from webhooks.admin.inbound_mapping import MappingPage
from webhooks.inbound import secrets
from webhooks.inbound.address import address_of
from webhooks.models import InboundWebhook, Verification


class InboundList(QuietChangeList):
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # How much has come to the webhooks of the page, in one go.
        self.result_list = list(self.result_list)
        traffic = inbound_page.traffic([inbound.pk for inbound in self.result_list])
        for inbound in self.result_list:
            inbound.traffic = traffic.get(inbound.pk, inbound_page.Traffic())


class Dialog(BaseDialogForm):
    """Asks about one inbound webhook, which the action has found in the user's scope already."""

    form_before_template = "admin/webhooks/webhook/dialog.html"

    @property
    def inbound(self) -> InboundWebhook:
        if not is_key(str(self.object_id)):
            raise Http404
        return InboundWebhook.objects.get(pk=self.object_id)

    def title(self, inbound: InboundWebhook) -> str:
        raise NotImplementedError

    def sentences(self, inbound: InboundWebhook) -> Iterator[str]:
        raise NotImplementedError

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        inbound = self.inbound
        return {"title": self.title(inbound), "sentences": list(self.sentences(inbound))}


class RotateDialog(Dialog):
    keep = forms.TypedChoiceField(
        label="The earlier secret is good",
        coerce=lambda days: timedelta(days=int(days)),
        initial=1,
        widget=UnfoldAdminSelectWidget(),
    )
    typed_secret = forms.CharField(
        label="Secret",
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The one that the sender has, if it has one already. Empty: one is generated, and shown once.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = timezone.now()
        field: Any = self.fields["keep"]
        field.choices = [(0, "no more: switch at once")] + [
            (days, f"for {plural(24 * days, 'hour') if days == 1 else plural(days, 'day')}, until {_minute(now, days)}")
            for days in range(1, secrets.LONGEST_GRACE.days + 1)
        ]

    def title(self, inbound: InboundWebhook) -> str:
        return f"Rotate the secret of {inbound.name}?"

    def sentences(self, inbound: InboundWebhook) -> Iterator[str]:
        yield "The next secret is good at once. Until the chosen time the earlier one is good as well."

    def clean_typed_secret(self) -> str:
        typed: str = self.cleaned_data["typed_secret"]
        if typed and (fault := secrets.fault(self.inbound.verification, typed)):
            raise ValidationError(f"Secret {fault}.")
        return typed


class EndGraceDialog(Dialog):
    def title(self, inbound: InboundWebhook) -> str:
        return f"End the earlier secret of {inbound.name}?"

    def sentences(self, inbound: InboundWebhook) -> Iterator[str]:
        yield "Posts that are signed with it are answered 401 from now on."


@admin.register(InboundWebhook)
class InboundWebhookAdmin(MappingPage, OwnedAdmin):
    form: ClassVar[type[OwnedForm]] = InboundWebhookForm
    columns = ("who", "address", "proof", "state", "leads", "refused", "last")
    list_display_links = ("who",)
    search_fields = ("name", "uid")
    search_help_text = "Name or webhook id"
    ordering = ("name", "id")
    list_per_page = 25
    conditional_fields = CONDITIONS
    actions_detail = ("rotate", "end_grace")
    empty_title = "No inbound webhooks yet"
    empty_text = "Forms, portals and CRMs post leads to them. LeadEngine calls this Receive Data."
    empty_icon = "call_received"
    delete_confirmation_template = "admin/leads/delete_confirmation.html"

    # Who may

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """They are the whole account's, as webhooks are: who sees single offices only sees none of them."""
        return super().scoped(request, queryset) if scope_of(request).whole_account else queryset.none()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).whole_account

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """For the actions. Raises Http404 for one out of scope, as for one that is not there."""
        if not self.has_change_permission(request):
            return False
        self.found(request, object_id)
        return True

    def found(self, request: HttpRequest, object_id: Any) -> InboundWebhook:
        record = self.get_object(request, str(object_id)) if is_key(str(object_id)) else None
        if record is None:
            raise Http404
        return record

    # List

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return InboundList

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = ["enabled", ("verification", ChoicesCheckboxFilter)]
        return [*filters, ("account", RelatedDropdownFilter)] if scope_of(request).every_account else filters

    @display(description="Inbound webhook", ordering="name")
    def who(self, inbound: InboundWebhook) -> SafeString:
        alarm = inbound_page.alarm(inbound)
        below = format_html('<span class="lc-second lc-warn" title="{0}">{0}</span>', alarm.short) if alarm else ""
        return format_html(
            '<span class="lc-person"><span class="lc-lines"><span class="lc-first" title="{0}">{0}</span>{1}</span>'
            "</span>",
            inbound.name,
            below or format_html('<span class="lc-second" title="{0}">{0}</span>', inbound.description),
        )

    @display(description="Address")
    def address(self, inbound: InboundWebhook) -> SafeString:
        return format_html(
            '<button type="button" class="lc-button small" data-copy="{}" title="{}">'
            '<span class="lc-icon" data-icon="content_copy" aria-hidden="true"></span>'
            "<span data-label>Copy address</span></button>",
            address_of(inbound),
            address_of(inbound),
        )

    @display(description="Verification", ordering="verification")
    def proof(self, inbound: InboundWebhook) -> SafeString:
        return clip(Verification(inbound.verification).label)

    @display(description="State", ordering="enabled")
    def state(self, inbound: InboundWebhook) -> SafeString:
        return badge(*inbound_page.state(inbound))

    @display(description="Leads in 7 days")
    def leads(self, inbound: Any) -> SafeString | str:
        return inbound_page.linked(number(inbound.traffic.leads), inbound, "applied")

    @display(description="Refused in 7 days")
    def refused(self, inbound: Any) -> SafeString | str:
        return inbound_page.linked(number(inbound.traffic.refused), inbound, "refused")

    @display(description="Last received")
    def last(self, inbound: Any) -> SafeString | str:
        return ago(inbound.traffic.last) if inbound.traffic.last else "Never"

    # Form

    def get_fieldsets(self, request: HttpRequest, obj: InboundWebhook | None = None) -> list[Any]:
        choose = obj is None and scope_of(request).every_account
        head = [*(["account"] if choose else []), "name", "description", "enabled"]
        proof = ["verification", "signature_header", *(["typed_secret"] if obj is None else [])]
        return [
            (None, {"fields": head}),
            ("Who may post", {"fields": proof}),
            ("Which lead it is", {"fields": ["match", "update", "protected"]}),
            ("Take only when", {"fields": ["only_path", "only_values"]}),
            ("Where its leads go", {"fields": ["source", *([] if choose else OF_ACCOUNT)]}),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        inbound = kwargs.get("obj")
        if inbound is None:
            # After adding, its page comes, whatever button was pressed.
            context["show_save_and_continue"] = False
        else:
            # As it is stored, whatever was typed.
            context |= inbound_page.context(self, request, self.get_queryset(request).get(pk=inbound.pk))
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """None for Unfold to draw: the page's head has those that can be done now."""
        return []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        typed = form.cleaned_data.get("typed_secret", "")
        columns = [*form.columns]
        if secrets.stored(obj) == "" and (fresh := typed or secrets.new(obj.verification)):
            obj.secret = fresh
            columns.append("secret")
            if not typed:
                request._fresh = fresh  # type: ignore[attr-defined]
        if change:
            obj.save(update_fields=columns)
        else:
            obj.save()
        if fresh := getattr(request, "_fresh", ""):
            reveal.promise(request, obj, fresh)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        # On to its address, its secret and its mapping.
        return super().response_add(request, obj, post_url_continue or self.url("change", obj))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        if getattr(request, "_fresh", ""):
            # Where the secret is shown.
            return self._after_save(request, obj, added=False, stay=self.url("change", obj))
        return super().response_change(request, obj)

    def deletion(self, request: HttpRequest, inbound: InboundWebhook) -> Deletion:
        return Deletion(
            f"Delete {inbound}?",
            "Its address stops working: who posts there is answered 404. Its receipts stay, under its name, and cannot "
            "be processed again; its leads stay as well. One that is switched off can be switched on again.",
        )

    # Secrets

    @action(
        description="Rotate secret…",
        icon="key",
        permissions=["operate"],
        dialog={"form_class": RotateDialog, "form_submit_text": "Rotate secret"},
    )
    def rotate(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        keep, typed = form.cleaned_data["keep"], form.cleaned_data["typed_secret"]
        return self._turn(
            request, object_id, lambda pk: secrets.rotate(pk, keep, typed), "Secret rotated.", reveals=not typed
        )

    @action(
        description="End earlier secret…",
        icon="key_off",
        permissions=["operate"],
        dialog={"form_class": EndGraceDialog, "form_submit_text": "End earlier secret"},
    )
    def end_grace(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, secrets.end_grace, "Earlier secret ended.")

    def _turn(
        self, request: HttpRequest, object_id: str, do: Callable[[int], Any], said: str, *, reveals: bool = False
    ) -> HttpResponse:
        """Do it, note it in the admin's log, say so, and go back to the page. reveals: what it makes is shown once."""
        inbound = self.found(request, object_id)
        try:
            made = do(inbound.pk)
        except (secrets.WrongState, InboundWebhook.DoesNotExist) as refusal:
            messages.error(request, str(refusal))
        else:
            self.log_change(request, inbound, said)
            messages.success(request, said)
            if reveals:
                reveal.promise(request, inbound, made)
        return go_to(request, self.url("change", inbound))


def _minute(now: datetime, days: int) -> str:
    local = timezone.localtime(now + timedelta(days=days))
    return f"{local.day} {local:%b}, {local:%H:%M %Z}"
