"""Web forms: what they ask, where their leads go, their address, and what has come in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from leads import setup as setups
from leads.admin.base import scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import ago, badge, number, person, plural
from leads.admin.form_questions import QuestionsField, in_words
from leads.admin.intake_fields import CONDITIONS as INTAKE_CONDITIONS
from leads.admin.intake_fields import intake_fields
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm
from leads.forms import page
from leads.forms.questions import asked, choosable, faults
from leads.models import Form, FormSubmission
from leads.models.form import Outcome
from leads.scope import Scope
from leads.setup import Setup

_LABELS = ("tags", "lists", "campaigns")
# What stands in one account only, and is asked for once it is known which.
_OF_ACCOUNT = ("office", "pipeline", "assign", "owner", *_LABELS)
# What a new form asks until somebody thinks of something better.
_FIRST_ROWS = (("first_name", True), ("last_name", True), ("email", True), ("phone", False), ("message", False))
_RECENT = 10


class WebFormForm(OwnedForm):
    class Meta:
        model = Form
        fields = [
            *("account", "name", "title", "is_open", "fields", "office", "pipeline", "assign", "owner", "source"),
            *("tags", "lists", "campaigns", "match", "update", "protected", "thank_you", "redirect_url"),
        ]
        widgets = ACCOUNT | {
            "name": UnfoldAdminTextInputWidget,
            "title": UnfoldAdminTextInputWidget,
            "is_open": UnfoldBooleanSwitchWidget,
            "office": UnfoldAdminSelectWidget,
            "pipeline": UnfoldAdminSelectWidget,
            "assign": UnfoldAdminSelectWidget,
            "owner": UnfoldAdminSelectWidget,
            "source": UnfoldAdminTextInputWidget,
            **dict.fromkeys(_LABELS, UnfoldAdminSelect2MultipleWidget),
            "match": UnfoldAdminSelectWidget,
            "update": UnfoldAdminSelectWidget,
            "thank_you": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "redirect_url": UnfoldAdminTextInputWidget(attrs={"inputmode": "url"}),
        }
        help_texts = {
            "name": "What you and webhooks call it.",
            "title": "The heading that visitors read.",
            "is_open": "A closed form takes nothing: its page says that there is no form here.",
            "office": "Without one, only who sees the whole account sees the leads.",
            "pipeline": "Leads begin in its first stage.",
            "source": "What the leads have as their source.",
            "thank_you": "What visitors read afterwards.",
            "redirect_url": "A page of yours to go on to instead of the text, such as https://example.com/thanks.",
        }

    def prepare(self) -> None:
        account_id = self.instance.account_id
        setup = setups.of(account_id) if account_id is not None else Setup((), {})
        known = choosable(setup)
        self.fields |= intake_fields(setup, self.instance, ask=known)
        self.fields["fields"] = QuestionsField(
            known,
            label="Fields",
            help_text="An empty label is the field's own. Type offers the types that the other fields suffice for.",
        )
        if self.adding:
            self.initial["fields"] = [
                {"key": key, "label": known[key].label, "required": required} for key, required in _FIRST_ROWS
            ]
        if account_id is None:
            for name in _OF_ACCOUNT:
                del self.fields[name]
            return
        form = self.instance
        self.offer("office", self.scope.choosable_offices(account_id), "No office")
        self.offer("pipeline", form.account.pipelines.all(), "The account's default")
        self.offer("owner", self.scope.choosable_owners(account_id), "Nobody")
        for name in _LABELS:
            field: Any = self.fields[name]
            field.queryset = field.queryset.filter(account_id=account_id)
            field.error_messages["invalid_choice"] = f"{field.label} must be among those on offer."

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        form: Form = self.instance
        # A closed one may wait for somebody to mend it.
        judged = form.is_open or self.adding or "fields" in self.changed_data
        if judged and form.account_id is not None and "fields" in self.cleaned_data:
            for fault in faults(form, setups.of(form.account_id)):
                self.add_error("fields", ValidationError(in_words(fault), code=fault.rule))


@admin.register(Form)
class WebFormAdmin(OwnedAdmin):
    form: ClassVar[type[OwnedForm]] = WebFormForm
    columns = ("who", "state", "taken", "spam", "last")
    list_display_links = ("who",)
    search_fields = ("name", "title")
    search_help_text = "Name or title"
    ordering = ("name", "id")
    conditional_fields = INTAKE_CONDITIONS
    empty_title = "No forms yet"
    empty_text = "A form is a page where visitors become leads, on this site or within yours."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Form]:
        leads = Count("submissions", filter=Q(submissions__outcome=Outcome.LEAD))
        spam = Count("submissions", filter=Q(submissions__outcome=Outcome.SPAM))
        return super().get_queryset(request).annotate(leads=leads, spams=spam, latest=Max("submissions__received_at"))

    # --- the list ---

    @display(description="Form", ordering="name")
    def who(self, form: Form) -> SafeString:
        return person(form.name, form.title, initials=False)

    @display(description="State", ordering="is_open")
    def state(self, form: Form) -> SafeString:
        return badge(*state_of(form))

    @display(description="Submissions", ordering="leads")
    def taken(self, form: Any) -> str:
        return number(form.leads)

    @display(description="Spam", ordering="spams")
    def spam(self, form: Any) -> str:
        return number(form.spams)

    @display(description="Last submission", ordering="latest")
    def last(self, form: Any) -> SafeString | str:
        return ago(form.latest) if form.latest else "Never"

    # --- the form ---

    def get_fieldsets(self, request: HttpRequest, obj: Form | None = None) -> list[Any]:
        choose = obj is None and scope_of(request).every_account
        head = [*(["account"] if choose else []), "name", "title", "is_open"]
        place = ["source"] if choose else [("office", "pipeline"), ("assign", "owner"), "source", *_LABELS]
        return [
            (None, {"fields": head}),
            ("What it asks", {"fields": ["fields"]}),
            ("Where its leads go", {"fields": place}),
            ("Leads that are there already", {"fields": ["match", ("update", "protected")]}),
            ("Afterwards", {"fields": ["thank_you", "redirect_url"]}),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        form = kwargs.get("obj")
        if form is not None:
            # As it is stored, whatever was typed.
            stored = self.get_queryset(request).get(pk=form.pk)
            setup = setups.of(stored.account_id)
            context |= {
                "stored": stored,
                "state": state_of(stored),
                "address": page.address_of(stored),
                "snippet": page.snippet(stored, asked(stored, setup)),
                "broken": [in_words(fault) for fault in faults(stored, setup)] if stored.is_open else [],
                "recent": _recent(scope_of(request), stored),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        # On to its address.
        return super().response_add(request, obj, post_url_continue or self.url("change", obj))

    def deletion(self, request: HttpRequest, form: Form) -> Deletion:
        count = form.submissions.count()
        kept = f" What is kept of {plural(count, 'submission')} goes, the leads stay." if count else ""
        return Deletion(
            f"Delete {form}?",
            f"Its page and its address stop working, also within other sites.{kept} A closed form can be opened again.",
        )


def state_of(form: Form) -> tuple[str, str]:
    """The look and the word of a form's state."""
    return ("enabled", "Open") if form.is_open else ("disabled", "Closed")


def _recent(scope: Scope, form: Form) -> list[FormSubmission]:
    """The newest that the user may see: what became a lead belongs to whoever sees the lead."""
    rows = form.submissions.select_related("lead")
    if not scope.whole_account:
        rows = rows.filter(lead__in=scope.leads().order_by().values("pk"))
    return list(rows[:_RECENT])
