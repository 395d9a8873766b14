"""Screens of what an account owns and sets up: its offices, pipelines, labels and custom fields."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from leads.admin.base import Admin, scope_of
from leads.admin.display import number
from leads.admin.lead_fields import Text
from leads.fields import BY_KEY
from leads.scope import Scope
from leads.validation import RULES

_ANY_TEXT = BY_KEY["notes"]


def check_text(label: str, text: str) -> None:
    """A validator: what a lead's texts may not hold would break receivers, logs and CSV from here as well."""
    rule = RULES["control_characters"].value
    if rule is not None and (message := rule(_ANY_TEXT, text)) is not None:
        raise forms.ValidationError(f"{label} {message}.", code="control_characters")


def long_text(column: Any) -> Text:
    """The input of a column that holds lines of text; unset is NULL, as the API has it."""
    label = capfirst(column.verbose_name)
    return Text(
        label=label,
        required=False,
        max_length=column.max_length,
        lines=True,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        validators=[partial(check_text, label)],
    )


class OwnedForm(forms.ModelForm):
    """A record stays in the account it was made in: the choice is a superuser's, and only once.

    A class of its own for each request, see `for_writer`.
    """

    scope: Scope
    readonly = False

    @classmethod
    def for_writer(cls, scope: Scope, *, readonly: bool) -> type[OwnedForm]:
        return type(cls.__name__, (cls,), {"scope": scope, "readonly": readonly})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.adding = self.instance.pk is None
        if not (self.adding and self.scope.every_account):
            del self.fields["account"]
            if self.adding:
                self.instance.account_id = self.scope.account_id
        self.prepare()
        for name, field in self.fields.items():
            field.disabled = field.disabled or self.readonly
            if isinstance(field.widget, forms.TextInput):
                field.validators.append(partial(check_text, str(field.label)))
                field.error_messages["required"] = f"{field.label} is required."
            elif name == "account":
                field.error_messages["required"] = "Account must be one of those on offer."

    def prepare(self) -> None:
        """Fields beyond those of the model."""

    def offer(self, name: str, queryset: QuerySet[Any], empty: str) -> None:
        """What a reference may be given. What is chosen stays on offer, whoever may choose it now."""
        field: Any = self.fields[name]
        field.queryset = queryset | queryset.model.objects.filter(pk=getattr(self.instance, f"{name}_id"))
        field.empty_label = empty
        field.error_messages["invalid_choice"] = f"{field.label} must be one of those on offer."

    def _get_validation_exclusions(self) -> set[str]:
        # A name is judged within the account, whether or not the form asks for the account.
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions - {"account"}


class OwnedAdmin(Admin):
    """A subclass names its form, and the fields that stand in it."""

    form: ClassVar[type[OwnedForm]]
    fields_of_form: ClassVar[Sequence[Any]] = ("name",)
    columns: ClassVar[Sequence[str]] = ("name",)
    list_select_related: Sequence[str] = ("account",)
    search_fields: Sequence[str] = ("name",)

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(scope_of(request).in_account())

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Somebody of no account has nowhere to put it.
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    def get_list_display(self, request: HttpRequest) -> list[str]:
        first, *others = self.columns
        return [first, *(["account"] if scope_of(request).every_account else []), *others]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        choose = obj is None and scope_of(request).every_account
        return [(None, {"fields": [*(["account"] if choose else []), *self.fields_of_form]})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[OwnedForm]:
        readonly = obj is not None and not self.has_change_permission(request, obj)
        return self.form.for_writer(scope_of(request), readonly=readonly)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Disabled fields show more than Unfold's read-only ones, which know columns only.
        context["adminform"].readonly_fields = ()
        return super().render_change_form(request, context, *args, **kwargs)


ACCOUNT = {"account": UnfoldAdminSelectWidget}


def leads_where(**query: Any) -> str:
    """The list of the leads behind a number."""
    return f"{reverse('admin:leads_lead_changelist')}?{urlencode(query)}"


def leads_link(count: int | None = None, **query: Any) -> SafeString:
    text = "View leads" if count is None else number(count)
    return format_html('<a class="lc-link" href="{}">{}</a>', leads_where(**query), text)
