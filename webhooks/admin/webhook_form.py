"""The form of a webhook. What its system decides is read from the dialects: each has fields of its own.

Fields of the systems that are not chosen are hidden, yet posted: clean() reads the chosen system's only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms.models import model_to_dict
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
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

from leads.admin.base import is_key
from leads.admin.display import plural
from leads.admin.lead_fields import References
from leads.admin.rows import WAS, Cells, Column, RowsWidget
from leads.models import Account, Office
from leads.scope import Scope
from webhooks import conf, dialects, lapp, rules
from webhooks.admin.webhook_filters import FiltersField
from webhooks.dialects import DIALECTS
from webhooks.models import Kind, Webhook
from webhooks.outbound import filter_fields
from webhooks.outbound.address import Blocked
from webhooks.outbound.compose import MASK
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
    known = DIALECTS.values()
    optional = _chosen(dialect for dialect in known if dialect.secret == "optional")
    has_lapps = _chosen(dialect for dialect in known if dialect.lapps)
    is_lapp = f"({has_lapps} && kind == '{Kind.LAPP}')"
    of_http = {
        setting_field(dialect, setting): f"{_chosen([dialect])} && !{is_lapp}"
        for dialect in known
        for setting in dialect.settings
        if setting.of_http
    }
    return {field: _chosen([dialect]) for dialect in known for field in fields_of(dialect)} | {
        **of_http,
        "kind": has_lapps,
        # What is filled in stays to be seen, as it is refused.
        "url": f"!{is_lapp} || url",
        "lapp": f"{is_lapp} || ({has_lapps} && lapp)",
        "headers": f"!{is_lapp}",
        "typed_secret": f"{optional} && !{is_lapp}",
        "generate_secret": f"{optional} && !{is_lapp}",
        "send_webhook_headers": (
            f"{_chosen(dialect for dialect in known if dialect.webhook_headers == 'optional')} && !{is_lapp}"
        ),
        "execution_delay": _chosen(dialect for dialect in known if dialect.delays),
    }


def _chosen(systems: Iterable[Dialect]) -> str:
    """An expression of the page: whether one of these is chosen."""
    names = [dialect.name for dialect in systems]
    return f"dialect == '{names[0]}'" if len(names) == 1 else f"{names}.includes(dialect)"


def in_effect(webhook: Webhook, setting: Setting) -> str:
    """The value of a setting as staff read it."""
    value = webhook.setting(setting.name)
    if setting.kind == "yes_no":
        return "Yes" if value else "No"
    return dict(setting.choices).get(value, "–")


def by_system(words: Mapping[str, str | SafeString]) -> SafeString:
    """Of {name of a dialect: words} those of the chosen one. Without scripts all stand there, each after its system."""
    return format_html_join(
        " ",
        '<span x-show="dialect == \'{}\'"><span class="lc-unscripted">{}: </span>{}</span>',
        ((name, DIALECTS[name].label, text) for name, text in words.items()),
    )


def _url_help() -> SafeString:
    def sentence(dialect: Dialect) -> SafeString:
        chosen = any(setting.name == "method" for setting in dialect.settings)
        expression = f"{dialect.name}__method || '{dialect.method}'" if chosen else f"'{dialect.method}'"
        return format_html('Events are sent here by HTTP <span x-text="{}">{}</span>.', expression, dialect.method)

    return format_html(
        '{} <span class="lc-warn" x-show="/^http:/i.test(url || \'\')">{}</span>{}',
        by_system({dialect.name: sentence(dialect) for dialect in DIALECTS.values()}),
        UNENCRYPTED,
        _sending_addresses(),
    )


def _sending_addresses() -> SafeString | str:
    """For the receiver's firewall, where the operator has told them."""
    addresses = ", ".join(conf.sending_addresses())
    if not addresses:
        return ""
    return format_html(
        '<span class="lc-addresses">They come from <code class="lc-code">{0}</code>'
        '<button type="button" class="lc-button small" data-copy="{0}">'
        '<span class="lc-icon" data-icon="content_copy" aria-hidden="true"></span>'
        "<span data-label>Copy addresses</span></button></span>",
        addresses,
    )


def _system_help(siblings: Mapping[str, str]) -> SafeString:
    def sentence(dialect: Dialect) -> str | SafeString:
        if dialect.name not in siblings:
            return dialect.description
        return format_html('{} <span class="lc-warn">{}</span>', dialect.description, siblings[dialect.name])

    return format_html(
        "Decides the payload, the signature, what counts as success and how often we try. {}",
        by_system({dialect.name: sentence(dialect) for dialect in DIALECTS.values()}),
    )


def _lapp_help() -> SafeString | str:
    """What the chosen one does. Without scripts all stand there, each after its label."""
    known = lapp.registered()
    if not known:
        return "None is registered. Whoever runs this installation can add some."
    return format_html_join(
        " ",
        '<span x-show="lapp == \'{}\'"><span class="lc-unscripted">{}: </span>{}</span>',
        ((each.name, each.label, each.description) for each in known),
    )


def _siblings(scope: Scope) -> dict[str, str]:
    """Of the systems that know one endpoint, a sentence on those that the account has a webhook of already."""
    counts = {
        dialect.name: Webhook.objects.filter(scope.in_account(), dialect=dialect.name).count()
        for dialect in DIALECTS.values()
        if dialect.one_endpoint and not scope.every_account
    }
    return {
        name: f"This account has {plural(count, f'{DIALECTS[name].label} webhook')} already. {one_endpoint(name)}"
        for name, count in counts.items()
        if count
    }


def one_endpoint(name: str) -> str:
    return f"{DIALECTS[name].label} itself knows one endpoint per account; here, each webhook gets all of its events."


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
    def build(rows: list[Cells], stored: Mapping[str, str], dialect: Dialect) -> dict[str, str]:
        """The headers to store. ValidationError with every fault; none of them repeats a value."""
        given: list[tuple[str, str]] = []
        for row in rows:
            value = row.get("value", "").strip(" \t")
            if value == MASK and row.get(WAS) in stored:
                value = stored[row[WAS]]
            given.append((row.get("name", "").strip(" "), value))
        built, faults = rules.custom_headers(dialect, given)
        if faults:
            raise ValidationError(faults)
        return built


class _WebhookForm(forms.ModelForm):
    """Of the webhooks that `scope` may set up; a new one may begin as a copy of `source`."""

    scope: Scope
    source: Webhook | None = None

    account = forms.ModelChoiceField(
        Account.objects.order_by("name"), widget=UnfoldAdminSelectWidget(), help_text="It cannot be changed later."
    )
    dialect = forms.ChoiceField(
        label="System",
        choices=dialects.choices,
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.HORIZONTAL, attrs={"class": "lc-system"}),
    )
    kind = forms.ChoiceField(
        label="Type",
        choices=Kind.choices,
        initial=Kind.WEBHOOK,
        required=False,
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.HORIZONTAL, attrs={"class": "lc-system"}),
        help_text="A webhook calls a URL. A Lapp is a function of this installation, which runs in the worker.",
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
    )
    # As text, so that the one that is stored and no longer there is named in what is said of it.
    lapp = forms.CharField(label="Lapp", required=False, max_length=50, widget=UnfoldAdminSelectWidget())
    description = forms.CharField(
        required=False, max_length=rules.LONGEST_DESCRIPTION, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
    )
    offices = References(
        Office.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(attrs={"class": "lc-grid-choice"}),
        help_text="Only leads of the chosen offices. None chosen: all leads, those without an office too.",
    )
    filters = FiltersField()
    # At birth only, and only where the system can do without: later, the page's actions turn it. Shown as typed, as a
    # slip in it would be found out by the receiver alone.
    typed_secret = forms.CharField(
        label="Secret",
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off", "class": "lc-code-input"}
        ),
        help_text="The one that the receiver has, if it has one already. Left empty, requests are not signed.",
    )
    generate_secret = forms.BooleanField(
        label="Generate a secret",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Made when you save, and shown once.",
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
    execution_delay = forms.IntegerField(
        label="Execution delay",
        required=False,
        min_value=0,
        max_value=conf.LONGEST_DELAY,
        initial=0,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"Seconds from an event to its first try, 0 to {conf.LONGEST_DELAY:,}, which is a day. What is sent "
        "together is sent so long after its minute. Further tries are not delayed again.",
    )
    rate_limit = forms.IntegerField(
        label="Deliveries per second at most",
        required=False,
        min_value=1,
        max_value=rules.FASTEST,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"1 to {rules.FASTEST:,}. Empty: no limit. A delivery that waits for its turn uses up no try.",
    )
    keep_order = forms.BooleanField(
        label="Keep order per record",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Deliveries of one record leave one at a time, oldest first. One that has to be tried again holds up "
        "the later ones of its record, for an hour at most. Other records are not held up.",
    )

    notify_on_failure = forms.BooleanField(
        label="Notify on failure",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="The account's administrators get a mail when a delivery ends as Failure, at most one an hour for "
        "each cause, and one when the receiver works again.",
    )

    # Whoever typed it knows it: only one of ours is shown.
    secret_was_typed = False

    class Meta:
        model = Webhook
        fields = (
            "account",
            "dialect",
            "kind",
            "name",
            "url",
            "lapp",
            "description",
            "offices",
            "filters",
            "send_webhook_headers",
            "timeout",
            "execution_delay",
            "rate_limit",
            "keep_order",
            "notify_on_failure",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        webhook = self.instance
        self._shown = webhook if webhook.pk is not None else self.source
        if webhook.pk is None and self.source is not None:
            self.initial.update(model_to_dict(self.source, self._meta.fields))
            self.initial["name"] = f"Copy of {self.source.name}"[:100]
        # Only superusers choose, and only at birth: deliveries and events of the account point at it from then on.
        if webhook.pk is not None or not self.scope.every_account:
            del self.fields["account"]
        self.fields["dialect"].help_text = _system_help({} if webhook.pk is not None else _siblings(self.scope))
        self.fields["url"].help_text = _url_help()
        self.fields["url"].required = not self._is_lapp()
        self._show_lapps()
        if webhook.pk is None:
            self.initial.setdefault("dialect", next(iter(DIALECTS)))
        else:
            del self.fields["typed_secret"], self.fields["generate_secret"]
        if self._shown is not None:
            self._show_headers(self._shown)
        for dialect in DIALECTS.values():
            known = self._shown if self._shown is not None and self._shown.dialect == dialect.name else None
            # A copy of a webhook that has one event is made for the next one.
            begins = known is None or (dialect.one_event and webhook.pk is None)
            events = rules.events_at_first(dialect) if begins or known is None else known.events
            self.initial[events_field(dialect)] = "".join(events[:1]) if dialect.one_event else events
            for setting in dialect.settings:
                value = known.setting(setting.name) if known is not None else setting.default
                self.initial[setting_field(dialect, setting)] = value
        offices = self.scope.offices().select_related("account").order_by("account__name", "name")
        if webhook.pk is not None:
            offices = offices.filter(account_id=webhook.account_id)
        field: Any = self.fields["offices"]
        field.queryset = offices
        if "account" in self.fields:
            field.label_from_instance = lambda office: f"{office.account.name} – {office.name}"
        self._prepare_filters()
        self.fields["timeout"].help_text = format_html(
            "Seconds for one try, 1 to {}. {}",
            conf.LONGEST_TIMEOUT,
            by_system({dialect.name: f"Empty: {dialect.deadline:g} s." for dialect in DIALECTS.values()}),
        )

    def _is_lapp(self) -> bool:
        """As typed, or as it is shown at first."""
        dialect, kind = (
            self.data.get(self.add_prefix(name)) if self.is_bound else self.initial.get(name)
            for name in ("dialect", "kind")
        )
        return kind == Kind.LAPP and dialect in DIALECTS and DIALECTS[dialect].lapps

    def _show_lapps(self) -> None:
        field: Any = self.fields["lapp"]
        field.help_text = _lapp_help()
        stored = self.initial.get("lapp", "")
        gone = [(stored, f"{stored} (not there any more)")] if stored and lapp.label(stored) == stored else []
        field.widget.choices = [
            ("", "Choose a Lapp"),
            *((each.name, each.label) for each in lapp.registered()),
            *gone,
        ]

    def _prepare_filters(self) -> None:
        """What there is to filter by is the account's, which superusers choose in this very form."""
        widget: Any = self.fields["filters"].widget
        account_id = self.instance.account_id or self.scope.account_id or None
        if "account" in self.fields:
            widget.follows = ("account",)
            given = self.data.get(self.add_prefix("account")) if self.is_bound else self.initial.get("account")
            typed = str(given or "")
            chosen = Account.objects.filter(pk=int(typed)) if is_key(typed) else Account.objects.none()
            account_id = chosen.values_list("pk", flat=True).first()
        widget.fields = filter_fields.fields_of(account_id)
        args = [self.instance.pk] if self.instance.pk is not None else []
        widget.url = reverse(
            "admin:webhooks_webhook_filters" if args else "admin:webhooks_webhook_new_filters", args=args
        )

    def _show_headers(self, webhook: Webhook) -> None:
        field = self.fields["headers"]
        try:
            self.initial["headers"] = HeadersField.rows(webhook.custom_headers)
        except ValueError:
            self.initial["headers"], field.disabled, field.help_text = [], True, UNREADABLE

    def clean_name(self) -> str:
        return rules.tidy_name(self.cleaned_data["name"])

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if self._is_lapp():
            return url
        try:
            rules.check_url(url)
        except Blocked as refusal:
            raise ValidationError(capfirst(str(refusal)), code=str(refusal.kind)) from None
        return url

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
            self._clean_target(dialect)
            self._clean_system(dialect)
            self._clean_headers(dialect)
            self._clean_secret(dialect)
            if "url" in cleaned and (fault := rules.url_fault(dialect, cleaned["url"])):
                self.add_error("url", fault)
        account_id = self._account_id()
        if dialect is not None and account_id is not None and "name" in cleaned:
            self.instance.account_id = account_id
            if fault := rules.name_fault(self.instance, dialect, cleaned["name"]):
                self.add_error("name", ValidationError(fault, code="unique"))
        if any(office.account_id != account_id for office in cleaned.get("offices", ())):
            self.add_error("offices", rules.FOREIGN_OFFICE)
        if account_id is None and "account" not in self.errors:
            raise ValidationError("You belong to no account, so that this webhook would have none.")
        return cleaned

    def _clean_target(self, dialect: Dialect) -> None:
        cleaned = self.cleaned_data
        if not dialect.lapps:
            cleaned |= {"kind": Kind.WEBHOOK.value, "lapp": ""}
        cleaned["kind"] = cleaned.get("kind") or Kind.WEBHOOK.value
        url, name = cleaned.get("url", ""), cleaned.get("lapp", "")
        for column, rule, fault in rules.target_faults(dialect, cleaned["kind"], url, name):
            if column not in self.errors:
                self.add_error(column, ValidationError(fault, code=rule))

    def _clean_system(self, dialect: Dialect) -> None:
        webhook, cleaned = self.instance, self.cleaned_data
        if fault := rules.system_fault(webhook, self.initial["dialect"], dialect):
            self.add_error("dialect", fault)
        given = cleaned.get(events_field(dialect)) or []
        chosen = [given] if isinstance(given, str) else given
        if events_field(dialect) not in self.errors and (fault := rules.events_fault(dialect, chosen)):
            self.add_error(events_field(dialect), fault)
        webhook.events = rules.in_order(dialect, chosen)
        webhook.settings = {setting.name: self._value(dialect, setting) for setting in dialect.settings}
        if dialect.webhook_headers == "always":
            cleaned["send_webhook_headers"] = True
        if not dialect.delays:
            self.errors.pop("execution_delay", None)
        if not dialect.delays or cleaned.get("execution_delay") is None:
            cleaned["execution_delay"] = 0

    def _value(self, dialect: Dialect, setting: Setting) -> Any:
        name = setting_field(dialect, setting)
        # A browser sends nothing for a switch that is off.
        sent = setting.kind == "yes_no" or self.add_prefix(name) in self.data
        value = self.cleaned_data.get(name, setting.default) if sent else setting.default
        if setting.kind == "choice" and value not in dict(setting.choices):
            # The empty text is no choice of most settings.
            self.add_error(name, f"Choose one for {setting.label}.")
        return value

    def _clean_headers(self, dialect: Dialect) -> None:
        if self.fields["headers"].disabled or "headers" in self.errors or self._is_lapp():
            return
        stored = self._shown.custom_headers if self._shown is not None else {}
        try:
            self.instance.custom_headers = HeadersField.build(self.cleaned_data["headers"], stored, dialect)
        except ValidationError as faults:
            self.add_error("headers", faults)

    def _clean_secret(self, dialect: Dialect) -> None:
        if self.instance.pk is not None or self._is_lapp():
            return
        typed, generate = self.cleaned_data.get("typed_secret", ""), self.cleaned_data.get("generate_secret", False)
        try:
            self.instance.secret = rules.first_secret(dialect, typed, generate)
        except ValueError as fault:
            self.add_error("typed_secret", str(fault))
            return
        self.secret_was_typed = bool(typed) and self.instance.secret == typed

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


def webhook_form(scope: Scope, source: Webhook | None = None) -> type[forms.ModelForm]:
    """The form class with the fields of every dialect there is; source: what a new webhook begins as a copy of."""
    fields: dict[str, Any] = {"scope": scope, "source": source}
    for dialect in DIALECTS.values():
        fields[events_field(dialect)] = _events(dialect)
        for setting in dialect.settings:
            fields[setting_field(dialect, setting)] = _setting(setting)
    form: type[forms.ModelForm] = type(forms.ModelForm)("WebhookForm", (_WebhookForm,), fields)  # type: ignore[misc]
    return form


def _events(dialect: Dialect) -> forms.Field:
    choices = [(event, dialect.in_words(event)) for event in dialect.events]
    if dialect.one_event:
        return forms.ChoiceField(
            label="Event",
            choices=[("", "Choose an event"), *choices],
            required=False,
            widget=UnfoldAdminSelectWidget(),
            help_text=f"A webhook of {dialect.label} has one. For the next one, copy the webhook.",
        )
    return forms.MultipleChoiceField(
        label="Events",
        choices=choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(attrs={"class": "lc-grid-choice"}),
        help_text="One save can fire several events.",
    )


def _setting(setting: Setting) -> forms.Field:
    if setting.kind == "yes_no":
        return forms.BooleanField(
            label=setting.label, required=False, widget=UnfoldBooleanSwitchWidget(), help_text=setting.help
        )
    return forms.ChoiceField(
        label=setting.label,
        choices=setting.choices,
        # The empty text is a value like any other: no prefix, say.
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text=setting.help,
    )
