"""The form of a webhook. What its system decides is read from the dialects: each has fields of its own.

Fields of the systems that are not chosen are hidden, yet posted: clean() reads the chosen system's only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from leads.admin.display import plural
from leads.admin.rows import WAS, Cells, Column, RowsWidget
from leads.models import Account, Office
from leads.scope import Scope
from webhooks import conf, dialects
from webhooks.dialects import DIALECTS
from webhooks.models import OPEN, Delivery, Webhook
from webhooks.outbound import header
from webhooks.outbound.address import Blocked, parse_url
from webhooks.outbound.compose import MASK
from webhooks.outbound.deliver import door
from webhooks.wire.dialect import Dialect, Setting

UNENCRYPTED = "http sends data unencrypted."
UNREADABLE = "What is stored cannot be decrypted: none of WEBHOOK_ENCRYPTION_KEYS fits. Bring the lost key back."


def events_field(dialect: Dialect) -> str:
    return f"{dialect.name}__events"


def setting_field(dialect: Dialect, setting: Setting) -> str:
    return f"{dialect.name}__{setting.name}"


def fields_of(dialect: Dialect) -> Iterator[str]:
    yield events_field(dialect)
    for setting in dialect.settings:
        yield setting_field(dialect, setting)


def conditions() -> dict[str, str]:
    """Unfold's conditional_fields: when which field is shown."""
    return {field: f"dialect == '{dialect.name}'" for dialect in DIALECTS.values() for field in fields_of(dialect)}


def in_words(event: str) -> str:
    """ "lead.created" as "Lead created"."""
    return capfirst(event.replace(".", " ").replace("_", " "))


class HeadersField(forms.Field):
    """Names and values in rows. A stored value is shown masked, and stays as it is while its mask is left untouched."""

    COLUMNS = (Column("name", "Name"), Column("value", "Value"))

    def __init__(self) -> None:
        super().__init__(
            widget=RowsWidget(self.COLUMNS, "Custom headers"),
            label="Custom headers",
            required=False,
            help_text="Sent with every request. Where leadcrm sets a header of the same name, leadcrm's is sent.",
        )

    @staticmethod
    def rows(stored: Mapping[str, str]) -> list[Cells]:
        return [{WAS: name, "name": name, "value": MASK} for name in stored]

    def to_python(self, value: list[Cells] | None) -> list[Cells]:
        """Without blank rows."""
        return [row for row in value or [] if row.get("name", "").strip() or row.get("value", "")]

    def has_changed(self, initial: list[Cells] | None, data: list[Cells] | None) -> bool:
        shown = [(row.get("name"), row.get("value")) for row in self.to_python(data)]
        return shown != [(row["name"], row["value"]) for row in initial or []]

    @staticmethod
    def build(rows: list[Cells], stored: Mapping[str, str]) -> dict[str, str]:
        """The headers to store. ValidationError with every fault; none of them repeats a value."""
        faults: list[str] = []
        built: dict[str, str] = {}
        for row in rows:
            name, value = row.get("name", "").strip(" "), row.get("value", "").strip(" \t")
            if value == MASK and row.get(WAS) in stored:
                value = stored[row[WAS]]
            if fault := header.name_fault(name):
                faults.append(fault)
            elif name.lower() in map(str.lower, built):
                faults.append(f"{name} stands here twice.")
            elif not value:
                faults.append(f"{name} has no value. Enter one, or remove the row.")
            elif fault := header.value_fault(name, value):
                faults.append(fault)
            built[name] = value
        if len(built) > header.MOST:
            faults.append(f"There may be at most {header.MOST} custom headers.")
        if faults:
            raise ValidationError(faults)
        return built


class _WebhookForm(forms.ModelForm):
    """Of the webhooks that `scope` may set up."""

    scope: Scope

    account = forms.ModelChoiceField(
        Account.objects.order_by("name"), widget=UnfoldAdminSelectWidget(), help_text="It cannot be changed later."
    )
    dialect = forms.ChoiceField(
        label="System",
        choices=dialects.choices,
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.HORIZONTAL, attrs={"class": "lc-system"}),
        help_text="Decides the payload, the signature, what counts as success and how often we try.",
    )
    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Shown in Webhook History. For example: LeadPro production.",
    )
    url = forms.CharField(
        label="Webhook URL",
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "spellcheck": "false", "autocapitalize": "off"}),
        help_text=mark_safe(
            "Events are sent here by HTTP POST."
            f' <span class="lc-warn" x-show="/^http:/i.test(url || \'\')">{UNENCRYPTED}</span>'
        ),
    )
    description = forms.CharField(required=False, max_length=2000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
    offices = forms.ModelMultipleChoiceField(
        Office.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(attrs={"class": "lc-grid-choice"}),
        help_text="Only leads of the chosen offices. None chosen: all leads, those without an office too.",
    )
    # Not by the column's name: a form reads the columns that it names, and this one may be beyond decrypting.
    headers = HeadersField()
    send_webhook_headers = forms.BooleanField(
        label="Send webhook-id, webhook-timestamp and webhook-signature",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="By these the receiver can drop repeats and old requests, and verify the sender.",
    )
    timeout = forms.IntegerField(
        label="Time limit",
        required=False,
        min_value=1,
        max_value=conf.LONGEST_TIMEOUT,
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    class Meta:
        model = Webhook
        fields = (
            "account",
            "dialect",
            "name",
            "url",
            "description",
            "offices",
            "send_webhook_headers",
            "timeout",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        webhook = self.instance
        # Only superusers choose, and only at birth: deliveries and events of the account point at it from then on.
        if webhook.pk is not None or not self.scope.every_account:
            del self.fields["account"]
        if webhook.pk is None:
            self.initial.setdefault("dialect", next(iter(DIALECTS)))
        else:
            self._show_headers()
        for dialect in DIALECTS.values():
            chosen = webhook.pk is not None and webhook.dialect == dialect.name
            self.initial[events_field(dialect)] = webhook.events if chosen else list(dialect.events)
            for setting in dialect.settings:
                value = webhook.setting(setting.name) if chosen else setting.default
                self.initial[setting_field(dialect, setting)] = value
        offices = self.scope.offices().select_related("account").order_by("account__name", "name")
        if webhook.pk is not None:
            offices = offices.filter(account_id=webhook.account_id)
        field: Any = self.fields["offices"]
        field.queryset = offices
        if "account" in self.fields:
            field.label_from_instance = lambda office: f"{office.account.name} – {office.name}"
        limits = ", ".join(f"{dialect.deadline:g} s for {dialect.label}" for dialect in DIALECTS.values())
        self.fields["timeout"].help_text = f"Seconds for one try, 1 to {conf.LONGEST_TIMEOUT}. Empty: {limits}."

    def _show_headers(self) -> None:
        field = self.fields["headers"]
        try:
            self.initial["headers"] = HeadersField.rows(self.instance.custom_headers)
        except ValueError:
            self.initial["headers"], field.disabled, field.help_text = [], True, UNREADABLE

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())

    def clean_url(self) -> str:
        """Refused here is what no try could do; the check that counts is made again at every try."""
        url: str = self.cleaned_data["url"]
        try:
            target = parse_url(url)
            policy = door().policy
            policy.check_target(target)
            if target.literal:
                policy.check_addresses(target, (target.host,))
        except Blocked as refusal:
            raise ValidationError(capfirst(str(refusal)), code=str(refusal.kind)) from None
        return url

    def clean_headers(self) -> list[Cells]:
        rows: list[Cells] = self.cleaned_data["headers"]
        if not self.fields["headers"].disabled:
            stored = self.instance.custom_headers if self.instance.pk is not None else {}
            self.instance.custom_headers = HeadersField.build(rows, stored)
        return rows

    @property
    def columns(self) -> set[str]:
        """The columns that this form decides. State and secret are other people's business meanwhile."""
        typed = {field.name for field in Webhook._meta.concrete_fields}.intersection(self.fields) | {
            "events",
            "settings",
        }
        return typed if self.fields["headers"].disabled else typed | {"custom_headers"}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        dialect = DIALECTS.get(cleaned.get("dialect", ""))
        if dialect is not None:
            self._clean_system(dialect)
        account_id = self._account_id()
        if any(office.account_id != account_id for office in cleaned.get("offices", ())):
            self.add_error("offices", "Choose offices of the webhook's own account.")
        if account_id is None and "account" not in self.errors:
            raise ValidationError("You belong to no account, so that this webhook would have none.")
        return cleaned

    def _clean_system(self, dialect: Dialect) -> None:
        webhook, cleaned = self.instance, self.cleaned_data
        if webhook.pk is not None and dialect.name != self.initial["dialect"]:
            waiting = Delivery.objects.filter(webhook=webhook, status__in=OPEN).count()
            if waiting:
                words = plural(waiting, "delivery waits", "deliveries wait")
                former = DIALECTS[self.initial["dialect"]].label
                self.add_error(
                    "dialect", f"{words} in the format of {former}. Let them be sent, or cancel them, first."
                )
        chosen = cleaned.get(events_field(dialect), [])
        if not chosen and events_field(dialect) not in self.errors:
            self.add_error(events_field(dialect), "Choose at least one event.")
        webhook.events = [event for event in dialect.events if event in chosen]
        webhook.settings = {
            setting.name: cleaned.get(name, setting.default)
            if self.add_prefix(name := setting_field(dialect, setting)) in self.data
            else setting.default
            for setting in dialect.settings
        }

    def _account_id(self) -> int | None:
        if self.instance.pk is not None:
            return self.instance.account_id
        if "account" in self.fields:
            account = self.cleaned_data.get("account")
            return account.pk if account else None
        return self.scope.account_id or None

    def _post_clean(self) -> None:
        if self.instance.pk is None and "account" not in self.fields:
            self.instance.account_id = self.scope.account_id
        super()._post_clean()  # type: ignore[misc]


def webhook_form(scope: Scope) -> type[forms.ModelForm]:
    """The form class with the fields of every dialect there is."""
    fields: dict[str, Any] = {"scope": scope}
    for dialect in DIALECTS.values():
        fields[events_field(dialect)] = forms.MultipleChoiceField(
            label="Events",
            choices=[(event, in_words(event)) for event in dialect.events],
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget(attrs={"class": "lc-grid-choice"}),
            help_text="One save can fire several events.",
        )
        for setting in dialect.settings:
            fields[setting_field(dialect, setting)] = _setting(setting)
    form: type[forms.ModelForm] = type(forms.ModelForm)("WebhookForm", (_WebhookForm,), fields)  # type: ignore[misc]
    return form


def _setting(setting: Setting) -> forms.Field:
    return forms.ChoiceField(
        label=setting.label,
        choices=setting.choices,
        # The empty text is a value like any other: no prefix, say.
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text=setting.help,
    )
