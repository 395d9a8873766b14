"""Webhooks: their list, their form, and what can be done with one.

Every action is a dialog that says what happens and posts, or the view of Send Test, which takes nothing but a POST.
What an action does stands in outbound/switch.py, rotation.py and trial.py; here is who may, and the words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.views import ChangeList

from leads.admin.base import go_to, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, ago, badge, plural
from webhooks import figures, lapp
from webhooks.admin import reveal, webhook_health, webhook_page, webhook_preview, words
from webhooks.admin.typed import TypedAdmin
from webhooks.admin.webhook_dialogs import (
    Dialog,
    DisableDialog,
    EnableDialog,
    GenerateDialog,
    PauseDialog,
    RemoveDialog,
    ResumeDialog,
    RotateDialog,
    SecretDialog,
    SwitchNowDialog,
    cancelled,
)
from webhooks.admin.webhook_form import (
    UNREADABLE,
    conditions,
    events_field,
    fields_of,
    in_effect,
    one_endpoint,
    webhook_form,
)
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Kind, Webhook
from webhooks.outbound import handshake, rotation, switch, trial
from webhooks.outbound.compose import MASK

_PACE = ("execution_delay", "rate_limit")


class WebhookList(ChangeList):
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # How the webhooks of the page stand, in one go.
        self.result_list = list(self.result_list)
        standings = figures.standings([webhook.pk for webhook in self.result_list])
        for webhook in self.result_list:
            webhook.standing = standings.get(webhook.pk, figures.Standing())


def _deliveries(count: int) -> str:
    return plural(count, "delivery", "deliveries")


@admin.register(Webhook)
class WebhookAdmin(TypedAdmin):
    list_display = ("shown_name", "shown_kind", "shown_state", "shown_last_try", "shown_waiting", "shown_last_success")
    list_display_links = ("shown_name",)
    list_per_page = 25
    list_select_related = ("account",)
    ordering = ("name",)
    search_fields = ("name", "url")
    search_help_text = "Name or URL"
    actions = None
    actions_row = ("view_history", "copy")
    actions_detail = ("pause", "resume", "disable", "enable", "rotate", "switch_now", "generate", "remove")
    empty_title = "No webhooks yet"
    empty_text = "They tell other systems about your leads."
    readonly_fields = (
        "shown_system",
        "shown_lapp",
        "shown_events",
        "shown_settings",
        "shown_headers",
        "shown_webhook_headers",
        "shown_kind",
        "shown_url",
        "shown_delay",
        "shown_rate",
        "shown_offices",
        "shown_filters",
    )
    delete_confirmation_template = "admin/leads/delete_confirmation.html"

    # Who may

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Webhooks are the whole account's: who sees single offices only sees none of them."""
        scope = scope_of(request)
        return queryset.filter(scope.in_account()) if scope.whole_account else queryset.none()

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """For the actions. Raises Http404 for a webhook out of scope, as for one that is not there."""
        if not self.has_change_permission(request):
            return False
        self.found(request, object_id)
        return True

    # By name and not by codename: Unfold's check of those asks the database, which migrate may find empty.

    def has_look_back_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """To Webhook History."""
        return request.user.has_perm("webhooks.view_delivery")

    def has_copy_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    # List

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WebhookList

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = [(name, ChoicesCheckboxFilter) for name in ("state", "dialect", "kind")]
        return [*filters, ("account", RelatedDropdownFilter)] if scope_of(request).every_account else filters

    @display(description="Webhook", ordering="name")
    def shown_name(self, webhook: Webhook) -> SafeString:
        return format_html(
            '<span class="lc-person"><span class="lc-lines"><span class="lc-first" title="{0}">{0}</span>'
            '<span class="lc-second" title="{1}">{2} · {3}</span></span></span>',
            webhook.name,
            webhook.url or webhook.lapp,
            webhook.wire.label,
            webhook_page.target(webhook),
        )

    @display(description="Type", ordering="kind")
    def shown_kind(self, webhook: Webhook) -> str:
        return webhook.get_kind_display()

    @display(description="State")
    def shown_state(self, webhook: Any) -> SafeString:
        return format_html(
            '<span class="lc-lines lc-standing-lines">{}{}</span>',
            badge(*webhook_health.state(webhook, webhook.standing)),
            webhook_health.reason(webhook, webhook.standing),
        )

    @display(description="Last try")
    def shown_last_try(self, webhook: Any) -> SafeString:
        delivery: Delivery | None = webhook.standing.last_try
        if delivery is None:
            return MISSING
        return format_html(
            '<span class="lc-lines"><span>{}</span><span class="lc-second">{}</span></span>',
            words.answer(delivery),
            ago(delivery.transmitted_at),
        )

    @display(description="Waiting")
    def shown_waiting(self, webhook: Any) -> SafeString | str:
        return webhook_page.waiting_link(webhook, webhook.standing)

    @display(description="Last success")
    def shown_last_success(self, webhook: Any) -> SafeString | str:
        return webhook_page.last_success(webhook.standing)

    # Form

    @property
    def conditional_fields(self) -> dict[str, str]:
        return conditions()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        source = self._copied(request) if obj is None else None
        return super().get_form(request, obj, change, form=webhook_form(scope_of(request), source), **kwargs)

    def _copied(self, request: HttpRequest) -> Webhook | None:
        """The webhook that a new one begins as a copy of. Values of headers go with it: only for who may set it up."""
        if not is_key(key := request.GET.get("copy", "")):
            return None
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self.found(request, key)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return self._view_only(obj)
        account = ("account",) if obj is None and scope_of(request).every_account else ()
        settings = [
            name for dialect in DIALECTS.values() for name in fields_of(dialect) if name != events_field(dialect)
        ]
        secret = ("typed_secret", "generate_secret") if obj is None else ()
        return (
            (None, {"fields": (*account, "dialect", "kind", "name", "url", "lapp", "description")}),
            (None, {"fields": (*map(events_field, DIALECTS.values()), "offices", "filters")}),
            ("Sending", {"fields": (*settings, *secret, "headers", *self._sending, *_PACE, *self._habits)}),
        )

    _sending = ("send_webhook_headers", "timeout")
    _habits = ("keep_order", "notify_on_failure")

    def _view_only(self, webhook: Webhook) -> Any:
        """No secret is among these: what a model field would show is decrypted. Nor is a field that conditions() names:
        where there is no form, the page knows of no choice and would hide it."""
        wire, is_lapp = webhook.wire, webhook.kind == Kind.LAPP
        which = ("shown_kind", "name", "shown_lapp") if is_lapp else ("name", "shown_url")
        of_http = () if is_lapp else ("shown_settings", "shown_headers")
        optional = ("shown_webhook_headers",) if not is_lapp and wire.webhook_headers == "optional" else ()
        delay = ("shown_delay",) if wire.delays else ()
        return (
            (None, {"fields": ("shown_system", *which, "description")}),
            (None, {"fields": ("shown_events", "shown_offices", "shown_filters")}),
            ("Sending", {"fields": (*of_http, *optional, "timeout", *delay, "shown_rate", *self._habits)}),
        )

    @display(description="System")
    def shown_system(self, webhook: Webhook) -> str:
        return webhook.wire.label

    @display(description="Webhook URL")
    def shown_url(self, webhook: Webhook) -> str:
        return webhook.url

    @display(description="Lapp")
    def shown_lapp(self, webhook: Webhook) -> str:
        return lapp.label(webhook.lapp)

    @display(description="Events")
    def shown_events(self, webhook: Webhook) -> str:
        return ", ".join(webhook.wire.in_words(event) for event in webhook.events)

    @display(description="Offices")
    def shown_offices(self, webhook: Webhook) -> str:
        return ", ".join(office.name for office in webhook.offices.order_by("name")) or "All offices"

    @display(description="Filters")
    def shown_filters(self, webhook: Webhook) -> str:
        return webhook_page.filters(webhook).summary or "None: all leads"

    @display(description="Settings")
    def shown_settings(self, webhook: Webhook) -> str:
        return "; ".join(f"{setting.label}: {in_effect(webhook, setting)}" for setting in webhook.wire.settings) or "–"

    @display(description="Custom headers")
    def shown_headers(self, webhook: Webhook) -> str:
        try:
            return ", ".join(f"{name}: {MASK}" for name in webhook.custom_headers) or "–"
        except ValueError:
            return UNREADABLE

    @display(description="Send webhook-id, webhook-timestamp and webhook-signature", boolean=True)
    def shown_webhook_headers(self, webhook: Webhook) -> bool:
        return webhook.send_webhook_headers

    @display(description="Execution delay")
    def shown_delay(self, webhook: Webhook) -> str:
        return f"{webhook.execution_delay} s"

    @display(description="Deliveries per second at most")
    def shown_rate(self, webhook: Webhook) -> str:
        return str(webhook.rate_limit or "No limit")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context: dict[str, Any] = {"show_save_and_add_another": False, **(extra_context or {})}
        if object_id is None:
            source = self._copied(request)
            # After adding, the page with the secret comes, whatever button was pressed.
            context |= {
                "show_save_and_continue": False,
                "preview_url": self.url("new_preview") + (f"?copy={source.pk}" if source else ""),
            }
        elif request.method == "GET":
            context |= webhook_page.context(self, request, self.found(request, object_id))
        return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        webhook = kwargs.get("obj")
        if webhook is not None and "page" not in context:
            # A form with errors. The name in the head is the stored one.
            context |= webhook_page.context(self, request, Webhook.objects.get(pk=webhook.pk))
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """None for Unfold to draw: the page's head has them together with Send Test, which has to be a button."""
        return []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=form.columns)
            moved = {"url", "dialect"}.intersection(form.changed_data)
            handshake.saved(obj, "" if moved else obj.url)
            return
        obj.secret_since = timezone.now() if obj.secret else None
        obj.save()
        handshake.saved(obj)
        if obj.secret and not form.secret_was_typed:
            reveal.promise(request, obj, obj.secret)

    def _after_save(self, request: HttpRequest, obj: Any, *, added: bool, stay: str | None = None) -> Any:
        if added:
            self.tell(request, lambda: self.saved_message(request, obj, added))
            self._warn_of_siblings(request, obj)
            # Where the secret is shown.
            return HttpResponseRedirect(self.url("change", obj))
        return super()._after_save(request, obj, added=added, stay=stay)

    def _warn_of_siblings(self, request: HttpRequest, webhook: Webhook) -> None:
        count = Webhook.objects.filter(account_id=webhook.account_id, dialect=webhook.dialect).count()
        if webhook.wire.one_endpoint and count > 1:
            label = webhook.wire.label
            words = f"{webhook.account} has {count} {label} webhooks now. {one_endpoint(webhook.dialect)}"
            messages.warning(request, words)

    # Deleting

    def deletion(self, request: HttpRequest, obj: Any) -> Deletion:
        return Deletion(
            title=f"Delete {obj.name}?",
            text=f"{cancelled(obj)} Its history stays, under its name; what the test inbox received for it goes.",
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        request._cancelled = switch.delete(obj.pk)  # type: ignore[attr-defined]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        count: int = request._cancelled  # type: ignore[attr-defined]
        self.tell(request, lambda: f"Webhook {obj_display} deleted. {_deliveries(count)} cancelled.")
        return HttpResponseRedirect(self.url("changelist"))

    # Actions

    @action(description="View history", permissions=["look_back"], url_path="view-history", icon="history")
    def view_history(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(webhook_page.history(self.found(request, object_id)))

    @action(
        description="Copy webhook",
        permissions=["copy"],
        url_path="copy",
        icon="content_copy",
    )
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of a new webhook, filled in; nothing is made before it is saved."""
        return HttpResponseRedirect(f"{self.url('add')}?copy={self.found(request, object_id).pk}")

    @action(
        description="Pause…",
        icon="pause",
        permissions=["operate"],
        dialog={"form_class": PauseDialog, "form_submit_text": "Pause webhook"},
    )
    def pause(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, switch.pause, lambda count: f"Paused. {_deliveries(count)} held.")

    @action(
        description="Resume…",
        icon="play_arrow",
        permissions=["operate"],
        dialog={"form_class": ResumeDialog, "form_submit_text": "Resume webhook"},
    )
    def resume(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, switch.resume, lambda count: f"Resumed. {_deliveries(count)} queued.")

    @action(
        description="Disable…",
        icon="block",
        permissions=["operate"],
        dialog={"form_class": DisableDialog, "form_submit_text": "Disable webhook"},
    )
    def disable(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        return self._turn(
            request, object_id, switch.disable, lambda count: f"Disabled. {_deliveries(count)} cancelled."
        )

    @action(
        description="Enable…",
        icon="play_arrow",
        permissions=["operate"],
        dialog={"form_class": EnableDialog, "form_submit_text": "Enable webhook"},
    )
    def enable(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, switch.enable, lambda _: "Enabled. New events are recorded and sent.")

    @action(
        description="Rotate secret…",
        icon="key",
        permissions=["operate"],
        dialog={"form_class": RotateDialog, "form_submit_text": "Rotate secret"},
    )
    def rotate(self, request: HttpRequest, form: SecretDialog, object_id: str) -> HttpResponse:
        overlap, typed = form.cleaned_data["overlap"], form.typed
        return self._turn(
            request,
            object_id,
            lambda pk: rotation.rotate(pk, overlap, typed),
            lambda _: "Secret rotated.",
            reveals=not typed,
        )

    @action(
        description="Switch now…",
        icon="key",
        permissions=["operate"],
        dialog={"form_class": SwitchNowDialog, "form_submit_text": "Switch now"},
    )
    def switch_now(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, rotation.switch_now, lambda _: "Switched. The next secret signs now.")

    @action(
        description="Generate secret…",
        icon="key",
        permissions=["operate"],
        dialog={"form_class": GenerateDialog, "form_submit_text": "Generate secret"},
    )
    def generate(self, request: HttpRequest, form: SecretDialog, object_id: str) -> HttpResponse:
        typed = form.typed
        return self._turn(
            request,
            object_id,
            lambda pk: rotation.generate(pk, typed),
            lambda _: "Secret stored." if typed else "Secret generated.",
            reveals=not typed,
        )

    @action(
        description="Remove secret…",
        icon="key_off",
        permissions=["operate"],
        dialog={"form_class": RemoveDialog, "form_submit_text": "Remove secret"},
    )
    def remove(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, rotation.remove, lambda _: "Secret removed. Nothing is signed any more.")

    def _turn(
        self,
        request: HttpRequest,
        object_id: str,
        do: Callable[[int], Any],
        say: Callable[[Any], str],
        *,
        reveals: bool = False,
    ) -> HttpResponse:
        """Do it, note it in the admin's log, say so, and go back to the page. reveals: what it makes is shown once."""
        webhook = self.found(request, object_id)
        try:
            made = do(webhook.pk)
        except (switch.WrongState, Webhook.DoesNotExist) as refusal:
            messages.error(request, str(refusal))
        else:
            said = say(made)
            self.log_change(request, webhook, said)
            messages.success(request, said)
            if reveals:
                reveal.promise(request, webhook, made)
        return go_to(request, self.url("change", webhook))

    # Views of our own

    def get_custom_urls(self) -> Any:
        return (
            ("<int:webhook_id>/test/", "webhooks_webhook_test", self.test_view),
            ("preview/", "webhooks_webhook_new_preview", self.preview_view),
            ("<int:webhook_id>/preview/", "webhooks_webhook_preview", self.preview_view),
            ("filters/", "webhooks_webhook_new_filters", self.filters_view),
            ("<int:webhook_id>/filters/", "webhooks_webhook_filters", self.filters_view),
        )

    def test_view(self, request: HttpRequest, webhook_id: int, model_admin: Any) -> HttpResponse:
        """Not a dialog, and not in any transaction: it waits for the receiver."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        webhook = self.found(request, webhook_id)
        try:
            delivery = trial.send_test(webhook)
        except ValueError as error:
            messages.error(request, f"No test was sent: {error}.")
            return HttpResponseRedirect(self.url("change", webhook))
        self.log_change(request, webhook, "Sent a test.")
        return HttpResponseRedirect(f"{self.url('change', webhook)}?test={delivery.pk}")

    def filters_view(self, request: HttpRequest, model_admin: Any, webhook_id: int | None = None) -> HttpResponse:
        return self.conditions_builder(request, webhook_id, "filters")

    def preview_view(self, request: HttpRequest, model_admin: Any, webhook_id: int | None = None) -> HttpResponse:
        """Below the page's head for htmx; a page of its own without scripts. Stores nothing: no unit of work."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = self.typed_form(request, webhook_id)
        context: dict[str, Any] = {"title": "Preview", "opts": self.opts, "form": form}
        if form.is_valid():
            context["preview"] = webhook_preview.preview(
                form.instance,
                [office.pk for office in form.cleaned_data["offices"]],
                typed=form.secret_was_typed,
                leads=scope_of(request).whole_account and request.user.has_perm("webhooks.view_body"),
            )
        if request.headers.get("HX-Request"):
            return TemplateResponse(request, "admin/webhooks/webhook/preview.html", context)
        page = self.admin_site.each_context(request) | context
        return TemplateResponse(request, "admin/webhooks/webhook/preview_page.html", page)
