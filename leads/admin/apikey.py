"""API keys: made, shown once, regenerated, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from leads.admin.base import Admin, go_to, is_key, scope_of
from leads.admin.display import ago, at, badge, clip, mono
from leads.models import ApiKey
from leads.models.apikey import NEEDS, Scope
from leads.scope import Scope as Reach
from leads.scope import may_touch

# Seconds that the old key works on -> what that is called.
GRACES = {
    0: "Stops at once",
    60 * 60: "Works for 1 hour more",
    24 * 60 * 60: "Works for 24 hours more",
    7 * 24 * 60 * 60: "Works for 7 days more",
}
# How long the page that follows has to come for the secret, in seconds.
_SHOWN_WITHIN = 120


class ApiKeyForm(forms.ModelForm):
    """On a stored key only the name can be changed: for other scopes there are other keys."""

    writer: Any
    reach: Reach

    class Meta:
        model = ApiKey
        fields = ["account", "name", "scopes", "expires_at"]
        widgets = {"account": UnfoldAdminSelectWidget, "name": UnfoldAdminTextInputWidget}
        help_texts = {"name": "Who or what uses it, such as website."}

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="A key may never do more than the person who made it.",
        error_messages={
            "required": "Scopes must be at least one.",
            "invalid_choice": "Scopes must be among those on offer: a key may never do more than you.",
        },
    )
    expires_at = forms.DateTimeField(
        label="Expires",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text="UTC. Never when left empty.",
        error_messages={"invalid": "Expires must be a date and time."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:
            # Offered is what the writer may; anything else is refused.
            self.fields["scopes"].choices = [  # type: ignore[attr-defined]
                (scope.value, f"{scope.label} ({scope.value})")
                for scope in Scope
                if self.writer.has_perms(NEEDS[scope])
            ]
        if "account" in self.fields:
            self.fields["account"].error_messages["required"] = "Account must be chosen."
        elif self.instance.pk is None:
            self.instance.account_id = self.reach.account_id

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError("Expires must be in the future.", code="past")
        return moment


class KeyDialog(BaseDialogForm):
    """Raises Http404 for a key that the user does not see, before anything of it is shown."""

    def __init__(self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        pk = str(object_id)
        key = visible(request).filter(pk=int(pk)).first() if is_key(pk) else None
        if key is None:
            raise Http404
        self.key: ApiKey = key

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        return {"key": self.key}


class RevokeForm(KeyDialog):
    form_before_template = "admin/leads/apikey/revoke_dialog.html"


class StopOldForm(KeyDialog):
    form_before_template = "admin/leads/apikey/stop_old_dialog.html"


class RegenerateForm(KeyDialog):
    form_before_template = "admin/leads/apikey/regenerate_dialog.html"

    grace = forms.ChoiceField(
        label="The old key",
        choices=[(str(seconds), words) for seconds, words in GRACES.items()],
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "The old key must stop at one of the times on offer."},
    )


def visible(request: HttpRequest) -> QuerySet[ApiKey]:
    reach = scope_of(request)
    keys = ApiKey.objects.select_related("account", "user")
    return keys.filter(reach.in_account()) if reach.whole_account else keys.none()


@admin.register(ApiKey)
class ApiKeyAdmin(Admin):
    form = ApiKeyForm
    list_display_links = ("name",)
    list_select_related = ("account", "user")
    search_fields = ("name", "prefix")
    search_help_text = "Name or first characters"
    ordering = ("-created_at", "-id")
    actions_detail = ("revoke", "stop_old", "regenerate")
    empty_title = "No API keys yet"
    empty_text = "Programs sign in to the API with a key."

    def scoped(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        return queryset.filter(pk__in=visible(request).order_by().values("pk"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Revoked keys stay, as the history names them.
        return False

    # --- the list ---

    def get_list_display(self, request: HttpRequest) -> list[str]:
        account = ["account"] if scope_of(request).every_account else []
        return ["name", "starts_with", "state", "may", *account, "maker", "last_used", "expires"]

    @display(description="Key")
    def starts_with(self, key: ApiKey) -> SafeString:
        return mono(f"{key.prefix}…")

    @display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        return badge(*state_of(key))

    @display(description="Scopes")
    def may(self, key: ApiKey) -> SafeString:
        return clip(", ".join(key.scopes))

    @display(description="Made by")
    def maker(self, key: ApiKey) -> SafeString:
        return clip(str(key.user))

    @display(description="Last used")
    def last_used(self, key: ApiKey) -> SafeString | str:
        return ago(key.last_used_at) if key.last_used_at else "Never"

    @display(description="Expires")
    def expires(self, key: ApiKey) -> SafeString | str:
        return ago(key.expires_at) if key.expires_at else "Never"

    # --- the form ---

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> list[Any]:
        if obj is not None:
            return [(None, {"fields": ["name"]})]
        account = ["account"] if scope_of(request).every_account else []
        return [(None, {"fields": [*account, "name", "scopes", "expires_at"]})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            # Declared fields come along whatever the fieldsets say.
            form = type(form.__name__, (form,), {"scopes": None, "expires_at": None})
        form.writer, form.reach = request.user, scope_of(request)
        return form

    def save_model(self, request: Any, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            obj.user = request.user
            request._secret = obj.generate()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """On to the key's page, with the secret in a cookie for it alone: the server stores it nowhere."""
        page = self.url("change", obj)
        response = super().response_add(request, obj, page)
        response.headers["Location"] = page
        return self._shown_next(request, response, obj, request._secret)  # type: ignore[attr-defined]

    def _shown_next(self, request: HttpRequest, response: HttpResponse, key: ApiKey, secret: str) -> HttpResponse:
        response.set_signed_cookie(
            _cookie(key.pk),
            secret,
            salt=_SALT,
            max_age=_SHOWN_WITHIN,
            path=self.url("change", key),
            secure=request.is_secure(),
            httponly=True,
            samesite="Strict",
        )
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        name = _cookie(object_id)
        if object_id is None or request.method != "GET" or name not in request.COOKIES:
            return super().changeform_view(request, object_id, form_url, extra_context)
        secret = request.get_signed_cookie(name, default="", salt=_SALT, max_age=_SHOWN_WITHIN)
        context = {"secret": secret, **(extra_context or {})}
        response = super().changeform_view(request, object_id, form_url, context)
        response.delete_cookie(name, path=request.path, samesite="Strict")
        return response

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if kwargs.get("obj") is not None:
            context["state"] = state_of(kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    # --- regenerate, stop the old one, revoke ---

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        key = self.get_object(request, str(object_id))
        if key is None or key.revoked_at is not None:
            return []
        useless = set() if key.old_works else {"leads_apikey_stop_old"}
        if not self._may_regenerate(request, key):
            useless.add("leads_apikey_regenerate")
        return [one for one in super().get_actions_detail(request, object_id) if one.action_name not in useless]

    def _may_regenerate(self, request: HttpRequest, key: ApiKey) -> bool:
        """Whoever sees the new secret could do what its maker may: nobody gets more than their own rights by it."""
        needed = {permission for scope in key.scopes for permission in NEEDS.get(scope, ())}
        return key.user == request.user or (may_touch(request.user, key.user) and request.user.has_perms(needed))

    @action(
        description="Regenerate…",
        permissions=["change"],
        url_path="regenerate",
        icon="autorenew",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Regenerate this API key?",
            "description": "",
            "form_class": RegenerateForm,
            "form_submit_text": "Regenerate key",
        },
    )
    def regenerate(self, request: HttpRequest, form: RegenerateForm, object_id: str) -> HttpResponse:
        with transaction.atomic():
            # Of two at once the second one's old key is the first one's new one.
            key = ApiKey.objects.select_for_update(of=("self",)).get(pk=form.key.pk)
            if key.revoked_at is not None or not self._may_regenerate(request, key):
                raise PermissionDenied
            before = key.prefix
            secret = key.regenerate(timedelta(seconds=int(form.cleaned_data["grace"])))
        until = f"works until {at(key.old_until)}" if key.old_until else "stopped"
        self.log_change(request, key, f"Regenerated: {before}… is {key.prefix}… now.")
        messages.success(request, format_html("API key {} regenerated. The old one {}.", key, until))
        return self._shown_next(request, go_to(request, self.url("change", key)), key, secret)

    @action(
        description="Stop old key…",
        permissions=["change"],
        url_path="stop-old",
        icon="timer_off",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Stop the old key now?",
            "description": "",
            "form_class": StopOldForm,
            "form_submit_text": "Stop old key",
        },
    )
    def stop_old(self, request: HttpRequest, form: StopOldForm, object_id: str) -> HttpResponse:
        form.key.stop_old()
        self.log_change(request, form.key, "Stopped the old key.")
        messages.success(request, f"The old key of {form.key} stopped.")
        return go_to(request, self.url("change", form.key))

    @action(
        description="Revoke…",
        permissions=["change"],
        url_path="revoke",
        icon="block",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Revoke this API key?",
            "description": "",
            "form_class": RevokeForm,
            "form_submit_text": "Revoke key",
        },
    )
    def revoke(self, request: HttpRequest, form: RevokeForm, object_id: str) -> HttpResponse:
        ApiKey.objects.filter(pk=form.key.pk, revoked_at=None).update(revoked_at=timezone.now())
        messages.success(request, f"API key {form.key} revoked.")
        return go_to(request, self.url("changelist"))


_SALT = "leads.admin.apikey"


def _cookie(object_id: Any) -> str:
    return f"api-key-{object_id}"


def state_of(key: ApiKey) -> tuple[str, str]:
    """The look and the word of a key's state."""
    if key.revoked_at is not None:
        return "disabled", "Revoked"
    if key.expires_at is not None and key.expires_at <= timezone.now():
        return "disabled", "Expired"
    if not key.user.is_active:
        return "paused", "Maker inactive"
    return "enabled", "Active"
