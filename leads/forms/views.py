"""/f/<uid>: the hosted page, and where browsers and programs send a form to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from django.core.exceptions import TooManyFieldsSent, ValidationError
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt

from leads import setup as setups
from leads.api.errors import Fault, Problem, body, problem_of, shown
from leads.api.parser import body_of, malformed, read
from leads.fields import BY_KEY
from leads.forms import answers, page
from leads.forms.questions import Question, asked
from leads.forms.sender import address_of
from leads.forms.submit import Closed, Refused, TooMany, submit
from leads.models import Form
from leads.models.form import read_redirect

LARGEST_BODY: Final = 64 * 1024  # bytes

_METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"

# Any page may send a form of ours from its script, and read what came of it. No credentials are asked for or looked at.
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-ID",
}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}


# No CSRF token: it would keep other sites from acting in the name of somebody who is signed in here, and nothing is
# done in anybody's name. Neither session nor cookie is read or set, forms are meant to be sent from other sites, and
# whoever wants to send one needs no visitor's browser for it. Against spam there are the trap and the rate limit.
@csrf_exempt
def form(request: HttpRequest, uid: str) -> HttpResponse:
    response = _answer(request, uid)
    more = _CORS if request.method in ("POST", "OPTIONS") else {}
    for name, value in {**more, "Cache-Control": "no-store"}.items():
        response[name] = value
    return response


def _answer(request: HttpRequest, uid: str) -> HttpResponse:
    if request.method not in _METHODS:
        return HttpResponse(status=405, headers={"Allow": ", ".join(_METHODS)})
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": ", ".join(_METHODS), **_PREFLIGHT})
    by_page = request.method != "POST" or request.content_type in (_URLENCODED, _MULTIPART)
    found = Form.objects.select_related("account").filter(uid=uid, is_open=True).first()
    if found is None:
        return page.missing() if by_page else _refusal(Problem(404, "There is no open form at this address."))
    questions = asked(found, setups.of(found.account_id))
    if request.method != "POST":
        return page.shown(found, questions)
    try:
        return _of_page(request, found, questions) if by_page else _of_json(request, found, questions)
    except Closed:
        return page.missing() if by_page else _refusal(Problem(404, "There is no open form at this address."))


def _of_page(request: HttpRequest, form: Form, questions: Sequence[Question]) -> HttpResponse:
    typed = None
    try:
        if request.content_type == _MULTIPART:
            raise Problem(415, "Send the form as its page does, not as multipart/form-data.")
        try:
            typed = QueryDict(body_of(request, LARGEST_BODY), encoding="utf-8")
        except TooManyFieldsSent:
            raise malformed("The form has too many fields.") from None
        _take(request, form, questions, answers.of_page(questions, typed))
    except Problem as problem:
        trouble = _in_words(problem, questions)
        response = page.shown(form, questions, problem.status_code, typed, trouble)
        for name, value in problem.headers.items():
            response[name] = value
        return response
    if form.redirect_url:
        response = HttpResponseRedirect(read_redirect(form.redirect_url).geturl())
        # See other: by GET, whatever the browser thinks of a 302.
        response.status_code = 303
        return response
    return page.thanked(form)


def _of_json(request: HttpRequest, form: Form, questions: Sequence[Question]) -> HttpResponse:
    try:
        charset = (request.content_params or {}).get("charset", "utf-8").lower()
        if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
            raise Problem(415, f"Send the form as application/json in UTF-8, or as {_URLENCODED}.")
        given = answers.of_json(questions, read(body_of(request, LARGEST_BODY)))
        if given.unknown and not given.trapped:
            unknown = [Fault(shown(name), "unknown", "is not a field of this form") for name in given.unknown]
            raise Problem(400, faults=unknown)
        taken = _take(request, form, questions, given)
    except Problem as problem:
        return _refusal(problem)
    return JsonResponse({"status": "success", "id": taken})


def _take(request: HttpRequest, form: Form, questions: Sequence[Question], given: answers.Answers) -> str:
    """The id of the submission. Raises Problem, and Closed."""
    try:
        return str(submit(form, questions, given, address_of(request)).pk)
    except Refused as refused:
        faults = [Fault(one.field, one.rule, one.message) for one in refused.violations]
        raise Problem(400, faults=faults) from None
    except TooMany as many:
        raise Problem(
            429,
            f"Too many submissions came from your address. Try again in {many.seconds} s.",
            code="rate_limited",
            headers={"Retry-After": str(many.seconds)},
        ) from None
    except (ValidationError, DatabaseError, InterfaceError) as error:
        # Somebody was quicker, or the database is away: in the words of the API.
        raise problem_of(error) from error


def _refusal(problem: Problem) -> HttpResponse:
    """In the API's shape, request id included."""
    request_id = uuid.uuid4().hex
    headers = {**problem.headers, "X-Request-ID": request_id}
    return JsonResponse(body(problem, request_id), status=problem.status_code, headers=headers)


# Rule -> what is said to people where the rule's own words are for programs: codes, and the largest numbers there are.
_PLAIN: Final[Mapping[str, str]] = {
    "integer": "must be a whole number, such as 3",
    "choice": "must be one of those on offer",
    "choices": "must be among those on offer",
    "yes_no": "must be yes or no",
}


def _in_words(problem: Problem, questions: Sequence[Question]) -> page.Trouble:
    """A problem as visitors read it: by the labels of the form."""
    labels = {question.key: question.label for question in questions}
    errors, others = {}, []
    for fault in problem.faults:
        message = _PLAIN.get(fault.rule, fault.message)
        if fault.field in labels:
            errors[fault.field] = f"{labels[fault.field]} {message}."
        else:
            known = BY_KEY.get(fault.field or "")
            others.append(f"{known.label if known else fault.field} {message}.")
    if not problem.faults:
        others.append(problem.message)
    return page.Trouble(errors, others)
