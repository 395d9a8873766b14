"""The hosted page of a form, and the HTML that puts the same form on another site. Neither needs a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from csp.constants import SELF
from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse

from leads.forms.answers import TRAP
from leads.forms.questions import Question
from leads.models import Form
from leads.models.form import read_redirect

# By what browsers fill in for people who ask them to (HTML's autofill field names).
_AUTOCOMPLETE: Final[Mapping[str, str]] = {
    "full_name": "name",
    "first_name": "given-name",
    "last_name": "family-name",
    "title": "honorific-prefix",
    "email": "email",
    "business_email": "work email",
    "personal_email": "home email",
    "phone": "tel",
    "mobile_phone": "mobile tel",
    "office_phone": "work tel",
    "address": "street-address",
    "postcode": "postal-code",
    "city": "address-level2",
    "state": "address-level1",
    "country": "country-name",
    "company_name": "organization",
    "job_title": "organization-title",
    "website": "url",
}
_PHONES: Final = ("phone", "mobile_phone", "office_phone")


@dataclass(frozen=True, slots=True)
class Input:
    """A question as the page shows it: what was typed, and what is wrong with it."""

    question: Question
    id: str
    type: str
    autocomplete: str
    typed: Sequence[str] = ()
    error: str = ""
    first_error: bool = False

    @property
    def value(self) -> str:
        return self.typed[-1] if self.typed else ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a submission was not taken. errors: question's key -> sentence; others: sentences of no question here."""

    errors: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()


def path_of(form: Form) -> str:
    return reverse("hosted_form", args=[form.uid])


def address_of(form: Form) -> str:
    """Where everybody finds it."""
    return f"{settings.SITE_URL}{path_of(form)}"


def shown(
    form: Form,
    questions: Sequence[Question],
    status: int = 200,
    typed: QueryDict | None = None,
    trouble: Trouble | None = None,
) -> HttpResponse:
    trouble = trouble or Trouble()
    inputs = _inputs(questions, typed, trouble)
    context = {"form": form, "inputs": inputs, "trap": TRAP, "others": trouble.others}
    context |= {"wrong": [one for one in inputs if one.error], "action": path_of(form)}
    return _answer(form, "leads/form.html", context, status)


def thanked(form: Form) -> HttpResponse:
    return _answer(form, "leads/form_thanks.html", {"form": form}, 200)


def missing() -> HttpResponse:
    """The same whether the form is closed or never was."""
    return HttpResponse(render_to_string("leads/form_missing.html"), status=404)


def snippet(form: Form, questions: Sequence[Question]) -> str:
    """The form in plain HTML, to be put on any page."""
    context = {"inputs": _inputs(questions, None, Trouble()), "trap": TRAP, "action": address_of(form), "plain": True}
    text = render_to_string("leads/form_snippet.html", context)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _inputs(questions: Sequence[Question], typed: QueryDict | None, trouble: Trouble) -> list[Input]:
    made: list[Input] = []
    for question in questions:
        error = trouble.errors.get(question.key, "")
        made.append(
            Input(
                question,
                id=f"f-{question.key.replace('.', '-')}",
                type=_type(question),
                autocomplete=_AUTOCOMPLETE.get(question.key, ""),
                typed=typed.getlist(question.key) if typed is not None else (),
                error=error,
                first_error=bool(error) and not any(one.error for one in made),
            )
        )
    return made


def _type(question: Question) -> str:
    if question.key in _PHONES:
        return "tel"
    return question.kind if question.kind in ("email", "date") else "text"


def _answer(form: Form, template: str, context: Mapping[str, object], status: int) -> HttpResponse:
    # Without the request: the page is the same for everybody, and touches neither session nor user.
    response = HttpResponse(render_to_string(template, dict(context)), status=status)
    if form.redirect_url:
        # A browser asks the policy of the page it leaves also where a submission is sent on to.
        policy = {"form-action": [SELF, _origin(form.redirect_url)]}
        response._csp_update = policy  # type: ignore[attr-defined]
    return response


def _origin(url: str) -> str:
    parts = read_redirect(url)
    return f"{parts.scheme}://{parts.netloc}"
