"""The form of an inbound webhook, but for its mapping, which has a page of its own. Its rules: inbound/rules.py."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from leads import intake
from leads import setup as setups
from leads.admin.intake_fields import CONDITIONS as INTAKE_CONDITIONS
from leads.admin.owned import ACCOUNT, OwnedForm, long_text
from leads.fields import GROUPS
from leads.models.apikey import Scope as KeyScope
from leads.setup import Setup
from webhooks.inbound import rules, secrets
from webhooks.models import InboundWebhook, Verification

# What stands in one account only, and is asked for once it is known which.
OF_ACCOUNT = ("list", "office", "pipeline", "assign", "owner")
# When which field is shown.
CONDITIONS = {
    **INTAKE_CONDITIONS,
    "signature_header": f"verification == '{Verification.HMAC}'",
    "typed_secret": f"verification != '{Verification.BEARER}'",
}
_EACH_NEW = "Nothing: each post makes a new lead"


class ValuesField(forms.CharField):
    """Texts, one in a line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        return list(dict.fromkeys(line.strip() for line in str(value or "").splitlines() if line.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and (initial or []) != self.to_python(data)


class KeysField(forms.MultipleChoiceField):
    """Keys of the catalogue. Which there are is the rules' business."""

    def validate(self, value: Any) -> None:
        pass

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and sorted(initial or []) != sorted(data or [])


class InboundWebhookForm(OwnedForm):
    description = long_text(InboundWebhook._meta.get_field("description"))
    typed_secret = forms.CharField(
        label="Secret",
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The one that the sender has, if it has one already. Empty: one is generated, and shown once.",
    )
    only_values = ValuesField(
        label="Is one of", help_text="One value in each line, as it comes: capitals count. Empty: any value will do."
    )
    match = forms.ChoiceField(
        label="Recognise leads by",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="A post whose value a lead has already is an update of it. Map this field.",
    )
    protected = KeysField(
        label="Never overwrite",
        required=False,
        widget=UnfoldAdminSelect2MultipleWidget,
        help_text="Fields that keep the value they have, whatever comes.",
    )

    class Meta:
        model = InboundWebhook
        fields = [
            *("account", "name", "description", "enabled", "verification", "signature_header"),
            *("only_path", "only_values", "match", "update", "protected"),
            *("list", "source", "office", "pipeline", "assign", "owner"),
        ]
        widgets = ACCOUNT | {
            "name": UnfoldAdminTextInputWidget,
            "enabled": UnfoldBooleanSwitchWidget,
            "signature_header": UnfoldAdminTextInputWidget,
            "only_path": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
            "source": UnfoldAdminTextInputWidget,
            **dict.fromkeys(
                ("verification", "update", "list", "office", "pipeline", "assign", "owner"), UnfoldAdminSelectWidget
            ),
        }
        help_texts = {
            "name": "What you and receipts call it, such as Website. One for each system, and for each environment.",
            "enabled": "While it is off, posts are answered 404 and not kept.",
            "signature_header": "Where the HMAC-SHA256 of the body stands, in hex or base64.",
            "only_path": "A path in what comes, such as event/type. Other posts make no lead.",
            "list": "Every lead that comes in is put on it.",
            "source": "Of new leads that bring none.",
            "office": "Of new leads that bring none. Without one, only who sees the whole account sees them.",
            "pipeline": "New leads begin in its first stage.",
            "assign": "New leads that bring no owner.",
        }

    secret_was_typed: ClassVar[bool] = False

    def prepare(self) -> None:
        inbound = self.instance
        account_id = inbound.account_id
        setup = self.setup
        self.fields["description"].max_length = rules.LONGEST_DESCRIPTION  # type: ignore[attr-defined]
        self.fields["verification"].help_text = _verification_help()
        self._offer_fields(setup)
        if self.adding:
            self.initial.setdefault("match", inbound.match)
        else:
            del self.fields["typed_secret"]
        if account_id is None:
            for name in OF_ACCOUNT:
                del self.fields[name]
            return
        account = inbound.account
        self.offer("list", account.leadlists.all(), "No list")
        self.offer("office", self.scope.choosable_offices(account_id), "No office")
        self.offer("pipeline", account.pipelines.all(), "The account's default")
        self.offer("owner", self.scope.choosable_owners(account_id), "Nobody")

    @property
    def setup(self) -> Setup:
        account_id = self.instance.account_id
        return setups.of(account_id) if account_id is not None else Setup((), {})

    def _offer_fields(self, setup: Setup) -> None:
        match: Any = self.fields["match"]
        known = intake.matchable(setup)
        stored = self.instance.match
        gone = [(stored, f"{stored} (no such field any more)")] if stored and stored not in known else []
        match.choices = [*known.items(), *gone, ("", _EACH_NEW)]
        protected: Any = self.fields["protected"]
        protected.choices = list(_grouped(rules.protectable(setup), self.instance.protected))

    def clean_typed_secret(self) -> str:
        typed: str = self.cleaned_data["typed_secret"]
        verification = self.cleaned_data.get("verification", "")
        if verification == Verification.BEARER:
            return ""  # hidden, yet posted
        if typed and (fault := secrets.fault(verification, typed)):
            raise ValidationError(f"Secret {fault}.", code="secret")
        return typed

    def clean_signature_header(self) -> str:
        return str(self.cleaned_data["signature_header"]).strip()

    def clean_only_path(self) -> str:
        return str(self.cleaned_data["only_path"]).strip()

    def clean_description(self) -> str:
        return self.cleaned_data["description"] or ""

    @property
    def columns(self) -> list[str]:
        """The columns that this form decides. Mapping and secret are other pages' business."""
        return [name for name in self.fields if name not in ("typed_secret", "account")]

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        for fault in rules.faults(self.instance, self.setup):
            if fault.field in self.fields and fault.field not in self.errors:
                label = self.fields[fault.field].label
                self.add_error(fault.field, ValidationError(f"{label} {fault.message}.", code=fault.rule))


def _grouped(known: dict[str, tuple[str, str]], stored: Iterable[str]) -> Iterable[Any]:
    """Choices in the groups of the lead's form; what is gone stays to be seen until somebody takes it off."""
    by_group = sorted(known.items(), key=lambda one: GROUPS.index(one[1][0]))
    for group, fields in groupby(by_group, key=lambda one: one[1][0]):
        yield group, [(key, label) for key, (_, label) in fields]
    gone = [(key, f"{key} (no such field any more)") for key in stored if key not in known]
    if gone:
        yield "Gone", gone


def _verification_help() -> SafeString:
    keys = reverse("admin:leads_apikey_changelist")
    words = {
        Verification.BEARER: format_html(
            'The sender posts with Authorization: Bearer and one of the <a class="lc-link" href="{}">API keys</a> of '
            "this account that have the scope {}.",
            keys,
            KeyScope.INBOUND_WRITE.value,
        ),
        Verification.HMAC: "The sender signs the body by HMAC-SHA256 with a secret that both know.",
        Verification.STANDARD: "The sender signs as Standard Webhooks says: webhook-id, webhook-timestamp and "
        "webhook-signature, by a secret that both know.",
        Verification.JWT: "The sender posts a JWT in Authorization, signed by HS256 with a secret that both know. Its "
        "claims are what is read; the body is ignored.",
    }
    return format_html_join(
        " ",
        '<span x-show="verification == \'{}\'"><span class="lc-unscripted">{}: </span>{}</span>',
        ((name, name.label, text) for name, text in words.items()),
    )
