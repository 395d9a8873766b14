"""What the screens of a lead's activities and opportunities share: whose record it is, the type and its own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import BASE_INPUT_CLASSES, UnfoldAdminSelectWidget

from leads.admin.base import Admin, is_key, scope_of
from leads.admin.lead_fields import Autocomplete, Reference, person_choice
from leads.admin.owned import check_text
from leads.models import Lead, User
from leads.models.kind import Kind, value_fault
from leads.scope import Scope
from leads.sentences import sentence

# Where saving leads to: the lead's page, for who came from there.
BACK = "back"
_TO_LEAD = "lead"


def tab_of(lead: Lead, slug: str) -> str:
    """The lead's page with this tab open."""
    return f"{reverse('admin:leads_lead_change', args=[lead.pk])}#{slug}"


def from_lead(address: str, **query: Any) -> str:
    """The address of a page that leads back to the lead's own."""
    return f"{address}?{urlencode({**query, BACK: _TO_LEAD})}"


class FurtherWidget(forms.Widget):
    """One input for each label of a type: a value is {label: text}.

    The names carry the type, so that what was typed for one is never taken for another's.
    """

    template_name = "admin/leads/widgets/further.html"

    def __init__(self, kind: Kind | None) -> None:
        self.kind = kind
        super().__init__()

    def names(self, name: str) -> Mapping[str, str]:
        """Label -> the name of its input."""
        if self.kind is None:
            return {}
        return {label: f"{name}.{self.kind.pk}.{place}" for place, label in enumerate(self.kind.fields, 1)}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, str]:
        return {label: str(data[key]) for label, key in self.names(name).items() if key in data}

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False

    def id_for_label(self, id_: str | None) -> str:
        return ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        texts = value if isinstance(value, dict) else {}
        return context | {
            "inputs": [(label, key, texts.get(label) or "") for label, key in self.names(name).items()],
            "disabled": context["widget"]["attrs"].get("disabled", False),
            "classes": " ".join(BASE_INPUT_CLASSES),
        }

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        # By the project's templates, which the renderer of forms does not know.
        return mark_safe(render_to_string(template_name, context))


class FurtherField(forms.Field):
    """`stored` is what is kept of a label whose input was not sent, or sent as a browser gives it back."""

    def __init__(self, kind: Kind | None, stored: Mapping[str, Any]) -> None:
        self.labels: Sequence[str] = kind.fields if kind is not None else ()
        self.stored = stored
        super().__init__(widget=FurtherWidget(kind), required=False, label="Further fields")

    def to_python(self, value: Any) -> dict[str, str]:
        texts = {label: self._text(label, value or {}) for label in self.labels}
        return {label: text for label, text in texts.items() if text}

    def _text(self, label: str, sent: Mapping[str, str]) -> str:
        was = str(self.stored.get(label) or "")
        text = sent.get(label, was).strip()
        return was if text == was.replace("\r", "").replace("\n", "").strip() else text

    def validate(self, value: Mapping[str, str]) -> None:
        for label, text in value.items():
            check_text(label, text)
        if fault := value_fault(value, self.labels):
            raise ValidationError(sentence("fields", fault), code="fields")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and (initial or {}) != self.to_python(data)


class TypedForm(forms.ModelForm):
    """Of a record with a type and the type's fields. A class of its own for each request.

    asked    the type whose fields are shown, as somebody chose it meanwhile
    address  of this page: where the fields of another type are asked for
    beside   what follows from the type besides its fields: a selector for htmx
    """

    account_id: int
    scope: Scope
    readonly = False
    asked = ""
    address = ""
    beside: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = list(self.kinds())
        self.kind = self._kind_of(kinds)
        self.fields["type"] = Reference(
            self.kinds(),
            key="type",
            label="Type",
            empty_label=None,
            widget=UnfoldAdminSelectWidget(attrs=self._follow()),
        )
        self.initial["type"] = self.kind.pk if self.kind is not None else None
        self.fields["fields"] = FurtherField(self.kind, self.instance.fields)
        self.fields["owner"] = person_choice(
            self.scope, self.account_id, self.instance.owner_id, label="Owner", required=False, empty_label="Unassigned"
        )
        self.prepare()
        for field in self.fields.values():
            field.disabled = field.disabled or self.readonly
            field.error_messages["required"] = f"{field.label} is required."

    def prepare(self) -> None:
        """Fields beyond type, owner and what the type asks."""

    def kinds(self) -> QuerySet[Any]:
        """The types that the record may have, the one that it has among them."""
        raise NotImplementedError

    def _kind_of(self, kinds: Sequence[Kind]) -> Kind | None:
        """As it was sent, or chosen meanwhile; else as it is stored; else the first one."""
        given = str(self.data.get("type", "")) if self.is_bound else self.asked
        stored = str(self.instance.type_id)
        found = {str(kind.pk): kind for kind in kinds}
        return found.get(given) or found.get(stored) or next(iter(kinds), None)

    def _follow(self) -> dict[str, str]:
        """What makes the fields follow another choice of the type. Without scripts they do once the form is saved."""
        if self.readonly:
            return {}
        follow = {"hx-get": self.address, "hx-trigger": "change", "hx-target": "#further", "hx-select": "#further"}
        beside = {"hx-select-oob": self.beside} if self.beside else {}
        return follow | {"hx-swap": "outerHTML"} | beside

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, value in list(data.items()):
            if isinstance(value, str):
                try:
                    check_text(str(self.fields[name].label), value)
                except ValidationError as error:
                    self.add_error(name, error)
        return data


class OfLeadForm(TypedForm):
    """See `for_lead`."""

    lead: Lead

    @classmethod
    def for_lead(cls, lead: Lead, scope: Scope, **options: Any) -> type[OfLeadForm]:
        return type(cls.__name__, (cls,), {"lead": lead, "account_id": lead.account_id, "scope": scope, **options})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.lead = self.lead


class LeadChoice(forms.Form):
    """Whose record is going to be added: only then it is known what can be chosen for it."""

    def __init__(self, model: Any, leads: QuerySet[Lead]) -> None:
        super().__init__()
        self.fields["lead"] = forms.ModelChoiceField(leads, widget=Autocomplete(model._meta.get_field("lead")))


class OfLeadAdmin(Admin):
    """tab: the part of the lead's page that lists these records."""

    form: ClassVar[type[OfLeadForm]]
    tab: ClassVar[str]

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(scope_of(request).in_offices("lead__")).select_related("lead", "type", "owner")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    # --- whose record ---

    def _lead(self, request: HttpRequest, obj: Any) -> Lead:
        """The record's lead; of a new one the lead in the address, which the user has to see."""
        if obj is not None:
            lead: Lead = obj.lead
            return lead
        key = request.GET.get("lead", "")
        found = scope_of(request).leads().filter(pk=int(key)).first() if is_key(key) else None
        if found is None:
            raise Http404
        return found

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        if request.GET.get("lead") or request.method != "GET":
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = LeadChoice(self.model, scope_of(request).leads())
        context = {
            **self.admin_site.each_context(request),
            "title": f"Add {self.opts.verbose_name}",
            "opts": self.opts,
            "form": form,
            "media": self.media + form.media,
            "fault": "Lead must be chosen." if "lead" in request.GET else "",
            "back": self.url("changelist"),
        }
        return TemplateResponse(request, "admin/leads/choose_lead.html", context)

    # --- the form ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[OfLeadForm]:
        query = {name: request.GET[name] for name in ("lead", BACK) if name in request.GET}
        return self.form.for_lead(
            self._lead(request, obj),
            scope_of(request),
            readonly=obj is not None and not self.has_change_permission(request, obj),
            asked=request.GET.get("type", ""),
            address=f"{request.path}?{urlencode(query)}",
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """It is the user's own unless they say otherwise."""
        user = request.user
        assert isinstance(user, User)
        people = scope_of(request).choosable_owners(self._lead(request, None).account_id)
        return {"owner": user.pk} if people.filter(pk=user.pk).exists() else {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Disabled fields show more than Unfold's read-only ones, which know columns only.
        context["adminform"].readonly_fields = ()
        lead, record = context["adminform"].form.lead, kwargs.get("obj")
        leads = {"title": "leads", "link": reverse("admin:leads_lead_changelist")}
        crumbs = [{}, leads, {"title": lead, "link": tab_of(lead, self.tab)}]
        context["crumbs"] = crumbs if record is None else [*crumbs, {"title": record}]
        return super().render_change_form(request, context, *args, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> Any:
        return self._way_back(request, obj) or super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._way_back(request, obj) or super().response_post_save_change(request, obj)

    def _way_back(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect | None:
        return HttpResponseRedirect(tab_of(obj.lead, self.tab)) if request.GET.get(BACK) == _TO_LEAD else None
